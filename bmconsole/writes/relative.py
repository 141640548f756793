"""Prices that are typed as a step from the present one: `+5%`, `-3 %`, `-2.50`."""

import re
from decimal import Decimal

from bmconsole.domain.money import Money, exact, rounded
from bmconsole.domain.text import clean
from bmconsole.errors import UsageError
from bmconsole.writes.amounts import plain_amount, plain_number

_PERCENT_DIGITS = 2
"""A percentage has decimals in every currency: 5,125 % of yen are not five thousand per cent."""
_STEP = re.compile(r"([+-])\s*([^+%-]+?)\s*(%?)")


def stepped(field: str, text: str, old: Money | None) -> str:
    """Return the price that `text` means from `old`, as text in major units; one that is no step comes back as it is.

    A percentage is rounded half up to the currency's smallest unit.

    Raises:
        UsageError: There is no price to step from, or the step cannot be read.
    """
    found = _STEP.fullmatch(text.strip())
    if found is None:
        return text
    sign, number, percent = found.groups()
    shown = clean(text, limit=40)
    if old is None:
        raise UsageError(f"There is no {field} that {shown} could step from.", field=field, value=shown)
    try:
        if percent:
            size = Decimal(plain_number(number, _PERCENT_DIGITS))
        else:
            size = exact(plain_amount(number, old.currency), old.currency).amount
    except (ValueError, ArithmeticError):
        raise UsageError(
            f"{shown} is no step.", field=field, value=shown, hint="Give a step like +5% or -2.50, or the amount."
        ) from None
    step = old.amount * size / 100 if percent else size
    return rounded(old.amount + (step if sign == "+" else -step), old.currency).text()
