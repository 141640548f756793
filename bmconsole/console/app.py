"""The console's frame: the tabs, the bars around them, and the loop that looks for changes."""

import asyncio
import sys
import time
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import App, ComposeResult
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.events import DescendantFocus
from textual.reactive import var
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from bmconsole.console.actions import ACTIONS, actions_of, bindings, key_names
from bmconsole.console.crash import write_report
from bmconsole.console.look import count
from bmconsole.console.palette import ActionCommands
from bmconsole.console.seam import OpenWorkspace, WorkspaceLike
from bmconsole.console.tabs.edit import EditTab
from bmconsole.console.tabs.inspect import InspectTab
from bmconsole.console.tabs.listings import ListingsTab
from bmconsole.console.tabs.log import LogTab
from bmconsole.console.tabs.orders import OrdersTab
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.theme import DARK, DEFAULTS, LIGHT
from bmconsole.console.widgets.bars import Hint, KeyHints, TabTitle, TopBar
from bmconsole.console.widgets.dialogs import Confirm
from bmconsole.console.widgets.help import HelpScreen
from bmconsole.console.widgets.statusline import StatusLine
from bmconsole.domain.views import PassResult, Progress, WorkspaceStatus
from bmconsole.errors import BmError

if TYPE_CHECKING:
    from bmconsole.paths import Paths
    from bmconsole.settings import Profile

LOOK_EVERY = 0.25
"""Seconds between two looks at whether anything changed."""
STATUS_EVERY = 1.0
"""Seconds after which the status line is renewed although nothing changed: its times go on."""
REPAINT_EVERY = 20.0
"""Seconds after which relative times in the tables are painted again."""


