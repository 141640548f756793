"""Who holds a database's write lock, for people who wonder why nothing moves."""

import os
import sys
from pathlib import Path

_WRITE_LOCK_BYTE = 120
"""Where SQLite's `-shm` file keeps the lock of the one writer (UNIX_SHM_BASE in its os_unix.c)."""


def holder_of(database: Path) -> int | None:
    """Return the pid that holds the write lock; None where the system does not tell (only Linux does).

    It reads the system's list of locks: opening the file itself would drop our own locks on it when it is closed.
    """
    if sys.platform != "linux":
        return None
    try:
        status = os.stat(f"{database}-shm")
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        fields = line.split()
        if len(fields) != 8 or fields[3] != "WRITE" or fields[5] != device or not fields[4].isdigit():
            continue
        end = float("inf") if fields[7] == "EOF" else int(fields[7])
        if int(fields[6]) <= _WRITE_LOCK_BYTE <= end and int(fields[4]) > 0:
            return int(fields[4])
    return None
