import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.domain.carriers import SHIPPERS, guess_shipper, shipper_named, tracking_number
from bmconsole.domain.imei import imei, luhn


@pytest.mark.parametrize(
    ("number", "country", "is_"),
    [
        ("1Z999AA10123456784", "fr-fr", "UPS"),
        ("6A12345678901", "fr-fr", "Colissimo"),
        ("8r12345678901", None, "Colissimo"),
        ("XY123456789FR", "fr-fr", "Chronopost"),
        ("CB123456789FR", "de-de", "Colissimo"),
        ("RR123456789DE", "de-de", "Deutsche Post"),
        ("RM123456789GB", "en-gb", "Royal Mail"),
        ("JJD000390007882823974", "de-de", "DHL"),
        ("00340434161094015902", "de-de", "DHL DE"),
        ("1234567890", "de-de", "DHL Express"),
        ("12345678901234", "fr-fr", "DPD FR"),
        ("12345678901234", "de-de", "DPD DE"),
        ("12345678901234", None, "DPD"),
        ("12345678901", "it-it", "GLS - IT"),
        ("123456789012", "en-us", "FedEx"),
        ("9400111899223100001234", "en-us", "USPS"),
        ("GE123456789FR", "fr-fr", "TNT"),
        ("AB", "fr-fr", None),
        ("QQ123456789ZZ", "fr-fr", None),
    ],
)
def test_the_carrier_is_guessed_from_the_number(number: str, country: str | None, is_: str | None) -> None:
    assert guess_shipper(number, country) == is_
    assert is_ is None or is_ in SHIPPERS


def test_every_shipper_is_known_by_its_name_in_any_case() -> None:
    assert len(SHIPPERS) == len(set(SHIPPERS)) > 80
    assert all(shipper_named(f" {name.upper()} ") == name for name in SHIPPERS)


@given(st.text())
def test_a_tracking_number_has_no_white_space(text: str) -> None:
    try:
        number = tracking_number(text)
    except ValueError:
        return
    assert number == "".join(text.split())
    assert tracking_number(number) == number


@given(st.integers(10**13, 10**14 - 1))
def test_one_misread_digit_or_two_swapped_ones_are_noticed(first: int) -> None:
    good = next(f"{first}{digit}" for digit in range(10) if luhn(f"{first}{digit}"))
    if len(set(good)) > 1:
        assert imei(f"{good[:2]} {good[2:8]}-{good[8:]}") == good
    for place in range(15):
        wrong = f"{good[:place]}{(int(good[place]) + 1) % 10}{good[place + 1 :]}"
        with pytest.raises(ValueError, match="check digit"):
            imei(wrong)
    for place in range(14):
        pair = good[place : place + 2]
        # Luhn does not see 09 and 90 swapped
        if pair[0] != pair[1] and set(pair) != {"0", "9"}:
            with pytest.raises(ValueError, match="check digit"):
                imei(good[:place] + pair[::-1] + good[place + 2 :])
