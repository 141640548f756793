"""A table of any number of rows: what keys and the mouse do with its cursor and its marks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widget import Widget

from bmconsole.console.actions import bindings
from bmconsole.console.widgets.columns import Column, Row
from bmconsole.console.widgets.marks import Marks
from bmconsole.console.widgets.rowview import HEADER, RowView
from bmconsole.console.widgets.source import Source
from bmconsole.errors import BmError


class VirtualTable(RowView[Row], can_focus=True, inherit_bindings=False):
    """Rows with a cursor and marks.

    The owner gives `source` and `columns`, calls `load()` for another query and `renew()` when data may have changed.
    """

    SCOPES: ClassVar[tuple[str, ...]] = ("table",)
    BINDINGS = bindings("table")

    @dataclass
    class Chosen(Message):
        """A row was opened by Enter or a double click."""

        table: Widget
        key: str

        @property
        def control(self) -> Widget:
            return self.table

    @dataclass
    class SortAsked(Message):
        """A column's title was clicked."""

        table: Widget
        field: str

    @dataclass
    class Marked(Message):
        """Other rows are marked now."""

        table: Widget

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, VirtualTable.Marked) and message.table is self.table

    def __init__(
        self,
        source: Source[Row],
        columns: Sequence[Column[Row]],
        *,
        id: str | None = None,
        markable: bool = False,
    ) -> None:
        super().__init__(source, columns, indent=2 if markable else 1, id=id)
        self.markable = markable
        self._marks = Marks()

    # Marks.

    @property
    def marks(self) -> tuple[str, ...]:
        """The keys of the marked rows, in the order in which they were marked, whether they are shown or not."""
        return self._marks.keys

    @property
    def ranging(self) -> bool:
        """Whether a range is being marked."""
        return self._marks.anchor is not None

    def mark(self, keys: Iterable[str], on: bool = True) -> None:
        """Mark rows, or take their marks off; marks belong to keys and outlive filters and refreshes."""
        self._marks.put(keys, on)
        self._tell_marks()

    def cancel_range(self) -> bool:
        """Stop marking a range; return whether one was being marked."""
        was, self._marks.anchor = self.ranging, None
        if was:
            self._tell_marks()
        return was

    def _tell_marks(self) -> None:
        self.refresh(self.size.region)
        self.post_message(self.Marked(self))

    def load(self) -> None:
        self._marks.anchor = None
        super().load()

    def glyph(self, index: int, key: str) -> str:
        return self._marks.glyph(index, key, self.cursor_index)

    def rows_moved(self, where: Mapping[str, int], by: int) -> None:
        self._marks.shift(where, by)

    def cursor_moved(self, before: int) -> None:
        if self.ranging:
            self.refresh(self.size.region)
        else:
            super().cursor_moved(before)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys of marks to others where rows cannot be marked."""
        return self.markable or "mark" not in action

    def action_mark(self) -> None:
        """Mark the row or take its mark off, and go to the next; ends a range where one was begun."""
        if self.ranging:
            self.action_mark_range()
        elif self.markable and self.cursor_key is not None:
            self.mark([self.cursor_key], not self._marks.has(self.cursor_key))
            self.action_down()

    def action_mark_range(self) -> None:
        """Begin a range of marks at the cursor, or mark everything from where it began up to the cursor."""
        if not self.markable or self.cursor_key is None:
            return
        if self._marks.anchor is None:
            self._marks.anchor = (self.cursor_key, self.cursor_index)
            self._tell_marks()
            return
        (first, place), self._marks.anchor = self._marks.anchor, None
        begun = self.row_at(place)
        if begun is not None and self.source.key(begun) == first:
            low, high = sorted((place, self.cursor_index))
            self.mark([self.source.key(row) for row in self.rows_between(low, high)])
        else:
            self.run_worker(self._mark_between(first, self.cursor_key), group="marks", exit_on_error=True)

    def action_mark_down(self) -> None:
        self._mark_and_go(1)

    def action_mark_up(self) -> None:
        self._mark_and_go(-1)

    def action_clear_marks(self) -> None:
        if not self.cancel_range() and self._marks:
            self._marks.clear()
            self._tell_marks()

    def _mark_and_go(self, step: int) -> None:
        if self.markable and self.cursor_key is not None:
            self.mark([self.cursor_key])
            self.move_to(self.cursor_index + step, by_hand=True)

    async def _mark_between(self, first: str, last: str) -> None:
        """Mark a range whose ends are not both in memory; where they are now is asked for."""
        try:
            places = [await self.source.position(key) for key in (first, last)]
            ends = sorted(place for place in places if place is not None)
            rows = await self.source.page(ends[0], ends[1] - ends[0] + 1) if len(ends) == 2 else None
        except BmError as error:
            self.post_message(self.Failed(self, error))
            return
        keys = [self.source.key(row) for row in rows or ()]
        if keys and {keys[0], keys[-1]} == {first, last}:
            self.mark(keys)
        else:
            self.notify("The rows moved; mark the range again.", severity="warning", markup=False)

    # The cursor.

    def action_choose(self) -> None:
        if self.cursor_key is not None:
            self.post_message(self.Chosen(self, self.cursor_key))

    def action_down(self) -> None:
        self.move_to(self.cursor_index + 1, by_hand=True)

    def action_up(self) -> None:
        self.move_to(self.cursor_index - 1, by_hand=True)

    def action_page_down(self) -> None:
        self._leaf(self.visible_rows)

    def action_page_up(self) -> None:
        self._leaf(-self.visible_rows)

    def action_top(self) -> None:
        self.move_to(0, by_hand=True)

    def action_end(self) -> None:
        self.move_to(self.row_count - 1, by_hand=True)

    def _leaf(self, rows: int) -> None:
        target = self.cursor_index + rows
        self.scroll_to(y=self.scroll_offset.y + rows, animate=False, force=True)
        self.move_to(target, by_hand=True)

    # Mouse.

    @on(Click)
    def _point(self, event: Click) -> None:
        if event.y < HEADER:
            for placed in self.placed:
                if placed.column.sort and placed.x <= event.x < placed.x + placed.width:
                    self.post_message(self.SortAsked(self, placed.column.sort))
            return
        index = self.scroll_offset.y + event.y - HEADER
        if index < self.row_count:
            if event.shift and self.markable and self.cursor_key is not None:
                self._marks.anchor = self._marks.anchor or (self.cursor_key, self.cursor_index)
                self.move_to(index, by_hand=True)
                self.action_mark_range()
                return
            self.move_to(index, by_hand=True)
            if self.markable and event.x <= 1 and self.cursor_key is not None:
                self.mark([self.cursor_key], not self._marks.has(self.cursor_key))
            elif event.chain == 2:
                self.action_choose()

    def _on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop().prevent_default()
        self._wheel(3)

    def _on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop().prevent_default()
        self._wheel(-3)

    def _wheel(self, rows: int) -> None:
        self._touched = self._wheeling = True
        self.scroll_to(y=self.scroll_offset.y + rows, animate=False, force=True)
        self._wheeling = False
