"""The log of what the workers and the operator did, shared by every process of a profile."""

from datetime import datetime

from bmconsole.domain.times import stamp
from bmconsole.domain.views import Event
from bmconsole.store.sqlite import Connection, Row

LEVELS = ("debug", "info", "warning", "error")


def add(connection: Connection, at: datetime, level: str, source: str, message: str, ref: str | None) -> None:
    connection.execute(
        "INSERT INTO events (at, level, source, message, ref) VALUES (?, ?, ?, ?, ?)",
        (stamp(at), level, source, message, ref),
    )


def page(connection: Connection, *, after: int, limit: int, level: str | None) -> list[Event]:
    """Return events behind `after` (0: the newest `limit`), oldest first, of `level` or worse."""
    levels = LEVELS[LEVELS.index(level) :] if level else LEVELS
    marks = ", ".join("?" * len(levels))
    order = "ASC" if after else "DESC"
    rows = connection.execute(
        f"SELECT * FROM events WHERE id > ? AND level IN ({marks}) ORDER BY id {order} LIMIT ?",  # noqa: S608 - fixed names
        (after, *levels, limit),
    ).fetchall()
    events = [_event(row) for row in rows]
    return events if after else events[::-1]


def _event(row: Row) -> Event:
    return Event(row["id"], datetime.fromisoformat(row["at"]), row["level"], row["source"], row["message"], row["ref"])


def newest(connection: Connection) -> int:
    """Return the number of the newest event, 0 without any."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])


def behind(connection: Connection, after: int, *, limit: int) -> list[Event]:
    """Return up to `limit` events behind `after`, oldest first; unlike `page`, 0 begins with the oldest."""
    rows = connection.execute("SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
    return [_event(row) for row in rows]


def prune(connection: Connection, before: datetime) -> int:
    """Drop events older than `before`; return how many."""
    return int(connection.execute("DELETE FROM events WHERE at < ?", (stamp(before),)).rowcount)
