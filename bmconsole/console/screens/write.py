"""One screen for every write: old → new with sums and the time it takes, how far it is, and what was read back."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input

from bmconsole.console import intents as words
from bmconsole.console.actions import bindings
from bmconsole.console.look import BLANK, INTENT_LOOK, PENDING_GLYPH, Cell, Tone, count, gauge, span, text
from bmconsole.console.screens.carrying import Carrying, Task, label_of, said, takes_back, tell
from bmconsole.console.seam import WorkspaceLike
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.source import ListSource
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.intents import Change, Intent, IntentState
from bmconsole.domain.text import clean
from bmconsole.domain.views import WritePlan

_AROUND, _AROUND_SHORT, _SHORT = 14, 8, 22
"""Lines of the screen that the table leaves to everything else, also on a screen of fewer lines than the last."""
_WORST_FIRST = (
    IntentState.REJECTED,
    IntentState.CONFLICT,
    IntentState.UNKNOWN,
    IntentState.SENT,
    IntentState.PENDING,
    IntentState.DROPPED,
    IntentState.CONFIRMED,
)


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A field of the diff."""

    id: str
    change: Change
    again: bool
    """Whether the line above is about the same thing."""


@dataclass(frozen=True, slots=True)
class EndRow:
    """A write that ended."""

    id: str
    label: str
    intent: Intent


