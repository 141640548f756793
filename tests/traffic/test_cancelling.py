"""Cancelled, refused and closed: no slot is ever left behind."""

import asyncio
from pathlib import Path

import pytest

from bmconsole.domain.priority import Priority
from bmconsole.traffic import DeadlineExpired, Rule, TrafficClosed, TrafficController
from tests.traffic.world import EDGE, World

TEN = (Rule("edge", 10, 10.0),)


def used(controller: TrafficController) -> int:
    return controller.snapshot().rule("edge").used


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "sqlite"])
def test_cancelled_in_the_moment_of_the_grant_gives_the_slot_back(shared: bool, tmp_path: Path) -> None:
    world = World(TEN)

    async def scenario() -> None:
        controller = world.controller(world.shared(tmp_path) if shared else None)
        slots = [await controller.acquire(EDGE, Priority.CRITICAL) for _ in range(10)]
        tasks = [asyncio.create_task(controller.acquire(EDGE, Priority.CRITICAL)) for _ in range(10)]
        await asyncio.sleep(1)
        for slot in slots:
            slot.refund()
        for task in tasks:
            task.cancel()  # each has been granted by now, and none has noticed
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert used(controller) == 0
        assert controller.snapshot().in_flight == 0
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(10)))
        assert max(world.waits[Priority.CRITICAL]) < 0.1
        await controller.aclose()

    world.run(scenario)


def test_cancelled_while_waiting_leaves_the_queue_at_once() -> None:
    world = World(TEN)

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(10)))
        tasks = [asyncio.create_task(controller.acquire(EDGE, Priority.HIGH)) for _ in range(100)]
        last = asyncio.create_task(world.request(controller, Priority.HIGH))
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert controller.snapshot().priority(Priority.HIGH).depth == 1
        await last
        assert world.waits[Priority.HIGH] == [pytest.approx(10.0, abs=0.1)]
        await controller.aclose()

    world.run(scenario)


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "sqlite"])
def test_what_was_handed_over_is_never_refunded(shared: bool, tmp_path: Path) -> None:
    world = World(TEN)

    async def scenario() -> None:
        controller = world.controller(world.shared(tmp_path) if shared else None)
        slot = await controller.acquire(EDGE, Priority.CRITICAL)
        slot.lost()
        slot.refund()
        slot.answered()
        assert used(controller) == 1
        await asyncio.sleep(14.9)
        assert used(controller) == 1
        await asyncio.sleep(0.2)
        assert used(controller) == 0
        await controller.aclose()

    world.run(scenario)


def test_a_block_holds_its_slot_and_a_failing_one_loses_it() -> None:
    world = World(TEN)

    async def scenario() -> None:
        controller = world.controller()
        async with controller.slot(EDGE, Priority.HIGH):
            assert controller.snapshot().in_flight == 1
        with pytest.raises(ValueError, match="broken"):
            async with controller.slot(EDGE, Priority.HIGH):
                raise ValueError("broken")
        async with controller.slot(EDGE, Priority.HIGH) as slot:
            slot.refund()
        assert controller.snapshot().in_flight == 0
        assert used(controller) == 2
        await controller.aclose()

    world.run(scenario)


def test_a_refund_lets_the_next_one_go() -> None:
    world = World(TEN)

    async def scenario() -> None:
        controller = world.controller()
        slots = [await controller.acquire(EDGE, Priority.CRITICAL) for _ in range(10)]
        waiting = asyncio.create_task(world.request(controller, Priority.CRITICAL))
        await asyncio.sleep(1)
        assert not waiting.done()
        slots[3].refund()
        await waiting
        assert world.waits[Priority.CRITICAL] == [pytest.approx(1.0, abs=0.01)]
        for slot in slots:
            slot.answered()
        await controller.aclose()

    world.run(scenario)


def test_stale_background_work_is_dropped_in_one_go() -> None:
    world = World(TEN)

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(10)))
        deadline = world.loop.time() + 5
        tasks = [asyncio.create_task(world.request(controller, Priority.LOW, deadline=deadline)) for _ in range(500)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, DeadlineExpired) for result in results)
        assert world.loop.time() == pytest.approx(deadline, abs=0.01)
        assert len(world.oracle.arrivals["edge"]) == 10
        await controller.aclose()

    world.run(scenario)


def test_closing_refuses_those_who_wait_and_later_ones() -> None:
    world = World(TEN)

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(10)))
        waiting = [asyncio.create_task(controller.acquire(EDGE, priority)) for priority in Priority]
        await asyncio.sleep(0.1)
        await controller.aclose()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, TrafficClosed) for result in results)
        with pytest.raises(TrafficClosed):
            await controller.acquire(EDGE, Priority.HIGH)
        await controller.aclose()

    world.run(scenario)


def test_background_is_bounded_in_flight_and_an_operator_is_not() -> None:
    world = World((Rule("edge", 1000, 1.0),))

    async def scenario() -> None:
        controller = TrafficController(world.rules, world.memory(), background_in_flight=5)
        slots = []

        async def take() -> None:
            slots.append(await controller.acquire(EDGE, Priority.LOW))

        tasks = [asyncio.create_task(take()) for _ in range(20)]
        await asyncio.sleep(5)
        assert len(slots) == 5
        (await controller.acquire(EDGE, Priority.HIGH)).answered()
        slots[0].answered()
        await asyncio.sleep(1)
        assert len(slots) == 6
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for slot in slots:
            slot.answered()
        await controller.aclose()

    world.run(scenario)
