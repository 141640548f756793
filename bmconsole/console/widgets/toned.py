"""Widgets that paint lines in tones: the theme's colours as Rich styles, looked up once."""

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

from bmconsole.console.look import Cell, Span, Tone

_NO_STYLE = Style()


class Toned(Widget):
    """A widget that knows how tones look; `styles/base.tcss` gives each tone its colour."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tone--{tone}" for tone in Tone}

    def tone(self, tone: Tone) -> Style:
        """Return how `tone` looks here, plain before the styles are known."""
        return self.get_component_rich_style(f"tone--{tone}", partial=True, default=_NO_STYLE)

    def styled(self, *cells: Cell) -> Text:
        """Return cells as one Rich text, never read as markup."""
        shown = Text()
        for cell in cells:
            for part, tone in cell:
                shown.append(part, self.tone(tone))
        return shown

    def segments(self, spans: list[Span], base: Style) -> list[Segment]:
        """Return spans as segments over a base style."""
        return [Segment(part, base + self.tone(tone)) for part, tone in spans]


class LineBar(Toned):
    """A bar of one line that is painted from spans; spans with an action answer a click."""

    def line(self, width: int) -> list[tuple[str, Tone, str]]:
        """Return text, tone and action (empty: none) of each piece, for a bar of `width` cells."""
        return []

    def render_line(self, y: int) -> Strip:
        """Paint the line; cut what does not fit."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        parts = []
        for part, tone, action in self.line(width):
            style = base + self.tone(tone)
            parts.append(Segment(part, style + Style(meta={"@click": action}) if action else style))
        return Strip(parts).adjust_cell_length(width, base)
