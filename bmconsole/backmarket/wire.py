"""What all wire models share: types that take what the API was seen to send, faults without values, unknown fields.

A model accepts null and absence everywhere except for what a record is kept by, keeps fields that it does not know, and
takes numbers as text and text as numbers. What it cannot take is a fault of the record, told by field and kind only:
values may be a buyer's.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import cache
from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from bmconsole.backmarket.wirejson import tame
from bmconsole.domain.money import Money, rounded
from bmconsole.domain.text import clean

Record = dict[str, object]
"""One object of an answer as it came, numbers with a fraction as Decimal."""

_INT64 = 2**63
_LARGEST_AMOUNT = Decimal(10) ** 12
_LONGEST_TEXT = 20_000
_YEARS = range(1970, 3000)
_MOST_UNKNOWN = 200
_UNSTORABLE = dict.fromkeys([0, *range(0xD800, 0xE000)], 0xFFFD)


class InvalidRecord(ValueError):
    """A record that cannot be understood; its message names the field and the kind of fault, never a value."""


def _fault(kind: str) -> PydanticCustomError:
    return PydanticCustomError("fault", "{kind}", {"kind": kind})


# A page has some 7,000 values: what they usually are goes the shortest way through the functions below.
def _whole(value: object) -> int | None:
    if type(value) is int and -_INT64 < value < _INT64:
        return value
    if value is None or value == "":
        return None
    number = _number(value)
    if number is None or number != number.to_integral_value() or abs(number) >= _INT64:
        raise _fault("not a whole number")
    return int(number)


def _amount(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    number = _number(value)
    if number is None or abs(number) > _LARGEST_AMOUNT:
        raise _fault("not an amount")
    return number


def _number(value: object) -> Decimal | None:
    if type(value) is str:
        return tame(value.strip())
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    # 20 digits more than any number in use; a longer int would take quadratic time to write out.
    if isinstance(value, int) and abs(value) >= 10**40:
        return None
    return tame(str(value).strip())


def _text(value: object) -> str | None:
    if type(value) is str and len(value) <= _LONGEST_TEXT:
        return value if value.isascii() and "\0" not in value else value.translate(_UNSTORABLE)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | None):
        raise _fault("not a text")
    if value is None:
        return None
    if isinstance(value, int) and abs(value) >= 10**40:
        raise _fault("too long")
    text = str(value)
    if len(text) > _LONGEST_TEXT:
        raise _fault("too long")
    return text.translate(_UNSTORABLE)


def _text_or_none(value: object) -> str | None:
    if value is None:
        return None
    return _text(value) or None


def _truth(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if value in (0, 1):
        return bool(value)
    known = {"true": True, "false": False, "1": True, "0": False, "": None}
    if isinstance(value, str) and value.strip().lower() in known:
        return known[value.strip().lower()]
    raise _fault("neither true nor false")


def _moment(value: object) -> datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(value.strip().upper()) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.year not in _YEARS:
        raise _fault("not a time")
    return moment


def _code(value: object) -> str | None:
    text = (_text(value) or "").strip().upper()
    if text and (len(text) != 3 or not text.isascii() or not text.isalpha()):
        raise _fault("not a currency")
    return text or None


Whole = Annotated[int | None, PlainValidator(_whole)]
"""An integer of 64 bits, also from text."""

Amount = Annotated[Decimal | None, PlainValidator(_amount)]
"""An amount of money in major units, from text or a number."""

Text = Annotated[str | None, PlainValidator(_text_or_none)]
"""A text, None when empty."""

KeptText = Annotated[str | None, PlainValidator(_text)]
"""A text in which empty and null differ."""

Truth = Annotated[bool | None, PlainValidator(_truth)]
"""A boolean, also as 0, 1 or text."""

Moment = Annotated[datetime | None, PlainValidator(_moment)]
"""An RFC 3339 time, with or without fraction and offset; without one the reader supplies the zone."""

Currency = Annotated[str | None, PlainValidator(_code)]
"""An ISO 4217 code in capitals."""


class WireModel(BaseModel):
    """The base of wire models: unknown fields are kept, nothing is changed afterwards.

    `PARTS` names the fields that hold other models or lists of them, `SPELLINGS` other names of fields with the name
    that the model uses.
    """

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    PARTS: ClassVar[Mapping[str, type["WireModel"]]] = {}
    SPELLINGS: ClassVar[Mapping[str, str]] = {}


Model = TypeVar("Model", bound=WireModel)


def parse(model: type[Model], record: object) -> Model:
    """Return `record` as `model`.

    Raises:
        InvalidRecord: It does not fit.
    """
    if not isinstance(record, dict):
        raise InvalidRecord("not an object")
    fault = ""
    try:
        return model.model_validate(record)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        fault = clean(f"{place}: {first['msg']}", limit=200)
    raise InvalidRecord(fault)


@cache
def _plain_names(model: type[WireModel]) -> frozenset[str]:
    return frozenset((model.model_fields.keys() | model.SPELLINGS.keys()) - model.PARTS.keys())


def unknown_in(model: type[WireModel], record: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Return the fields of `record` that `model` does not know, by path (`orderlines[].foo`), at most 200 of them."""
    found: dict[str, object] = {}
    plain = _plain_names(model)
    for key, value in record.items():
        if key in plain:
            continue
        if len(found) >= _MOST_UNKNOWN:
            break
        if key in model.PARTS:
            for path, item in _unknown_in_part(model.PARTS[key], value, f"{prefix}{key}"):
                found.setdefault(path, item)
        else:
            found.setdefault(clean(f"{prefix}{key}", limit=200), value)
    return found


def _unknown_in_part(model: type[WireModel], value: object, place: str) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return list(unknown_in(model, value, f"{place}.").items())
    items = value if isinstance(value, list) else []
    return [pair for item in items if isinstance(item, dict) for pair in unknown_in(model, item, f"{place}[].").items()]


def money(amount: Decimal | None, currency: str | None) -> Money | None:
    """Return an amount as Money, rounded half up where it is finer than the currency; None without one of the two."""
    return None if amount is None or currency is None else rounded(amount, currency)


def utc(moment: datetime | None, zone: tzinfo) -> datetime | None:
    """Return `moment` in UTC; without an offset it is meant in `zone`."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
