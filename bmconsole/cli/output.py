"""How commands print: JSON for programs, tables for people; remote text only ever cleaned."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

from bmconsole.domain.money import Money
from bmconsole.domain.text import clean
from bmconsole.domain.times import rfc3339

if TYPE_CHECKING:
    from rich.console import Console

Jsonable = None | bool | int | float | str | list["Jsonable"] | dict[str, "Jsonable"]

_CELL = 120


def jsonable(value: object) -> Jsonable:
    """Return one of our values as JSON: money as an object, times as RFC 3339 in UTC, dataclasses by
    their fields; floats are seconds.

    Raises:
        TypeError: A value of a kind that no output has.
    """
    if value is None or isinstance(value, str | int | float):
        return str(value) if isinstance(value, str) else value
    match value:
        case Money():
            return dict(value.as_json())
        case datetime():
            return rfc3339(value)
        case Decimal():
            return f"{value:f}"
        case Mapping():
            return {str(key): jsonable(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [jsonable(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"no JSON form for {type(value).__name__}")


def print_json(value: object) -> None:
    """Print one object on one line of stdout; characters beyond ASCII are escaped, so no terminal obeys them."""
    sys.stdout.write(json.dumps(jsonable(value)) + "\n")


def cell(value: object, zone: tzinfo | None = None) -> str:
    """Return a value as people read it in a table: `–` where there is none, times in `zone`."""
    match value:
        case None | "":
            return "–"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone(zone):%Y-%m-%d %H:%M}"
        case list() | tuple():
            return clean(", ".join(str(item) for item in value), limit=_CELL)
    return clean(value, limit=_CELL)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, zone: tzinfo | None = None, right: Iterable[str] = ()
) -> None:
    """Print rows under their column names; the columns named in `right` are aligned to the right."""
    numbers = set(right)
    cells = [[cell(value, zone) for value in row] for row in rows]
    if not sys.stdout.isatty():
        _print_plain([list(columns), *cells], [name in numbers for name in columns])
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(Text(name), no_wrap=True, overflow="ellipsis", justify="right" if name in numbers else "left")
    for row in cells:
        table.add_row(*map(Text, row))
    _console().print(table)


def print_facts(facts: Mapping[str, object], *, zone: tzinfo | None = None) -> None:
    """Print names with their values, one a line."""
    cells = [[name, cell(value, zone)] for name, value in facts.items()]
    if not sys.stdout.isatty():
        _print_plain(cells, [False, False])
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    _console().print(table)


def _console() -> "Console":
    from rich.console import Console

    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False)


def _print_plain(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """Print aligned columns as wide as they are: nothing is cut in a pipe, and many rows do not take long."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)] if rows else []
    for row in rows:
        parts = []
        for text, width, to_the_right in zip(row, widths, right, strict=True):
            pad = " " * (width - _width(text))
            parts.append(pad + text if to_the_right else text + pad)
        sys.stdout.write("  ".join(parts).rstrip() + "\n")


def _width(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)
