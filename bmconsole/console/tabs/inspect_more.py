"""What Inspect does besides comparing: the timeline, the raw answer, the request as a command, refreshing by itself."""

import time
from datetime import timedelta

from rich.table import Table
from rich.text import Text
from textual import work
from textual.timer import Timer

from bmconsole.console import inspecting, look
from bmconsole.console.clipboard import copy
from bmconsole.console.look import Cell, Tone
from bmconsole.console.opening import open_address
from bmconsole.console.tabs.order_acts import OrderActs
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.intents import Intent, IntentQuery
from bmconsole.domain.orders import Order
from bmconsole.domain.views import OrderInspection, OrderNote
from bmconsole.errors import BmError

FOLLOW_EVERY = 20.0
"""Seconds between two refreshes where the order is followed."""
TICK = 1.0
SHOWN = 30


class InspectMore(OrderActs):
    """The part of the tab that has nothing to do with fields."""

    order_id: int | None
    inspection: OrderInspection | None

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.raw = False
        """Whether the answer is shown as it came."""
        self.following = False
        self._ticking: Timer | None = None
        self._asked = 0.0
        self._intents: list[Intent] = []
        self._notes: list[OrderNote] = []

    # For the tab.

    def show_again(self) -> None:
        """Paint what is there."""

    def ask_again(self) -> None:
        """Ask Back Market again."""

    async def read_past(self, order_id: int) -> None:
        """Read what we did to the order, and noted."""
        self._intents = await self.workspace.intents(limit=SHOWN, query=IntentQuery(target=str(order_id)))
        self._notes = await self.workspace.order_notes(order_id)

    @work(exclusive=True, group="inspect-past")
    async def renew_past(self) -> None:
        """Read it again: something changed."""
        if self.order_id is None:
            return
        try:
            await self.read_past(self.order_id)
        except BmError as error:
            self.complain(error)
        else:
            self.show_again()

    @property
    def private(self) -> bool:
        return bool(getattr(self.app, "private", False))

    def freshness(self, inspection: OrderInspection) -> Cell:
        """Return how old the answer is, and whether it renews itself."""
        words = f"   live {inspecting.age(inspection.fetched_at, self.workspace.now())}"
        if not self.following:
            return ((words, Tone.DIM),)
        left = max(0.0, self._asked + FOLLOW_EVERY - time.monotonic())
        return ((words, Tone.DIM), (f"   ↻ again in {look.span(timedelta(seconds=left))}", Tone.KEY))

    def above(self, order: Order) -> list[Cell]:
        """Return the lines above the fields: what it leaves."""
        worth = inspecting.worth(order)
        return [worth] if worth else []

    def below(self, sheet: Sheet, order: Order) -> list[Text | Table]:
        """Return the timeline, which stands below the fields."""
        table = Table.grid(padding=(0, 2), pad_edge=False)
        table.add_column(width=1)
        table.add_column(width=12)
        table.add_column(overflow="fold", max_width=48)
        table.add_column(overflow="fold")
        table.add_row("", sheet.styled((("Timeline", Tone.STRONG),)))
        past = inspecting.timeline(order, self._intents, self._notes, self.workspace.zone, private=self.private)
        for at, what, ending in past:
            table.add_row("", sheet.styled(((at, Tone.DIM),)), sheet.styled(what), sheet.styled(ending))
        return [Text(), table]

    def raw_text(self, sheet: Sheet) -> Text:
        """Return the answer as it came, indented."""
        if self.inspection is None:
            return sheet.styled((("Back Market has not answered yet.", Tone.DIM),))
        lines = inspecting.indented(inspecting.pretty(self.inspection.raw, private=self.private))
        return Text("\n").join(sheet.styled(line) for line in lines)

    # Keys.

    def action_raw(self) -> None:
        """Show the answer as it came, or the fields again."""
        self.raw = not self.raw
        self.show_again()

    @work(exclusive=True, group="copy")
    async def action_curl(self) -> None:
        """Copy the request as a command for a shell, which reads the token from a variable."""
        if self.order_id is not None:
            told = await copy(self.app, self.workspace.order_request(self.order_id))
            self.notify(f"The request as curl {told}; the token is $BMCONSOLE_TOKEN in it.", timeout=5, markup=False)

    @work(exclusive=True, group="copy")
    async def action_site(self) -> None:
        """Open the back office; it is searched by the order's number, which is copied."""
        if self.order_id is None:
            return
        address = self.workspace.back_office()
        if address is None:
            self.notify("A sandbox has no back office.", timeout=3, markup=False)
            return
        told = await open_address(self.app, address)
        copied = await copy(self.app, str(self.order_id))
        self.notify(f"{told} The order's number {copied}, to search for it there.", timeout=6, markup=False)

    def action_follow(self) -> None:
        """Refresh by itself from now on, or not any more."""
        self.following = not self.following
        if self._ticking is None:
            self._ticking = self.set_interval(TICK, self._tick, pause=True)
        if self.following:
            self._ticking.resume()
            self.ask_again()
        else:
            self._ticking.pause()
        self.show_again()

    def asked(self) -> None:
        """Take note that Back Market is asked now."""
        self._asked = time.monotonic()

    def _tick(self) -> None:
        # Nobody looks at a tab that is not on screen, and requests cost budget.
        if not self.display or self.order_id is None:
            return
        if time.monotonic() - self._asked >= FOLLOW_EVERY:
            self.ask_again()
        else:
            self.show_again()
