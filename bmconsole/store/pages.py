"""Pages of orders and listings: filtered, sorted, and continued behind a row at a cost that depth does not change."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import overload

from bmconsole.domain.filters import Table, parse_filter
from bmconsole.domain.listings import GRADES
from bmconsole.domain.money import Money
from bmconsole.domain.orders import OPEN, Status
from bmconsole.domain.rows import ListingRow, OrderRow, Query
from bmconsole.domain.text import clean
from bmconsole.domain.times import stamp, unstamp
from bmconsole.store import search
from bmconsole.store.filters import Where, compile_listings, compile_orders
from bmconsole.store.scan import Scan, count, narrowed, sorted_by, told_apart
from bmconsole.store.sqlite import Connection, Row

_ORDER_COLUMNS = (
    "order_id, state, status, country_code, currency, price, created, modified, due, n_lines, buyer, city, tracking"
)
_STATUSES = {status.value: status for status in Status}
_ORDER_SORTS = {
    name: f"orders.{name}"
    for name in ("order_id", "status", "state", "created", "modified", "paid", "due", "price", "buyer", "tracking")
} | {"market": "orders.country_code"}

_OFFER = " LEFT JOIN offers AS offer ON offer.listing = listings.id AND offer.market = ?"
_LISTING_COLUMNS = (
    "listings.id, listings.listing_id, listings.sku, listings.title, listings.grade, listings.quantity, "
    "offer.currency, offer.price, offer.min_price, offer.max_price, offer.publication_state, offer.price_to_win, "
    "offer.winning, offer.box_last"
)
_LISTING_SORTS = {
    "sku": "listings.sku",
    "title": "listings.title",
    # From the best grade to the worst, a grade that nobody knows last.
    "grade": f"CASE listings.grade {' '.join(f'WHEN {name!r} THEN {rank}' for rank, name in enumerate(GRADES))} END",
    "publication": "offer.publication_state",
    "stock": "listings.quantity",
    "price": "offer.price",
    "min": "offer.min_price",
    "max": "offer.max_price",
    "ptw": "offer.price_to_win",
    "gap": "offer.price - offer.price_to_win",
}


def orders_page(
    connection: Connection,
    query: Query,
    *,
    now: datetime,
    zone: tzinfo,
    currency: str,
    pending: Collection[int],
    backward: bool = False,
) -> list[OrderRow]:
    """Return a page of orders, newest first where the query names no sort; the key of an order is its id as text.

    Args:
        connection: On the mirror.
        query: Which orders, in which order.
        now: The server's time, by which orders are late.
        zone: The display zone, in which days begin and end.
        currency: What amounts in the filter are meant in.
        pending: The ids of orders with unfinished intents.
        backward: Whether `after`, `offset` and `limit` are counted from the end; the page is in its order all the same.

    Raises:
        FilterError: The filter cannot be read.
        UsageError: There is no such sort, or the query contradicts itself.
        NotFound: The order that the page is behind is not cached.
    """
    scan = _orders_scan(connection, query, now, zone, currency, pending)
    rows = (scan.reversed() if backward else scan).page(connection, query, _order_is(query.after or ""))
    if backward:
        rows.reverse()
    skus, at = _skus(connection, [row["order_id"] for row in rows]), stamp(now)
    return [_order_row(row, skus, at, pending) for row in rows]


def orders_passing(
    connection: Connection,
    query: Query,
    order_ids: Collection[int],
    *,
    now: datetime,
    zone: tzinfo,
    currency: str,
    pending: Collection[int] = (),
) -> set[str]:
    """Return which of these orders the query's filter holds for; arguments and errors as in `orders_page`."""
    scan = _orders_scan(connection, query, now, zone, currency, pending)
    return scan.passing(connection, "orders.order_id", order_ids)


def orders_position(
    connection: Connection,
    query: Query,
    order_id: str,
    *,
    now: datetime,
    zone: tzinfo,
    currency: str,
    pending: Collection[int] = (),
) -> int | None:
    """Return how many rows of the query come before an order, None where it is not among them."""
    return _orders_scan(connection, query, now, zone, currency, pending).position(connection, _order_is(order_id))


