from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmconsole.domain.filters import (
    OPERATORS,
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


def fault(expression: str, table: str = "orders") -> FilterError:
    with pytest.raises(FilterError) as caught:
        parse_filter(expression, table)
    return caught.value


def test_every_kind_of_term() -> None:
    parsed = parse_filter(
        'status:to-accept,to-ship price>=400.50 !market:FR-fr late !backship "iphone 13" blue', "orders"
    )
    assert parsed.terms == (
        Term("status", Op.EQUALS, ("to-accept", "to-ship")),
        Term("price", Op.AT_LEAST, (Decimal("400.50"),)),
        Term("market", Op.EQUALS, ("fr-fr",), negated=True),
        Flag("late"),
        Flag("backship", negated=True),
        Text("iphone 13"),
        Text("blue"),
    )
    assert [term.position for term in parsed.terms] == [0, 25, 39, 53, 58, 68, 80]
    assert parsed.flags == {"late", "backship"}


@pytest.mark.parametrize("expression", ["", "   ", "\t\n"])
def test_no_terms_mean_every_row(expression: str) -> None:
    assert parse_filter(expression, "listings") == Filter(Table.LISTINGS)


def test_a_bare_word_is_the_flag_and_a_quoted_one_is_text() -> None:
    assert parse_filter('LATE "late" later late,', "orders").terms == (
        Flag("late"),
        Text("late"),
        Text("later"),
        Text("late,"),
    )
    assert parse_filter("late", "listings").terms == (Text("late"),), "listings have no such flag"
    assert parse_filter("status", "orders").terms == (Text("status"),), "a field without an operator is text"


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("sku:IP13", ("IP13",)),
        ('sku:"IP 13",B', ("IP 13", "B")),
        ('sku:B,"a,b"', ("B", "a,b")),
        (r'sku~"say \"hi\" \\ \n"', ('say "hi" \\ \\n',)),
        ('sku:27"', ('27"',)),
        ("sku:a:b>c", ("a:b>c",)),
        ("due<today", (RelativeDay(0),)),
        ("due<-7d", (RelativeDay(-7),)),
        ("due<+2d", (RelativeDay(2),)),
        ("due<2026-11-23", (date(2026, 11, 23),)),
        ("due<2026-11-23T08:00:00Z", (datetime(2026, 11, 23, 8, tzinfo=UTC),)),
        ("due<2026-11-23T10:00:00+02:00", (datetime(2026, 11, 23, 8, tzinfo=UTC),)),
        ("due<2026-11-23T08:30", (datetime(2026, 11, 23, 8, 30),)),  # noqa: DTZ001 - meant in the display zone
        ("state!=9,10", (9, 10)),
        ("price<-3", (Decimal(-3),)),
        ("STATUS:Shipped", ("shipped",)),
    ],
)
def test_values_have_the_type_of_their_field(expression: str, values: tuple[Value, ...]) -> None:
    (term,) = parse_filter(expression, "orders").terms
    assert isinstance(term, Term)
    assert term.values == values
    assert [type(value) for value in term.values] == [type(value) for value in values]


def test_names_of_listings() -> None:
    parsed = parse_filter("publication:online,3,7 grade:very-good,fair", "listings")
    assert parsed.terms == (
        Term("publication", Op.EQUALS, (2, 3, 7)),
        Term("grade", Op.EQUALS, ("VERY_GOOD", "FAIR")),
    )


@pytest.mark.parametrize(
    ("table", "expression", "position", "mentions", "hint"),
    [
        ("orders", "late stauts:shipped", 5, "no field stauts", "status"),
        ("orders", "!prise>4", 1, "no field prise", "price"),
        ("orders", "zzzz:1", 0, "no field zzzz", "status, state"),
        ("listings", "buyer:x", 0, "no field buyer in listings", "The fields are"),
        ("orders", "status:shiped", 7, "status: shiped", "shipped"),
        ("orders", "status:shipped,to-shp", 15, "status: to-shp", "to-ship"),
        ("orders", "market:fr-fx", 7, "market: fr-fx", "fr-fr"),
        ("listings", "grade:xyz", 6, "grade: xyz", "PREMIUM, EXCELLENT"),
        ("listings", "publication:onlin", 12, "publication: onlin", "online"),
        ("orders", "price>cheap", 6, "price: cheap", "449.90"),
        ("orders", "price>1e5", 6, "price: 1e5", "449.90"),
        ("orders", "price>NaN", 6, "price: NaN", "449.90"),
        ("orders", "price>449,90", 9, "takes one value", "point"),
        ("orders", "state:1.5", 6, "state: 1.5", "digits"),
        ("orders", "state:" + "9" * 19, 6, "not a whole number", "digits"),
        ("orders", "created>=2026-02-30", 9, "created: 2026-02-30", "2026-11-23"),
        ("orders", "created>=20261123", 9, "not a date", "2026-11-23"),
        ("orders", "created>=0001-01-01", 9, "not a date", "2026-11-23"),
        ("orders", "created>=tomorrow", 9, "not a date", "today"),
        ("orders", "status>shipped", 6, "no operator >", ": !="),
        ("orders", "buyer<x", 5, "no operator <", ": ~ !="),
        ("orders", "price~4", 5, "no operator ~", ">="),
        ("orders", 'late sku:"abc', 9, "not closed", '"'),
        ("orders", 'late "abc', 5, "not closed", '"'),
        ("orders", 'sku:"a"b', 7, "closing quote", None),
        ("orders", '"a"b', 3, "closing quote", None),
        ("orders", "status: shipped", 7, "status has no value", "without a space"),
        ("orders", "status:shipped,", 15, "status has no value", "without a space"),
        ("orders", 'sku:""', 4, "empty", None),
        ("orders", '""', 0, "empty", None),
        ("orders", "late:yes", 0, "late is a flag", "!late"),
        ("orders", "!latte", 1, "After !", "late"),
        ("orders", '!"text"', 1, "After !", "flags and fields"),
        ("orders", "!", 1, "After !", None),
        ("orders", "status=shipped", 6, "no operator =", "status:value"),
        ("orders", "status :shipped", 7, "Before : comes a field", None),
        ("orders", "late\x1b[0m", 4, "control characters", None),
        ("orders", "a\udc80", 1, "control characters", None),
    ],
)
def test_faults_name_the_place_and_the_way_out(
    table: str, expression: str, position: int, mentions: str, hint: str | None
) -> None:
    error = fault(expression, table)
    assert error.position == position
    assert mentions in error.message
    assert hint is None or hint in (error.hint or "")
    assert (error.field, error.exit) == ("where", 2)


