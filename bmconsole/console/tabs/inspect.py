"""One order as Back Market answers it now, beside what the cache holds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.events import Resize

from bmconsole.console import facts, inspecting, look, privacy
from bmconsole.console.actions import bindings
from bmconsole.console.facts import Fact, Section
from bmconsole.console.look import DIFFERS_GLYPH, NOTHING, Cell, Tone
from bmconsole.console.tabs.inspect_more import InspectMore
from bmconsole.console.tabs.order_acts import BY_STATUS, OFFERED
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.reading import Reading
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.orders import Order
from bmconsole.domain.text import clean
from bmconsole.domain.views import OrderInspection, Query
from bmconsole.errors import BmError, NotFound


class InspectTab(InspectMore):
    """Cached at once, live as soon as it comes; what differs is marked."""

    SCOPES: ClassVar[tuple[str, ...]] = ("inspect", "order")
    BINDINGS = bindings("inspect", "order")
    TITLE = "Inspect"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.order_id: int | None = None
        self.inspection: OrderInspection | None = None
        self.error: BmError | None = None
        self._cached: Order | None = None
        self._loading = False

        self._head, self._body = Sheet(id="inspect-head"), Sheet(id="inspect-body")
        self._scroll = Reading(self._body, id="inspect-scroll")

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._scroll

    @property
    def place(self) -> str:
        return "" if self.order_id is None else str(self.order_id)

    def go(self, place: str) -> None:
        if place and place != self.place:
            self.open(int(place))

    def enter(self) -> None:
        self.take(self._scroll)
        self._show()

    def open(self, order_id: int) -> None:
        """Show another order: the cached one first."""
        self.order_id, self.inspection, self._cached, self.error = order_id, None, None, None
        self._intents, self._notes = [], []
        self._scroll.scroll_home(animate=False)
        self._inspect()

    def action_refresh(self) -> None:
        if self.order_id is not None:
            self._inspect()

    def ask_again(self) -> None:
        self.action_refresh()

    def show_again(self) -> None:
        self._show()

    def repaint(self) -> None:
        self._show()

    def renew(self) -> None:
        if self.ready and self.order_id is not None:
            self.renew_past()

    # What is done to the order.

    async def acted_on(self) -> tuple[list[int], int]:
        return ([] if self.order_id is None else [self.order_id]), 0

    def acted(self, done: Sequence[int]) -> None:
        self.action_refresh()

    def export_query(self) -> tuple[Query, Sequence[int]]:
        return Query(limit=0), [] if self.order_id is None else [self.order_id]

    def offers(self, action: str) -> bool:
        order = self._order
        return action not in BY_STATUS or (order is not None and action in OFFERED.get(order.status, ()))

    @property
    def _order(self) -> Order | None:
        return self.inspection.live if self.inspection else self._cached

    async def action_back(self) -> None:
        await self.app.run_action("show_orders")

    @work(exclusive=True, group="inspect")
    async def _inspect(self) -> None:
        if self.order_id is None:
            return
        self._loading, self.error = True, None
        self.asked()
        try:
            if self._cached is None:
                self._cached = await self._from_cache(self.order_id)
                await self.read_past(self.order_id)
            self._show()
            self.inspection = await self.workspace.inspect_order(self.order_id)
        except BmError as error:
            self.error = error
        finally:
            self._loading = False
        self._show()

    async def _from_cache(self, order_id: int) -> Order | None:
        try:
            return await self.workspace.order(order_id)
        except NotFound:
            return None

    @on(Resize)
    def _fit(self) -> None:
        self._show()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        head, body = self._head, self._body
        if self.order_id is None:
            head.show((("No order chosen", Tone.STRONG),))
            body.show((("Enter on an order in Orders shows it here, cached beside live.", Tone.DIM),))
            return
        order = self._order
        self.post_message(Tab.Offers())
        head.show(self._title(order), self._state())
        if order is None:
            body.show()
        else:
            body.draw(lambda: self.raw_text(body) if self.raw else Group(*self._parts(body)))

    def _title(self, order: Order | None) -> Cell:
        gap: Cell = (("   ", Tone.DIM),)
        title: Cell = ((f"Order {self.order_id}", Tone.STRONG),)
        if order is None:
            return title
        now = self.workspace.now()
        title += gap + look.status(order.status)
        if due := inspecting.clock(order, now, self.workspace.zone):
            title += gap + due
        return title + gap + look.money(order.price, Tone.STRONG)

    def _state(self) -> Cell:
        if self.error is not None:
            return ((f"× {self.error.line()}", Tone.BAD), ("   r tries again", Tone.DIM))
        if self.inspection is None:
            return (("asking Back Market…", Tone.DIM),)
        number = len(self.inspection.differing)
        if self.inspection.cached is None:
            verdict: Cell = (("was not cached", Tone.WARN),)
        elif number:
            verdict = ((f"{DIFFERS_GLYPH} {number} field{'s' * (number != 1)} changed since cached", Tone.WARN),)
        else:
            verdict = (("✓ ", Tone.GOOD), ("same as cached", Tone.PLAIN))
        if unknown := len(self.inspection.unknown):
            verdict += ((f"   ? {unknown} unknown field{'s' * (unknown != 1)}", Tone.WARN),)
        asking: Cell = (("   asking again…", Tone.DIM),) if self._loading else ()
        return (*verdict, *self.freshness(self.inspection), *asking)

    def _parts(self, sheet: Sheet) -> list[Text | Table]:
        inspection = self.inspection
        cached = inspection.cached if inspection else self._cached
        live = inspection.live if inspection else None
        differing = frozenset(inspection.differing) if inspection else frozenset()
        found = facts.sections(cached, live, self.workspace.zone)
        order = live or cached
        if order is not None and (note := inspecting.other_name(order)):
            found = [replace(each, note=note) if each.path == "shipping_address" else each for each in found]
        if self.private:
            found = privacy.sections(found)
        table = self._grid()
        table.add_row("", "", sheet.styled((("CACHED", Tone.DIM),)), sheet.styled((("LIVE", Tone.DIM),)))
        for position, section in enumerate(found):
            self._section(table, sheet, section, differing, first=position == 0)
        above = [sheet.styled((("   ", Tone.DIM), *line)) for line in self.above(order)] if order is not None else []
        parts: list[Text | Table] = [*above, *([Text()] if above else []), table]
        shown = {fact.path for section in found for fact in section.facts} | {section.path for section in found}
        if rest := sorted(differing - shown):
            parts += [
                Text(),
                sheet.styled(((f"{DIFFERS_GLYPH}  also changed: ", Tone.WARN),), look.text(", ".join(rest))),
            ]
        if inspection is not None and inspection.unknown:
            parts += [Text(), self._unknown(sheet, inspection)]
        if order is not None:
            parts += self.below(sheet, order)
        return parts

    def _section(
        self, table: Table, sheet: Sheet, section: Section, differing: Sequence[str] | frozenset[str], *, first: bool
    ) -> None:
        if not first:
            table.add_row()
        mark = DIFFERS_GLYPH if section.path in differing else " "
        table.add_row(
            sheet.styled(((mark, Tone.WARN),)),
            sheet.styled(((section.title, Tone.STRONG),)),
            sheet.styled(((section.note, Tone.WARN),)),
        )
        for fact in section.facts:
            self._fact(table, sheet, fact, differs=fact.path in differing)

    def _fact(self, table: Table, sheet: Sheet, fact: Fact, *, differs: bool) -> None:
        cached, live = fact.cached, fact.live
        if self.inspection is not None:
            cached = tuple((part, Tone.DIM) for part, _ in cached)
        elif self._loading:
            live = (("…", Tone.DIM),)
        else:
            live = NOTHING
        if differs:
            live = tuple((part, Tone.WARN) for part, _ in live)
        mark = DIFFERS_GLYPH if differs else " "
        table.add_row(
            sheet.styled(((mark, Tone.WARN),)),
            sheet.styled(((fact.label, Tone.DIM),)),
            sheet.styled(cached),
            sheet.styled(live),
        )

    def _grid(self) -> Table:
        width = max(40, self.size.width - 8)
        label = 20 if width >= 100 else 16
        value = min(56, (width - label - 7) // 2)
        table = Table.grid(padding=(0, 2), pad_edge=False)
        for size in (1, label, value, value):
            table.add_column(width=size, overflow="fold")
        return table

    def _unknown(self, sheet: Sheet, inspection: OrderInspection) -> Table:
        table = Table.grid(padding=(0, 2), pad_edge=False)
        table.add_column(width=1)
        table.add_column(width=20, overflow="fold")
        table.add_column(overflow="fold")
        table.add_row("", sheet.styled((("Unknown fields", Tone.STRONG),)))
        for name, value in inspection.unknown.items():
            shown = look.text(clean(value, limit=300))
            if self.private and privacy.may_tell(name):
                shown = look.hidden(shown)
            table.add_row(
                sheet.styled((("?", Tone.WARN),)), sheet.styled(look.text(name, Tone.DIM)), sheet.styled(shown)
            )
        return table
