"""Passes over a stream of the API: their state lives in the transaction of each page, so a killed pass resumes."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from bmconsole.domain.times import stamp, unstamp
from bmconsole.store.sqlite import Connection, Row

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Pass:
    """How far a pass is; `seen` counts distinct records, `steady` tells whether every page gave the same count."""

    pass_id: int
    stream: str
    kind: str
    since: datetime | None
    server_date: datetime | None
    count: int | None
    next_page: int
    seen: int
    dups: int
    changed: int
    quarantined: int
    steady: bool

    @property
    def clean(self) -> bool:
        """Whether what was read is exactly what the server held during the pass."""
        if self.count is None or not self.steady or self.dups:
            return False
        return self.seen == self.count and self.next_page - 1 == max(1, ceil(self.count / PAGE_SIZE))


@dataclass(frozen=True, slots=True)
class Stream:
    """What is known of a stream: its watermark, when it was last read cleanly, and how its last run ended."""

    name: str
    watermark: datetime | None = None
    last_clean: datetime | None = None
    last_run: datetime | None = None
    last_result: str | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class PageTally:
    """What one page added to its pass."""

    fresh: int
    dups: int
    changed: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that does not validate; `key` tells it from others of its stream."""

    key: str
    raw: str
    error: str


def begin(connection: Connection, stream: str, kind: str, since: datetime | None, now: datetime) -> Pass:
    """Start a pass; an unfinished one of the same stream is closed as abandoned."""
    connection.execute(
        "UPDATE passes SET status = 'abandoned', ended = ? WHERE stream = ? AND status = 'open'", (stamp(now), stream)
    )
    cursor = connection.execute(
        """INSERT INTO passes
        (stream, kind, since, next_page, seen, dups, changed, quarantined, steady, status, started)
        VALUES (?, ?, ?, 1, 0, 0, 0, 0, 1, 'open', ?)""",
        (stream, kind, stamp(since) if since else None, stamp(now)),
    )
    return get(connection, int(cursor.lastrowid or 0))


def resumable(connection: Connection, stream: str, kind: str) -> Pass | None:
    """Return the pass of this kind that was cut off, if the newest one was."""
    row = connection.execute(
        "SELECT * FROM passes WHERE stream = ? ORDER BY pass_id DESC LIMIT 1", (stream,)
    ).fetchone()
    return _pass(row) if row is not None and row["status"] == "open" and row["kind"] == kind else None


def get(connection: Connection, pass_id: int) -> Pass:
    return _pass(connection.execute("SELECT * FROM passes WHERE pass_id = ?", (pass_id,)).fetchone())


def advance(
    connection: Connection,
    pass_id: int,
    *,
    page: int,
    next_page: int,
    count: int,
    server_date: datetime | None,
    tally: PageTally,
) -> Pass:
    """Add a page to its pass, in the page's own transaction; `next_page` is the first page not stored yet."""
    connection.execute(
        """UPDATE passes SET
            steady = steady AND (count_first IS NULL OR count_first = :count),
            count_first = coalesce(count_first, :count),
            server_date = CASE WHEN :page = 1 THEN coalesce(server_date, :date) ELSE server_date END,
            next_page = max(next_page, :next), seen = seen + :fresh, dups = dups + :dups,
            changed = changed + :changed, quarantined = quarantined + :quarantined
        WHERE pass_id = :id""",
        {
            "id": pass_id,
            "page": page,
            "count": count,
            "date": stamp(server_date) if server_date else None,
            "next": next_page,
            "fresh": tally.fresh,
            "dups": tally.dups,
            "changed": tally.changed,
            "quarantined": tally.quarantined,
        },
    )
    return get(connection, pass_id)


def finish(connection: Connection, pass_id: int, *, clean: bool, now: datetime) -> None:
    connection.execute(
        "UPDATE passes SET status = ?, ended = ? WHERE pass_id = ?",
        ("clean" if clean else "unclean", stamp(now), pass_id),
    )


def stream(connection: Connection, name: str) -> Stream:
    row = connection.execute("SELECT * FROM streams WHERE name = ?", (name,)).fetchone()
    if row is None:
        return Stream(name)
    return Stream(
        name,
        unstamp(row["watermark"]),
        unstamp(row["last_clean"]),
        unstamp(row["last_run"]),
        row["last_result"],
        row["last_error"],
    )


def _ensure(connection: Connection, name: str) -> None:
    connection.execute("INSERT INTO streams (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))


def set_clean(connection: Connection, name: str, *, watermark: datetime | None, at: datetime) -> None:
    """Remember a clean pass; the watermark moves only with one, and never backwards."""
    _ensure(connection, name)
    connection.execute(
        """UPDATE streams SET last_clean = :at,
            watermark = CASE WHEN :mark IS NULL OR watermark > :mark THEN watermark ELSE :mark END
        WHERE name = :name""",
        {"name": name, "mark": stamp(watermark) if watermark else None, "at": stamp(at)},
    )


def set_run(connection: Connection, name: str, *, at: datetime, result: str | None, error: str | None) -> None:
    """Remember how the last run of a job ended, for this process and every other."""
    _ensure(connection, name)
    connection.execute(
        "UPDATE streams SET last_run = ?, last_result = ?, last_error = ? WHERE name = ?",
        (stamp(at), result, error, name),
    )


def learn_paths(connection: Connection, name: str, paths: Iterable[str]) -> list[str]:
    """Remember unknown fields of a stream; return those that were not known before."""
    _ensure(connection, name)
    row = connection.execute("SELECT known_paths FROM streams WHERE name = ?", (name,)).fetchone()
    known: set[str] = set(json.loads(row["known_paths"]))
    new = sorted(set(paths) - known)
    if new:
        connection.execute(
            "UPDATE streams SET known_paths = ? WHERE name = ?", (json.dumps(sorted(known | set(new))), name)
        )
    return new


def quarantine(
    connection: Connection, name: str, records: Iterable[Rejected], *, pass_id: int, now: datetime
) -> tuple[int, int]:
    """Put records aside with their error; return how many are new in this pass, and how many came twice."""
    fresh = dups = 0
    for record in records:
        row = connection.execute(
            "SELECT pass_id FROM quarantine WHERE stream = ? AND key = ?", (name, record.key)
        ).fetchone()
        if row is not None and row["pass_id"] == pass_id:
            dups += 1
        else:
            fresh += 1
        connection.execute(
            """INSERT INTO quarantine (stream, key, raw, error, pass_id, at) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (stream, key) DO UPDATE
            SET raw = excluded.raw, error = excluded.error, pass_id = excluded.pass_id, at = excluded.at""",
            (name, record.key, record.raw, record.error, pass_id, stamp(now)),
        )
    return fresh, dups


def release(connection: Connection, name: str, keys: Iterable[str]) -> None:
    """Take records out of quarantine that validate by now."""
    connection.executemany("DELETE FROM quarantine WHERE stream = ? AND key = ?", [(name, key) for key in keys])


def quarantined(connection: Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM quarantine").fetchone()[0])


def _pass(row: Row) -> Pass:
    return Pass(
        row["pass_id"],
        row["stream"],
        row["kind"],
        unstamp(row["since"]),
        unstamp(row["server_date"]),
        row["count_first"],
        row["next_page"],
        row["seen"],
        row["dups"],
        row["changed"],
        row["quarantined"],
        bool(row["steady"]),
    )
