"""The views of the writes, with how many are in each."""

from collections.abc import Mapping
from dataclasses import dataclass

from textual.message import Message
from textual.reactive import reactive

from bmconsole.console.look import INTENT_LOOK, Tone, count
from bmconsole.console.widgets.bars import Piece
from bmconsole.console.widgets.toned import LineBar
from bmconsole.domain.intents import IntentState
from bmconsole.domain.text import clean

UNFINISHED = tuple(state.value for state in IntentState if state.unfinished)
VIEWS: dict[str, tuple[str, ...]] = {
    "all": (),
    "unfinished": UNFINISHED,
    "conflict": ("conflict",),
    "rejected": ("rejected",),
    "unknown": ("unknown",),
    "confirmed": ("confirmed",),
    "dropped": ("dropped",),
}
"""What can be shown, with the states that are in it."""


class StateBar(LineBar):
    """The views with how many writes are in each; a click shows one."""

    counts: reactive[Mapping[str, int]] = reactive[Mapping[str, int]](dict)
    view = reactive("all")
    run = reactive("")

    @dataclass
    class Picked(Message):
        """A view was clicked."""

        view: str

    def line(self, width: int) -> list[Piece]:
        """Return the views; those without a write are left out where there is little room."""
        pieces: list[Piece] = [(" ", Tone.DIM, "")]
        for name, states in VIEWS.items():
            number = sum(self.counts.get(state, 0) for state in states) if states else sum(self.counts.values())
            if not number and name not in ("all", self.view) and width < 110:
                continue
            here = name == self.view
            tone = INTENT_LOOK[IntentState(name)][1] if name in self.counts and name != "confirmed" else Tone.PLAIN
            number_tone = Tone.DIM if not number else tone if tone is not Tone.GOOD else Tone.PLAIN
            action = f"pick({name!r})"
            pieces += [
                (name, Tone.KEY if here else Tone.DIM, action),
                (f" {count(number)}", Tone.STRONG if here else number_tone, action),
                ("   ", Tone.DIM, ""),
            ]
        if self.run:
            pieces.append((f"only run {clean(self.run, limit=40)}", Tone.WARN, ""))
        return pieces

    def action_pick(self, view: str) -> None:
        self.post_message(self.Picked(view))
