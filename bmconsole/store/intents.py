"""The journal of writes: intents with their steps, and an append-only audit chained by hash."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

from bmconsole.domain.intents import Intent, IntentState, Values
from bmconsole.domain.times import stamp
from bmconsole.errors import Conflict
from bmconsole.store.sqlite import Connection, Row, sqlite3

_UNFINISHED = tuple(state.value for state in IntentState if state.unfinished)
_GENESIS = b"\0" * 32


def add(connection: Connection, intent: Intent, *, owner: str, now: datetime) -> Intent:
    """Write an intent down under its owner's lease, before anything is sent; return it with its id."""
    cursor = connection.execute(
        """INSERT INTO intents
        (kind, target, market, base, want, state, origin, run, undoes, owner, epoch, created, updated)
        VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, 1, ?, ?)""",
        (
            intent.kind,
            intent.target,
            intent.market,
            _dump(intent.base),
            _dump(intent.want),
            intent.origin,
            intent.run,
            intent.undoes,
            owner,
            stamp(now),
            stamp(now),
        ),
    )
    saved = get(connection, int(cursor.lastrowid or 0))
    if saved is None:
        raise LookupError(f"intent {cursor.lastrowid} vanished in its own transaction")
    audit(
        connection,
        now,
        intent.origin,
        {
            "intent": saved.id,
            "event": "planned",
            "kind": intent.kind,
            "target": intent.target,
            "market": intent.market,
            "base": dict(intent.base),
            "want": dict(intent.want),
        },
    )
    return saved


def move(
    connection: Connection,
    intent_id: int,
    state: IntentState,
    *,
    owner: str,
    now: datetime,
    readback: Values | None = None,
    error: str | None = None,
    sending: bool = False,
) -> Intent:
    """Move an intent to `state`, if `owner` still holds it; `sending` counts one more attempt to send.

    Raises:
        Conflict: Another process took the intent over, or another write of the same target is in flight.
    """
    try:
        cursor = connection.execute(
            """UPDATE intents SET state = ?, updated = ?, readback = coalesce(?, readback), error = ?,
            attempts = attempts + ? WHERE id = ? AND owner = ?""",
            (
                state.value,
                stamp(now),
                None if readback is None else _dump(readback),
                error,
                int(sending),
                intent_id,
                owner,
            ),
        )
    except sqlite3.IntegrityError as fault:
        raise Conflict("Another write of the same target is in flight.", hint="Wait until it is done.") from fault
    saved = get(connection, intent_id)
    if cursor.rowcount != 1 or saved is None:
        raise Conflict(f"Intent {intent_id} was taken over by another process.", hint="See `bmconsole writes list`.")
    event: dict[str, object] = {"intent": intent_id, "event": state.value}
    if readback is not None:
        event["readback"] = dict(readback)
    if error is not None:
        event["error"] = error
    audit(connection, now, saved.origin, event)
    return saved


def resolve(connection: Connection, intent_id: int, want: Values, *, owner: str) -> None:
    """Replace a relative want (`+2`) by the absolute value that it means, before it is sent."""
    connection.execute(
        "UPDATE intents SET want = ? WHERE id = ? AND owner = ? AND state = 'pending'",
        (_dump(want), intent_id, owner),
    )


def release(connection: Connection, intent_id: int, *, owner: str) -> None:
    """Give up the lease of an intent, so that another process may take it up."""
    connection.execute("UPDATE intents SET owner = NULL WHERE id = ? AND owner = ?", (intent_id, owner))


def step(
    connection: Connection, intent_id: int, name: str, *, now: datetime, status: int | None = None, note: str = ""
) -> None:
    """Note one step (`read`, `send`, `readback`) of carrying out an intent."""
    connection.execute(
        """INSERT INTO attempts (intent, n, step, at, status, note)
        SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5 FROM attempts WHERE intent = ?1""",
        (intent_id, name, stamp(now), status, note),
    )


def get(connection: Connection, intent_id: int) -> Intent | None:
    row = connection.execute("SELECT * FROM intents WHERE id = ?", (intent_id,)).fetchone()
    return None if row is None else _intent(row)


def page(connection: Connection, *, limit: int, after: int | None = None, unfinished: bool = False) -> list[Intent]:
    """Return intents, newest first, with ids under `after`; `limit` 0 = all."""
    wanted = _UNFINISHED if unfinished else tuple(state.value for state in IntentState)
    marks = ", ".join("?" * len(wanted))
    rows = connection.execute(
        f"SELECT * FROM intents WHERE state IN ({marks}) AND id < ? ORDER BY id DESC LIMIT ?",  # noqa: S608 - placeholders only
        (*wanted, after if after is not None else 1 << 62, limit or -1),
    )
    return [_intent(row) for row in rows]


def of_target(connection: Connection, target: str, *, limit: int = 20) -> list[Intent]:
    """Return the newest intents of a listing or an order."""
    rows = connection.execute("SELECT * FROM intents WHERE target = ? ORDER BY id DESC LIMIT ?", (target, limit))
    return [_intent(row) for row in rows]


def owners(connection: Connection) -> list[str]:
    """Return the processes whose lease is on an unfinished intent."""
    marks = ", ".join("?" * len(_UNFINISHED))
    rows = connection.execute(
        f"SELECT DISTINCT owner FROM intents WHERE state IN ({marks}) AND owner IS NOT NULL",  # noqa: S608 - placeholders only
        _UNFINISHED,
    )
    return [row["owner"] for row in rows]


def take_over(connection: Connection, dead: Sequence[str], *, owner: str) -> list[Intent]:
    """Give `owner` the lease of unfinished intents that nobody or a dead process holds, one for each target."""
    marks = ", ".join("?" * len(_UNFINISHED))
    gone = ", ".join("?" * len(dead))
    connection.execute(
        f"UPDATE intents SET owner = NULL, epoch = epoch + 1 WHERE state IN ({marks}) AND owner IN ({gone})",  # noqa: S608 - placeholders only
        (*_UNFINISHED, *dead),
    )
    rows = connection.execute(
        f"""SELECT * FROM intents WHERE state IN ({marks}) AND owner IS NULL AND NOT EXISTS (
            SELECT 1 FROM intents AS other WHERE other.target = intents.target AND other.state IN ({marks})
            AND (other.owner IS NOT NULL OR other.id < intents.id)) ORDER BY id""",  # noqa: S608 - placeholders only
        (*_UNFINISHED, *_UNFINISHED),
    ).fetchall()
    connection.executemany("UPDATE intents SET owner = ? WHERE id = ?", [(owner, row["id"]) for row in rows])
    return [_intent(row) for row in rows]


def count_unfinished(connection: Connection) -> int:
    marks = ", ".join("?" * len(_UNFINISHED))
    return int(
        connection.execute(f"SELECT count(*) FROM intents WHERE state IN ({marks})", _UNFINISHED).fetchone()[0]  # noqa: S608 - placeholders only
    )


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


def _dump(values: Values) -> str:
    return json.dumps(dict(values), sort_keys=True, separators=(",", ":"))


def _intent(row: Row) -> Intent:
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
    )