def orders_count(
    connection: Connection,
    query: Query,
    *,
    now: datetime,
    zone: tzinfo,
    currency: str,
    pending: Collection[int] = (),
) -> int:
    """Return how many orders the query's filter holds for; arguments and errors as in `orders_page`."""
    texts, others = told_apart(parse_filter(query.where, Table.ORDERS))
    if not others.terms and (found := search.count(connection, Table.ORDERS, texts)) is not None:
        return found
    return count(connection, "orders", *_orders_where(connection, query, now, zone, currency, pending))


def listings_page(
    connection: Connection,
    query: Query,
    *,
    market: str,
    currency: str,
    pending: Mapping[str, Mapping[str, str | int | None]],
    costed: Collection[str] | None = None,
    backward: bool = False,
) -> list[ListingRow]:
    """Return a page of listings that are not deleted, by title where the query names no sort; their key is the UUID.

    Args:
        connection: On the mirror.
        query: Which listings, in which order.
        market: Whose offers are shown, filtered and sorted by.
        currency: What amounts in the filter are meant in.
        pending: By UUID, the fields that unfinished intents want to change in this market, with the wanted values.
        costed: The SKUs that have a cost, None where costs are not known.
        backward: As in `orders_page`.

    Raises:
        FilterError: The filter cannot be read, or asks for costs that are not known.
        UsageError: There is no such sort, or the query contradicts itself.
        NotFound: The listing that the page is behind is not cached.
    """
    scan = _listings_scan(connection, query, market, currency, pending, costed)
    rows = (scan.reversed() if backward else scan).page(connection, query, _listing_is(query.after or ""))
    if backward:
        rows.reverse()
    return [_listing_row(row, market, pending.get(row["id"], {})) for row in rows]


def listings_passing(
    connection: Connection,
    query: Query,
    ids: Collection[str],
    *,
    market: str,
    currency: str,
    pending: Collection[str],
    costed: Collection[str] | None = None,
) -> set[str]:
    """Return which of these listings the query's filter holds for; arguments and errors as in `listings_page`."""
    scan = _listings_scan(connection, query, market, currency, pending, costed)
    return scan.passing(connection, "listings.id", ids)


def listings_position(
    connection: Connection,
    query: Query,
    listing: str,
    *,
    market: str,
    currency: str,
    pending: Collection[str],
    costed: Collection[str] | None = None,
) -> int | None:
    """Return how many rows of the query come before a listing, None where it is not among them."""
    scan = _listings_scan(connection, query, market, currency, pending, costed)
    return scan.position(connection, _listing_is(listing))


def listings_count(
    connection: Connection,
    query: Query,
    *,
    market: str,
    currency: str,
    pending: Collection[str],
    costed: Collection[str] | None = None,
) -> int:
    """Return how many listings the query's filter holds for; arguments and errors as in `listings_page`."""
    return count(connection, "listings", *_listings_where(connection, query, market, currency, pending, costed))


def sorts_for(table: Table | str) -> tuple[str, ...]:
    """Return the names by which `orders` or `listings` can be sorted."""
    return tuple(_ORDER_SORTS if Table(table) is Table.ORDERS else _LISTING_SORTS)


def _orders_scan(
    connection: Connection, query: Query, now: datetime, zone: tzinfo, currency: str, pending: Collection[int]
) -> Scan:
    where, by_key = _orders_where(connection, query, now, zone, currency, pending)
    sort, descending = sorted_by(query.sort or "-created", _ORDER_SORTS)
    return Scan("orders", "", (), by_key, _ORDER_COLUMNS, where, sort, "orders.order_id", descending)


def _order_is(order_id: str) -> Where:
    is_id = order_id.isascii() and order_id.isdecimal() and len(order_id) < 19
    return Where("orders.order_id = ?", (int(order_id),)) if is_id else Where("FALSE")


