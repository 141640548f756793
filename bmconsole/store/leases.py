"""Who carries out an intent: leases with fencing, and every step that an intent takes under one.

A lease belongs to a process and has a number, the epoch, that grows whenever it changes hands. Each later update names
both, so that a process that was thought dead, or whose intent was replaced meanwhile, changes nothing any more.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from bmconsole.domain.intents import LISTING, RULE, Intent, IntentState, Values, merged
from bmconsole.domain.times import stamp
from bmconsole.errors import Conflict
from bmconsole.store.intents import UNFINISHED, audit, dump, get, intent_of, marks
from bmconsole.store.sqlite import Connection, Row, sqlite3

RETRY_AFTER = timedelta(minutes=5)
"""How long what was sent in vain, or was acknowledged and is not visible, waits before it is looked at again."""

DECIDING = timedelta(seconds=5)
"""How long repricing may take from what it read in the journal to writing its decision down."""

_SPOKEN = ("return_message", "comment")
"""Fields with free text, which the audit keeps as a hash only."""
_SENDS = 3


class LeaseLost(Conflict):
    """Another process took the intent up, or a later write took its place."""

    code = "lease-lost"


@dataclass(frozen=True, slots=True)
class Held:
    """An intent under the lease of `owner`."""

    intent: Intent
    owner: str
    epoch: int

    def now_as(self, intent: Intent) -> "Held":
        """Return the lease with the intent as it is now."""
        return replace(self, intent=intent)


def save(connection: Connection, intents: Sequence[Intent], *, owner: str, now: datetime) -> list[Held]:
    """Write intents down under the lease of `owner`, before anything is sent.

    A listing's change in a market takes in the earlier ones that were not sent yet, whoever planned them: those are
    dropped, and their carriers lose the lease.

    Raises:
        Conflict: Repricing would write where another write is not finished, or was done a moment ago; nothing is saved.
    """
    saved: list[Held] = []
    for intent in intents:
        if intent.origin == RULE:
            _leave_alone(connection, intent)
        earlier = _replaceable(connection, intent) if intent.kind == LISTING and intent.undoes is None else []
        for other in reversed(earlier):
            base, want = merged(other, intent)
            intent = replace(intent, base=base, want=want)
        behind = _not_finished(connection, intent, earlier) if intent.kind == LISTING else []
        held = _add(connection, intent, behind, owner=owner, now=now)
        for other in earlier:
            _supersede(connection, other, held.intent.id, now)
        saved.append(held)
    return saved


def _leave_alone(connection: Connection, intent: Intent) -> None:
    """Keep repricing away from what somebody, or a run in another process, is about or was about since it decided."""
    row = connection.execute(
        f"""SELECT id, state FROM intents WHERE target = ? AND (state IN ({marks(UNFINISHED)})
        OR (market IS ? AND state = 'confirmed' AND attempts > 0 AND updated >= ?)) LIMIT 1""",  # noqa: S608 - placeholders only
        (intent.target, *UNFINISHED, intent.market, stamp(intent.created - DECIDING)),
    ).fetchone()
    if row is not None:
        raise Conflict(f"Write {row['id']} of the same listing is {row['state']}: repricing leaves it alone.")


def _replaceable(connection: Connection, intent: Intent) -> list[Intent]:
    rows = connection.execute(
        """SELECT * FROM intents WHERE state = 'pending' AND kind = ? AND target = ? AND market IS ? ORDER BY id""",
        (intent.kind, intent.target, intent.market),
    ).fetchall()
    return [other for other in map(intent_of, rows) if other.undoes is None]


def _not_finished(connection: Connection, intent: Intent, taken_in: Sequence[Intent]) -> list[int]:
    """Return the writes of the same offer that are on their way, and those that what is taken in was behind."""
    rows = connection.execute(
        f"""SELECT id FROM intents WHERE state IN ({marks(UNFINISHED)}) AND kind = ? AND target = ? AND market IS ?""",  # noqa: S608 - placeholders only
        (*UNFINISHED, intent.kind, intent.target, intent.market),
    )
    found = {row["id"] for row in rows.fetchall()} - {other.id for other in taken_in}
    return sorted(found.union(*(_behind(connection, other.id) for other in taken_in)))


def _supersede(connection: Connection, other: Intent, by: int, now: datetime) -> None:
    error = f"write {by} takes it in"
    connection.execute(
        """UPDATE intents SET state = 'dropped', error = ?, updated = ?, owner = NULL, epoch = epoch + 1
        WHERE id = ? AND state = 'pending'""",
        (error, stamp(now), other.id),
    )
    audit(connection, now, other.origin, {"intent": other.id, "event": "dropped", "error": error})


def _add(connection: Connection, intent: Intent, behind: Sequence[int], *, owner: str, now: datetime) -> Held:
    cursor = connection.execute(
        """INSERT INTO intents
        (kind, target, market, base, want, state, origin, run, undoes, note, behind, owner, epoch, created, updated)
        VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, 1, ?, ?)""",
        (
            intent.kind,
            intent.target,
            intent.market,
            dump(intent.base),
            dump(intent.want),
            intent.origin,
            intent.run,
            intent.undoes,
            intent.note,
            json.dumps(list(behind)),
            owner,
            stamp(now),
            stamp(now),
        ),
    )
    saved = get(connection, int(cursor.lastrowid or 0))
    if saved is None:
        raise LookupError(f"intent {cursor.lastrowid} vanished in its own transaction")
    event: dict[str, object] = {
        "intent": saved.id,
        "event": "planned",
        "kind": intent.kind,
        "target": intent.target,
        "market": intent.market,
        "base": hashed(intent.base),
        "want": hashed(intent.want),
    }
    event |= {name: value for name, value in (("run", intent.run), ("undoes", intent.undoes)) if value is not None}
    audit(connection, now, intent.origin, event)
    return Held(saved, owner, 1)


def move(
    connection: Connection,
    held: Held,
    state: IntentState,
    *,
    now: datetime,
    readback: Values | None = None,
    before: Values | None = None,
    error: str | None = None,
    note: str | None = None,
) -> Held:
    """Move an intent to `state` under its lease. `sent` counts one more attempt, and takes back an acknowledgement.

    Raises:
        LeaseLost: The lease is another's, or another write of the same target is in flight.
    """
    sending = state is IntentState.SENT
    want = held.intent.want
    if state in (IntentState.CONFIRMED, IntentState.REJECTED, IntentState.DROPPED):
        want = _unspoken(want)
    try:
        cursor = connection.execute(
            """UPDATE intents SET state = ?, updated = ?, readback = coalesce(?, readback),
            before = coalesce(?, before), error = ?, note = coalesce(?, note), attempts = attempts + ?,
            acked = CASE WHEN ? THEN 0 ELSE acked END, want = ? WHERE id = ? AND owner = ? AND epoch = ?""",
            (
                state.value,
                stamp(now),
                None if readback is None else dump(readback),
                None if before is None else dump(before),
                error,
                note,
                int(sending),
                int(sending),
                dump(want),
                held.intent.id,
                held.owner,
                held.epoch,
            ),
        )
    except sqlite3.IntegrityError as fault:
        raise LeaseLost("Another write of the same target is in flight.", hint="Wait until it is done.") from fault
    saved = _still_held(connection, held, cursor.rowcount)
    if saved.undoes is not None and state is IntentState.CONFIRMED:
        connection.execute("UPDATE intents SET undone_by = ? WHERE id = ?", (saved.id, saved.undoes))
    if (state, error) == (held.intent.state, held.intent.error):
        return held.now_as(saved)
    event: dict[str, object] = {"intent": saved.id, "event": state.value}
    if readback is not None:
        event["readback"] = hashed(readback)
    event |= {name: value for name, value in (("error", error), ("note", note)) if value is not None}
    audit(connection, now, saved.origin, event)
    return held.now_as(saved)


def unsend(connection: Connection, held: Held, *, now: datetime) -> Held:
    """Take an intent back to `pending`: what was about to be sent was not, as is known for certain.

    Raises:
        LeaseLost: As `move`.
    """
    cursor = connection.execute(
        """UPDATE intents SET state = CASE WHEN attempts > 1 THEN 'unknown' ELSE 'pending' END, updated = ?,
        attempts = attempts - 1 WHERE id = ? AND owner = ? AND epoch = ? AND state = 'sent'""",
        (stamp(now), held.intent.id, held.owner, held.epoch),
    )
    saved = _still_held(connection, held, cursor.rowcount)
    audit(connection, now, saved.origin, {"intent": saved.id, "event": "not sent"})
    return held.now_as(saved)


def resolve(connection: Connection, held: Held, want: Values, live: int) -> Held:
    """Replace a relative quantity by the count that it means on `live`, the stock just read; what was typed is kept.

    Raises:
        LeaseLost: As `move`.
    """
    intent = held.intent
    typed = intent.typed or {"quantity": intent.want["quantity"]}
    cursor = connection.execute(
        """UPDATE intents SET want = ?, base = ?, typed = ?
        WHERE id = ? AND owner = ? AND epoch = ? AND state = 'pending'""",
        (dump(want), dump({**intent.base, "quantity": live}), dump(typed), intent.id, held.owner, held.epoch),
    )
    return held.now_as(_still_held(connection, held, cursor.rowcount))


def follow(connection: Connection, held: Held) -> Held:
    """Take for what the operator was shown what the writes before this one came to, which were not finished then.

    The tables show what is on its way over what was read, so that a change of ours is no foreign one.

    Raises:
        LeaseLost: As `move`.
    """
    intent, base = held.intent, dict(held.intent.base)
    if intent.attempts or intent.undoes is not None:
        return held
    for number in _behind(connection, intent.id):
        earlier = get(connection, number)
        if earlier is not None and earlier.state is IntentState.CONFIRMED:
            same = [name for name in base.keys() & earlier.base.keys() if base[name] == earlier.base[name]]
            base |= {name: earlier.want[name] for name in same if name in earlier.want}
    if base == intent.base:
        return held
    cursor = connection.execute(
        "UPDATE intents SET base = ? WHERE id = ? AND owner = ? AND epoch = ? AND state = 'pending'",
        (dump(base), intent.id, held.owner, held.epoch),
    )
    return held.now_as(_still_held(connection, held, cursor.rowcount))


def _behind(connection: Connection, intent_id: int) -> list[int]:
    rows = connection.execute(
        "SELECT value FROM intents, json_each(intents.behind) WHERE intents.id = ? ORDER BY value", (intent_id,)
    )
    return [int(row["value"]) for row in rows]


def acknowledge(connection: Connection, held: Held, *, now: datetime, status: int | None = None) -> Held:
    """Note that the server took what was sent.

    Raises:
        LeaseLost: As `move`.
    """
    cursor = connection.execute(
        "UPDATE intents SET acked = 1 WHERE id = ? AND owner = ? AND epoch = ?",
        (held.intent.id, held.owner, held.epoch),
    )
    step(connection, held.intent.id, "answer", now=now, status=status)
    return held.now_as(_still_held(connection, held, cursor.rowcount))


def allow_again(connection: Connection, held: Held) -> Held:
    """Let an intent that was sent in vain be sent again, as the operator asked.

    Raises:
        LeaseLost: As `move`.
    """
    cursor = connection.execute(
        "UPDATE intents SET attempts = min(attempts, 1), acked = 0 WHERE id = ? AND owner = ? AND epoch = ?",
        (held.intent.id, held.owner, held.epoch),
    )
    return held.now_as(_still_held(connection, held, cursor.rowcount))


def step(
    connection: Connection, intent_id: int, name: str, *, now: datetime, status: int | None = None, note: str = ""
) -> None:
    """Note one step (`read`, `send`, `answer`, `readback`) of carrying out an intent."""
    connection.execute(
        """INSERT INTO attempts (intent, n, step, at, status, note)
        SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5 FROM attempts WHERE intent = ?1""",
        (intent_id, name, stamp(now), status, note),
    )


def release(connection: Connection, held: Held) -> None:
    """Give up a lease, so that another process may take the intent up; nothing where it is another's by now."""
    connection.execute(
        "UPDATE intents SET owner = NULL WHERE id = ? AND owner = ? AND epoch = ?",
        (held.intent.id, held.owner, held.epoch),
    )


