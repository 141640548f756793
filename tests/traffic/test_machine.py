"""Asking, cancelling, answering, failing, jumping clocks, dying, in any order: no window overrun, nobody forgotten."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bmconsole.domain.priority import Priority
from bmconsole.traffic import Outcome, Rule, Slot, TrafficClosed, TrafficController
from bmconsole.traffic.book import GRACE
from bmconsole.traffic.routes import Costs
from bmconsole.traffic.sqlite_ledger import SqliteLedger
from tests.traffic.test_shared_ledger import die
from tests.traffic.world import World

T = TypeVar("T")

RULES = (Rule("edge", 4, 2.0, reserve=1), Rule("sensitive", 2, 1.0), Rule("sku_lines", 10, 100.0))
COSTS: tuple[Costs, ...] = (
    (("edge", 1),),
    (("edge", 1), ("sensitive", 1)),
    (("edge", 1), ("sensitive", 1), ("sku_lines", 3)),
)
fractions = st.floats(0, 1, exclude_max=True)


@dataclass
class Asked:
    """One request: its process, and its slot once it has one."""

    process: int
    costs: Costs
    task: asyncio.Task[Slot]
    sent_at: float | None = None


class TrafficMachine(RuleBasedStateMachine):
    """Two processes before one server; each request may arrive whenever it physically could."""

    shared = False

    @initialize(console=st.booleans())
    def begin(self, console: bool) -> None:
        self.world = World(RULES)
        self.folder = Path(tempfile.mkdtemp())
        self.memory = self.world.memory()
        self.controllers: dict[int, TrafficController] = {}
        self.ledgers: dict[int, SqliteLedger | None] = {}
        for process in range(2):
            self.world.loop.run_until_complete(self.start(process))
        self.do(self.controllers[0].attach, console)
        self.asked: list[Asked] = []
        self.flying: list[tuple[Asked, Slot]] = []

    async def start(self, process: int) -> None:
        ledger = self.world.shared(self.folder) if self.shared else None
        self.ledgers[process] = ledger
        self.controllers[process] = self.world.controller(ledger or self.memory)

    def go(self, seconds: float = 0.0, ticks: int = 0) -> None:
        async def pass_time() -> None:
            for _ in range(ticks):
                await asyncio.sleep(0)
            if seconds:
                await asyncio.sleep(seconds)

        self.world.loop.run_until_complete(pass_time())
        self.collect()

    def do(self, action: Callable[..., T], *arguments: object) -> T:
        """Do it as code in the event loop does."""

        async def inside() -> T:
            return action(*arguments)

        return self.world.loop.run_until_complete(inside())

    def collect(self) -> None:
        for asked in list(self.asked):
            if asked.task.done():
                self.asked.remove(asked)
                if not asked.task.cancelled() and asked.task.exception() is None:
                    slot = asked.task.result()
                    self.flying.append((asked, slot))
                elif not asked.task.cancelled():
                    assert isinstance(asked.task.exception(), TrafficClosed)

    def arrive(self, asked: Asked, slot: Slot, fraction: float, latest: float) -> None:
        granted_at = slot.granted_at - self.world.clock.offset
        self.world.oracle.arrive(asked.costs, granted_at + fraction * (latest - granted_at))

    def now(self) -> float:
        return self.world.loop.time()

    def land(self, index: int) -> tuple[Asked, Slot]:
        return self.flying.pop(index % len(self.flying))

    @rule(
        process=st.integers(0, 1),
        priority=st.sampled_from(Priority),
        costs=st.sampled_from(COSTS),
        count=st.integers(1, 6),
    )
    def ask(self, process: int, priority: Priority, costs: Costs, count: int) -> None:
        for _ in range(count):
            work = self.controllers[process].acquire(costs, priority)
            self.asked.append(Asked(process, costs, self.world.loop.create_task(work)))

    @rule(ticks=st.integers(0, 3))
    def tick(self, ticks: int) -> None:
        self.go(ticks=ticks)

    @rule(seconds=st.sampled_from([0.01, 0.3, 0.999, 1.0, 2.0, 2.002, 7.0, 30.0, 101.0]))
    def pass_time(self, seconds: float) -> None:
        self.go(seconds)

    @precondition(lambda self: self.asked)
    @rule(index=st.integers(0, 50))
    def cancel(self, index: int) -> None:
        """Cancel at whichever await it is."""
        self.asked[index % len(self.asked)].task.cancel()

    @precondition(lambda self: self.flying)
    @rule(index=st.integers(0, 50), when=st.sampled_from([0.0, 0.5, 1.0]), outcome=st.sampled_from(Outcome))
    def respond(self, index: int, when: float, outcome: Outcome) -> None:
        asked, slot = self.land(index)
        self.arrive(asked, slot, when, self.now())
        self.do(slot.answered, outcome, "GET /ws/orders")

    @precondition(lambda self: self.flying)
    @rule(index=st.integers(0, 50), when=fractions)
    def fail(self, index: int, when: float) -> None:
        """No response: it may arrive until the grace is over."""
        asked, slot = self.land(index)
        self.arrive(asked, slot, when, self.now() + GRACE)
        self.do(slot.lost)

    @precondition(lambda self: self.flying)
    @rule(index=st.integers(0, 50))
    def never_send(self, index: int) -> None:
        _, slot = self.land(index)
        self.do(slot.refund)
        self.do(slot.answered)

    @rule(process=st.integers(0, 1))
    def reset(self, process: int) -> None:
        self.do(self.controllers[process].reset)

    @rule(seconds=st.sampled_from([-1e6, -5.0, 5.0, 1e6]))
    def wall_clock_jumps(self, seconds: float) -> None:
        self.world.clock.wall += seconds

    @rule(process=st.integers(0, 1), when=fractions, killed=st.booleans())
    def restart(self, process: int, when: float, killed: bool) -> None:
        """End and start again at once; with a shared ledger perhaps by a kill."""
        mine = [asked for asked in self.asked if asked.process == process]
        flights = [flight for flight in self.flying if flight[0].process == process]
        controller, ledger = self.controllers[process], self.ledgers[process]
        for flight in flights:
            self.flying.remove(flight)
            self.arrive(*flight, when, self.now() + GRACE)
            if ledger is None:
                self.do(flight[1].lost)
        if killed and ledger is not None:
            die(ledger)
            controller._closed = True
            controller._disarm()
            for asked in mine:
                asked.task.cancel()
        self.world.loop.run_until_complete(controller.aclose())
        self.go(ticks=3)
        for asked in mine:
            self.forget(asked, when)
        self.world.loop.run_until_complete(controller._smoother.aclose())
        self.world.loop.run_until_complete(self.start(process))

    def forget(self, asked: Asked, when: float) -> None:
        """What was granted in the moment of the restart was never sent."""
        for flight in [flight for flight in self.flying if flight[0] is asked]:
            self.flying.remove(flight)
            self.do(flight[1].refund)
        if asked in self.asked:
            self.asked.remove(asked)

    @invariant()
    def no_window_is_overrun(self) -> None:
        if hasattr(self, "world"):
            self.world.oracle.check()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.settle_everything()
        finally:
            self.close()

    def settle_everything(self) -> None:
        """Answer whatever gets its slot, until nobody waits and every slot is free again."""
        for controller in self.controllers.values():
            self.do(controller.reset)
        for _ in range(2000):
            self.go(5.0)
            for asked, slot in self.flying:
                self.arrive(asked, slot, 0.0, self.now())
                self.do(slot.answered)
            self.flying.clear()
            if not self.asked:
                break
        self.world.oracle.check()
        assert not self.asked, "somebody waits for ever"
        self.go(GRACE + 101)
        for controller in self.controllers.values():
            snapshot = self.do(controller.snapshot)
            assert [use.used for use in snapshot.rules] == [0, 0, 0]
            assert snapshot.in_flight == 0
            assert [use.depth for use in snapshot.priorities] == [0, 0, 0, 0]

    def close(self) -> None:
        loop = self.world.loop
        for controller in self.controllers.values():
            loop.run_until_complete(controller.aclose())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        self.go(ticks=5)
        loop.close()
        shutil.rmtree(self.folder)


class SharedTrafficMachine(TrafficMachine):
    """The same over the ledger file."""

    shared = True


QUICK = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestTrafficMachine = TrafficMachine.TestCase
TestTrafficMachine.settings = QUICK
TestSharedTrafficMachine = SharedTrafficMachine.TestCase
TestSharedTrafficMachine.settings = QUICK
