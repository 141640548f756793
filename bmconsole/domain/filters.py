"""The filter language over orders and listings, shared by the console and the commands.

    status:to-accept,to-ship price>=400 !market:fr-fr late "iphone 13"

Terms are separated by spaces and all must hold. A term is `[!]flag`, `[!]field OP value[,value…]`, or text to search.
A bare word that is a flag's name is the flag; in quotes it is text. Within quotes a backslash goes before a quote and
before a backslash.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as _field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

from bmconsole.domain.filter_fields import (
    FIELDS,
    FLAG_NAMES,
    FLAGS,
    OPERATORS,
    PUBLICATIONS,
    FieldInfo,
    FieldType,
    FlagInfo,
    Op,
    Table,
    fields_for,
    flags_for,
    nearest,
)
from bmconsole.domain.text import clean
from bmconsole.errors import FilterError

__all__ = [
    "OPERATORS",
    "FieldInfo",
    "FieldType",
    "Filter",
    "Flag",
    "FlagInfo",
    "Op",
    "RelativeDay",
    "Table",
    "Term",
    "Text",
    "Value",
    "fields_for",
    "flags_for",
    "nearest",
    "parse_filter",
]

# SQLite builds an expression tree at most 1,000 deep and matches patterns of at most 50,000 bytes.
_MAX_LENGTH = 10_000
_MAX_TERMS = 100
_MAX_VALUES = 500

_YEARS = range(1970, 3000)


@dataclass(frozen=True, slots=True)
class RelativeDay:
    """A whole day of the display zone, `days` from today: `today` is 0, `-7d` is -7."""

    days: int

    def __str__(self) -> str:
        return "today" if self.days == 0 else f"{self.days:+d}d"


Value: TypeAlias = str | int | Decimal | date | datetime | RelativeDay
"""Text and names as str, numbers and publication states as int, money as Decimal in major units, a whole day of the
display zone as date or RelativeDay, a moment as datetime (naive: in the display zone)."""


@dataclass(frozen=True, slots=True)
class Term:
    """`[!]field OP value[,value…]`; `position` is where it starts in the expression."""

    field: str
    op: Op
    values: tuple[Value, ...]
    negated: bool = False
    position: int = _field(default=0, compare=False)

    def __str__(self) -> str:
        values = ",".join(_written(value) for value in self.values)
        return f"{'!' if self.negated else ''}{self.field}{self.op}{values}"


@dataclass(frozen=True, slots=True)
class Flag:
    """`[!]flag`."""

    name: str
    negated: bool = False
    position: int = _field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{'!' if self.negated else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Text:
    """Words to search for in everything that people know a row by."""

    text: str
    position: int = _field(default=0, compare=False)

    def __str__(self) -> str:
        plain = _PLAIN_TEXT.fullmatch(self.text) and self.text.lower() not in FLAG_NAMES
        return self.text if plain else _quoted(self.text)


@dataclass(frozen=True, slots=True)
class Filter:
    """Terms of which all must hold; none: every row. `str()` of it parses to an equal filter."""

    table: Table
    terms: tuple[Term | Flag | Text, ...] = ()

    @property
    def flags(self) -> frozenset[str]:
        """The flags that it asks for, negated or not."""
        return frozenset(term.name for term in self.terms if isinstance(term, Flag))

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms)


_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\S+")
_VALUE = re.compile(r"[^\s,]*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_FIELD_OP = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(!=|>=|<=|:|~|>|<)")
_FIELD_IS = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=")
_LEADING_OP = re.compile(r"!=|>=|<=|[:~><=]")
_PLAIN_TEXT = re.compile(r"[\w.@-]+")
_PLAIN_VALUE = re.compile(r'[^\s,"\\]+')
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_AMOUNT = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAYS = re.compile(r"([+-][0-9]{1,4})d")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def parse_filter(expression: str, table: Table | str) -> Filter:
    """Return the filter that `expression` says.

    Raises:
        FilterError: It cannot be read; the position is where the fault is.
    """
    return _Parser(expression, Table(table)).parse()


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, expression: str, table: Table) -> None:
        self._text = expression
        self._table = table
        self._fields = FIELDS[table]
        self._flags = FLAGS[table]
        self._at = 0
        self._values = 0

    def parse(self) -> Filter:
        if len(self._text) > _MAX_LENGTH:
            raise FilterError(f"A filter has at most {_MAX_LENGTH:,} characters.", position=_MAX_LENGTH)
        if found := _UNREADABLE.search(self._text):
            raise FilterError("A filter cannot hold control characters.", position=found.start())
        terms: list[Term | Flag | Text] = []
        self._skip(_SPACE)
        while self._at < len(self._text):
            if len(terms) == _MAX_TERMS:
                raise FilterError(f"A filter has at most {_MAX_TERMS} terms.", position=self._at)
            terms.append(self._term())
            self._skip(_SPACE)
        return Filter(self._table, tuple(terms))

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _term(self) -> Term | Flag | Text:
        start = self._at
        if self._text[start] == '"':
            text = self._quoted_value("The text to search for")
            if self._at < len(self._text) and not self._text[self._at].isspace():
                raise FilterError("After a closing quote comes a space.", position=self._at)
            return Text(text, start)
        negated = self._text[start] == "!" and not self._text.startswith("!=", start)
        self._at += negated
        if found := _FIELD_OP.match(self._text, self._at):
            return self._field_term(found, negated, start)
        return self._word_term(negated, start)

    def _field_term(self, found: re.Match[str], negated: bool, start: int) -> Term:
        name, op = found[1].lower(), Op(found[2])
        info = self._fields.get(name)
        if info is None:
            raise self._unknown_field(name, found.start(1))
        if op not in OPERATORS[info.type]:
            allowed = " ".join(OPERATORS[info.type])
            raise FilterError(
                f"{name} is a field of type {info.type} and has no operator {op}.",
                position=found.start(2),
                value=op,
                hint=f"It takes {allowed}",
            )
        self._at = found.end()
        values = [self._value(info)]
        while self._text.startswith(",", self._at):
            if op not in (Op.EQUALS, Op.CONTAINS, Op.DIFFERS):
                raise FilterError(
                    f"{name}{op} takes one value.",
                    position=self._at,
                    value=",",
                    hint="Decimals are written with a point, as in 449.90." if info.type is FieldType.MONEY else None,
                )
            self._at += 1
            values.append(self._value(info))
        return Term(name, op, tuple(values), negated, start)

    def _unknown_field(self, name: str, position: int) -> FilterError:
        if name in self._flags:
            return FilterError(
                f"{name} is a flag and takes no value.", position=position, value=name, hint=f"Write {name} or !{name}."
            )
        return FilterError(
            f"There is no field {clean(name, limit=60)} in {self._table}.",
            position=position,
            value=clean(name, limit=60),
            hint=self._suggest(name, self._fields, "The fields are") + " Text with an operator in it goes in quotes.",
        )

    def _suggest(self, name: str, names: Iterable[str], otherwise: str) -> str:
        names = tuple(names)
        near = nearest(name, names)
        return f"Did you mean {near}?" if near else f"{otherwise} {', '.join(names)}."

    def _word_term(self, negated: bool, start: int) -> Flag | Text:
        position = self._at
        found = _FIELD_IS.match(self._text, position)
        if found and found[1].lower() in self._fields:
            name = found[1].lower()
            raise FilterError("There is no operator =.", position=found.end(1), value="=", hint=f"Write {name}:value.")
        if operator := _LEADING_OP.match(self._text, position):
            raise FilterError(
                f"Before {operator[0]} comes a field, without a space.", position=position, value=operator[0]
            )
        word = self._skip(_WORD)
        if word.lower() in self._flags:
            return Flag(word.lower(), negated, start)
        if negated:
            raise FilterError(
                "After ! comes a flag, or a field with an operator.",
                position=position,
                value=clean(word, limit=60),
                hint=self._suggest(word, (*self._flags, *self._fields), "The flags and fields are"),
            )
        return Text(word, start)

    def _value(self, info: FieldInfo) -> Value:
        start = self._at
        self._values += 1
        if self._values > _MAX_VALUES:
            raise FilterError(f"A filter has at most {_MAX_VALUES} values.", position=start)
        if self._text.startswith('"', start):
            text = self._quoted_value(f"The value of {info.name}")
            if self._at < len(self._text) and self._text[self._at] != "," and not self._text[self._at].isspace():
                raise FilterError("After a closing quote comes a space or a comma.", position=self._at)
        else:
            text = self._skip(_VALUE)
        if not text:
            raise FilterError(
                f"{info.name} has no value here.",
                position=start,
                value="",
                hint="A value follows its operator without a space; one with spaces goes in quotes.",
            )
        return _read(info, text, start)

    def _quoted_value(self, what: str) -> str:
        start = self._at
        found = _QUOTED.match(self._text, start)
        if found is None:
            raise FilterError("The quote is not closed.", position=start, value='"', hint='Close it with ".')
        self._at = found.end()
        if not found[1]:
            raise FilterError(f"{what} is empty.", position=start, value="")
        return re.sub(r'\\(["\\])', r"\1", found[1])


def _read(info: FieldInfo, text: str, position: int) -> Value:
    """Return `text` as a value of the field.

    Raises:
        FilterError: It is none.
    """
    read = {
        FieldType.NUMBER: _read_number,
        FieldType.MONEY: _read_amount,
        FieldType.DATE: _read_date,
    }.get(info.type)
    if info.type is FieldType.TEXT:
        return text
    value, hint = read(text) if read else _read_name(info, text)
    if value is None:
        shown = clean(text, limit=60)
        what = {
            FieldType.NUMBER: "a whole number",
            FieldType.MONEY: "an amount",
            FieldType.DATE: "a date",
        }.get(info.type, "one of its values")
        raise FilterError(f"{info.name}: {shown} is not {what}.", position=position, value=shown, hint=hint)
    return value


def _read_number(text: str) -> tuple[Value | None, str]:
    return (int(text) if _NUMBER.fullmatch(text) else None), "Write digits only."


def _read_amount(text: str) -> tuple[Value | None, str]:
    found = _AMOUNT.fullmatch(text)
    return (Decimal(text) if found else None), "Write it without currency, as in 449.90."


def _read_date(text: str) -> tuple[Value | None, str]:
    hint = "Write 2026-11-23, today, -7d, or a time like 2026-11-23T08:00:00Z."
    if text.lower() == "today":
        return RelativeDay(0), hint
    if days := _DAYS.fullmatch(text.lower()):
        return RelativeDay(int(days[1])), hint
    value: date | None = None
    try:
        if _DAY.fullmatch(text):
            value = date.fromisoformat(text)
        elif _MOMENT.fullmatch(text):
            value = datetime.fromisoformat(text.upper())
    except ValueError:
        return None, hint
    return (value if value is not None and value.year in _YEARS else None), hint


def _read_name(info: FieldInfo, text: str) -> tuple[Value | None, str]:
    wanted = text.lower()
    if info.name == "publication" and wanted.isascii() and wanted.isdecimal() and len(wanted) < 4:
        return int(wanted), ""
    names = {name.lower(): name for name in info.values}
    if info.name == "grade":
        wanted = wanted.replace("-", "_").replace(" ", "_")
    if wanted in names:
        name = names[wanted]
        return (PUBLICATIONS[name] if info.name == "publication" else str(name)), ""
    near = nearest(wanted, names)
    return None, f"Did you mean {names[near]}?" if near else f"It takes {', '.join(info.values)}."


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _written(value: Value) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    return text if _PLAIN_VALUE.fullmatch(text) else _quoted(text)
