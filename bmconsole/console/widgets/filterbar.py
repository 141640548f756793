"""The filter over a table's rows, in the language that the command line shares."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Static

from bmconsole.console.actions import bindings
from bmconsole.console.look import Tone
from bmconsole.console.widgets.toned import LineBar
from bmconsole.errors import BmError, FilterError


class FilterInput(Input):
    """Where the filter is typed."""

    SCOPES: ClassVar[tuple[str, ...]] = ("filter",)
    BINDINGS = bindings("filter")

    @dataclass
    class Left(Message):
        """Typing ended without applying."""

    async def action_apply(self) -> None:
        await self.action_submit()

    def action_leave(self) -> None:
        self.post_message(self.Left())


class Fault(LineBar):
    """What is wrong with a filter, with a mark under the place."""

    error: reactive[BmError | None] = reactive(None)

    def line(self, width: int) -> list[tuple[str, Tone, str]]:
        """Return the mark and the message; the message stays on screen however far right the mark is."""
        if self.error is None:
            return []
        position = self.error.position if isinstance(self.error, FilterError) else 0
        message = self.error.line()
        room = max(0, width - len(message) - 6)
        return [(" " * (3 + min(position, room)), Tone.DIM, ""), ("▲ ", Tone.BAD, ""), (message, Tone.BAD, "")]


class FilterBar(Vertical):
    """A line with the filter and what it lets through; a second line tells what is wrong with it."""

    expression = reactive("")
    """The filter in force."""
    summary = reactive("")

    @dataclass
    class Applied(Message):
        """A filter was asked for; the owner answers with `accept` or `refuse`."""

        bar: "FilterBar"
        expression: str

    @dataclass
    class Left(Message):
        """The operator went back to the table."""

        bar: "FilterBar"

    def __init__(self, placeholder: str) -> None:
        super().__init__()
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static(" / ", id="slash", markup=False)
            yield FilterInput(placeholder=self._placeholder, compact=True, select_on_focus=False)
            yield Static("", id="summary", markup=False)
        yield Fault()

    def edit(self) -> None:
        """Let the operator type."""
        self.query_one(FilterInput).focus()

    def accept(self, expression: str) -> None:
        """Take `expression` as the filter in force."""
        self.expression = expression
        self.query_one(FilterInput).value = expression
        self._tell(None)

    def refuse(self, error: BmError) -> None:
        """Show what is wrong with what was typed."""
        self._tell(error)

    def watch_summary(self, summary: str) -> None:
        self.query_one("#summary", Static).update(summary)

    def watch_expression(self, expression: str) -> None:
        self.set_class(bool(expression), "-filtered")

    @on(FilterInput.Submitted)
    def _ask(self, event: FilterInput.Submitted) -> None:
        event.stop()
        self.post_message(self.Applied(self, event.value.strip()))

    @on(FilterInput.Changed)
    def _forgive(self, event: FilterInput.Changed) -> None:
        event.stop()
        self._tell(None)

    @on(FilterInput.Left)
    def _restore(self, event: FilterInput.Left) -> None:
        event.stop()
        self.accept(self.expression)
        self.post_message(self.Left(self))

    def _tell(self, error: BmError | None) -> None:
        self.query_one(Fault).error = error
        self.set_class(error is not None, "-faulty")
