"""What answers teach: pauses, probes, working limits, strangers, sensitive routes."""

import asyncio
from pathlib import Path

import pytest

from bmconsole.domain.priority import Priority
from bmconsole.traffic import Notice, Outcome, Rule, TrafficController, costs_of, default_rules
from bmconsole.traffic.routes import Costs
from tests.traffic.world import EDGE, World

DOCUMENTED = default_rules()
COMPETITORS = costs_of("GET", "/ws/backbox/v1/competitors/1")
CATEGORY = costs_of("GET", "/ws/category/tree")
ORDERS = "GET /ws/orders"

both_ledgers = pytest.mark.parametrize("shared", [False, True], ids=["memory", "sqlite"])


def make(world: World, shared: bool, folder: Path) -> TrafficController:
    return world.controller(world.shared(folder) if shared else None)


async def answer(
    controller: TrafficController, outcome: Outcome, costs: Costs = EDGE, *, route: str = "", after: float = 0.1
) -> float:
    """Send one request, have it answered, and return when it was granted (ledger seconds)."""
    slot = await controller.acquire(costs, Priority.HIGH)
    await asyncio.sleep(after)
    slot.answered(outcome, route)
    return slot.granted_at


@both_ledgers
def test_a_429_pauses_one_window_and_half_a_second_then_probes(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        await answer(controller, Outcome.THROTTLED)
        paused_at = world.loop.time()
        assert controller.snapshot().rule("edge").paused == pytest.approx(10.5)
        assert controller.snapshot().rule("edge").working_limit == pytest.approx(180)
        probe = await controller.acquire(EDGE, Priority.CRITICAL)
        assert world.loop.time() - paused_at == pytest.approx(10.5, abs=0.01)
        others = [asyncio.create_task(world.request(controller, Priority.HIGH)) for _ in range(5)]
        await asyncio.sleep(3)
        assert not any(task.done() for task in others)  # one probe, not a flood
        assert controller.snapshot().rule("edge").probing
        probe.answered(Outcome.OK)
        await asyncio.gather(*others)
        assert not controller.snapshot().rule("edge").probing
        assert controller.snapshot().trips == 1
        await controller.aclose()

    world.run(scenario)


@both_ledgers
def test_failed_probes_pause_a_minute_doubling_to_fifteen(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)
    pauses: list[float] = []

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        for _ in range(8):
            await answer(controller, Outcome.THROTTLED)
            pauses.append(controller.snapshot().rule("edge").paused)
        await answer(controller, Outcome.OK)
        await answer(controller, Outcome.THROTTLED)
        pauses.append(controller.snapshot().rule("edge").paused)
        await controller.aclose()

    world.run(scenario)
    assert pauses == pytest.approx([10.5, 60, 120, 240, 480, 900, 900, 900, 10.5])


@both_ledgers
def test_the_shortest_window_pauses_and_the_others_go_on(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        await answer(controller, Outcome.THROTTLED, COMPETITORS)
        assert controller.snapshot().rule("competitors").paused == pytest.approx(1.5)
        assert controller.snapshot().rule("edge").paused == 0
        await answer(controller, Outcome.THROTTLED, CATEGORY)
        assert controller.snapshot().rule("sensitive").paused == pytest.approx(10.5)
        assert controller.snapshot().rule("edge").paused == 0
        await world.request(controller, Priority.HIGH)
        assert world.waits[Priority.HIGH][-1] < 0.1
        await controller.aclose()

    world.run(scenario)


@both_ledgers
def test_answers_of_one_block_count_once(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        slots = [await controller.acquire(EDGE, Priority.HIGH) for _ in range(5)]
        for slot in slots:
            slot.answered(Outcome.THROTTLED, ORDERS)
        snapshot = controller.snapshot()
        assert snapshot.trips == 1
        assert snapshot.rule("edge").working_limit == pytest.approx(180)
        assert snapshot.rule("edge").paused == pytest.approx(10.5)
        await controller.aclose()

    world.run(scenario)


@both_ledgers
def test_the_working_limit_regains_one_every_five_minutes(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        await answer(controller, Outcome.THROTTLED)
        for minutes, expected in ((4.9, 180), (5.1, 181), (10.1, 182), (60.1, 192), (24 * 60, 200)):
            await asyncio.sleep(minutes * 60 + 0.1 - (world.loop.time() - 1000))
            assert controller.snapshot().rule("edge").working_limit == pytest.approx(expected)
        await controller.aclose()

    world.run(scenario)


def test_the_working_limit_never_falls_below_a_tenth_nor_below_one() -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = world.controller()
        for _ in range(40):
            await answer(controller, Outcome.THROTTLED)
            await answer(controller, Outcome.THROTTLED, COMPETITORS)
        assert controller.snapshot().rule("edge").working_limit >= 20
        assert controller.snapshot().rule("competitors").working_limit >= 1
        await world.request(controller, Priority.LOW, COMPETITORS)
        await controller.aclose()

    world.run(scenario)


@both_ledgers
def test_a_429_far_below_our_own_limit_names_a_stranger(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)
    heard: list[Notice] = []

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        stop = controller.subscribe(heard.append)
        await answer(controller, Outcome.THROTTLED)
        stop()
        await answer(controller, Outcome.THROTTLED)
        await controller.aclose()

    world.run(scenario)
    assert [notice.kind for notice in heard] == ["pause", "foreign"]
    assert "Another program is using this token" in heard[1].message


def test_a_429_at_our_own_limit_names_nobody() -> None:
    world = World((Rule("edge", 20, 10.0),))
    heard: list[Notice] = []

    async def scenario() -> None:
        controller = world.controller()
        controller.subscribe(heard.append)
        slots = [await controller.acquire(EDGE, Priority.CRITICAL) for _ in range(20)]
        slots[0].answered(Outcome.THROTTLED)
        for slot in slots:
            slot.answered()
        await controller.aclose()

    world.run(scenario)
    assert [notice.kind for notice in heard] == ["pause"]


@both_ledgers
def test_a_route_moves_to_sensitive_after_two_429s_in_separate_windows(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        await answer(controller, Outcome.THROTTLED, route=ORDERS)
        assert controller.costs_for(EDGE, ORDERS) == EDGE
        await answer(controller, Outcome.THROTTLED, route=ORDERS)
        assert controller.costs_for(EDGE, ORDERS) == (*EDGE, ("sensitive", 1))
        assert controller.costs_for(EDGE, "GET /ws/tasks/{id}") == EDGE
        assert controller.snapshot().sensitive_routes == (ORDERS,)
        await asyncio.sleep(23.9 * 3600)
        assert controller.snapshot().sensitive_routes == (ORDERS,)
        await asyncio.sleep(0.2 * 3600)
        assert controller.snapshot().sensitive_routes == ()
        await controller.aclose()

    world.run(scenario)


def test_a_429_while_we_use_the_edge_ourselves_teaches_nothing_of_the_route() -> None:
    world = World((Rule("edge", 20, 10.0), Rule("sensitive", 5, 10.0)))

    async def scenario() -> None:
        controller = world.controller()
        for _ in range(3):
            slots = [await controller.acquire(EDGE, Priority.CRITICAL) for _ in range(11)]
            slots[0].answered(Outcome.THROTTLED, ORDERS)
            for slot in slots:
                slot.answered()
            await asyncio.sleep(1000)
            await answer(controller, Outcome.OK)
            await asyncio.sleep(1000)
        assert controller.snapshot().sensitive_routes == ()
        await controller.aclose()

    world.run(scenario)


@both_ledgers
def test_reset_forgets_pauses_and_routes_but_not_what_was_sent(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        for _ in range(2):
            await answer(controller, Outcome.THROTTLED, route=ORDERS)
        waiting = asyncio.create_task(world.request(controller, Priority.HIGH))
        await asyncio.sleep(1)
        assert not waiting.done()
        controller.reset()
        await waiting
        snapshot = controller.snapshot()
        assert snapshot.rule("edge").working_limit == 200
        assert snapshot.rule("edge").paused == 0
        assert snapshot.sensitive_routes == ()
        assert snapshot.rule("edge").used == 2
        await controller.aclose()

    world.run(scenario)


@both_ledgers
def test_repeated_server_errors_slow_the_class_down_and_one_success_ends_the_count(
    shared: bool, tmp_path: Path
) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        for outcome in (Outcome.SERVER_ERROR, Outcome.SERVER_ERROR, Outcome.OK, Outcome.SERVER_ERROR):
            await answer(controller, outcome, CATEGORY)
        assert controller.snapshot().rule("sensitive").working_limit == 20
        for _ in range(4):
            await answer(controller, Outcome.SERVER_ERROR, CATEGORY)
        assert controller.snapshot().rule("sensitive").working_limit == pytest.approx(18)
        assert controller.snapshot().rule("sensitive").paused == 0
        assert controller.snapshot().rule("edge").working_limit == 200
        await controller.aclose()

    world.run(scenario)


@both_ledgers
def test_the_firewall_pauses_but_says_nothing_of_strangers(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        await answer(controller, Outcome.FIREWALL, route=ORDERS)
        assert controller.snapshot().rule("edge").paused == pytest.approx(10.5)
        assert [notice.kind for notice in controller.snapshot().notices] == ["pause"]
        await controller.aclose()

    world.run(scenario)


@both_ledgers
def test_a_probe_that_gets_lost_lets_another_probe_go(shared: bool, tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        controller = make(world, shared, tmp_path)
        await answer(controller, Outcome.THROTTLED)
        (await controller.acquire(EDGE, Priority.HIGH)).lost()
        (await controller.acquire(EDGE, Priority.HIGH)).refund()
        (await controller.acquire(EDGE, Priority.HIGH)).answered(Outcome.SERVER_ERROR)
        assert controller.snapshot().rule("edge").probing
        await answer(controller, Outcome.OK)
        assert not controller.snapshot().rule("edge").probing
        await controller.aclose()

    world.run(scenario)


def test_feedback_outlives_the_process(tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        first = world.controller(world.shared(tmp_path))
        for _ in range(2):
            await answer(first, Outcome.THROTTLED, route=ORDERS)
        await first.aclose()
        second = world.controller(world.shared(tmp_path))
        snapshot = second.snapshot()
        assert snapshot.rule("edge").paused == pytest.approx(60, abs=0.1)
        assert snapshot.rule("edge").working_limit == pytest.approx(162)
        assert snapshot.rule("edge").trips == 2
        assert snapshot.sensitive_routes == (ORDERS,)
        await second.aclose()

    world.run(scenario)


def test_a_pause_holds_for_the_other_processes_too(tmp_path: Path) -> None:
    world = World(DOCUMENTED)

    async def scenario() -> None:
        first, second = (world.controller(world.shared(tmp_path)) for _ in range(2))
        await answer(first, Outcome.THROTTLED)
        await world.request(second, Priority.CRITICAL)
        assert world.waits[Priority.CRITICAL] == [pytest.approx(10.5, abs=0.01)]
        await first.aclose()
        await second.aclose()

    world.run(scenario)


def test_beside_a_stranger_who_takes_a_tenth_most_of_the_rest_is_ours() -> None:
    """A quarter of an hour beside 2 requests a second that nobody told us of; the server blocks for ten seconds."""
    world = World((Rule("edge", 200, 10.0),))
    seconds = 900.0
    window: list[float] = []
    ours = blocks = 0
    blocked_until = 0.0

    def serve(own: bool) -> bool:
        nonlocal ours, blocks, blocked_until
        now = world.loop.time()
        if now < blocked_until:
            return False
        while window and window[0] <= now - 10:
            del window[0]
        if len(window) >= 200:
            blocks += 1
            blocked_until = now + 10
            return False
        window.append(now)
        ours += own
        return True

    async def scenario() -> None:
        controller = world.controller()
        end = world.loop.time() + seconds

        async def worker() -> None:
            while world.loop.time() < end:
                slot = await controller.acquire(EDGE, Priority.LOW)
                await asyncio.sleep(0.1)
                served = serve(own=True)
                await asyncio.sleep(0.1)
                slot.answered(Outcome.OK if served else Outcome.THROTTLED)

        workers = [asyncio.create_task(worker()) for _ in range(30)]
        while world.loop.time() < end:
            await asyncio.sleep(0.5)
            serve(own=False)
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await controller.aclose()

    world.run(scenario)
    assert ours / (18 * seconds) >= 0.88
    assert blocks <= 2
