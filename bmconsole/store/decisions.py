"""Decisions about prices, in the history: a row only where a decision differs from the one before.

They are kept in the history and not in the journal, because a decision that waits is no promise: whoever approves it
has it decided again, so a lost one comes back with the next run, while a hundred thousand an hour would make the
journal, which is copied every day and written through to the disk, neither small nor quick.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b

from bmconsole.domain.decisions import Decision, Standing, Verdict
from bmconsole.domain.money import Money, unit
from bmconsole.domain.pricing_views import STANDINGS, PricingQuery
from bmconsole.domain.times import stamp
from bmconsole.errors import UsageError
from bmconsole.store.sqlite import Connection, Row

WAITING, DUE, WRITTEN, STOPPED, FAILED, LAPSED = "waiting", "due", "written", "stopped", "failed", "lapsed"
_SORTS = {
    "money": "weight",
    "sku": "sku",
    "market": "market",
    "standing": f"CASE standing {' '.join(f'WHEN {name.value!r} THEN {n}' for n, name in enumerate(STANDINGS))} END",
    "price": "old",
    "target": "target",
    "floor": "floor",
    "change": "(target - old) * 1.0 / old",
    "decided": "at",
}

Key = tuple[str, str]
"""A listing's UUID and a market."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A decision as it is kept; `until_run` None: it is the one that holds."""

    id: int
    run: int
    decision: Decision
    state: str
    result: str | None
    intent: int | None
    until_run: int | None


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of the decision that holds for an offer without unfolding it."""

    id: int
    key: bytes
    state: str


def fingerprint(decision: Decision) -> bytes:
    """Return what makes a decision another one: everything but its time, its ages and the figures it was made from."""
    parts = (
        *(decision.decision, decision.strategy, decision.rule, decision.standing, decision.mode, decision.flagged),
        *(decision.old, decision.target, decision.floor, decision.ceiling, decision.min_price, decision.wanted),
        *((check.guard, check.effect) for check in decision.guards if check.hit),
    )
    return blake2b(repr([str(part) for part in parts]).encode(), digest_size=12).digest()


def state_of(decision: Decision) -> str:
    """Return what is to become of a decision."""
    return {Verdict.SUGGEST: WAITING, Verdict.WRITE: DUE}.get(decision.decision, "")


def held(connection: Connection) -> dict[Key, Held]:
    """Return the decisions that hold."""
    rows = connection.execute("SELECT id, listing, market, key, state FROM decisions WHERE until_run IS NULL")
    return {(listing, market): Held(id, key, state) for id, listing, market, key, state in rows}


def replace(
    connection: Connection, run: int, items: Sequence[tuple[Decision, bytes, str]], now: datetime
) -> dict[Key, int]:
    """Let decisions (each with its fingerprint and state) hold from this run on; return their ids by offer."""
    ids: dict[Key, int] = {}
    for decision, key, state in items:
        _end(connection, run, decision.key)
        done = connection.execute(_INSERT, (*_values(decision, key, run), None, None, stamp(now), state, None, None))
        ids[decision.key] = int(done.lastrowid or 0)
    return ids


def end(connection: Connection, run: int, keys: Sequence[Key]) -> None:
    """Let decisions hold no longer, of offers that there is nothing to decide about any more."""
    for key in keys:
        _end(connection, run, key)


def mark(
    connection: Connection, number: int, state: str, *, result: str | None = None, intent: int | None = None
) -> None:
    """Note what became of a decision."""
    connection.execute(
        "UPDATE decisions SET state = ?, result = ?, intent = coalesce(?, intent) WHERE id = ?",
        (state, result, intent, number),
    )


def add_again(
    connection: Connection,
    run: int,
    of: int | None,
    decision: Decision,
    now: datetime,
    *,
    state: str,
    result: str | None = None,
    intent: int | None = None,
) -> int:
    """Keep a decision as it was made again right before it was written, or not; it is never the one that holds."""
    done = connection.execute(
        _INSERT,
        (*_values(decision, fingerprint(decision), run), run, of, stamp(now), state, result, intent),
    )
    return int(done.lastrowid or 0)


def get(connection: Connection, number: int) -> Kept | None:
    row = connection.execute("SELECT * FROM decisions WHERE id = ?", (number,)).fetchone()
    return None if row is None else _kept(row)


def of_offer(connection: Connection, listing: str, market: str) -> Kept | None:
    """Return the decision that holds for an offer."""
    row = connection.execute(
        "SELECT * FROM decisions WHERE listing = ? AND market = ? AND until_run IS NULL", (listing, market)
    ).fetchone()
    return None if row is None else _kept(row)


def again(connection: Connection, number: int) -> list[Kept]:
    """Return a decision as it was made again, newest first."""
    rows = connection.execute("SELECT * FROM decisions WHERE again_of = ? ORDER BY id DESC", (number,))
    return [_kept(row) for row in rows]


def waiting(connection: Connection, *, ids: Sequence[int] | None = None, run: int | None = None) -> list[Kept]:
    """Return the decisions that wait for approval: these, those that a run made, or all; what is worth most first."""
    terms, values = ["until_run IS NULL", "state = 'waiting'"], []
    if ids is not None:
        terms.append("id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(ids)))
    if run is not None:
        terms.append("run = ?")
        values.append(str(run))
    rows = connection.execute(
        f"SELECT * FROM decisions WHERE {' AND '.join(terms)} ORDER BY weight DESC, id",  # noqa: S608 - fixed terms
        values,
    )
    return [_kept(row) for row in rows]


def page(
    connection: Connection,
    query: PricingQuery,
    *,
    run: int | None = None,
    among: Mapping[str, Sequence[str]] | None = None,
) -> list[Kept]:
    """Return the decisions that hold, or that a run made and wrote, as a query asks; `query.where` is not looked at.

    Args:
        connection: On the history.
        query: Which, in which order.
        run: The number of `query.run`.
        among: By market the UUIDs of the listings that are meant; None: all.

    Raises:
        UsageError: There is no such sort.
    """
    where, values = _where(query, run, among)
    # The bodies are read for the page alone, not sorted along with everything
    rows = connection.execute(
        f"SELECT id FROM decisions WHERE {where} ORDER BY {_order(query)} LIMIT ? OFFSET ?",  # noqa: S608 - fixed names
        (*values, query.limit or -1, query.offset),
    )
    found = (get(connection, row[0]) for row in rows.fetchall())
    return [kept for kept in found if kept is not None]


def position(
    connection: Connection,
    query: PricingQuery,
    key: Key,
    *,
    run: int | None = None,
    among: Mapping[str, Sequence[str]] | None = None,
) -> int | None:
    """Return how many decisions `page` would return before the one about an offer; None where it is not among them."""
    where, values = _where(query, run, among)
    row = connection.execute(
        f"""SELECT before FROM (SELECT listing, market, row_number() OVER (ORDER BY {_order(query)}) - 1 AS before
        FROM decisions WHERE {where}) WHERE listing = ? AND market = ?""",  # noqa: S608 - fixed names
        (*values, *key),
    ).fetchone()
    return None if row is None else int(row["before"])


def count(
    connection: Connection,
    query: PricingQuery,
    *,
    run: int | None = None,
    among: Mapping[str, Sequence[str]] | None = None,
) -> int:
    """Return how many decisions `page` would return without a limit."""
    where, values = _where(query, run, among)
    return int(connection.execute(f"SELECT count(*) FROM decisions WHERE {where}", values).fetchone()[0])  # noqa: S608 - fixed names


def listings(connection: Connection, market: str, run: int | None = None) -> list[str]:
    """Return the UUIDs of the listings about which there is a decision in a market that holds, or that a run made."""
    which, values = ("until_run IS NULL", ()) if run is None else ("run = ?", (run,))
    rows = connection.execute(f"SELECT DISTINCT listing FROM decisions WHERE {which} AND market = ?", (*values, market))  # noqa: S608 - fixed terms
    return [row[0] for row in rows]


def standings(connection: Connection, market: str | None) -> list[tuple[Standing, str, int, int, int]]:
    """Return for each standing and currency how many offers stand so, what is at stake (minor), and how many wait."""
    rows = connection.execute(
        """SELECT standing, currency, count(*) AS n, coalesce(sum(worth), 0) AS worth, sum(state = 'waiting') AS waiting
        FROM decisions WHERE until_run IS NULL AND (?1 IS NULL OR market = ?1) GROUP BY standing, currency""",
        (market,),
    )
    return [(Standing(row["standing"]), row["currency"], row["n"], row["worth"], row["waiting"]) for row in rows]


def guards_hit(connection: Connection) -> dict[str, int]:
    """Return how often each guard stopped or changed something, in the decisions that hold."""
    rows = connection.execute(
        """SELECT guard.value AS name, count(*) AS n FROM decisions, json_each(body, '$.guards') AS guard
        WHERE until_run IS NULL GROUP BY guard.value ORDER BY n DESC, name"""
    )
    return {row["name"]: row["n"] for row in rows}


def prune(connection: Connection, *, idle: datetime, all_before: datetime) -> int:
    """Drop decisions that hold no longer: those that changed nothing from before `idle`, all from `all_before`."""
    done = connection.execute(
        """DELETE FROM decisions WHERE until_run IS NOT NULL AND at < ?1 AND (at < ?2 OR
        (state NOT IN ('written', 'failed', 'stopped') AND again_of IS NULL))""",
        (stamp(idle), stamp(all_before)),
    )
    return int(done.rowcount)


_INSERT = """INSERT INTO decisions
    (run, listing, market, sku, currency, standing, decision, rule, old, target, floor, worth, weight, body, key,
    until_run, again_of, at, state, result, intent)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def _values(decision: Decision, key: bytes, run: int) -> tuple[str | int | bytes | None, ...]:
    def minor(money: Money | None) -> int | None:
        return None if money is None else money.minor

    known = (decision.old, decision.target, decision.floor, decision.ceiling, decision.worth)
    currency = next((money.currency for money in known if money is not None), "")
    return (
        run,
        decision.listing,
        decision.market,
        decision.sku,
        currency,
        str(decision.standing),
        str(decision.decision),
        decision.rule,
        minor(decision.old),
        minor(decision.target),
        minor(decision.floor),
        minor(decision.worth),
        _weight(decision.worth),
        json.dumps(decision.as_json(), separators=(",", ":")),
        key,
    )


