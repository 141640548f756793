"""Widgets that paint lines in tones: the theme's colours as Rich styles, worked out once for all of them."""

from typing import Any
from weakref import WeakKeyDictionary

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import App
from textual.color import Color
from textual.strip import Strip
from textual.widget import Widget

from bmconsole.console.look import Cell, Span, Tone
from bmconsole.console.theme import TONES

_known: "WeakKeyDictionary[App[Any], tuple[dict[str, str], dict[Tone, Style]]]" = WeakKeyDictionary()


def tones(app: App[Any]) -> dict[Tone, Style]:
    """Return how tones look in the theme in force; over any background but a badge's.

    Component classes would say the same, but Textual works them out again for each widget, which was most of the start.
    """
    variables = app.theme_variables
    known = _known.get(app)
    if known is None or known[0] is not variables:
        known = _known[app] = (variables, {tone: _style(variables, tone) for tone in Tone})
    return known[1]


def _style(variables: dict[str, str], tone: Tone) -> Style:
    look = TONES[tone]
    colour, ground = (
        Color.parse(variables[name]).rich_color if name in variables else None for name in (look.colour, look.ground)
    )
    return Style(color=colour, bgcolor=ground, bold=True if look.bold else None)


class Toned(Widget):
    """A widget that knows how tones look."""

    def tone(self, tone: Tone) -> Style:
        """Return how `tone` looks here."""
        return tones(self.app)[tone]

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

    _shown: tuple[int, list[tuple[str, Tone, str]]] = (0, [])

    def renew(self) -> None:
        """Paint the line again if it reads differently now."""
        width = self.size.width
        if self.is_mounted and (width, self.line(width)) != self._shown:
            self.refresh()

    def line(self, width: int) -> list[tuple[str, Tone, str]]:
        """Return text, tone and action (empty: none) of each piece, for a bar of `width` cells."""
        return []

    def render_line(self, y: int) -> Strip:
        """Paint the line; cut what does not fit."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        parts = []
        pieces = self.line(width)
        self._shown = (width, pieces)
        for part, tone, action in pieces:
            style = base + self.tone(tone)
            parts.append(Segment(part, style + Style(meta={"@click": action}) if action else style))
        return Strip(parts).adjust_cell_length(width, base)
