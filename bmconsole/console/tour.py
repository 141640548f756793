"""The tour: eight short steps through the console, beside which everything can be done as usual."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from bmconsole.console.look import Cell, Tone
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.errors import BmError

if TYPE_CHECKING:
    from bmconsole.console.frame import Frame


@dataclass(frozen=True, slots=True)
class Step:
    """Where a step goes, by commands of the command line, and what it says there."""

    title: str
    words: str
    commands: tuple[str, ...]


STEPS = (
    Step(
        "What waits",
        "Orders to accept, the most urgent first. Space marks, a accepts what is marked, / filters, w has views.",
        ("orders to accept",),
    ),
    Step(
        "What is late",
        "Late by Back Market's own clock. p scans parcels: IMEI, tracking number, done, the next one.",
        ("orders late",),
    ),
    Step(
        "One order",
        "The live order beside the cached one: what differs is marked ≠. J is the raw answer, f follows it.",
        ("orders late", "orders.open"),
    ),
    Step(
        "Boxes that could be won",
        "Listings that lose the backbox although their minimum price would win it, the widest gap first.",
        ("listings winnable",),
    ),
    Step(
        "A price",
        "Every market side by side. Type a price: it is checked, shown as a diff, sent, and read back.",
        ("listings winnable", "listings.open"),
    ),
    Step(
        "Suggestions",
        "What repricing would do, and why. It writes nothing by itself: one key approves what you like.",
        ("app.show_pricing",),
    ),
    Step(
        "What was written",
        "One write is in conflict, one was refused: d decides about a conflict, z takes a write back.",
        ("writes all",),
    ),
    Step(
        "The morning's numbers",
        "Each number leads to its rows by Enter. ? has every key, ^p finds an action by name, q ends.",
        ("app.show_overview",),
    ),
)


class TourBar(Vertical):
    """The step's words, above the status line."""

    def __init__(self) -> None:
        super().__init__(id="tour")
        self.sheet = Sheet()

    def compose(self) -> ComposeResult:
        yield self.sheet


class Tour:
    """Where the tour is. It goes to the places of its steps and says something there; keys stay what they are."""

    def __init__(self, frame: "Frame") -> None:
        self._frame = frame
        self.at = 0
        self.bar = TourBar()

    def begin(self) -> None:
        """Show the bar; the first step waits for the operator to go on."""
        self.at = -1
        self._frame.screen_stack[0].mount(self.bar, before=self._frame.status_line)
        self._say(
            "Welcome",
            "Eight short steps through an invented shop that lives: orders come in, rivals move their prices.",
        )

    def go(self, step: int) -> None:
        """Go a step further or back; past the last one it ends."""
        place = self.at + step
        if place >= len(STEPS):
            self.leave()
            return
        self.at = max(0, place)
        self._frame.run_worker(self._visit(STEPS[self.at]), group="tour", exclusive=True)

    def leave(self) -> None:
        """Take the bar away; nothing else changes."""
        self.bar.remove()
        self._frame.tour = None

    async def _visit(self, step: Step) -> None:
        from bmconsole.console import commands

        self._say(step.title, step.words)
        for command in step.commands:
            try:
                await commands.run(self._frame, command)
                await settled(lambda: self._frame.current.ready)
            except BmError as error:
                self._say(step.title, f"{step.words} ({error.message})")

    def _say(self, title: str, words: str) -> None:
        place = f"{self.at + 1} of {len(STEPS)}" if self.at >= 0 else "Tour"
        keys: Cell = (
            ("f8 ", Tone.KEY),
            ("begin   " if self.at < 0 else "next   " if self.at < len(STEPS) - 1 else "end   ", Tone.DIM),
            *((("f7 ", Tone.KEY), ("back   ", Tone.DIM)) if self.at > 0 else ()),
            ("f9 ", Tone.KEY),
            ("leave the tour", Tone.DIM),
        )
        self.bar.sheet.show(((f"{place}  ", Tone.DIM), (title, Tone.STRONG)), ((words, Tone.PLAIN),), keys)


async def settled(condition: Callable[[], bool]) -> None:
    """Let the screen follow before the next command."""
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0.02)
