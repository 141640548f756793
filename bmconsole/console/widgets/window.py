"""The few rows of a table that are in memory: those around the viewport, whichever page of the source they are on."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from bmconsole.console.widgets.columns import Row
from bmconsole.console.widgets.source import Near, Source

MARGIN = 120
"""Rows held on either side of the viewport."""
AHEAD = MARGIN // 2
"""Rows that have to be there beyond the viewport before more are read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the viewport is: its first row's index, its height in rows, and the cursor's key and line in it.

    `key` is None where the cursor stays with no row.
    """

    top: int
    visible: int
    key: str | None
    line: int


class Window(Generic[Row]):
    """Rows from `start` on, as they were last read."""

    __slots__ = ("rows", "start")

    def __init__(self, rows: Sequence[Row] = (), start: int = 0) -> None:
        self.rows, self.start = rows, start

    def at(self, index: int) -> Row | None:
        """Return the row at `index` of the whole table, None while it is not here."""
        place = index - self.start
        return self.rows[place] if 0 <= place < len(self.rows) else None

    def between(self, low: int, high: int) -> Sequence[Row]:
        """Return the rows from index `low` to `high`, as far as they are here."""
        return self.rows[max(0, low - self.start) : max(0, high - self.start + 1)]

    def holds(self, top: int, bottom: int) -> bool:
        """Return whether every row from index `top` up to `bottom` (not included) is here."""
        return self.start <= top and bottom <= self.start + len(self.rows)

    def cut(self, index: int, visible: int) -> "Window[Row]":
        """Return it with no more rows than needed around `index`."""
        most = visible + 2 * MARGIN
        if len(self.rows) <= most:
            return self
        first = max(0, min(index - self.start - MARGIN, len(self.rows) - most))
        return Window(self.rows[first : first + most], self.start + first)

    def survivor(self, source: Source[Row], where: Mapping[str, int], index: int) -> str | None:
        """Return the key that is still in `where` next behind `index`, else next before it."""
        keys, place = [source.key(row) for row in self.rows], max(0, index - self.start)
        return next((key for key in keys[place:] + keys[:place][::-1] if key in where), None)

    async def further(self, source: Source[Row], top: int, count: int, visible: int) -> "Window[Row]":
        """Return the rows around another place of the same `count`; read behind or before one that is here."""
        start, limit = first_row(top, count, visible), visible + 2 * MARGIN
        near = None
        above, below = self.at(start - 1), self.at(start + limit)
        if above is not None:
            near = Near(source.key(above))
        elif below is not None and start > 0:
            near = Near(source.key(below), backward=True)
        rows = await source.page(start, limit, near) if near else None
        if rows is None or (near and near.backward and len(rows) < limit):
            rows = await source.page(start, limit)
        return Window(rows or (), start)

    async def around(self, source: Source[Row], place: Place) -> tuple[int, "Window[Row]"]:
        """Return how many rows there are now, and those around the viewport, or around the cursor if that went away."""
        limit = place.visible + 2 * MARGIN
        if place.top <= MARGIN:
            # Wherever the last row is, the page begins with the first.
            count, rows = await asyncio.gather(source.count(), source.page(0, limit))
            found = Window(rows or ())
        else:
            count = await source.count()
            start = first_row(place.top, count, place.visible)
            found = Window(await source.page(start, limit) or (), start)
        for _ in range(3):
            if place.key is None or any(source.key(row) == place.key for row in found.rows):
                break
            index = await source.position(place.key)
            if index is None:
                break
            start = max(0, index - place.line - MARGIN)
            found = Window(await source.page(start, limit) or (), start)
        return count, found


def first_row(top: int, count: int, visible: int) -> int:
    """Return the index from which rows are read where `top` is the first visible one of `count`."""
    return max(0, max(0, min(top, count - visible)) - MARGIN)
