"""A list to choose one thing from, and the list in which the columns of a table are chosen and ordered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen

from bmconsole.console.actions import actions_of, bindings, key_names
from bmconsole.console.look import BLANK, Tone, text
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.source import ListSource
from bmconsole.console.widgets.table import VirtualTable

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Choice:
    """A line of a list; `on` marks what holds now."""

    id: str
    label: str
    about: str = ""
    on: bool = False


class _List(ModalScreen[Result | None], Generic[Result]):
    """A box with a table of choices; digits pick the first nine."""

    SCOPES: ClassVar[tuple[str, ...]] = ("picker",)
    BINDINGS = bindings("picker")

    def __init__(self, title: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title = title
        self.choices = list(choices)
        longest = max((len(choice.label) for choice in choices), default=18)
        self._source: ListSource[Choice] = ListSource(self.choices)
        self.table: VirtualTable[Choice] = VirtualTable(
            self._source,
            (
                Column("on", "", 1, lambda choice: text("✓", Tone.KEY) if choice.on else BLANK, gap=1),
                Column("label", "", max(18, min(30, longest)), lambda choice: text(choice.label, Tone.STRONG)),
                Column("about", "", 10, lambda choice: text(choice.about, Tone.DIM) if choice.about else BLANK, grow=1),
            ),
        )

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self._title
            yield self.table
            yield self._hints()

    def _hints(self) -> KeyHints:
        bar = KeyHints()
        scopes = [action for scope in reversed(self.SCOPES) for action in actions_of(scope) if action.hint]
        first = Hint("enter", "choose", "screen.choose")
        rest = (Hint(key_names(action.keys)[0], action.hint, f"screen.{action.method}") for action in scopes)
        bar.set_reactive(KeyHints.hints, (first, *rest))
        return bar

    def on_mount(self) -> None:
        self.table.styles.height = min(len(self.choices) + 1, 18)
        self.table.focus()
        self.table.load()
        on = next((place for place, choice in enumerate(self.choices) if choice.on), 0)
        self.call_after_refresh(self.table.move_to, on)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_choose(self) -> None:
        self.table.action_choose()


class Picker(_List[str]):
    """Answers with the id of the choice, None where nothing was chosen."""

    @on(VirtualTable.Chosen)
    def _choose(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.dismiss(event.key)

    @on(Key)
    def _pick(self, event: Key) -> None:
        """Let digits pick by the place in the list."""
        if event.character is not None and event.character in "123456789":
            event.stop()
            digit = int(event.character)
            if digit <= len(self.choices):
                self.dismiss(self.choices[digit - 1].id)


class ColumnPicker(_List[list[str]]):
    """Answers with the names of the shown columns in their order."""

    SCOPES: ClassVar[tuple[str, ...]] = ("picker", "columns")
    BINDINGS = bindings("columns")

    def action_show_or_hide(self) -> None:
        """Show the column or hide it; one stays."""
        place = self.table.cursor_index
        choice = self.choices[place]
        if not choice.on or sum(each.on for each in self.choices) > 1:
            self.choices[place] = replace(choice, on=not choice.on)
            self.table.renew()

    def action_earlier(self) -> None:
        self._move(-1)

    def action_later(self) -> None:
        self._move(1)

    def _move(self, step: int) -> None:
        here = self.table.cursor_index
        there = here + step
        if 0 <= there < len(self.choices):
            self.choices[here], self.choices[there] = self.choices[there], self.choices[here]
            self.table.move_to(here)
            self.table.renew()

    @on(VirtualTable.Chosen)
    def _choose(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.dismiss([choice.id for choice in self.choices if choice.on])
