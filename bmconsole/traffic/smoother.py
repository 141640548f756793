"""One process's background requests, spaced before they ask the ledger.

An AsyncLimiter guarantees no window (up to twice the limit passes it); the ledger does. It keeps one process's NORMAL
and LOW requests from arriving there as a burst, behind the queue, so that it cannot reorder priorities.
"""

import asyncio
from collections.abc import Callable

from aiolimiter import AsyncLimiter

BURST = 4


class Smoother:
    """Holds at most one turn ready for the next background request; `woken` is called when it becomes ready."""

    def __init__(self, limit: int, window: float, woken: Callable[[], None]) -> None:
        burst = min(BURST, limit)
        # Its rate is the limit's own: the ledger's pace, a little slower, stays the one that decides.
        self._limiter = AsyncLimiter(burst, burst * window / limit)
        self._woken = woken
        self._task: asyncio.Task[None] | None = None
        self._used: asyncio.Future[None] | None = None
        self._ready = True

    def may_ask(self) -> bool:
        """Return whether a background request may ask the ledger now."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._feed(), name="traffic-smoother")
        return self._ready

    def use(self) -> None:
        """The turn was used: a background request was granted."""
        self._ready = False
        if self._used is not None and not self._used.done():
            self._used.set_result(None)

    async def _feed(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._used = loop.create_future()
            if self._ready:
                await self._used
            await self._limiter.acquire()
            self._ready = True
            self._woken()

    async def aclose(self) -> None:
        """End the task that waits for the limiter."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
