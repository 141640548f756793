"""The orders: what to accept, what to ship, what is late."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.message import Message

from bmconsole.console import look
from bmconsole.console.actions import bindings
from bmconsole.console.look import Cell, Tone
from bmconsole.console.tabs.order_acts import BY_STATUS, OFFERED, OrderActs
from bmconsole.console.tabs.rows import RowsTab
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.orders import OPEN
from bmconsole.domain.rows import OrderRow, Query


class OrdersTab(RowsTab[OrderRow], OrderActs):
    """Every cached order, newest first."""

    SCOPES = ("orders", "order", "rows")
    BINDINGS = bindings("orders", "order", "rows")
    TITLE = "Orders"
    PLACEHOLDER = "filter: status:to-accept   late   market:fr   price>300   any text"
    NOUN = "orders"
    SORT: ClassVar[str] = "-created"

    @dataclass
    class Opened(Message):
        """An order is to be looked at."""

        order_id: int

    _offered: tuple[str, ...] = ()

    def build_columns(self) -> Sequence[Column[OrderRow]]:
        return (
            Column("mark", "", 1, self._mark, gap=1),
            Column("order", "Order", 9, lambda row: look.text(row.order_id, Tone.STRONG), right=True),
            Column("status", "Status", 11, lambda row: look.status(row.status), sort="status"),
            Column("due", "Due", 11, self._due, sort="due"),
            Column("price", "Price", 12, lambda row: look.money(row.price), right=True, sort="price"),
            Column("market", "Market", 8, lambda row: look.text(row.country_code, Tone.DIM), rank=4, sort="market"),
            Column("items", "Items", 20, self._items, grow=4, most=60, rank=1),
            Column("buyer", "Buyer", 18, lambda row: self._buyer(row.buyer), grow=1, most=28, rank=2, sort="buyer"),
            Column("city", "City", 12, lambda row: self._buyer(row.city, Tone.DIM), grow=1, most=22, rank=6),
            Column("tracking", "Tracking", 15, lambda row: self._buyer(row.tracking), rank=7, sort="tracking"),
            Column("created", "Created", 12, lambda row: self._time(row, created=True), rank=3, sort="created"),
            Column("modified", "Changed", 12, lambda row: self._time(row, created=False), rank=8, sort="modified"),
        )

    async def read_count(self, where: str) -> int:
        return await self.cache.orders_count(where)

    async def read_page(self, query: Query, *, backward: bool) -> Sequence[OrderRow]:
        return await self.cache.orders_page(query, backward=backward)

    async def read_passing(self, where: str, keys: Sequence[str]) -> set[str]:
        return await self.cache.orders_passing(where, [int(key) for key in keys])

    async def read_position(self, query: Query, key: str) -> int | None:
        return await self.cache.orders_position(query, key)

    async def read_names(self, keys: Sequence[str]) -> list[str]:
        return list(keys)

    def key(self, row: OrderRow) -> str:
        return str(row.order_id)

    def action_open(self) -> None:
        self.table.action_choose()

    # What is done to orders.

    async def acted_on(self) -> tuple[list[int], int]:
        keys, hidden = await self.targets()
        return [int(key) for key in keys], hidden

    def acted(self, done: Sequence[int]) -> None:
        self.table.mark([str(number) for number in done], False)

    def export_query(self) -> tuple[Query, Sequence[int]]:
        return Query(where=self.where, sort=self.sort, limit=0), [int(key) for key in self.table.marks]

    def offers(self, action: str) -> bool:
        return action not in BY_STATUS or bool(self.table.marks) or action in self._offered

    @on(VirtualTable.Moved)
    @on(VirtualTable.Counted)
    def _offer(self) -> None:
        """Let the footer offer what may be done with the row under the cursor, as it is now."""
        row = self.table.cursor_row
        offered = OFFERED.get(row.status, ()) if row is not None else ()
        if offered != self._offered:
            self._offered = offered
            self.post_message(Tab.Offers())

    @on(VirtualTable.Chosen)
    def _open(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.post_message(self.Opened(int(event.key)))

    def _buyer(self, value: str | None, tone: Tone = Tone.PLAIN) -> Cell:
        return look.buyer(value, tone, private=bool(getattr(self.app, "private", False)))

    def _mark(self, row: OrderRow) -> Cell:
        return ((look.PENDING_GLYPH, Tone.WARN),) if row.pending else ((" ", Tone.PLAIN),)

    def _due(self, row: OrderRow) -> Cell:
        return look.due(row.due, row.late, row.status in OPEN, self.cache.now())

    def _items(self, row: OrderRow) -> Cell:
        number: Cell = ((f"{row.n_lines} × ", Tone.DIM),) if row.n_lines > 1 else ()
        return (*number, *look.text(row.skus))

    def _time(self, row: OrderRow, *, created: bool) -> Cell:
        return look.text(look.moment(row.created if created else row.modified, self.cache.zone), Tone.DIM)
