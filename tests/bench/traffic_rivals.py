"""The limiters that the bench compares, behind one interface, each as its documents say or as safe as it can be."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from aiolimiter import AsyncLimiter
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from pyrate_limiter import InMemoryBucket, Limiter, Rate

from bmconsole.domain.priority import Priority
from bmconsole.store.sqlite import sqlite3
from bmconsole.traffic import MemoryLedger, Rule, TrafficController
from bmconsole.traffic.clock import SystemClock
from bmconsole.traffic.ledger import Ledger
from bmconsole.traffic.sqlite_ledger import SqliteLedger

EDGE = (("edge", 1),)


class Rival(Protocol):
    """Waits for leave to send; what it returns is called when the response is there."""

    async def acquire(self, priority: Priority) -> Callable[[], None]: ...

    async def aclose(self) -> None: ...


def nothing() -> None:
    """Most limiters do not want to know of the response."""


class Ours:
    """This project's controller, over a ledger in memory or in a file."""

    def __init__(self, limit: int, window: float, folder: Path | None = None) -> None:
        rules = (Rule("edge", limit, window, reserve=4 if limit >= 50 else 0),)
        ledger: Ledger = MemoryLedger(rules)
        if folder is not None:
            ledger = _open(folder / "ledger-bench.db", rules)
        self.controller = TrafficController(rules, ledger)

    async def acquire(self, priority: Priority) -> Callable[[], None]:
        return (await self.controller.acquire(EDGE, priority)).answered

    async def aclose(self) -> None:
        await self.controller.aclose()


def _open(path: Path, rules: tuple[Rule, ...]) -> SqliteLedger:
    while True:
        try:
            return SqliteLedger(path, rules, clock=SystemClock(), program="bench")
        except sqlite3.OperationalError:  # another process is just opening it
            time.sleep(0.02)


class AiolimiterReadme:
    """`AsyncLimiter(max_rate, time_period)`, as its README shows."""

    def __init__(self, limit: int, window: float) -> None:
        self.limiter = AsyncLimiter(limit, window)

    async def acquire(self, priority: Priority) -> Callable[[], None]:
        await self.limiter.acquire()
        return nothing

    async def aclose(self) -> None:
        """Nothing to close."""


class AiolimiterGate:
    """The safest aiolimiter behind a priority queue: burst 4, and a rate that leaves half a second for jitter."""

    def __init__(self, limit: int, window: float) -> None:
        burst = 4
        self.limiter = AsyncLimiter(burst, burst * (window + 0.5) / (limit - burst))
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            await self.limiter.acquire()
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)

    async def acquire(self, priority: Priority) -> Callable[[], None]:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._numbers), future))
        self._news.set()
        await future
        return nothing

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Pyrate:
    """pyrate-limiter's in-memory bucket, waiting asynchronously, as its README shows."""

    def __init__(self, limit: int, window: float) -> None:
        self.limiter = Limiter(InMemoryBucket([Rate(limit, int(window * 1000))]))

    async def acquire(self, priority: Priority) -> Callable[[], None]:
        await self.limiter.try_acquire_async("edge")
        return nothing

    async def aclose(self) -> None:
        self.limiter.close()


class Limits:
    """limits' moving window; it does not wait, so its users sleep until the window has room, as its docs suggest."""

    def __init__(self, limit: int, window: float) -> None:
        self.limiter = MovingWindowRateLimiter(MemoryStorage())
        self.item = RateLimitItemPerSecond(limit, max(1, int(window)))

    async def acquire(self, priority: Priority) -> Callable[[], None]:
        while not await self.limiter.hit(self.item, "edge"):  # noqa: ASYNC110  # how its users wait; it has no other way
            await asyncio.sleep(0.05)
        return nothing

    async def aclose(self) -> None:
        """Nothing to close."""


RIVALS: dict[str, Callable[[int, float, Path | None], Rival]] = {
    "here, ledger in memory": lambda limit, window, _: Ours(limit, window),
    "here, ledger in a file": lambda limit, window, folder: Ours(limit, window, folder),
    "aiolimiter, README": lambda limit, window, _: AiolimiterReadme(limit, window),
    "aiolimiter, safest + gate": lambda limit, window, _: AiolimiterGate(limit, window),
    "pyrate-limiter": lambda limit, window, _: Pyrate(limit, window),
    "limits, moving window": lambda limit, window, _: Limits(limit, window),
}
