"""The console's life: it paints what is cached, opens the workspace, looks for changes, syncs on demand, and ends."""

import asyncio
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import work
from textual.events import Event, InputEvent
from textual.worker import WorkerFailed

from bmconsole.console.frame import Frame
from bmconsole.console.hangup import leave
from bmconsole.console.hiding import names_buyer
from bmconsole.console.look import count
from bmconsole.console.personal import Personal, State, write_state
from bmconsole.console.seam import CacheLike, OpenCache, OpenWorkspace, WorkspaceLike
from bmconsole.console.tabs.rows import RowsTab
from bmconsole.errors import BmError, UsageError
from bmconsole.faults import watch_tasks

if TYPE_CHECKING:
    from bmconsole.domain.pricing_views import PauseRow
    from bmconsole.domain.views import JobState, PassResult, Progress, WorkspaceStatus
    from bmconsole.paths import Paths
    from bmconsole.profile import Profile

LOOK_EVERY = 0.25
"""Seconds between two looks at whether anything changed."""
RENEW_EVERY = 1.0
"""Seconds between two readings of what is on screen, while it goes on changing; the first change shows at once."""
PROGRESS_EVERY = 0.25
"""Seconds between two paintings of how far a sync is."""
STATUS_EVERY = 1.0
"""Seconds between two renewals of the status line; its counts are renewed only where something changed."""
COUNTS_EVERY = 30.0
"""Seconds after which the counts are renewed all the same: some depend on the time."""
CLOCK_EVERY = 10.0
"""Seconds after which minutes in the status line are counted again."""
FAULTY = 1
"""The exit code of a console that ended by a fault of its own."""
FIRST_PAINT = 0.5
"""Seconds for which the first paint waits for the rows."""
REPAINT_EVERY = 20.0
"""Seconds after which relative times in the tables are painted again."""


