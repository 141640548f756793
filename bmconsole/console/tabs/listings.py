"""The listings with the offer of the chosen market: stock, prices, and how they stand in the backbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.message import Message

from bmconsole.console import look
from bmconsole.console.actions import bindings
from bmconsole.console.look import NOTHING, PENDING_GLYPH, Cell, Tone
from bmconsole.console.tabs.listing_acts import ListingActs
from bmconsole.console.tabs.rows import RowsTab
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import Money
from bmconsole.domain.rows import ListingRow, Query
from bmconsole.domain.text import clean


class ListingsTab(RowsTab[ListingRow], ListingActs):
    """Every cached listing, by SKU."""

    SCOPES = ("listings", "rows")
    BINDINGS = bindings("listings", "rows")
    TITLE = "Listings"
    STREAM = "listings"
    PLACEHOLDER = "filter: out-of-stock   winnable   grade:good   price>300   sku~IP13   any text"
    NOUN = "listings"
    SORT: ClassVar[str] = "sku"

    @dataclass
    class Opened(Message):
        """A listing is to be edited."""

        listing: str

    def build_columns(self) -> Sequence[Column[ListingRow]]:
        currency = MARKETS[self.market].currency if self.market in MARKETS else ""
        return (
            Column("mark", "", 1, self._mark, gap=1),
            Column("sku", "SKU", 20, lambda row: look.text(row.sku, Tone.STRONG), grow=2, most=30, sort="sku"),
            Column("title", "Title", 24, lambda row: look.text(row.title), grow=3, most=60, rank=3, sort="title"),
            Column("grade", "Grade", 9, self._grade, rank=5, sort="grade"),
            Column(
                "state", "State", 10, lambda row: look.publication(row.publication_state), rank=4, sort="publication"
            ),
            Column("stock", "Stock", 6, self._stock, right=True, sort="stock"),
            Column("price", f"Price {currency}".strip(), 14, self._price, right=True, sort="price"),
            Column("min", "Min", 9, lambda row: self._bound(row.min_price), right=True, rank=6, sort="min"),
            Column("max", "Max", 9, lambda row: self._bound(row.max_price), right=True, rank=8, sort="max"),
            Column("ptw", "To win", 9, self._to_win, right=True, rank=2, sort="ptw"),
            Column("gap", "Gap", 8, self._gap, right=True, rank=7, sort="gap"),
            Column("box", "Backbox", 9, self._box, rank=1),
        )

    async def read_count(self, where: str) -> int:
        return await self.cache.listings_count(where, market=self.market)

    async def read_page(self, query: Query, *, backward: bool) -> Sequence[ListingRow]:
        return await self.cache.listings_page(query, market=self.market, backward=backward)

    async def read_passing(self, where: str, keys: Sequence[str]) -> set[str]:
        return await self.cache.listings_passing(where, keys, market=self.market)

    async def read_position(self, query: Query, key: str) -> int | None:
        return await self.cache.listings_position(query, key, market=self.market)

    async def read_names(self, keys: Sequence[str]) -> list[str]:
        return [clean((await self.workspace.listing_view(key)).listing.sku) for key in keys]

    def key(self, row: ListingRow) -> str:
        return row.id

    def watch_market(self) -> None:
        """Show another market's offers, from the row that the cursor is on."""
        self.table.columns = self.chosen_columns()
        self.renew()

    def action_open(self) -> None:
        self.table.action_choose()

    @on(VirtualTable.Chosen)
    def _open(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.post_message(self.Opened(event.key))

    async def acted_on(self) -> tuple[list[str], int]:
        return await self.targets()

    def acted(self, done: Sequence[str]) -> None:
        self.table.mark(done, False)

    def export_query(self) -> tuple[Query, Sequence[str]]:
        return Query(where=self.where, sort=self.sort, limit=0), self.table.marks

    def _mark(self, row: ListingRow) -> Cell:
        return ((PENDING_GLYPH, Tone.WARN),) if row.pending else ((" ", Tone.PLAIN),)

    def _grade(self, row: ListingRow) -> Cell:
        return look.text((row.grade or "").replace("_", " ").lower(), Tone.DIM)

    def _stock(self, row: ListingRow) -> Cell:
        if row.quantity is None:
            return NOTHING
        tone = Tone.BAD if row.quantity < 0 else Tone.WARN if row.quantity == 0 else Tone.PLAIN
        return _wanted(row, "quantity", ((str(row.quantity), tone),))

    def _price(self, row: ListingRow) -> Cell:
        above = row.price is not None and row.max_price is not None and row.price.minor > row.max_price.minor
        shown = look.money(row.price, Tone.WARN if above else Tone.PLAIN, currency=False)
        return _wanted(row, "price", (("↑ ", Tone.WARN), *shown) if above else shown)

    def _bound(self, value: Money | None) -> Cell:
        return look.money(value, Tone.DIM, currency=False)

    def _to_win(self, row: ListingRow) -> Cell:
        return look.money(row.price_to_win, currency=False)

    def _gap(self, row: ListingRow) -> Cell:
        if row.price is None or row.price_to_win is None or row.price.currency != row.price_to_win.currency:
            return NOTHING
        gap = Money(row.price.minor - row.price_to_win.minor, row.price.currency)
        sign = "+" if gap.minor > 0 else ""
        return ((f"{sign}{gap.text()}".replace("-", "−"), Tone.WARN if gap.minor > 0 else Tone.DIM),)

    def _box(self, row: ListingRow) -> Cell:
        if row.winning is None:
            return NOTHING
        if row.winning:
            return (("✓ ", Tone.GOOD), ("won", Tone.PLAIN))
        floor, needed = row.min_price, row.price_to_win
        if floor is not None and needed is not None and needed.minor < floor.minor:
            return (("■ ", Tone.BAD), ("blocked", Tone.PLAIN))
        return (("○ ", Tone.WARN), ("lost", Tone.PLAIN))


def _wanted(row: ListingRow, field: str, shown: Cell) -> Cell:
    """Return a value with what an unfinished write wants it to be: `449.00→231.50`."""
    if field not in row.pending:
        return shown
    old = "".join(part for part, _ in shown)
    return ((old, Tone.DIM), ("→", Tone.WARN), (clean(row.pending[field]), Tone.WARN))
