"""Filters as SQL over the mirror: every value a parameter, every name from a fixed set.

A negated term, and `!=`, hold wherever the plain one does not, so also where the value is missing. SKU and IMEI are
equal exactly, because their indexes are; other text and all `~` ignore the case of ASCII letters; searched text ignores
case and accents (`search`).
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from bmconsole.domain.filters import Filter, Flag, Op, RelativeDay, Table, Term, Text, Value
from bmconsole.domain.money import exact
from bmconsole.domain.orders import OPEN
from bmconsole.domain.times import stamp
from bmconsole.errors import FilterError
from bmconsole.store import search

Param = str | int


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on the rows of `orders` or of `listings` alone, with its parameters in order."""

    sql: str
    params: tuple[Param, ...] = ()


_ORDER_TEXT = {"tracking": "orders.tracking COLLATE NOCASE", "buyer": "orders.buyer COLLATE NOCASE"}
_ORDER_LINE = {"sku": "orderlines.sku", "imei": "orderlines.imei"}
_ORDER_DATES = {name: f"orders.{name}" for name in ("created", "modified", "paid", "due")}
_ORDER_PLAIN = {
    "status": "orders.status",
    "state": "orders.state",
    # Back Market's documents write market codes in both cases.
    "market": "orders.country_code COLLATE NOCASE",
}

_LISTING_TEXT = {"sku": "listings.sku", "title": "listings.title COLLATE NOCASE"}
_LISTING_PLAIN = {"grade": "listings.grade", "stock": "listings.quantity"}
_OFFER_MONEY = {
    "price": "offer.price",
    "min": "offer.min_price",
    "max": "offer.max_price",
    "ptw": "offer.price_to_win",
    "gap": "offer.price - offer.price_to_win",
}
OFFER_FLAGS = {
    "winning": "offer.winning = 1",
    "winnable": "offer.winning IS NOT 1 AND offer.price_to_win >= coalesce(offer.floor, offer.min_price, 0)",
    "blocked": "offer.winning IS NOT 1 AND offer.price_to_win < coalesce(offer.floor, offer.min_price)",
    "above-max": "offer.price > offer.max_price",
}
"""The flags of a listing that its offer (`offer`) in the chosen market has, or not."""


def compile_orders(
    filter: Filter, *, now: datetime, zone: tzinfo, currency: str, pending: Collection[int] = ()
) -> Where:
    """Return the condition that `filter` puts on rows of `orders`.

    Args:
        filter: A filter over orders.
        now: The server's time, by which orders are late.
        zone: The display zone, in which days begin and end.
        currency: What amounts are meant in; an order in another currency has no price here.
        pending: The ids of orders with unfinished intents.

    Raises:
        FilterError: An amount has more decimals than the currency.
    """

    def one(term: Term | Flag | Text) -> Where:
        if isinstance(term, Text):
            return Where(*search.condition(Table.ORDERS, term.text))
        if isinstance(term, Flag):
            if term.name == "pending":
                return Where("orders.order_id IN (SELECT value FROM json_each(?))", (json.dumps(list(pending)),))
            return _order_flag(term, now, zone)
        if term.field in _ORDER_DATES:
            return _any([_date(_ORDER_DATES[term.field], term.op, value, now, zone) for value in term.values])
        if term.field == "price":
            amount = _money("orders.price", term, currency)
            return Where(f"orders.currency = ? AND {amount.sql}", (currency, *amount.params))
        if term.field in _ORDER_LINE:
            line = _compared(_ORDER_LINE[term.field], term)
            if term.op is Op.CONTAINS:
                return Where(_any_line(line), line.params)
            # Few orders have one SKU: found by the lines' index, not by asking every order.
            return Where(f"orders.order_id IN (SELECT order_id FROM orderlines WHERE {line.sql})", line.params)  # noqa: S608 - fixed names
        return _compared((_ORDER_TEXT | _ORDER_PLAIN)[term.field], term)

    return _all(filter, one)


def _any_line(where: Where) -> str:
    # Asked order by order, so that a page of frequent words is filled without reading every line.
    return f"EXISTS (SELECT 1 FROM orderlines WHERE orderlines.order_id = orders.order_id AND ({where.sql}))"  # noqa: S608 - fixed names


def _order_flag(flag: Flag, now: datetime, zone: tzinfo) -> Where:
    open_orders = f"orders.status IN ({', '.join('?' * len(OPEN))})"
    if flag.name == "late":
        return Where(f"{open_orders} AND orders.due < ?", (*OPEN, stamp(now)))
    if flag.name == "due-today":
        due = _date("orders.due", Op.EQUALS, RelativeDay(0), now, zone)
        return Where(f"{open_orders} AND {due.sql}", (*OPEN, *due.params))
    return Where("orders.is_backship = 1")


