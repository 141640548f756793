"""The help, written from the registry of actions, and the filter language in short."""

from collections.abc import Mapping
from typing import ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from bmconsole.console.actions import SCOPES, actions_of, key_names
from bmconsole.console.look import Tone
from bmconsole.console.widgets.reading import Reading
from bmconsole.console.widgets.toned import Toned

FILTERS = (
    ("status:to-accept", "field equals; status:to-accept,to-ship for any of several"),
    ("sku~iphone", "field contains"),
    ("price>=200 price<300", "all terms must hold"),
    ("late  !late", "a flag, or its opposite"),
    ("created>-7d", "dates: 2026-11-23, today, -7d"),
    ('"le coq"  marie', "any text searches"),
)
ORDER_FIELDS = (
    "status state market sku imei tracking buyer created modified paid due price · late due-today backship pending"
)
LISTING_FIELDS = (
    "sku title grade publication stock price min max ptw gap market · "
    "winning winnable blocked above-max out-of-stock no-cost pending"
)

_KEYS, _EXAMPLES = 16, 24
"""How wide the keys and the examples of filters are at least."""


class HelpText(Toned):
    """Every action with its keys, by where it works."""

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._keymap = keymap

    def render(self) -> Group:
        """Return the help, a table for each place."""
        parts: list[Text | Table] = []
        for scope, title in SCOPES.items():
            table = self._begin(parts, title, _KEYS)
            for action in actions_of(scope):
                keys = self._keymap.get(action.name, ",".join(action.keys)).split(",")
                self._add(table, "  ".join(key_names(keys)), Tone.KEY, action.title, Tone.PLAIN)
        table = self._begin(parts, "Filters", _EXAMPLES)
        for example, meaning in FILTERS:
            self._add(table, example, Tone.KEY, meaning, Tone.PLAIN)
        for title, fields in (("orders", ORDER_FIELDS), ("listings", LISTING_FIELDS)):
            self._add(table, title, Tone.DIM, fields, Tone.DIM)
        return Group(*parts)

    def _begin(self, parts: list[Text | Table], title: str, width: int) -> Table:
        table = Table.grid(padding=(0, 2), pad_edge=False)
        table.add_column(no_wrap=True, min_width=width)
        table.add_column(overflow="fold")
        parts += [*([Text()] if parts else []), self.styled(((title, Tone.STRONG),)), table]
        return table

    def _add(self, table: Table, left: str, left_tone: Tone, right: str, right_tone: Tone) -> None:
        table.add_row(self.styled(((f"  {left}", left_tone),)), self.styled(((right, right_tone),)))


class HelpScreen(ModalScreen[None]):
    """A page that scrolls; any of its keys closes it."""

    SCOPES: ClassVar[tuple[str, ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark,f1", "dismiss", show=False),
    ]

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with Reading(classes="box wide") as box:
            box.border_title = "Help"
            box.border_subtitle = "j k scroll · esc closes"
            yield HelpText(self._keymap)

    def on_mount(self) -> None:
        self.query_one(Reading).focus()
