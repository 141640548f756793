"""How a table's rows become lines of the screen: painted once, and kept while row, look and width stay the same."""

from collections.abc import Callable, Sequence
from typing import Generic

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from bmconsole.console.look import Span, Tone, fit
from bmconsole.console.widgets.columns import Column, Placed, Row, layout

KEPT = 512
"""Lines that are kept at least; twice as many at most."""

Look = tuple[str, str]
"""What a row is painted on (`even`, `odd`, `cursor`, `cursor-blurred`), and the glyph of its mark."""


class Lines(Generic[Row]):
    """Paints rows and the header.

    A cell may depend on its row alone: a line is painted again only where its row is another one or looks different,
    until `forget` says that everything may be different.

    Args:
        base: The style of a part of the table: `header`, `edge` or the first half of a `Look`.
        tone: The style of a tone over any of them.
        indent: Cells on the left for the cursor's edge, and for the mark where there are two.
    """

    def __init__(self, base: Callable[[str], Style], tone: Callable[[Tone], Style], *, indent: int) -> None:
        self._base, self._tone, self._indent = base, tone, indent
        self.placed: list[Placed[Row]] = []
        self.width = 0
        self._styles: dict[tuple[str, Tone], Style] = {}
        self._young: dict[tuple[str, Look], tuple[Row, Strip]] = {}
        self._old: dict[tuple[str, Look], tuple[Row, Strip]] = {}

    def place(self, columns: Sequence[Column[Row]], width: int) -> None:
        """Take other columns, or another width."""
        self.placed, self.width = layout(columns, width, indent=self._indent), width
        self.forget()

    def forget(self) -> None:
        """Paint everything anew from now on."""
        self._styles.clear()
        self._young.clear()
        self._old.clear()

    def row(self, key: str, row: Row, look: Look) -> Strip:
        """Return the line of a row."""
        place = (key, look)
        kept = self._young.get(place) or self._old.get(place)
        fits = kept is not None and (kept[0] is row or kept[0] == row)
        strip = kept[1] if kept is not None and fits else self._painted(row, look)
        if len(self._young) >= KEPT:
            self._young, self._old = {}, self._young
        self._young[place] = (row, strip)
        return strip

    def absent(self, part: str) -> Strip:
        """Return the line of a row that is not here yet."""
        return Strip([Segment("   ·".ljust(self.width), self._style(part, Tone.DIM))], self.width)

    def words(self, words: str, base: Style) -> Strip:
        """Return a line of words, over the style of an empty table."""
        spans = fit((("   " + words, Tone.DIM),), self.width)
        return Strip([Segment(part, base + self._tone(tone)) for part, tone in spans], self.width)

    def header(self, sort: str) -> Strip:
        """Return the line of titles; `sort` is the field that rows are sorted by, `-` in front for descending."""
        field, descending = sort.lstrip("-"), sort.startswith("-")
        line = _Line(" " * self._indent, self._base("header"))
        x = self._indent
        for placed in self.placed:
            column = placed.column
            is_sorted = bool(column.sort) and column.sort == field
            title = column.title.upper()
            if is_sorted:
                # The arrow stays where there is no room for both.
                room = placed.width - 2
                title = f"{title} " if cell_len(title) <= room else set_cell_size(title, max(0, room + 1))
                title += "▼" if descending else "▲"
            line.add(" " * (placed.x - x), self._base("header"))
            tone = Tone.KEY if is_sorted else Tone.DIM
            self._add(line, "header", fit(((title, tone),), placed.width, right=column.right))
            x = placed.x + placed.width
        return line.strip(self.width, self._base("header"))

    def _painted(self, row: Row, look: Look) -> Strip:
        part, glyph = look
        plain = self._style(part, Tone.PLAIN)
        line = _Line("▌", plain + self._base("edge")) if part == "cursor" else _Line(" ", plain)
        if self._indent > 1:
            line.add(glyph, plain if glyph == " " else self._style(part, Tone.WARN))
        x = self._indent
        for placed in self.placed:
            line.add(" " * (placed.x - x), plain)
            self._add(line, part, fit(placed.column.cell(row), placed.width, right=placed.column.right))
            x = placed.x + placed.width
        return line.strip(self.width, plain)

    def _add(self, line: "_Line", part: str, spans: Sequence[Span]) -> None:
        for words, tone in spans:
            line.add(words, self._style(part, tone))

    def _style(self, part: str, tone: Tone) -> Style:
        found = self._styles.get((part, tone))
        if found is None:
            base = self._base(part)
            found = self._styles[part, tone] = base if tone is Tone.PLAIN else base + self._tone(tone)
        return found


class _Line:
    """A line that grows to the right; neighbours of one style become one segment."""

    __slots__ = ("_segments", "_style", "_words")

    def __init__(self, words: str, style: Style) -> None:
        self._segments: list[Segment] = []
        self._words, self._style = words, style

    def add(self, words: str, style: Style) -> None:
        if style is self._style:
            self._words += words
        elif words:
            self._segments.append(Segment(self._words, self._style))
            self._words, self._style = words, style

    def strip(self, width: int, base: Style) -> Strip:
        """Return the line, cut or filled up to `width` cells."""
        self._segments.append(Segment(self._words, self._style))
        return Strip(self._segments).adjust_cell_length(width, base)
