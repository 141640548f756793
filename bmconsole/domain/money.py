"""Money: Decimal at the edges, integer minor units inside, never float."""

from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_CEILING, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import lru_cache

_MINOR_DIGITS = {"JPY": 0, "KRW": 0}
_LARGEST = Decimal(10) ** 13
_ONE = Decimal(1)
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Keeps every digit: the usual 28 would round a longer number before it is rounded, or found to be off the grid."""
_UNITS = {"JPY": Decimal(160), "KRW": Decimal(1_450), "SEK": Decimal(11), "AUD": Decimal("1.6")}


def minor_digits(currency: str) -> int:
    """Return how many decimals an amount in `currency` (ISO 4217 code) has: 0 for JPY, 2 otherwise."""
    return _MINOR_DIGITS.get(currency, 2)


def unit(currency: str) -> Decimal:
    """Return roughly what 1 EUR is in `currency`, in major units: for limits and for sorting, never for converting.

    5 units are 5.00 EUR, USD or GBP, 8.00 AUD, 55.00 SEK and 800 JPY.
    """
    return _UNITS.get(currency, _ONE)


@lru_cache(maxsize=64)
def minor_units(units: int, currency: str) -> int:
    """Return so many of `unit` in minor units: 5 are 500 in EUR, 5500 in SEK, 800 in JPY."""
    return int((units * unit(currency)).scaleb(minor_digits(currency)))


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount: `minor` counts the currency's smallest unit (cents; yen for JPY)."""

    minor: int
    currency: str

    @property
    def amount(self) -> Decimal:
        """The amount in major units, with the currency's own number of decimals."""
        return Decimal(self.minor).scaleb(-minor_digits(self.currency))

    def text(self) -> str:
        """Return the amount without currency, as the API writes it: `449.00`, `12000` for JPY."""
        minor, digits = self.minor, minor_digits(self.currency)
        if digits == 0:
            return str(minor)
        whole, rest = divmod(abs(minor), 10**digits)
        return f"{'-' if minor < 0 else ''}{whole}.{rest:0{digits}}"

    def __str__(self) -> str:
        return f"{self.text()} {self.currency}"

    def as_json(self) -> dict[str, str]:
        """Return `{"amount": "449.00", "currency": "EUR"}`."""
        return {"amount": self.text(), "currency": self.currency}


def exact(value: Decimal | str | int, currency: str) -> Money:
    """Return `value` in major units as Money.

    Raises:
        ValueError: Not a finite number, more decimals than the currency has, or beyond 10^13.
    """
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{value!r} is not an amount") from None
    if not number.is_finite() or number.copy_abs() > _LARGEST:
        raise ValueError(f"{value!r} is not an amount")
    scaled = number.scaleb(minor_digits(currency), _EXACT)
    if scaled != scaled.to_integral_value():
        digits = minor_digits(currency)
        raise ValueError(f"{value} has more than {digits} decimals, {currency} has {digits}")
    return Money(int(scaled), currency)


def rounded(value: Decimal, currency: str) -> Money:
    """Return `value` in major units, rounded half up to the currency's minor unit.

    Raises:
        ValueError: Not a finite number, or beyond 10^13.
    """
    if not value.is_finite():
        # Not among the arguments that are remembered: it may have no hash.
        raise ValueError(f"{value!r} is not an amount")
    return _rounded(value, currency)


@lru_cache(maxsize=4_096)
def _rounded(value: Decimal, currency: str) -> Money:
    return Money(_quantised(value, currency, ROUND_HALF_UP), currency)


def rounded_up(value: Decimal, currency: str) -> Money:
    """Return `value` in major units, rounded up to the minor unit, as floors are (never under cost).

    Raises:
        ValueError: Not a finite number, or beyond 10^13.
    """
    return Money(_quantised(value, currency, ROUND_CEILING), currency)


def _quantised(value: Decimal, currency: str, rounding: str) -> int:
    if not value.is_finite() or value.copy_abs() > _LARGEST:
        raise ValueError(f"{value!r} is not an amount")
    return int(value.scaleb(minor_digits(currency), _EXACT).to_integral_value(rounding))
