"""Records that could not be understood, put aside one by one, and the fields that streams have."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from bmconsole.domain.times import stamp
from bmconsole.store.passes import ensure
from bmconsole.store.sqlite import Connection, sqlite3

R = TypeVar("R")

_UNWRITABLE = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
)
"""What is a record's own fault when it is written; a full disk or a damaged file is not."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that does not validate; `key` tells it from others of its stream, `error` holds none of its values."""

    key: str
    raw: str
    error: str


@dataclass(frozen=True, slots=True)
class Stored(Generic[R]):
    """What writing a page did: how many rows differ now, which records are new, which could not be written and why."""

    changed: int
    new: Sequence[R] = ()
    refused: Sequence[tuple[R, str]] = ()


def write_each(
    connection: Connection, records: Sequence[R], write: Callable[[Sequence[R]], None]
) -> list[tuple[R, str]]:
    """Write records; those that cannot be written are left out and returned with the kind of fault.

    `write` is given all of them at once, and one by one only where that fails.
    """
    if not records or _written(connection, records, write) is None:
        return []
    told = ((record, _written(connection, [record], write)) for record in records)
    return [(record, fault) for record, fault in told if fault is not None]


def _written(connection: Connection, records: Sequence[R], write: Callable[[Sequence[R]], None]) -> str | None:
    """Write records or none of them; return the kind of fault, None where they were written."""
    connection.execute("SAVEPOINT records")
    try:
        write(records)
    except _UNWRITABLE as error:
        connection.execute("ROLLBACK TO records")
        return f"cannot be stored: {type(error).__name__}"
    finally:
        if connection.in_transaction:
            connection.execute("RELEASE records")
    return None


def put(connection: Connection, name: str, records: Iterable[Rejected], *, pass_id: int | None, now: datetime) -> None:
    """Put records of a stream aside with their errors; one that is there already is renewed."""
    connection.executemany(
        """INSERT INTO quarantine (stream, key, raw, error, pass_id, at) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (stream, key) DO UPDATE
        SET raw = excluded.raw, error = excluded.error, pass_id = excluded.pass_id, at = excluded.at""",
        [(name, record.key, record.raw, record.error, pass_id, stamp(now)) for record in records],
    )


def release(connection: Connection, name: str, keys: Iterable[str]) -> None:
    """Take records out of quarantine that validate by now."""
    connection.executemany("DELETE FROM quarantine WHERE stream = ? AND key = ?", [(name, key) for key in keys])


def expire(connection: Connection, name: str, pass_id: int) -> None:
    """After a clean pass over all of a stream: drop what it did not meet, which the server does not send any more."""
    connection.execute("DELETE FROM quarantine WHERE stream = ? AND (pass_id IS NULL OR pass_id < ?)", (name, pass_id))


def tried_before(connection: Connection, name: str, moment: datetime, limit: int) -> list[str]:
    """Return the keys of up to `limit` records of a stream that were last put aside before `moment`, oldest first."""
    rows = connection.execute(
        "SELECT key FROM quarantine WHERE stream = ? AND at < ? ORDER BY at LIMIT ?", (name, stamp(moment), limit)
    )
    return [row["key"] for row in rows]


def count(connection: Connection) -> int:
    """Return how many records are in quarantine."""
    return int(connection.execute("SELECT count(*) FROM quarantine").fetchone()[0])


def reasons(connection: Connection) -> list[tuple[str, str, int]]:
    """Return why records are in quarantine, as stream, error and how many, the most frequent first."""
    rows = connection.execute(
        "SELECT stream, error, count(*) AS n FROM quarantine GROUP BY stream, error ORDER BY n DESC, stream, error"
    )
    return [(row["stream"], row["error"], row["n"]) for row in rows]


def learn_unknown(connection: Connection, name: str, paths: Iterable[str]) -> list[str]:
    """Remember unknown fields of a stream; return those that were not known before."""
    known = _paths(connection, name, "known_paths")
    new = sorted(set(paths) - known)
    if new:
        _set_paths(connection, name, "known_paths", known | set(new))
    return new


def learn_usual(
    connection: Connection, name: str, *, always: frozenset[str], ever: frozenset[str], whole: bool
) -> list[str]:
    """Compare the fields of a clean pass with those that every record of earlier ones had; return what has vanished.

    `always` is what every record of the pass had, `ever` what any had. Only a pass over `whole` the stream adds to what
    is usual; every pass takes away from it, so that a field is missed once.
    """
    usual = _paths(connection, name, "usual_paths")
    vanished = sorted(usual - ever)
    _set_paths(connection, name, "usual_paths", set(always) if whole else usual & always)
    return vanished


def _paths(connection: Connection, name: str, column: str) -> set[str]:
    ensure(connection, name)
    row = connection.execute(f"SELECT {column} FROM streams WHERE name = ?", (name,)).fetchone()  # noqa: S608 - fixed names
    return set(json.loads(row[column]))


def _set_paths(connection: Connection, name: str, column: str, paths: set[str]) -> None:
    connection.execute(f"UPDATE streams SET {column} = ? WHERE name = ?", (json.dumps(sorted(paths)), name))  # noqa: S608 - fixed names
