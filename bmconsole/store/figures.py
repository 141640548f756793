"""The counts and sums behind the overview: few queries, each over a range of an index or once over the offers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bmconsole.domain.listings import ONLINE
from bmconsole.domain.orders import OPEN, Status
from bmconsole.domain.times import stamp
from bmconsole.store.filters import OFFER_FLAGS
from bmconsole.store.intents import marks
from bmconsole.store.sqlite import Connection

_ACCEPTED = 2_000
"""Of so many acceptances the newest tell how long accepting takes."""
_SOLD = (Status.TO_ACCEPT, Status.TO_SHIP, Status.SHIPPED)


@dataclass(frozen=True, slots=True)
class HourRow:
    """The orders of one hour (`2026-11-23T08`, UTC), status and currency; `shipped` counts those with a due time."""

    hour: str
    status: str
    currency: str | None
    orders: int
    amount: int
    shipped: int
    late: int


@dataclass(frozen=True, slots=True)
class SkuRow:
    """What was sold of a SKU in a country; `fee_of` is the amount of the lines that tell their fee."""

    sku: str
    country: str | None
    currency: str | None
    units: int
    amount: int
    fee: int
    fee_of: int


@dataclass(frozen=True, slots=True)
class BoxRow:
    """The offers of a market that can be bought."""

    market: str
    currency: str
    online: int
    with_data: int
    winning: int
    winnable: int
    blocked: int
    above_max: int
    gap: float | None


@dataclass(frozen=True, slots=True)
class SightRow:
    """How many sights of backboxes began on one day (`2026-11-23`, UTC) and held until another."""

    market: str
    first: str
    last: str
    winning: int
    number: int


def oldest(connection: Connection, status: Status) -> str | None:
    """Return when the oldest order of a status was made."""
    found = connection.execute("SELECT min(created) FROM orders WHERE status = ?", (status,)).fetchone()[0]
    return None if found is None else str(found)


HOURS = """SELECT substr(created, 1, 13), status, currency, count(*), coalesce(sum(price), 0),
    coalesce(sum(shipped IS NOT NULL AND due IS NOT NULL), 0), coalesce(sum(shipped > due), 0)
    FROM orders WHERE created >= ? GROUP BY 1, 2, 3"""
SOLD = f"""SELECT orderlines.sku, country_code, coalesce(orderlines.currency, orders.currency),
    sum(orderlines.quantity), coalesce(sum(orderlines.price), 0), coalesce(sum(fee), 0),
    coalesce(sum(CASE WHEN fee IS NOT NULL THEN orderlines.price END), 0)
    FROM orders JOIN orderlines USING (order_id)
    WHERE orders.created >= ? AND status IN ({marks(_SOLD)}) AND orderlines.sku IS NOT NULL GROUP BY 1, 2, 3"""  # noqa: S608 - placeholders only
SHIPPING = """SELECT CAST(strftime('%s', shipped) AS INTEGER) - CAST(strftime('%s', paid) AS INTEGER) FROM orders
    WHERE created >= ? AND shipped IS NOT NULL AND paid IS NOT NULL AND shipped >= paid"""
BOXES = f"""SELECT offer.market, max(offer.currency), count(*), sum(offer.winning IS NOT NULL),
    {", ".join(f"coalesce(sum({OFFER_FLAGS[name]}), 0)" for name in ("winning", "winnable", "blocked", "above-max"))},
    avg(CASE WHEN offer.winning IS NOT 1 THEN offer.price - offer.price_to_win END)
    FROM offers AS offer WHERE offer.publication_state = ?
    AND offer.listing NOT IN (SELECT id FROM listings WHERE deleted_at IS NOT NULL) GROUP BY +offer.market"""  # noqa: S608 - fixed names
"""`+`: in the order of the table. Along the index of markets each row would be looked up by itself."""
LOW = """SELECT offer.market, sum(quantity <= 0), sum(quantity = 1) FROM listings CROSS JOIN offers AS offer
    ON offer.listing = listings.id AND offer.publication_state = ?
    WHERE quantity <= 1 AND deleted_at IS NULL GROUP BY 1"""
SIGHTS = """SELECT market, substr(first_seen, 1, 10), substr(last_seen, 1, 10), winning = 1, count(*)
    FROM observations WHERE last_seen >= ? AND winning IS NOT NULL GROUP BY 1, 2, 3, 4"""
OPEN_UNITS = f"""SELECT orderlines.sku AS sku, sum(orderlines.quantity) AS units
    FROM orders JOIN orderlines USING (order_id)
    WHERE status IN ({marks(OPEN)}) AND orderlines.state IN (1, 2) AND orderlines.sku IS NOT NULL GROUP BY 1"""  # noqa: S608 - placeholders only


def hours(connection: Connection, since: datetime) -> list[HourRow]:
    """Return the orders made since a moment, by hour."""
    return [HourRow(*row) for row in connection.execute(HOURS, (stamp(since),))]


def sold(connection: Connection, since: datetime) -> list[SkuRow]:
    """Return what was sold since a moment and neither cancelled nor refunded, by SKU and country."""
    return [SkuRow(*row) for row in connection.execute(SOLD, (stamp(since), *_SOLD))]


def shipping_seconds(connection: Connection, since: datetime) -> list[int]:
    """Return how long each order since a moment took from payment to dispatch, in seconds, sorted."""
    return sorted(row[0] for row in connection.execute(SHIPPING, (stamp(since),)))


def boxes(connection: Connection) -> list[BoxRow]:
    """Return how the offers that can be bought stand, by market."""
    return [BoxRow(*row) for row in connection.execute(BOXES, (ONLINE,))]


def low(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return how many listings that can be bought have no unit left, and how many the last one, by market."""
    return {row[0]: (row[1], row[2]) for row in connection.execute(LOW, (ONLINE,))}


