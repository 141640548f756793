"""Mistakes that a limiter like this invites, made on purpose: each must overrun a window in a named scenario."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bmconsole.domain.priority import Priority
from bmconsole.traffic import Outcome, Rule, TrafficController, book, state
from bmconsole.traffic.controller import Slot
from bmconsole.traffic.ledger import Granted
from bmconsole.traffic.ledger_db import LedgerDatabase
from bmconsole.traffic.state import GRANULARITY, RuleState
from tests.traffic.test_shared_ledger import die
from tests.traffic.world import EDGE, World

TEN = (Rule("edge", 10, 2.0),)
Scenario = Callable[[Path], None]
Mutation = Callable[[pytest.MonkeyPatch], None]


def late_then_early(folder: Path) -> None:
    """One burst reaches the server a second late, the next at once."""
    bursts = 0
    world = World(TEN, latency=lambda: (1.0, 0.0) if bursts % 2 == 0 else (0.0, 0.0))

    async def scenario() -> None:
        nonlocal bursts
        controller = world.controller()
        for _ in range(6):
            await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(10)))
            bursts += 1
        await controller.aclose()

    world.run(scenario)


def at_the_edge_of_the_window(folder: Path) -> None:
    """Requests without any delay, the next ones asked for in the very moment in which the window ends.

    Without the margin for clocks that tick, and on whole seconds that floats hold exactly.
    """
    world = World((Rule("edge", 4, 2.0),))

    async def scenario() -> None:
        ledger = world.memory()
        for _ in range(5):
            for answer in [ledger.take(EDGE, Priority.CRITICAL, 0) for _ in range(5)]:
                if isinstance(answer, Granted):
                    world.oracle.arrive(EDGE, world.loop.time())
                    ledger.settle(answer.ticket, Outcome.OK, "")
            await asyncio.sleep(2.0)

    world.run(scenario)


def timeouts_that_arrive(folder: Path) -> None:
    """Requests that were given up arrive a little later all the same."""
    world = World(TEN)

    async def give_up(controller: TrafficController) -> None:
        slot = await controller.acquire(EDGE, Priority.CRITICAL)
        world.loop.call_later(1.0, lambda: world.oracle.arrive(EDGE, world.loop.time()))
        await asyncio.sleep(0.5)
        slot.lost()

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(give_up(controller) for _ in range(40)))
        await asyncio.sleep(2)
        await controller.aclose()

    world.run(scenario)


def restarts(folder: Path) -> None:
    """A program that ends and starts again, each time sending what it may at once."""
    world = World(TEN)

    async def scenario() -> None:
        for _ in range(3):
            controller = world.controller(world.shared(folder))
            await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(10)))
            await controller.aclose()

    world.run(scenario)


def deaths(folder: Path) -> None:
    """A program that is killed with requests in flight, whose bytes arrive four seconds later."""
    world = World(TEN)

    async def scenario() -> None:
        ledger = world.shared(folder)
        controller = world.controller(ledger)
        for _ in range(10):
            await controller.acquire(EDGE, Priority.CRITICAL)
        die(ledger)
        world.loop.call_later(4.0, lambda: world.oracle.arrive([("edge", 10)], world.loop.time()))
        heir = world.controller(world.shared(folder))
        await asyncio.gather(*(world.request(heir, Priority.CRITICAL) for _ in range(30)))
        await heir.aclose()

    world.run(scenario)


def full_bursts(folder: Path) -> None:
    """As much as is allowed, at once."""
    world = World(TEN)

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(50)))
        await controller.aclose()

    world.run(scenario)
    assert world.oracle.fullest("edge") == 10


def send_anchor(patch: pytest.MonkeyPatch) -> None:
    """The window starts with the grant instead of the response."""

    def from_grant(self: RuleState, granted_at: float, answered_at: float) -> float:
        return granted_at + self.rule.window + GRANULARITY

    patch.setattr(RuleState, "release_time", from_grant)


def reaching_the_edge(patch: pytest.MonkeyPatch) -> None:
    """`>=` for `>`: a hold ends with its last moment instead of after it."""
    patch.setattr(RuleState, "is_over", staticmethod(lambda release, now: now >= release))


def one_more(patch: pytest.MonkeyPatch) -> None:
    """`>=` for `>` where the limit is compared: one more than it fits."""
    original = RuleState.capacity
    patch.setattr(RuleState, "capacity", lambda *arguments: original(*arguments) + 1)


def refund_of_a_sent_slot(patch: pytest.MonkeyPatch) -> None:
    """A request that got no answer gives its slot back."""
    patch.setattr(Slot, "lost", Slot.refund)


def forgotten_at_restart(patch: pytest.MonkeyPatch) -> None:
    """Every start makes a new ledger."""
    original = LedgerDatabase.open

    def afresh(self: LedgerDatabase) -> str | None:
        shutil.rmtree(self.path.parent, ignore_errors=True)
        return original(self)

    patch.setattr(LedgerDatabase, "open", afresh)


def no_grace(patch: pytest.MonkeyPatch) -> None:
    """What a dead process had in flight counts as answered when it is buried."""
    patch.setattr(book, "GRACE", 0.0)


def dead_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What a dead process had in flight is free again."""
    patch.setattr(book.Book, "bury_flight", lambda self, ticket, flight, now: refund(self, flight))


def refund(ledger: book.Book, flight: book.Flight) -> None:
    for name, cost in flight.costs:
        ledger.state(name).give_back(cost)


CASES = [
    (send_anchor, late_then_early),
    (reaching_the_edge, at_the_edge_of_the_window),
    (one_more, full_bursts),
    (refund_of_a_sent_slot, timeouts_that_arrive),
    (forgotten_at_restart, restarts),
    (no_grace, deaths),
    (dead_forgotten, deaths),
]


@pytest.fixture(autouse=True)
def exact_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the very edge of the window is looked at, the margin for clocks that tick would hide it."""
    if at_the_edge_of_the_window in request.node.callspec.params.values():
        monkeypatch.setattr(state, "GRANULARITY", 0.0)


@pytest.mark.parametrize("scenario", dict.fromkeys(scenario for _, scenario in CASES))
def test_the_scenarios_hold(scenario: Scenario, tmp_path: Path) -> None:
    scenario(tmp_path / "state")


@pytest.mark.parametrize(("mutation", "scenario"), CASES)
def test_the_mutant_overruns_a_window(
    mutation: Mutation, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError, match="allowed"):
        scenario(tmp_path / "state")
