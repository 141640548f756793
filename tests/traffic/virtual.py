"""Virtual time: an event loop whose clock jumps to the next timer, and the ledger's clock on it. An hour in seconds."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """Never waits: what would be a wait moves the loop's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1000.0
        self.slept = 0
        self._still = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits and no timer is set: a wake-up was lost")
        self._still = 0 if timeout > 0 else self._still + 1
        if timeout > 0:
            self.slept += 1
            self.time += timeout
        elif self._still > 500:
            self.time += 1e-6  # a real clock moves on while code runs; code may rely on that to get past rounding
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time; it raises when nothing could ever happen again."""

    def __init__(self) -> None:
        self.jump = _Jump()
        super().__init__(self.jump)

    def time(self) -> float:
        return self.jump.time

    def run_in_executor(  # type: ignore[override]  # narrower: what the limiter needs of it
        self, executor: None, func: Callable[..., T], *args: object
    ) -> "asyncio.Future[T]":
        """Do it here and now: a thread would live in real time."""
        done = self.create_future()
        done.set_result(func(*args))
        return done


class VirtualClock:
    """The ledger's clock on a virtual loop; boot and wall time can be changed under a running program."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.boot_id = "boot-1"
        self.offset = 0.0
        self.wall = 1_790_000_000.0

    def now(self) -> float:
        return self._loop.time() + self.offset

    def utc(self) -> float:
        return self.wall + self._loop.time()


def run(loop: VirtualLoop, work: Coroutine[None, None, T]) -> T:
    """Run `work` to its end and close the loop."""
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