def sights(connection: Connection, since: datetime) -> Iterator[SightRow]:
    """Yield the sights of backboxes that held after a moment, by the days on which they began and ended."""
    for row in connection.execute(SIGHTS, (stamp(since),)):
        yield SightRow(*row)


def oversold(connection: Connection, limit: int) -> list[str]:
    """Return the SKUs of listings with stock under 0, or with more open units than stock, the worst first."""
    rows = connection.execute(
        f"""WITH waiting AS ({OPEN_UNITS})
        SELECT DISTINCT sku FROM (
            SELECT sku, quantity AS rest FROM listings WHERE quantity < 0 AND deleted_at IS NULL
            UNION ALL
            SELECT waiting.sku, quantity - units FROM waiting CROSS JOIN listings ON listings.sku = waiting.sku
            WHERE deleted_at IS NULL AND units > quantity)
        ORDER BY rest, sku LIMIT ?""",  # noqa: S608 - fixed names
        (*OPEN, limit),
    )
    return [row[0] for row in rows]


def accepted(connection: Connection, since: datetime) -> dict[int, str]:
    """Return when the newest acceptances from here were confirmed, by order; of the journal."""
    rows = connection.execute(
        """SELECT target, updated FROM intents WHERE state = 'confirmed' AND kind = 'accept' AND updated >= ?
        ORDER BY id DESC LIMIT ?""",
        (stamp(since), _ACCEPTED),
    )
    return {int(row["target"]): row["updated"] for row in rows}


def conflicts(connection: Connection) -> int:
    """Return how many writes wait for the operator to decide; of the journal."""
    return int(connection.execute("SELECT count(*) FROM intents WHERE state = 'conflict'").fetchone()[0])


def paid(connection: Connection, order_ids: Sequence[int]) -> dict[int, str]:
    """Return when orders were paid."""
    rows = connection.execute(
        "SELECT order_id, paid FROM orders WHERE paid IS NOT NULL AND order_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(order_ids)),),
    )
    return {row["order_id"]: row["paid"] for row in rows}


def unknown_fields(connection: Connection) -> int:
    """Return how many fields were seen that no model knows."""
    rows = connection.execute("SELECT known_paths FROM streams")
    return sum(len(json.loads(row["known_paths"])) for row in rows)


def open_units(connection: Connection, sku: str) -> int:
    """Return how many units of a SKU are sold and not yet sent."""
    row = connection.execute(
        f"""SELECT coalesce(sum(orderlines.quantity), 0) FROM orderlines JOIN orders USING (order_id)
        WHERE orderlines.sku = ? AND orderlines.state IN (1, 2) AND status IN ({marks(OPEN)})""",  # noqa: S608 - placeholders only
        (sku, *OPEN),
    ).fetchone()
    return int(row[0])


def floors(connection: Connection, listing: str) -> list[tuple[str, str, int]]:
    """Return the floors of a listing's offers as repricing last worked them out: market, currency, minor units."""
    rows = connection.execute(
        "SELECT market, currency, floor FROM offers WHERE listing = ? AND floor IS NOT NULL", (listing,)
    )
    return [(row["market"], row["currency"], row["floor"]) for row in rows]
