import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmconsole.domain.filters import (
    OPERATORS,
    FieldInfo,
    FieldType,
    Filter,
    Flag,
    Op,
    RelativeDay,
    Table,
    Term,
    Text,
    Value,
    fields_for,
    flags_for,
    parse_filter,
)
from bmconsole.errors import FilterError
from bmconsole.store.filters import Where, compile_listings, compile_orders
from bmconsole.store.sqlite import Connection
from tests.store.mirror import (
    MARKETS,
    MOMENTS,
    NOW,
    SKUS,
    TEXTS,
    ZONE,
    Cell,
    Record,
    holding_listings,
    holding_orders,
    listing_key,
    listings,
    many_listings,
    many_orders,
    mirror,
    order_key,
    orders,
)

__all__ = ["mirror"]

TODAY = date(2026, 10, 25)
NEEDLES = (*SKUS, *TEXTS, "13", "0", "lyon", "LATE", "_", "\\", "é")
VALUES: Mapping[FieldType, Sequence[Value]] = {
    FieldType.TEXT: NEEDLES,
    FieldType.NUMBER: (-1, 0, 1, 3, 5, 9),
    FieldType.MONEY: [Decimal(text) for text in ("-1", "0", "0.01", "399", "400.00", "400.01")],
    FieldType.DATE: [
        *(TODAY + timedelta(days=days) for days in (-8, -1, 0, 1)),
        *(RelativeDay(days) for days in (-7, -1, 0, 1)),
        *(datetime.fromisoformat(moment) for moment in MOMENTS),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 30),  # noqa: DTZ001 - meant in the display zone
    ],
}
NAMES: Mapping[str, Sequence[Value]] = {
    "publication": (0, 2, 3, 7),
    "market": MARKETS,
    "grade": ("PREMIUM", "FAIR"),
    "status": ("to-accept", "to-ship", "shipped", "cancelled"),
}


def values_of(info: FieldInfo) -> Sequence[Value]:
    return NAMES[info.name] if info.values else VALUES[info.type]


def single_terms(table: Table) -> Iterator[Filter]:
    """Yield a filter for each flag, each text and each field with each operator and value, plain and negated."""
    for text in NEEDLES:
        yield Filter(table, (Text(text),))
    for negated in (False, True):
        for flag in flags_for(table):
            yield Filter(table, (Flag(flag.name, negated),))
        for info in fields_for(table):
            for op in OPERATORS[info.type]:
                for value in values_of(info):
                    yield Filter(table, (Term(info.name, op, (value,), negated),))


@st.composite
def filters(draw: st.DrawFn, table: Table) -> Filter:
    terms: list[Term | Flag | Text] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["field", "field", "field", "flag", "text"]))
        if kind == "flag":
            terms.append(Flag(draw(st.sampled_from(flags_for(table))).name, draw(st.booleans())))
        elif kind == "text":
            terms.append(Text(draw(st.sampled_from(NEEDLES))))
        else:
            info = draw(st.sampled_from(fields_for(table)))
            op = draw(st.sampled_from(OPERATORS[info.type]))
            one = st.sampled_from(values_of(info))
            several = 3 if op in (Op.EQUALS, Op.CONTAINS, Op.DIFFERS) else 1
            terms.append(
                Term(info.name, op, tuple(draw(st.lists(one, min_size=1, max_size=several))), draw(st.booleans()))
            )
    return Filter(table, tuple(terms))


# --- What filters mean, said a second time over plain rows.


def fold(text: str) -> bytes:
    return text.encode().lower()


def contains(cells: Sequence[Cell], needle: str) -> bool:
    return any(cell is not None and fold(needle) in fold(str(cell)) for cell in cells)


def plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).lower()


def searched(number: Cell, skus: Sequence[Cell], cells: Sequence[Cell], needle: str) -> bool:
    if len(needle) < 3:
        return str(number) == needle or any(str(sku).lower().startswith(needle.lower()) for sku in skus if sku)
    return any(plain(needle) in plain(str(cell)) for cell in (number, *skus, *cells) if cell is not None)


def ordered(op: Op, one: int, other: int) -> bool:
    return {
        Op.EQUALS: one == other,
        Op.OVER: one > other,
        Op.AT_LEAST: one >= other,
        Op.UNDER: one < other,
        Op.AT_MOST: one <= other,
    }[op]


