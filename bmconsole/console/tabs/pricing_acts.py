"""What is done in the pricing tab: approval, deciding anew, pauses, a decision in full, a price over time."""

from collections.abc import Sequence
from dataclasses import replace

from textual import on, work

from bmconsole.console.look import count
from bmconsole.console.pricing_filter import Narrowing
from bmconsole.console.screens.approve import approve
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.dialogs import Confirm
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.decisions import Mode, Verdict
from bmconsole.domain.pricing_views import DecisionRow
from bmconsole.domain.text import clean
from bmconsole.errors import BmError

WAITING = "waiting"


class PricingActs(Tab):
    """A tab that shows decisions; the subclass says which ones an act is about."""

    @property
    def narrowing(self) -> Narrowing:
        """What the rows are narrowed to."""
        raise TypeError(f"{type(self).__name__} shows no decisions")

    @property
    def at_cursor(self) -> DecisionRow | None:
        """The decision under the cursor."""
        raise TypeError(f"{type(self).__name__} shows no decisions")

    async def rows_of(self, keys: Sequence[str]) -> list[DecisionRow]:
        """Return the decisions of these keys."""
        raise TypeError(f"{type(self).__name__} shows no decisions")

    async def targets(self) -> tuple[list[str], int]:
        """Return the keys that an act is about, and how many marked ones are hidden and left out."""
        raise TypeError(f"{type(self).__name__} shows no decisions")

    def acted(self, keys: Sequence[str]) -> None:
        """Take note that something was done about these offers."""

    # Approval.

    @work(exclusive=True, group="pricing-act")
    async def action_approve(self) -> None:
        """Review the marked decisions, or the one under the cursor, and write what still holds."""
        try:
            keys, hidden = await self.targets()
            rows = await self.rows_of(keys)
        except BmError as error:
            self.complain(error, title="Not approved")
            return
        waiting = [row for row in rows if row.state == WAITING]
        if not waiting:
            self._say_why(rows)
            return
        notes = []
        if hidden:
            notes.append(f"{count(hidden)} more marked, hidden by the filter and left out")
        if len(waiting) < len(rows):
            notes.append(f"{count(len(rows) - len(waiting))} that do not wait for approval, left out")
        await self._approve(waiting, notes)

    @work(exclusive=True, group="pricing-act")
    async def action_approve_all(self) -> None:
        """Review everything that passes the filter and waits."""
        narrowing = self.narrowing
        if narrowing.state not in (None, WAITING):
            self.notify("What is shown does not wait for approval.", timeout=4, markup=False)
            return
        try:
            query = Narrowing(narrowing.standing, WAITING, narrowing.market, narrowing.where).query("-money")
            total = await self.workspace.pricing_count(query)
            rows = await self.workspace.pricing_page(replace(query, limit=0)) if total else []
        except BmError as error:
            self.complain(error, title="Not approved")
            return
        if not rows:
            self.notify("Nothing that is shown waits for approval.", timeout=4, markup=False)
            return
        await self._approve(rows, [])

    async def _approve(self, rows: Sequence[DecisionRow], notes: Sequence[str]) -> None:
        if await approve(self.app, self.workspace, rows, notes):
            self.acted([f"{row.decision.listing}/{row.decision.market}" for row in rows])

    def _say_why(self, rows: Sequence[DecisionRow]) -> None:
        if len(rows) != 1:
            self.notify("None of these wait for approval.", timeout=4, markup=False)
            return
        decision = rows[0].decision
        words = {
            Verdict.HOLD: "Its price stays",
            Verdict.SKIP: "A guard stopped it",
            Verdict.OFF: "Repricing is off for it",
            Verdict.OBSERVE: "Its mode only observes; `bmconsole reprice --apply` writes it",
        }
        why = words.get(decision.decision, f"It was {rows[0].state or 'decided'} already")
        hit = ", ".join(clean(check.guard) for check in decision.guards if check.hit)
        self.notify(f"{why}{f' ({hit})' if hit else ''}: nothing to approve.", timeout=5, markup=False)

    # Deciding anew.

    @work(exclusive=True, group="pricing-decide")
    async def action_decide(self) -> None:
        """Decide about every price now, as the timer does."""
        try:
            counts = await self.workspace.pricing_counts()
            if counts.mode == Mode.AUTO and not await self.app.push_screen_wait(
                Confirm(
                    "Decide now?",
                    "The mode is auto: what the guards let through is written without asking again.",
                    yes="decide and write",
                )
            ):
                return
            self.notify("Deciding about every price…", timeout=3, markup=False)
            plan = await self.workspace.reprice_now(cause="console")
        except BmError as error:
            self.complain(error, title="Not decided")
            return
        words = ", ".join(f"{count(number)} {name}" for name, number in sorted(plan.counts.items()) if number)
        if plan.breaker:
            self.notify(f"{plan.breaker}. Everything waits for approval.", severity="warning", timeout=10, markup=False)
        self.notify(f"{count(len(plan.decisions))} decisions: {words or 'none'}.", timeout=6, markup=False)
        self.renew()

    # Pauses.

    @work(exclusive=True, group="pricing-act")
    async def action_hold(self) -> None:
        """Pause the listing under the cursor in all markets, or let it go on."""
        row = self.at_cursor
        if row is None:
            return
        listing, sku = row.decision.listing, clean(row.decision.sku)
        try:
            held = any(pause.listing == listing for pause in await self.workspace.pauses())
            if held:
                await self.workspace.resume(listing=listing)
            else:
                await self.workspace.pause(listing=listing, why="in the console")
        except BmError as error:
            self.complain(error, title=f"{sku} not {'resumed' if held else 'paused'}")
            return
        words = "is repriced again from the next run on" if held else "is not repriced until P lets it go on"
        self.notify(f"{sku} {words}.", timeout=5, markup=False)
        self.renew()

    # Looking closer.

    @work(exclusive=True, group="pricing-look")
    async def action_history(self) -> None:
        """Draw the price of the row under the cursor as large as the screen is."""
        from bmconsole.console.screens.history import HistoryScreen

        if (row := self.at_cursor) is not None:
            decision = row.decision
            await self.app.push_screen_wait(HistoryScreen(self.workspace, decision.listing, decision.market))

    def action_open(self) -> None:
        """Show the decision under the cursor in full."""
        if (row := self.at_cursor) is not None:
            self._open(row)

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.action_open()

    @work(exclusive=True, group="pricing-look")
    async def _open(self, row: DecisionRow) -> None:
        from bmconsole.console.screens.decision import DecisionScreen

        try:
            view = await self.workspace.decision(row.id)
        except BmError as error:
            self.complain(error)
            return
        await self.app.push_screen_wait(DecisionScreen(self.workspace, view))
