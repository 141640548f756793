"""How commands print: JSON for programs, tables for people; remote text only ever cleaned."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING

from bmconsole.domain.money import Money
from bmconsole.domain.text import clean
from bmconsole.domain.times import rfc3339

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Jsonable = None | bool | int | float | str | list["Jsonable"] | dict[str, "Jsonable"]

_WIDE = 100_000
_CELL = 120


def jsonable(value: object) -> Jsonable:
    """Return one of our values as JSON: money as an object, times as RFC 3339 in UTC, dataclasses by
    their fields; floats are seconds.

    Raises:
        TypeError: A value of a kind that no output has.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
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


def console() -> "Console":
    """Return stdout as rich knows it: colours only on a terminal, no markup, in a pipe as wide as it takes."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        force_terminal=terminal,
        no_color=None if terminal else True,
        width=None if terminal else _WIDE,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, zone: tzinfo | None = None, right: Iterable[str] = ()
) -> None:
    """Print rows under their column names; the columns named in `right` are aligned to the right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = set(right)
    for name in columns:
        table.add_column(Text(name), no_wrap=True, overflow="ellipsis", justify="right" if name in numbers else "left")
    for row in rows:
        table.add_row(*(_text(value, zone) for value in row))
    _show(table)


def print_facts(facts: Mapping[str, object], *, zone: tzinfo | None = None) -> None:
    """Print names with their values, one a line."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(Text(name), _text(value, zone))
    _show(table)


def _show(table: "Table") -> None:
    output = console()
    if output.is_terminal:
        output.print(table)
        return
    with output.capture() as captured:
        output.print(table)
    for line in captured.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


def _text(value: object, zone: tzinfo | None) -> "Text":
    from rich.text import Text

    return value if isinstance(value, Text) else Text(cell(value, zone))