def dated(op: Op, cell: Cell, value: Value) -> bool:
    if cell is None:
        return False
    moment = datetime.fromisoformat(str(cell))
    if isinstance(value, datetime):
        wanted = value if value.tzinfo else value.replace(tzinfo=ZONE)
        return ordered(op, round(moment.timestamp() * 1000), round(wanted.timestamp() * 1000))
    day = TODAY + timedelta(days=value.days) if isinstance(value, RelativeDay) else value
    assert isinstance(day, date)
    return ordered(op, moment.astimezone(ZONE).date().toordinal(), day.toordinal())


def matches(term: Term, cells: Sequence[Cell], *, exactly: bool = False, currency: Cell = "EUR") -> bool:
    """Tell whether one of `cells` is what the term asks for, leaving aside that it may be negated."""
    op = Op.EQUALS if term.op is Op.DIFFERS else term.op

    def one(cell: Cell, value: Value) -> bool:
        if cell is None:
            return False
        if op is Op.CONTAINS:
            return contains([cell], str(value))
        if isinstance(value, Decimal):
            return currency == "EUR" and ordered(op, int(cell), int(value * 100))
        if isinstance(value, RelativeDay | date):
            return dated(op, cell, value)
        if isinstance(value, int):
            return ordered(op, int(cell), value)
        return cell == value if exactly else fold(str(cell)) == fold(str(value))

    return any(one(cell, value) for cell in cells for value in term.values)


def holds(filter: Filter, meant: Callable[[Term | Flag | Text], bool]) -> bool:
    for term in filter.terms:
        negated = not isinstance(term, Text) and term.negated
        if isinstance(term, Term) and term.op is Op.DIFFERS:
            negated = not negated
        if meant(term) == negated:
            return False
    return True


def order_holds(filter: Filter, order_id: int, order: Record, lines: Sequence[Record]) -> bool:
    due = None if order["due"] is None else datetime.fromisoformat(str(order["due"]))
    is_open = order["status"] in ("to-accept", "to-ship")

    def meant(term: Term | Flag | Text) -> bool:
        if isinstance(term, Text):
            of_lines = [line[name] for line in lines for name in ("product", "imei")]
            own = [order["tracking"], order["buyer"], order["city"]]
            return searched(order_id, [line["sku"] for line in lines], [*own, *of_lines], term.text)
        if isinstance(term, Flag):
            return {
                "late": is_open and due is not None and due < NOW,
                "due-today": is_open and due is not None and due.astimezone(ZONE).date() == TODAY,
                "backship": order["is_backship"] == 1,
                "pending": order_id in (order_key(0), order_key(2)),
            }[term.name]
        if term.field in ("sku", "imei"):
            return matches(term, [line[term.field] for line in lines], exactly=True)
        column = {"market": "country_code"}.get(term.field, term.field)
        return matches(term, [order[column]], currency=order["currency"])

    return holds(filter, meant)


def listing_holds(filter: Filter, listing_id: str, listing: Record, offers: Sequence[Record]) -> bool:
    ours = next((offer for offer in offers if offer["market"] == "fr-fr"), None)

    def cell(name: str) -> int | None:
        value = None if ours is None else ours[name]
        return None if value is None else int(value)

    price, ptw, low, high = cell("price"), cell("price_to_win"), cell("min_price"), cell("max_price")
    gap = None if price is None or ptw is None else price - ptw

    def meant(term: Term | Flag | Text) -> bool:
        if isinstance(term, Text):
            return searched(listing["listing_id"], [listing["sku"]], [listing["title"], listing_id], term.text)
        if isinstance(term, Flag):
            losing = cell("winning") != 1
            return {
                "winning": not losing,
                "winnable": losing and ptw is not None and ptw >= (low or 0),
                "blocked": losing and ptw is not None and low is not None and ptw < low,
                "above-max": price is not None and high is not None and price > high,
                "out-of-stock": listing["quantity"] is not None and int(listing["quantity"]) <= 0,
                "no-cost": listing["sku"] not in SKUS[:2],
                "pending": listing_id in (listing_key(0), listing_key(2)),
            }[term.name]
        if term.field == "market":
            return matches(term, [offer["market"] for offer in offers])
        if term.field == "publication":
            return matches(term, [cell("publication_state")])
        if term.field in ("price", "min", "max", "ptw", "gap"):
            amount = {"price": price, "min": low, "max": high, "ptw": ptw, "gap": gap}[term.field]
            return matches(term, [amount], currency=None if ours is None else ours["currency"])
        column = {"stock": "quantity"}.get(term.field, term.field)
        return matches(term, [listing[column]], exactly=term.field == "sku")

    return holds(filter, meant)


