"""Faults that nobody waits for: in a thread, in a task that is not awaited, in what Python does when it cleans up.

Python prints such an error with its message and lines of code, and those may hold a token or a buyer's name. Here a
report without values is written, and one line tells where it is.
"""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from bmconsole.paths import Paths

T = TypeVar("T")

Tell = Callable[[str, str | None], None]
"""Gets what happened in one line, and where the report of it is, None where none could be written."""

_watching: "list[Background]" = []


class Background:
    """Takes the place of Python's own hooks as long as it is entered; the innermost one counts.

    Args:
        tell: Tells people; called in whatever thread the fault is in.
        paths: Where reports are; None: the usual place.
    """

    def __init__(self, tell: Tell, paths: "Paths | None" = None) -> None:
        self._tell = tell
        self._paths = paths
        self._former = (threading.excepthook, sys.unraisablehook)
        self.reports: list[Path] = []

    def __enter__(self) -> Self:
        self._former = (threading.excepthook, sys.unraisablehook)
        threading.excepthook, sys.unraisablehook = self._in_thread, self._in_cleaning
        _watching.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        threading.excepthook, sys.unraisablehook = self._former
        _watching.remove(self)

    def in_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take an event loop's fault, as `loop.set_exception_handler` asks for it; only an exception is one."""
        self.fault(context.get("exception"), "a task")

    def fault(self, error: BaseException | None, where: str) -> None:
        """Report a fault; nobody waits here either, so that nothing is raised."""
        if error is None or isinstance(error, SystemExit | KeyboardInterrupt):
            return
        words = f"Something went wrong in {where} in the background ({type(error).__qualname__})."
        try:
            from bmconsole.crash import report

            file = report(error, self._paths)
        except Exception:
            # The disk may be full, or Python on its way out: what happened is told without a report
            self._tell(words, None)
        else:
            self.reports.append(file)
            self._tell(words, str(file))

    def _in_thread(self, args: threading.ExceptHookArgs) -> None:
        self.fault(args.exc_value, "a thread")

    def _in_cleaning(self, args: "sys.UnraisableHookArgs") -> None:
        self.fault(args.exc_value, "cleaning up")


def watch_tasks() -> None:
    """Watch the tasks of the running event loop as well, where anything is watched."""
    if _watching:
        asyncio.get_running_loop().set_exception_handler(_watching[-1].in_loop)


async def watched(work: Awaitable[T]) -> T:
    """Await `work`, the tasks of its event loop watched."""
    watch_tasks()
    return await work