class WriteScreen(ModalScreen["Carrying | None"]):
    """Answers with what was carried out, None where it was not confirmed."""

    SCOPES: ClassVar[tuple[str, ...]] = ("review",)
    BINDINGS = bindings("review")

    def __init__(self, workspace: WorkspaceLike, task: Task) -> None:
        super().__init__()
        self._workspace, self.work_of = workspace, task
        self.carrying: Carrying | None = None
        self._rows = 0
        self.table: VirtualTable[ChangeRow] | VirtualTable[EndRow] = self._changes(task.plan)
        self._lead = Sheet(*self._leading(), classes="lead")
        self._ask, self._gauge = Sheet(classes="ask"), Sheet(classes="gauge")
        self._gauge.display = self._ask.display = False
        self._hints = KeyHints()
        self._number = Input(compact=True)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box broad") as box:
            box.border_title = self.work_of.title
            yield self._lead
            yield self.table
            yield self._gauge
            yield self._ask
            if self.work_of.plan.confirm:
                yield self._number
            yield self._hints

    def on_mount(self) -> None:
        self._fit()
        self.table.load()
        if self.work_of.plan.confirm:
            self._question()
            self._number.focus()
        self._hint()

    @property
    def stage(self) -> str:
        """`review`, `writing` or `ended`."""
        if self.carrying is None:
            return "review"
        return "writing" if self.carrying.ended is None else "ended"

    # Keys.

    def action_confirm(self) -> None:
        """Write it, once its number is typed where one is asked for; close what has ended."""
        plan = self.work_of.plan
        if self.stage == "ended":
            self._close()
        elif self.stage == "review":
            if plan.confirm and self._number.value.strip() != str(plan.confirm):
                self._question(missed=bool(self._number.value.strip()) or not self._number.has_focus)
                self._number.focus()
                return
            self._begin()

    def action_cancel(self) -> None:
        """Write nothing; leave what is on its way to the background; close what has ended."""
        if self.stage == "review":
            self.dismiss(None)
            return
        if self.carrying is not None and self.stage == "writing":
            self.carrying.watched = False
            self.notify("It goes on. Writes shows how far it is; the end is told here.", timeout=5, markup=False)
        self._close()

    def action_stop(self) -> None:
        """Drop the writes that were not begun."""
        if self.carrying is not None and self.stage == "writing" and self.carrying.can_stop:
            self.carrying.stop()
            self._hint()

    def action_take_back(self) -> None:
        """Close, and plan to take it all back."""
        carrying = self.carrying
        if self.stage != "ended" or carrying is None or not takes_back(carrying.ended):
            return
        from bmconsole.console.screens.carrying import undo

        run = self.work_of.plan.run
        one = carrying.ended[0].id if carrying.ended and run is None else None
        self.app.run_worker(undo(self.app, self._workspace, intent_id=one, run=run), group="undo")
        self._close()

    def action_down(self) -> None:
        self.table.action_down()

    def action_up(self) -> None:
        self.table.action_up()

    def action_page_down(self) -> None:
        self.table.action_page_down()

    def action_page_up(self) -> None:
        self.table.action_page_up()

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_confirm()

    @on(VirtualTable.Chosen)
    def _not_by_chance(self, event: VirtualTable.Chosen) -> None:
        """A double click on a line confirms nothing."""
        event.stop()

    def _close(self) -> None:
        if self.is_current:
            self.dismiss(self.carrying)

    # Stages.

    def _begin(self) -> None:
        self.carrying = carrying = Carrying(self._workspace, self.work_of)
        self._number.display = self._ask.display = False
        self._gauge.display = True
        self.set_focus(None)
        app = self.app

        async def carry() -> None:
            await carrying.run()
            if not carrying.watched or not app.is_running:
                tell(app, carrying)
            elif self.is_attached:
                self._end()

        app.run_worker(carry(), group="carrying")
        self._hint()
        self._show_progress()
        self.set_interval(0.2, self._show_progress)

    def _end(self) -> None:
        carrying = self.carrying
        if carrying is None or carrying.ended is None:
            return
        line, good = said(carrying)
        if good and (self.work_of.quiet or len(carrying.ended) <= 1):
            self._close()
            return
        order = {state: place for place, state in enumerate(_WORST_FIRST)}
        ended = sorted(carrying.ended, key=lambda intent: order[intent.state])
        self._gauge.show(
            (("✓ " if good else "▲ ", Tone.GOOD if good else Tone.BAD), (clean(line), Tone.STRONG)),
        )
        if ended:
            self._show_ends([EndRow(str(each.id), label_of(self.work_of.plan, each), each) for each in ended])
        if run := self.work_of.plan.run:
            self._ask.show((("run ", Tone.DIM), (clean(run), Tone.PLAIN)))
            self._ask.display = True
        self._fit()
        self._hint()

    def _show_progress(self) -> None:
        carrying = self.carrying
        if carrying is None or self.stage != "writing":
            return
        shown = carrying.progress
        full, empty = gauge(shown.done, shown.total, max(10, min(40, self.app.size.width - 50)))
        seconds = time.monotonic() - carrying.began
        line: Cell = (
            (f"{PENDING_GLYPH} ", Tone.KEY),
            (full, Tone.KEY),
            (empty, Tone.DIM),
            (f"  {count(shown.done)} of {count(shown.total)}", Tone.STRONG),
        )
        if 0 < shown.done < shown.total and seconds > 1:
            left = timedelta(seconds=(shown.total - shown.done) * seconds / shown.done)
            line += ((f"   {span(left)} left", Tone.DIM),)
        parts: Cell = ()
        for state, number in shown.states.items():
            glyph, tone = INTENT_LOOK[IntentState(state)]
            parts += ((f"{glyph} ", tone), (f"{count(number)} {state}   ", Tone.PLAIN))
        if not parts:
            parts = (("reading what is there, writing, reading back…", Tone.DIM),)
        if carrying.stopping:
            parts += (("stopping: what was begun comes to its end", Tone.WARN),)
        self._gauge.show(line, (("  ", Tone.DIM), *parts))

    # What is shown.

    def _leading(self) -> list[Cell]:
        lines: list[Cell] = [text(self.work_of.subject, Tone.DIM)] if self.work_of.subject else []
        plan = self.work_of.plan
        if len(plan.intents) > 1:
            lines.append(
                (
                    (count(len(plan.intents)), Tone.STRONG),
                    (" writes, ", Tone.PLAIN),
                    (count(len(plan.changes)), Tone.STRONG),
                    (f" field{'s' * (len(plan.changes) != 1)} old → new", Tone.PLAIN),
                )
            )
        if self.stage != "ended":
            lines += [(("▪ ", Tone.KEY), *text(note)) for note in plan.notes]
        return lines

    def _question(self, *, missed: bool = False) -> None:
        plan = self.work_of.plan
        self._ask.display = True
        why = clean(plan.why_confirm)
        why = f"{why[:1].upper()}{why[1:]}".rstrip(".")
        self._ask.show(
            (("▲ ", Tone.WARN), (f"{why}.", Tone.WARN)),
            (
                ("  Type ", Tone.BAD if missed else Tone.PLAIN),
                (str(plan.confirm), Tone.STRONG),
                (" and Enter to write it.", Tone.BAD if missed else Tone.PLAIN),
            ),
        )

    def _hint(self) -> None:
        if self.stage == "review":
            yes = "enter" if self.work_of.plan.confirm else "y/enter"
            no = "esc" if self.work_of.plan.confirm else "n/esc"
            hints = [Hint(yes, "write it", "screen.confirm"), Hint(no, "write nothing", "screen.cancel")]
        elif self.stage == "writing":
            hints = [Hint("esc", "leave it in the background", "screen.cancel")]
            if self.carrying is not None and self.carrying.can_stop:
                hints.append(Hint("s", "stop the rest", "screen.stop"))
        else:
            hints = [Hint("enter", "close", "screen.confirm")]
            if self.carrying is not None and takes_back(self.carrying.ended):
                hints.append(Hint("z", "take it back", "screen.take_back"))
        if self._rows > self.table.size.height - 1:
            hints.append(Hint("↓↑", "scroll", "screen.page_down"))
        self._hints.hints = tuple(hints)

    def _show_ends(self, rows: Sequence[EndRow]) -> None:
        self._rows = len(rows)
        longest = min(34, max(len(row.label) for row in rows))
        market: Column[EndRow] = Column(
            "market", "Market", 6, lambda row: text(row.intent.market or "all", Tone.DIM), rank=1
        )
        table: VirtualTable[EndRow] = VirtualTable(
            ListSource(rows),
            (
                Column("what", "What", min(23, longest), _name, grow=1, most=longest),
                *([market] if any(row.intent.market for row in rows) else []),
                Column("change", "Change", 26, lambda row: words.change(row.intent), grow=1, most=60, rank=2),
                Column("end", "As read back", 24, lambda row: words.ending(row.intent), grow=2),
            ),
        )
        table.can_focus = False
        former, self.table = self.table, table
        self.query_one(".box", Vertical).mount(table, after=former)
        former.remove()
        self._fit()
        self.call_after_refresh(table.load)

    def _changes(self, plan: WritePlan) -> VirtualTable[ChangeRow]:
        rows: list[ChangeRow] = []
        for place, change in enumerate(plan.changes):
            before = plan.changes[place - 1] if place else None
            again = before is not None and (before.label, before.market) == (change.label, change.market)
            rows.append(ChangeRow(str(place), change, again))
        self._rows = len(rows)
        longest = max(12, min(48, max((len(change.label) for change in plan.changes), default=10)))
        markets = {change.market for change in plan.changes}
        columns = [
            Column("what", "What", min(16, longest), _label, grow=2, most=longest),
            Column("market", "Market", 7, _market, rank=3),
            Column("field", "Field", 8, lambda row: text(words.field_name(row.change.field), Tone.PLAIN)),
            Column("old", "Now", 9, _old, grow=1, most=36, right=True),
            Column("arrow", "", 1, lambda row: (("→", Tone.DIM),), gap=1),
            Column("new", "Then", 12, _new, grow=2, most=60),
            Column("note", "", 8, _note, grow=1, most=26, rank=1),
        ]
        if markets == {None}:
            columns = [column for column in columns if column.name != "market"]
        if not any(change.note for change in plan.changes):
            columns = [column for column in columns if column.name != "note"]
        table: VirtualTable[ChangeRow] = VirtualTable(ListSource(rows), columns)
        table.can_focus = False
        return table

    @on(Resize)
    def _fit(self) -> None:
        short = self.app.size.height < _SHORT
        self.set_class(short, "-short")
        leading = self._leading()
        # Where there is no room, what it comes to and how long it takes go before the rest.
        self._lead.show(*(leading[:1] + leading[-1:] if short and len(leading) > 2 else leading))
        around = _AROUND_SHORT if short else _AROUND
        room = self.app.size.height - around - len(self._lead.text.splitlines())
        self.table.styles.height = min(self._rows + 1, max(3, room))
        self.call_after_refresh(self._hint)


def _label(row: ChangeRow) -> Cell:
    return text(row.change.label, Tone.DIM if row.again else Tone.STRONG)


def _name(row: EndRow) -> Cell:
    return text(row.label, Tone.STRONG)


def _old(row: ChangeRow) -> Cell:
    return text(words.value_of(row.change.field, row.change.old), Tone.DIM)


def _new(row: ChangeRow) -> Cell:
    return text(words.value_of(row.change.field, row.change.new), Tone.STRONG)


def _note(row: ChangeRow) -> Cell:
    return text(row.change.note, Tone.WARN) if row.change.note else BLANK


def _market(row: ChangeRow) -> Cell:
    # One stock serves all markets, whichever offer it was typed at.
    return text("all" if row.change.field == "quantity" else row.change.market or "all", Tone.DIM)
