"""The filter over a table's rows, in the language that the command line shares."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantBlur, DescendantFocus
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from bmconsole.console.actions import bindings
from bmconsole.console.completion import Completer
from bmconsole.console.look import Cell, Tone
from bmconsole.console.widgets.completing import CompletingInput, Suggestions
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.errors import BmError, FilterError


class FilterInput(CompletingInput):
    """Where the filter is typed."""

    SCOPES: ClassVar[tuple[str, ...]] = ("filter", "typing")
    BINDINGS = bindings("filter")

    @dataclass
    class Left(Message):
        """Typing ended without applying."""

    async def action_apply(self) -> None:
        await self.action_submit()

    def action_leave(self) -> None:
        self.post_message(self.Left())


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

    def __init__(self, placeholder: str, completer: Completer) -> None:
        super().__init__()
        self.input = FilterInput(completer, placeholder=placeholder)

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static(" / ", id="slash", markup=False)
            yield self.input
            yield Static("", id="summary", markup=False)
        yield Suggestions()
        yield Sheet(classes="fault")

    def edit(self) -> None:
        """Let the operator type."""
        self.screen.set_focus(self.input, scroll_visible=False)

    def accept(self, expression: str) -> None:
        """Take `expression` as the filter in force."""
        self.expression = expression
        self.input.value = expression
        self._tell(None)

    def refuse(self, error: BmError) -> None:
        """Show what is wrong with what was typed."""
        self._tell(error)

    def watch_summary(self, summary: str) -> None:
        # A count may come when the screen is being left, and what shows it is gone
        for label in self.query("#summary").results(Static):
            label.update(summary)

    def watch_expression(self, expression: str) -> None:
        self.set_class(bool(expression), "-filtered")

    @on(DescendantFocus)
    @on(DescendantBlur)
    def _mark(self) -> None:
        self.set_class(self.input.has_focus, "-typing")
        self.input.offer()

    @on(FilterInput.Offered)
    def _suggest(self, event: FilterInput.Offered) -> None:
        event.stop()
        line = self.query_one(Suggestions)
        line.offered, line.chosen = tuple(event.suggestions), event.chosen

    @on(FilterInput.Submitted)
    def _ask(self, event: FilterInput.Submitted) -> None:
        event.stop()
        self.input.remember(event.value.strip())
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
        """Show a mark under the faulty place with the message, which stays on screen however far right that is."""
        if error is not None:
            position = error.position if isinstance(error, FilterError) else 0
            indent = 3 + max(0, min(position, self.size.width - len(error.message) - 8))
            mark: Cell = ((" " * indent, Tone.DIM), ("▲ ", Tone.BAD), (error.message, Tone.BAD))
            self.query_one(".fault", Sheet).show(mark, ((f"     {error.hint or ''}", Tone.DIM),))
        self.set_class(error is not None, "-faulty")
