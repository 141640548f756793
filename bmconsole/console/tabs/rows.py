"""What the tabs with a table share: a filter, an order of rows, and a source that pages from the workspace."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar, Generic

from textual import on, work
from textual.app import ComposeResult
from textual.message import Message
from textual.worker import WorkerCancelled

from bmconsole.console.clipboard import copy
from bmconsole.console.completion import complete_filter
from bmconsole.console.hiding import masked, names_buyer, spans, without_buyer
from bmconsole.console.look import count
from bmconsole.console.personal import BUILT_IN, TableState, View
from bmconsole.console.seam import CacheLike, WorkspaceLike
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.columns import Column, Row
from bmconsole.console.widgets.filterbar import FilterBar
from bmconsole.console.widgets.source import Near
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.filters import parse_filter
from bmconsole.domain.rows import Query
from bmconsole.errors import BmError, FilterError, NotFound


class RowsTab(Tab, Generic[Row]):
    """A filter bar over a virtual table. A subclass says which rows there are and what its columns show."""

    PLACEHOLDER: ClassVar[str] = ""
    NOUN: ClassVar[str] = ""
    SORT: ClassVar[str] = ""
    """The order in which the workspace gives rows unasked, as the table's header shows it."""

    @dataclass
    class Narrowed(Message):
        """Another filter is in force."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.where = ""
        self.sort = self.SORT
        self.saved: tuple[View, ...] = BUILT_IN
        """The views of both tables."""
        self.shown: list[str] = []
        """The names of the shown columns in their order; empty: all as they come."""
        self._wanted_cursor = ""
        self._cache: CacheLike | None = None
        self._counts: dict[str, int] = {}
        self.bar = FilterBar(
            self.PLACEHOLDER, lambda typed: complete_filter(typed, id), self, lambda typed: spans(typed, id)
        )
        self.table: VirtualTable[Row] = VirtualTable(self, self.build_columns(), id=f"{id}-table", markable=True)
        self.table.set_reactive(VirtualTable.sort, self.sort)
        self._hidden = 0

    def compose(self) -> ComposeResult:
        yield self.bar
        yield self.table

    @property
    def cache(self) -> CacheLike:
        """What the rows are read from: the workspace, and until that is there the files alone."""
        if self._cache is None:
            raise RuntimeError("the cache is not open yet")
        return self._cache

    def read_from(self, cache: CacheLike) -> None:
        """Take what the rows are read from."""
        self._cache = cache

    def attach(self, workspace: WorkspaceLike) -> None:
        super().attach(workspace)
        self.read_from(workspace)

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

    def chosen_columns(self) -> list[Column[Row]]:
        """Return the columns that the operator wants, in that order; a mark of what is pending always stays."""
        columns = {column.name: column for column in self.build_columns()}
        if not any(name in columns for name in self.shown):
            return list(columns.values())
        return [
            columns["mark"],
            *(
                replace(columns[name], rank=0 if place == 0 else columns[name].rank)
                for place, name in enumerate(self.shown)
                if name in columns and name != "mark"
            ),
        ]

    # Where it was left.

    @property
    def place(self) -> str:
        return self.where

    def go(self, place: str) -> None:
        if place != self.where:
            self.filter(place)

    def state(self) -> TableState:
        """Return how the table is now."""
        # No purge comes by where this is kept: no buyer is in it.
        where = without_buyer(self.where, self.id or "")
        past = [line for line in self.bar.input.past if not names_buyer(line)]
        return TableState(where, self.sort, self.shown, self.table.cursor_key or "", past)

    def restore(self, state: TableState) -> None:
        """Show the table as it was left, as far as that still makes sense."""
        self.bar.input.past = list(state.past)
        self.shown = [name for name in state.columns if isinstance(name, str)]
        self.table.columns = self.chosen_columns()
        if state.sort.lstrip("-") in self.sorts():
            self.sort = self.table.sort = state.sort
        try:
            parse_filter(state.where, self.id or "")
            self.where = state.where
        except FilterError as error:
            # Another version may have written it.
            self.complain(error, title="The filter of last time")
        self.bar.accept(self.where)
        self._wanted_cursor = state.cursor

    # Views, columns, sorts.

    def views(self) -> list[View]:
        """Return the saved views of this table."""
        return [view for view in self.saved if view.table == self.id]

    def sorts(self) -> list[str]:
        """Return the fields that rows can be sorted by."""
        return [column.sort for column in self.build_columns() if column.sort]

    def take_view(self, view: View) -> None:
        """Put a view in force."""
        if view.columns:
            self.show_columns(view.columns)
        if view.sort.lstrip("-") in self.sorts():
            self.sort = self.table.sort = view.sort
        self.filter(view.where)

    def show_columns(self, names: Sequence[str]) -> None:
        """Show these columns in this order."""
        self.shown = list(names)
        self.table.columns = self.chosen_columns()

    @work(exclusive=True, group="picker")
    async def action_view(self) -> None:
        from bmconsole.console.widgets.picker import Choice, Picker

        choices = [Choice(view.name, view.name, self._told(view), view.where == self.where) for view in self.views()]
        name = await self.app.push_screen_wait(Picker("Views", choices))
        if view := next((view for view in self.views() if view.name == name), None):
            self.take_view(view)

    def _told(self, view: View) -> str:
        private = bool(getattr(self.app, "private", False))
        return masked(view.where, spans(view.where, view.table)) if private else view.where

    @work(exclusive=True, group="picker")
    async def action_sort_by(self) -> None:
        from bmconsole.console.widgets.picker import Choice, Picker

        choices = [
            Choice(column.sort, column.title or column.sort, f"by {column.sort}", column.sort == self.sort.lstrip("-"))
            for column in self.build_columns()
            if column.sort
        ]
        field = await self.app.push_screen_wait(Picker("Sort by", choices))
        if field is not None:
            self.sort_by(f"-{field}" if self.sort == field else field)

    @work(exclusive=True, group="picker")
    async def action_columns(self) -> None:
        from bmconsole.console.widgets.picker import Choice, ColumnPicker

        all_columns = {column.name: column for column in self.build_columns() if column.name != "mark"}
        shown = [name for name in self.shown if name in all_columns] or list(all_columns)
        names = [*shown, *(name for name in all_columns if name not in shown)]
        choices = [Choice(name, all_columns[name].title or name, "", name in shown) for name in names]
        chosen = await self.app.push_screen_wait(ColumnPicker("Columns", choices))
        if chosen is not None:
            self.show_columns(chosen)

    # The table's source.

    async def count(self) -> int:
        """Return how many rows pass the filter in force."""
        # What `renew` puts another one in place of may be filled with what was true before.
        where, counts = self.where, self._counts
        for each in {"", where} - set(counts):
            counts[each] = await self.read_count(each)
        return counts[where]

    async def page(self, offset: int, limit: int, near: Near | None = None) -> Sequence[Row] | None:
        """Return the rows from `offset` on in the order in force; None where `near` is no longer there."""
        query = Query(where=self.where, sort=self.sort, limit=limit)
        if near is not None:
            try:
                return await self.read_page(replace(query, after=near.key), backward=near.backward)
            except NotFound:
                return None
        passing = self._counts.get(self.where, 0)
        if offset <= passing // 2:
            return await self.read_page(replace(query, offset=offset), backward=False)
        # Rows that are passed over cost time: they are passed over from the nearer end.
        limit = max(0, min(limit, passing - offset))
        if limit == 0:
            return ()
        return await self.read_page(replace(query, offset=passing - offset - limit, limit=limit), backward=True)

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
        if self._cache is not None and self.is_mounted:
            self._counts = {}
            self.table.renew()

    def repaint(self) -> None:
        self.table.refresh()

    def enter(self) -> None:
        self.take(self.table)
        self.renew()

    def reload(self) -> None:
        """Show the query in force from its first row."""
        if self._cache is not None:
            self.table.load()

    @work(exclusive=True, group="filter")
    async def filter(self, where: str) -> bool:
        """Put a filter in force, or say what is wrong with it; return whether it is in force."""
        try:
            parse_filter(where, self.id or "")
            if "no-cost" in where:
                # Whether costs are known only the files can tell.
                await self.read_count(where)
        except BmError as error:
            self.bar.refuse(error)
            return False
        self.where = where
        self.bar.accept(where)
        self.reload()
        if self.screen.focused is None:
            self.take(self.table)
        self.post_message(self.Narrowed())
        return True

    async def apply_filter(self, expression: str) -> None:
        # Cancelled where another filter overtakes it, which then is in force.
        with suppress(WorkerCancelled):
            if await self.filter(expression).wait():
                self.take(self.table)

    def leave_filter(self) -> None:
        self.take(self.table)

    def action_filter(self) -> None:
        self.bar.edit()

    async def action_clear(self) -> None:
        """Stop marking a range; else show all rows again."""
        if not self.table.cancel_range() and self.where:
            await self.apply_filter("")

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
        if self._wanted_cursor:
            wanted, self._wanted_cursor = self._wanted_cursor, ""
            self._put_cursor(wanted)

    @work(exclusive=True, group="cursor")
    async def _put_cursor(self, key: str) -> None:
        try:
            place = await self.position(key)
        except BmError as error:
            self.complain(error)
            return
        if place:
            self.table.move_to(place)

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
        if self.where and "" in self._counts:
            words = f"{count(rows)} of {count(self._counts[''])} {self.NOUN}"
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
