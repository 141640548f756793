"""Whether a process lives, told by a lock that it holds all its life.

Process numbers are used again, and mean nothing across containers; the system drops a lock with its holder, however it
ends. Unix: flock, which belongs to the open file. Windows: a locked byte.
"""

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class Life:
    """This process's own lock file; held from construction until `end`."""

    def __init__(self, folder: Path, number: int) -> None:
        """Take the lock.

        Raises:
            FileExistsError: The number is another process's.
            OSError: The folder cannot be written.
        """
        self._path = _path(folder, number)
        self._descriptor: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if not _lock(self._descriptor):
            self.drop()
            raise FileExistsError(self._path)

    def end(self) -> None:
        """Give the lock up, and take the file away."""
        self.drop()
        with suppress(OSError):  # Windows keeps it while somebody looks at it; the next one who does removes it
            self._path.unlink(missing_ok=True)

    def drop(self) -> None:
        """Give the lock up as a death would: the file stays."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lives(folder: Path, number: int) -> bool:
    """Return whether a process still holds its lock; where nobody can tell, it does."""
    try:
        descriptor = os.open(_path(folder, number), os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def bury(folder: Path, number: int) -> None:
    """Take the lock file of a dead process away."""
    with suppress(OSError):  # it may be gone already, or looked at; it does no harm
        _path(folder, number).unlink(missing_ok=True)


def forgotten(folder: Path, known: Collection[int]) -> bool:
    """Return whether a process died whose ledger knows nothing of it: what it wrote there is gone."""
    numbers = (path.suffix[1:] for path in folder.glob("life.*"))
    return any(number.isdigit() and int(number) not in known and not lives(folder, int(number)) for number in numbers)


def tidy(folder: Path, known: Collection[int]) -> None:
    """Take away what dead processes left that are in no ledger any more."""
    for path in folder.glob("life.*"):
        number = path.suffix[1:]
        if number.isdigit() and int(number) not in known and not lives(folder, int(number)):
            bury(folder, int(number))


def leave_trace(folder: Path) -> None:
    """Leave something that stays when every process has ended: there was a ledger."""
    os.close(os.open(folder / "used", os.O_RDWR | os.O_CREAT, 0o600))


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Be the only process that replaces the ledger; yields False when another is at it."""
    descriptor = os.open(folder / "replacing", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _path(folder: Path, number: int) -> Path:
    return folder / f"life.{number}"
