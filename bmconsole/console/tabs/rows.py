"""What the tabs with a table share: a filter, an order of rows, and a source that pages from the workspace."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Generic

from textual import on, work
from textual.app import ComposeResult

from bmconsole.console.clipboard import copy
from bmconsole.console.look import count
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.columns import Column, Row
from bmconsole.console.widgets.filterbar import FilterBar
from bmconsole.console.widgets.table import Near, VirtualTable
from bmconsole.domain.views import Query
from bmconsole.errors import BmError, NotFound


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
        self.table: VirtualTable[Row] = VirtualTable(self, self.build_columns(), id=f"{id}-table", markable=True)
        self.table.set_reactive(VirtualTable.sort, self.sort)
        self._total: int | None = None
        self._passing = 0
        self._hidden = 0

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

    async def read_page(self, query: Query, *, backward: bool) -> Sequence[Row]:
        """Return a page of rows, counted from the end where `backward`."""
        raise TypeError(f"{type(self).__name__} has no rows")

    async def read_passing(self, where: str, keys: Sequence[str]) -> set[str]:
        """Return which of `keys` pass a filter."""
        raise TypeError(f"{type(self).__name__} has no rows")

    async def read_position(self, query: Query, key: str) -> int | None:
        """Return how many rows come before one, None where it is not among them."""
        raise TypeError(f"{type(self).__name__} has no rows")

    async def read_names(self, keys: Sequence[str]) -> list[str]:
        """Return what people call the rows of these keys."""
        raise TypeError(f"{type(self).__name__} has no rows")

    def key(self, row: Row) -> str:
        """Return what identifies a row."""
        raise TypeError(f"{type(self).__name__} has no key")

    # The table's source.

    async def count(self) -> int:
        """Return how many rows pass the filter in force."""
        total = await self.read_count("")
        self._total = total
        self._passing = total if not self.where else await self.read_count(self.where)
        return self._passing

    async def page(self, offset: int, limit: int, near: Near | None = None) -> Sequence[Row] | None:
        """Return the rows from `offset` on in the order in force; None where `near` is no longer there."""
        query = Query(where=self.where, sort=self.sort, limit=limit)
        if near is not None:
            try:
                return await self.read_page(replace(query, after=near.key), backward=near.backward)
            except NotFound:
                return None
        if offset <= self._passing // 2:
            return await self.read_page(replace(query, offset=offset), backward=False)
        # Rows that are passed over cost time: they are passed over from the nearer end.
        limit = max(0, min(limit, self._passing - offset))
        if limit == 0:
            return ()
        return await self.read_page(replace(query, offset=self._passing - offset - limit, limit=limit), backward=True)

    async def position(self, key: str) -> int | None:
        """Return where a row is in the order in force."""
        return await self.read_position(Query(where=self.where, sort=self.sort), key)

    async def targets(self) -> tuple[list[str], int]:
        """Return the keys that an action is about: the marked rows that are shown, else the row under the cursor.

        The number is of marked rows that the filter hides: an action leaves them out, and says so.
        """
        marks = self.table.marks
        if not marks:
            return ([self.table.cursor_key] if self.table.cursor_key is not None else []), 0
        passing = await self.read_passing(self.where, marks)
        return [key for key in marks if key in passing], len(marks) - len(passing)

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
        """Stop marking a range; else show all rows again."""
        if not self.table.cancel_range() and self.where:
            self.filter("")

    @work(exclusive=True, group="copy")
    async def action_copy(self) -> None:
        """Copy what people call the marked rows, or the one under the cursor; one a line."""
        try:
            keys, hidden = await self.targets()
            names = await self.read_names(keys)
        except BmError as error:
            self.complain(error, title="Not copied")
            return
        if not names:
            self.notify("Nothing to copy.", timeout=3, markup=False)
            return
        what = names[0] if len(names) == 1 else f"{count(len(names))} {self.NOUN}"
        left = f" {count(hidden)} hidden by the filter left out." if hidden else ""
        self.notify(f"{what} {await copy(self.app, chr(10).join(names))}.{left}", timeout=5, markup=False)

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
        self.table.note = self._why_empty()
        self._tell()
        self._settle_marks()

    @on(VirtualTable.Marked)
    def _count_marks(self, event: VirtualTable.Marked) -> None:
        event.stop()
        self._tell()
        self._settle_marks()

    @work(exclusive=True, group="marks")
    async def _settle_marks(self) -> None:
        """Count the marks that the filter hides, and take off those of rows that are gone."""
        marks = self.table.marks
        if not marks:
            self._hidden = 0
            return
        try:
            alive = await self.read_passing("", marks)
            passing = await self.read_passing(self.where, marks) if self.where else alive
        except BmError as error:
            self.complain(error, title="Marks cannot be counted")
            return
        if gone := [key for key in marks if key not in alive]:
            self.table.mark(gone, False)
            self.notify(f"{count(len(gone))} marked {self.NOUN} are gone.", severity="warning", markup=False)
        self._hidden = len(alive) - len(passing)
        self._tell()

    def _tell(self) -> None:
        """Say how many rows there are, and how many of them are marked."""
        rows, marks = self.table.row_count, len(self.table.marks)
        words = f"{count(rows)} {self.NOUN}"
        if self.where and self._total is not None:
            words = f"{count(rows)} of {count(self._total)} {self.NOUN}"
        if marks:
            hidden = f", {count(self._hidden)} hidden" if self._hidden else ""
            words = f"{count(marks)} marked{hidden} · {words}"
        self.bar.summary = f"range · {words}" if self.table.ranging else words

    def _why_empty(self) -> str:
        if self.where:
            return f"No {self.NOUN} pass this filter. Esc shows all again."
        return f"No {self.NOUN} yet. The first sync brings them; u syncs now."

    @on(VirtualTable.Failed)
    def _complain(self, event: VirtualTable.Failed) -> None:
        event.stop()
        self.bar.refuse(event.error)
