"""Amounts as people write them, with a comma or a point, where only one reading is possible."""

import re

from bmconsole.domain.money import minor_digits

_GROUPING = "[ \u00a0\u202f'’]"
_PLAIN = re.compile(r"[+-]?\d+(\.\d+)?")
_GROUPED = re.compile(rf"[+-]?\d{{1,3}}(?:{_GROUPING}\d{{3}})+(?=[.,]|$)")


def plain_amount(text: str, currency: str) -> str:
    """Return an amount with a point as its decimal sign and nothing between the thousands.

    `231,50`, `1.234,50`, `1,234.50` and `1 234,50` have one meaning; `1,234` in a currency with cents has two, and
    `1.230` has in any. What is no amount at all comes back as it is.

    Raises:
        ValueError: It can mean two amounts.
    """
    number = text.strip()
    digits = minor_digits(currency)
    # Three places that are no amount of the currency are told as that, where it is read
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{2}0" if digits else r"[+-]?\d{1,3}\.\d{3}", number):
        other = number if digits else number.partition(".")[0]
        raise ValueError(f"{number} can mean {number.replace('.', '')} or {other}")
    return plain_number(text, digits)


def plain_number(text: str, digits: int) -> str:
    """Return a number of about so many decimals as `plain_amount` does; without decimals a comma parts thousands.

    Raises:
        ValueError: It can mean two numbers.
    """
    number = text.strip()
    if _GROUPED.match(number):
        number = re.sub(_GROUPING, "", number)
    if "," in number and "." in number:
        return _both(number)
    if number.count(",") > 1:
        return number.replace(",", "") if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", number) else text
    if number.count(".") > 1:
        return number.replace(".", "") if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+", number) else text
    if match := re.fullmatch(r"([+-]?\d+),(\d+)", number):
        return _comma(number, match[1], match[2], digits)
    return number if _PLAIN.fullmatch(number) else text


def _both(number: str) -> str:
    decimal = max(number.rfind(","), number.rfind("."))
    sign = number[decimal]
    other = "." if sign == "," else ","
    whole, cents = number[:decimal], number[decimal + 1 :]
    if sign in whole or not re.fullmatch(rf"[+-]?\d{{1,3}}(\{other}\d{{3}})+", whole) or not cents.isdecimal():
        return number
    return f"{whole.replace(other, '')}.{cents}"


def _comma(number: str, whole: str, rest: str, digits: int) -> str:
    if len(rest) == 3 and len(whole.lstrip("+-")) <= 3:
        if digits == 0:
            return whole + rest
        raise ValueError(f"{number} can mean {whole}{rest} or {whole}.{rest}")
    return f"{whole}.{rest}"
