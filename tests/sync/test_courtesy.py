"""Reading pages beside an operator: one page at a time, a pause after each key, and never a standstill."""

import asyncio

from bmconsole.sync.courtesy import HOLD_SECONDS, Courtesy


async def test_pages_are_read_one_after_the_other() -> None:
    courtesy, steps = Courtesy(), list[str]()

    async def read(name: str) -> None:
        async with courtesy.alone():
            for _ in range(3):
                steps.append(name)
                await courtesy.step()

    await asyncio.gather(read("a"), read("b"))
    assert steps == ["a"] * 3 + ["b"] * 3


async def test_a_step_after_a_key_waits_until_it_is_painted() -> None:
    courtesy, loop = Courtesy(), asyncio.get_running_loop()
    courtesy.attend()
    at = loop.time()
    await courtesy.step()
    assert loop.time() - at >= HOLD_SECONDS * 0.9


async def test_keys_without_end_slow_reading_down_and_do_not_stop_it() -> None:
    courtesy, steps = Courtesy(), 0

    async def type_on() -> None:
        while True:
            courtesy.attend()
            await asyncio.sleep(0.005)

    typing = asyncio.create_task(type_on())
    async with asyncio.timeout(5), courtesy.alone():
        for _ in range(3):
            await courtesy.step()
            steps += 1
    typing.cancel()
    assert steps == 3
