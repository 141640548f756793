"""The decision under the cursor: its reason in place, and its price over time where there is room."""

from datetime import tzinfo

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.reactive import reactive

from bmconsole.console import pricing
from bmconsole.console.look import Tone
from bmconsole.console.widgets.pricegraph import price_graph
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.toned import Toned
from bmconsole.domain.pricing_views import DecisionRow, PriceHistory
from bmconsole.domain.text import clean

_ROOMY = 12
"""The height from which the reason is told line by line."""


class PriceGraph(Toned):
    """A price history, drawn to its own size."""

    history: reactive[PriceHistory | None] = reactive(None)
    zone: reactive[tzinfo | None] = reactive(None)
    note: reactive[str] = reactive("")
    """What stands there while there is no history."""

    def render(self) -> RenderableType:
        """Return the picture."""
        if self.history is None or self.zone is None:
            return self.styled(((self.note, Tone.DIM),))
        lines = price_graph(self.history, self.size.width, self.size.height, self.zone)
        return Text("\n").join(self.styled(line) for line in lines)


class PricePane(Horizontal):
    """The reason on the left, the graph on the right; without the graph where the screen is small."""

    row: reactive[DecisionRow | None] = reactive(None)

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._head, self._words = Sheet(classes="head"), Sheet(classes="words")
        self.graph = PriceGraph(classes="graph")

    def compose(self) -> ComposeResult:
        with Vertical(classes="side"):
            yield self._head
            yield self._words
        yield self.graph

    @property
    def draws(self) -> bool:
        """Whether the graph has a place on the screen."""
        return bool(self.graph.display) and self.graph.size.height > 0

    @property
    def text(self) -> str:
        """What stands on the left."""
        return f"{self._head.text}\n{self._words.text}"

    def watch_row(self, row: DecisionRow | None) -> None:
        """Show another decision."""
        self._tell()

    @on(Resize)
    def _tell(self) -> None:
        row = self.row
        if row is None:
            self._head.show()
            self._words.show()
            return
        decision = row.decision
        self._head.show(
            (
                *pricing.standing(decision.standing),
                ("   ", Tone.PLAIN),
                (clean(decision.sku), Tone.STRONG),
                (f"  {decision.market}  ", Tone.KEY),
                (clean(row.title, limit=80), Tone.DIM),
            )
        )
        # Where there is room each part of the reason has a line of its own.
        first, *others = pricing.reason_lines(decision)
        roomy = self.size.height >= _ROOMY
        lines = [first, *((("▪ ", Tone.KEY), *line) for line in others)] if roomy else [pricing.reason(decision)]
        if row.result:
            glyph, tone = ("×", Tone.BAD) if row.state == "failed" else ("▪", Tone.KEY)
            lines.insert(0, ((f"{glyph} ", tone), (clean(row.result, limit=200), Tone.PLAIN)))
        told = decision.reason
        lines += [pricing.guard(check) for check in decision.guards if check.hit and check.guard not in told]
        self._words.show(*lines)
