"""The two clocks: one that starts with the machine and that all its processes share, and UTC.

Rules of a minute or less run on the boot-based clock, stored with the boot's identity: the wall clock may jump. Longer
rules are stored in UTC, so that they last over a restart of the machine.
"""

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_STARTED = "started-"
_CORRECTED = 60
_LINUX_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Where the ledger takes its time from."""

    @property
    def boot_id(self) -> str:
        """What names the current boot; times of another boot mean nothing on this one's clock."""

    def now(self) -> float:
        """Return seconds on a clock that every process of the machine reads alike and that never jumps."""

    def utc(self) -> float:
        """Return seconds since the epoch."""


class SystemClock:
    """The machine's clocks.

    Linux: CLOCK_BOOTTIME, which counts sleep. macOS: `time.monotonic()` is system-wide and stands still in sleep, so
    holds last longer, which is safe. Windows: `time.perf_counter()` is system-wide, where `monotonic()` of Python 3.11
    moves in steps of 15.6 ms.
    """

    __slots__ = ("_boot_id", "now")

    def __init__(self) -> None:
        if sys.platform == "linux":
            self.now: Callable[[], float] = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
        elif sys.platform == "win32":
            self.now = time.perf_counter
        else:
            self.now = time.monotonic
        self._boot_id = self._read_boot_id()

    @property
    def boot_id(self) -> str:
        return self._boot_id

    def utc(self) -> float:
        return time.time()

    def _read_boot_id(self) -> str:
        if _LINUX_BOOT_ID.exists():
            return _LINUX_BOOT_ID.read_text(encoding="ascii").strip()
        # Elsewhere the second in which the machine started, as the clocks tell it.
        return f"{_STARTED}{round(time.time() - self.now())}"


def same_boot(stored: str, current: str) -> bool:
    """Return whether two boot identities name the same boot; a corrected wall clock makes no other.

    A wrong no only makes the short rules count as full once (a Mac that slept, for example).
    """
    if stored.startswith(_STARTED) and current.startswith(_STARTED):
        return abs(int(stored.removeprefix(_STARTED)) - int(current.removeprefix(_STARTED))) <= _CORRECTED
    return stored == current
