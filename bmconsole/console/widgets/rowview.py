"""Rows on a screen of which only those around the viewport are held; the cursor and the place belong to a key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Self

from rich.style import Style
from textual import on
from textual.events import Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import WorkType

from bmconsole.console.widgets.columns import Column, Placed, Row
from bmconsole.console.widgets.lines import Lines
from bmconsole.console.widgets.source import Source
from bmconsole.console.widgets.toned import Toned
from bmconsole.console.widgets.window import AHEAD, Place, Window, first_row
from bmconsole.errors import BmError

HEADER = 1


class RowView(ScrollView, Toned, Generic[Row]):
    """Rows by the line API; the cursor and the scroll position belong to a key, not to a number.

    Args:
        source: Where the rows come from.
        columns: What is shown of them.
        indent: Cells on the left for the cursor, and for what `glyph` says of a row where there are two.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--even",
        "table--odd",
        "table--cursor",
        "table--cursor-blurred",
        "table--edge",
    }

    sort = reactive("")
    """The field that rows are sorted by, `-` in front for descending; only shown, the source does the work."""
    note = reactive("")
    """What an empty table says."""

    @dataclass
    class Moved(Message):
        """The cursor is on another row."""

        table: Widget
        key: str | None
        by_hand: bool
        """Whether the operator moved it, not a change of the rows."""

        @property
        def control(self) -> Widget:
            return self.table

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RowView.Moved) and message.table is self.table and not self.by_hand

    @dataclass
    class Failed(Message):
        """Rows could not be read."""

        table: Widget
        error: BmError

    @dataclass
    class Counted(Message):
        """There are this many rows now."""

        table: Widget
        rows: int

    def __init__(
        self,
        source: Source[Row],
        columns: Sequence[Column[Row]],
        *,
        indent: int = 1,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.source = source
        self.row_count = 0
        self.cursor_index = 0
        self._columns = tuple(columns)
        self._lines: Lines[Row] = Lines(self._base, self.tone, indent=indent)
        self._window: Window[Row] = Window()
        self._cursor_key: str | None = None
        self._touched = False
        self._epoch = 0
        self._recount = False
        self._reading = self._wheeling = False

    # What the owner may ask.

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor, None while that row is not here yet."""
        return self._cursor_key

    @property
    def cursor_row(self) -> Row | None:
        """The row under the cursor, None while it is not here yet."""
        return self.row_at(self.cursor_index)

    @property
    def columns(self) -> tuple[Column[Row], ...]:
        return self._columns

    @columns.setter
    def columns(self, columns: Sequence[Column[Row]]) -> None:
        self._columns = tuple(columns)
        self._lines.place(self._columns, self.size.width)
        self.refresh()

    @property
    def held(self) -> int:
        """How many rows are in memory."""
        return len(self._window.rows)

    @property
    def visible_rows(self) -> int:
        """How many rows the viewport has room for."""
        return max(1, self.size.height - HEADER)

    @property
    def placed(self) -> Sequence[Placed[Row]]:
        """The columns that fit, where they are painted."""
        return self._lines.placed

    def rows_between(self, low: int, high: int) -> Sequence[Row]:
        """Return the rows from index `low` to `high`, as far as they are in memory."""
        return self._window.between(low, high)

    def row_at(self, index: int) -> Row | None:
        """Return the row at `index` of the whole table, None while it is not here."""
        return self._window.at(index)

    def load(self) -> None:
        """Read another query; the cursor goes to its first row, and stays at the top until it is moved."""
        self._epoch += 1
        self._touched, self._cursor_key = False, None
        self._place_cursor(0)
        self.scroll_to(0, 0, animate=False, force=True)
        self.renew()

    def renew(self) -> None:
        """Read the rows on screen again; cursor and scroll stay with their keys."""
        self._recount = True
        self._read_soon()

    async def fill(self) -> None:
        """Read the rows and return when they are here."""
        self._recount = True
        if not self._reading:
            self._reading = True
            await self._read()

    def move_to(self, index: int, *, by_hand: bool = False) -> None:
        """Put the cursor on the row at `index`, and that row on screen; from then on it stays with its row."""
        self._touched = True
        self._place_cursor(max(0, min(index, self.row_count - 1)), by_hand=by_hand)
        self._show_cursor()

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Paint regions again; without any, everything anew: cells may have changed with something else than rows."""
        if not regions and not layout:
            self._lines.forget()
        super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        return self

    # What a subclass may know more about.

    def glyph(self, index: int, key: str) -> str:
        """Return what stands before a row."""
        return " "

    def rows_moved(self, where: Mapping[str, int], by: int) -> None:
        """Follow rows that are elsewhere now: at their index in `where`, or `by` rows further down."""

    def cursor_moved(self, before: int) -> None:
        """Paint what looks different now that the cursor is not at index `before` any more."""
        self._repaint_row(before)
        self._repaint_row(self.cursor_index)

    # Reading: one reader at a time, that looks again when it was asked for more meanwhile.

    def _read_soon(self) -> None:
        if not self._reading and self.is_mounted:
            self._reading = True
            # Not yet called: a console that ends meanwhile would leave it behind unawaited.
            read: WorkType[None] = self._read
            self.run_worker(read, group="rows", exit_on_error=True)

    async def _read(self) -> None:
        try:
            while self._recount or self._wants_more():
                epoch, recount, self._recount = self._epoch, self._recount, False
                try:
                    if recount:
                        count, window = await self._window.around(self.source, self._place())
                    else:
                        count, top = self.row_count, self.scroll_offset.y
                        window = await self._window.further(self.source, top, count, self.visible_rows)
                except BmError as error:
                    self.post_message(self.Failed(self, error))
                    return
                if epoch != self._epoch:
                    continue
                self._install(count, window, recounted=recount)
                if self._missing() and self._first_row(count) == window.start:
                    # The page was shorter than the count promised: the rows changed in between.
                    if recount:
                        return
                    self._recount = True
        finally:
            self._reading = False

    def _place(self) -> Place:
        top, key = self.scroll_offset.y, self._cursor_key if self._touched else None
        return Place(top, self.visible_rows, key, self.cursor_index - top)

    def _first_row(self, count: int) -> int:
        return first_row(self.scroll_offset.y, count, self.visible_rows)

    def _missing(self, ahead: int = 0) -> bool:
        """Return whether a visible row is not here, or one that is up to `ahead` rows beyond the viewport."""
        top = max(0, self.scroll_offset.y - ahead)
        bottom = min(self.row_count, self.scroll_offset.y + self.visible_rows + ahead)
        return top < bottom and not self._window.holds(top, bottom)

    def _wants_more(self) -> bool:
        """Return whether rows should be read: visible ones, or those that will be after a few more keys."""
        return self._missing() or (self._missing(AHEAD) and self._first_row(self.row_count) != self._window.start)

    def _install(self, count: int, window: Window[Row], *, recounted: bool) -> None:
        shown = self._shown()
        # A key that is gone hands its place to the next row that is still there.
        wanted = self._cursor_key
        where = {self.source.key(row): index for index, row in enumerate(window.rows, window.start)}
        if self._touched and wanted is not None and wanted not in where:
            wanted = self._window.survivor(self.source, where, self.cursor_index)
        shift = 0
        index = min(self.cursor_index, max(0, count - 1))
        if self._touched and wanted is not None and wanted in where:
            shift = where[wanted] - self.cursor_index
            index = where[wanted]
        self._window = window.cut(index, self.visible_rows)
        if recounted and count != self.row_count:
            self.row_count = count
            self._extend()
        if shift:
            self.scroll_to(y=self.scroll_offset.y + shift, animate=False, force=True)
        self.rows_moved(where, shift)
        if shown != self._shown():
            self._cursor_key = None
            self.refresh(self.size.region)
        self._place_cursor(index)
        if recounted:
            self.post_message(self.Counted(self, count))

    def _shown(self) -> tuple[int, int, Sequence[Row]]:
        """Return what decides what is to be seen, the cursor aside."""
        top = self.scroll_offset.y
        return self.row_count, top, self.rows_between(top, top + self.visible_rows - 1)

    # Place and paint.

    def _extend(self) -> None:
        self.virtual_size = Size(self.size.width, self.row_count + HEADER)

    def _place_cursor(self, index: int, *, by_hand: bool = False) -> None:
        before, self.cursor_index = self.cursor_index, index
        row = self.row_at(index)
        key = None if row is None else self.source.key(row)
        if key != self._cursor_key or before != index:
            self._cursor_key = key
            self.cursor_moved(before)
            self.post_message(self.Moved(self, key, by_hand))

    def _show_cursor(self) -> None:
        top = self.scroll_offset.y
        if self.cursor_index < top:
            self.scroll_to(y=self.cursor_index, animate=False, force=True)
        elif self.cursor_index >= top + self.visible_rows:
            self.scroll_to(y=self.cursor_index - self.visible_rows + 1, animate=False, force=True)

    def _repaint_row(self, index: int) -> None:
        y = index - self.scroll_offset.y + HEADER
        if HEADER <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keep the cursor on screen and rows at hand wherever the view goes."""
        super().watch_scroll_y(old_value, new_value)
        top = self.scroll_offset.y
        inside = max(top, min(self.cursor_index, top + self.visible_rows - 1, max(0, self.row_count - 1)))
        if inside != self.cursor_index:
            self._place_cursor(inside, by_hand=self._wheeling)
        if self._wants_more():
            self._read_soon()

    @on(Resize)
    def _fit(self) -> None:
        self._lines.place(self._columns, self.size.width)
        self._extend()
        self._show_cursor()
        if self._wants_more():
            self._read_soon()

    def notify_style_update(self) -> None:
        """Forget colours with the theme that they came from."""
        self._lines.forget()
        super().notify_style_update()

    def _base(self, name: str) -> Style:
        return self.get_component_rich_style(f"table--{name}", partial=name == "edge")

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines as they are kept: what is painted on them is in them already."""
        width, background = self.size.width, self.background_colors[1]
        strips = [self.render_line(y) for y in crop.line_range]
        for line_filter in self.get_line_filters():
            strips = [strip.apply_filter(line_filter, background) for strip in strips]
        return strips if crop.column_span == (0, width) else [strip.crop(*crop.column_span) for strip in strips]

    def render_line(self, y: int) -> Strip:
        """Paint the header, or the row that is at `y`."""
        if y < HEADER:
            return self._lines.header(self.sort)
        index = self.scroll_offset.y + y - HEADER
        if index >= self.row_count:
            if self.row_count == 0 and y == HEADER + 1 and self.note:
                return self._lines.words(self.note, self.rich_style)
            return Strip.blank(self.size.width, self.rich_style)
        if index == self.cursor_index:
            part = "cursor" if self.has_focus else "cursor-blurred"
        else:
            part = "odd" if index % 2 else "even"
        row = self._window.at(index)
        if row is None:
            return self._lines.absent(part)
        key = self.source.key(row)
        return self._lines.row(key, row, (part, self.glyph(index, key)))
