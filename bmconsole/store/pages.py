"""Pages of orders and listings: filtered, sorted, and continued behind a row at a cost that depth does not change.

Rows are ordered by the sorted value and then by the primary key, both in the same direction; rows without a value come
last in both directions. A page behind a row is therefore the rest of the rows with a value, then those without, each
a range of an index where there is one.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import overload

from bmconsole.domain.filters import Filter, Table, Text, nearest, parse_filter
from bmconsole.domain.listings import GRADES
from bmconsole.domain.money import Money
from bmconsole.domain.orders import OPEN, Status
from bmconsole.domain.text import clean
from bmconsole.domain.times import stamp, unstamp
from bmconsole.domain.views import ListingRow, OrderRow, Query
from bmconsole.errors import NotFound, UsageError
from bmconsole.store import search
from bmconsole.store.filters import Param, Where, compile_listings, compile_orders
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
_ALWAYS_SET = {"orders.order_id", "orders.status", "orders.state", "listings.sku", "listings.title"}


@dataclass(frozen=True, slots=True)
class _Scan:
    """What a page is cut from: rows of `table` with `join` (and its parameters) under `where`, by `sort`, then `key`.

    `by_key` tells that `where` names the few keys that can be, so that no other index is worth asking. `nulls_first` is
    the order read from its end: rows without a value, last otherwise, come first.
    """

    table: str
    join: str
    join_params: tuple[Param, ...]
    by_key: bool
    columns: str
    where: Where
    sort: str
    key: str
    descending: bool
    nulls_first: bool = False

    def reversed(self) -> "_Scan":
        """Return the same rows from the last to the first."""
        return replace(self, descending=not self.descending, nulls_first=not self.nulls_first)

    def passing(self, connection: Connection, name: str, keys: Collection[int | str]) -> set[str]:
        """Return which of `keys`, values of the column `name`, are among the rows, as text."""
        found = connection.execute(
            f"SELECT {name} FROM {self.table} WHERE {self.where.sql} "  # noqa: S608 - fixed names
            f"AND {name} IN (SELECT value FROM json_each(?))",
            (*self.where.params, json.dumps(list(keys))),
        )
        return {str(row[0]) for row in found}

    def position(self, connection: Connection, anchor: Where) -> int | None:
        """Return how many rows come before the one that `anchor` holds for, None where it is not among the rows."""
        row = connection.execute(
            f"SELECT {self.sort} AS value, {self.key} AS key FROM {self.table}{self.join} "  # noqa: S608 - fixed names
            f"WHERE {anchor.sql} AND {self.where.sql}",
            (*self.join_params, *anchor.params, *self.where.params),
        ).fetchone()
        if row is None:
            return None
        sooner = ">" if self.descending else "<"
        before = Where(f"({self.sort}, {self.key}) {sooner} (?, ?)", (row["value"], row["key"]))
        if row["value"] is None:
            before = Where(f"({self.sort} IS NOT NULL OR {self.sort} IS NULL AND {self.key} {sooner} ?)", (row["key"],))
        counted = connection.execute(
            f"SELECT count(*) FROM {self.table}{self.join} WHERE {before.sql} AND {self.where.sql}",  # noqa: S608 - fixed names
            (*self.join_params, *before.params, *self.where.params),
        )
        return int(counted.fetchone()[0])

    def page(self, connection: Connection, query: Query, anchor: Where) -> list[Row]:
        """Return the page of `query`; `anchor` is the condition on the row that it is behind.

        Raises:
            NotFound: The row that the page is behind is not cached.
            UsageError: Both a row to be behind and an offset, or a negative number.
        """
        if query.limit < 0 or query.offset < 0:
            field = "limit" if query.limit < 0 else "offset"
            raise UsageError(f"{field} cannot be negative.", field=field, value=str(getattr(query, field)))
        if query.after is None:
            return self._rows(connection, Where("TRUE"), query.limit, query.offset)
        if query.offset:
            raise UsageError("A page is either behind a row or at an offset.", field="offset", value=str(query.offset))
        row = connection.execute(
            f"SELECT {self.sort} AS value, {self.key} AS key FROM {self.table}{self.join} WHERE {anchor.sql}",  # noqa: S608 - fixed names
            (*self.join_params, *anchor.params),
        ).fetchone()
        if row is None:
            raise NotFound("The row that the page should follow is not cached.", field="after", value=query.after)
        beyond = "<" if self.descending else ">"
        if row["value"] is None:
            found = self._rows(
                connection, Where(f"{self.sort} IS NULL AND {self.key} {beyond} ?", (row["key"],)), query.limit
            )
            return found + self._rest(connection, query.limit, found, "NOT NULL") if self.nulls_first else found
        found = self._rows(
            connection,
            Where(f"({self.sort}, {self.key}) {beyond} (?, ?)", (row["value"], row["key"])),
            query.limit,
        )
        if self.sort not in _ALWAYS_SET and not self.nulls_first:
            found += self._rest(connection, query.limit, found, "NULL")
        return found

    def _rest(self, connection: Connection, limit: int, found: Sequence[Row], what: str) -> list[Row]:
        """Return rows whose value is `what`, as many as a page that begins with `found` still has room for."""
        if limit and len(found) >= limit:
            return []
        return self._rows(connection, Where(f"{self.sort} IS {what}"), limit - len(found) if limit else 0)

    def _rows(self, connection: Connection, extra: Where, limit: int, offset: int = 0) -> list[Row]:
        # Descending, SQLite puts NULLs last of itself, ascending first; only the opposite must be asked for.
        direction = "DESC" if self.descending else "ASC"
        nulls = "" if self.descending is not self.nulls_first else " NULLS FIRST" if self.descending else " NULLS LAST"
        if self.sort in _ALWAYS_SET:
            nulls = ""
        source = f"{self.table}{' NOT INDEXED' if self.by_key else ''}{self.join}"
        return list(
            connection.execute(
                f"SELECT {self.columns} FROM {source} WHERE {self.where.sql} AND {extra.sql} "  # noqa: S608 - fixed names
                f"ORDER BY {self.sort} {direction}{nulls}, {self.key} {direction} LIMIT ? OFFSET ?",
                (*self.join_params, *self.where.params, *extra.params, limit or -1, offset),
            )
        )


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
    scan = _orders_scan(connection, query, now, zone, currency)
    rows = (scan.reversed() if backward else scan).page(connection, query, _order_is(query.after or ""))
    if backward:
        rows.reverse()
    skus, at = _skus(connection, [row["order_id"] for row in rows]), stamp(now)
    return [_order_row(row, skus, at, pending) for row in rows]


def orders_passing(
    connection: Connection, query: Query, order_ids: Collection[int], *, now: datetime, zone: tzinfo, currency: str
) -> set[str]:
    """Return which of these orders the query's filter holds for; arguments and errors as in `orders_page`."""
    return _orders_scan(connection, query, now, zone, currency).passing(connection, "orders.order_id", order_ids)


