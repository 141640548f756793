"""A price over time as large as the screen is, over a day up to a year."""

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from bmconsole.console import look
from bmconsole.console.actions import bindings
from bmconsole.console.look import Cell, Tone, count
from bmconsole.console.seam import WorkspaceLike
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.pricepane import PriceGraph
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.pricing_views import PriceHistory
from bmconsole.domain.text import clean
from bmconsole.errors import BmError

DAYS = (1, 3, 7, 14, 30, 90, 365)
"""How far back it can go."""


class HistoryScreen(ModalScreen[None]):
    """The history of one price."""

    SCOPES: ClassVar[tuple[str, ...]] = ("history",)
    BINDINGS = bindings("history")

    def __init__(self, workspace: WorkspaceLike, listing: str, market: str) -> None:
        super().__init__()
        self._workspace, self._listing, self._market = workspace, listing, market
        self.days = 7
        self._lead, self.graph = Sheet(classes="lead"), PriceGraph(classes="graph")

    def compose(self) -> ComposeResult:
        with Vertical(classes="box whole") as box:
            box.border_title = "Price over time"
            yield self._lead
            yield self.graph
            hints = KeyHints()
            hints.set_reactive(
                KeyHints.hints,
                (
                    Hint("←", "a shorter time", "screen.shorter"),
                    Hint("→", "a longer time", "screen.longer"),
                    Hint("esc", "close", "screen.leave"),
                ),
            )
            yield hints

    def on_mount(self) -> None:
        self.graph.zone = self._workspace.zone
        self.read()

    @work(exclusive=True, group="history")
    async def read(self) -> None:
        """Read the time that is wanted, and draw it."""
        try:
            history = await self._workspace.price_history(self._listing, self._market, days=self.days)
        except BmError as error:
            self.graph.note = error.line()
            return
        self._lead.show(*_leading(history, self.days))
        self.graph.history = history

    def action_longer(self) -> None:
        self._reach(1)

    def action_shorter(self) -> None:
        self._reach(-1)

    def action_leave(self) -> None:
        self.dismiss(None)

    def _reach(self, step: int) -> None:
        place = DAYS.index(self.days) + step
        if 0 <= place < len(DAYS):
            self.days = DAYS[place]
            self.read()


def _leading(history: PriceHistory, days: int) -> list[Cell]:
    """Return what it is about, and what happened in numbers."""
    sold = sum(sale.units for sale in history.sales)
    looked = sum(((each.last - each.first).total_seconds() for each in history.seen if each.winning is not None), 0.0)
    won = sum(((each.last - each.first).total_seconds() for each in history.seen if each.winning), 0.0)
    words = f"last {days} days" if days > 1 else "last 24 hours"
    parts: list[tuple[str, Tone]] = [
        (words, Tone.KEY),
        (f"   {count(len(history.changes))} changes of ours", Tone.PLAIN),
        (f"   {count(sold)} sold", Tone.PLAIN),
    ]
    if looked:
        parts.append((f"   box won {round(100 * won / looked)} % of the time seen", Tone.PLAIN))
    if history.cost is not None:
        parts.append((f"   cost {history.cost.total:f} {clean(history.cost.currency)}", Tone.DIM))
    return [
        ((clean(history.sku), Tone.STRONG), (f"  {history.market}  ", Tone.KEY), *look.text(history.title, Tone.DIM)),
        tuple(parts),
    ]
