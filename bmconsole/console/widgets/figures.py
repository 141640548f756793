"""Numbers in groups and columns; each leads somewhere, by Enter or by a click."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from bmconsole.console.actions import bindings
from bmconsole.console.look import Cell, Span, Tone, fit
from bmconsole.console.widgets.toned import Toned

LABEL, VALUE, GAP = 15, 9, 3
"""Cells of a number's name, of the number, and between two columns."""
ROOMY = 50
"""From which width of a column on name and number have more."""
WIDEST = 76


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name and what there is to add; `target` is the command that shows its rows.

    A note that is over time (`timed`) is cut at its beginning, others at their end.
    """

    label: str
    value: Cell
    note: Cell = ()
    target: str = ""
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Numbers under a title."""

    title: str
    figures: tuple[Figure, ...]
    note: str = ""

    @property
    def height(self) -> int:
        return len(self.figures) + 2


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a figure is: its column and line."""

    figure: Figure
    column: int
    line: int


def columns_for(width: int) -> int:
    """Return into how many columns a place of `width` cells is divided."""
    return 1 if width < 72 else 2 if width < 190 else 3


def shared_out(groups: Sequence[Group], columns: int) -> list[list[Group]]:
    """Return the groups in their order, in columns of like height."""
    if columns <= 1:
        return [list(groups)]
    low, high = max((group.height for group in groups), default=0), sum(group.height for group in groups)
    while low < high:
        middle = (low + high) // 2
        if len(_filled(groups, middle)) <= columns:
            high = middle
        else:
            low = middle + 1
    return _filled(groups, high)


def _filled(groups: Sequence[Group], height: int) -> list[list[Group]]:
    found: list[list[Group]] = [[]]
    for group in groups:
        if found[-1] and sum(each.height for each in found[-1]) + group.height > height:
            found.append([])
        found[-1].append(group)
    return found


class Figures(Toned, can_focus=True):
    """Groups of numbers with a cursor."""

    SCOPES: ClassVar[tuple[str, ...]] = ("figures",)
    BINDINGS = bindings("figures")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"figures--cursor", "figures--cursor-blurred"}

    groups: reactive[tuple[Group, ...]] = reactive((), layout=True)
    cursor = reactive(0)

    @dataclass
    class Chosen(Message):
        """The rows behind a number are asked for: `command` is what the command line would be told."""

        command: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._layout: tuple[tuple[Group, ...], int, list[list[Group]], list[Spot]] = ((), 0, [], [])

    @property
    def spots(self) -> list[Spot]:
        """Where each number that leads somewhere is, down the columns."""
        return self._laid_out()[1]

    def _laid_out(self) -> tuple[list[list[Group]], list[Spot]]:
        width = self.size.width
        if self._layout[0] is not self.groups or self._layout[1] != width:
            columns = shared_out(self.groups, columns_for(width))
            spots = []
            for column, groups in enumerate(columns):
                line = 0
                for group in groups:
                    for place, figure in enumerate(group.figures):
                        if figure.target:
                            spots.append(Spot(figure, column, line + 1 + place))
                    line += group.height
            self._layout = (self.groups, width, columns, spots)
        return self._layout[2], self._layout[3]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the height of the tallest column."""
        columns = shared_out(self.groups, columns_for(width))
        return max((sum(group.height for group in column) for column in columns), default=1)

    def _column_width(self) -> int:
        columns = columns_for(self.size.width)
        return min(WIDEST, (self.size.width - GAP * (columns - 1)) // columns)

    def render_line(self, y: int) -> Strip:
        """Paint a line of every column."""
        columns, spots = self._laid_out()
        base, width = self.rich_style, self._column_width()
        chosen = spots[min(self.cursor, len(spots) - 1)] if spots else None
        segments: list[Segment] = []
        for number, groups in enumerate(columns):
            here = chosen is not None and (chosen.column, chosen.line) == (number, y)
            style = base
            if here:
                name = "figures--cursor" if self.has_focus else "figures--cursor-blurred"
                style = base + self.get_component_rich_style(name)
            segments += self.segments(self._piece(groups, y, width, here), style)
            segments.append(Segment(" " * GAP, base))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _piece(self, groups: Sequence[Group], line: int, width: int, here: bool) -> list[Span]:
        for group in groups:
            if line < group.height:
                if line == 0:
                    return _title(group, width)
                if line <= len(group.figures):
                    return _figure(group.figures[line - 1], width, here)
                break
            line -= group.height
        return [(" " * width, Tone.PLAIN)]

    # The cursor.

    def action_choose(self) -> None:
        spots = self.spots
        if spots:
            self.post_message(self.Chosen(spots[min(self.cursor, len(spots) - 1)].figure.target))

    def action_down(self) -> None:
        self._move_to(self.cursor + 1)

    def action_up(self) -> None:
        self._move_to(self.cursor - 1)

    def action_right(self) -> None:
        self._sidewards(1)

    def action_left(self) -> None:
        self._sidewards(-1)

    def _move_to(self, place: int) -> None:
        if self.spots:
            self.cursor = max(0, min(len(self.spots) - 1, place))
            self.scroll_to_cursor()

    def _sidewards(self, step: int) -> None:
        spots = self.spots
        if not spots:
            return
        here = spots[min(self.cursor, len(spots) - 1)]
        beside = [
            (abs(spot.line - here.line), at) for at, spot in enumerate(spots) if spot.column == here.column + step
        ]
        if beside:
            self._move_to(min(beside)[1])

    def scroll_to_cursor(self) -> None:
        """Bring the number under the cursor on screen; with the first of a column its title."""
        spot = self.spots[self.cursor]
        top = 0 if spot.line <= 1 else spot.line
        if isinstance(self.parent, Widget):
            region = Region(0, top, 1, spot.line - top + 2).translate(self.virtual_region.offset)
            self.parent.scroll_to_region(region, animate=False)

    def on_click(self, event: Click) -> None:
        """Go where the number leads that was clicked."""
        column = event.x // (self._column_width() + GAP)
        for place, spot in enumerate(self.spots):
            if (spot.column, spot.line) == (column, event.y):
                event.stop()
                self.cursor = place
                self.action_choose()
                return


def _title(group: Group, width: int) -> list[Span]:
    title = f"{group.title} "
    note = f" {group.note}" if group.note else ""
    rule = "─" * max(0, width - cell_len(title) - cell_len(note) - 2)
    return fit((("  ", Tone.DIM), (title, Tone.STRONG), (rule, Tone.DIM), (note, Tone.DIM)), width)


def _figure(figure: Figure, width: int, here: bool) -> list[Span]:
    arrow: Cell = (("▸ ", Tone.KEY),) if here else (("  ", Tone.DIM),)
    label, value = (LABEL + 3, VALUE + 3) if width >= ROOMY else (LABEL, VALUE)
    room = max(0, width - label - value - 4)
    note = figure.note
    if figure.timed and note:
        note = ((note[0][0][-room:], note[0][1]),)
    return [
        *arrow,
        *fit(((figure.label, Tone.PLAIN if figure.target else Tone.DIM),), label),
        *fit(figure.value, value, right=True),
        ("  ", Tone.PLAIN),
        *fit(note, room),
    ]
