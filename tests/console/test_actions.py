from collections import Counter

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

from bmconsole.console.actions import ACTIONS, SCOPES, Action, actions_of, bindings
from bmconsole.console.app import ConsoleApp
from bmconsole.console.beginning import FirstRun
from bmconsole.console.palette import ActionCommands
from bmconsole.console.screens.approve import ApproveScreen
from bmconsole.console.screens.ask import AskScreen
from bmconsole.console.screens.bulk import BulkScreen
from bmconsole.console.screens.conflict import ConflictScreen
from bmconsole.console.screens.decision import DecisionScreen
from bmconsole.console.screens.faults import FaultsScreen
from bmconsole.console.screens.history import HistoryScreen
from bmconsole.console.screens.jump import JumpScreen
from bmconsole.console.screens.scan import ScanScreen
from bmconsole.console.screens.write import WriteScreen
from bmconsole.console.tabs.edit import EditTab
from bmconsole.console.tabs.inspect import InspectTab
from bmconsole.console.tabs.listings import ListingsTab
from bmconsole.console.tabs.log import LogTab
from bmconsole.console.tabs.orders import OrdersTab
from bmconsole.console.tabs.overview import OverviewTab
from bmconsole.console.tabs.pricing import PricingTab
from bmconsole.console.tabs.writes import WritesTab
from bmconsole.console.widgets.commandline import CommandInput
from bmconsole.console.widgets.completing import CompletingInput
from bmconsole.console.widgets.dialogs import Dialog
from bmconsole.console.widgets.figures import Figures
from bmconsole.console.widgets.filterbar import FilterInput
from bmconsole.console.widgets.form import ListingForm
from bmconsole.console.widgets.picker import ColumnPicker, Picker
from bmconsole.console.widgets.reading import Reading
from bmconsole.console.widgets.table import VirtualTable

PLACES: tuple[type[DOMNode], ...] = (
    ConsoleApp,
    OrdersTab,
    ListingsTab,
    InspectTab,
    EditTab,
    LogTab,
    WritesTab,
    OverviewTab,
    PricingTab,
    Figures,
    FirstRun,
    JumpScreen,
    VirtualTable,
    Reading,
    FilterInput,
    CommandInput,
    CompletingInput,
    Picker,
    ColumnPicker,
    ListingForm,
    Dialog,
    WriteScreen,
    FaultsScreen,
    AskScreen,
    BulkScreen,
    ScanScreen,
    ConflictScreen,
    ApproveScreen,
    DecisionScreen,
    HistoryScreen,
)
SCREENS = {
    *("picker", "columns", "dialog", "review", "faults", "ask", "bulk", "scan", "conflict", "beginning", "jump"),
    *("approve", "decision", "history"),
}
"""The scopes of screens that close: there is nothing to find in the palette while they are open."""


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_action_has_a_handler_a_key_and_words(action: Action) -> None:
    places = [place for place in PLACES if action.scope in getattr(place, "SCOPES", ())]
    assert places
    assert all(callable(getattr(place, f"action_{action.method}", None)) for place in places)
    assert action.keys
    assert action.title
    assert action.scope in SCOPES


def test_no_key_means_two_things_in_one_place_and_no_name_is_taken_twice() -> None:
    assert max(Counter(action.name for action in ACTIONS).values()) == 1
    for scope in SCOPES:
        keys = Counter(key for action in actions_of(scope) for key in action.keys)
        assert max(keys.values()) == 1, keys


def test_no_action_depends_on_keys_that_terminals_take_for_others() -> None:
    bad = {f"ctrl+{letter}" for letter in "ijmsqz"}
    assert [action.name for action in ACTIONS if set(action.keys) <= bad] == []


def test_tabs_bind_what_the_registry_says() -> None:
    for place in PLACES:
        scopes: tuple[str, ...] = getattr(place, "SCOPES", ())
        bound = {binding.id for binding in bindings(*scopes) if isinstance(binding, Binding)}
        assert bound == {action.name for scope in scopes for action in actions_of(scope)}
        inherited = (
            {binding.id for _, binding in place._merge_bindings()} if hasattr(place, "_merge_bindings") else bound
        )
        assert bound <= inherited


def test_the_palette_offers_every_action_but_bare_movements() -> None:
    offered = {action.name for action in ActionCommands._shown()}
    missing = {action.scope for action in ACTIONS if action.name not in offered}
    assert missing <= {"table", "filter", "command", "typing", "app", "figures", "reading"} | SCREENS
    assert {action.name for action in ACTIONS if action.scope == "app"} - offered == {"app.command_palette"}
