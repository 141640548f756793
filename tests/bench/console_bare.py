"""The bare Textual apps beside which the console is measured: one Static, a line-API list, a DataTable of 100 rows."""

import sys
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

ROWS = 100_000


class Bare(App[None]):
    """One Static."""

    def compose(self) -> ComposeResult:
        from textual.widgets import Static

        yield Static("bare")


class Lines(ScrollView, can_focus=True):
    """A list by the line API that repaints the two rows of a move."""

    BINDINGS: ClassVar[list[BindingType]] = [("j", "down", "")]
    cursor = 0

    def on_mount(self) -> None:
        self.virtual_size = Size(100, ROWS)
        self.focus()

    def action_down(self) -> None:
        self.cursor += 1
        top = self.scroll_offset.y
        if self.cursor >= top + self.size.height:
            self.scroll_to(y=self.cursor - self.size.height + 1, animate=False, force=True)
        for row in (self.cursor - 1, self.cursor):
            self.refresh(Region(0, row - self.scroll_offset.y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        row = y + self.scroll_offset.y
        style = Style(reverse=row == self.cursor)
        return Strip([Segment(f"row-{row} {10_000_000 + row} and more text".ljust(self.size.width), style)])


class ListApp(App[None]):
    """The list."""

    def compose(self) -> ComposeResult:
        yield Lines()


class TableApp(App[None]):
    """A DataTable of 100 rows: `g` first, `G` last, `S` turns round, `f` filters half of them out and in again."""

    BINDINGS: ClassVar[list[BindingType]] = [("g", "top", ""), ("G", "end", ""), ("S", "turn", ""), ("f", "half", "")]

    def compose(self) -> ComposeResult:
        from textual.widgets import DataTable

        self.rows: DataTable[str] = DataTable(cursor_type="row")
        yield self.rows

    def on_mount(self) -> None:
        self.turned = self.halved = False
        for column in range(12):
            self.rows.add_column(f"column {column}", key=str(column))
        self._fill()

    def _fill(self) -> None:
        self.rows.clear()
        for number in range(50 if self.halved else 0, 100):
            self.rows.add_row(f"row-{number} ", *(f"{number * column:05}" for column in range(1, 12)))

    def action_top(self) -> None:
        self.rows.move_cursor(row=0, animate=False)

    def action_end(self) -> None:
        self.rows.move_cursor(row=self.rows.row_count - 1, animate=False)

    def action_turn(self) -> None:
        self.turned = not self.turned
        self.rows.sort("0", key=lambda text: int(str(text)[4:]), reverse=self.turned)

    def action_half(self) -> None:
        self.halved = not self.halved
        self._fill()


if __name__ == "__main__":
    {"bare": Bare, "list": ListApp, "table": TableApp}[sys.argv[1]]().run()
