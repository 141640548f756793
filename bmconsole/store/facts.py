"""What repricing goes by, read in bulk: a few queries for a hundred thousand offers.

Rows hold amounts in minor units and times as `stamp` wrote them: who reads so many decides what of it to unfold.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bmconsole.domain.listings import ONLINE
from bmconsole.domain.times import stamp
from bmconsole.store.sqlite import Connection

_OFFERS = """SELECT id, listing_id, sku, title, product_id, grade, quantity, first_seen, market, currency, price,
    min_price, max_price, publication_state, box_price, price_to_win, winner_price, winning, box_first, box_last,
    offers.fetched_at
    FROM listings JOIN offers ON listing = id WHERE deleted_at IS NULL"""


class OfferRow(NamedTuple):
    """A listing in a market as the mirror has it."""

    id: str
    listing_id: int | None
    sku: str
    title: str
    product_id: str | None
    grade: str | None
    quantity: int | None
    first_seen: str
    market: str
    currency: str
    price: int | None
    min_price: int | None
    max_price: int | None
    publication_state: int | None
    box_price: int | None
    price_to_win: int | None
    winner_price: int | None
    winning: int | None
    box_first: str | None
    box_last: str | None
    fetched_at: str


class SeenRow(NamedTuple):
    """What was seen of a backbox between two moments."""

    listing: str
    market: str
    currency: str
    price: int | None
    price_to_win: int | None
    winner_price: int | None
    winning: int | None
    first_seen: str
    last_seen: str
    looks: int


class PriceRow(NamedTuple):
    """A price of ours between two moments, as reading the listing showed it."""

    listing: str
    market: str
    price: int | None
    first_seen: str
    last_seen: str


class SoldRow(NamedTuple):
    """A line of an order; `created` is the order's."""

    sku: str
    listing_id: int | None
    country: str | None
    currency: str | None
    quantity: int
    price: int | None
    fee: int | None
    created: str


class ChangeRow(NamedTuple):
    """A confirmed change of a price by us: texts in major units, as intents keep them."""

    intent: int
    listing: str
    market: str
    before: str | None
    after: str
    at: str
    origin: str
    run: str | None


def skus(connection: Connection) -> frozenset[str]:
    """Return the SKUs of all listings."""
    return frozenset(row[0] for row in connection.execute("SELECT DISTINCT sku FROM listings WHERE deleted_at IS NULL"))


def offers(connection: Connection, markets: Sequence[str], *, online: bool = True) -> list[OfferRow]:
    """Return every offer in `markets`, only those that can be bought unless `online` is False."""
    sql = f"{_OFFERS} AND market IN ({', '.join('?' * len(markets))})"
    state = " AND publication_state = ?" if online else ""
    return list(map(OfferRow._make, connection.execute(sql + state, (*markets, *([ONLINE] if online else [])))))


def offers_of(connection: Connection, listings: Sequence[str]) -> list[OfferRow]:
    """Return the offers of these listings in all markets, online or not."""
    found: list[OfferRow] = []
    for listing in listings:
        found += map(OfferRow._make, connection.execute(f"{_OFFERS} AND id = ?", (listing,)))
    return found


def ladder(connection: Connection, product: str, markets: Sequence[str]) -> list[OfferRow]:
    """Return the offers of all grades of a product that can be bought."""
    sql = f"{_OFFERS} AND product_id = ? AND publication_state = ? AND market IN ({', '.join('?' * len(markets))})"
    return list(map(OfferRow._make, connection.execute(sql, (product, ONLINE, *markets))))


def seen(
    connection: Connection, since: datetime, *, listing: str | None = None, until: datetime | None = None
) -> Iterator[SeenRow]:
    """Yield what was seen of backboxes after `since`, by listing and market, oldest first."""
    terms, values = ["last_seen >= ?"], [stamp(since)]
    if listing is not None:
        terms.append("listing = ?")
        values.append(listing)
    if until is not None:
        terms.append("first_seen < ?")
        values.append(stamp(until))
    rows = connection.execute(
        f"""SELECT listing, market, currency, price, price_to_win, winner_price, winning, first_seen, last_seen, looks
        FROM observations WHERE {" AND ".join(terms)} ORDER BY listing, market, id""",  # noqa: S608 - fixed terms
        values,
    )
    for row in rows:
        yield SeenRow._make(row)


