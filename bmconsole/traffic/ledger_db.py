"""One process's hold on the ledger's file: opening, joining, transactions, and what to do when the file is another.

Whoever uses it says how to settle into a file (`settle_in`), which happens within the transaction that opens it.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from bmconsole.store.sqlite import Connection, sqlite3
from bmconsole.traffic import ledger_file, lives
from bmconsole.traffic.holder import holder_of

_CHECKPOINT_EVERY = 500


class LedgerDatabase:
    """The file, the folder of lock files beside it, and this process's place in both.

    Args:
        path: The file, on a local disk.
        program: What people would call this process.
        settle_in: Called within the first transaction of every file that is opened; its arguments say whether a file
            that is empty now had contents that nobody knows, and whether it is older than it should be.
    """

    connection: Connection

    def __init__(self, path: Path, program: str, settle_in: Callable[[bool, bool], None]) -> None:
        self.path = path
        self.process = 0
        self._program = program
        self._settle_in = settle_in
        self._folder = path.with_suffix(".lives")
        self._life: lives.Life | None = None
        self._identity: tuple[int, int] | None = None
        self._commits = 0
        self._checkpoint: asyncio.Future[None] | None = None

    def open(self) -> str | None:
        """Open the file, settle in, and return what people should know of it, if anything.

        A file that is missing or empty although the folder beside it was used before was taken away: it counts as
        lost. One that is damaged, or that is not this account's, is set aside.

        Raises:
            LedgerUnusable: A newer version made it, or it is damaged and cannot be replaced.
            sqlite3.OperationalError: Somebody is writing right now: try again in a moment.
            OSError: The folder cannot be written.
        """
        lost = self._folder.exists() and any(self._folder.iterdir())
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        found = ledger_file.identity(self.path)
        try:
            try:
                self._connect(lost=lost)
            except (sqlite3.Error, ValueError) as error:
                if not ledger_file.is_damaged(error):
                    raise
                told = self._set_aside(found)
                self._connect(lost=True)
                return told
        except BaseException:
            if self._life is not None:
                self._life.end()
            raise
        return None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection to the file that was last seen in its place."""
        return self._identity is not None

    def begin(self) -> None:
        """Take the write lock, without waiting; open the file that is there now, should it be another.

        Raises:
            sqlite3.Error: It is busy, or damaged.
            OSError: It cannot be opened.
        """
        if self._identity is None or ledger_file.identity(self.path) != self._identity:
            self.connection.close()
            self._connect(lost=True)
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """End the transaction; now and then have a thread copy the log into the file, which waits for the disk."""
        self.connection.execute("COMMIT")
        self._commits += 1
        if self._commits >= _CHECKPOINT_EVERY and (self._checkpoint is None or self._checkpoint.done()):
            self._commits = 0
            loop = asyncio.get_running_loop()
            self._checkpoint = loop.run_in_executor(None, ledger_file.checkpoint, self.path)

    def roll_back(self) -> None:
        """Undo the transaction, if there still is one."""
        if self.is_open and self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def data_version(self) -> int:
        """Return a number that changes when another connection has written."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def join(self, console: bool) -> None:
        """Within `settle_in`: enter this process, its lock file first."""
        while self._life is None:
            number = secrets.randbits(30) + 1
            try:
                self._life = lives.Life(self._folder, number)
            except FileExistsError:
                continue
            self.process = number
        lives.leave_trace(self._folder)
        self.connection.execute(
            "INSERT INTO process (id, pid, program, console, wish1, wish2, wish3) VALUES (?, ?, ?, ?, 0, 0, 0)",
            (self.process, os.getpid(), self._program, console),
        )
        lives.tidy(self._folder, {number for (number,) in self.connection.execute("SELECT id FROM process")})

    def dead(self) -> list[int]:
        """Return the processes that the file knows and that live no more."""
        known = self.connection.execute("SELECT id FROM process UNION SELECT process FROM flight").fetchall()
        return [number for (number,) in known if number != self.process and not lives.lives(self._folder, number)]

    def strike_out(self, number: int) -> None:
        """Forget a dead process and its flights."""
        self.connection.execute("DELETE FROM flight WHERE process = ?", (number,))
        self.connection.execute("DELETE FROM process WHERE id = ?", (number,))
        lives.bury(self._folder, number)

    def give_up_file(self) -> str | None:
        """Set the open file aside as damaged; the next transaction opens what is there then.

        Raises:
            LedgerUnusable: Another program still has it open (Windows).
        """
        damaged, self._identity = self._identity, None
        self.connection.close()
        return None if damaged is None else self._set_aside(damaged)

    def whose_lock(self) -> str:
        """Return who is writing, for people."""
        pid = holder_of(self.path)
        try:
            rows = self.connection.execute("SELECT pid, program FROM process WHERE id != ?", (self.process,)).fetchall()
        except sqlite3.Error:
            rows = []
        names = [f"{program}, pid {number}" for number, program in rows if pid in (None, number)]
        return " or ".join(names) or (f"pid {pid}" if pid else "another program")

    def close(self, *, said_goodbye: bool) -> None:
        """Let go; without a goodbye in the file, the lock file stays, free, for others to find."""
        self._identity = None
        self.connection.close()
        if self._life is not None:
            if said_goodbye:
                self._life.end()
            else:
                self._life.drop()

    def die(self) -> None:
        """Let go as a killed process does."""
        self.close(said_goodbye=False)

    def _connect(self, *, lost: bool) -> None:
        self._identity = None
        self.connection = ledger_file.open_file(self.path)
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            ledger_file.claim(self.connection, self.path)
            self._settle_in(lost, lives.forgotten(self._folder, ledger_file.processes(self.connection)))
            self.connection.execute("COMMIT")
        except BaseException:
            self.connection.close()
            raise
        self._identity = ledger_file.identity(self.path)

    def _set_aside(self, damaged: tuple[int, int] | None) -> str | None:
        with lives.alone(self._folder) as alone:
            if not alone or ledger_file.identity(self.path) != damaged:
                return None  # another process does it, or has done it
            kept = ledger_file.set_aside(self.path)
        return f"The ledger of requests was damaged; it was kept as {kept.name}."
