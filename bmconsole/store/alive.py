"""Who is alive: each process holds a lock file all its life, which the system gives away when it dies."""

import os
import secrets
from pathlib import Path

from filelock import FileLock, Timeout


class Life:
    """This process's lock file; `name` tells it from every other process, dead or alive."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock = FileLock(str(folder / f"{self.name}.life"), mode=0o600, thread_local=False)
        self._lock.acquire(blocking=False)

    def is_dead(self, name: str) -> bool:
        """Whether the process called `name` has ended; its lock file is cleared away then."""
        path = self._folder / f"{name}.life"
        if name == self.name or Path(name).name != name:
            return False
        if not path.exists():
            return True
        try:
            with FileLock(str(path), timeout=0, mode=0o600, thread_local=False):
                path.unlink(missing_ok=True)
        except Timeout:
            return False
        return True

    def end(self) -> None:
        """Give up the lock and remove the file."""
        (self._folder / f"{self.name}.life").unlink(missing_ok=True)
        self._lock.release()