def owners(connection: Connection) -> list[str]:
    """Return the processes whose lease is on an unfinished intent."""
    rows = connection.execute(
        f"SELECT DISTINCT owner FROM intents WHERE state IN ({marks(UNFINISHED)}) AND owner IS NOT NULL",  # noqa: S608 - placeholders only
        UNFINISHED,
    )
    return [row["owner"] for row in rows]


def ahead(connection: Connection, held: Held) -> list[tuple[Intent, str | None]]:
    """Return the unfinished intents of the same target that were planned earlier, each with who has its lease."""
    rows = connection.execute(
        f"SELECT * FROM intents WHERE state IN ({marks(UNFINISHED)}) AND target = ? AND id < ? ORDER BY id",  # noqa: S608 - placeholders only
        (*UNFINISHED, held.intent.target, held.intent.id),
    )
    return [(intent_of(row), row["owner"]) for row in rows]


def take_over(connection: Connection, dead: Sequence[str], *, owner: str, now: datetime) -> list[Held]:
    """Give `owner` the lease of unfinished intents that nobody or a dead process holds, the oldest of each target.

    Left out are targets on which a living process works, intents that only the operator can settle, and for a while
    those that a look did not help.
    """
    orphans = {
        row["id"]
        for row in connection.execute(
            f"""UPDATE intents SET owner = NULL, epoch = epoch + 1
            WHERE state IN ({marks(UNFINISHED)}) AND owner IN ({marks(dead)}) RETURNING id""",  # noqa: S608 - placeholders only
            (*UNFINISHED, *dead),
        ).fetchall()
    }
    rows = connection.execute(
        f"""SELECT * FROM intents WHERE state IN ({marks(UNFINISHED)}) AND owner IS NULL
        AND (kind != 'invoice' OR state != 'unknown')
        AND NOT EXISTS (SELECT 1 FROM intents AS other WHERE other.target = intents.target
            AND other.state IN ({marks(UNFINISHED)}) AND other.owner IS NOT NULL) ORDER BY id""",  # noqa: S608 - placeholders only
        (*UNFINISHED, *UNFINISHED),
    ).fetchall()
    rows = [row for row in rows if row["id"] in orphans or _due(row, now)]
    oldest: dict[str, Row] = {}
    for row in rows:
        oldest.setdefault(row["target"], row)
    return [_take(connection, row, owner) for row in oldest.values()]


