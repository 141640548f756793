"""Passes over a stream of the API: each page's part lies in that page's transaction, so a killed pass resumes.

Which records a pass saw is kept as the keys of each of its pages, not as marks on the rows: passes of one table that
run beside each other, and single answers in between, cannot spoil each other's count.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from bmconsole.domain.times import stamp, unstamp
from bmconsole.store.sqlite import Connection, Row

PAGE_SIZE = 50
_PASSES_KEPT = 50


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass as it was begun. `server_date` is the server's `Date` at its first page, None before it is stored.

    `local_date` is this machine's clock at the start: only its differences mean something.
    """

    pass_id: int
    stream: str
    kind: str
    since: datetime | None
    server_date: datetime | None
    local_date: datetime
    started: datetime
    status: str


@dataclass(frozen=True, slots=True)
class PassPage:
    """What one page adds to its pass.

    `count` is the length of the whole list as the page stated it, None where it did not. `keys` name all its records,
    good or bad, with repetitions; `found` counts those that nobody knew although the pass should not be the first to
    see them, `quarantined` those that were put aside.
    """

    number: int
    count: int | None
    keys: Sequence[str]
    changed: int = 0
    found: int = 0
    quarantined: int = 0
    server_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the stored pages of a pass add up to; `seen` counts distinct records, `dups` those that came again.

    `count` is what the first page stated, `steady` whether all stated the same, `earliest` the earliest of their dates.
    """

    count: int | None
    pages: int
    last_page: int
    size: int
    seen: int
    dups: int
    changed: int
    found: int
    quarantined: int
    steady: bool
    earliest: datetime | None

    @property
    def clean(self) -> bool:
        """Whether what was read is exactly what the server held during the pass."""
        if self.count is None or not self.steady or self.dups or self.seen != self.count:
            return False
        return self.pages == self.last_page == pages_of(self.count, self.size)


@dataclass(frozen=True, slots=True)
class Stream:
    """What is known of a stream: its watermark, when it was last read cleanly, and how its last run ended."""

    name: str
    watermark: datetime | None = None
    last_clean: datetime | None = None
    last_run: datetime | None = None
    last_result: str | None = None
    last_error: str | None = None


def pages_of(count: int, size: int = PAGE_SIZE) -> int:
    """Return how many pages a list of this length has; an empty one has one."""
    return max(1, ceil(count / size))


def size_of(count: int | None, first: int) -> int:
    """Return how many records a page has where the first of `count` had `first`: a server may give less than asked."""
    return first if count is not None and 0 < first < min(count, PAGE_SIZE) else PAGE_SIZE


def begin(
    connection: Connection, stream: str, kind: str, since: datetime | None, now: datetime, *, local: datetime
) -> Pass:
    """Start a pass at the server's `now`; an unfinished one of the same stream is closed as abandoned."""
    connection.execute(
        "UPDATE passes SET status = 'abandoned', ended = ? WHERE stream = ? AND status = 'open'", (stamp(now), stream)
    )
    connection.execute(
        "DELETE FROM pass_pages WHERE pass_id IN (SELECT pass_id FROM passes WHERE stream = ?)", (stream,)
    )
    connection.execute(
        """DELETE FROM passes WHERE stream = ?1 AND kind = ?2 AND pass_id <=
        (SELECT pass_id FROM passes WHERE stream = ?1 AND kind = ?2 ORDER BY pass_id DESC LIMIT 1 OFFSET ?3)""",
        (stream, kind, _PASSES_KEPT),
    )
    cursor = connection.execute(
        "INSERT INTO passes (stream, kind, since, local_date, status, started) VALUES (?, ?, ?, ?, 'open', ?)",
        (stream, kind, stamp(since) if since else None, stamp(local), stamp(now)),
    )
    return get(connection, int(cursor.lastrowid or 0))


def resumable(
    connection: Connection, stream: str, kind: str, since: datetime | None, *, begun_since: datetime | None = None
) -> Pass | None:
    """Return the pass of this kind and lower bound that was cut off, if the newest one was.

    With `begun_since` only if it began at that time or later: its first pages are as old as it.
    """
    row = connection.execute(
        "SELECT * FROM passes WHERE stream = ? ORDER BY pass_id DESC LIMIT 1", (stream,)
    ).fetchone()
    if row is None or row["status"] != "open" or row["kind"] != kind:
        return None
    if begun_since is not None and row["started"] < stamp(begun_since):
        return None
    return _pass(row) if row["since"] == (stamp(since) if since else None) else None


def get(connection: Connection, pass_id: int) -> Pass:
    return _pass(connection.execute("SELECT * FROM passes WHERE pass_id = ?", (pass_id,)).fetchone())


def before(connection: Connection, this: Pass) -> Pass | None:
    """Return the pass of the same stream before this one that learned the server's date."""
    row = connection.execute(
        """SELECT * FROM passes WHERE stream = ? AND pass_id < ? AND server_date IS NOT NULL
        ORDER BY pass_id DESC LIMIT 1""",
        (this.stream, this.pass_id),
    ).fetchone()
    return None if row is None else _pass(row)


def last_clean_of(connection: Connection, stream: str, kind: str) -> datetime | None:
    """Return when the last clean pass of this kind began, as long as it is remembered."""
    row = connection.execute(
        "SELECT max(started) AS at FROM passes WHERE stream = ? AND kind = ? AND status = 'clean'", (stream, kind)
    ).fetchone()
    return unstamp(row["at"])


def unclean_since(connection: Connection, stream: str, kind: str, start: datetime) -> int:
    """Return how many passes of this kind that began at `start` or later reached their end without being clean."""
    return int(
        connection.execute(
            "SELECT count(*) FROM passes WHERE stream = ? AND kind = ? AND status = 'unclean' AND server_date >= ?",
            (stream, kind, stamp(start)),
        ).fetchone()[0]
    )


