"""No window of the server ever holds more than its limit, whatever the latency; and the budget is used."""

import asyncio
import random
from pathlib import Path

import pytest

from bmconsole.domain.priority import Priority
from bmconsole.traffic import Rule, TrafficController, default_rules
from bmconsole.traffic.ledger import Ledger
from bmconsole.traffic.routes import costs_of
from tests.traffic.world import EDGE, Latency, World, instant, lognormal, uniform

DOCUMENTED = default_rules()
BURSTY = (Rule("edge", 10, 2.0),)
"""No pace would matter here: CRITICAL may take the whole limit at once."""


@pytest.mark.parametrize(
    ("latency", "mean"),
    [(uniform(0.2), 0.15), (uniform(2.0), 1.05), (lognormal(), 0.19)],
    ids=["to 0.2 s", "to 2 s", "log-normal to 8 s"],
)
def test_a_saturated_edge_is_full_and_never_overrun(latency: Latency, mean: float) -> None:
    world = World(DOCUMENTED, latency=latency)
    seconds = 200.0

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(
            world.saturate(controller, Priority.LOW, seconds, backlog=300),
            world.now_and_then(controller, Priority.HIGH, seconds, rate=0.3, most=6),
        )
        await controller.aclose()

    began = world.loop.time()
    world.run(scenario)
    granted = sum(1 for times in world.grants.values() for time in times if time >= began + 20)
    share = granted / ((seconds - 20) * 20)
    assert share >= 0.975 * 10 / (10 + mean)


def test_the_shared_ledger_keeps_the_same_windows_and_share(tmp_path: Path) -> None:
    world = World(DOCUMENTED, latency=uniform(0.2))
    seconds = 60.0

    async def scenario() -> None:
        controllers = [world.controller(world.shared(tmp_path)) for _ in range(4)]
        await asyncio.gather(
            *(world.saturate(controller, Priority.LOW, seconds, backlog=20) for controller in controllers)
        )
        for controller in controllers:
            await controller.aclose()

    began = world.loop.time()
    world.run(scenario)
    granted = sum(1 for time in world.grants[Priority.LOW] if time >= began + 20)
    assert granted / ((seconds - 20) * 20) >= 0.95


@pytest.mark.parametrize("late", [0.2, 1.0, 1.9, 3.0])
@pytest.mark.parametrize("shared", [False, True], ids=["memory", "sqlite"])
def test_bursts_that_arrive_late_then_early_fit_a_window(late: float, shared: bool, tmp_path: Path) -> None:
    """The adversary of every send-anchored limiter: one burst is late by J, the next is not."""
    burst = 0

    def adversary() -> tuple[float, float]:
        return (late, 0.0) if burst % 2 == 0 else (0.0, 0.0)

    world = World(BURSTY, latency=adversary)

    async def scenario() -> None:
        nonlocal burst
        controller = world.controller(world.shared(tmp_path) if shared else None)
        for _ in range(20):
            await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(10)))
            burst += 1
        await controller.aclose()

    world.run(scenario)
    assert world.oracle.fullest("edge") == 10


def test_an_instant_network_fills_the_closed_window_exactly() -> None:
    world = World(BURSTY, latency=instant)

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(50)))
        await controller.aclose()

    world.run(scenario)
    assert world.oracle.fullest("edge") == 10


def test_stacked_rules_all_hold_and_no_class_holds_back_another() -> None:
    world = World(DOCUMENTED, latency=uniform(0.3))
    seconds = 200.0
    competitors = costs_of("GET", "/ws/backbox/v1/competitors/1")
    tree = costs_of("GET", "/ws/category/tree")
    lines = costs_of("POST", "/ws/listings", sku_lines=50)

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(
            world.saturate(controller, Priority.LOW, seconds, backlog=30, costs=competitors),
            world.saturate(controller, Priority.NORMAL, seconds, backlog=30, costs=tree),
            world.saturate(controller, Priority.NORMAL, seconds, backlog=30, costs=lines),
            world.saturate(controller, Priority.LOW, seconds, backlog=30, costs=EDGE),
        )
        await controller.aclose()

    world.run(scenario)
    # The lines are used up at once (background may take 80 % of the hour); the others go on regardless.
    assert sum(cost for _, cost in world.oracle.arrivals["sku_lines"]) == 1600
    assert len(world.oracle.arrivals["sensitive"]) >= 0.93 * 2 * seconds
    assert len(world.oracle.arrivals["competitors"]) >= 0.7 * 2 * seconds
    assert len(world.oracle.arrivals["edge"]) >= 0.95 * 20 * seconds


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_lost_requests_may_arrive_within_the_grace(kind: str, tmp_path: Path) -> None:
    """Bytes that were sent before a timeout arrive up to five seconds after it."""
    world = World(BURSTY)
    rng = random.Random(3)

    async def times_out(controller: TrafficController, requests: int) -> None:
        for _ in range(requests):
            slot = await controller.acquire(EDGE, Priority.CRITICAL)
            world.loop.call_later(0.5 + rng.uniform(0, 5), lambda: world.oracle.arrive(EDGE, world.loop.time()))
            await asyncio.sleep(0.5)
            slot.lost()

    async def scenario() -> None:
        ledger: Ledger = world.memory() if kind == "memory" else world.shared(tmp_path)
        controller = world.controller(ledger)
        await asyncio.gather(*(times_out(controller, 8) for _ in range(12)))
        await asyncio.sleep(6)
        await controller.aclose()

    world.run(scenario)
