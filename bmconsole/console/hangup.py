"""What is still done when the terminal is gone: nobody can be asked, nothing can be drawn, the process ends at once."""

import os
import signal
from collections.abc import Callable
from typing import NoReturn

HUNG_UP = 129
"""The exit code of a console whose terminal was closed."""

_last: list[Callable[[], object]] = []


def at_hang_up(do: Callable[[], object]) -> None:
    """Do something when the terminal is gone, whether the console sees that or the system tells by a signal."""
    _last.append(do)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: leave())


def leave() -> NoReturn:
    """Do what is left to do, and end: an end in order would draw on a terminal that is not there."""
    try:
        for do in _last:
            do()
    finally:
        os._exit(HUNG_UP)