def orders_position(
    connection: Connection, query: Query, order_id: str, *, now: datetime, zone: tzinfo, currency: str
) -> int | None:
    """Return how many rows of the query come before an order, None where it is not among them."""
    return _orders_scan(connection, query, now, zone, currency).position(connection, _order_is(order_id))


def orders_count(connection: Connection, query: Query, *, now: datetime, zone: tzinfo, currency: str) -> int:
    """Return how many orders the query's filter holds for; arguments and errors as in `orders_page`."""
    texts, others = _told_apart(parse_filter(query.where, Table.ORDERS))
    if not others.terms and (found := search.count(connection, Table.ORDERS, texts)) is not None:
        return found
    return _count(connection, "orders", *_orders_where(connection, query, now, zone, currency))


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
    return _count(connection, "listings", *_listings_where(connection, query, market, currency, pending, costed))


def sorts_for(table: Table | str) -> tuple[str, ...]:
    """Return the names by which `orders` or `listings` can be sorted."""
    return tuple(_ORDER_SORTS if Table(table) is Table.ORDERS else _LISTING_SORTS)


def _orders_scan(connection: Connection, query: Query, now: datetime, zone: tzinfo, currency: str) -> _Scan:
    where, by_key = _orders_where(connection, query, now, zone, currency)
    sort, descending = _sort(query.sort or "-created", _ORDER_SORTS)
    return _Scan("orders", "", (), by_key, _ORDER_COLUMNS, where, sort, "orders.order_id", descending)


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
) -> _Scan:
    where, by_key = _listings_where(connection, query, market, currency, pending, costed)
    sort, descending = _sort(query.sort or "title", _LISTING_SORTS)
    return _Scan("listings", _OFFER, (market,), by_key, _LISTING_COLUMNS, where, sort, "listings.row", descending)


def _listing_is(listing: str) -> Where:
    return Where("listings.id = ?", (listing.lower(),))


def _orders_where(
    connection: Connection, query: Query, now: datetime, zone: tzinfo, currency: str
) -> tuple[Where, bool]:
    texts, others = _told_apart(parse_filter(query.where, Table.ORDERS))
    return _narrowed(connection, Table.ORDERS, texts, compile_orders(others, now=now, zone=zone, currency=currency))


def _listings_where(
    connection: Connection,
    query: Query,
    market: str,
    currency: str,
    pending: Collection[str],
    costed: Collection[str] | None,
) -> tuple[Where, bool]:
    texts, others = _told_apart(parse_filter(query.where, Table.LISTINGS))
    where = compile_listings(others, market=market, currency=currency, pending=pending, costed=costed)
    alive = Where(f"listings.deleted_at IS NULL AND {where.sql}", where.params)
    return _narrowed(connection, Table.LISTINGS, texts, alive)


def _told_apart(parsed: Filter) -> tuple[list[str], Filter]:
    """Return the texts that a filter searches for, and the filter without them."""
    others = tuple(term for term in parsed.terms if not isinstance(term, Text))
    return [term.text for term in parsed.terms if isinstance(term, Text)], Filter(parsed.table, others)


def _narrowed(connection: Connection, table: Table, texts: Sequence[str], where: Where) -> tuple[Where, bool]:
    if not texts:
        return where, False
    (sql, params), by_key = search.narrowed(connection, table, texts)
    return Where(f"{sql} AND {where.sql}", (*params, *where.params)), by_key


def _count(connection: Connection, table: str, where: Where, by_key: bool) -> int:
    sql = f"SELECT count(*) FROM {table}{' NOT INDEXED' if by_key else ''} WHERE {where.sql}"  # noqa: S608 - fixed names
    return int(connection.execute(sql, where.params).fetchone()[0])


def _sort(wanted: str, sorts: Mapping[str, str]) -> tuple[str, bool]:
    descending = wanted.startswith("-")
    name = wanted.removeprefix("-").lower()
    if name not in sorts:
        near = nearest(name, sorts)
        raise UsageError(
            f"There is no sort {clean(name, limit=60)}.",
            field="sort",
            value=clean(wanted, limit=60),
            hint=f"Did you mean {near}?" if near else f"It is one of {', '.join(sorts)}.",
        )
    return sorts[name], descending


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
