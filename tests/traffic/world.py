"""A controller in virtual time in front of a model of the server, which checks its windows when the world ends."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable

from bmconsole.domain.priority import Priority
from bmconsole.traffic import MemoryLedger, Outcome, Rule, TrafficController
from bmconsole.traffic.ledger import Ledger
from bmconsole.traffic.routes import Costs
from tests.traffic.server import Oracle
from tests.traffic.virtual import VirtualClock, VirtualLoop, run

EDGE: Costs = (("edge", 1),)
Latency = Callable[[], tuple[float, float]]
"""Draws the seconds to the server and back."""


def instant() -> tuple[float, float]:
    """A network without delay."""
    return 0.0, 0.0


class World:
    """One token at one server; any number of controllers (processes) before it."""

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        latency: Latency = instant,
        blocking: bool = True,
        loop: VirtualLoop | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.loop = loop or VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.oracle = Oracle({rule.name: (rule.limit, rule.window) for rule in self.rules})
        self.latency = latency
        self.waits: dict[Priority, list[float]] = {priority: [] for priority in Priority}
        self.grants: dict[Priority, list[float]] = {priority: [] for priority in Priority}

    def controller(self, ledger: Ledger | None = None, *, console: bool = False) -> TrafficController:
        """Return a controller, over a ledger of its own unless one is given."""
        return TrafficController(
            self.rules, ledger or MemoryLedger(self.rules, clock=self.clock), console_attached=console
        )

    async def request(
        self,
        controller: TrafficController,
        priority: Priority = Priority.NORMAL,
        costs: Costs = EDGE,
        *,
        deadline: float | None = None,
    ) -> None:
        """Send one request and have it answered."""
        asked = self.loop.time()
        slot = await controller.acquire(costs, priority, deadline)
        self.waits[priority].append(self.loop.time() - asked)
        self.grants[priority].append(self.loop.time())
        out, back = self.latency()
        await self._sleep(out)
        self.oracle.arrive(costs, self.loop.time())
        await self._sleep(back)
        slot.answered(Outcome.OK)

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)

    async def saturate(
        self, controller: TrafficController, priority: Priority, seconds: float, *, backlog: int, costs: Costs = EDGE
    ) -> None:
        """Keep `backlog` requests waiting for so long, then cancel what still waits."""
        end = self.loop.time() + seconds

        async def worker() -> None:
            while self.loop.time() < end:
                await self.request(controller, priority, costs)

        workers = [asyncio.create_task(worker()) for _ in range(backlog)]
        await asyncio.sleep(seconds)
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def run(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run an async function to its end; then no window may have been overrun."""
        run(self.loop, work())
        self.oracle.check()
