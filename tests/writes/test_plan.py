from datetime import UTC, datetime

import pytest

from bmconsole.domain.listings import Listing, Offer
from bmconsole.domain.money import Money
from bmconsole.errors import NotFound, UsageError
from bmconsole.writes.plan import plan_listing, resolve

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LISTING = Listing(
    "5a7e0d0c-0000-4000-8000-000000000001",
    1400001,
    "IP13-128",
    quantity=3,
    offers={
        "fr-fr": Offer("fr-fr", "EUR", Money(24900, "EUR"), Money(23000, "EUR"), comment="Testé", warranty_delay=12),
        "ja-jp": Offer("ja-jp", "JPY", Money(41800, "JPY")),
    },
)


def test_the_diff_names_what_changes_and_leaves_out_what_does_not() -> None:
    plan = plan_listing(LISTING, "fr-fr", {"price": "231.5", "quantity": "3"}, origin="operator", now=NOW)
    assert [(change.field, change.old, change.new, change.note) for change in plan.changes] == [
        ("price", "249.00", "231.50", "-7.0 %")
    ]
    (intent,) = plan.intents
    assert (dict(intent.base), dict(intent.want)) == ({"price": "249.00"}, {"price": "231.50"})


def test_nothing_to_change_is_an_empty_plan() -> None:
    plan = plan_listing(LISTING, "fr-fr", {"price": "249.00 eur"}, origin="operator", now=NOW)
    assert (plan.changes, plan.intents) == ((), ())


@pytest.mark.parametrize(
    ("market", "field", "value", "says"),
    [
        ("fr-fr", "price", "231.505", "more than 2 decimals"),
        ("ja-jp", "price", "41800.5", "more than 0 decimals"),
        ("fr-fr", "price", "231.50 GBP", "sells in EUR, not in GBP"),
        ("fr-fr", "price", "0", "not above 0"),
        ("fr-fr", "price", "-5", "not above 0"),
        ("fr-fr", "price", "1e400", "not an amount"),
        ("fr-fr", "price", "NaN", "not an amount"),
        ("fr-fr", "price", "", "not an amount"),
        ("fr-fr", "price", "229.00", "above price"),
        ("fr-fr", "min_price", "250.00", "above price"),
        ("fr-fr", "quantity", "- 1", "no quantity"),
        ("fr-fr", "quantity", "1.5", "no quantity"),
        ("fr-fr", "quantity", "-4", "would be negative"),
        ("fr-fr", "quantity", "٣", "no quantity"),
        ("fr-fr", "quantity", "1000001", "no quantity"),
        ("fr-fr", "comment", "x" * 501, "501 characters"),
        ("fr-fr", "warranty_delay", "11", "no warranty"),
        ("fr-fr", "colour", "red", "no field"),
    ],
)
def test_what_cannot_be_is_refused_with_field_value_and_way_out(market: str, field: str, value: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        plan_listing(LISTING, market, {field: value}, origin="operator", now=NOW)
    assert refused.value.field in (field, "field", "min_price")
    assert refused.value.hint


def test_a_market_that_was_never_read_has_nothing_to_change() -> None:
    with pytest.raises(NotFound, match="not known in de-de"):
        plan_listing(LISTING, "de-de", {"price": "1.00"}, origin="operator", now=NOW)


@pytest.mark.parametrize(("want", "live", "is_"), [("+2", 5, 7), ("-2", 5, 3), ("-9", 5, 0), (4, 5, 4), ("+1", -1, 0)])
def test_a_relative_quantity_applies_to_the_live_one(want: str | int, live: int, is_: int) -> None:
    assert resolve({"quantity": 1}, {"quantity": want}, {"quantity": live}) == {"quantity": is_}
