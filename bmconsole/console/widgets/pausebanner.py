"""The banner over every tab while repricing is paused, and what the key does that pauses and resumes it."""

from collections.abc import Sequence
from datetime import datetime

from textual.app import App
from textual.reactive import reactive

from bmconsole.console import pricing
from bmconsole.console.look import Tone
from bmconsole.console.pricing_seam import PricingLike
from bmconsole.console.widgets.bars import Piece
from bmconsole.console.widgets.dialogs import Confirm
from bmconsole.console.widgets.toned import LineBar
from bmconsole.domain.pricing_views import PauseRow
from bmconsole.errors import BmError

_ACTION = "app.perform('app.pause_repricing')"


class PauseBanner(LineBar):
    """One line, there only while something is paused."""

    words = reactive("")
    """What is paused; empty: nothing."""
    whole = reactive(False)
    """Whether that is everything."""

    def tell(self, pauses: Sequence[PauseRow], now: datetime) -> None:
        """Show what is paused now."""
        self.words, self.whole = pricing.paused(pauses, now), pricing.stops_all(pauses)
        self.set_class(bool(self.words), "-on")
        self.set_class(not self.whole, "-partly")

    def line(self, width: int) -> list[Piece]:
        """Return what is paused, and how it goes on."""
        if not self.whole:
            return [(f" ■ not repriced: {self.words}", Tone.PLAIN, ""), ("   P in Pricing: go on", Tone.DIM, "")]
        return [(f" ■ REPRICING IS PAUSED   ! lets it go on   {self.words} ", Tone.PLAIN, _ACTION)]


async def pause_or_resume(app: App[None], workspace: PricingLike) -> None:
    """Pause all repricing at once, without a question; where it is paused, ask whether it goes on."""
    try:
        pauses = await workspace.pauses()
        if not pricing.stops_all(pauses):
            await workspace.pause(why="by key in the console")
            app.notify(
                "Repricing is paused, in every process of this profile. Nothing is repriced until ! lets it go on.",
                severity="warning",
                timeout=6,
                markup=False,
            )
            return
        question = "What the timer decides is suggested or written again, as the mode and the rules say."
        if await app.push_screen_wait(Confirm("Let repricing go on?", question, yes="go on", no="stay paused")):
            await workspace.resume()
            app.notify("Repricing goes on.", timeout=4, markup=False)
    except BmError as error:
        app.notify(error.line(), title="Repricing", severity="error", timeout=10, markup=False)
