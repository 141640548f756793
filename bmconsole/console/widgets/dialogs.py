"""Dialogs: what would be written as old → new, and a plain question. Nothing is written without one."""

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from bmconsole.console.actions import bindings
from bmconsole.console.look import Tone, text
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.toned import Toned
from bmconsole.domain.intents import Change
from bmconsole.domain.text import clean
from bmconsole.domain.views import WritePlan


class Diff(Toned):
    """Changes, one line a field, under the name of what they change."""

    def __init__(self, changes: Sequence[Change]) -> None:
        super().__init__()
        self._changes = changes

    def render(self) -> Table:
        """Return the changes as a table."""
        table = Table.grid(padding=(0, 2), pad_edge=False)
        for _ in range(5):
            table.add_column(overflow="fold")
        subject: tuple[str, str | None] | None = None
        for change in self._changes:
            if subject != (change.label, change.market):
                if subject is not None:
                    table.add_row()
                subject = (change.label, change.market)
            # One stock serves all markets, whichever offer it was typed at.
            market = "all markets" if change.field == "quantity" else change.market or "all markets"
            table.add_row(
                self.styled(((f"{change.field.replace('_', ' ')} ", Tone.PLAIN), (market, Tone.DIM))),
                self.styled(text(change.old, Tone.DIM)),
                self.styled((("→", Tone.DIM),)),
                self.styled(text(change.new, Tone.STRONG)),
                self.styled(((clean(change.note or ""), Tone.WARN),)),
            )
        return table


class Dialog(ModalScreen[bool]):
    """A box that is answered by confirm (True) or cancel (False)."""

    SCOPES: ClassVar[tuple[str, ...]] = ("dialog",)
    BINDINGS = bindings("dialog")

    def action_confirm(self) -> None:
        self.dismiss(True)

    def action_cancel(self) -> None:
        self.dismiss(False)


class Confirm(Dialog):
    """A question with yes and no."""

    def __init__(self, title: str, body: str, *, yes: str, no: str = "cancel") -> None:
        super().__init__()
        self._title, self._body, self._yes, self._no = title, body, yes, no

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self._title
            yield Static(self._body, markup=False, classes="body")
            yield dialog_hints(self._yes, self._no)


class DiffDialog(Dialog):
    """What would be written; where the plan asks for it, its number of changes must be typed as well."""

    def __init__(self, title: str, subject: str, plan: WritePlan) -> None:
        super().__init__()
        self._title, self._subject, self.plan = title, subject, plan

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self._title
            yield Static(self._subject, markup=False, classes="subject")
            with VerticalScroll(classes="body", can_focus=False):
                yield Diff(self.plan.changes)
            for note in self.plan.notes:
                yield Static(f"▲ {clean(note)}", markup=False, classes="note")
            if self.plan.confirm:
                why = f"{clean(self.plan.why_confirm)} Type {self.plan.confirm} to confirm."
                yield Static(f"▲ {why.strip()}", markup=False, classes="note")
                yield Input(compact=True, placeholder=str(self.plan.confirm))
            yield dialog_hints("write it", "cancel")

    def action_confirm(self) -> None:
        """Confirm, unless a number has to be typed first."""
        if not self.plan.confirm or self.query_one(Input).value.strip() == str(self.plan.confirm):
            self.dismiss(True)

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_confirm()


def dialog_hints(yes: str, no: str) -> KeyHints:
    """Return the last line of a dialog: how to answer it by key or click."""
    bar = KeyHints()
    bar.set_reactive(KeyHints.hints, (Hint("y/enter", yes, "screen.confirm"), Hint("n/esc", no, "screen.cancel")))
    return bar
