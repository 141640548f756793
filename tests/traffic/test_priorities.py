"""Who goes first, and that nobody starves."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from bmconsole.domain.priority import Priority
from bmconsole.traffic import Rule, TrafficController, costs_of, default_rules
from bmconsole.traffic.stats import percentile
from tests.traffic.world import EDGE, World, uniform

DOCUMENTED = default_rules()
CATEGORY = costs_of("GET", "/ws/category/tree")


def controllers(world: World, shared: bool, folder: Path, count: int) -> list[TrafficController]:
    """Return as many processes, or as many names for one."""
    if shared:
        return [world.controller(world.shared(folder)) for _ in range(count)]
    return [world.controller()] * count


@pytest.mark.parametrize("shared", [False, True], ids=["one process", "three processes"])
def test_an_operator_hardly_waits_for_a_backlog(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED, latency=uniform(0.2))
    seconds = 100.0 if shared else 200.0

    async def scenario() -> None:
        console, sync, sweep = controllers(world, shared, tmp_path, 3)
        await asyncio.gather(
            world.saturate(sweep, Priority.LOW, seconds, backlog=1000),
            world.now_and_then(sync, Priority.NORMAL, seconds, rate=3.0),
            world.now_and_then(console, Priority.HIGH, seconds, rate=3.0, seed=8),
        )
        await asyncio.gather(*(controller.aclose() for controller in (console, sync, sweep)))

    world.run(scenario)
    waits = sorted(world.waits[Priority.HIGH])
    assert percentile(waits, 0.5) <= 0.01
    assert percentile(waits, 0.99) <= 0.10
    sync_waits = sorted(world.waits[Priority.NORMAL])
    assert percentile(sync_waits, 0.5) <= 0.5


@pytest.mark.parametrize("shared", [False, True], ids=["one process", "two processes"])
def test_page_loads_of_six_calls_wait_little(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED, latency=uniform(0.2))
    seconds = 150.0 if shared else 300.0

    async def scenario() -> None:
        console, sweep = controllers(world, shared, tmp_path, 2)
        await asyncio.gather(
            world.saturate(sweep, Priority.LOW, seconds, backlog=500),
            world.now_and_then(console, Priority.HIGH, seconds, rate=0.3, most=6),
        )
        await asyncio.gather(console.aclose(), sweep.aclose())

    world.run(scenario)
    assert percentile(sorted(world.waits[Priority.HIGH]), 0.99) <= 0.3


@pytest.mark.parametrize("storm", [Priority.CRITICAL, Priority.HIGH])
@pytest.mark.parametrize("shared", [False, True], ids=["one process", "two processes"])
def test_nobody_starves_in_a_storm_of_twice_the_capacity(storm: Priority, shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED, latency=uniform(0.2))
    seconds = 60.0

    async def scenario() -> None:
        loud, quiet = controllers(world, shared, tmp_path, 2)
        backlog = asyncio.create_task(world.saturate(quiet, Priority.LOW, seconds, backlog=100))
        flood: list[asyncio.Task[None]] = []
        for _ in range(int(seconds * 40)):
            await asyncio.sleep(1 / 40)
            flood.append(asyncio.create_task(world.request(loud, storm)))
        await backlog
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        await asyncio.gather(loud.aclose(), quiet.aclose())

    began = world.loop.time()
    world.run(scenario)
    low = [time for time in world.grants[Priority.LOW] if time >= began + 10]
    assert max(later - earlier for earlier, later in pairwise(low)) <= 3.0
    assert len(low) >= 0.03 * 20 * (seconds - 10)
    assert len(world.grants[storm]) >= 0.9 * 20 * seconds


def test_a_sync_goes_before_a_sweep() -> None:
    world = World(DOCUMENTED, latency=uniform(0.2))

    async def scenario() -> None:
        controller = world.controller()
        sweep = asyncio.create_task(world.saturate(controller, Priority.LOW, 60, backlog=2000))
        await asyncio.sleep(1)
        await asyncio.gather(*(world.request(controller, Priority.NORMAL) for _ in range(200)))
        await sweep
        await controller.aclose()

    world.run(scenario)
    # 200 need ten seconds of the whole budget; 1 in 20 of it is the sweep's.
    assert max(world.waits[Priority.NORMAL]) <= 12.0


def test_a_full_class_does_not_hold_back_the_others() -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = world.controller()
        blocked = [asyncio.create_task(world.request(controller, Priority.CRITICAL, CATEGORY)) for _ in range(30)]
        await asyncio.sleep(0.01)
        await world.request(controller, Priority.LOW)
        assert world.waits[Priority.LOW][-1] < 2.0
        assert sum(task.done() for task in blocked) == 20
        await asyncio.gather(*blocked)
        await controller.aclose()

    world.run(scenario)


def test_a_large_request_is_not_overtaken_for_ever() -> None:
    rules = (Rule("edge", 100, 1.0), Rule("sku_lines", 100, 60.0))
    world = World(rules)
    small, large = (("edge", 1), ("sku_lines", 10)), (("edge", 1), ("sku_lines", 100))

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.HIGH, small) for _ in range(10)))
        late = asyncio.create_task(world.request(controller, Priority.HIGH, large))
        await asyncio.sleep(0)
        behind = [asyncio.create_task(world.request(controller, Priority.HIGH, small)) for _ in range(50)]
        await late
        assert not any(task.done() for task in behind)
        await asyncio.gather(*behind)
        await controller.aclose()

    world.run(scenario)


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "sqlite"])
def test_the_operator_keeps_a_fifth_of_an_hour_rule(shared: bool, tmp_path: Path) -> None:
    world = World((Rule("edge", 1000, 1.0), Rule("sku_lines", 100, 3600.0)))
    line = (("edge", 1), ("sku_lines", 1))

    async def scenario() -> None:
        background, operator = controllers(world, shared, tmp_path, 2)
        waiting = [asyncio.create_task(world.request(background, Priority.NORMAL, line)) for _ in range(70)]
        waiting += [asyncio.create_task(world.request(background, Priority.LOW, line)) for _ in range(70)]
        await asyncio.sleep(60)
        assert sum(task.done() for task in waiting) == 80
        await asyncio.gather(*(world.request(operator, Priority.HIGH, line) for _ in range(20)))
        assert world.oracle.fullest("sku_lines") == 100
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.gather(background.aclose(), operator.aclose())

    world.run(scenario)
    assert max(world.waits[Priority.HIGH]) < 1.0


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "sqlite"])
def test_the_reserve_is_kept_only_while_a_console_is_attached(shared: bool, tmp_path: Path) -> None:
    world = World((Rule("edge", 10, 5.0, reserve=2),))

    async def scenario() -> None:
        sweep, console = controllers(world, shared, tmp_path, 2)
        console.attach(True)
        tasks = [asyncio.create_task(world.request(sweep, Priority.LOW)) for _ in range(40)]
        await asyncio.sleep(4.9)
        assert len(world.grants[Priority.LOW]) <= 8
        assert sweep.snapshot().rule("edge").used <= 8
        console.attach(False)
        await asyncio.gather(*tasks)
        await asyncio.gather(sweep.aclose(), console.aclose())

    world.run(scenario)
    assert world.oracle.fullest("edge") > 8


def test_waiting_costs_no_wake_ups() -> None:
    world = World((Rule("edge", 10, 10.0),))

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(10)))
        waiting = [asyncio.create_task(world.request(controller, Priority.NORMAL)) for _ in range(1000)]
        await asyncio.sleep(0.1)
        before = world.loop.jump.slept
        await asyncio.sleep(9.5)
        assert world.loop.jump.slept - before <= 2  # this test's own sleep, and no more than one timer
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert len(controller._queue) == 0
        await controller.aclose()

    world.run(scenario)


def test_a_request_may_start_at_once_when_nothing_was_sent() -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = world.controller()
        for priority in Priority:
            await world.request(controller, priority, EDGE)
        await controller.aclose()

    world.run(scenario)
    assert all(max(waits) < 0.06 for waits in world.waits.values())