def _weight(worth: Money | None) -> int:
    """Return what is at stake so that currencies can be sorted together, roughly in hundredths of a euro."""
    return 0 if worth is None else int(abs(worth.amount) / unit(worth.currency) * Decimal(100))


def _end(connection: Connection, run: int, key: Key) -> None:
    connection.execute(
        """UPDATE decisions SET until_run = ?1,
        state = CASE WHEN state IN ('waiting', 'due') THEN 'lapsed' ELSE state END
        WHERE listing = ?2 AND market = ?3 AND until_run IS NULL""",
        (run, *key),
    )


def _order(query: PricingQuery) -> str:
    name = query.sort.removeprefix("-") or "money"
    if name not in _SORTS:
        raise UsageError(
            f"Decisions cannot be sorted by {name!r}.", field="sort", value=name, hint=f"By {', '.join(_SORTS)}."
        )
    return f"{_SORTS[name]} {'DESC' if query.sort.startswith('-') else 'ASC'}, id"


def _where(
    query: PricingQuery, run: int | None, among: Mapping[str, Sequence[str]] | None
) -> tuple[str, list[str | int]]:
    # A run's page shows what it decided: what it made, and of that what was decided again right before it was written
    terms, values = ["until_run IS NULL"], list[str | int]()
    if run is not None:
        terms, values = ["run = ?"], [run]
    for column, value in (("standing", query.standing), ("market", query.market), ("state", query.state)):
        if value is not None:
            terms.append(f"{column} = ?")
            values.append(str(value))
    if among is not None:
        parts = []
        for market, listings in among.items():
            parts.append("(market = ? AND listing IN (SELECT value FROM json_each(?)))")
            values += [market, json.dumps(list(listings))]
        terms.append(f"({' OR '.join(parts) or 'FALSE'})")
    return " AND ".join(terms), values


def _kept(row: Row) -> Kept:
    return Kept(
        row["id"],
        row["run"],
        Decision.from_json(json.loads(row["body"])),
        row["state"],
        row["result"],
        row["intent"],
        row["until_run"],
    )
