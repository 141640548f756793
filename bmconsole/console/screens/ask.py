"""A question that is answered by a line of text: a path, a note, a carrier; Tab completes, faults are said in place."""

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from bmconsole.console.actions import bindings
from bmconsole.console.completion import Completer, Suggestion
from bmconsole.console.look import Cell, Tone, text
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.completing import CompletingInput, Suggestions
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.errors import BmError

Check = Callable[[str], Awaitable[None]]
"""Raises a BmError for a line that cannot be."""


class AskScreen(ModalScreen[str | None]):
    """Answers with the line, None where it was left."""

    SCOPES: ClassVar[tuple[str, ...]] = ("ask",)
    BINDINGS = bindings("ask")

    def __init__(
        self,
        title: str,
        lead: Sequence[Cell] = (),
        *,
        value: str = "",
        placeholder: str = "",
        completer: Completer | None = None,
        check: Check | None = None,
        done: str = "go on",
        empty: bool = False,
    ) -> None:
        """Prepare the question.

        Args:
            title: The box's title.
            lead: Lines above the field.
            value: What stands in it at first.
            placeholder: What stands in it while it is empty.
            completer: What Tab offers.
            check: Raises what is wrong with the line.
            done: What Enter does.
            empty: Whether an empty line is an answer.
        """
        super().__init__()
        self._title, self._lead, self._done, self._empty, self._check = title, lead, done, empty, check
        self._completes = completer is not None
        self.input = CompletingInput(completer or _nothing, placeholder=placeholder)
        self.input.value = value
        self._fault = Sheet(classes="fault")
        self._offered = Suggestions()

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self._title
            if self._lead:
                yield Sheet(*self._lead, classes="lead")
            yield self.input
            yield self._offered
            yield self._fault
            hints = KeyHints()
            tab = (Hint("tab", "complete", "screen.complete"),) if self._completes else ()
            hints.set_reactive(
                KeyHints.hints,
                (Hint("enter", self._done, "screen.submit"), *tab, Hint("esc", "cancel", "screen.leave")),
            )
            yield hints

    def on_mount(self) -> None:
        self._offered.display = self._completes
        self.input.focus()
        self.input.cursor_position = len(self.input.value)
        self.call_after_refresh(self.input.offer)

    async def action_submit(self) -> None:
        self._submit(self.input.value.strip())

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_complete(self) -> None:
        self.input.action_complete()

    @on(CompletingInput.Submitted)
    def _given(self, event: CompletingInput.Submitted) -> None:
        event.stop()
        self._submit(event.value.strip())

    @work(exclusive=True, group="ask")
    async def _submit(self, line: str) -> None:
        if not line and not self._empty:
            return
        if self._check is not None:
            try:
                await self._check(line)
            except BmError as error:
                self._fault.show((("× ", Tone.BAD), *text(error.line(), Tone.BAD)))
                return
        self.dismiss(line)

    @on(CompletingInput.Changed)
    def _forgive(self, event: CompletingInput.Changed) -> None:
        event.stop()
        self._fault.show()

    @on(CompletingInput.Offered)
    def _suggest(self, event: CompletingInput.Offered) -> None:
        event.stop()
        self._offered.offered, self._offered.chosen = tuple(event.suggestions), event.chosen


def _nothing(typed: str) -> list[Suggestion]:
    return []
