"""The part of the Edit tab around the form: what surrounds the listing, beside it where there is room, else below."""

from typing import ClassVar

from textual import work

from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.reading import Reading
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.listing_page import ListingPage
from bmconsole.errors import BmError, NotFound

WIDE = 130
"""From which width on the page stands beside the form."""


class ListingPageTab(Tab):
    """Knows the page of one listing in one market."""

    BESIDE: ClassVar[str] = "edit-beside"
    BELOW: ClassVar[str] = "edit-below"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.page: ListingPage | None = None
        self.beside, self.below = Sheet(id=self.BESIDE), Sheet(id=self.BELOW)

    @work(exclusive=True, group="edit-page")
    async def load_page(self, listing: str, market: str) -> None:
        """Read what surrounds a listing; while it is read the former page stays."""
        try:
            self.page = await self.workspace.listing_page(listing, market)
        except NotFound:
            self.page = None
        except BmError as error:
            self.complain(error)
            return
        self.page_came()
        self.paint_page()

    def page_came(self) -> None:
        """Show what else depends on the page."""

    def action_around(self) -> None:
        """Read what surrounds the listing, in the form's place where there is no room for both; or go back to it."""
        wide = self.has_class("-wide")
        shown = self.query_one("#edit-page" if wide else "#edit-lower", Reading)
        around = not (shown.has_focus if wide else self.has_class("-around"))
        self.set_class(around and not wide, "-around")
        shown.can_focus = around
        if around:
            shown.scroll_home(animate=False)
            self.take(shown)
        else:
            self.enter()

    def paint_page(self) -> None:
        """Draw the page where there is room for it."""
        wide = self.size.width >= WIDE
        self.set_class(wide, "-wide")
        if wide:
            self.remove_class("-around")
        shown, other = (self.beside, self.below) if wide else (self.below, self.beside)
        other.show()
        if self.page is None:
            shown.show()
            return
        from bmconsole.console import listing_page

        room = max(40, (self.size.width // 2 if wide else self.size.width) - 6)
        shown.show(*listing_page.lines(self.page, room, self.workspace.now(), self.workspace.zone))
