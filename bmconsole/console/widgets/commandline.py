"""The line in which commands are typed, over the keys at the foot of the screen."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from bmconsole.console.actions import bindings
from bmconsole.console.completion import Completer
from bmconsole.console.hiding import command_spans
from bmconsole.console.look import Tone
from bmconsole.console.widgets.completing import CompletingInput, Suggestions
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.errors import BmError


class CommandInput(CompletingInput):
    """Where the command is typed."""

    SCOPES: ClassVar[tuple[str, ...]] = ("command", "typing")
    BINDINGS = bindings("command")

    def __init__(self, completer: Completer, apply: Callable[[], Awaitable[None]], leave: Callable[[], None]) -> None:
        super().__init__(
            completer, placeholder="orders late   order 4711   sync listings   theme nord", hides=command_spans
        )
        self._apply, self._leave = apply, leave

    async def action_apply(self) -> None:
        await self._apply()

    def action_leave(self) -> None:
        self._leave()


class CommandLine(Vertical):
    """Opens over the key hints; what is wrong with a command is said in its place."""

    def __init__(self, completer: Completer, run: Callable[[str], Awaitable[None]]) -> None:
        """Prepare the line.

        Args:
            completer: What Tab offers.
            run: Does what a command says, in the turn of the key that gives it; its BmError is shown.
        """
        super().__init__()
        self._run = run
        self._refused = ""
        self.input = CommandInput(completer, self._give, self.close)
        self.former: Widget | None = None
        """What had the focus before."""

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static(" : ", id="colon", markup=False)
            yield self.input
        yield Suggestions()
        yield Sheet(classes="fault")

    def open(self) -> None:
        """Let the operator type."""
        self.former = self.screen.focused
        self.set_class(True, "-open")
        self.set_class(False, "-faulty")
        self.input.value = self._refused = ""
        self.input.remember("")
        self.screen.set_focus(self.input, scroll_visible=False)
        self.input.offer()

    def close(self) -> None:
        """Give the focus back and vanish."""
        had = self.screen.focused is self.input
        self.set_class(False, "-open")
        if had:
            self.screen.set_focus(self.former, scroll_visible=False)

    async def _give(self) -> None:
        command = self.input.value.strip()
        self.input.remember(command)
        self.close()
        if not command:
            return
        try:
            await self._run(command)
        except BmError as error:
            self.open()
            self.input.value = self._refused = command
            self.input.cursor_position = len(command)
            self.query_one(Sheet).show((("   ▲ ", Tone.BAD), (error.line(), Tone.BAD)))
            self.set_class(True, "-faulty")

    @on(CommandInput.Changed)
    def _forgive(self, event: CommandInput.Changed) -> None:
        event.stop()
        # Typed ahead: what was refused since is told as changed only now.
        if self.input.value != self._refused:
            self.set_class(False, "-faulty")

    @on(CommandInput.Offered)
    def _suggest(self, event: CommandInput.Offered) -> None:
        event.stop()
        line = self.query_one(Suggestions)
        line.offered, line.chosen = tuple(event.suggestions), event.chosen
