"""A list of what is wrong or left out, with the choice to go on without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from bmconsole.console.actions import bindings
from bmconsole.console.look import Tone, count, text
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.source import ListSource
from bmconsole.console.widgets.table import VirtualTable


@dataclass(frozen=True, slots=True)
class Fault:
    """A line of the list."""

    id: str
    where: str
    what: str


class FaultsScreen(ModalScreen[bool]):
    """Answers True to go on with the `rest`, which may be none."""

    SCOPES: ClassVar[tuple[str, ...]] = ("faults",)
    BINDINGS = bindings("faults")

    def __init__(
        self, title: str, heads: tuple[str, str], faults: Sequence[Fault], *, rest: int, subject: str = ""
    ) -> None:
        super().__init__()
        self._title, self._subject, self.rest = title, subject, rest
        self.faults = faults
        longest = max((len(fault.where) for fault in faults), default=8)
        self.table: VirtualTable[Fault] = VirtualTable(
            ListSource(faults),
            (
                Column("where", heads[0], min(30, longest), lambda fault: text(fault.where, Tone.STRONG)),
                Column("what", heads[1], 20, lambda fault: text(fault.what), grow=1),
            ),
        )
        self._whole = Sheet(classes="whole")

    def compose(self) -> ComposeResult:
        with Vertical(classes="box broad") as box:
            box.border_title = self._title
            if self._subject:
                yield Sheet(text(self._subject, Tone.DIM), classes="lead")
            yield self.table
            yield self._whole
            words = f"Go on with the other {count(self.rest)}?" if self.rest else "Nothing is left to write."
            yield Sheet((("▲ ", Tone.WARN), (words, Tone.PLAIN)), classes="ask")
            hints = KeyHints()
            go_on = (Hint("s", f"go on with the other {count(self.rest)}", "screen.go_on"),) if self.rest else ()
            leave = Hint("esc", "write nothing" if self.rest else "close", "screen.leave")
            hints.set_reactive(KeyHints.hints, (*go_on, leave))
            yield hints

    def on_mount(self) -> None:
        self.set_class(self.app.size.height < 22, "-short")
        self.table.styles.height = min(len(self.faults) + 1, max(3, self.app.size.height - 14))
        self.table.focus()
        self.table.load()

    @on(VirtualTable.Moved)
    def _tell(self, event: VirtualTable.Moved) -> None:
        """Show the whole of a line that is cut in the list."""
        event.stop()
        row = self.table.cursor_row
        self._whole.show(text(row.what if row else "", Tone.DIM))

    def action_go_on(self) -> None:
        if self.rest:
            self.dismiss(True)

    def action_leave(self) -> None:
        self.dismiss(False)
