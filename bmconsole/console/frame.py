"""The console's frame: the tabs, the bars around them, and how an action finds the place where it works."""

import asyncio
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.dom import DOMNode
from textual.events import DescendantFocus, Event, Key, MouseDown, MouseUp, Paste
from textual.reactive import var
from textual.screen import ModalScreen
from textual.widgets import ContentSwitcher, Input

from bmconsole.console.actions import ACTIONS, bindings
from bmconsole.console.completion import Suggestion
from bmconsole.console.keyboard import entered, meant, type_into
from bmconsole.console.look import count
from bmconsole.console.palette import ActionCommands
from bmconsole.console.scopes import answering, hints
from bmconsole.console.stylesheet import SteadyStylesheet
from bmconsole.console.tabs.listings import ListingsTab
from bmconsole.console.tabs.orders import OrdersTab
from bmconsole.console.tabs.rows import RowsTab
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.theme import DARK, DEFAULTS, LIGHT
from bmconsole.console.widgets.bars import KeyHints, TabTitle, TopBar
from bmconsole.console.widgets.statusline import StatusLine
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.errors import BmError

if TYPE_CHECKING:
    from bmconsole.console.tabs.edit import EditTab
    from bmconsole.console.tabs.inspect import InspectTab
    from bmconsole.console.tabs.log import LogTab
    from bmconsole.console.tabs.overview import OverviewTab
    from bmconsole.console.tabs.pricing import PricingTab
    from bmconsole.console.tabs.writes import WritesTab
    from bmconsole.console.tour import Tour
    from bmconsole.console.widgets.commandline import CommandLine
    from bmconsole.console.widgets.pausebanner import PauseBanner
    from bmconsole.domain.views import WorkspaceStatus

TABS = (
    ("orders", "Orders"),
    ("listings", "Listings"),
    ("inspect", "Inspect"),
    ("edit", "Edit"),
    ("log", "Log"),
    ("writes", "Writes"),
    ("pricing", "Pricing"),
    ("overview", "Overview"),
)
"""The ids of the tabs and what people call them, in the order of their digits."""
EARLY = ("app.quit", "app.help", "app.theme")
"""Actions that need no workspace."""

Place: TypeAlias = tuple[str, str]
"""A tab's id, and what it shows: a filter, an order, a listing."""