def _listings_scan(
    connection: Connection,
    query: Query,
    market: str,
    currency: str,
    pending: Collection[str],
    costed: Collection[str] | None,
) -> Scan:
    where, by_key = _listings_where(connection, query, market, currency, pending, costed)
    sort, descending = sorted_by(query.sort or "title", _LISTING_SORTS)
    return Scan("listings", _OFFER, (market,), by_key, _LISTING_COLUMNS, where, sort, "listings.row", descending)


def _listing_is(listing: str) -> Where:
    return Where("listings.id = ?", (listing.lower(),))


def _orders_where(
    connection: Connection, query: Query, now: datetime, zone: tzinfo, currency: str, pending: Collection[int]
) -> tuple[Where, bool]:
    texts, others = told_apart(parse_filter(query.where, Table.ORDERS))
    where = compile_orders(others, now=now, zone=zone, currency=currency, pending=pending)
    return narrowed(connection, Table.ORDERS, texts, where)


def _listings_where(
    connection: Connection,
    query: Query,
    market: str,
    currency: str,
    pending: Collection[str],
    costed: Collection[str] | None,
) -> tuple[Where, bool]:
    texts, others = told_apart(parse_filter(query.where, Table.LISTINGS))
    where = compile_listings(others, market=market, currency=currency, pending=pending, costed=costed)
    alive = Where(f"listings.deleted_at IS NULL AND {where.sql}", where.params)
    return narrowed(connection, Table.LISTINGS, texts, alive)


def _skus(connection: Connection, order_ids: Sequence[int]) -> dict[int, str]:
    """Return the distinct SKUs of each order, in the order of its lines."""
    lines = connection.execute(
        """SELECT order_id, sku FROM orderlines WHERE order_id IN (SELECT value FROM json_each(?)) AND sku IS NOT NULL
        ORDER BY order_id, line_id""",
        (json.dumps(order_ids),),
    )
    skus: dict[int, dict[str, None]] = {}
    for order_id, sku in lines:
        skus.setdefault(order_id, {})[_cleaned(sku)] = None
    return {order_id: ", ".join(of_order) for order_id, of_order in skus.items()}


def _order_row(row: Row, skus: Mapping[int, str], now: str, pending: Collection[int]) -> OrderRow:
    # Unpacked: names would be looked up among all columns, a thousand times a page.
    order_id, state, status_, country, currency, price, created, modified, due, n_lines, buyer, city, tracking = row
    status = _STATUSES.get(status_, Status.UNKNOWN)
    return OrderRow(
        order_id=order_id,
        state=state,
        status=status,
        country_code=_clean(country),
        buyer=_clean(buyer),
        city=_clean(city),
        price=_money(price, currency),
        n_lines=n_lines,
        skus=skus.get(order_id, ""),
        tracking=_clean(tracking),
        created=unstamp(created),
        modified=unstamp(modified),
        due=unstamp(due),
        late=status in OPEN and due is not None and due < now,
        pending=order_id in pending,
    )


def _listing_row(row: Row, market: str, pending: Mapping[str, str | int | None]) -> ListingRow:
    currency = row["currency"]
    return ListingRow(
        id=row["id"],
        listing_id=row["listing_id"],
        sku=clean(row["sku"]),
        title=clean(row["title"]),
        grade=_clean(row["grade"]),
        quantity=row["quantity"],
        market=market,
        price=_money(row["price"], currency),
        min_price=_money(row["min_price"], currency),
        max_price=_money(row["max_price"], currency),
        publication_state=row["publication_state"],
        price_to_win=_money(row["price_to_win"], currency),
        winning=None if row["winning"] is None else bool(row["winning"]),
        observed=unstamp(row["box_last"]),
        pending=pending,
    )


@overload
def _clean(text: str) -> str: ...
@overload
def _clean(text: None) -> None: ...
def _clean(text: str | None) -> str | None:
    return None if text is None else _cleaned(text)


# What is on a screen is painted again and again, and most of it is on every line.
_cleaned = lru_cache(maxsize=4_096)(clean)


def _money(minor: int | None, currency: str | None) -> Money | None:
    return None if minor is None or currency is None else Money(minor, _cleaned(currency))
