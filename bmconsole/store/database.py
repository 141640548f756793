"""A file in a process: the writer thread, the readers, an eye on foreign changes, and what to do when it is damaged."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bmconsole.errors import BmError, DiskTrouble
from bmconsole.store import health
from bmconsole.store.health import Damaged
from bmconsole.store.sqlite import BUSY_SECONDS, Connection, Schema, connect, immediate, locked, migrate, sqlite3, whole

T = TypeVar("T")

_READERS = 2
_IDLE_SECONDS = 5.0
_SUSPICION_SECONDS = 60.0


class Database:
    """One file in one process: a writer thread with its connection, a few readers, and an eye on foreign changes.

    Work is a function of a connection; it runs off the event loop. Use as an async context manager, or call
    `aclose`. Errors of SQLite come out as `DiskTrouble`, all others as they are.

    A file that was replaced under its name (restored, or moved aside by another process) is opened again at the next
    work. Where it is `rebuildable` and damaged, when it is opened or later, it is moved aside and starts anew: the work
    that met the damage fails with `Damaged`, the next one finds an empty file.

    Args:
        path: The file.
        schema: Its kind.
        synchronous: As in `connect`.
        rebuildable: Whether everything in it can be fetched again.
        way_out: What people can do about a damaged file that is not rebuildable.
        before_migration: As in `migrate`.
        tell: Is told, in any thread, when the file was moved aside.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        synchronous: str = "NORMAL",
        rebuildable: bool = False,
        way_out: str = "",
        before_migration: Callable[[Connection], object] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._schema = schema
        self._synchronous = synchronous
        self._rebuildable = rebuildable
        self._way_out = way_out
        self._before = before_migration
        self._tell = tell
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._guard = threading.Lock()
        self._closed = False
        self._checked = -_SUSPICION_SECONDS
        self._idle: asyncio.TimerHandle | None = None
        self._replaced = 0
        self._open()
        self._write_pool = ThreadPoolExecutor(1, f"write-{path.stem}")
        self._read_pool = ThreadPoolExecutor(_READERS, f"read-{path.stem}")
        self._watch_pool = ThreadPoolExecutor(1, f"watch-{path.stem}")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one immediate transaction in the writer thread; first come, first served."""
        try:
            return await self._finish(self._write_pool.submit(self._do_write, work))
        finally:
            self._checkpoint_when_idle()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a read connection; keep it short, since readers hold back the checkpoint."""
        return await self._finish(self._read_pool.submit(self._do, work, True))

    async def data_version(self) -> int:
        """Return a number that changes when any other connection, of any process, has committed."""
        return await self._finish(self._watch_pool.submit(self._do_version))

    def version_now(self) -> int:
        """Return what `data_version` does, without another thread; numbers of different threads cannot be compared."""
        return self._do_version()

    def look(self) -> tuple[int, ...]:
        """Return what a commit usually changes about the file's log: a cheap look, which proves nothing."""
        try:
            stat = self._log.stat()
        except OSError:
            return ()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    async def checkpoint(self, *, wait: bool = True) -> bool:
        """Move the log into the file and cut it to nothing; return whether readers left room for that.

        Without `wait` only if it can be done at once.
        """
        return await self._finish(self._write_pool.submit(self._do_checkpoint, wait))

    async def rewrite(self) -> None:
        """Write the whole file anew, so that nothing is left of what was deleted; no other process can write meanwhile.

        Takes about a second for a hundred megabytes, and twice the file's size on the disk.
        """
        await self._finish(self._write_pool.submit(self._do, lambda connection: connection.execute("VACUUM"), False))

    async def check(self) -> None:
        """Look through the whole file, which takes two seconds for a million orders.

        Raises:
            Damaged: Its structure does not hold; a rebuildable one has started anew.
        """

        def look(_: Connection) -> None:
            if not whole(self.path):
                raise health.damaged(self.path, "what is in it contradicts itself")

        await self.read(look)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Run `work` as `write` does, and wait for it in a thread that is not the event loop's."""
        return self._write_pool.submit(self._do_write, work).result()

    def close(self) -> None:
        """Finish what is queued and close every connection."""
        self._closed = True
        for pool in (self._write_pool, self._read_pool, self._watch_pool):
            pool.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    async def aclose(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        await asyncio.to_thread(self.close)

    async def _finish(self, future: Future[T]) -> T:
        return await asyncio.shield(asyncio.wrap_future(future))

    def _do_write(self, work: Callable[[Connection], T]) -> T:
        def in_transaction(connection: Connection) -> T:
            with immediate(connection):
                return work(connection)

        return self._do(in_transaction, False)

    def _do(self, work: Callable[[Connection], T], readonly: bool) -> T:
        try:
            return work(self._connection(readonly))
        except BmError as error:
            if isinstance(error, Damaged):
                self._start_anew(error)
            raise
        except sqlite3.Error as error:
            trouble = health.trouble(self.path, error)
            if health.is_damage(error) or (self._rebuildable and self._is_broken()):
                self._start_anew(trouble)
            raise trouble from error
        except Exception:
            # A damaged page may hold what looks like a row and is none.
            if self._is_broken():
                self._start_anew(health.damaged(self.path, "what is in it contradicts itself"))
            raise

    def _do_version(self) -> int:
        def version(connection: Connection) -> int:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

        # Numbers of different connections cannot be compared: a file that was replaced is a change in itself.
        found = self._do(version, True)
        return (self._replaced << 40) + found

    def _do_checkpoint(self, wait: bool) -> bool:
        def checkpoint(connection: Connection) -> bool:
            connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000) if wait else 0}")
            try:
                return int(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]) == 0
            finally:
                connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

        return self._do(checkpoint, False)

    def _checkpoint_when_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if not self._closed:
            self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._submit_checkpoint)

    def _submit_checkpoint(self) -> None:
        if not self._closed:
            self._write_pool.submit(self._do_checkpoint, False)

    def _connection(self, readonly: bool) -> Connection:
        """Return this thread's connection to the file that is there now."""
        held: tuple[health.Identity, Connection] | None = getattr(self._local, "held", None)
        there = health.identity(self.path)
        if held is not None and held[0] == there:
            return held[1]
        if held is not None:
            self._forget(held[1])
            self._replaced += 1
            if there is not None and there.empty:
                # Not filled in place: this process's other connections still have their locks on it.
                self._start_anew(health.damaged(self.path, "it was emptied"))
        if there is None and not self._rebuildable:
            raise DiskTrouble(
                f"{self.path.name} is gone.", field="file", value=str(self.path), hint=self._way_out or None
            )
        if held is not None or there is None:
            self._open()
        connection = connect(self.path, synchronous=self._synchronous, readonly=readonly)
        now = health.identity(self.path)
        with self._guard:
            self._connections.append(connection)
        if now is not None:
            self._local.held = (now, connection)
        return connection

    def _forget(self, connection: Connection) -> None:
        self._local.held = None
        with self._guard:
            self._connections.remove(connection)
        with suppress(sqlite3.Error):
            connection.close()

    def _open(self) -> None:
        """Make the file ready, a rebuildable one anew where it is damaged."""
        health.refuse_network(self.path.parent)
        try:
            self._migrate()
        except Damaged as error:
            self._start_anew(error)

    def _migrate(self) -> None:
        migrate(self.path, self._schema, synchronous=self._synchronous, before=self._before)

    def _is_broken(self) -> bool:
        """Return whether the file is damaged; asked after an error that damage might explain."""
        now = time.monotonic()
        if now - self._checked < _SUSPICION_SECONDS:
            return False
        self._checked = now
        if self._rebuildable:
            # Replaced by an empty database it has no tables any more, and gets them here.
            self._open()
        return self._found_broken()

    def _found_broken(self) -> bool:
        there = health.identity(self.path)
        if there is None or there.empty:
            return there is not None
        return health.damage(self.path, self._schema.application_id) is not None or not whole(self.path)

    def _start_anew(self, error: DiskTrouble) -> None:
        """Move a damaged file aside if it is rebuildable, and raise what is to be told if it is not.

        Raises:
            DiskTrouble: It is not rebuildable, or cannot be moved.
        """
        if not self._rebuildable:
            if isinstance(error, Damaged) and self._way_out:
                error.hint = self._way_out
            raise error
        held: tuple[health.Identity, Connection] | None = getattr(self._local, "held", None)
        if held is not None:
            self._forget(held[1])
        aside = None
        with locked(self.path):
            # Another process may have done it, and then what is there now is whole.
            if self._found_broken():
                try:
                    aside = health.move_aside(self.path)
                except OSError as fault:
                    raise health.trouble(self.path, fault) from fault
        self._migrate()
        error.hint = "It was moved aside and starts anew; sync to fill it."
        if aside is not None and self._tell is not None:
            self._tell(f"{error.message} It was moved aside as {aside.name}; syncing fills it again.")
