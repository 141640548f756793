"""The help, written from the registry of actions, and the filter language in short."""

from collections.abc import Mapping
from typing import ClassVar

from rich.table import Table
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


class HelpText(Toned):
    """Every action with its keys, by where it works."""

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._keymap = keymap

    def render(self) -> Table:
        """Return the help as a table."""
        table = Table.grid(padding=(0, 2), pad_edge=False)
        table.add_column(no_wrap=True, min_width=14)
        table.add_column(overflow="fold")
        for scope, title in SCOPES.items():
            self._head(table, title)
            for action in actions_of(scope):
                keys = self._keymap.get(action.name, ",".join(action.keys)).split(",")
                table.add_row(
                    self.styled((("  " + "  ".join(key_names(keys)), Tone.KEY),)),
                    self.styled(((action.title, Tone.PLAIN),)),
                )
        self._head(table, "Filters")
        for example, meaning in FILTERS:
            table.add_row(self.styled((("  " + example, Tone.KEY),)), self.styled(((meaning, Tone.PLAIN),)))
        for title, fields in (("orders", ORDER_FIELDS), ("listings", LISTING_FIELDS)):
            table.add_row(self.styled((("  " + title, Tone.DIM),)), self.styled(((fields, Tone.DIM),)))
        return table

    def _head(self, table: Table, title: str) -> None:
        if table.row_count:
            table.add_row()
        table.add_row(self.styled(((title, Tone.STRONG),)))


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
