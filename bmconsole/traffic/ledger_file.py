"""The ledger's SQLite file: its tables, opening it, and setting a damaged one aside.

The file only coordinates: whatever is in doubt counts as full, so losing it costs seconds, never a block.
"""

import functools
import json
import math
import os
from array import array
from contextlib import closing, suppress
from hashlib import blake2b
from itertools import count
from pathlib import Path

from bmconsole.store.sqlite import Connection, Row, sqlite3
from bmconsole.traffic.errors import LedgerUnusable
from bmconsole.traffic.routes import Costs
from bmconsole.traffic.state import RuleState

VERSION = 1

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS meta (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        version INTEGER NOT NULL,
        boot TEXT NOT NULL,      -- identity of the boot whose clock all REAL times below are on
        last REAL NOT NULL,      -- that clock at some recent transaction …
        last_utc REAL NOT NULL   -- … and UTC at the same moment: how times are carried over to another boot
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS rule (
        id INTEGER PRIMARY KEY,  -- a rowid table: the row fits one page, whose writing is what a grant costs
        name TEXT NOT NULL UNIQUE,
        most INTEGER NOT NULL,
        span REAL NOT NULL,
        working REAL NOT NULL,
        raise_at REAL NOT NULL,
        pause_until REAL NOT NULL,
        level INTEGER NOT NULL,
        probe INTEGER NOT NULL,
        tat REAL NOT NULL,
        flying INTEGER NOT NULL,
        rtt REAL NOT NULL,
        faults INTEGER NOT NULL,
        slowed_until REAL NOT NULL,
        trips INTEGER NOT NULL,
        passed BLOB NOT NULL,    -- how often each priority was passed over while it waited
        times BLOB NOT NULL,     -- packed doubles, sorted: when holds end
        costs BLOB NOT NULL      -- packed 32 bit integers: what each of them holds
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS flight (
        ticket INTEGER PRIMARY KEY,
        process INTEGER NOT NULL,
        at REAL NOT NULL,
        costs TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS process (
        id INTEGER PRIMARY KEY,
        pid INTEGER NOT NULL,    -- for people; whether it lives is told by its lock file
        program TEXT NOT NULL,
        console INTEGER NOT NULL,
        wish1 REAL NOT NULL,     -- until when somebody waits there at HIGH, NORMAL, LOW
        wish2 REAL NOT NULL,
        wish3 REAL NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS route (
        name TEXT PRIMARY KEY,
        struck REAL,             -- UTC of a 429 at under half of the edge
        sensitive_until REAL     -- UTC
    ) STRICT, WITHOUT ROWID
    """,
)

SELECT_RULE = "SELECT * FROM rule WHERE name = ?"
_SAVE_OFTEN = "UPDATE rule SET tat = ?, flying = ?, rtt = ?, passed = ?, times = ?, costs = ? WHERE name = ?"
_SAVE_RULE = """
UPDATE rule SET tat = ?, flying = ?, rtt = ?, passed = ?, times = ?, costs = ?, working = ?, raise_at = ?,
    pause_until = ?, level = ?, probe = ?, faults = ?, slowed_until = ?, trips = ? WHERE name = ?
"""
_ADD_RULE = """
INSERT INTO rule (tat, flying, rtt, passed, times, costs, working, raise_at, pause_until, level, probe, faults,
    slowed_until, trips, name, most, span) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SIDE_FILES = ("", "-wal", "-shm")


def open_file(path: Path) -> Connection:
    """Open the ledger's database without ever waiting for a lock.

    Checkpoints are left to `checkpoint`, since their fsync would stop the event loop.

    Raises:
        sqlite3.Error: It is busy, damaged or no database.
        OSError: The file cannot be made.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=64)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA journal_size_limit = 4194304")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def make_tables(connection: Connection) -> None:
    """Make what is missing; part of the caller's transaction."""
    for statement in _TABLES:
        connection.execute(statement)


def claim(connection: Connection, path: Path) -> None:
    """Mark a new file with the name it has, which stands for the account; part of the caller's transaction.

    Raises:
        ValueError: The file is another account's ledger, or another program's.
    """
    check_owner(connection, path)
    connection.execute(f"PRAGMA user_version = {_mark(path)}")


def check_owner(connection: Connection, path: Path) -> None:
    """Refuse a file that was made under another name, or for something else.

    Raises:
        ValueError: It is one.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "meta" not in tables:
        raise ValueError("the database of another program")
    (mark,) = connection.execute("PRAGMA user_version").fetchone()
    if mark not in (0, _mark(path)):
        raise ValueError("the ledger of another account")


def processes(connection: Connection) -> set[int]:
    """Return the processes that the file knows; none where it has no tables yet."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {number for (number,) in connection.execute("SELECT id FROM process")} if "process" in tables else set()


def _mark(path: Path) -> int:
    return int.from_bytes(blake2b(path.name.encode(), digest_size=4).digest(), "big", signed=True)


def check_version(meta: Row) -> None:
    """Refuse a file of a newer version, or whose times cannot be.

    Raises:
        LedgerUnusable: It is one.
        ValueError: There is no such version, or time.
    """
    if meta["version"] < 1:
        raise ValueError("a ledger of no version")
    if not math.isfinite(meta["last"] + meta["last_utc"]):
        raise ValueError("a ledger of no time")
    if meta["version"] > VERSION:
        raise LedgerUnusable(
            "The shared ledger of requests was made by a newer bmconsole.",
            hint="Update bmconsole, and end the older programs that use this token.",
        )


def fault_of(path: Path) -> str | None:
    """Return what is wrong with the ledger at `path`, None where nothing is; nothing is written to it.

    Raises:
        LedgerUnusable: It is of a newer version, or cannot be read at all.
    """
    if not path.is_file():
        raise LedgerUnusable(f"{path} is no file.", hint="Move it away: the ledger of requests has its place there.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1)) as connection:
            connection.row_factory = sqlite3.Row
            (told,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if told != "ok":
                return "it contradicts itself"
            check_owner(connection, path)
            for meta in connection.execute("SELECT * FROM meta"):
                check_version(meta)
            for row in connection.execute("SELECT costs FROM flight"):
                read_costs(row["costs"])
    except (sqlite3.Error, ValueError, TypeError) as error:
        return None if is_busy(error) else str(error)
    return None


def is_held(path: Path) -> bool:
    """Return whether somebody is writing just now; False also where it cannot be asked."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return is_busy(error)
    return False


def checkpoint(path: Path) -> None:
    """Copy the log of changes into the file, on a connection of its own; for a thread, since it waits for the disk."""
    with suppress(sqlite3.Error, OSError):  # busy, or moved aside meanwhile: the next one does it
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            connection.close()


def set_aside(path: Path) -> Path:
    """Rename a damaged ledger, so that a new one can be made in its place; return what it is called now.

    Raises:
        LedgerUnusable: It cannot be renamed (Windows, while another program has it open).
    """
    kept = next(free for number in count(1) if not (free := Path(f"{path}.damaged-{number}")).exists())
    try:
        for ending in _SIDE_FILES:
            part = Path(f"{path}{ending}")
            if part.exists():
                part.rename(f"{kept}{ending}")
    except OSError as error:
        raise LedgerUnusable(
            "The shared ledger of requests is damaged, and another program still has it open.",
            hint="End every bmconsole that uses this token, then start again.",
        ) from error
    return kept


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at `path` from one that was put in its place; None when there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def is_busy(error: Exception) -> bool:
    """Whether SQLite only says that somebody else is writing."""
    return isinstance(error, sqlite3.OperationalError) and ("locked" in str(error) or "busy" in str(error))


def is_damaged(error: Exception) -> bool:
    """Whether the file is no ledger (any more), rather than busy, full or out of reach."""
    if isinstance(error, sqlite3.OperationalError):
        # Tables or columns of ours are missing: something else was put in its place
        return "no such" in str(error) or "no column" in str(error)
    return type(error) is sqlite3.DatabaseError or isinstance(error, ValueError)


@functools.lru_cache(maxsize=512)
def written_costs(costs: Costs) -> str:
    """Return costs as the file keeps them."""
    return json.dumps(costs)


def read_costs(written: str) -> Costs:
    """Return what `written_costs` wrote.

    Raises:
        ValueError: It is damaged.
    """
    return tuple((str(name), int(cost)) for name, cost in json.loads(written))


def save_rule(connection: Connection, state: RuleState) -> None:
    """Write a rule's state: only what every grant changes, where nothing else did."""
    if state.stored == _seldom(state):
        connection.execute(_SAVE_OFTEN, (*_often(state), state.name))
    else:
        connection.execute(_SAVE_RULE, (*_often(state), *_seldom(state), state.name))
        state.stored = _seldom(state)


def add_rule(connection: Connection, state: RuleState) -> None:
    """Write a rule that is not there yet."""
    values = (*_often(state), *_seldom(state), state.name, state.rule.limit, state.rule.window)
    connection.execute(_ADD_RULE, values)
    state.stored = _seldom(state)


def load_rule(state: RuleState, row: Row) -> None:
    """Read a rule's state; its limit and window stay the configured ones.

    Raises:
        ValueError: It is damaged.
    """
    (
        _id, _name, _most, _span, state.working, state.raise_at, state.pause_until, state.level, state.probe, state.tat,
        state.flying, state.rtt, state.faults, state.slowed_until, state.trips, passed, times, costs,
    ) = row  # fmt: skip
    state.passed = array("q", passed).tolist()
    if len(state.passed) != 4 or state.flying < 0 or not 0 < state.working < math.inf:
        raise ValueError("damaged counts")
    if not math.isfinite(state.tat + state.pause_until + state.raise_at + state.rtt):
        raise ValueError("damaged times")
    state.load_holds(times, costs)
    state.stored = _seldom(state)
    state.repace()


def _often(state: RuleState) -> tuple[float | int | bytes, ...]:
    return (state.tat, state.flying, state.rtt, array("q", state.passed).tobytes(), *state.holds())


def _seldom(state: RuleState) -> tuple[float | int, ...]:
    return (
        state.working,
        state.raise_at,
        state.pause_until,
        state.level,
        state.probe,
        state.faults,
        state.slowed_until,
        state.trips,
    )
