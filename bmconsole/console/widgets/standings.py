"""How the offers stand, as a bar of counts and money: each standing can be clicked to see only its rows."""

from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from bmconsole.console.look import Cell, Span, Tone, count, fit, plain
from bmconsole.console.pricing import STANDING_LOOK, short_money
from bmconsole.console.widgets.toned import Toned
from bmconsole.domain.decisions import Standing
from bmconsole.domain.pricing_views import STANDINGS, StandingCount

_ONE_LINE = 150
"""The width from which all standings stand beside each other."""


class StandingBar(Toned):
    """The standings in the order of the view: what costs money first.

    Each takes two lines: its name, and how many offers stand so with the money at stake.
    """

    counts: reactive[tuple[StandingCount, ...]] = reactive(())
    chosen: reactive[Standing | None] = reactive(None)
    """The standing that the rows are narrowed to."""

    @dataclass
    class Chosen(Message):
        """A standing was clicked; None: the one in force, to end it."""

        standing: Standing | None

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 2 if width >= _ONE_LINE else 4

    def action_choose(self, name: str) -> None:
        """Narrow the rows to a standing, or show all again where it is the one in force."""
        wanted = Standing(name)
        self.post_message(self.Chosen(None if wanted is self.chosen else wanted))

    def render_line(self, y: int) -> Strip:
        """Paint a line: names above, figures below."""
        width, base = self.size.width, self.rich_style
        across = len(STANDINGS) if width >= _ONE_LINE else len(STANDINGS) // 2
        row, part = divmod(y, 2)
        if (row + 1) * across > len(STANDINGS):
            return Strip.blank(width, base)
        figures = {one.standing: one for one in self.counts}
        shown = [self._chip(standing, figures.get(standing)) for standing in STANDINGS]
        needed = [max(cell_len(plain(line)) for line in chip) for chip in shown]
        columns = [max(needed[place::across]) for place in range(across)]
        spare = max(0, width - 2 - sum(columns)) // across
        segments = [Segment(" ", base)]
        for place in range(across):
            standing = STANDINGS[row * across + place]
            spans = fit(shown[row * across + place][part], columns[place] + spare)
            link = base + Style(meta={"@click": f"choose({str(standing)!r})"})
            segments += self.segments(spans, link)
        return Strip(segments).adjust_cell_length(width, base)

    def _chip(self, standing: Standing, known: StandingCount | None) -> tuple[Cell, Cell]:
        return tuple(self._title(standing, known)), tuple(self._figures(standing, known))

    def _title(self, standing: Standing, known: StandingCount | None) -> list[Span]:
        glyph, tone = STANDING_LOOK[standing]
        if standing is self.chosen:
            return [("▸ ", Tone.KEY), (str(standing), Tone.KEY)]
        there = known is not None and known.count > 0
        return [(f"{glyph} ", tone if there else Tone.DIM), (str(standing), Tone.PLAIN if there else Tone.DIM)]

    def _figures(self, standing: Standing, known: StandingCount | None) -> list[Span]:
        if known is None or not known.count:
            return [("  ", Tone.PLAIN), ("0" if known else "–", Tone.DIM)]
        spans: list[Span] = [("  ", Tone.PLAIN), (count(known.count), Tone.STRONG)]
        if money := short_money(known.money):
            spans.append((f"  {money}", Tone.DIM))
        return spans
