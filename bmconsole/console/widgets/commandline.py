"""The line in which commands are typed, over the keys at the foot of the screen."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from bmconsole.console.actions import bindings
from bmconsole.console.completion import Completer
from bmconsole.console.look import Tone
from bmconsole.console.widgets.completing import CompletingInput, Suggestions
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.errors import BmError


class CommandInput(CompletingInput):
    """Where the command is typed."""

    SCOPES: ClassVar[tuple[str, ...]] = ("command", "typing")
    BINDINGS = bindings("command")

    @dataclass
    class Left(Message):
        """Typing ended without a command."""

    async def action_apply(self) -> None:
        await self.action_submit()

    def action_leave(self) -> None:
        self.post_message(self.Left())


class CommandLine(Vertical):
    """Opens over the key hints; what is wrong with a command is said in its place."""

    @dataclass
    class Given(Message):
        """A command was typed; the owner answers with `close` or `refuse`."""

        command: str

    def __init__(self, completer: Completer) -> None:
        super().__init__()
        self.input = CommandInput(completer, placeholder="orders late   order 4711   sync listings   theme nord")
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
        self.input.value = ""
        self.screen.set_focus(self.input, scroll_visible=False)
        self.input.offer()

    def close(self) -> None:
        """Give the focus back and vanish."""
        had = self.input.has_focus
        self.set_class(False, "-open")
        if had:
            self.screen.set_focus(self.former, scroll_visible=False)

    def refuse(self, error: BmError) -> None:
        """Say what is wrong with the command."""
        self.query_one(Sheet).show((("   ▲ ", Tone.BAD), (error.line(), Tone.BAD)))
        self.set_class(True, "-faulty")

    @on(CommandInput.Submitted)
    def _give(self, event: CommandInput.Submitted) -> None:
        event.stop()
        command = event.value.strip()
        self.input.remember(command)
        if command:
            self.post_message(self.Given(command))
        else:
            self.close()

    @on(CommandInput.Changed)
    def _forgive(self, event: CommandInput.Changed) -> None:
        event.stop()
        self.set_class(False, "-faulty")

    @on(CommandInput.Offered)
    def _suggest(self, event: CommandInput.Offered) -> None:
        event.stop()
        line = self.query_one(Suggestions)
        line.offered, line.chosen = tuple(event.suggestions), event.chosen

    @on(CommandInput.Left)
    def _leave(self, event: CommandInput.Left) -> None:
        event.stop()
        self.close()