def keep_page(connection: Connection, pass_id: int, page: PassPage) -> None:
    """Add a page to its pass, in the page's own transaction; one that is read again takes its former place."""
    connection.execute(
        """INSERT OR REPLACE INTO pass_pages
        (pass_id, page, count, server_date, keys, changed, found, quarantined) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            pass_id,
            page.number,
            page.count,
            stamp(page.server_date) if page.server_date else None,
            json.dumps(list(page.keys), separators=(",", ":")),
            page.changed,
            page.found,
            page.quarantined,
        ),
    )
    if page.number == 1 and page.server_date is not None:
        connection.execute("UPDATE passes SET server_date = ? WHERE pass_id = ?", (stamp(page.server_date), pass_id))


def stored(connection: Connection, pass_id: int) -> dict[int, tuple[int | None, int]]:
    """Return the pages of a pass that are stored, by number: the count that each stated, and its records."""
    return {
        row["page"]: (row["count"], row["records"])
        for row in connection.execute(
            "SELECT page, count, json_array_length(keys) AS records FROM pass_pages WHERE pass_id = ?", (pass_id,)
        )
    }


def judge(connection: Connection, pass_id: int) -> Verdict:
    """Return what the stored pages of a pass add up to. For a million records this takes a second or two."""
    row = connection.execute(
        """SELECT count(*) AS pages, coalesce(max(page), 0) AS last_page, count(DISTINCT count) AS counts,
            count(count) AS stated, coalesce(sum(json_array_length(keys)), 0) AS records,
            coalesce(sum(changed), 0) AS changed, coalesce(sum(found), 0) AS found,
            coalesce(sum(quarantined), 0) AS quarantined, min(server_date) AS earliest
        FROM pass_pages WHERE pass_id = ?""",
        (pass_id,),
    ).fetchone()
    first = connection.execute(
        "SELECT count, json_array_length(keys) AS records FROM pass_pages WHERE pass_id = ? AND page = 1", (pass_id,)
    ).fetchone()
    seen = seen_in(connection, [pass_id])
    count: int | None = None if first is None else first["count"]
    return Verdict(
        count=count,
        pages=row["pages"],
        last_page=row["last_page"],
        size=PAGE_SIZE if first is None else size_of(count, first["records"]),
        seen=seen,
        dups=row["records"] - seen,
        changed=row["changed"],
        found=row["found"],
        quarantined=row["quarantined"],
        steady=row["counts"] == 1 and row["stated"] == row["pages"],
        earliest=unstamp(row["earliest"]),
    )


def seen_in(connection: Connection, pass_ids: Sequence[int]) -> int:
    """Return how many distinct records these passes saw; none once a later pass of the stream has begun."""
    return int(
        connection.execute(
            f"""SELECT count(DISTINCT value) FROM pass_pages, json_each(pass_pages.keys)
            WHERE pass_id IN ({", ".join("?" * len(pass_ids))})""",  # noqa: S608 - placeholders only
            list(pass_ids),
        ).fetchone()[0]
    )


def finish(connection: Connection, pass_id: int, verdict: Verdict, *, now: datetime) -> None:
    """Close a pass; the keys of its pages stay until the next pass of the stream begins."""
    connection.execute(
        """UPDATE passes SET status = ?, ended = ?, count = ?, pages = ?, seen = ?, dups = ?, changed = ?,
        quarantined = ? WHERE pass_id = ?""",
        (
            "clean" if verdict.clean else "unclean",
            stamp(now),
            verdict.count,
            verdict.pages,
            verdict.seen,
            verdict.dups,
            verdict.changed,
            verdict.quarantined,
            pass_id,
        ),
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


def ensure(connection: Connection, name: str) -> None:
    """Have a row for this stream."""
    connection.execute("INSERT INTO streams (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))


def set_clean(connection: Connection, name: str, *, watermark: datetime | None, at: datetime) -> None:
    """Remember a clean pass; the watermark moves only with one, and never backwards."""
    ensure(connection, name)
    connection.execute(
        """UPDATE streams SET last_clean = :at,
            watermark = CASE WHEN :mark IS NULL OR watermark > :mark THEN watermark ELSE :mark END
        WHERE name = :name""",
        {"name": name, "mark": stamp(watermark) if watermark else None, "at": stamp(at)},
    )


def start_at(connection: Connection, name: str, watermark: datetime) -> None:
    """Give a stream its first watermark, if it has none yet."""
    ensure(connection, name)
    connection.execute("UPDATE streams SET watermark = coalesce(watermark, ?) WHERE name = ?", (stamp(watermark), name))


def reopen(connection: Connection, name: str) -> None:
    """Forget that a stream was ever read, so that it is read from its start."""
    ensure(connection, name)
    connection.execute(
        "UPDATE streams SET watermark = NULL, last_clean = NULL, last_run = NULL WHERE name = ?", (name,)
    )


def set_run(connection: Connection, name: str, *, at: datetime, result: str | None, error: str | None) -> None:
    """Remember how the last run of a job ended, for this process and every other."""
    ensure(connection, name)
    connection.execute(
        "UPDATE streams SET last_run = ?, last_result = ?, last_error = ? WHERE name = ?",
        (stamp(at), result, error, name),
    )


def _pass(row: Row) -> Pass:
    return Pass(
        row["pass_id"],
        row["stream"],
        row["kind"],
        unstamp(row["since"]),
        unstamp(row["server_date"]),
        datetime.fromisoformat(row["local_date"]),
        datetime.fromisoformat(row["started"]),
        row["status"],
    )
