"""Columns of a table: what they show, and which of them fit into a width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bmconsole.console.look import Cell

Row = TypeVar("Row")

GAP = 2


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column.

    `width` is the least it takes, in terminal cells; `grow` its share of spare width, up to `most` cells. `rank` says
    how early it goes where there is no room (the highest goes first; 0 stays). `sort` is the field that it sorts by,
    `gap` the space behind it.
    """

    name: str
    title: str
    width: int
    cell: Callable[[Row], Cell]
    right: bool = False
    grow: int = 0
    most: int = 1_000
    rank: int = 0
    sort: str = ""
    gap: int = GAP


@dataclass(frozen=True)
class Placed(Generic[Row]):
    """A column where it is painted: from terminal cell `x`, `width` wide."""

    column: Column[Row]
    x: int
    width: int


def layout(columns: Sequence[Column[Row]], width: int, *, indent: int = 1) -> list[Placed[Row]]:
    """Place as many columns as fit into `width`, in their order; spare width goes to those that grow.

    `indent` cells stay free on the left and one on the right. Columns of rank 0 stay even where they do not fit.
    """
    room = max(0, width - indent - 1)
    kept = list(columns)
    while _taken(kept) > room:
        gone = max(kept, key=lambda column: (column.rank, columns.index(column)))
        if gone.rank == 0:
            break
        kept.remove(gone)
    widths = {column.name: column.width for column in kept}
    spare = room - _taken(kept)
    while spare > 0:
        growing = [column for column in kept if column.grow and widths[column.name] < column.most]
        if not growing:
            break
        shares = sum(column.grow for column in growing)
        share = spare
        for column in growing:
            more = min(max(1, share * column.grow // shares), column.most - widths[column.name], spare)
            widths[column.name] += more
            spare -= more
    placed, x = [], indent
    for column in kept:
        placed.append(Placed(column, x, widths[column.name]))
        x += widths[column.name] + column.gap
    return placed


def _taken(columns: Sequence[Column[Row]]) -> int:
    return sum(column.width for column in columns) + sum(column.gap for column in columns[:-1])