class Frame(App[None]):
    """Composes, binds and routes; what happens over time is its subclass's."""

    TITLE = "bmconsole"
    CSS_PATH: ClassVar[list[str | PurePath]] = [PurePath("styles", f"{name}.tcss") for name in ("base", "table")]
    LATE_STYLES = ("overview", "inspect", "edit", "log", "dialogs", "writes", "pricing")
    """Styles of what the first paint does not show."""
    SCOPES: ClassVar[tuple[str, ...]] = ("app",)
    BINDINGS = bindings("app")
    COMMANDS = {ActionCommands}  # noqa: RUF012 - Textual declares it without ClassVar

    market = var("")
    """The market whose offers are shown."""
    status: "var[WorkspaceStatus | None]" = var(None)
    private = var(False, init=False)
    """Whether what is known of buyers is hidden, because others look on."""

    def __init__(self) -> None:
        super().__init__()
        self.animation_level = "none"
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name
        self.stylesheet = SteadyStylesheet(variables=self.get_css_variables())
        # Kept by name: a query would look into the dialog that is on top.
        self.orders, self.listings = OrdersTab(id="orders"), ListingsTab(id="listings")
        self.current: Tab = self.orders
        self.top_bar, self.status_line, self.key_hints = TopBar(), StatusLine(), KeyHints()
        self.opened = asyncio.Event()
        """Set once the workspace is there, or will never be."""
        self._keys: tuple[object, Mapping[str, list[tuple[DOMNode, Binding]]]] = (None, {})
        self.tour: Tour | None = None
        self._trail: list[Place] = []
        self._here = -1
        self._retracing = False

    # What the first paint does not need is made after it.

    @cached_property
    def inspect(self) -> "InspectTab":
        from bmconsole.console.tabs.inspect import InspectTab

        return InspectTab(id="inspect")

    @cached_property
    def edit(self) -> "EditTab":
        from bmconsole.console.tabs.edit import EditTab

        return EditTab(id="edit")

    @cached_property
    def log_tab(self) -> "LogTab":
        from bmconsole.console.tabs.log import LogTab

        return LogTab(id="log")

    @cached_property
    def writes(self) -> "WritesTab":
        from bmconsole.console.tabs.writes import WritesTab

        return WritesTab(id="writes")

    @cached_property
    def overview(self) -> "OverviewTab":
        from bmconsole.console.tabs.overview import OverviewTab

        return OverviewTab(id="overview")

    @cached_property
    def pricing(self) -> "PricingTab":
        from bmconsole.console.tabs.pricing import PricingTab

        return PricingTab(id="pricing")

    @cached_property
    def pause_banner(self) -> "PauseBanner":
        from bmconsole.console.widgets.pausebanner import PauseBanner

        return PauseBanner()

    @cached_property
    def command_line(self) -> "CommandLine":
        from bmconsole.console.widgets.commandline import CommandLine

        return CommandLine(self._complete, self._do)

    @property
    def tabs(self) -> tuple[Tab, ...]:
        """All tabs, in the order of `TABS`."""
        return (
            self.orders,
            self.listings,
            self.inspect,
            self.edit,
            self.log_tab,
            self.writes,
            self.pricing,
            self.overview,
        )

    async def complete(self) -> None:
        """Mount what the first paint did without: the other tabs and the command line."""
        self.style_the_rest()
        screen = self.screen_stack[0]
        switcher = screen.query_one(ContentSwitcher)
        for tab in self.tabs:
            if tab is not self.current:
                tab.display = False
                await switcher.mount(tab)
                tab.market = self.market
        await screen.mount(self.command_line, before=self.key_hints)
        await screen.mount(self.pause_banner, after=self.top_bar)

    def style_the_rest(self) -> None:
        """Read the styles that the first paint did without."""
        folder = Path(__file__).parent / "styles"
        late = [folder / f"{name}.tcss" for name in self.LATE_STYLES]
        if not self.stylesheet.has_source(str(late[0])):
            self.stylesheet.read_all(late)
            self.stylesheet.parse()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give other themes the variables that only ours define."""
        if all(name in self.current_theme.variables for name in DEFAULTS):
            return {}
        colours = self.current_theme.to_color_system().generate()
        return {name: colours.get(value.removeprefix("$"), value) for name, value in DEFAULTS.items()}

    def compose(self) -> ComposeResult:
        yield self.top_bar
        with ContentSwitcher(initial=self.current.id, id="tabs"):
            yield self.current
        yield self.status_line
        yield self.key_hints

    def on_mount(self) -> None:
        self.top_bar.current = self.current.TITLE
        self._title_tabs()
        self.current.enter()

    # Tabs.

    def show(self, tab: Tab, *, visiting: bool = True) -> None:
        """Switch to a tab and give it the focus; `visiting` tells that it shows already what it is visited for."""
        self.current = tab
        self.screen_stack[0].query_one(ContentSwitcher).current = tab.id
        self.top_bar.current = tab.TITLE
        tab.enter()
        if visiting:
            self.visited()
        self.call_after_refresh(self._hint)

    def action_show_orders(self) -> None:
        self.show(self.orders)

    def action_show_listings(self) -> None:
        self.show(self.listings)

    def action_show_inspect(self) -> None:
        self.show(self.inspect)

    def action_show_edit(self) -> None:
        self.show(self.edit)

    def action_show_log(self) -> None:
        self.show(self.log_tab)

    def action_show_writes(self) -> None:
        self.show(self.writes)

    def action_show_pricing(self) -> None:
        self.show(self.pricing)

    def action_show_overview(self) -> None:
        self.show(self.overview)

    async def on_overview_tab_led(self, event: "OverviewTab.Led") -> None:
        """Show the rows behind a number."""
        from bmconsole.console import commands

        try:
            for command in event.commands:
                await commands.run(self, command)
        except BmError as error:
            self.notify(error.line(), severity="error", markup=False)

    def open_order(self, order_id: int) -> None:
        """Show one order."""
        self.show(self.inspect, visiting=False)
        self.inspect.open(order_id)
        self.visited()

    def open_listing(self, listing: str) -> None:
        """Edit one listing, by its UUID."""
        self.show(self.edit, visiting=False)
        self.edit.open(listing)
        self.visited()

    @on(OrdersTab.Opened)
    def _inspect(self, event: OrdersTab.Opened) -> None:
        self.open_order(event.order_id)

    @on(ListingsTab.Opened)
    def _edit(self, event: ListingsTab.Opened) -> None:
        self.open_listing(event.listing)

    def on_pricing_tab_opened(self, event: "PricingTab.Opened") -> None:
        """Edit the listing that a price belongs to."""
        self.open_listing(event.listing)

    def rows_tab(self) -> RowsTab[object]:
        """Return the table that sorts and views are about: the one on screen, else the orders."""
        if self.current is self.pricing:
            return self.pricing  # type: ignore[return-value]  # rows are only passed on
        return self.listings if self.current is self.listings else self.orders  # type: ignore[return-value]  # as above

    # Back and forward.

    @on(RowsTab.Narrowed)
    def visited(self) -> None:
        """Keep where the operator is now; what lay ahead is forgotten."""
        place = (self.current.id or "", self.current.place)
        if self._retracing or (self._trail and self._trail[self._here] == place):
            return
        self._trail = [*self._trail[: self._here + 1], place][-100:]
        self._here = len(self._trail) - 1

    def action_go_back(self) -> None:
        self._go(-1)

    def action_go_forward(self) -> None:
        self._go(1)

    def _go(self, step: int) -> None:
        if not 0 <= self._here + step < len(self._trail):
            self.notify("There is nothing further that way.", timeout=2, markup=False)
            return
        self._here += step
        name, place = self._trail[self._here]
        tab = next(tab for tab in self.tabs if tab.id == name)
        self._retracing = True
        try:
            tab.go(place)
            self.show(tab)
        finally:
            self._retracing = False

    # Commands.

    def _complete(self, typed: str) -> list[Suggestion]:
        from bmconsole.console import commands

        return commands.complete(self, typed)

    def action_command(self) -> None:
        self.command_line.open()

    async def _do(self, command: str) -> None:
        from bmconsole.console import commands

        await commands.run(self, command)

    async def switch_profile(self, name: str) -> None:
        """Go on with another profile."""

    def sync_streams(self, streams: tuple[str, ...]) -> None:
        """Sync these streams now."""

    async def action_quit(self) -> None:
        """End."""
        self.exit()

    def action_limits(self) -> None:
        from bmconsole.console.widgets.limits import LimitsScreen

        self.push_screen(LimitsScreen(self.status))

    # Actions.

    async def on_event(self, event: Event) -> None:
        """Do what a key is bound to, and type what is typed, in the app's own turn.

        Textual would hand the key to the focused widget's queue first; keys typed ahead of a slow screen would then
        go where the focus was, not where the keys before them moved it.
        """
        if isinstance(event, Key) and not event.is_forwarded:
            for key in meant(event) if not self._bound(event.key) else (event,):
                if not await self._did(key):
                    await super().on_event(key)
            return
        if isinstance(event, Paste) and not event.is_forwarded and isinstance(self.focused, Input):
            await entered(self.focused)
            type_into(self.focused, event.text.partition("\n")[0].rstrip("\r"))
            return
        if isinstance(event, MouseDown | MouseUp) and not event.is_forwarded:
            await self.opened.wait()
        await super().on_event(event)

    async def _did(self, key: Key) -> bool:
        """Return whether a key was typed into a field, or did what it is bound to."""
        if isinstance(self.focused, Input):
            await entered(self.focused)
        typing = isinstance(self.focused, Input) and key.is_printable
        for node, binding in self._bound(key.key):
            if typing and not binding.priority:
                break
            if not self.opened.is_set() and not _is_early(node, binding):
                await self.opened.wait()
            if await self.run_action(binding.action, node):
                return True
        if isinstance(self.focused, Input) and key.character is not None and key.is_printable:
            type_into(self.focused, key.character)
            return True
        return False

    def _bound(self, key: str) -> list[tuple[DOMNode, Binding]]:
        """Return what a key is bound to where the focus is, the nearest first.

        `Screen.active_bindings` says the same, but asks every binding anew for every key.
        """
        place = (self.focused or self.screen, self._keymap)
        if self._keys[0] != place:
            found: dict[str, list[tuple[DOMNode, Binding]]] = {}
            for node, bound in self.screen._modal_binding_chain:
                for each, binding in bound:
                    found.setdefault(each, []).append((node, binding))
            for candidates in found.values():
                candidates.sort(key=lambda candidate: not candidate[1].priority)
            self._keys = (place, found)
        return self._keys[1].get(key, [])

    async def action_perform(self, name: str) -> None:
        """Do an action of the registry by its name, going to the tab where it works."""
        action = next((action for action in ACTIONS if action.name == name), None)
        elsewhere = (self.current, *(tab for tab in self.tabs if tab is not self.current))
        target = answering(action.scope, self.focused or self.current, elsewhere) if action else None
        if action is None or target is None:
            return
        tab = next((node for node in target.ancestors_with_self if isinstance(node, Tab)), None)
        if tab is not None and tab is not self.current:
            self.show(tab)
        await self.run_action(action.method, target)

    def action_next_market(self) -> None:
        if self.status is not None:
            markets = self.status.markets
            self.market = markets[(markets.index(self.market) + 1) % len(markets)]

    def action_theme(self) -> None:
        self.theme = LIGHT.name if self.current_theme.dark else DARK.name

    def action_privacy(self) -> None:
        self.private = not self.private

    @work(group="jump", exclusive=True)
    async def action_jump(self) -> None:
        """Give the focus to what is chosen by its letter."""
        from bmconsole.console.screens.jump import JumpScreen

        target = await self.push_screen_wait(JumpScreen(self.screen.focus_chain))
        if target is not None and target.is_attached:
            self.screen.set_focus(target)

    def action_tour(self) -> None:
        """Begin the tour, or leave it."""
        if self.tour is not None:
            self.tour.leave()
        else:
            from bmconsole.console.tour import Tour

            self.tour = Tour(self)
            self.tour.begin()

    def action_tour_next(self) -> None:
        if self.tour is not None:
            self.tour.go(1)

    def action_tour_back(self) -> None:
        if self.tour is not None:
            self.tour.go(-1)

    def action_help(self) -> None:
        from bmconsole.console.widgets.help import HelpScreen

        self.style_the_rest()
        self.push_screen(HelpScreen(self._keymap))

    # What follows from what.

    def watch_market(self, market: str) -> None:
        """Show another market everywhere."""
        self.top_bar.market = market
        for tab in {tab for tab in vars(self).values() if isinstance(tab, Tab)}:
            tab.market = market

    def watch_private(self, private: bool) -> None:
        """Paint everything again: what is shown of buyers is another."""
        self.top_bar.private = private
        for tab in self.tabs:
            if tab.is_mounted:
                tab.repaint()
        words = "Buyers are hidden. V shows them again." if private else "Buyers are shown."
        self.notify(words, timeout=3, markup=False)

    def watch_status(self, before: "WorkspaceStatus | None", status: "WorkspaceStatus | None") -> None:
        """Show the state of the machine; say when Back Market falls silent, and when it is back."""
        if status is None:
            return
        self.status_line.status = self.top_bar.status = status
        self._title_tabs()
        if before is not None and before.online and status.online is False:
            self.notify("Back Market does not answer. The cache stays usable.", severity="warning", markup=False)
        elif before is not None and before.online is False and status.online:
            self.notify("Back Market answers again.", timeout=4, markup=False)

    def _title_tabs(self) -> None:
        keys = {
            action.name: self._keymap.get(action.name, action.keys[0]).split(",")[0]
            for action in ACTIONS
            if action.name.startswith("app.show_")
        }
        numbers = {"orders": self.status.orders, "listings": self.status.listings} if self.status else {}
        self.top_bar.tabs = tuple(
            TabTitle(
                keys.get(f"app.show_{name}", ""),
                title,
                f"app.show_{name}",
                count(numbers[name]) if name in numbers else "",
                title[:4],
            )
            for name, title in TABS
        )

    @on(DescendantFocus)
    @on(Tab.Offers)
    def _hint(self) -> None:
        """Show the keys of the place that has the focus, then those that work everywhere."""
        if self.screen_stack and not isinstance(self.screen, ModalScreen):
            self.key_hints.hints = hints(self.focused or self.current, self._keymap)


def _is_early(node: DOMNode, binding: Binding) -> bool:
    """Return whether a key may do its work before the workspace is there: going through rows, help, the end."""
    return binding.id in EARLY or (isinstance(node, VirtualTable) and binding.action != "choose")
