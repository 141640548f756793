"""One process's background requests, spaced before they ask the ledger.

An AsyncLimiter guarantees no window (up to twice the limit passes it); the ledger does. It keeps one process's NORMAL
and LOW requests from arriving there as a burst, behind the queue, so that it cannot reorder priorities.
"""

import asyncio
from collections.abc import Callable

from aiolimiter import AsyncLimiter

BURST = 4


class Smoother:
    """Has at most one turn at hand for the next background request; `woken` is called when one comes after a wait."""

    def __init__(self, limit: int, window: float, woken: Callable[[], None]) -> None:
        burst = min(BURST, limit)
        # Its rate is the limit's own: the ledger's pace, a little slower, stays the one that decides.
        self._limiter = AsyncLimiter(burst, burst * window / limit)
        self._woken = woken
        self._turn = False
        self._task: asyncio.Task[None] | None = None

    def may_ask(self) -> bool:
        """Return whether a background request may ask the ledger now; if not, `woken` will be called."""
        if self._turn:
            return True
        if self._task is not None:
            return False
        if self._limiter.has_capacity():
            self._acquire_at_once()
            return True
        self._task = asyncio.get_running_loop().create_task(self._wait(), name="traffic-smoother")
        return False

    def use(self) -> None:
        """The turn was used: a background request was granted."""
        self._turn = False

    def _acquire_at_once(self) -> None:
        """Take what there is room for; `acquire` then ends without ever suspending, and a task would cost more."""
        acquiring = self._limiter.acquire()
        try:
            acquiring.send(None)
        except StopIteration:
            self._turn = True
        finally:
            acquiring.close()

    async def _wait(self) -> None:
        await self._limiter.acquire()
        self._turn, self._task = True, None
        self._woken()

    async def aclose(self) -> None:
        """End the task that waits for the limiter."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
