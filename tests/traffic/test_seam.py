"""A ledger may answer later, as one over a network does; and what is shown of the traffic."""

import asyncio
import json
from dataclasses import asdict

import pytest

from bmconsole.domain.priority import Priority
from bmconsole.traffic import DeadlineExpired, LedgerUnusable, Rule, TrafficController, default_rules
from bmconsole.traffic.ledger import Answer, Denied, Granted
from bmconsole.traffic.memory import MemoryLedger
from bmconsole.traffic.routes import Costs
from bmconsole.traffic.stats import percentile
from tests.traffic.world import EDGE, World, uniform

TEN = (Rule("edge", 10, 2.0),)


class DistantLedger(MemoryLedger):
    """Decides at once, answers 20 ms later, and fails when told to."""

    failing = False

    def take(  # type: ignore[override]  # the seam allows both; the memory ledger promises an answer at once
        self, costs: Costs, priority: Priority, waiting: int
    ) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        if self.failing:
            loop.call_later(0.02, answer.set_exception, LedgerUnusable("out of reach"))
        else:
            loop.call_later(0.02, answer.set_result, super().take(costs, priority, waiting))
        return answer


class HarmedLedger(MemoryLedger):
    """Names the present moment as the one to ask again at, until its time has come."""

    asked = 0
    until = 1.0

    def take(self, costs: Costs, priority: Priority, waiting: int) -> Granted | Denied:
        self.asked += 1
        assert self.asked < 1_000, "asked over and over in one moment"
        now = asyncio.get_running_loop().time()
        return Denied(self.now(), "edge", 0) if now < self.until else super().take(costs, priority, waiting)


def distant(world: World) -> tuple[DistantLedger, TrafficController]:
    ledger = DistantLedger(world.rules, clock=world.clock)
    return ledger, TrafficController(world.rules, ledger)


def test_a_ledger_that_answers_later_keeps_windows_and_priorities() -> None:
    world = World(TEN, latency=uniform(0.2))

    async def scenario() -> None:
        _, controller = distant(world)
        await asyncio.gather(
            world.saturate(controller, Priority.LOW, 60, backlog=50),
            world.now_and_then(controller, Priority.HIGH, 60, rate=0.5),
        )
        await controller.aclose()

    world.run(scenario)
    assert len(world.oracle.arrivals["edge"]) >= 0.75 * 5 * 60
    assert percentile(sorted(world.waits[Priority.HIGH]), 0.5) <= 0.25


def test_a_ledger_that_names_the_present_moment_is_asked_again_in_a_while() -> None:
    world = World(TEN)

    async def scenario() -> None:
        ledger = HarmedLedger(world.rules, clock=world.clock)
        ledger.until = world.loop.time() + 1.0
        controller = TrafficController(world.rules, ledger)
        await asyncio.gather(*(world.request(controller, Priority.HIGH) for _ in range(3)))
        assert ledger.asked > 3
        await controller.aclose()

    world.run(scenario)


def test_a_caller_that_left_before_the_answer_leaves_no_slot_behind() -> None:
    world = World(TEN)

    async def scenario() -> None:
        _, controller = distant(world)
        tasks = [asyncio.create_task(controller.acquire(EDGE, Priority.HIGH)) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert controller.snapshot().rule("edge").used == 0
        await world.request(controller, Priority.HIGH)
        with pytest.raises(DeadlineExpired):
            await controller.acquire(EDGE, Priority.LOW, world.loop.time())
        await controller.aclose()

    world.run(scenario)


def test_a_ledger_that_fails_fails_the_one_who_asked() -> None:
    world = World(TEN)

    async def scenario() -> None:
        ledger, controller = distant(world)
        ledger.failing = True
        with pytest.raises(LedgerUnusable):
            await controller.acquire(EDGE, Priority.HIGH)
        ledger.failing = False
        await world.request(controller, Priority.HIGH)
        await controller.aclose()

    world.run(scenario)


def test_closing_while_an_answer_is_under_way_leaves_no_slot_behind() -> None:
    world = World(TEN)

    async def scenario() -> None:
        ledger, controller = distant(world)
        waiting = asyncio.create_task(controller.acquire(EDGE, Priority.HIGH))
        await asyncio.sleep(0.01)
        await controller.aclose()
        await asyncio.gather(waiting, return_exceptions=True)
        assert [use.used for use in ledger.uses()] == [0]

    world.run(scenario)


def test_the_snapshot_shows_rules_queues_and_notices() -> None:
    world = World(default_rules())

    async def scenario() -> None:
        controller = world.controller()
        slot = await controller.acquire(EDGE, Priority.CRITICAL)
        for _ in range(3):
            await world.request(controller, Priority.HIGH)
        slots = [await controller.acquire(EDGE, Priority.CRITICAL) for _ in range(15)]
        waiting = asyncio.create_task(world.request(controller, Priority.LOW))
        await asyncio.sleep(0.25)
        snapshot = controller.snapshot()
        edge = snapshot.rule("edge")
        assert (edge.limit, edge.window, edge.working_limit, edge.used, edge.in_flight) == (200, 10, 200, 19, 16)
        assert 0 < edge.next_slot < 1
        assert snapshot.in_flight == 16
        low = snapshot.priority(Priority.LOW)
        assert (low.depth, low.grants) == (1, 0)
        assert low.oldest_wait == pytest.approx(0.25)
        assert snapshot.priority(Priority.HIGH).grants == 3
        assert snapshot.priority(Priority.HIGH).p99_wait == 0
        assert {use.name for use in snapshot.rules} >= {"edge", "sensitive", "competitors", "sku_lines", "care"}
        assert json.dumps(asdict(snapshot), default=str)
        with pytest.raises(KeyError):
            snapshot.rule("nothing")
        await waiting
        for each in [slot, *slots]:
            each.answered()
        await controller.aclose()

    world.run(scenario)


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentile([], 0.5) == 0
    assert percentile([3.0], 0.99) == 3
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2
    assert percentile([float(value) for value in range(1, 101)], 0.99) == 99
