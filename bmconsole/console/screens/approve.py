"""Approval: what would be written and why, how far it is while each is observed and decided again, what came of it."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input

from bmconsole.console import look, pricing
from bmconsole.console.actions import bindings
from bmconsole.console.look import PENDING_GLYPH, Cell, Tone, count, gauge, span, text
from bmconsole.console.pricing_seam import PricingLike
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.source import ListSource
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.pricing_views import DecisionRow, RepriceProgress, RepriceResult, asked_besides
from bmconsole.domain.text import clean
from bmconsole.errors import BmError

_PER_SECOND = 2
"""How many listings a second can be observed again."""
_AROUND = 14
_WORST_FIRST = ("failed", "stopped", "due", "waiting", "lapsed", "written")


class Approval:
    """Decisions on their way; goes on when its screen is left."""

    def __init__(self, workspace: PricingLike, rows: Sequence[DecisionRow]) -> None:
        self.rows = rows
        self.progress = RepriceProgress(0, len(rows))
        self.began = time.monotonic()
        self.result: RepriceResult | None = None
        self.error: BmError | None = None
        self.watched = True
        self._workspace = workspace

    @property
    def ended(self) -> bool:
        return self.result is not None or self.error is not None

    async def run(self) -> None:
        """Carry it out; returns when every decision has come to its end."""
        try:
            self.result = await self._workspace.approve([row.id for row in self.rows], show=self._show)
        except BmError as error:
            self.error = error

    def _show(self, progress: RepriceProgress) -> None:
        self.progress = progress

    def said(self) -> tuple[str, bool]:
        """Return what came of it in a line, and whether all of it was written."""
        if self.error is not None:
            return self.error.line(), False
        result = self.result
        if result is None:
            return "on its way", True
        states = Counter(row.state for row in result.decisions)
        written = states.pop("written", 0)
        parts = [f"{count(written)} of {count(len(self.rows))} written"]
        parts += [f"{count(number)} {name}" for name, number in sorted(states.items()) if name]
        if result.stopped:
            parts.append(f"the run was stopped: {clean(result.stopped, limit=120)}")
        return ", ".join(parts), written == len(self.rows)


async def approve(
    app: App[None], workspace: PricingLike, rows: Sequence[DecisionRow], notes: Sequence[str] = ()
) -> bool:
    """Review and write decisions; return whether they were begun. To be called from a worker."""
    approval = await app.push_screen_wait(ApproveScreen(workspace, rows, notes))
    return approval is not None


def tell(app: App[None], approval: Approval) -> None:
    """Say what came of it."""
    line, good = approval.said()
    app.notify(line, title="Approved", severity="information" if good else "warning", timeout=8, markup=False)


class Part(Sheet):
    """Lines that take no room while there are none."""

    def on_mount(self) -> None:
        self.display = bool(self.text)

    def show(self, *lines: Cell) -> None:
        super().show(*lines)
        self.display = bool(lines)


class ApproveScreen(ModalScreen["Approval | None"]):
    """Answers with what was begun, None where nothing was."""

    SCOPES: ClassVar[tuple[str, ...]] = ("approve",)
    BINDINGS = bindings("approve")

    def __init__(self, workspace: PricingLike, rows: Sequence[DecisionRow], notes: Sequence[str] = ()) -> None:
        super().__init__()
        self._workspace, self._rows = workspace, rows
        self.approval: Approval | None = None
        self.table: VirtualTable[DecisionRow] = self._table(rows, ended=False)
        self._lead = Sheet(*self._leading(notes), classes="lead")
        self._gauge, self._ask, self._why = Part(classes="gauge"), Part(classes="ask"), Part(classes="why")
        self._hints = KeyHints()
        self._must_type = clean(asked_besides([row.decision for row in rows]), limit=120)
        """Why the number must be typed as well; empty: it need not."""
        self._number = Input(compact=True, placeholder=str(len(rows)))

    def compose(self) -> ComposeResult:
        many = f"{count(len(self._rows))} prices" if len(self._rows) > 1 else "a price"
        with Vertical(classes="box broad") as box:
            box.border_title = f"Approve {many}"
            yield self._lead
            yield self.table
            yield self._why
            yield self._gauge
            yield self._ask
            if self._must_type:
                yield self._number
            yield self._hints

    def on_mount(self) -> None:
        self._fit()
        self.table.load()
        if self._must_type:
            self._question()
            self._number.focus()
        self._hint()

    @property
    def stage(self) -> str:
        """`review`, `writing` or `ended`."""
        if self.approval is None:
            return "review"
        return "ended" if self.approval.ended else "writing"

    # Keys.

    def action_confirm(self) -> None:
        """Write what still holds, once the number is typed where it is asked for; close what has ended."""
        if self.stage == "ended":
            self._close()
        elif self.stage == "review":
            if self._must_type and self._number.value.strip() != str(len(self._rows)):
                self._question(missed=bool(self._number.value.strip()) or not self._number.has_focus)
                self._number.focus()
                return
            self._begin()

    def action_cancel(self) -> None:
        """Write nothing; leave what is on its way to the background; close what has ended."""
        if self.stage == "writing" and self.approval is not None:
            self.approval.watched = False
            self.notify("It goes on; the end is told here. ! pauses all repricing.", timeout=5, markup=False)
        self._close()

    async def action_pause(self) -> None:
        """Pause all repricing: what was not begun yet is not written."""
        try:
            await self._workspace.pause(why="while approving in the console")
        except BmError as error:
            self.notify(error.line(), title="Not paused", severity="error", timeout=8, markup=False)
            return
        self.notify("Repricing is paused; what was not begun is not written.", severity="warning", markup=False)

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

    @on(VirtualTable.Moved)
    def _explain(self, event: VirtualTable.Moved) -> None:
        event.stop()
        row = self.table.cursor_row
        if row is not None:
            self._why.show(*self._words(row))

    def _close(self) -> None:
        if self.is_current:
            self.dismiss(self.approval)

    # Stages.

    def _begin(self) -> None:
        self.approval = approval = Approval(self._workspace, self._rows)
        self._number.display = False
        self._ask.show()
        self.set_focus(None)
        app = self.app

        async def carry() -> None:
            await approval.run()
            if not approval.watched or not app.is_running:
                tell(app, approval)
            elif self.is_attached:
                self._end()

        app.run_worker(carry(), group="approving")
        self._hint()
        self._show_progress()
        self.set_interval(0.2, self._show_progress)

    def _end(self) -> None:
        approval = self.approval
        if approval is None:
            return
        line, good = approval.said()
        self._gauge.show((("✓ " if good else "▲ ", Tone.GOOD if good else Tone.WARN), (clean(line), Tone.STRONG)))
        if approval.result is not None:
            order = {state: place for place, state in enumerate(_WORST_FIRST)}
            rows = sorted(approval.result.decisions, key=lambda row: order.get(row.state, 0))
            self._replace(self._table(rows, ended=True))
            if approval.result.run:
                self._ask.show((("run ", Tone.DIM), (clean(approval.result.run), Tone.PLAIN)))
        self._hint()

    def _replace(self, table: VirtualTable[DecisionRow]) -> None:
        former, self.table = self.table, table
        self.query_one(".box", Vertical).mount(table, after=former)
        former.remove()
        self._fit()
        self.call_after_refresh(table.load)

    def _show_progress(self) -> None:
        approval = self.approval
        if approval is None or self.stage != "writing":
            return
        shown = approval.progress
        full, empty = gauge(shown.done, shown.total, max(10, min(40, self.app.size.width - 50)))
        seconds = time.monotonic() - approval.began
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
            glyph, word, tone = pricing.STATE_LOOK.get(state, ("·", clean(state), Tone.DIM))
            parts += ((f"{glyph} ", tone), (f"{count(number)} {word}   ", Tone.PLAIN))
        note = clean(shown.note) or "each is looked at again and decided again before it is written…"
        self._gauge.show(line, (("  ", Tone.DIM), *(parts or ((note, Tone.DIM),))))

    # What is shown.

    def _leading(self, notes: Sequence[str]) -> list[Cell]:
        rows = self._rows
        found = [pricing.percent(row.decision.old, row.decision.target) for row in rows]
        changes = [change for change in found if change is not None]
        cuts, raises = sum(change < 0 for change in changes), sum(change > 0 for change in changes)
        line: Cell = ((f"{count(cuts)} down, {count(raises)} up", Tone.STRONG),)
        if changes:
            mean = (sum(changes, Decimal(0)) / len(changes)).quantize(Decimal("0.1"), ROUND_HALF_UP)
            line += (
                (f"   mean {pricing.signed(mean)} %", Tone.PLAIN),
                (f"   from {pricing.signed(min(changes))} to {pricing.signed(max(changes))} %", Tone.DIM),
            )
        takes = span(timedelta(seconds=max(1, len(rows) / _PER_SECOND)))
        lines: list[Cell] = [
            line,
            ((f"Each is looked at and decided again first, about {takes}; what no longer holds is left.", Tone.DIM),),
        ]
        return lines + [(("▪ ", Tone.KEY), *text(note)) for note in notes]

    def _question(self, *, missed: bool = False) -> None:
        why = f"{self._must_type}."
        tone = Tone.BAD if missed else Tone.PLAIN
        self._ask.show(
            (("▲ ", Tone.WARN), (why, Tone.WARN)),
            (("  Type ", tone), (str(len(self._rows)), Tone.STRONG), (" and Enter to write them.", tone)),
        )

    def _hint(self) -> None:
        if self.stage == "review":
            yes, no = ("enter", "esc") if self._must_type else ("y/enter", "n/esc")
            hints = [Hint(yes, "write what still holds", "screen.confirm"), Hint(no, "write nothing", "screen.cancel")]
        elif self.stage == "writing":
            hints = [
                Hint("esc", "leave it in the background", "screen.cancel"),
                Hint("!", "pause all repricing", "screen.pause"),
            ]
        else:
            hints = [Hint("enter", "close", "screen.confirm")]
        if self.table.row_count > 1:
            hints.append(Hint("↓↑", "read each reason", "screen.down"))
        self._hints.hints = tuple(hints)

    def _words(self, row: DecisionRow) -> list[Cell]:
        lines: list[Cell] = [pricing.reason(row.decision)]
        if row.result:
            lines.insert(0, ((clean(row.result, limit=200), Tone.STRONG),))
        return lines

    def _table(self, rows: Sequence[DecisionRow], *, ended: bool) -> VirtualTable[DecisionRow]:
        longest = max((len(clean(row.decision.sku)) for row in rows), default=10)
        columns: list[Column[DecisionRow]] = [
            Column("sku", "SKU", min(24, longest), lambda row: text(row.decision.sku, Tone.STRONG), grow=1, most=34),
            Column("market", "Market", 6, lambda row: text(row.decision.market, Tone.DIM), rank=2),
            Column("old", "Now", 9, lambda row: look.money(row.decision.old, Tone.DIM, currency=False), right=True),
            Column("arrow", "", 1, lambda row: (("→", Tone.DIM),), gap=1),
            Column("new", "Then", 13, lambda row: look.money(row.decision.target, Tone.STRONG), right=True),
            Column("change", "Change", 8, lambda row: pricing.change(row.decision), right=True),
        ]
        if ended:
            columns += [
                Column("state", "What came", 12, pricing.state),
                Column("why", "Why", 14, lambda row: text(row.result, Tone.DIM), grow=3, rank=1),
            ]
        else:
            columns += [
                Column("floor", "Floor", 9, _floor, right=True, rank=1),
                Column("margin", "Margin", 8, lambda row: pricing.share(row.decision.margin), right=True, rank=3),
                Column("standing", "Stands", 13, lambda row: pricing.standing(row.decision.standing), rank=4),
                Column("strategy", "Strategy", 11, lambda row: text(row.decision.strategy, Tone.DIM), grow=1, rank=5),
            ]
        table: VirtualTable[DecisionRow] = VirtualTable(ListSource(rows), columns)
        table.can_focus = False
        return table

    @on(Resize)
    def _fit(self) -> None:
        room = self.app.size.height - _AROUND - len(self._lead.text.splitlines())
        self.table.styles.height = min(len(self._rows) + 1, max(3, room))
        self.call_after_refresh(self._hint)


def _floor(row: DecisionRow) -> Cell:
    return look.money(row.decision.floor, Tone.DIM, currency=False)
