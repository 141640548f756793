"""Every limit with what is used of it, the queue by priority, and the timers."""

from datetime import datetime
from typing import ClassVar

from rich.table import Table
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from bmconsole.console.look import Cell, Tone, count, gauge, span, text
from bmconsole.console.widgets.reading import Reading
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.domain.views import JobState, RuleState, WorkspaceStatus


class LimitsScreen(ModalScreen[None]):
    """A box that is renewed with the status; any of its keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter,L", "dismiss", show=False)]

    def __init__(self, status: WorkspaceStatus | None) -> None:
        super().__init__()
        self._status = status
        self.sheet = Sheet()

    def compose(self) -> ComposeResult:
        with Reading(classes="box wide") as box:
            box.border_title = "Limits, queue, timers"
            box.border_subtitle = "esc closes"
            yield self.sheet

    def on_mount(self) -> None:
        self.query_one(Reading).focus()
        self.show(self._status)
        self.watch(self.app, "status", self.show, init=False)

    def show(self, status: WorkspaceStatus | None) -> None:
        """Show another state."""
        if status is not None:
            self.sheet.draw(lambda: _drawn(self.sheet, status))


def _drawn(sheet: Sheet, status: WorkspaceStatus) -> Table:
    table = Table.grid(padding=(0, 2), pad_edge=False)
    for _ in range(4):
        table.add_column(overflow="fold")

    def line(*cells: Cell) -> None:
        table.add_row(*(sheet.styled(cell) for cell in cells))

    line((("Rule", Tone.DIM),), (("Used", Tone.DIM),), (("Of", Tone.DIM),), (("State", Tone.DIM),))
    for rule in status.traffic.rules:
        full, empty = gauge(rule.used, min(rule.limit, rule.working), 16)
        line(
            text(rule.name, Tone.STRONG),
            ((full, Tone.KEY), (empty, Tone.DIM)),
            ((f"{count(rule.used)} of {count(rule.working)} in {rule.window:g} s", Tone.PLAIN),),
            _state(rule),
        )
    waiting = "   ".join(f"{each.name.lower()} {count(status.traffic.waiting.get(each.name, 0))}" for each in Priority)
    table.add_row()
    line((("Waiting", Tone.STRONG),), ((waiting, Tone.PLAIN),))
    line((("Refused (429)", Tone.STRONG),), ((count(status.traffic.trips), Tone.PLAIN),))
    table.add_row()
    for job in status.jobs:
        line(text(job.name, Tone.STRONG), *_job(job, status.server_now))
    return table


def _state(rule: RuleState) -> Cell:
    if rule.paused_for > 0:
        return ((f"paused {round(rule.paused_for)} s", Tone.WARN),)
    if rule.working < rule.limit:
        return ((f"lowered from {count(rule.limit)}", Tone.WARN),)
    return (("full", Tone.WARN),) if rule.used >= rule.limit else (("open", Tone.GOOD),)


def _job(job: JobState, now: datetime) -> tuple[Cell, Cell, Cell]:
    every: Cell = text(f"every {job.interval:g} s" if job.interval else "off", Tone.DIM)
    if job.running:
        after: Cell = (("running", Tone.KEY),)
    else:
        after = text(f"in {span(job.next_run - now)}" if job.next_run else "not here", Tone.PLAIN)
    last = clean(job.last_error or job.last_result or "", limit=80)
    return after, every, text(last, Tone.BAD if job.last_error else Tone.DIM)
