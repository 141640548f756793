"""A table of any number of rows that holds only those around the viewport and knows them by their key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from bmconsole.console.actions import bindings
from bmconsole.console.look import Tone, fit
from bmconsole.console.widgets.columns import Column, Placed, Row, layout
from bmconsole.console.widgets.toned import Toned
from bmconsole.errors import BmError

MARGIN = 120
"""Rows held on either side of the viewport."""
HEADER = 1
MARK_GLYPH = "◆"


@dataclass(frozen=True, slots=True)
class Near:
    """A row that a page begins right behind (or, `backward`, ends right before), so that depth costs nothing."""

    key: str
    backward: bool = False


class Source(Protocol[Row]):
    """Where rows come from: any page of them in their order, how many there are, and where a key is among them.

    A page is asked for by its offset; `near` says the same by a neighbour, which the source may use or not: it
    answers None where that neighbour is gone.
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


class VirtualTable(ScrollView, Toned, Generic[Row], can_focus=True, inherit_bindings=False):
    """Rows by the line API; the cursor and the scroll position belong to a key, not to a number.

    The owner gives `source` and `columns`, calls `load()` for another query and `renew()` when data may have changed.
    """

    SCOPES: ClassVar[tuple[str, ...]] = ("table",)
    BINDINGS = bindings("table")
    COMPONENT_CLASSES: ClassVar[set[str]] = Toned.COMPONENT_CLASSES | {
        "table--header",
        "table--even",
        "table--odd",
        "table--cursor",
        "table--cursor-blurred",
        "table--edge",
    }

    row_count = reactive(0, repaint=False)
    cursor_index = reactive(0, repaint=False)
    sort = reactive("")
    """The field that rows are sorted by, `-` in front for descending; only shown, the source does the work."""
    note = reactive("")
    """What an empty table says."""

    @dataclass
    class Chosen(Message):
        """A row was opened by Enter or a double click."""

        table: Widget
        key: str

        @property
        def control(self) -> Widget:
            return self.table

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
            return isinstance(message, VirtualTable.Moved) and message.table is self.table and not self.by_hand

    @dataclass
    class SortAsked(Message):
        """A column's title was clicked."""

        table: Widget
        field: str

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
        super().__init__(id=id)
        self.source = source
        self.markable = markable
        self._columns = tuple(columns)
        self._placed: list[Placed[Row]] = []
        self._rows: Sequence[Row] = ()
        self._start = 0
        self._cursor_key: str | None = None
        self._touched = False
        self._epoch = 0
        self._recount = False
        self._reading = self._wheeling = False
        self._styles: dict[str, Style] = {}
        self._tones: dict[Tone, Style] = {}
        self._marks: dict[str, None] = {}
        self._anchor: tuple[str, int] | None = None

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
        self._placed = self._layout()
        self.refresh()

    @property
    def marks(self) -> tuple[str, ...]:
        """The keys of the marked rows, in the order in which they were marked, whether they are shown or not."""
        return tuple(self._marks)

    @property
    def ranging(self) -> bool:
        """Whether a range is being marked."""
        return self._anchor is not None

    @property
    def held(self) -> int:
        """How many rows are in memory."""
        return len(self._rows)

    def row_at(self, index: int) -> Row | None:
        """Return the row at `index` of the whole table, None while it is not here."""
        position = index - self._start
        return self._rows[position] if 0 <= position < len(self._rows) else None

    def load(self) -> None:
        """Read another query; the cursor goes to its first row, and stays at the top until it is moved."""
        self._epoch += 1
        self._touched, self._cursor_key, self._anchor = False, None, None
        self._place_cursor(0)
        self.scroll_to(0, 0, animate=False, force=True)
        self.renew()

    def renew(self) -> None:
        """Read the rows on screen again; cursor and scroll stay with their keys."""
        self._recount = True
        self._read_soon()

    def move_to(self, index: int, *, by_hand: bool = False) -> None:
        """Put the cursor on the row at `index`, and that row on screen; from then on it stays with its row."""
        self._touched = True
        self._place_cursor(max(0, min(index, self.row_count - 1)), by_hand=by_hand)
        self._show_cursor()

    def mark(self, keys: Iterable[str], on: bool = True) -> None:
        """Mark rows, or take their marks off; marks belong to keys and outlive filters and refreshes."""
        for key in keys:
            if on:
                self._marks[key] = None
            else:
                self._marks.pop(key, None)
        self.refresh()
        self.post_message(self.Marked(self))

    def cancel_range(self) -> bool:
        """Stop marking a range; return whether one was being marked."""
        was, self._anchor = self._anchor is not None, None
        if was:
            self.refresh()
            self.post_message(self.Marked(self))
        return was

    # Keys.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys of marks to others where rows cannot be marked."""
        return self.markable or "mark" not in action

    def action_mark(self) -> None:
        """Mark the row or take its mark off, and go to the next; ends a range where one was begun."""
        if self._anchor is not None:
            self.action_mark_range()
        elif self.markable and self._cursor_key is not None:
            self.mark([self._cursor_key], self._cursor_key not in self._marks)
            self.action_down()

    def action_mark_range(self) -> None:
        """Begin a range of marks at the cursor, or mark everything from where it began up to the cursor."""
        if not self.markable or self._cursor_key is None:
            return
        if self._anchor is None:
            self._anchor = (self._cursor_key, self.cursor_index)
            self.refresh()
            self.post_message(self.Marked(self))
            return
        (first, place), self._anchor = self._anchor, None
        low, high = sorted((place, self.cursor_index))
        begun = self.row_at(place)
        if begun is not None and self.source.key(begun) == first:
            rows = self._rows[low - self._start : high - self._start + 1]
            self.mark([self.source.key(row) for row in rows])
        else:
            self.run_worker(self._mark_between(first, self._cursor_key), group="marks", exit_on_error=True)

    def action_mark_down(self) -> None:
        self._mark_and_go(1)

    def action_mark_up(self) -> None:
        self._mark_and_go(-1)

    def action_clear_marks(self) -> None:
        if not self.cancel_range() and self._marks:
            self._marks.clear()
            self.mark(())

    def _mark_and_go(self, step: int) -> None:
        if self.markable and self._cursor_key is not None:
            self.mark([self._cursor_key])
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

    def action_choose(self) -> None:
        if self._cursor_key is not None:
            self.post_message(self.Chosen(self, self._cursor_key))

    def action_down(self) -> None:
        self.move_to(self.cursor_index + 1, by_hand=True)

    def action_up(self) -> None:
        self.move_to(self.cursor_index - 1, by_hand=True)

    def action_page_down(self) -> None:
        self._leaf(self._visible)

    def action_page_up(self) -> None:
        self._leaf(-self._visible)

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
            for placed in self._placed:
                if placed.column.sort and placed.x <= event.x < placed.x + placed.width:
                    self.post_message(self.SortAsked(self, placed.column.sort))
            return
        index = self.scroll_offset.y + event.y - HEADER
        if index < self.row_count:
            if event.shift and self.markable and self._cursor_key is not None:
                self._anchor = self._anchor or (self._cursor_key, self.cursor_index)
                self.move_to(index, by_hand=True)
                self.action_mark_range()
                return
            self.move_to(index, by_hand=True)
            if self.markable and event.x <= 1 and self._cursor_key is not None:
                self.mark([self._cursor_key], self._cursor_key not in self._marks)
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

    # Reading: one reader at a time, that looks again when it was asked for more meanwhile.

    def _read_soon(self) -> None:
        if not self._reading and self.is_mounted:
            self._reading = True
            self.run_worker(self._read(), group="rows", exit_on_error=True)

    async def _read(self) -> None:
        try:
            while self._recount or self._missing():
                epoch, recount, self._recount = self._epoch, self._recount, False
                try:
                    count = await self.source.count() if recount else self.row_count
                    start, limit = self._wanted(count)
                    rows = await self._page(start, limit, moved=recount)
                    if recount:
                        start, rows = await self._with_cursor(start, rows, limit)
                except BmError as error:
                    self.post_message(self.Failed(self, error))
                    return
                if epoch != self._epoch:
                    continue
                self._install(count, start, rows, recounted=recount)
                if self._missing() and self._wanted(count)[0] == start:
                    # The page was shorter than the count promised: the rows changed in between.
                    if recount:
                        return
                    self._recount = True
        finally:
            self._reading = False

    def _wanted(self, count: int) -> tuple[int, int]:
        top = max(0, min(self.scroll_offset.y, count - self._visible))
        start = max(0, top - MARGIN)
        return start, self._visible + 2 * MARGIN

    def _missing(self) -> bool:
        top = self.scroll_offset.y
        bottom = min(self.row_count, top + self._visible)
        return top < bottom and not (self._start <= top and bottom <= self._start + len(self._rows))

    async def _page(self, start: int, limit: int, *, moved: bool) -> Sequence[Row]:
        """Return the rows from `start` on; by a neighbour in memory, unless rows may have `moved` since it was read."""
        near = None
        if not moved:
            above, below = self.row_at(start - 1), self.row_at(start + limit)
            if above is not None:
                near = Near(self.source.key(above))
            elif below is not None and start > 0:
                near = Near(self.source.key(below), backward=True)
        rows = await self.source.page(start, limit, near) if near else None
        if rows is None or (near and near.backward and len(rows) < limit):
            rows = await self.source.page(start, limit)
        return rows or ()

    async def _with_cursor(self, start: int, rows: Sequence[Row], limit: int) -> tuple[int, Sequence[Row]]:
        """Return a page with the cursor's row in it, wherever that went; the page as it is where that row is gone."""
        for _ in range(3):
            key = self._cursor_key
            if not self._touched or key is None or any(self.source.key(row) == key for row in rows):
                break
            place = await self.source.position(key)
            if place is None:
                break
            line = self.cursor_index - self.scroll_offset.y
            start = max(0, place - line - MARGIN)
            rows = await self._page(start, limit, moved=True)
        return start, rows

    def _install(self, count: int, start: int, rows: Sequence[Row], *, recounted: bool) -> None:
        old_rows, old_start = self._rows, self._start
        # A key that is gone hands its place to the next row that is still there.
        wanted = self._cursor_key
        where = {self.source.key(row): start + position for position, row in enumerate(rows)}
        if self._touched and wanted is not None and wanted not in where:
            wanted = self._survivor(old_rows, where, self.cursor_index - old_start)
        shift = 0
        index = min(self.cursor_index, max(0, count - 1))
        if self._touched and wanted is not None and wanted in where:
            shift = where[wanted] - self.cursor_index
            index = where[wanted]
        if len(rows) > self._visible + 2 * MARGIN:
            keep = max(0, min(index - start - MARGIN, len(rows) - self._visible - 2 * MARGIN))
            start, rows = start + keep, rows[keep : keep + self._visible + 2 * MARGIN]
        self._rows, self._start = rows, start
        if recounted and count != self.row_count:
            self.row_count = count
            self._extend()
        if shift:
            self.scroll_to(y=self.scroll_offset.y + shift, animate=False, force=True)
        if self._anchor is not None:
            key, place = self._anchor
            self._anchor = (key, where.get(key, place + shift))
        self._cursor_key = None
        self._place_cursor(index)
        self.refresh()
        if recounted:
            self.post_message(self.Counted(self, count))

    def _survivor(self, rows: Sequence[Row], where: dict[str, int], position: int) -> str | None:
        keys = [self.source.key(row) for row in rows]
        return next((key for key in keys[max(0, position) :] + keys[: max(0, position)][::-1] if key in where), None)

    # Place and paint.

    @property
    def _visible(self) -> int:
        return max(1, self.size.height - HEADER)

    @property
    def _indent(self) -> int:
        return 2 if self.markable else 1

    def _layout(self) -> list[Placed[Row]]:
        return layout(self._columns, self.size.width, indent=self._indent)

    def _extend(self) -> None:
        self.virtual_size = Size(self.size.width, self.row_count + HEADER)

    def _place_cursor(self, index: int, *, by_hand: bool = False) -> None:
        before, self.cursor_index = self.cursor_index, index
        row = self.row_at(index)
        key = None if row is None else self.source.key(row)
        if key != self._cursor_key or before != index:
            self._cursor_key = key
            if self._anchor is None:
                self._repaint_row(before)
                self._repaint_row(index)
            else:
                self.refresh()
            self.post_message(self.Moved(self, key, by_hand))

    def _show_cursor(self) -> None:
        top = self.scroll_offset.y
        if self.cursor_index < top:
            self.scroll_to(y=self.cursor_index, animate=False, force=True)
        elif self.cursor_index >= top + self._visible:
            self.scroll_to(y=self.cursor_index - self._visible + 1, animate=False, force=True)

    def _repaint_row(self, index: int) -> None:
        y = index - self.scroll_offset.y + HEADER
        if HEADER <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keep the cursor on screen and rows at hand wherever the view goes."""
        super().watch_scroll_y(old_value, new_value)
        top = self.scroll_offset.y
        inside = max(top, min(self.cursor_index, top + self._visible - 1, max(0, self.row_count - 1)))
        if inside != self.cursor_index:
            self._place_cursor(inside, by_hand=self._wheeling)
        if self._missing():
            self._read_soon()

    def watch_sort(self) -> None:
        self.refresh()

    @on(Resize)
    def _fit(self) -> None:
        self._placed = self._layout()
        self._extend()
        self._show_cursor()
        if self._missing():
            self._read_soon()

    def notify_style_update(self) -> None:
        """Forget colours with the theme that they came from."""
        self._styles.clear()
        self._tones.clear()
        super().notify_style_update()

    def _base(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = self.get_component_rich_style(f"table--{name}", partial=name == "edge")
        return self._styles[name]

    def _tone(self, tone: Tone) -> Style:
        if tone not in self._tones:
            self._tones[tone] = self.tone(tone)
        return self._tones[tone]

    def render_line(self, y: int) -> Strip:
        """Paint the header, or the row that is at `y`."""
        width = self.size.width
        if y < HEADER:
            return self._header(width)
        index = self.scroll_offset.y + y - HEADER
        if index >= self.row_count:
            if self.row_count == 0 and y == HEADER + 1 and self.note:
                return Strip(self.segments(fit((("   " + self.note, Tone.DIM),), width), self.rich_style))
            return Strip.blank(width, self.rich_style)
        row = self.row_at(index)
        cursor = index == self.cursor_index
        kind = ("cursor" if self.has_focus else "cursor-blurred") if cursor else ("odd" if index % 2 else "even")
        base = self._base(kind)
        if row is None:
            return Strip([Segment("   ·".ljust(width), base + self.tone(Tone.DIM))])
        edge = Segment("▌", base + self._base("edge")) if cursor and self.has_focus else Segment(" ", base)
        segments, x = [edge], self._indent
        if self.markable:
            mark = self._mark_of(index, self.source.key(row))
            segments.append(Segment(mark, base + self._tone(Tone.WARN)) if mark != " " else Segment(mark, base))
        for placed in self._placed:
            if placed.x > x:
                segments.append(Segment(" " * (placed.x - x), base))
            segments += self.segments(fit(placed.column.cell(row), placed.width, right=placed.column.right), base)
            x = placed.x + placed.width
        return Strip(segments).adjust_cell_length(width, base)

    def _mark_of(self, index: int, key: str) -> str:
        if key in self._marks:
            return MARK_GLYPH
        if self._anchor is None:
            return " "
        low, high = sorted((self._anchor[1], self.cursor_index))
        return "◇" if low <= index <= high else " "

    def _header(self, width: int) -> Strip:
        base = self._base("header")
        field, descending = self.sort.lstrip("-"), self.sort.startswith("-")
        segments, x = [Segment(" " * self._indent, base)], self._indent
        for placed in self._placed:
            column = placed.column
            sorted_ = bool(column.sort) and column.sort == field
            title = column.title.upper() + ((" ▼" if descending else " ▲") if sorted_ else "")
            if placed.x > x:
                segments.append(Segment(" " * (placed.x - x), base))
            tone = Tone.KEY if sorted_ else Tone.DIM
            segments += self.segments(fit(((title, tone),), placed.width, right=column.right), base)
            x = placed.x + placed.width
        return Strip(segments).adjust_cell_length(width, base)
