"""Controllers in virtual time in front of a model of the server, which checks its windows when the world ends."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path

from bmconsole.domain.priority import Priority
from bmconsole.traffic import MemoryLedger, Outcome, Rule, TrafficController
from bmconsole.traffic.ledger import Ledger
from bmconsole.traffic.routes import Costs
from bmconsole.traffic.sqlite_ledger import SqliteLedger
from tests.traffic.server import Oracle
from tests.traffic.virtual import VirtualClock, VirtualLoop, run

EDGE: Costs = (("edge", 1),)
Latency = Callable[[], tuple[float, float]]
"""Draws the seconds to the server and back."""


def instant() -> tuple[float, float]:
    """A network without delay."""
    return 0.0, 0.0


def uniform(most: float, seed: int = 1, back: float = 0.05) -> Latency:
    """A network that takes up to `most` seconds to the server."""
    rng = random.Random(seed)
    return lambda: (rng.uniform(0, most), back)


def lognormal(seed: int = 1) -> Latency:
    """A network with a long tail: median 0.1 s, 99 % under 1 s, at most 8 s."""
    rng = random.Random(seed)
    return lambda: (min(8.0, rng.lognormvariate(-2.3, 1.0)), 0.02)


class World:
    """One token at one server; any number of controllers (processes) before it."""

    def __init__(self, rules: Iterable[Rule], *, latency: Latency = instant, loop: VirtualLoop | None = None) -> None:
        self.rules = tuple(rules)
        self.loop = loop or VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.oracle = Oracle({rule.name: (rule.limit, rule.window) for rule in self.rules})
        self.latency = latency
        self.waits: dict[Priority, list[float]] = {priority: [] for priority in Priority}
        self.grants: dict[Priority, list[float]] = {priority: [] for priority in Priority}

    def memory(self) -> MemoryLedger:
        """Return a ledger of one process's own."""
        return MemoryLedger(self.rules, clock=self.clock)

    def shared(self, folder: Path) -> SqliteLedger:
        """Return another process's view of the one ledger in `folder`."""
        return SqliteLedger(folder / "ledger-test.db", self.rules, clock=self.clock)

    def controller(self, ledger: Ledger | None = None, *, console: bool = False) -> TrafficController:
        """Return a controller, over a ledger of its own unless one is given."""
        return TrafficController(self.rules, ledger or self.memory(), console_attached=console)

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
        await _sleep(out)
        self.oracle.arrive(costs, self.loop.time())
        await _sleep(back)
        slot.answered(Outcome.OK)

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

    async def now_and_then(
        self,
        controller: TrafficController,
        priority: Priority,
        seconds: float,
        *,
        rate: float,
        most: int = 1,
        costs: Costs = EDGE,
        seed: int = 7,
    ) -> None:
        """Send 1 to `most` requests at once, at random moments, `rate` times a second; wait for all of them."""
        rng = random.Random(seed)
        end = self.loop.time() + seconds
        sent: list[asyncio.Task[None]] = []
        while True:
            await asyncio.sleep(rng.expovariate(rate))
            if self.loop.time() >= end:
                break
            sent += [
                asyncio.create_task(self.request(controller, priority, costs)) for _ in range(rng.randint(1, most))
            ]
        await asyncio.gather(*sent)

    def run(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run an async function to its end; then no window may have been overrun."""
        run(self.loop, work())
        self.oracle.check()


async def _sleep(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
