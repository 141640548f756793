"""The shop: its listings, orders and backbox wired together, and their JSON as the API serves it."""

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import TypeVar

from .answers import as_bytes
from .backbox import Backbox
from .listings import JsonObject, Listing, Listings
from .options import Options
from .order_json import microseconds, order_json
from .orders import Order, Orders

K = TypeVar("K")
_CACHED_ORDERS, _CACHED_LISTINGS = 20_000, 40_000


class Shop:
    """A seller's shop on the marketplace.

    Whatever changes it (a write, another editor, later a moving market) goes through `listing_changed`, `order_changed`
    and `place_order`, which keep filters, sequence, timestamps and rendered JSON in step.

    Args:
        options: What it is made from.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = options.clock
        now = options.now or self.clock.now().replace(minute=0, second=0, microsecond=0)
        self.listings = Listings(options.seed, options.listings, options.markets)
        self.orders = Orders(
            options.seed,
            options.orders,
            microseconds(now.astimezone(UTC)),
            self.listings,
            several_lines=options.several_lines,
            ordering=options.ordering,
        )
        self.backbox = Backbox(
            self.listings,
            self.clock,
            share=options.backbox_share,
            settle=options.backbox_settle,
            speed=options.speed,
        )
        self._order_bytes: dict[int, bytes] = {}
        self._listing_bytes: dict[tuple[int, str], bytes] = {}
        self._selection: tuple[object, list[int]] = (None, [])
        self._most_orders, self._most_listings = _CACHED_ORDERS, _CACHED_LISTINGS
        if options.warm:
            self._write_all()

    @property
    def main_market(self) -> str:
        """The market of requests that name none of the shop's."""
        return self.options.markets[0]

    def now(self) -> int:
        """Return the time in microseconds since 1970."""
        return microseconds(self.clock.now())

    def market_of(self, accept_language: str | None) -> str:
        """Return the market that an Accept-Language header picks, the main one when it is none of the shop's."""
        wanted = (accept_language or "").split(",")[0].split(";")[0].strip().lower()
        return wanted if wanted in self.options.markets else self.main_market

    def _write_all(self) -> None:
        self._most_orders = max(self._most_orders, 2 * len(self.orders))
        self._most_listings = max(self._most_listings, self.listings.count * len(self.options.markets))
        for index in range(len(self.orders)):
            self.order_bytes(index)
        for market in self.options.markets:
            for index in range(self.listings.count):
                self.listing_bytes(index, market)

    # -- orders ------------------------------------------------------------------------------------------------

    def select_orders(
        self, created_from: int | None, modified_from: int | None, state: int | None, market: str | None
    ) -> list[int]:
        """Return the numbers of the orders that the filters leave, in listing order."""
        key = (self.orders.version, created_from, modified_from, state, market)
        if self._selection[0] != key:
            found = self.orders.select(
                created_from=created_from, modified_from=modified_from, state=state, market=market
            )
            self._selection = (key, found)
        return self._selection[1]

    def order_bytes(self, index: int) -> bytes:
        """Return an order's JSON."""
        found = self._order_bytes.get(index)
        if found is None:
            found = as_bytes(order_json(self.orders.get(index), self.listings))
            _remember(self._order_bytes, index, found, self._most_orders)
        return found

    def order_changed(self, order: Order, *, touch: bool = True) -> None:
        """Take note of a change to an order; `touch` moves its `date_modification`, as most changes do."""
        if touch:
            order.modified = max(self.now(), order.modified)
        self.orders.changed(order)
        self._order_bytes.pop(order.index, None)

    def place_order(self, listing: Listing, market: str, quantity: int = 1) -> Order:
        """Let somebody buy: a paid order comes in and the listing's stock falls by itself."""
        price = self.listings.offer(listing, market).price * quantity
        order = self.orders.add(market, listing.index, quantity, price, self.now())
        listing.quantity -= quantity
        self.listing_changed(listing)
        return order

    # -- listings ----------------------------------------------------------------------------------------------

    def listing_bytes(self, index: int, market: str) -> bytes:
        """Return a listing's JSON in a market."""
        key = (index, market)
        found = self._listing_bytes.get(key)
        if found is None:
            found = as_bytes(self.listings.as_json(self.listings.get(index), market))
            _remember(self._listing_bytes, key, found, self._most_listings)
        return found

    def listing_changed(self, listing: Listing) -> None:
        """Take note of a change to a listing."""
        self.listings.changed(listing)
        for market in self.options.markets:
            self._listing_bytes.pop((listing.index, market), None)

    def listing_state(self, listing: Listing) -> JsonObject:
        """Return a listing as every market shows it."""
        return {market: self.listings.as_json(listing, market) for market in self.options.markets}


def _remember(cache: dict[K, bytes], key: K, value: bytes, most: int) -> None:
    if len(cache) >= most:
        cache.pop(next(iter(cache)))
    cache[key] = value


def page_bytes(
    chosen: Sequence[int], number: int, size: int, render: Callable[[int], bytes], url: Callable[[int], str]
) -> bytes:
    """Return a page of a list as the API wraps it: count, next, previous, results.

    Args:
        chosen: The numbers of everything that the filters leave.
        number: The page, from 1.
        size: How many make a page.
        render: Returns one item's JSON.
        url: Returns the full address of a page.
    """
    start = (number - 1) * size
    after = as_bytes(url(number + 1)) if start + size < len(chosen) else b"null"
    before = as_bytes(url(number - 1)) if number > 1 else b"null"
    items = b",".join(map(render, chosen[start : start + size]))
    return b'{"count":%d,"next":%b,"previous":%b,"results":[%b]}' % (len(chosen), after, before, items)
