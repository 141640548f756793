"""A page longer than the screen, read with the keys that move in tables."""

from typing import ClassVar

from textual.containers import VerticalScroll

from bmconsole.console.actions import bindings


class Reading(VerticalScroll):
    """Scrolls what is in it."""

    SCOPES: ClassVar[tuple[str, ...]] = ("reading",)
    BINDINGS = bindings("reading")

    def action_down(self) -> None:
        self.scroll_down(animate=False)

    def action_up(self) -> None:
        self.scroll_up(animate=False)

    def action_next_page(self) -> None:
        self.scroll_page_down(animate=False)

    def action_previous_page(self) -> None:
        self.scroll_page_up(animate=False)

    def action_top(self) -> None:
        self.scroll_home(animate=False)

    def action_end(self) -> None:
        self.scroll_end(animate=False)
