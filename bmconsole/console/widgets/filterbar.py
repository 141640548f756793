"""The filter over a table's rows, in the language that the command line shares."""

from collections.abc import Awaitable, Callable
from typing import ClassVar, Protocol

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantBlur, DescendantFocus
from textual.reactive import reactive
from textual.widgets import Static

from bmconsole.console.actions import bindings
from bmconsole.console.completion import Completer
from bmconsole.console.look import Cell, Tone
from bmconsole.console.widgets.completing import CompletingInput, Hides, Suggestions
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.errors import BmError, FilterError


class Filtered(Protocol):
    """Whose rows the filter is about. Both are asked in the turn of the key: what is typed next finds them done."""

    async def apply_filter(self, expression: str) -> None:
        """Put a filter in force and take the focus, or answer with `refuse`."""

    def leave_filter(self) -> None:
        """Take the focus: the operator goes back to the rows."""


class FilterInput(CompletingInput):
    """Where the filter is typed."""

    SCOPES: ClassVar[tuple[str, ...]] = ("filter", "typing")
    BINDINGS = bindings("filter")

    def __init__(
        self,
        completer: Completer,
        apply: Callable[[], Awaitable[None]],
        leave: Callable[[], None],
        *,
        placeholder: str,
        hides: Hides | None,
    ) -> None:
        super().__init__(completer, placeholder=placeholder, hides=hides)
        self._apply, self._leave = apply, leave

    async def action_apply(self) -> None:
        await self._apply()

    def action_leave(self) -> None:
        self._leave()


class FilterBar(Vertical):
    """A line with the filter and what it lets through; a second line tells what is wrong with it."""

    expression = reactive("")
    """The filter in force."""
    summary = reactive("")

    def __init__(self, placeholder: str, completer: Completer, filtered: Filtered, hides: Hides | None = None) -> None:
        super().__init__()
        self._filtered = filtered
        self._refused = ""
        self.input = FilterInput(completer, self._apply, self._leave, placeholder=placeholder, hides=hides)

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
        self._refused = self.input.value
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

    async def _apply(self) -> None:
        expression = self.input.value.strip()
        self.input.remember(expression)
        await self._filtered.apply_filter(expression)

    def _leave(self) -> None:
        self.input.remember("")
        self.accept(self.expression)
        self._filtered.leave_filter()

    @on(FilterInput.Changed)
    def _forgive(self, event: FilterInput.Changed) -> None:
        event.stop()
        # Typed ahead: what was refused since is told as changed only now.
        if self.input.value != self._refused:
            self._tell(None)

    def _tell(self, error: BmError | None) -> None:
        """Show a mark under the faulty place with the message, which stays on screen however far right that is."""
        if error is not None:
            position = error.position if isinstance(error, FilterError) else 0
            indent = 3 + max(0, min(position, self.size.width - len(error.message) - 8))
            mark: Cell = ((" " * indent, Tone.DIM), ("▲ ", Tone.BAD), (error.message, Tone.BAD))
            self.query_one(".fault", Sheet).show(mark, ((f"     {error.hint or ''}", Tone.DIM),))
        self.set_class(error is not None, "-faulty")
