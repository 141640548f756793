"""JSON as it comes from a network: exact numbers, and nothing in it that can take the page down with it."""

import json
import re
import secrets
from decimal import Decimal, InvalidOperation

_LONGEST_NUMBER = 60
_LARGEST_EXPONENT = 40
_DEEPEST_KEPT = 50
_STRUCTURE = re.compile(r'[\[\]{}]|"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# What stands before a Decimal's text until its quotes are taken away; nobody outside can know it.
_MARK = secrets.token_hex(8)
_MARKED = re.compile(f'"{_MARK}([^"]*)"')


def loads(body: bytes) -> object:
    """Return the value of a JSON text in UTF-8.

    Fractions become Decimal. What is no number that we can use (`NaN`, `Infinity`, thousands of digits, huge exponents)
    stays as its text, so that it fails where it is looked at and not with everything that came beside it; bytes that
    are not UTF-8 become U+FFFD for the same reason, lone surrogates in names of fields `?`, and what is nested deeper
    than can be followed `"…"`.

    Raises:
        ValueError: Not JSON.
    """
    text = body.decode("utf-8-sig", errors="replace")
    try:
        value = _load(text)
    except RecursionError:
        value = _load(_shallow(text))
    return _storable_names(value, _DEEPEST_KEPT) if _SURROGATE.search(text) else value


def dumps(value: object) -> str:
    """Return `value` as compact JSON in ASCII, Decimals as the numbers that they were.

    Values nested deeper than the interpreter can follow are cut off with `"…"`.
    """
    try:
        text = _ENCODER.encode(value)
    except RecursionError:
        text = _ENCODER.encode(_pruned(value, _DEEPEST_KEPT))
    return _MARKED.sub(r"\1", text) if _MARK in text else text


def tame(text: str) -> Decimal | None:
    """Return the number that `text` writes, None when it writes none or one of absurd size."""
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _LARGEST_EXPONENT else None


def _load(text: str) -> object:
    value: object = json.loads(text, parse_float=_fraction, parse_int=_whole, parse_constant=str)
    return value


def _shallow(text: str) -> str:
    """Return a JSON text whose values nested deeper than is kept are replaced."""
    kept: list[str] = []
    start = depth = 0
    for match in _STRUCTURE.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth == _DEEPEST_KEPT + 1:
                kept += text[start : match.start()], '"…"'
        elif match[0] in "]}":
            if depth == _DEEPEST_KEPT + 1:
                start = match.end()
            depth -= 1
    return "".join([*kept, text[start:]])


def _storable_names(value: object, depth: int) -> object:
    """Return `value` with names of fields that are Unicode; texts in it are left to who looks at them."""
    if depth and isinstance(value, dict):
        return {
            key.encode("utf-8", "replace").decode(): _storable_names(item, depth - 1) for key, item in value.items()
        }
    if depth and isinstance(value, list):
        return [_storable_names(item, depth - 1) for item in value]
    return value


def _fraction(text: str) -> Decimal | str:
    number = tame(text)
    return text if number is None else number


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_NUMBER else text


def _unusual(item: object) -> str:
    if isinstance(item, Decimal):
        return f"{_MARK}{item}"
    raise TypeError(f"{type(item).__name__} has no JSON form")


def _pruned(value: object, depth: int) -> object:
    if isinstance(value, dict | list) and depth == 0:
        return "…"
    if isinstance(value, dict):
        return {key: _pruned(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_pruned(item, depth - 1) for item in value]
    return value


_ENCODER = json.JSONEncoder(default=_unusual, separators=(",", ":"), allow_nan=False)
