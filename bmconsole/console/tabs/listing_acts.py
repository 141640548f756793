"""What is done to many listings at once: price and stock of the marked rows, files in and out, offline and online."""

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from textual import work

from bmconsole.console.look import count
from bmconsole.console.tabs.tab import Tab
from bmconsole.domain.intents import IntentState
from bmconsole.domain.rows import Query
from bmconsole.errors import BmError

if TYPE_CHECKING:
    from bmconsole.domain.bulk import LeftOut
    from bmconsole.domain.views import WritePlan

# The table is there with the first paint, what its acts ask and show only once one is done: each imports its own.

Planning: TypeAlias = "Coroutine[Any, Any, tuple[WritePlan, list[LeftOut]]]"


class ListingActs(Tab):
    """A tab that shows listings; the subclass says which ones an act is about."""

    async def acted_on(self) -> tuple[list[str], int]:
        """Return the listings that an act is about, and how many marked ones are hidden and left out."""
        raise TypeError(f"{type(self).__name__} shows no listings")

    def acted(self, done: Sequence[str]) -> None:
        """Take note that something was done to these listings."""

    def export_query(self) -> tuple[Query, Sequence[str]]:
        """Return which listings an export is about: a query, or ids that go before it."""
        raise TypeError(f"{type(self).__name__} shows no listings")

    @work(exclusive=True, group="listing-act")
    async def action_bulk(self) -> None:
        """Ask what is to change, and review it."""
        from bmconsole.console.screens.bulk import BulkScreen
        from bmconsole.console.screens.carrying import refused_to_viewer

        ids, hidden = await self.acted_on()
        if not ids or await refused_to_viewer(self.app, self.workspace):
            return
        fields = await self.app.push_screen_wait(BulkScreen(self.workspace, ids, self.market, hidden))
        if fields:
            await self._plan("Change", ids, hidden, self.workspace.plan_bulk(ids, self.market, fields))

    @work(exclusive=True, group="listing-act")
    async def action_offline(self) -> None:
        ids, hidden = await self.acted_on()
        if ids:
            plan = self.workspace.plan_bulk(ids, self.market, {"quantity": "0"})
            await self._plan("Take offline", ids, hidden, plan)

    @work(exclusive=True, group="listing-act")
    async def action_online(self) -> None:
        """Offer the stock that each had before it was taken offline; the review asks."""
        ids, hidden = await self.acted_on()
        if ids:
            await self._plan("Online again", ids, hidden, self.workspace.plan_online(ids, self.market))

    async def _plan(self, title: str, ids: Sequence[str], hidden: int, planning: Planning) -> None:
        from bmconsole.console.screens.carrying import Task, write

        try:
            plan, left_out = await planning
        except BmError as error:
            self.complain(error, title=title)
            return
        if len(ids) == 1 and left_out:
            self.complain(left_out[0].error, title=f"{title}: not possible")
            return
        many = f"{count(len(ids))} listings" if len(ids) > 1 else "a listing"
        left = f"   {count(hidden)} more marked, hidden by the filter and left out" if hidden else ""
        carrying = await write(
            self.app, self.workspace, Task(f"{title}: {many}", f"{self.market}{left}", plan, left_out=left_out)
        )
        if carrying is not None and carrying.ended:
            self.acted([each.target for each in carrying.ended if each.state is IntentState.CONFIRMED])

    def action_import(self) -> None:
        self.begin_import()

    @work(exclusive=True, group="listing-act")
    async def begin_import(self, path: str | None = None) -> None:
        """Change listings as a file says: its faults, the review, the writes."""
        from bmconsole.console.screens import files
        from bmconsole.console.screens.importing import carry_file

        await carry_file(
            self.app,
            self.workspace,
            "Import listings",
            files.lead(
                "CSV with ; or , and the columns in any order: id, listing_id or sku; market;",
                "and what to set: price, min_price, quantity, comment, warranty_delay, shipper_1 …",
            ),
            self.workspace.plan_import,
            path,
        )

    def action_export(self) -> None:
        self.begin_export()

    @work(exclusive=True, group="listing-act")
    async def begin_export(self, path: str | None = None) -> None:
        """Write the rows to a file that an import takes back."""
        from bmconsole.console.screens import files
        from bmconsole.console.screens.exporting import export

        query, ids = self.export_query()
        what = f"The {count(len(ids))} marked listings" if ids else "The listings that the filter shows"
        await export(
            self.app,
            f"{what}, a line for each market; an import takes the file back.",
            files.stamped(self.workspace, "listings"),
            lambda: self.workspace.export_listings(query, ids),
            path,
        )
