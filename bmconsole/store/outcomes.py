"""What came of each change of a price: looks that are due after it, and what they showed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import OutcomeRow, Score
from bmconsole.domain.times import stamp, unstamp
from bmconsole.store.sqlite import Connection, Row

STEPS = (timedelta(minutes=5), timedelta(hours=1), timedelta(hours=24))
"""How long after a change it is looked at again."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A change that was confirmed. `net` is what a sale leaves at the new price."""

    intent: int
    run: str | None
    listing: str
    market: str
    sku: str
    rule: str | None
    strategy: str | None
    old: Money | None
    new: Money
    net: Money | None
    won_before: bool | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a change showed; `sold` counts units since the change."""

    id: int
    seen: datetime
    winning: bool | None
    price: Money | None
    price_to_win: Money | None
    sold: int | None
    cut_short: bool = False


def expect(connection: Connection, change: Changed, steps: Sequence[timedelta] = STEPS) -> None:
    """Have a change looked at after each of `steps`; a change is taken in once only."""
    connection.executemany(
        """INSERT OR IGNORE INTO outcomes
        (intent, run, listing, market, sku, rule, strategy, currency, old, new, net, won_before, changed, step, due)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            (
                change.intent,
                change.run,
                change.listing,
                change.market,
                change.sku,
                change.rule,
                change.strategy,
                change.new.currency,
                None if change.old is None else change.old.minor,
                change.new.minor,
                None if change.net is None else change.net.minor,
                None if change.won_before is None else int(change.won_before),
                stamp(change.at),
                int(step.total_seconds()),
                stamp(change.at + step),
            )
            for step in steps
        ],
    )


def due(connection: Connection, now: datetime, *, limit: int = 100) -> list[OutcomeRow]:
    """Return the looks that are due, the longest ago first."""
    rows = connection.execute(
        "SELECT * FROM outcomes WHERE seen IS NULL AND due <= ? ORDER BY due, id LIMIT ?", (stamp(now), limit)
    )
    return [_row(row) for row in rows]


def open_of(connection: Connection, listing: str, market: str, *, before: int) -> list[OutcomeRow]:
    """Return the looks that are not due yet at changes of an offer by intents under `before`."""
    rows = connection.execute(
        "SELECT * FROM outcomes WHERE seen IS NULL AND listing = ? AND market = ? AND intent < ?",
        (listing, market, before),
    )
    return [_row(row) for row in rows]


def note(connection: Connection, looks: Sequence[Looked]) -> None:
    """Note what looks showed."""
    connection.executemany(
        """UPDATE outcomes SET seen = ?, winning = ?, price = ?, price_to_win = ?, sold = ?, cut_short = ?
        WHERE id = ?""",
        [
            (
                stamp(look.seen),
                None if look.winning is None else int(look.winning),
                None if look.price is None else look.price.minor,
                None if look.price_to_win is None else look.price_to_win.minor,
                look.sold,
                int(look.cut_short),
                look.id,
            )
            for look in looks
        ],
    )


def of_intent(connection: Connection, intent: int) -> list[OutcomeRow]:
    """Return the looks at a change, first to last."""
    rows = connection.execute("SELECT * FROM outcomes WHERE intent = ? ORDER BY step", (intent,))
    return [_row(row) for row in rows]


def scores(connection: Connection, since: datetime) -> list[Score]:
    """Return what the changes since a moment came to, by rule; of each change the latest look counts."""
    changes: dict[int, list[OutcomeRow]] = {}
    rows = connection.execute("SELECT * FROM outcomes WHERE changed >= ? ORDER BY intent, step", (stamp(since),))
    for row in rows:
        found = _row(row)
        changes.setdefault(found.intent, []).append(found)
    by_rule: dict[str, list[list[OutcomeRow]]] = {}
    for looks in changes.values():
        by_rule.setdefault(looks[0].rule or "", []).append(looks)
    return [_score(rule, each) for rule, each in sorted(by_rule.items())]


def _score(rule: str, changes: Sequence[Sequence[OutcomeRow]]) -> Score:
    last = [seen[-1] for looks in changes if (seen := [look for look in looks if look.seen is not None])]
    # Where nothing was seen of the box, a look still tells what was sold by then
    boxes = [seen[-1] for looks in changes if (seen := [look for look in looks if look.winning is not None])]
    margins: dict[str, int] = {}
    for look in last:
        if look.margin is not None:
            margins[look.margin.currency] = margins.get(look.margin.currency, 0) + look.margin.minor
    return Score(
        rule,
        len(changes),
        len(last),
        sum(look.won_before is False and look.winning is True for look in boxes),
        sum(look.won_before is True and look.winning is False for look in boxes),
        sum(look.sold or 0 for look in last),
        tuple(Money(minor, currency) for currency, minor in sorted(margins.items())),
    )


def prune(connection: Connection, before: datetime) -> int:
    """Drop what came of changes before a moment."""
    return int(connection.execute("DELETE FROM outcomes WHERE changed < ?", (stamp(before),)).rowcount)


def _row(row: Row) -> OutcomeRow:
    currency: str = row["currency"]

    def money(value: int | None) -> Money | None:
        return None if value is None else Money(value, currency)

    def flag(value: int | None) -> bool | None:
        return None if value is None else bool(value)

    sold, net = row["sold"], row["net"]
    return OutcomeRow(
        id=row["id"],
        intent=row["intent"],
        run=row["run"],
        listing=row["listing"],
        sku=row["sku"],
        market=row["market"],
        rule=row["rule"],
        strategy=row["strategy"],
        old=money(row["old"]),
        new=Money(row["new"], currency),
        changed=datetime.fromisoformat(row["changed"]),
        step=row["step"],
        due=datetime.fromisoformat(row["due"]),
        seen=unstamp(row["seen"]),
        cut_short=bool(row["cut_short"]),
        won_before=flag(row["won_before"]),
        winning=flag(row["winning"]),
        price_to_win=money(row["price_to_win"]),
        sold=sold,
        margin=None if sold is None or net is None else Money(sold * net, currency),
    )
