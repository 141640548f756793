"""The journal of writes: intents with their steps, and an append-only audit chained by hash."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

from bmconsole.domain.intents import Intent, IntentQuery, IntentState, Values
from bmconsole.domain.times import stamp, unstamp
from bmconsole.store.sqlite import Connection, Row

UNFINISHED = tuple(state.value for state in IntentState if state.unfinished)
"""The states of intents whose end is not known yet."""

_GENESIS = b"\0" * 32


def marks(values: Sequence[object]) -> str:
    """Return as many placeholders as there are values."""
    return ", ".join("?" * len(values))


def get(connection: Connection, intent_id: int) -> Intent | None:
    row = connection.execute("SELECT * FROM intents WHERE id = ?", (intent_id,)).fetchone()
    return None if row is None else intent_of(row)


def page(
    connection: Connection,
    *,
    limit: int,
    after: int | None = None,
    unfinished: bool = False,
    query: IntentQuery | None = None,
    offset: int = 0,
) -> list[Intent]:
    """Return intents, newest first, with ids under `after`, passing over `offset` of them; `limit` 0 = all."""
    where, values = _where(UNFINISHED if unfinished else (), query or IntentQuery())
    rows = connection.execute(
        f"SELECT * FROM intents WHERE {where} AND id < ? ORDER BY id DESC LIMIT ? OFFSET ?",  # noqa: S608 - fixed names and placeholders
        (*values, after if after is not None else 1 << 62, limit or -1, offset),
    )
    return [intent_of(row) for row in rows]


def count(connection: Connection, query: IntentQuery, *, newer_than: int = 0) -> int:
    """Return how many intents fit, of those with ids over `newer_than`."""
    where, values = _where((), query)
    sql = f"SELECT count(*) FROM intents WHERE {where} AND id > ?"  # noqa: S608 - fixed names and placeholders
    return int(connection.execute(sql, (*values, newer_than)).fetchone()[0])


def counts(connection: Connection) -> dict[str, int]:
    """Return how many intents there are in each state."""
    rows = connection.execute("SELECT state, count(*) AS n FROM intents GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


def _where(states: Sequence[str], query: IntentQuery) -> tuple[str, list[str | int]]:
    wanted = states or query.states or tuple(state.value for state in IntentState)
    terms, values = [f"state IN ({marks(wanted)})"], list[str | int](wanted)
    for name in ("kind", "target", "market", "run"):
        if (value := getattr(query, name)) is not None:
            terms.append(f"{name} = ?")
            values.append(value)
    return " AND ".join(terms), values


def of_target(connection: Connection, target: str, *, limit: int = 20) -> list[Intent]:
    """Return the newest intents of a listing or an order."""
    rows = connection.execute("SELECT * FROM intents WHERE target = ? ORDER BY id DESC LIMIT ?", (target, limit))
    return [intent_of(row) for row in rows]


def count_unfinished(connection: Connection) -> int:
    sql = f"SELECT count(*) FROM intents WHERE state IN ({marks(UNFINISHED)})"  # noqa: S608 - placeholders only
    return int(connection.execute(sql, UNFINISHED).fetchone()[0])


def oldest_unfinished(connection: Connection) -> datetime | None:
    """Return when the unfinished intent that moved least lately did so, None where all are finished."""
    sql = f"SELECT min(updated) FROM intents WHERE state IN ({marks(UNFINISHED)})"  # noqa: S608 - placeholders only
    return unstamp(connection.execute(sql, UNFINISHED).fetchone()[0])


def audit(connection: Connection, now: datetime, actor: str, event: Mapping[str, object]) -> None:
    """Append to the audit; each row's hash covers the one before it."""
    row = connection.execute("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    prev: bytes = _GENESIS if row is None else row["hash"]
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    at = stamp(now)
    connection.execute(
        "INSERT INTO audit (at, actor, event, prev, hash) VALUES (?, ?, ?, ?, ?)",
        (at, actor, text, prev, _chain(prev, at, actor, text)),
    )


def audit_broken_at(connection: Connection) -> int | None:
    """Return the number of the first audit row whose hash does not follow from the one before; None if all do."""
    prev = _GENESIS
    for row in connection.execute("SELECT * FROM audit ORDER BY seq"):
        if row["prev"] != prev or row["hash"] != _chain(prev, row["at"], row["actor"], row["event"]):
            return int(row["seq"])
        prev = row["hash"]
    return None


def audit_head(connection: Connection) -> str:
    """Return the hash of the newest audit row in hex, which all rows before it are part of; empty before the first."""
    row = connection.execute("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return "" if row is None else str(row["hash"].hex())


def sku_lines_since(connection: Connection, since: datetime) -> Sequence[datetime]:
    """Return when each SKU line was sent since `since`, to rebuild the hourly limit where the ledger is lost."""
    rows = connection.execute(
        """SELECT attempts.at FROM attempts JOIN intents ON intents.id = intent
        WHERE step = 'send' AND kind = 'listing' AND attempts.at >= ? ORDER BY attempts.at""",
        (stamp(since),),
    )
    return [datetime.fromisoformat(row["at"]) for row in rows]


def _chain(prev: bytes, at: str, actor: str, event: str) -> bytes:
    return blake2b(prev + json.dumps([at, actor, event]).encode(), digest_size=32).digest()


def dump(values: Values) -> str:
    """Return values as the journal keeps them."""
    return json.dumps(dict(values), sort_keys=True, separators=(",", ":"))


def intent_of(row: Row) -> Intent:
    """Return a row of `intents`."""
    return Intent(
        row["id"],
        row["kind"],
        row["target"],
        row["market"],
        json.loads(row["base"]),
        json.loads(row["want"]),
        IntentState(row["state"]),
        row["origin"],
        datetime.fromisoformat(row["created"]),
        datetime.fromisoformat(row["updated"]),
        row["attempts"],
        None if row["readback"] is None else json.loads(row["readback"]),
        row["error"],
        row["run"],
        row["undoes"],
        row["undone_by"],
        None if row["before"] is None else json.loads(row["before"]),
        None if row["typed"] is None else json.loads(row["typed"]),
        row["note"],
        bool(row["acked"]),
    )