class ConsoleApp(Frame):
    """Five tabs over one workspace."""

    def __init__(
        self,
        open_workspace: OpenWorkspace,
        *,
        open_cache: OpenCache | None = None,
        engine: bool = True,
        personal: Personal | None = None,
        paths: "Paths | None" = None,
        flags: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare the console.

        Args:
            open_workspace: Opens the workspace; called once, after the first paint.
            open_cache: Gives what the first paint shows; without it the workspace does.
            engine: Whether to run the profile's timers (or stand by for them).
            personal: The operator's views, keys and state; None: as for a new one, and nothing is kept.
            paths: Where other profiles are; None: there is no other profile.
            flags: What the command line said; it holds for a profile that is switched to as well.
        """
        super().__init__()
        self._had_terminal = _is_terminal()
        self._personal = personal
        self._paths = paths
        if personal is not None:
            self._take_over(personal)
        self._flags = dict(flags or {})
        self.switch_to: Profile | None = None
        """The profile to go on with, where the operator chose another one."""
        self.fault: BaseException | None = None
        """What ended the console before the operator did."""
        self.afterword: BmError | None = None
        """What went wrong at an end that was asked for, and does not make it a failure: the view was not kept."""
        self._open_workspace = open_workspace
        self._open_cache = open_cache
        self._with_engine = engine
        self._opening: asyncio.Future[WorkspaceLike] | None = None
        self._workspace: WorkspaceLike | None = None
        self._complaint = ""
        self._told = 0.0
        self._pauses: Sequence[PauseRow] | None = None
        self._story: asyncio.Future[None] | None = None

    def on_mount(self) -> None:
        super().on_mount()
        self._start()

    async def on_event(self, event: Event) -> None:
        """Have the background wait for what the operator does."""
        if isinstance(event, InputEvent) and self._workspace is not None:
            self._workspace.attend()
        await super().on_event(event)

    @work(group="story", exclusive=True)
    async def tell(self, story: Coroutine[object, object, None]) -> None:
        """Let a demo's events happen beside the console, which offers its tour."""
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            story.close()
            raise
        self.action_tour()
        self._story = asyncio.ensure_future(story)
        try:
            await self._story
        except BmError as error:
            self.notify(error.line(), title="The story broke off", severity="error", markup=False)

    async def _end_story(self) -> None:
        """Break the story off before the files it works on are closed."""
        if self._story is not None and not self._story.done():
            self._story.cancel()
            await asyncio.wait([self._story])

    @work(group="watch")
    async def _start(self) -> None:
        """Show what is cached, open the workspace, let it work, and look for changes until the end."""
        try:
            if self._open_cache is not None:
                await self._show_cached(self._open_cache)
            watch_tasks()
            self._opening = asyncio.ensure_future(self._open_workspace())
            # Shielded: who quits meanwhile still has the files closed, by `on_unmount`.
            workspace = await asyncio.shield(self._opening)
            self._workspace = workspace
            if self._open_cache is None:
                self._take(workspace)
            await self.complete()
            for tab in self.tabs:
                tab.attach(workspace)
            if self._open_cache is None or not isinstance(self.current, RowsTab):
                self.current.enter()
            self.opened.set()
            # The rows come first: to count all of them takes longer than to read a screenful.
            self.status = await workspace.status()
            await self._show_pauses(workspace)
            if self._with_engine:
                await workspace.engine.start()
        except BmError as error:
            self.fault = error
            self.exit(return_code=error.exit)
            return
        finally:
            self.opened.set()
        await self._watch(workspace)

    async def _show_cached(self, open_cache: OpenCache) -> None:
        """Paint for the first time, with rows where they come soon."""
        opening = asyncio.ensure_future(open_cache())
        with self.batch_update():
            await asyncio.wait([opening], timeout=FIRST_PAINT)
            if opening.done():
                self._take(opening.result())
                await self._filled()
        if not opening.done():
            self._take(await opening)
            await self._filled()
        painted = asyncio.Event()
        # The screen's turn, not the app's: that one may be waiting with a key for what comes next.
        self.screen.call_after_refresh(painted.set)
        await painted.wait()

    def tell_fault(self, words: str, report: str | None) -> None:
        """Say that something went wrong that nobody waited for; the console goes on."""
        where = f"The report is in {report}." if report else "No report could be written."
        self.call_later(self.notify, f"{words} {where}", severity="error", timeout=15, markup=False)

    def _take(self, cache: CacheLike) -> None:
        """Show the market and the tables as they were left."""
        left = self._personal.state if self._personal else State()
        self.market = self._market(cache, left.market)
        for tab, state in ((self.orders, left.orders), (self.listings, left.listings)):
            tab.read_from(cache)
            tab.restore(state)

    async def _filled(self) -> None:
        if isinstance(self.current, RowsTab):
            await self.current.table.fill()

    def _market(self, cache: CacheLike, wanted: str) -> str:
        with suppress(UsageError):
            return cache.check_market(wanted or None)
        return cache.check_market(None)

    def _take_over(self, personal: Personal) -> None:
        """Take the operator's keys and views, and the tab and theme of the last time."""
        if personal.keys:
            self.set_keymap(personal.keys)
        self.orders.saved = self.listings.saved = personal.views
        state = personal.state
        if state.theme in self.available_themes:
            self.theme = state.theme
        if state.tab in ("orders", "listings", "log"):
            self.current = next(tab for tab in self.tabs if tab.id == state.tab)

    async def complete(self) -> None:
        await super().complete()
        if self._personal is not None:
            self.command_line.input.past = list(self._personal.state.commands)

    def _left(self) -> State:
        tab = self.current.id or ""
        past = [line for line in self.command_line.input.past if not names_buyer(line)]
        return State(tab, self.theme, self.market, past, self.orders.state(), self.listings.state())

    def _terminal_is_gone(self) -> bool:
        return self._had_terminal and not _is_terminal()

    async def _watch(self, workspace: WorkspaceLike) -> None:
        renewed = painted = counted = time.monotonic()
        read, behind, stale = 0.0, False, False
        while self.is_running:
            if self._terminal_is_gone():
                await self._end_story()
                await workspace.aclose()
                leave()
            try:
                changed = await workspace.changed()
                stale, behind = stale or changed, behind or changed
                now = time.monotonic()
                if behind and now - read >= RENEW_EVERY:
                    self.current.renew()
                    read, behind = now, False
                elif now - painted >= REPAINT_EVERY:
                    self.current.repaint()
                    painted = now
                if now - renewed >= STATUS_EVERY:
                    await self._show_pauses(workspace, changed=stale)
                    if stale or now - counted >= COUNTS_EVERY or self.status is None:
                        stale, counted = False, now
                        self.status = await workspace.status()
                    else:
                        self._renew_machine(workspace, self.status)
                    renewed = now
                self._complaint = ""
            except BmError as error:
                self._complain_once(error)
            await asyncio.sleep(LOOK_EVERY)

    def _renew_machine(self, workspace: WorkspaceLike, told: "WorkspaceStatus") -> None:
        """Renew what costs no query; where nothing but the time went on, only as often as that is to be seen."""
        traffic, jobs, now = workspace.traffic(), workspace.engine.jobs(), workspace.now()
        age = (now - told.server_now).total_seconds()
        soon = any(job.next_run is not None and (job.next_run - now).total_seconds() < 100 for job in jobs)
        if (
            traffic != told.traffic
            or _doing(jobs) != _doing(told.jobs)
            or age >= (STATUS_EVERY if soon else CLOCK_EVERY)
        ):
            self.status = replace(told, traffic=traffic, jobs=jobs, server_now=now)

    def _complain_once(self, error: BmError) -> None:
        if error.line() != self._complaint:
            self._complaint = error.line()
            self.notify(self._complaint, severity="error", timeout=10, markup=False)

    # The pause of repricing.

    async def _show_pauses(self, workspace: WorkspaceLike, *, changed: bool = True) -> None:
        """Show what is paused; read again only where something changed."""
        if changed or self._pauses is None:
            self._pauses = await workspace.pauses()
        self.pause_banner.tell(self._pauses, workspace.now())

    @work(exclusive=True, group="pause")
    async def action_pause_repricing(self) -> None:
        """Pause all repricing at once; where it is paused, ask whether it goes on."""
        if self._workspace is None:
            return
        from bmconsole.console.widgets.pausebanner import pause_or_resume

        await pause_or_resume(self, self._workspace)
        await self._show_pauses(self._workspace)

    # Sync now.

    def action_sync(self) -> None:
        self._sync((self.current.STREAM,))

    def action_sync_all(self) -> None:
        self._sync(("orders", "listings"))

    def sync_streams(self, streams: tuple[str, ...]) -> None:
        self._sync(streams)

    @work(group="sync")
    async def _sync(self, streams: tuple[str, ...]) -> None:
        if self._workspace is None:
            return
        if self.status_line.progress is not None:
            self.notify("A sync is on its way already.", timeout=3, markup=False)
            return
        from bmconsole.domain.views import Progress

        self.status_line.progress = Progress(streams[0], 0, 0, None)
        try:
            results = await self._workspace.sync(streams, progress=self._progress)
        except BmError as error:
            self.notify(error.line(), title="Not synced", severity="error", timeout=10, markup=False)
        else:
            for result in results.values():
                self._report(result)
        finally:
            self.status_line.progress = None

    def _progress(self, progress: "Progress") -> None:
        shown, now = self.status_line.progress, time.monotonic()
        if shown is None or shown.stream != progress.stream or now - self._told >= PROGRESS_EVERY:
            self._told = now
            self.status_line.progress = progress

    def _report(self, result: "PassResult") -> None:
        words = f"{count(result.seen)} {result.stream} seen, {count(result.changed)} changed"
        if result.quarantined:
            words += f", {count(result.quarantined)} in quarantine"
        if not result.clean:
            words += "; the list moved meanwhile, the next pass reads it again"
        self.notify(words, severity="information" if result.clean else "warning", timeout=4, markup=False)

    # Another profile.

    @work(group="picker", exclusive=True)
    async def action_profile(self) -> None:
        """Choose another profile."""
        if self._paths is None or self._workspace is None:
            return
        from bmconsole.console.switching import profiles
        from bmconsole.console.widgets.picker import Choice, Picker

        try:
            names = await asyncio.to_thread(profiles, self._paths)
        except BmError as error:
            self.notify(error.line(), severity="error", markup=False)
            return
        here = self.status.profile if self.status else ""
        name = await self.push_screen_wait(Picker("Profiles", [Choice(name, name, "", name == here) for name in names]))
        if name is not None and name != here:
            await self.switch_profile(name)

    async def switch_profile(self, name: str) -> None:
        """Go on with another profile; writes that are on their way end first, as when quitting."""
        if self._paths is None:
            return
        from bmconsole.console.switching import other_profile

        try:
            self.switch_to = await asyncio.to_thread(other_profile, name, self._paths, self._flags)
        except BmError as error:
            self.notify(error.line(), title="Not switched", severity="error", timeout=8, markup=False)
        else:
            self._leave()

    # The end.

    async def action_quit(self) -> None:
        """End; asked back only while writes are unfinished."""
        self._leave()

    @work(group="quit", exclusive=True)
    async def _leave(self) -> None:
        # Asked anew: the status line may still count a write that ended a moment ago.
        unfinished = (await self._workspace.status()).unfinished_writes if self._workspace and self.status else 0
        if unfinished:
            body = (
                f"{count(unfinished)} write{'s' * (unfinished != 1)} not finished yet. "
                "They are written down; the next start settles them."
            )
            from bmconsole.console.widgets.dialogs import Confirm

            if not await self.push_screen_wait(Confirm("Quit?", body, yes="quit", no="stay")):
                self.switch_to = None
                return
        self.exit()

    async def on_unmount(self) -> None:
        """Stop the timers and close the files, however the console ends."""
        if self._opening is None:
            return
        if self._personal is not None and self._workspace is not None and self.fault is None:
            try:
                write_state(self._personal.state_file, self._left())
            except BmError as error:
                self.afterword = error
        await asyncio.wait([self._opening])
        await self._end_story()
        if self._opening.exception() is None:
            workspace = self._opening.result()
            await workspace.engine.stop()
            await workspace.aclose()

    def _handle_exception(self, error: Exception) -> None:
        """End after a fault in the console. Textual would print a traceback with local values: a token, a buyer.

        An error that knows how to draw itself, which Textual would let do so, is no exception.
        """
        self._return_code = FAULTY
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self.fault = self.fault or (error.error if isinstance(error, WorkerFailed) else error)
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        """Print nothing: `run_console` tells of the fault, without values."""
        self._exit_renderables.clear()


def _doing(jobs: "tuple[JobState, ...]") -> list[tuple[object, ...]]:
    return [(job.name, job.running, job.last_run, job.last_error) for job in jobs]


def _is_terminal() -> bool:
    return sys.__stdin__ is not None and not sys.__stdin__.closed and sys.__stdin__.isatty()
