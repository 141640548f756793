"""The morning's tab: what waits, what was sold, how the backboxes stand; each number leads to its rows."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.message import Message

from bmconsole.console import look
from bmconsole.console.actions import bindings
from bmconsole.console.look import Tone
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.views import WorkspaceStatus
from bmconsole.errors import BmError

if TYPE_CHECKING:
    from bmconsole.console.widgets.figures import Figures
    from bmconsole.domain.figures import Overview

REST = 5.0
"""Seconds between two countings, at least; counting takes a twentieth of the time at most."""
TALL = 34
"""From how many lines on there is room for the chart."""
CHART = 8


class OverviewTab(Tab):
    """Counted when it is looked at, and again when something changed; nothing is mounted before that."""

    SCOPES: ClassVar[tuple[str, ...]] = ("overview",)
    BINDINGS = bindings("overview")
    TITLE = "Overview"

    @dataclass
    class Led(Message):
        """The rows behind a number are asked for, by commands of the command line in their order."""

        commands: tuple[str, ...]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.overview: Overview | None = None
        self.figures: Figures | None = None
        self._status: WorkspaceStatus | None = None
        self._head, self._chart = Sheet(id="overview-head"), Sheet(id="overview-chart")
        self._stale = self._counting = False

    def enter(self) -> None:
        self.take(self._shown())
        self.renew()

    def _shown(self) -> "Figures":
        if self.figures is None:
            from bmconsole.console.widgets.figures import Figures

            self.figures = Figures()
            scroll = VerticalScroll(self.figures, id="overview-scroll", can_focus=False)
            self.mount(self._head, self._chart, scroll)
            self._paint()
        return self.figures

    def renew(self) -> None:
        self._stale = True
        if self.ready and not self._counting:
            self._count()

    def repaint(self) -> None:
        self._paint()

    def action_refresh(self) -> None:
        """Count again at once."""
        if self.ready:
            self._stale = True
            self._count()

    def watch_market(self) -> None:
        self._paint()

    @work(exclusive=True, group="overview")
    async def _count(self) -> None:
        self._counting = True
        try:
            while self._stale and self.display:
                self._stale, began = False, time.monotonic()
                self.overview = await self.workspace.overview()
                self._status = await self.workspace.status()
                self._paint()
                await asyncio.sleep(max(REST, 20 * (time.monotonic() - began)))
        except BmError as error:
            self.complain(error, title="Not counted")
        finally:
            self._counting = False

    @on(Resize)
    def _paint(self) -> None:
        overview, status = self.overview, self._status
        if self.figures is None:
            return
        if overview is None or status is None:
            self._head.show((("counting…", Tone.DIM),))
            return
        from bmconsole.console import overview as words

        now = self.workspace.now()
        at = overview.at.astimezone(self.workspace.zone).strftime("%a %d %b %H:%M")
        age = look.span(now - overview.at)
        self._head.show(((at, Tone.STRONG), (f"   counted {age} ago   enter on a number shows its rows", Tone.DIM)))
        tall = self.size.height >= TALL and self.size.width >= 60
        self._chart.display = tall
        if tall:
            self._chart.show(*words.chart(overview.sales, self.size.width - 2, CHART))
        self.figures.groups = words.groups(overview, status, self.market, now)

    def on_figures_chosen(self, event: "Figures.Chosen") -> None:
        """Say which commands show the rows."""
        event.stop()
        self.post_message(self.Led(tuple(event.command.split("; "))))