def _due(row: Row, now: datetime) -> bool:
    """Whether it is time to look at an intent again that its last look did not settle."""
    if row["state"] in ("pending", "sent") or (row["attempts"] < _SENDS and not row["acked"]):
        return True
    # A clock that was set back must not hold it up for ever
    return not stamp(now - RETRY_AFTER) < row["updated"] <= stamp(now + RETRY_AFTER)


def claim(connection: Connection, intent_id: int, *, owner: str, dead: Sequence[str] = ()) -> Held | None:
    """Give `owner` the lease of one intent, whatever its state; None where a living process works on its target."""
    row = connection.execute("SELECT * FROM intents WHERE id = ?", (intent_id,)).fetchone()
    if row is None or (row["owner"] is not None and row["owner"] not in dead):
        return None
    try:
        return _take(connection, row, owner)
    except sqlite3.IntegrityError:
        return None


def _take(connection: Connection, row: Row, owner: str) -> Held:
    epoch = int(row["epoch"]) + 1
    connection.execute("UPDATE intents SET owner = ?, epoch = ? WHERE id = ?", (owner, epoch, row["id"]))
    return Held(intent_of(row), owner, epoch)


def _still_held(connection: Connection, held: Held, rows: int) -> Intent:
    saved = get(connection, held.intent.id)
    if rows != 1 or saved is None:
        raise LeaseLost(f"Write {held.intent.id} is no longer this process's.", hint="See `bmconsole writes list`.")
    return saved


def hashed(values: Mapping[str, str | int | None]) -> dict[str, str | int | None]:
    """Return values as the audit keeps them: free text as a hash."""
    return {
        name: blake2b(value.encode(), digest_size=8).hexdigest()
        if name in _SPOKEN and isinstance(value, str)
        else value
        for name, value in values.items()
    }


def _unspoken(want: Values) -> Values:
    # What was said to a buyer may name them; it is needed only as long as it may have to be sent
    message = want.get("return_message")
    return want if not isinstance(message, str) else {**want, "return_message": f"({len(message)} characters)"}