def prices(connection: Connection, since: datetime, *, listing: str | None = None) -> Iterator[PriceRow]:
    """Yield the prices of ours that held after `since`, by listing and market, oldest first.

    The last one of each holds although its last sight lies before: unchanged prices are noted once a day only.
    """
    term, values = ("AND listing = ?", (listing,)) if listing is not None else ("", ())
    rows = connection.execute(
        f"""SELECT listing, market, price, first_seen, last_seen FROM prices
        WHERE last_seen >= ? {term} ORDER BY listing, market, id""",  # noqa: S608 - fixed terms
        (stamp(since), *values),
    )
    for row in rows:
        yield PriceRow._make(row)


def first_prices(connection: Connection, *, listing: str | None = None) -> dict[tuple[str, str], int]:
    """Return the oldest price known of each offer, in minor units."""
    term, values = ("WHERE listing = ?", (listing,)) if listing is not None else ("", ())
    rows = connection.execute(
        f"SELECT listing, market, price, min(id) FROM prices {term} GROUP BY listing, market",  # noqa: S608 - fixed terms
        values,
    )
    return {(row[0], row[1]): row[2] for row in rows if row[2] is not None}


def sold(connection: Connection, since: datetime, *, sku: str | None = None) -> Iterator[SoldRow]:
    """Yield the lines of orders made after `since` that were not cancelled, refunded lines included, oldest first."""
    term, values = ("AND orderlines.sku = ?", (sku,)) if sku is not None else ("", ())
    rows = connection.execute(
        f"""SELECT orderlines.sku, listing_id, country_code, coalesce(orderlines.currency, orders.currency),
        orderlines.quantity, orderlines.price, fee, orders.created
        FROM orders JOIN orderlines USING (order_id)
        WHERE orders.created >= ? AND orderlines.state NOT IN (4, 7) AND orderlines.sku IS NOT NULL {term}
        ORDER BY orders.created""",  # noqa: S608 - fixed terms
        (stamp(since), *values),
    )
    for row in rows:
        yield SoldRow._make(row)


def changes(connection: Connection, since: datetime, *, listing: str | None = None) -> list[ChangeRow]:
    """Return our own confirmed changes of prices after `since`, oldest first; those that were sent, by whomever."""
    term, values = ("AND target = ?", (listing,)) if listing is not None else ("", ())
    rows = connection.execute(
        f"""SELECT id, target, market, coalesce(json_extract(before, '$.price'), json_extract(base, '$.price')),
        json_extract(want, '$.price'), updated, origin, run FROM intents
        WHERE kind = 'listing' AND state = 'confirmed' AND attempts > 0 AND updated >= ?
        AND market IS NOT NULL AND json_extract(want, '$.price') IS NOT NULL {term} ORDER BY updated, id""",  # noqa: S608 - fixed terms
        (stamp(since), *values),
    )
    return list(map(ChangeRow._make, rows))


def unsettled(connection: Connection) -> dict[str, str]:
    """Return the listings with an unfinished write or a conflict that nobody decided yet, with why to leave them be."""
    rows = connection.execute(
        """SELECT target, state, id, market FROM intents WHERE kind = 'listing'
        AND state IN ('pending', 'sent', 'unknown', 'conflict') ORDER BY id"""
    )
    return {row["target"]: f"write {row['id']} is {row['state']}" for row in rows}


def keep_floors(connection: Connection, floors: Sequence[tuple[int | None, str, str]]) -> None:
    """Keep floors (minor units, listing, market) beside the offers, where they differ from what is there."""
    connection.executemany(
        "UPDATE offers SET floor = ?1 WHERE listing = ?2 AND market = ?3 AND floor IS NOT ?1", floors
    )


def floors(connection: Connection) -> dict[tuple[str, str], int]:
    """Return the floors that are kept beside the offers, in minor units, by listing and market."""
    rows = connection.execute("SELECT listing, market, floor FROM offers WHERE floor IS NOT NULL")
    return {(row[0], row[1]): row[2] for row in rows}