class ConsoleApp(App[None]):
    """Five tabs over one workspace, which is opened after the first paint."""

    TITLE = "bmconsole"
    CSS_PATH: ClassVar[list[str | PurePath]] = [
        PurePath("styles", f"{name}.tcss") for name in ("base", "table", "inspect", "edit", "log", "dialogs")
    ]
    SCOPES: ClassVar[tuple[str, ...]] = ("app",)
    BINDINGS = bindings("app")
    COMMANDS = {ActionCommands}  # noqa: RUF012 - Textual declares it without ClassVar
    TABS: ClassVar[tuple[tuple[str, type[Tab]], ...]] = (
        ("orders", OrdersTab),
        ("listings", ListingsTab),
        ("inspect", InspectTab),
        ("edit", EditTab),
        ("log", LogTab),
    )

    market = var("")
    status: var[WorkspaceStatus | None] = var(None)

    def __init__(self, open_workspace: OpenWorkspace, *, state: Path, engine: bool = True) -> None:
        """Prepare the console.

        Args:
            open_workspace: Opens the workspace; called once, after the first paint.
            state: The folder for crash reports.
            engine: Whether to run the profile's timers (or stand by for them).
        """
        super().__init__()
        self.animation_level = "none"
        self.farewell = ""
        """What is left to say on stderr when the screen is gone."""
        self._open_workspace = open_workspace
        self._state = state
        self._with_engine = engine
        self._opening: asyncio.Future[WorkspaceLike] | None = None
        self._workspace: WorkspaceLike | None = None
        self._stale: set[str] = set()
        self._complaint = ""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give other themes the variables that only ours define."""
        return DEFAULTS

    def compose(self) -> ComposeResult:
        yield TopBar()
        with ContentSwitcher(initial="orders", id="tabs"):
            for name, tab in self.TABS:
                yield tab(id=name)
        yield StatusLine()
        yield KeyHints()

    def on_mount(self) -> None:
        self.query_one(TopBar).current = OrdersTab.TITLE
        self._title_tabs()
        self.current.enter()
        self.call_after_refresh(self._start)

    # The workspace.

    @work(group="watch")
    async def _start(self) -> None:
        """Open the workspace, show what it has, then let it work, and look for changes until the end."""
        self._opening = asyncio.ensure_future(self._open_workspace())
        try:
            workspace = await asyncio.shield(self._opening)
            self._workspace = workspace
            self.status = await workspace.status()
            self.market = self.status.markets[0]
            for tab in self.query(Tab):
                tab.market = self.market
                tab.attach(workspace)
            self.current.enter()
            if self._with_engine:
                await workspace.engine.start()
        except BmError as error:
            self.farewell = error.line()
            self.exit(return_code=error.exit)
            return
        await self._watch(workspace)

    async def _watch(self, workspace: WorkspaceLike) -> None:
        renewed = painted = time.monotonic()
        while True:
            try:
                changed = await workspace.changed()
                now = time.monotonic()
                if changed:
                    self._stale = {name for name, _ in self.TABS} - {self.current.id}
                    self.current.renew()
                elif now - painted >= REPAINT_EVERY:
                    self.current.refresh(recompose=False)
                    painted = now
                if changed or now - renewed >= STATUS_EVERY:
                    self.status = await workspace.status()
                    renewed = now
                self._complaint = ""
            except BmError as error:
                self._complain_once(error)
            await asyncio.sleep(LOOK_EVERY)

    def _complain_once(self, error: BmError) -> None:
        if error.line() != self._complaint:
            self._complaint = error.line()
            self.notify(self._complaint, severity="error", timeout=10, markup=False)

    async def on_unmount(self) -> None:
        """Stop the timers and close the files, however the console ends."""
        if self._opening is None:
            return
        try:
            workspace = await self._opening
        except BmError:
            return  # already said when it was opened
        await workspace.engine.stop()
        await workspace.aclose()

    # Tabs.

    @property
    def current(self) -> Tab:
        """The tab on screen."""
        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", Tab)

    def show(self, name: str) -> Tab:
        """Switch to a tab and give it the focus."""
        self.query_one(ContentSwitcher).current = name
        tab = self.current
        self.query_one(TopBar).current = tab.TITLE
        self._stale.discard(name)
        tab.enter()
        self.call_after_refresh(self._hint)
        return tab

    def action_show_orders(self) -> None:
        self.show("orders")

    def action_show_listings(self) -> None:
        self.show("listings")

    def action_show_inspect(self) -> None:
        self.show("inspect")

    def action_show_edit(self) -> None:
        self.show("edit")

    def action_show_log(self) -> None:
        self.show("log")

    @on(OrdersTab.Opened)
    def _inspect(self, event: OrdersTab.Opened) -> None:
        self.show("inspect")
        self.query_one(InspectTab).open(event.order_id)

    @on(ListingsTab.Opened)
    def _edit(self, event: ListingsTab.Opened) -> None:
        self.show("edit")
        self.query_one(EditTab).open(event.listing)

    # Actions.

    def target(self, scope: str) -> DOMNode | None:
        """Return the widget in which a scope's actions work: the focused one or around it, else one of a tab."""
        node: DOMNode | None = self.focused or self.current
        while node is not None:
            if scope in getattr(node, "SCOPES", ()):
                return node
            node = node.parent
        widgets = (widget for tab in (self.current, *self.query(Tab)) for widget in (tab, *tab.query(Widget)))
        return next((widget for widget in widgets if scope in getattr(widget, "SCOPES", ())), None)

    async def action_perform(self, name: str) -> None:
        """Do an action of the registry by its name, going to the tab where it works."""
        action = next((action for action in ACTIONS if action.name == name), None)
        target = self.target(action.scope) if action else None
        if action is None or target is None:
            return
        tab = next((node for node in target.ancestors_with_self if isinstance(node, Tab)), None)
        if tab is not None and tab is not self.current and tab.id is not None:
            self.show(tab.id)
        await self.run_action(action.method, target)

    def action_next_market(self) -> None:
        if self.status is not None:
            markets = self.status.markets
            self.market = markets[(markets.index(self.market) + 1) % len(markets)]

    def action_sync(self) -> None:
        self._sync((self.current.STREAM,))

    def action_sync_all(self) -> None:
        self._sync(("orders", "listings"))

    @work(group="sync")
    async def _sync(self, streams: tuple[str, ...]) -> None:
        if self._workspace is None:
            return
        line = self.query_one(StatusLine)
        if line.progress is not None:
            self.notify("A sync is on its way already.", timeout=3, markup=False)
            return
        line.progress = Progress(streams[0], 0, 0, None)
        try:
            results = await self._workspace.sync(streams, progress=self._progress)
        except BmError as error:
            self.notify(error.line(), title="Not synced", severity="error", timeout=10, markup=False)
        else:
            for result in results.values():
                self._report(result)
        finally:
            line.progress = None

    def _progress(self, progress: Progress) -> None:
        self.query_one(StatusLine).progress = progress

    def _report(self, result: PassResult) -> None:
        words = f"{count(result.seen)} {result.stream} seen, {count(result.changed)} changed"
        if result.quarantined:
            words += f", {count(result.quarantined)} in quarantine"
        if not result.clean:
            words += "; the list moved meanwhile, the next pass reads it again"
        self.notify(words, severity="information" if result.clean else "warning", timeout=4, markup=False)

    def action_theme(self) -> None:
        self.theme = LIGHT.name if self.current_theme.dark else DARK.name

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self._keymap))

    async def action_quit(self) -> None:
        """End; asked back only while writes are unfinished."""
        self._leave()

    @work(group="quit", exclusive=True)
    async def _leave(self) -> None:
        unfinished = self.status.unfinished_writes if self.status else 0
        if unfinished:
            body = (
                f"{count(unfinished)} write{'s' * (unfinished != 1)} not finished yet. "
                "They are written down; the next start settles them."
            )
            if not await self.push_screen_wait(Confirm("Quit?", body, yes="quit", no="stay")):
                return
        self.exit()

    # What follows from what.

    def watch_market(self, market: str) -> None:
        self.query_one(TopBar).market = market
        for tab in self.query(Tab):
            tab.market = market

    def watch_status(self, before: WorkspaceStatus | None, status: WorkspaceStatus | None) -> None:
        if status is None:
            return
        self.query_one(StatusLine).status = status
        self.query_one(TopBar).status = status
        self._title_tabs()
        if before is not None and before.online and status.online is False:
            self.notify("Back Market does not answer. The cache stays usable.", severity="warning", markup=False)
        elif before is not None and before.online is False and status.online:
            self.notify("Back Market answers again.", timeout=4, markup=False)

    def _title_tabs(self) -> None:
        numbers = {"orders": self.status.orders, "listings": self.status.listings} if self.status else {}
        self.query_one(TopBar).tabs = tuple(
            TabTitle(str(position), tab.TITLE, f"app.show_{name}", count(numbers[name]) if name in numbers else "")
            for position, (name, tab) in enumerate(self.TABS, 1)
        )

    @on(DescendantFocus)
    def _hint(self) -> None:
        """Show the keys of the place that has the focus, then those that work everywhere."""
        scopes: list[str] = []
        node: DOMNode | None = self.focused or self.current
        while node is not None:
            scopes += getattr(node, "SCOPES", ())
            node = node.parent
        hints = [
            Hint(
                key_names(self._keymap.get(action.name, action.keys[0]).split(","))[0],
                action.hint,
                f"app.perform({action.name!r})",
            )
            for scope in scopes
            for action in actions_of(scope)
            if action.hint
        ]
        try:
            self.query_one(KeyHints).hints = tuple(hints)
        except NoMatches:
            return  # a dialog is on top, with hints of its own

    # The end.

    def _fatal_error(self) -> None:
        """End after a fault in the console; nothing that was in memory is printed, no local value is kept."""
        error = self._exception or sys.exception()
        path = write_report(error, self._state) if error is not None else None
        kind = type(error).__name__ if error is not None else "unknown"
        where = f"; a report without any data is in {path}" if path is not None else ""
        self.farewell = f"bmconsole stopped on a fault of its own ({kind}){where}"
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        """Print nothing: what there is to say stands in `farewell`."""
        self._exit_renderables.clear()


def run_console(profile: "Profile", paths: "Paths") -> int:
    """Run the console over a profile until the operator quits; return the exit code."""

    async def open_workspace() -> WorkspaceLike:
        # The workspace brings HTTP and its models: imported beside the first paint, not before it.
        await asyncio.to_thread(__import__, "bmconsole.workspace")
        from bmconsole.workspace import Workspace

        return await Workspace.open(profile, paths, console=True)

    app = ConsoleApp(open_workspace, state=paths.state)
    app.run()
    if app.farewell:
        sys.stderr.write(app.farewell + "\n")
    return app.return_code or 0
