"""The shop in motion: people buy and pay, the seller's other hands accept and ship and count, rivals reprice."""

import asyncio
import random
from collections.abc import Callable

from .listings import ONLINE
from .markets import MARKETS
from .order_update import ACCEPT, SHIP, order_state, update_order
from .orders import Order
from .shop import Shop

USUAL_RATE = 0.3
"""Orders a second of a shop that lives: one in about three seconds."""
_MAIN_MARKET = 0.92
_RECENT = 1_000
_TRIES = 20


class Live:
    """Lets things happen in a shop, at random times and from its seed.

    Args:
        shop: What lives.
        rate: Orders a second; 0 stands still. It may be changed while it runs.
    """

    def __init__(self, shop: Shop, rate: float) -> None:
        self._shop = shop
        self._rate = rate
        self._changed = asyncio.Event()
        self._random = random.Random(f"{shop.options.seed}/live")
        self._events: dict[Callable[[], bool], float] = {
            self.buy: 0.40,
            self.pay: 0.03,
            self.accept: 0.18,
            self.ship: 0.17,
            self.count: 0.08,
            self.reprice: 0.14,
        }
        self.happened = 0

    @property
    def rate(self) -> float:
        """Orders a second that come in."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        if not 0 <= rate <= 1_000:
            raise ValueError("rate must be from 0 to 1,000 orders a second")
        self._rate = rate
        self._changed.set()

    async def run(self) -> None:
        """Let things happen until cancelled."""
        while True:
            self._changed.clear()
            if not self._rate:
                await self._changed.wait()
                continue
            await self._shop.clock.sleep(self._random.expovariate(self._rate / self._events[self.buy]))
            if self._rate:
                self.step()

    def step(self) -> bool:
        """Let one thing happen; return whether there was anything that it could happen to."""
        event = self._random.choices(list(self._events), list(self._events.values()))[0]
        happened = event()
        self.happened += happened
        return happened

    # -- what happens --------------------------------------------------------------------------------------------

    def buy(self) -> bool:
        """Somebody buys what is online and in stock; the stock falls."""
        markets = self._shop.options.markets
        market = markets[0] if self._random.random() < _MAIN_MARKET else self._random.choice(markets)
        for _ in range(_TRIES):
            index = self._listing()
            listing = None if index is None else self._shop.listings.get(index)
            if listing is None or listing.quantity < 1:
                continue
            if self._shop.listings.publication_state(listing, market) == ONLINE:
                self._shop.place_order(self._shop.listings.change(listing.index), market)
                return True
        return False

    def pay(self) -> bool:
        """A payment that was being validated comes through, and the order appears in lists, or it never will."""
        order = self._order(0)
        if order is None:
            return False
        paid = self._random.random() < 0.9
        for line in order.lines:
            line.state = 1 if paid else 7
        order.state = 1 if paid else 8
        order.paid = self._shop.now() if paid else None
        self._shop.order_changed(order)
        return True

    def accept(self) -> bool:
        """An order is accepted in the back office."""
        order = self._order(1)
        if order is None:
            return False
        for sku in dict.fromkeys(self._shop.listings.get(line.listing).sku for line in order.lines if line.state == 1):
            update_order(self._shop, order, {"order_id": order.id, "new_state": ACCEPT, "sku": sku})
        return True

    def ship(self) -> bool:
        """An order is shipped by another tool of the seller."""
        order = self._order(3)
        if order is None or any(line.state == 1 for line in order.lines):
            return False
        if not any(line.state == ACCEPT for line in order.lines):
            return False
        tracking = f"LIVE{self._random.randrange(10**10):010d}"
        update_order(self._shop, order, {"order_id": order.id, "new_state": SHIP, "tracking_number": tracking})
        return order_state(order) == order.state

    def count(self) -> bool:
        """The stock of a listing is counted anew."""
        index = self._listing()
        if index is None:
            return False
        listing = self._shop.listings.change(index)
        listing.quantity = self._random.randrange(0, 13)
        self._shop.listing_changed(listing)
        return True

    def reprice(self) -> bool:
        """A rival changes a price."""
        index = self._listing()
        if index is None:
            return False
        market = self._random.choice(self._shop.options.markets)
        listing = self._shop.listings.get(index)
        price = self._shop.listings.offer(listing, market).price * self._random.randrange(900, 1_090) // 1_000
        step = 10 if MARKETS[market].exponent == 0 else 1
        self._shop.backbox.set_rival(listing, market, max(step, price // step * step))
        return True

    # -- to what -------------------------------------------------------------------------------------------------

    def _listing(self) -> int | None:
        count = self._shop.listings.count
        if not count:
            return None
        for _ in range(_TRIES):
            index = self._random.randrange(count)
            if self._shop.listings.find(self._shop.listings.get(index).id) is not None:
                return index
        return None

    def _order(self, state: int) -> Order | None:
        """Return a recent order in this state, to be changed."""
        orders = self._shop.orders
        found = [index for index in range(max(0, len(orders) - _RECENT), len(orders)) if orders.states[index] == state]
        return orders.change(self._random.choice(found)) if found else None
