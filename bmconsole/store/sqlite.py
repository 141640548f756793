"""The only place that names SQLite's module: connections, transactions, the writer thread and the readers.

`sqlite3` is what sqlite-utils uses (pysqlite3 where it is installed), so that one process never opens a file with two
libraries: POSIX locks of one would be dropped by the other.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlite_utils
from filelock import FileLock
from sqlite_utils.migrations import Migrations
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]  # theirs: pysqlite3 where installed

from bmconsole.errors import BmError, DiskTrouble

__all__ = ["Connection", "Database", "Row", "connect", "immediate", "migrate", "sqlite3"]

Connection = sqlite3.Connection
Row = sqlite3.Row
T = TypeVar("T")

_BUSY_SECONDS = 5.0
_READERS = 2


def _touch_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def connect(path: Path, *, synchronous: str = "NORMAL", readonly: bool = False) -> Connection:
    """Open one connection in autocommit mode with the settings that every file of ours has.

    The file is created with mode 0600 in a folder of mode 0700. `synchronous` is `NORMAL` or `FULL`.

    Raises:
        DiskTrouble: The file cannot be opened or is no database.
    """
    try:
        if not readonly:
            _touch_private(path)
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except (OSError, sqlite3.Error) as error:
        raise _trouble(path, error) from error
    try:
        connection.row_factory = sqlite3.Row
        if readonly:
            connection.execute("PRAGMA query_only = 1")
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA journal_size_limit = 16777216")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        connection.close()
        raise _trouble(path, error) from error
    return connection


@contextmanager
def immediate(connection: Connection) -> Iterator[Connection]:
    """Hold the write lock for one transaction; a deferred one could fail half-way where another process wrote."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def migrate(path: Path, migrations: Migrations, *, synchronous: str = "NORMAL") -> None:
    """Bring the file at `path` to the newest schema; safe where several processes start together.

    Raises:
        DiskTrouble: The file was written by a newer version, is damaged, or cannot be written.
    """
    _touch_private(path)
    connection = connect(path, synchronous=synchronous)
    try:
        database = sqlite_utils.Database(connection)
        if _is_current(database, migrations):
            return
        with FileLock(str(path.with_name(f".{path.name}.migrate")), timeout=60, mode=0o600):
            if not _is_current(database, migrations):
                migrations.apply(database)
    except sqlite3.Error as error:
        raise _trouble(path, error) from error
    finally:
        connection.close()


def _is_current(database: sqlite_utils.Database, migrations: Migrations) -> bool:
    applied = {migration.name for migration in migrations.applied(database)}
    pending = {migration.name for migration in migrations.pending(database)}
    known = {migration.name for migration in migrations._migrations}
    if newer := applied - known:
        raise DiskTrouble(
            f"This file was written by a newer bmconsole (schema {max(newer)}).",
            field="file",
            hint="Update bmconsole, or point BMCONSOLE_HOME at another folder.",
        )
    return not pending


def _trouble(path: Path, error: Exception) -> BmError:
    return DiskTrouble(
        f"{path.name} cannot be used: {error}.",
        field="file",
        value=str(path),
        hint="Check the disk's free space and the file's owner and mode.",
    )


class Database:
    """One file in one process: a writer thread with its connection, a few readers, and an eye on foreign changes.

    Work is a function of a connection; it runs off the event loop. Use as an async context manager, or call
    `aclose`. Errors of SQLite come out as `DiskTrouble`, all others as they are.
    """

    def __init__(self, path: Path, migrations: Migrations, *, synchronous: str = "NORMAL") -> None:
        self.path = path
        migrate(path, migrations, synchronous=synchronous)
        self._synchronous = synchronous
        self._local = threading.local()
        self._readers: list[Connection] = []
        self._guard = threading.Lock()
        self._write_pool = ThreadPoolExecutor(1, f"write-{path.stem}")
        self._read_pool = ThreadPoolExecutor(_READERS, f"read-{path.stem}")
        self._writer: Connection | None = None
        self._watcher: Connection | None = None

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one immediate transaction in the writer thread; first come, first served."""
        return await self._finish(self._write_pool.submit(self._do_write, work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a read connection; keep it short, since readers hold back the checkpoint."""
        return await self._finish(self._read_pool.submit(self._do_read, work))

    async def data_version(self) -> int:
        """Return a number that changes when any other connection, of any process, has committed."""
        return await self._finish(self._read_pool.submit(self._do_version))

    def close(self) -> None:
        """Finish what is queued and close every connection."""
        self._write_pool.shutdown(wait=True)
        self._read_pool.shutdown(wait=True)
        for connection in (*self._readers, self._watcher, self._writer):
            if connection is not None:
                connection.close()
        self._readers.clear()
        self._writer = self._watcher = None

    async def aclose(self) -> None:
        await asyncio.to_thread(self.close)

    async def _finish(self, future: Future[T]) -> T:
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except sqlite3.Error as error:
            raise _trouble(self.path, error) from error

    def _do_write(self, work: Callable[[Connection], T]) -> T:
        if self._writer is None:
            self._writer = connect(self.path, synchronous=self._synchronous)
        with immediate(self._writer) as connection:
            return work(connection)

    def _do_read(self, work: Callable[[Connection], T]) -> T:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, readonly=True)
            with self._guard:
                self._readers.append(connection)
        return work(connection)

    def _do_version(self) -> int:
        with self._guard:
            if self._watcher is None:
                self._watcher = connect(self.path, readonly=True)
            return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])
