"""Every limit with what is used of it, the queue by priority, and the timers."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
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


def _drawn(sheet: Sheet, status: WorkspaceStatus) -> Group:
    rules: list[Sequence[Cell]] = [
        ((("Rule", Tone.DIM),), (("Used", Tone.DIM),), (("Of", Tone.DIM),), (("State", Tone.DIM),))
    ]
    for rule in status.traffic.rules:
        full, empty = gauge(rule.used, min(rule.limit, rule.working), 16)
        used = f"{count(rule.used)} of {count(rule.working)} in {rule.window:g} s"
        bar: Cell = ((full, Tone.KEY), (empty, Tone.DIM))
        rules.append((text(rule.name, Tone.STRONG), bar, ((used, Tone.PLAIN),), _state(rule)))
    waiting = "   ".join(f"{each.name.lower()} {count(status.traffic.waiting.get(each.name, 0))}" for each in Priority)
    facts: list[Sequence[Cell]] = [
        ((("Waiting", Tone.STRONG),), ((waiting, Tone.PLAIN),)),
        ((("Refused (429)", Tone.STRONG),), ((count(status.traffic.trips), Tone.PLAIN),)),
    ]
    jobs = [(text(job.name, Tone.STRONG), *_job(job, status.server_now)) for job in status.jobs]
    # Apart, so that what is long in one does not take the others' room
    return Group(_grid(sheet, rules), Text(), _grid(sheet, facts), Text(), _grid(sheet, jobs))


def _grid(sheet: Sheet, rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table.grid(padding=(0, 2), pad_edge=False)
    for row in rows:
        table.add_row(*(sheet.styled(cell) for cell in row))
    for column in table.columns[:-1]:
        column.no_wrap = True
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
