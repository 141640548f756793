"""Runs of repricing, each with the text of the rules that it went by."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b

from bmconsole.domain.pricing_views import RunRow
from bmconsole.domain.times import stamp, unstamp
from bmconsole.store.sqlite import Connection, Row


def begin(connection: Connection, name: str, *, cause: str, mode: str, rules: str, now: datetime) -> int:
    """Note a run that begins, and return its number."""
    digest = blake2b(rules.encode(), digest_size=8).hexdigest()
    connection.execute("INSERT OR IGNORE INTO rule_texts (hash, text) VALUES (?, ?)", (digest, rules))
    done = connection.execute(
        "INSERT INTO runs (name, cause, mode, rules, at) VALUES (?, ?, ?, ?, ?)",
        (name, cause, mode, digest, stamp(now)),
    )
    return int(done.lastrowid or 0)


def end(connection: Connection, number: int, *, counts: Mapping[str, int], notice: str | None, now: datetime) -> None:
    """Note how a run ended; counts of an earlier end are added to, where it goes on."""
    row = connection.execute("SELECT counts FROM runs WHERE id = ?", (number,)).fetchone()
    total: dict[str, int] = json.loads(row["counts"]) if row else {}
    total |= counts
    connection.execute(
        "UPDATE runs SET ended = ?, counts = ?, notice = coalesce(?, notice) WHERE id = ?",
        (stamp(now), json.dumps(total), notice, number),
    )


def page(connection: Connection, *, limit: int, after: int | None = None) -> list[RunRow]:
    """Return runs with numbers under `after`, newest first; `limit` 0 = all."""
    rows = connection.execute(
        "SELECT * FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?", (after or 1 << 62, limit or -1)
    )
    return [_row(row) for row in rows]


def last(connection: Connection, *, whole: bool = False) -> RunRow | None:
    """Return the newest run; with `whole` the newest that decided about everything."""
    where = "WHERE cause != 'approve'" if whole else ""
    row = connection.execute(f"SELECT * FROM runs {where} ORDER BY id DESC LIMIT 1").fetchone()  # noqa: S608 - fixed text
    return None if row is None else _row(row)


def named(connection: Connection, name: str) -> RunRow | None:
    """Return a run by its name."""
    row = connection.execute("SELECT * FROM runs WHERE name = ?", (name,)).fetchone()
    return None if row is None else _row(row)


def names(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """Return the names of runs by their numbers."""
    rows = connection.execute(
        "SELECT id, name FROM runs WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(numbers)),)
    )
    return {row["id"]: row["name"] for row in rows}


def since(connection: Connection, moment: datetime) -> list[RunRow]:
    """Return the runs that began after `moment`, oldest first."""
    rows = connection.execute("SELECT * FROM runs WHERE at >= ? ORDER BY id", (stamp(moment),))
    return [_row(row) for row in rows]


def rules_of(connection: Connection, name: str) -> str | None:
    """Return the text of the rules that a run went by."""
    row = connection.execute("SELECT text FROM runs JOIN rule_texts ON rules = hash WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["text"])


def _row(row: Row) -> RunRow:
    return RunRow(
        row["id"],
        row["name"],
        row["cause"],
        row["mode"],
        datetime.fromisoformat(row["at"]),
        unstamp(row["ended"]),
        json.loads(row["counts"]),
        row["notice"],
        row["rules"],
    )