def test_what_sqlite_could_not_carry_is_refused() -> None:
    assert fault("x" * 10_001).position == 10_000
    assert fault("late " * 101).position == 500
    assert "500 values" in fault("sku:" + ",".join("x" * 501)).message
    assert len(parse_filter("late " * 100, "orders").terms) == 100


def test_metadata_covers_what_the_parser_takes() -> None:
    assert [info.name for info in fields_for("orders")] == (
        ["status", "state", "market", "sku", "imei", "tracking", "buyer", "created", "modified", "paid", "due", "price"]
    )
    assert [info.name for info in fields_for("listings")] == (
        ["sku", "title", "grade", "publication", "stock", "price", "min", "max", "ptw", "gap", "market"]
    )
    assert [info.name for info in flags_for("orders")] == ["late", "due-today", "backship", "pending"]
    assert [info.name for info in flags_for("listings")] == (
        ["winning", "winnable", "blocked", "above-max", "out-of-stock", "no-cost", "pending"]
    )
    examples = {FieldType.TEXT: "x", FieldType.NUMBER: "1", FieldType.MONEY: "1.5", FieldType.DATE: "today"}
    for table in Table:
        for info in fields_for(table):
            assert info.help
            assert bool(info.values) == (info.type is FieldType.ENUM)
            for op in Op:
                expression = f"{info.name}{op}{info.values[0] if info.values else examples[info.type]}"
                if op in OPERATORS[info.type]:
                    assert len(parse_filter(expression, table).terms) == 1
                else:
                    assert "no operator" in fault(expression, table).message
        for flag in flags_for(table):
            assert flag.help
            assert parse_filter(flag.name, table).terms == (Flag(flag.name),)


readable = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from(" \t\n,\"\\!:~<>='%_"), min_size=1, max_size=12
)
_moments = st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1))  # noqa: DTZ001 - meant in the display zone
values: dict[FieldType, st.SearchStrategy[Value]] = {
    FieldType.TEXT: readable,
    FieldType.NUMBER: st.integers(-(10**18) + 1, 10**18 - 1),
    FieldType.MONEY: st.decimals(-(10**9), 10**9, places=2),
    FieldType.DATE: st.dates(date(1970, 1, 1), date(2999, 12, 31))
    | st.builds(RelativeDay, st.integers(-9999, 9999))
    | _moments
    | _moments.map(lambda moment: moment.replace(tzinfo=UTC)),
}


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    table = draw(st.sampled_from(Table))
    terms: list[Term | Flag | Text] = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["field", "field", "flag", "text"]))
        if kind == "flag":
            terms.append(Flag(draw(st.sampled_from(flags_for(table))).name, draw(st.booleans())))
        elif kind == "text":
            names = [flag.name for flag in flags_for(table)] + [info.name for info in fields_for(table)]
            terms.append(Text(draw(readable | st.sampled_from(names))))
        else:
            info = draw(st.sampled_from(fields_for(table)))
            op = draw(st.sampled_from(OPERATORS[info.type]))
            one = st.sampled_from([str(name) for name in info.values]) if info.values else values[info.type]
            if info.name == "publication":
                one = st.integers(0, 9)
            several = 3 if op in (Op.EQUALS, Op.CONTAINS, Op.DIFFERS) else 1
            terms.append(
                Term(info.name, op, tuple(draw(st.lists(one, min_size=1, max_size=several))), draw(st.booleans()))
            )
    return Filter(table, tuple(terms))


@settings(deadline=None)
@given(filters())
def test_what_a_filter_says_of_itself_means_the_same(wanted: Filter) -> None:
    assert parse_filter(str(wanted), wanted.table) == wanted


@settings(deadline=None)
@given(st.text(max_size=40) | st.text(st.sampled_from('late stau:~!=<>",\\7d-'), max_size=30), st.sampled_from(Table))
def test_any_text_is_a_filter_or_a_fault_with_a_place_in_it(expression: str, table: Table) -> None:
    parsed: Filter | None = None
    position = 0
    try:
        parsed = parse_filter(expression, table)
    except FilterError as error:
        position = error.position
    assert 0 <= position <= len(expression)
    assert parsed is None or parse_filter(str(parsed), table) == parsed