def compile_listings(
    filter: Filter, *, market: str, currency: str, pending: Collection[str], costed: Collection[str] | None
) -> Where:
    """Return the condition that `filter` puts on rows of `listings`.

    Args:
        filter: A filter over listings.
        market: Whose offers are meant by prices, publication and backbox.
        currency: What amounts are meant in; an offer in another currency has no price here.
        pending: The UUIDs of listings with unfinished intents.
        costed: The SKUs that have a cost, None where costs are not known.

    Raises:
        FilterError: An amount has more decimals than the currency, or the filter asks for costs that are not known.
    """

    def offered(condition: str, *params: Param) -> Where:
        return Where(
            f"EXISTS (SELECT 1 FROM offers AS offer WHERE offer.listing = listings.id AND offer.market = ? "  # noqa: S608 - fixed names
            f"AND {condition})",
            (market, *params),
        )

    def flagged(flag: Flag) -> Where:
        if flag.name == "out-of-stock":
            return Where("listings.quantity <= 0")
        if flag.name == "pending":
            return Where("listings.id IN (SELECT value FROM json_each(?))", (json.dumps(list(pending)),))
        if flag.name == "no-cost":
            if costed is None:
                raise FilterError("Costs are not known here.", position=flag.position, value=flag.name)
            return Where("listings.sku NOT IN (SELECT value FROM json_each(?))", (json.dumps(list(costed)),))
        return offered(OFFER_FLAGS[flag.name])

    def one(term: Term | Flag | Text) -> Where:
        if isinstance(term, Text):
            return Where(*search.condition(Table.LISTINGS, term.text))
        if isinstance(term, Flag):
            return flagged(term)
        if term.field == "market":
            markets = _compared("offer.market", term)
            return Where(
                f"EXISTS (SELECT 1 FROM offers AS offer WHERE offer.listing = listings.id AND {markets.sql})",  # noqa: S608 - fixed names
                markets.params,
            )
        if term.field == "publication":
            states = _compared("offer.publication_state", term)
            return offered(states.sql, *states.params)
        if term.field in _OFFER_MONEY:
            amount = _money(_OFFER_MONEY[term.field], term, currency)
            return offered(f"offer.currency = ? AND {amount.sql}", currency, *amount.params)
        return _compared((_LISTING_TEXT | _LISTING_PLAIN)[term.field], term)

    return _all(filter, one)


def like(text: str) -> str:
    """Return the pattern, for `LIKE ? ESCAPE '\\'`, of text that has `text` in it."""
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


def _all(filter: Filter, one: Callable[[Term | Flag | Text], Where]) -> Where:
    parts = []
    params: list[Param] = []
    for term in filter.terms:
        where = one(term)
        negated = not isinstance(term, Text) and term.negated
        if isinstance(term, Term):
            negated ^= term.op is Op.DIFFERS
        parts.append(f"({where.sql}) IS NOT TRUE" if negated else f"({where.sql})")
        params += where.params
    return Where(" AND ".join(parts) or "TRUE", tuple(params))


def _any(wheres: Collection[Where]) -> Where:
    return Where(
        " OR ".join(f"({where.sql})" for where in wheres), tuple(param for where in wheres for param in where.params)
    )


def _compared(column: str, term: Term) -> Where:
    """Compare a column with text, names or whole numbers; `!=` like `:`, since `_all` turns it round."""
    if term.op is Op.CONTAINS:
        return _contains((column,), term.values)
    values = tuple(value if isinstance(value, int) else str(value) for value in term.values)
    return _against(column, term.op, values)


def _money(expression: str, term: Term, currency: str) -> Where:
    minor = []
    for value in term.values:
        try:
            minor.append(exact(value if isinstance(value, Decimal) else str(value), currency).minor)
        except ValueError as error:
            raise FilterError(
                f"{term.field}: {error}.", position=term.position, value=str(value), hint="Write fewer decimals."
            ) from error
    return _against(expression, term.op, tuple(minor))


def _against(expression: str, op: Op, values: tuple[Param, ...]) -> Where:
    if op not in (Op.EQUALS, Op.DIFFERS):
        return Where(f"{expression} {op} ?", values)
    if len(values) == 1:
        return Where(f"{expression} = ?", values)
    return Where(f"{expression} IN ({', '.join('?' * len(values))})", values)


def _contains(columns: Collection[str], values: Collection[Value]) -> Where:
    return Where(
        " OR ".join(f"{column} LIKE ? ESCAPE '\\'" for value in values for column in columns),
        tuple(like(str(value)) for value in values for _ in columns),
    )


def _date(column: str, op: Op, value: Value, now: datetime, zone: tzinfo) -> Where:
    """Compare a time with a moment, or with a whole day: before its start, within it, after its end."""
    if isinstance(value, datetime):
        moment = stamp(value if value.tzinfo else value.replace(tzinfo=zone))
        return Where(f"{column} {'=' if op in (Op.EQUALS, Op.DIFFERS) else op} ?", (moment,))
    day = value if isinstance(value, date) else now.astimezone(zone).date()
    if isinstance(value, RelativeDay):
        day += timedelta(days=value.days)
    start = stamp(datetime.combine(day, time(), zone))
    end = stamp(datetime.combine(day + timedelta(days=1), time(), zone))
    match op:
        case Op.OVER:
            return Where(f"{column} >= ?", (end,))
        case Op.AT_LEAST:
            return Where(f"{column} >= ?", (start,))
        case Op.UNDER:
            return Where(f"{column} < ?", (start,))
        case Op.AT_MOST:
            return Where(f"{column} < ?", (end,))
        case _:
            return Where(f"{column} >= ? AND {column} < ?", (start, end))
