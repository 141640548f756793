from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.domain.money import Money, exact, rounded, rounded_up


@given(st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "GBP", "JPY", "SEK"]))
def test_minor_units_survive_text_and_back(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert exact(money.text(), currency) == money


@pytest.mark.parametrize(
    ("text", "currency"),
    [("231.505", "EUR"), ("12000.5", "JPY"), ("NaN", "EUR"), ("Infinity", "EUR"), ("x", "EUR")],
)
def test_what_is_off_the_grid_is_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals"):
        exact(text, currency)


def test_floors_round_up_and_prices_half_up() -> None:
    assert rounded_up(Decimal("402.1601"), "EUR") == Money(40217, "EUR")
    assert rounded(Decimal("402.165"), "EUR") == Money(40217, "EUR")
    assert rounded_up(Decimal("12000.1"), "JPY") == Money(12001, "JPY")


def test_json_has_the_currencys_decimals() -> None:
    assert Money(44900, "EUR").as_json() == {"amount": "449.00", "currency": "EUR"}
    assert Money(12000, "JPY").as_json() == {"amount": "12000", "currency": "JPY"}


def test_no_digit_is_lost_before_the_rounding() -> None:
    hardly = "0." + "0" * 40 + "1"
    assert rounded(Decimal("2.4" + "9" * 40), "JPY") == Money(2, "JPY")
    assert rounded_up(Decimal("2.50" + hardly[2:]), "EUR") == Money(251, "EUR")
    with pytest.raises(ValueError, match="has more than 2 decimals"):
        exact("2.50" + hardly[2:], "EUR")
    with pytest.raises(ValueError, match="is not an amount"):
        rounded(Decimal(f"{10**13}.{hardly[2:]}"), "EUR")
