"""The only place that names SQLite's module: connections, transactions, schemas and how files come to have them.

`sqlite3` is what sqlite-utils uses (pysqlite3 where it is installed), so that one process never opens a file with two
libraries: POSIX locks of one would be dropped by the other. It is found here in the same way, since to import
sqlite-utils costs more than all else that a reading command does; only a schema that is not current takes that.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bmconsole.errors import DiskTrouble
from bmconsole.store import health

if TYPE_CHECKING:
    import sqlite3

    import sqlite_utils
    from sqlite_utils.migrations import Migrations
else:
    try:
        sqlite3 = importlib.import_module("pysqlite3")
    except ImportError:
        sqlite3 = importlib.import_module("sqlite3")

__all__ = [
    "BUSY_SECONDS",
    "Connection",
    "Row",
    "Schema",
    "connect",
    "immediate",
    "locked",
    "migrate",
    "sqlite3",
    "whole",
]

Connection = sqlite3.Connection
Row = sqlite3.Row
Step = Callable[["sqlite_utils.Database"], None]

BUSY_SECONDS = 30.0
"""How long a connection waits for another process's lock."""

_CHECKPOINT_PAGES = 1_000
_READ_CACHE = 512
"""KiB that a read connection keeps: a dozen of them are open, and the system keeps the file's pages anyway."""
_LARGEST_LOG = 16 * 1024 * 1024


class Schema:
    """The migrations of one kind of file, in order; decorate a function with `@schema()` to add one.

    sqlite-utils applies them and keeps their names in the file. How many there are is also the file's `user_version`,
    and `application_id` tells our kinds of files from each other's and from everybody else's.
    """

    def __init__(self, name: str, application_id: bytes) -> None:
        self.name = name
        self.application_id = int.from_bytes(application_id, "big")
        self.steps: list[Step] = []

    def __call__(self) -> Callable[[Step], Step]:
        def add(step: Step) -> Step:
            self.steps.append(step)
            return step

        return add

    @property
    def version(self) -> int:
        return len(self.steps)

    def migrations(self) -> "Migrations":
        """Return the migrations as sqlite-utils has them."""
        from sqlite_utils.migrations import Migrations

        migrations = Migrations(self.name)
        for step in self.steps:
            migrations()(step)
        return migrations


def connect(path: Path, *, synchronous: str = "NORMAL", readonly: bool = False) -> Connection:
    """Open one connection in autocommit mode with the settings that every file of ours has.

    The file is created with mode 0600 in a folder of mode 0700. `synchronous` is `NORMAL` or `FULL`.

    Raises:
        DiskTrouble: The file cannot be opened or is no database (then `Damaged`).
    """
    connection: Connection | None = None
    try:
        if not readonly:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.row_factory = sqlite3.Row
        if readonly:
            connection.execute("PRAGMA query_only = 1")
            connection.execute(f"PRAGMA cache_size = -{_READ_CACHE}")
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")
        connection.execute("PRAGMA foreign_keys = ON")
    except (OSError, sqlite3.Error) as error:
        if connection is not None:
            connection.close()
        raise health.trouble(path, error) from error
    return connection


@contextmanager
def immediate(connection: Connection) -> Iterator[Connection]:
    """Hold the write lock for one transaction; a deferred one could fail half-way where another process wrote."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            # What broke the transaction is what is told; a damaged file may refuse even this.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def whole(path: Path, *, thorough: bool = False) -> bool:
    """Return whether the structure of a file holds; `thorough` also compares every index with its table.

    Raises:
        DiskTrouble: It cannot be opened.
    """
    try:
        # A connection of its own: one that was open keeps what it knew of FTS5's index, and the check of FTS5, unlike
        # its queries, does not renew that before it compares (SQLite 3.53).
        with closing(connect(path, readonly=True)) as connection:
            check = "integrity_check" if thorough else "quick_check"
            return str(connection.execute(f"PRAGMA {check}(1)").fetchone()[0]) == "ok"
    except health.Damaged:
        return False
    except sqlite3.Error as error:
        if health.is_damage(error):
            return False
        raise health.trouble(path, error) from error


def migrate(
    path: Path,
    schema: Schema,
    *,
    synchronous: str = "NORMAL",
    before: Callable[[Connection], object] | None = None,
) -> None:
    """Bring the file at `path` to the newest schema; safe where several processes start together.

    Args:
        path: The file; it is made where there is none.
        schema: Its kind.
        synchronous: As in `connect`.
        before: What to do with a file that is not new before its schema changes.

    Raises:
        DiskTrouble: The file was written by a newer version, is damaged (then `Damaged`), or cannot be written.
    """
    try:
        if wrong := health.damage(path, schema.application_id):
            raise health.damaged(path, wrong)
        connection = connect(path, synchronous=synchronous)
        try:
            if _version(connection, schema) < schema.version:
                with locked(path):
                    _apply(connection, schema, before)
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise health.trouble(path, error) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock under which a file is migrated or replaced; for one process at a time.

    Raises:
        DiskTrouble: Another process has it for longer than a minute.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(str(path.with_name(f".{path.name}.migrate")), timeout=60, mode=0o600, thread_local=False):
            yield
    except Timeout:
        raise DiskTrouble(
            f"Another process has been changing {path.name} for a minute.", field="file", value=str(path)
        ) from None


def _version(connection: Connection, schema: Schema) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > schema.version:
        raise _newer(f"{version}, this one knows {schema.version}")
    return version


def _newer(what: str) -> DiskTrouble:
    return DiskTrouble(
        f"This file was written by a newer bmconsole (schema {what}).",
        field="file",
        hint="Update bmconsole, or point BMCONSOLE_HOME at another folder.",
    )


def _apply(connection: Connection, schema: Schema, before: Callable[[Connection], object] | None) -> None:
    import sqlite_utils

    database = sqlite_utils.Database(connection)
    migrations = schema.migrations()
    applied = {migration.name for migration in migrations.applied(database)}
    if newer := applied - {step.__name__ for step in schema.steps}:
        raise _newer(max(newer))
    if migrations.pending(database):
        if before is not None and applied:
            before(connection)
        # First, so that whatever has tables and not this is a stranger's
        connection.execute(f"PRAGMA application_id = {schema.application_id}")
        migrations.apply(database)
    connection.execute(f"PRAGMA user_version = {schema.version}")
