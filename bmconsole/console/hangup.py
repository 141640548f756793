"""What is still done when the terminal is gone: nobody can be asked, nothing can be drawn, the process ends at once."""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from stat import S_ISCHR
from typing import NoReturn

HUNG_UP = 129
"""The exit code of a console whose terminal was closed."""

GRACE = 5.0
"""Seconds in which a console without its terminal may end in order; a write on its way then has its answer."""

_last: list[Callable[[], object]] = []


def at_hang_up(do: Callable[[], object]) -> None:
    """Do something when the terminal is gone, whether the console sees that or the system tells by a signal."""
    _last.append(do)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: leave())


@contextmanager
def ending_with_the_terminal() -> Iterator[None]:
    """See to it that this process does not outlive its terminal, whatever its console is doing when that goes.

    Textual reads the end of a terminal that is gone over and over, and keeps each frame that it cannot write: a console
    that had not come far enough to notice grew by 200 MB a minute. Where the terminal cannot be watched (macOS has no
    `poll` for some, Windows none), the console's own look at it has to do.
    """
    if not hasattr(select, "poll") or sys.stdin is None or not S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode):
        yield
        return
    terminal = sys.stdin.fileno()
    threading.Thread(target=_outlived, args=(terminal,), name="hang-up", daemon=True).start()
    try:
        yield
    finally:
        if _gone(terminal, 0):
            leave()


def _outlived(terminal: int) -> None:
    if _gone(terminal, None):
        time.sleep(GRACE)
        leave()


def _gone(terminal: int, patience: int | None) -> bool:
    """Return whether a terminal is gone; without patience (in milliseconds) once it is, for nothing else wakes this."""
    watched = select.poll()
    watched.register(terminal, 0)  # hang-up and error are told without being asked for
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in watched.poll(patience))


def leave() -> NoReturn:
    """Do what is left to do, and end: an end in order would draw on a terminal that is not there."""
    try:
        for do in _last:
            do()
    finally:
        os._exit(HUNG_UP)