def select(connection: Connection, table: str, key: str, where: Where) -> set[str | int]:
    sql = f"SELECT {key} FROM {table} WHERE {where.sql}"  # noqa: S608 - names of this file
    return {row[0] for row in connection.execute(sql, where.params)}


def orders_where(parsed: Filter) -> Where:
    pending = [order_key(0), order_key(2)]
    return compile_orders(parsed, now=NOW, zone=ZONE, currency="EUR", pending=pending)


def listings_where(parsed: Filter, costed: Sequence[str] | None = SKUS[:2]) -> Where:
    pending = [listing_key(0), listing_key(2)]
    return compile_listings(parsed, market="fr-fr", currency="EUR", pending=pending, costed=costed)


def test_every_single_term_finds_the_orders_that_it_means(mirror: Connection) -> None:
    records = many_orders(120)
    telling = 0
    with holding_orders(mirror, records):
        for wanted in single_terms(Table.ORDERS):
            found = select(mirror, "orders", "order_id", orders_where(wanted))
            keyed = [(order_key(index), *record) for index, record in enumerate(records)]
            assert found == {key for key, order, lines in keyed if order_holds(wanted, key, order, lines)}, str(wanted)
            telling += 0 < len(found) < len(records)
    assert telling > 1_000


def test_every_single_term_finds_the_listings_that_it_means(mirror: Connection) -> None:
    records = many_listings(120)
    telling = 0
    with holding_listings(mirror, records):
        for wanted in single_terms(Table.LISTINGS):
            found = select(mirror, "listings", "id", listings_where(wanted))
            keyed = [(listing_key(index), *record) for index, record in enumerate(records)]
            assert found == {key for key, row, offers in keyed if listing_holds(wanted, key, row, offers)}, str(wanted)
            telling += 0 < len(found) < len(records)
    assert telling > 400


@settings(deadline=None)
@given(records=orders, wanted=filters(Table.ORDERS))
def test_orders_found_by_sql_are_those_that_the_filter_means(
    mirror: Connection, records: list[tuple[Record, list[Record]]], wanted: Filter
) -> None:
    with holding_orders(mirror, records):
        found = select(mirror, "orders", "order_id", orders_where(wanted))
    assert found == {
        order_key(index)
        for index, (order, lines) in enumerate(records)
        if order_holds(wanted, order_key(index), order, lines)
    }


@settings(deadline=None)
@given(records=listings, wanted=filters(Table.LISTINGS))
def test_listings_found_by_sql_are_those_that_the_filter_means(
    mirror: Connection, records: list[tuple[Record, list[Record]]], wanted: Filter
) -> None:
    with holding_listings(mirror, records):
        found = select(mirror, "listings", "id", listings_where(wanted))
    assert found == {
        listing_key(index)
        for index, (listing, offers) in enumerate(records)
        if listing_holds(wanted, listing_key(index), listing, offers)
    }


