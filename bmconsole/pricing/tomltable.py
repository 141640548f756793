"""A table of a TOML text, its keys taken one by one, each as what it has to be; complaints name file and line."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from bmconsole.domain.filter_fields import nearest
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import Money, exact
from bmconsole.domain.text import clean
from bmconsole.domain.times import parse_duration
from bmconsole.errors import SettingsError
from bmconsole.pricing.tomllines import Path, line_of
from bmconsole.pricing.values import Amounts, Condition

Kind = Literal["share", "whole", "duration", "amounts", "flag", "floor or ceiling"]
"""How a value is written: per cent, a whole number, `15m`, `5.00 EUR` or `1 %`, true or false, a word."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

_CURRENCIES = sorted({place.currency for place in MARKETS.values()})
_AMOUNT = re.compile(r"(?P<amount>\d{1,12}(?:\.\d{1,6})?)\s*(?P<currency>[A-Za-z]{3})")
_SHARE = re.compile(r"(?P<share>\d{1,3}(?:\.\d{1,6})?)\s*%")
_END = re.compile(r"(?P<op><=|>=|<|>|==|=)?\s*(?P<number>-?\d{1,9}(?:\.\d{1,6})?)\s*(?:%|d|days?)?")


class TomlTable:
    """A table whose keys are taken one by one; what is left in the end is unknown.

    Every method raises SettingsError, with file and line, where a value is not what it has to be; a key that is not
    there is None or empty. `known` names the keys that were asked for.
    """

    def __init__(self, name: str, text: str, path: Path, values: dict[str, Any]) -> None:
        self.name = name
        self.text = text
        self.path = path
        self.values = values
        self.known: list[str] = []

    def value(self, key: str, kind: Kind, low: Any, high: Any) -> Any:  # the types follow from `kind`
        """Return a value of a kind that lies from `low` to `high`, where the kind has an order."""
        match kind:
            case "share":
                return self.share(key, low, high)
            case "whole":
                return self.whole(key, low, high)
            case "duration":
                return self.duration(key, low, high)
            case "amounts":
                return self.amounts(key)
            case "flag":
                return self.flag(key)
            case "floor or ceiling":
                return self.choice(key, ("hold", "floor", "ceiling"))

    def take(self, key: str) -> Any:
        self.known.append(key)
        return self.values.get(key)

    def table(self, key: str) -> "TomlTable":
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, "it has to be a table", f"Write {key} = {{ … }}.", value)
        return TomlTable(self.name, self.text, (*self.path, key), value or {})

    def tables(self, key: str) -> "list[TomlTable]":
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.wrong(key, "rules are tables of their own", f"Write [[{key}]].")
        return [TomlTable(self.name, self.text, (*self.path, key, n), each) for n, each in enumerate(value)]

    def one_text(self, key: str) -> str | None:
        value = self.take(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.wrong(key, "it has to be a text", f'Write {key} = "…".', value)
        return None if value is None else value.strip()

    def texts(self, key: str, *, commas: bool = False) -> tuple[str, ...]:
        value = self.take(key)
        if isinstance(value, str):
            value = value.split(",") if commas else [value]
        if value is None:
            return ()
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(each, str) and each.strip() for each in value)
        ):
            raise self.wrong(key, "it has to be a text, or a list of texts", f'Write {key} = "…".', value)
        return tuple(each.strip() for each in value)

    def several(self, key: str, known: tuple[str, ...], *, upper: bool) -> tuple[str, ...]:
        found = tuple(each.upper() if upper else each.lower() for each in self.texts(key, commas=True))
        for each in found:
            if each not in known:
                hint = near(each, {name.lower(): name for name in known})
                raise self.wrong(key, f"“{clean(each, limit=40)}” is none", hint, each)
        return found

    def choice(self, key: str, known: "tuple[str, ...] | list[str]") -> str | None:
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, str) or value.lower() not in known:
            raise self.wrong(key, f"it is none of {', '.join(known)}", "", value)
        return value.lower()

    def flag(self, key: str) -> bool | None:
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "it is true or false", f"Write {key} = true, without quotes.", value)
        return value

    def number(self, key: str) -> Decimal | None:
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, str) and value.strip().endswith("%"):
            value = _number(value.strip()[:-1])
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
            raise self.wrong(key, "it has to be a number", f"Write {key} = 5.", self.values[key])
        return Decimal(value)

    def share(self, key: str, low: int, high: int) -> Decimal | None:
        value = self.number(key)
        if value is None:
            return None
        if not low <= value <= high:
            raise self.wrong(key, f"it has to be from {low} to {high} per cent", "", self.values[key])
        return value / 100

    def whole(self, key: str, low: int, high: int) -> int | None:
        value = self.number(key)
        if value is None:
            return None
        if not low <= value <= high or value != int(value):
            raise self.wrong(key, f"it has to be a whole number from {low} to {high}", "", self.values[key])
        return int(value)

    def duration(self, key: str, low: timedelta, high: timedelta) -> timedelta | None:
        value = self.take(key)
        if value is None:
            return None
        try:
            span = parse_duration(value) if isinstance(value, str) else None
        except ValueError:
            span = None
        if span is None:
            raise self.wrong(key, "it is not a duration", f'Write {key} = "15m", or "2s", "6h", "3d".', value)
        if not low <= span <= high:
            most = f"{high // DAY} d" if high >= 2 * DAY else f"{high // HOUR} h"
            raise self.wrong(key, f"it has to be from 1 s to {most}", "", value)
        return span

    def amounts(self, key: str, *, shares: bool = True) -> Amounts | None:
        value = self.take(key)
        if value is None:
            return None
        way = f'Write {key} = "5.00 EUR", several as "5.00 EUR, 55 SEK"' + (', or "1 %".' if shares else ".")
        if not isinstance(value, str):
            raise self.wrong(key, "an amount needs its currency", way, value)
        if shares and (share := _SHARE.fullmatch(value.strip())) is not None:
            return Amounts(share=Decimal(share["share"]) / 100)
        each: list[Money] = []
        for part in value.split(","):
            match = _AMOUNT.fullmatch(part.strip())
            if match is None:
                raise self.wrong(key, f"“{clean(part.strip(), limit=40)}” is no amount with its currency", way, value)
            currency = match["currency"].upper()
            if currency not in _CURRENCIES:
                raise self.wrong(key, f"no market has the currency {currency}", f"Known: {', '.join(_CURRENCIES)}.")
            try:
                each.append(exact(match["amount"], currency))
            except ValueError as error:
                raise self.wrong(key, str(error), "", value) from None
        return Amounts(each=tuple(each))

    def condition(self, key: str, *, share: bool) -> Condition | None:
        value = self.take(key)
        if value is None:
            return None
        found = Condition()
        parts = value.split(",") if isinstance(value, str) else [str(value)]
        for part in parts:
            match = _END.fullmatch(part.strip())
            if match is None or isinstance(value, bool | list | dict):
                raise self.wrong(key, "it is no condition", f'Write {key} = ">= 3", or "> 3, <= 10".', value)
            number = Decimal(match["number"]) / (100 if share else 1)
            match match["op"]:
                case ">" | ">=":
                    found = replace(found, low=number, above=match["op"] == ">")
                case "<" | "<=":
                    found = replace(found, high=number, below=match["op"] == "<")
                case _:
                    found = Condition(number, number)
        if found.low is not None and found.high is not None:
            open_ended = found.above or found.below
            if found.low > found.high or (found.low == found.high and open_ended):
                raise self.wrong(key, "nothing can be both", f'Write {key} = "> 3, <= 10".', value)
        return found

    # What is wrong

    def end(self) -> None:
        """Refuse what no one took.

        Raises:
            SettingsError: There is a key that means nothing here.
        """
        for key in self.values:
            if key not in self.known:
                raise self.wrong(key, f"there is no “{clean(key, limit=60)}” here", near(key, self.known))

    def wrong(self, key: str, message: str, hint: str, value: object = None) -> SettingsError:
        line = line_of(self.text, (*self.path, key))
        where = f"{self.name}, line {line}" if line else self.name
        return SettingsError(
            f"{where}: {clean(key, limit=60)}: {message}.",
            field=clean(key, limit=60),
            value=None if value is None else clean(value, limit=80),
            hint=hint or None,
        )


def near(name: str, known: Iterable[str]) -> str:
    close = nearest(name, known)
    return f"Did you mean “{close}”?" if close else f"Known: {', '.join(known)}."


def _number(text: str) -> Decimal | None:
    return Decimal(text.strip()) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip()) else None
