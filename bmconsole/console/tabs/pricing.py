"""Repricing: how each price stands, what is proposed and why, what is at stake; `pricing_acts` is what is done."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.events import Resize
from textual.message import Message

from bmconsole.console import look, pricing
from bmconsole.console.actions import bindings
from bmconsole.console.look import NOTHING, Cell, Tone, count
from bmconsole.console.personal import TableState, View
from bmconsole.console.pricing_filter import SLUGS, Narrowing, complete, parse
from bmconsole.console.tabs.pricing_acts import PricingActs
from bmconsole.console.tabs.rows import RowsTab
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.filterbar import FilterBar
from bmconsole.console.widgets.pricepane import PricePane
from bmconsole.console.widgets.source import Near
from bmconsole.console.widgets.standings import StandingBar
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import STANDINGS, DecisionRow, PricingCounts
from bmconsole.domain.text import clean
from bmconsole.domain.views import Query
from bmconsole.errors import BmError, NotFound

_RESTED = 0.12
"""Seconds that the cursor rests on a row before its price history is read."""
_TALL, _HIGH = 34, 28
"""From how many lines of the terminal the pane has a graph, and from how many more than the reason."""
_SHOWN_DAYS = 7
"""How far back the small graph goes."""
_VIEWS = (View("pricing", "waits for approval", "waiting"), *(View("pricing", slug, slug) for slug in SLUGS))


class PricingTab(RowsTab[DecisionRow], PricingActs):
    """The decision about every price that is online, what is worth most first."""

    SCOPES = ("pricing", "rows")
    BINDINGS = bindings("pricing", "rows")
    TITLE = "Pricing"
    STREAM = "backbox"
    PLACEHOLDER = "filter: winnable   waiting   market:de-de   grade:good   sku~IP13   any text"
    NOUN = "prices"
    SORT: ClassVar[str] = "-money"

    @dataclass
    class Opened(Message):
        """A listing is to be edited."""

        listing: str

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.markets: tuple[str, ...] = ()
        """The markets that there are, as far as that is known."""
        self.bar = FilterBar(self.PLACEHOLDER, lambda typed: complete(typed, self.markets), self)
        self.standings, self.pane = StandingBar(), PricePane(id="price-pane")
        self.counts: PricingCounts | None = None

    def compose(self) -> ComposeResult:
        yield self.standings
        yield from super().compose()
        yield self.pane

    def build_columns(self) -> Sequence[Column[DecisionRow]]:
        return (
            Column("mark", "", 1, _glyph, gap=1),
            Column("sku", "SKU", 17, lambda row: look.text(row.decision.sku, Tone.STRONG), grow=2, most=30, sort="sku"),
            Column("title", "Title", 24, lambda row: look.text(row.title, Tone.DIM), grow=2, most=44, rank=12),
            Column("market", "Market", 6, lambda row: look.text(row.decision.market, Tone.DIM), rank=4, sort="market"),
            Column("standing", "Stands", 13, lambda row: pricing.standing(row.decision.standing), sort="standing"),
            Column("price", "Price", 8, lambda row: _amount(row.decision.old), right=True, sort="price"),
            Column("target", "Target", 9, lambda row: pricing.target(row.decision), right=True, sort="target"),
            Column("change", "Change", 7, lambda row: pricing.change(row.decision), right=True, rank=1, sort="change"),
            Column("floor", "Floor", 8, lambda row: _set_back(row.decision.floor), right=True, rank=3, sort="floor"),
            Column("ptw", "To win", 8, _to_win, right=True, rank=5),
            Column("margin", "Margin", 7, lambda row: pricing.share(row.decision.margin), right=True, rank=6),
            Column("stock", "Stock", 5, lambda row: look.text(row.quantity), right=True, rank=8),
            Column("strategy", "Strategy", 11, lambda row: look.text(row.decision.strategy, Tone.DIM), rank=10),
            Column("state", "State", 10, pricing.state, rank=7),
            Column("money", "At stake", 10, _worth, right=True, sort="money"),
        )

    # The rows.

    @property
    def narrowing(self) -> Narrowing:
        """What the rows are narrowed to."""
        return parse(self.where)

    @property
    def at_cursor(self) -> DecisionRow | None:
        return self.table.cursor_row

    def key(self, row: DecisionRow) -> str:
        return f"{row.decision.listing}/{row.decision.market}"

    async def read_count(self, where: str) -> int:
        return await self.workspace.pricing_count(parse(where, self.markets).query(self.sort))

    async def page(self, offset: int, limit: int, near: Near | None = None) -> Sequence[DecisionRow]:
        """Return the decisions from `offset` on."""
        query = self.narrowing.query(self.sort)
        return await self.workspace.pricing_page(replace(query, offset=offset, limit=limit))

    async def read_position(self, query: Query, key: str) -> int | None:
        listing, _, market = key.partition("/")
        return await self.workspace.pricing_position(parse(query.where).query(query.sort), listing, market)

    async def read_passing(self, where: str, keys: Sequence[str]) -> set[str]:
        narrowing = parse(where)
        rows = await self.rows_of(keys)
        passing = {self.key(row) for row in rows if _passes(narrowing, row)}
        if narrowing.where:
            for market in {row.decision.market for row in rows}:
                ids = [row.decision.listing for row in rows if row.decision.market == market]
                fine = await self.workspace.listings_passing(narrowing.where, ids, market=market)
                passing -= {f"{listing}/{market}" for listing in ids if listing not in fine}
        return passing

    async def read_names(self, keys: Sequence[str]) -> list[str]:
        return [clean(row.decision.sku) for row in await self.rows_of(keys)]

    async def rows_of(self, keys: Sequence[str]) -> list[DecisionRow]:
        """Return the decisions that hold about these offers; those that none holds about are left out."""
        found = []
        for key in keys:
            listing, _, market = key.partition("/")
            try:
                found.append((await self.workspace.decision_of(listing, market)).row)
            except NotFound:
                continue
        return found

    # The tab.

    def on_mount(self) -> None:
        self._fit()

    @on(Resize)
    def _fit(self) -> None:
        self.set_class(self.app.size.height >= _TALL, "-tall")
        self.set_class(self.app.size.height >= _HIGH, "-high")

    def renew(self) -> None:
        super().renew()
        if self.ready and self.is_mounted:
            self._look_around()

    @work(exclusive=True, group="standings")
    async def _look_around(self) -> None:
        """Read the figures above the rows."""
        try:
            if not self.markets:
                self.markets = (await self.workspace.status()).markets
            self.counts = await self.workspace.pricing_counts(self.narrowing.market)
        except BmError as error:
            self.complain(error)
            return
        self.standings.counts = self.counts.standings
        self._tell()

    def watch_market(self) -> None:
        """Follow the chosen market where the rows are of one market only."""
        if self.ready and self.narrowing.market:
            self.filter(str(replace(self.narrowing, market=self.market)))

    @work(exclusive=True, group="filter")
    async def filter(self, where: str) -> bool:
        """Put a filter in force, or say what is wrong with it; return whether it is in force."""
        try:
            narrowing = parse(where, self.markets)
            await self.workspace.pricing_count(narrowing.query(self.sort))
        except BmError as error:
            self.bar.refuse(error)
            return False
        self.where = where
        self.bar.accept(where)
        self.standings.chosen = narrowing.standing
        self.reload()
        self._look_around()
        if self.screen.focused is None:
            self.take(self.table)
        self.post_message(self.Narrowed())
        return True

    def restore(self, state: TableState) -> None:
        """Begin as always: what waits today is not what waited when the console was left."""

    def views(self) -> list[View]:
        """Return the standings, and what waits, as views."""
        return list(_VIEWS)

    def narrow(self, narrowing: Narrowing) -> None:
        """Show only what this lets through."""
        self.filter(str(narrowing))

    def action_next_standing(self) -> None:
        self._turn(1)

    def action_previous_standing(self) -> None:
        self._turn(-1)

    def _turn(self, step: int) -> None:
        """Go on to the next standing that some price has; after the last one come all."""
        there = {each.standing for each in self.standings.counts if each.count}
        ring = [None, *(standing for standing in STANDINGS if standing in there)]
        narrowing = self.narrowing
        here = ring.index(narrowing.standing) if narrowing.standing in ring else 0
        self.narrow(replace(narrowing, standing=ring[(here + step) % len(ring)]))

    def action_waiting(self) -> None:
        """Show only what waits for approval, or everything again."""
        self.narrow(self.narrowing.toggled(state="waiting"))

    def action_one_market(self) -> None:
        """Show only the chosen market, or all of them again."""
        narrowing = self.narrowing
        self.narrow(replace(narrowing, market=None if narrowing.market else self.market))

    @on(StandingBar.Chosen)
    def _narrow(self, event: StandingBar.Chosen) -> None:
        event.stop()
        self.narrow(replace(self.narrowing, standing=event.standing))

    def action_edit(self) -> None:
        if (row := self.at_cursor) is not None:
            self.post_message(self.Opened(row.decision.listing))

    def acted(self, keys: Sequence[str]) -> None:
        """Take the marks off what was approved."""
        self.table.mark([key for key in keys if key in self.table.marks], False)
        self.renew()

    # The row under the cursor.

    @on(VirtualTable.Moved)
    def _show_row(self, event: VirtualTable.Moved) -> None:
        row = self.table.cursor_row
        before = self.pane.row
        self.pane.row = row
        if row is None:
            self.pane.graph.history = None
        elif before is None or self.key(before) != self.key(row):
            self.pane.graph.history = None
            self._read_history(row)
        elif before.decision != row.decision or before.box != row.box:
            self._read_history(row)

    @work(exclusive=True, group="history")
    async def _read_history(self, row: DecisionRow) -> None:
        await asyncio.sleep(_RESTED)
        if not self.pane.draws:
            return
        graph = self.pane.graph
        graph.zone = self.workspace.zone
        try:
            graph.history = await self.workspace.price_history(
                row.decision.listing, row.decision.market, days=_SHOWN_DAYS
            )
        except BmError as error:
            graph.note = error.line()

    # What the rows say together.

    def _tell(self) -> None:
        if not self.bar.query("#summary"):
            # The console is ending, and the figures came too late.
            return
        super()._tell()
        counts = self.counts
        if counts is None:
            return
        parts = [self.bar.summary]
        if counts.waiting:
            parts.append(f"{count(counts.waiting)} wait")
        parts.append(counts.mode)
        if counts.at is not None and self.app.size.width >= 100:
            parts.append(f"decided {look.span(self.workspace.now() - counts.at)} ago")
        self.bar.summary = " · ".join(parts)

    def _why_empty(self) -> str:
        if self.where:
            return "No prices pass this filter. Esc shows all again."
        if self.counts is not None and self.counts.at is None:
            return "Nothing was decided yet. r decides now; u looks at the backboxes first."
        return "Nothing is online. u looks at the backboxes, U brings orders and listings."


def _passes(narrowing: Narrowing, row: DecisionRow) -> bool:
    return (
        narrowing.standing in (None, row.decision.standing)
        and narrowing.state in (None, row.state)
        and narrowing.market in (None, row.decision.market)
    )


def _glyph(row: DecisionRow) -> Cell:
    if row.decision.alert:
        return (("!", Tone.BAD),)
    glyph, _, tone = pricing.STATE_LOOK.get(row.state, (" ", "", Tone.PLAIN))
    return ((glyph, tone),)


def _to_win(row: DecisionRow) -> Cell:
    return _amount(row.box.price_to_win if row.box else None)


def _amount(value: Money | None) -> Cell:
    return look.money(value, currency=False)


def _set_back(value: Money | None) -> Cell:
    return look.money(value, Tone.DIM, currency=False)


def _worth(row: DecisionRow) -> Cell:
    worth = row.decision.worth
    if worth is None or not worth.minor:
        return NOTHING
    return ((worth.text().replace("-", "−"), Tone.BAD if worth.minor < 0 else Tone.PLAIN),)
