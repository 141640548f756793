"""Prices typed as steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.domain.money import Money
from bmconsole.errors import UsageError
from bmconsole.writes.relative import stepped

EUR = Money(20_000, "EUR")


@pytest.mark.parametrize(
    ("text", "old", "becomes"),
    [
        ("+5%", EUR, "210.00"),
        ("-3 %", EUR, "194.00"),
        ("+2,5%", EUR, "205.00"),
        ("-2.50", EUR, "197.50"),
        ("- 2,50", EUR, "197.50"),
        ("+1", EUR, "201.00"),
        ("-0.5%", Money(9_999, "EUR"), "99.49"),
        ("+10%", Money(12_345, "JPY"), "13580"),
        ("+5.125%", Money(10_000, "JPY"), "10513"),
        ("231.50", EUR, "231.50"),
        ("231,50 EUR", EUR, "231,50 EUR"),
    ],
)
def test_a_step_goes_from_the_present_price(text: str, old: Money, becomes: str) -> None:
    assert stepped("price", text, old) == becomes


@pytest.mark.parametrize("text", ["+x%", "-1.234", "+1,234", "-2.505"])
def test_a_step_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as told:
        stepped("min_price", text, EUR)
    assert told.value.field == "min_price"


def test_a_percentage_of_yen_has_decimals_as_any_other() -> None:
    with pytest.raises(UsageError, match=r"\+5,125% is no step"):
        stepped("price", "+5,125%", Money(10_000, "JPY"))


def test_there_must_be_a_price_to_step_from() -> None:
    with pytest.raises(UsageError, match="no min_price that"):
        stepped("min_price", "+5%", None)


@given(st.integers(1, 10_000_000), st.integers(0, 9_000))
def test_a_percentage_is_off_by_half_a_cent_at_most(minor: int, basis_points: int) -> None:
    text = stepped("price", f"-{basis_points / 100:.2f}%", Money(minor, "EUR"))
    whole = int(text.replace(".", ""))
    assert abs(whole * 10_000 - minor * (10_000 - basis_points)) <= 5_000
