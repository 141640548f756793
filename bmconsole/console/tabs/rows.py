"""What the tabs with a table share: a filter, an order of rows, and a source that pages from the workspace."""

from collections.abc import Sequence
from typing import ClassVar, Generic

from textual import on, work
from textual.app import ComposeResult

from bmconsole.console.look import count
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.columns import Column, Row
from bmconsole.console.widgets.filterbar import FilterBar
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.views import Query
from bmconsole.errors import BmError


class RowsTab(Tab, Generic[Row]):
    """A filter bar over a virtual table. A subclass says which rows there are and what its columns show."""

    PLACEHOLDER: ClassVar[str] = ""
    NOUN: ClassVar[str] = ""
    SORT: ClassVar[str] = ""
    """The order in which the workspace gives rows unasked, as the table's header shows it."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.where = ""
        self.sort = self.SORT
        self.bar = FilterBar(self.PLACEHOLDER)
        self.table: VirtualTable[Row] = VirtualTable(self, self.build_columns(), id=f"{id}-table")
        self.table.set_reactive(VirtualTable.sort, self.sort)
        self._total: int | None = None

    def compose(self) -> ComposeResult:
        yield self.bar
        yield self.table

    # For the subclass.

    def build_columns(self) -> Sequence[Column[Row]]:
        """Return the columns in their order."""
        raise TypeError(f"{type(self).__name__} has no columns")

    async def read_count(self, where: str) -> int:
        """Return how many rows pass a filter."""
        raise TypeError(f"{type(self).__name__} has no rows")

    async def read_page(self, query: Query) -> Sequence[Row]:
        """Return a page of rows."""
        raise TypeError(f"{type(self).__name__} has no rows")

    def key(self, row: Row) -> str:
        """Return what identifies a row."""
        raise TypeError(f"{type(self).__name__} has no key")

    # The table's source.

    async def count(self) -> int:
        """Return how many rows pass the filter in force."""
        total = await self.read_count("")
        self._total = total
        return total if not self.where else await self.read_count(self.where)

    async def page(self, offset: int, limit: int) -> Sequence[Row]:
        """Return the rows from `offset` on in the order in force."""
        return await self.read_page(Query(where=self.where, sort=self.sort, offset=offset, limit=limit))

    # The tab.

    def renew(self) -> None:
        if self.ready and self.is_mounted:
            self.table.renew()

    def repaint(self) -> None:
        self.table.refresh()

    def enter(self) -> None:
        self.take(self.table)
        self.renew()

    def reload(self) -> None:
        """Show the query in force from its first row."""
        if self.ready:
            self.table.load()

    @work(exclusive=True, group="filter")
    async def filter(self, where: str) -> None:
        """Put a filter in force, or say what is wrong with it."""
        try:
            await self.read_count(where)
        except BmError as error:
            self.bar.refuse(error)
            return
        self.where = where
        self.bar.accept(where)
        self.reload()
        self.take(self.table)

    def action_filter(self) -> None:
        self.bar.edit()

    def action_clear(self) -> None:
        if self.where:
            self.filter("")

    def action_sort(self) -> None:
        fields = [column.sort for column in self.table.columns if column.sort]
        current = self.sort.lstrip("-")
        position = fields.index(current) + 1 if current in fields else 0
        self.sort_by(fields[position % len(fields)])

    def action_reverse(self) -> None:
        self.sort_by(self.sort[1:] if self.sort.startswith("-") else f"-{self.sort}")

    def sort_by(self, sort: str) -> None:
        """Order the rows by a field, `-` in front for descending."""
        self.sort = sort
        self.table.sort = sort
        self.reload()

    @on(FilterBar.Applied)
    def _filter(self, event: FilterBar.Applied) -> None:
        event.stop()
        self.filter(event.expression)

    @on(FilterBar.Left)
    def _return(self, event: FilterBar.Left) -> None:
        event.stop()
        self.take(self.table)

    @on(VirtualTable.SortAsked)
    def _sort(self, event: VirtualTable.SortAsked) -> None:
        event.stop()
        self.sort_by(f"-{event.field}" if self.sort == event.field else event.field)

    @on(VirtualTable.Counted)
    def _summarise(self, event: VirtualTable.Counted) -> None:
        event.stop()
        if self.where and self._total is not None:
            self.bar.summary = f"{count(event.rows)} of {count(self._total)} {self.NOUN}"
        else:
            self.bar.summary = f"{count(event.rows)} {self.NOUN}"
        self.table.note = self._why_empty()

    def _why_empty(self) -> str:
        if self.where:
            return f"No {self.NOUN} pass this filter. Esc shows all again."
        return f"No {self.NOUN} yet. The first sync brings them; u syncs now."

    @on(VirtualTable.Failed)
    def _complain(self, event: VirtualTable.Failed) -> None:
        event.stop()
        self.bar.refuse(event.error)
