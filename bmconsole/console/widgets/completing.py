"""A line to type in that completes with Tab and remembers what was typed before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input

from bmconsole.console.actions import bindings
from bmconsole.console.completion import Completer, Suggestion
from bmconsole.console.hiding import masked
from bmconsole.console.look import MASK, Tone
from bmconsole.console.widgets.bars import Piece
from bmconsole.console.widgets.toned import LineBar

REMEMBERED = 100

Hides = Callable[[str], list[tuple[int, int]]]
"""From what is typed to the places in it, from and up to, that are hidden while others look on."""


class CompletingInput(Input):
    """An input with suggestions and a history; `completer` is given by its owner, and so is what it `hides`."""

    SCOPES: ClassVar[tuple[str, ...]] = ("typing",)
    BINDINGS = bindings("typing")

    @dataclass
    class Offered(Message):
        """These suggestions fit what is typed; `chosen` is the one that was just taken, -1 for none."""

        suggestions: list[Suggestion]
        chosen: int

    def __init__(self, completer: Completer, *, placeholder: str = "", hides: Hides | None = None) -> None:
        super().__init__(placeholder=placeholder, compact=True, select_on_focus=False)
        self.completer = completer
        self._hides = hides
        self.past: list[str] = []
        """What was typed before, the newest last."""
        self._place: int | None = None
        self._draft = ""
        self._cycle: list[Suggestion] = []
        self._chosen = -1
        self._taken = self._offered = ""

    def on_mount(self) -> None:
        if self._hides is not None and hasattr(self.app, "private"):
            self.watch(self.app, "private", self._show_or_hide, init=False)

    def _show_or_hide(self) -> None:
        self.refresh(layout=True)

    @property
    def _value(self) -> Text:
        # What Textual draws: a dot for each letter while the cursor goes through them, else not even how many.
        if self._hides is None or not getattr(self.app, "private", False):
            return super()._value
        places = self._hides(self.value)
        if not self.has_focus:
            return Text(masked(self.value, places), no_wrap=True, overflow="ignore", end="")
        letters = list(self.value)
        for start, end in places:
            letters[start:end] = MASK[0] * (end - start)
        return Text("".join(letters), no_wrap=True, overflow="ignore", end="")

    @property
    def content_width(self) -> int:
        """The width of what is shown."""
        return max(super().content_width, cell_len(self._value.plain) + 1)

    def remember(self, text: str) -> None:
        """Keep what was typed for the next time; what was typed before begins with the newest again."""
        if text:
            self.past = [*(old for old in self.past if old != text), text][-REMEMBERED:]
        self._place = None

    def offer(self) -> None:
        """Say again what fits."""
        if self._taken and self.value == self._taken:
            return
        self._taken, self._chosen = "", -1
        self._offered = self.value
        self._cycle = self.completer(self.value[: self.cursor_position]) if self.screen.focused is self else []
        self.post_message(self.Offered(self._cycle, -1))

    def action_complete(self) -> None:
        """Take the next suggestion."""
        if self.value not in (self._offered, self._taken):
            # Typed ahead: that the text changed is not told yet.
            self.offer()
        if not self._cycle:
            return
        self._chosen = (self._chosen + 1) % len(self._cycle)
        chosen = self._cycle[self._chosen]
        self._taken = self.value[: chosen.start] + chosen.text
        self.value = self._taken
        self.cursor_position = len(self.value)
        self.post_message(self.Offered(self._cycle, self._chosen))
        if len(self._cycle) == 1:
            self._taken = ""
            self.offer()

    def action_older(self) -> None:
        """Bring back what was typed before."""
        if not self.past or self._place == 0:
            return
        if self._place is None:
            self._draft, self._place = self.value, len(self.past)
        self._place -= 1
        self._show(self.past[self._place])

    def action_newer(self) -> None:
        """Go on to what was typed after it."""
        if self._place is None:
            return
        self._place += 1
        if self._place >= len(self.past):
            self._place = None
            self._show(self._draft)
        else:
            self._show(self.past[self._place])

    def _show(self, text: str) -> None:
        self.value = text
        self.cursor_position = len(text)

    @on(Input.Changed)
    def _follow(self) -> None:
        self.offer()


class Suggestions(LineBar):
    """One line of suggestions; a click takes none, Tab does."""

    offered: reactive[tuple[Suggestion, ...]] = reactive(())
    chosen = reactive(-1)

    def line(self, width: int) -> list[Piece]:
        """Return the suggestions that fit, and what the chosen or the only one means."""
        pieces: list[Piece] = [("   ", Tone.DIM, "")]
        room = width - 3
        first = max(0, self.chosen - 2)
        shown = self.offered[first:]
        about = self.offered[self.chosen].help if self.chosen >= 0 else shown[0].help if len(shown) == 1 else ""
        for place, suggestion in enumerate(shown, first):
            length = cell_len(suggestion.text) + 2
            if length > room:
                break
            tone = Tone.STRONG if place == self.chosen else Tone.KEY
            pieces += [(suggestion.text, tone, ""), ("  ", Tone.DIM, "")]
            room -= length
        return [*pieces, (about[: max(0, room)], Tone.DIM, "")]
