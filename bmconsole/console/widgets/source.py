"""Where a table's rows come from: any page of them in their order, and where a key is among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol

from bmconsole.console.widgets.columns import Row


@dataclass(frozen=True, slots=True)
class Near:
    """A row that a page begins right behind (or, `backward`, ends right before), so that depth costs nothing."""

    key: str
    backward: bool = False


class Source(Protocol[Row]):
    """Rows in an order: any page of them, how many there are, and where a key is among them.

    A page is asked for by its offset; `near` says the same by a neighbour, which the source may use or not: it
    answers None where that neighbour is gone. A page from the first row on is asked for at the same time as the count.
    """

    async def count(self) -> int: ...
    async def page(self, offset: int, limit: int, near: Near | None = None) -> Sequence[Row] | None: ...
    async def position(self, key: str) -> int | None: ...
    def key(self, row: Row) -> str: ...


class ListSource(Generic[Row]):
    """A source over rows that are in memory anyway."""

    def __init__(self, rows: Sequence[Row] = (), key: str = "id") -> None:
        self.rows = rows
        self._key = key

    async def count(self) -> int:
        return len(self.rows)

    async def page(self, offset: int, limit: int, near: Near | None = None) -> Sequence[Row]:
        return self.rows[offset : offset + limit]

    async def position(self, key: str) -> int | None:
        return next((place for place, row in enumerate(self.rows) if self.key(row) == key), None)

    def key(self, row: Row) -> str:
        return str(getattr(row, self._key))