ORDER: Record = {
    "state": 3,
    "status": "to-ship",
    "country_code": "fr-fr",
    "currency": "EUR",
    "price": 44_990,
    "created": "2026-10-25T22:59:59.999Z",
    "modified": None,
    "paid": None,
    "due": "2026-10-25T11:29:59.999Z",
    "buyer": "Ada 100%",
    "city": None,
    "tracking": None,
    "is_backship": 0,
}
LINES: list[Record] = [{"sku": "A_1", "product": "iPhone", "imei": None}, {"sku": "B", "product": None, "imei": "35"}]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("", True),
        ("created:today", True),  # the 25-hour day ends an hour later in UTC
        ("created<today", False),
        ("created>-1d created<+1d", True),
        ("created:2026-10-25", True),
        ("created>=2026-10-26", False),
        ("created:2026-10-25T22:59:59.999Z", True),
        ("late due-today", True),
        ("due<today", False),
        ("tracking!=X", True),
        ("!tracking:X", True),
        ("!tracking~X", True),
        ("!!tracking~X", None),
        ("!tracking!=X", False),
        ("!modified>today", True),
        ("sku:B", True),
        ("sku:b", False),
        ("sku~b", True),
        ("!sku:B", False),
        ("sku!=B,C", False),
        ("sku!=C", True),
        ("sku~_", True),
        ("sku~A%", False),
        ("100%", True),
        ("1%0", False),
        ("130", True),
        ("buyer:'", False),
        ('buyer:"ada 100%"', True),
        ("price:449.9", True),
        ("price>449.9", False),
        ("market:fr-fr,de-de", True),
        ("!market:de-de", True),
    ],
)
def test_what_an_operator_writes_finds_the_order(mirror: Connection, expression: str, found: bool | None) -> None:
    if found is None:
        with pytest.raises(FilterError):
            parse_filter(expression, "orders")
        return
    with holding_orders(mirror, [(ORDER, LINES)]):
        where = orders_where(parse_filter(expression, "orders"))
        assert bool(select(mirror, "orders", "order_id", where)) is found


def test_an_order_is_late_after_its_due_time_not_at_it(mirror: Connection) -> None:
    with holding_orders(mirror, [({**ORDER, "due": "2026-10-25T11:30:00.000Z"}, LINES)]):
        late = parse_filter("late", "orders")
        assert not select(mirror, "orders", "order_id", orders_where(late))
        after = compile_orders(late, now=NOW + timedelta(milliseconds=1), zone=ZONE, currency="EUR")
        assert select(mirror, "orders", "order_id", after)


def test_amounts_are_meant_in_the_chosen_currency(mirror: Connection) -> None:
    with holding_orders(mirror, [(ORDER, LINES), ({**ORDER, "currency": "JPY", "price": 12_000}, LINES)]):
        in_yen = compile_orders(parse_filter("price:12000", "orders"), now=NOW, zone=ZONE, currency="JPY")
        assert select(mirror, "orders", "order_id", in_yen) == {order_key(1)}
        in_euro = orders_where(parse_filter("price>1", "orders"))
        assert select(mirror, "orders", "order_id", in_euro) == {order_key(0)}


def test_an_amount_finer_than_the_currency_is_a_fault_at_its_term() -> None:
    with pytest.raises(FilterError) as caught:
        orders_where(parse_filter("late price>449.999", "orders"))
    assert (caught.value.position, caught.value.value) == (5, "449.999")
    assert "EUR has 2" in caught.value.message


def test_costs_that_are_not_known_cannot_be_filtered_by() -> None:
    with pytest.raises(FilterError) as caught:
        listings_where(parse_filter("winning no-cost", "listings"), costed=None)
    assert caught.value.position == 8
    assert listings_where(parse_filter("winning", "listings"), costed=None).sql


def test_values_reach_sql_as_parameters_only(mirror: Connection) -> None:
    nasty = "x'); DROP TABLE orders; --"
    for expression in (f'"{nasty}"', f'sku:"{nasty}"', f'buyer~"{nasty}"', f'tracking!="{nasty}","{nasty}"'):
        where = orders_where(parse_filter(expression, "orders"))
        assert "DROP" not in where.sql
        assert where.sql.count("?") == len(where.params)
        select(mirror, "orders", "order_id", where)


@pytest.mark.parametrize(
    "expression",
    [
        "created:" + ",".join(["2026-10-25"] * 500),
        "buyer~" + ",".join(["x"] * 500),
        "late " * 99 + "sku:" + ",".join(["x"] * 500),
        " ".join(['"' + "%" * 90 + '"'] * 100),
        "%" * 10_000,
        "ü" * 10_000,
    ],
)
def test_the_largest_filters_are_not_too_large_for_sqlite(mirror: Connection, expression: str) -> None:
    with holding_orders(mirror, [(ORDER, LINES)]):
        assert select(mirror, "orders", "order_id", orders_where(parse_filter(expression, "orders"))) <= {130}
