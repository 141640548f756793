"""The shop in motion: people buy and pay, the seller's other hands accept, ship, count and edit, rivals reprice."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .listings import ONLINE, Listing
from .markets import MARKETS
from .order_update import ACCEPT, SHIP, order_state, update_order
from .orders import Order
from .rivals import smallest_step
from .shop import Shop

USUAL_RATE = 0.3
"""Orders a second of a shop that lives: one in about three seconds."""
MOST_EDITS = 10_000
_MAIN_MARKET = 0.92
_RECENT = 1_000
_TRIES = 20
_SHOPPERS = 60
_SHORTEST = 0.05  # seconds between two rounds of a life: what comes faster happens in one


@dataclass(frozen=True, slots=True)
class Edit:
    """A price that the other editor changed: when (seconds of the sandbox's clock), where, from what to what."""

    at: float
    listing: str
    market: str
    before: int
    after: int


class Live:
    """Lets things happen in a shop, at random times and from its seed.

    Three lives, each with a pace of its own: orders and what comes with them (`rate`), rivals (`rival_moves`, times the
    backbox's speed) and another editor of the same seller (`editor`). All stand still while `rate` is 0.

    Args:
        shop: What lives.
        rate: Orders a second; 0 stands still. It may be changed while it runs.
    """

    def __init__(self, shop: Shop, rate: float) -> None:
        self._shop = shop
        self._rate = rate
        self._rival_moves = shop.options.rival_moves
        self._editor = shop.options.editor
        self._changed: list[asyncio.Event] = []
        seed = shop.options.seed
        self._random = random.Random(f"{seed}/live")
        self._market = random.Random(f"{seed}/live/market")
        self._hands = random.Random(f"{seed}/live/editor")
        self._events: dict[Callable[[], bool], float] = {
            self.buy: 0.40,
            self.pay: 0.03,
            self.accept: 0.18,
            self.ship: 0.17,
            self.count: 0.08,
            self.reprice: 0.14,
        }
        self.happened = 0
        self.moved = 0
        self.edits: deque[Edit] = deque(maxlen=MOST_EDITS)

    @property
    def rate(self) -> float:
        """Orders a second that come in."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = _bounded("rate", rate, 1_000, "orders a second")
        self._wake()

    @property
    def rival_moves(self) -> float:
        """How often an hour each rival reconsiders its price, at speed 1."""
        return self._rival_moves

    @rival_moves.setter
    def rival_moves(self, times: float) -> None:
        self._rival_moves = _bounded("rival_moves", times, 3_600, "an hour")
        self._wake()

    @property
    def editor(self) -> float:
        """Prices a second that the other editor changes."""
        return self._editor

    @editor.setter
    def editor(self, rate: float) -> None:
        self._editor = _bounded("editor", rate, 1_000, "edits a second")
        self._wake()

    @property
    def speed(self) -> float:
        """How many times faster the backbox settles and rivals move."""
        return self._shop.backbox.speed

    @speed.setter
    def speed(self, times: float) -> None:
        self._shop.backbox.speed = times
        self._wake()

    async def run(self) -> None:
        """Let things happen until cancelled."""
        options = self._shop.options
        usual = self._events[self.buy]
        rivals = options.listings * len(options.markets) * options.backbox_share

        def moves() -> float:
            return rivals * self._rival_moves * self._shop.backbox.speed / 3_600 if self._rate else 0.0

        await asyncio.gather(
            self._live(self._random, lambda: self._rate / usual, self.step),
            self._live(self._market, moves, self.reprice),
            self._live(self._hands, lambda: self._editor if self._rate else 0.0, self.edit),
        )

    async def _live(self, dice: random.Random, pace: Callable[[], float], happens: Callable[[], bool]) -> None:
        changed = asyncio.Event()
        self._changed.append(changed)
        while True:
            changed.clear()
            per_second = pace()
            if per_second <= 0:
                await changed.wait()
                continue
            seconds, times = dice.expovariate(per_second), 1
            while seconds < _SHORTEST:
                seconds, times = seconds + dice.expovariate(per_second), times + 1
            if await self._slept(seconds, changed):
                for _ in range(times):
                    happens()

    async def _slept(self, seconds: float, changed: asyncio.Event) -> bool:
        """Return True after so many seconds, False as soon as a pace changed: what comes next is drawn anew then."""
        waits = {asyncio.ensure_future(self._shop.clock.sleep(seconds)), asyncio.ensure_future(changed.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return not changed.is_set()

    def _wake(self) -> None:
        for changed in self._changed:
            changed.set()

    def step(self) -> bool:
        """Let one thing happen; return whether there was anything that it could happen to."""
        event = self._random.choices(list(self._events), list(self._events.values()))[0]
        happened = event()
        self.happened += happened
        return happened

    # -- what happens --------------------------------------------------------------------------------------------

    def buy(self) -> bool:
        """Somebody buys what is online and in stock, what has the box far more often; the stock falls."""
        markets = self._shop.options.markets
        market = markets[0] if self._random.random() < _MAIN_MARKET else self._random.choice(markets)
        for _ in range(_SHOPPERS):
            index = self._listing(self._random)
            listing = None if index is None else self._shop.listings.get(index)
            if listing is None or listing.quantity < 1:
                continue
            if self._shop.listings.publication_state(listing, market) != ONLINE:
                continue
            if self._random.random() < self.chance(listing, market):
                self._shop.place_order(self._shop.listings.change(listing.index), market)
                return True
        return False

    def chance(self, listing: Listing, market: str) -> float:
        """Return how likely one who looks at a listing buys it: it has the box, competes without it, or is alone."""
        backbox = self._shop.backbox
        if not MARKETS[market].country or not backbox.competes(listing):
            return 0.4
        return 0.9 if backbox.wins(listing, market) else 0.08

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
        index = self._listing(self._random)
        if index is None:
            return False
        listing = self._shop.listings.change(index)
        listing.quantity = self._random.randrange(0, 13)
        self._shop.listing_changed(listing)
        return True

    def reprice(self) -> bool:
        """A rival reconsiders its price."""
        market = self._market.choice(self._shop.options.markets)
        for _ in range(_TRIES):
            index = self._listing(self._market)
            if index is None:
                return False
            listing = self._shop.listings.get(index)
            if self._shop.backbox.competes(listing):
                self.moved += self._shop.backbox.move_rival(listing, market)
                return True
        return False

    def edit(self) -> bool:
        """Another editor of the same seller changes a price by up to 4 %, and the floor of the repricer with it."""
        market = self._hands.choice(self._shop.options.markets)
        index = self._listing(self._hands)
        if index is None:
            return False
        listing = self._shop.listings.change(index)
        offer = self._shop.listings.offer(listing, market)
        before, floor, step = offer.price, offer.min_price, smallest_step(market)
        if before <= 0:
            return False
        per_mille = self._hands.choice([*range(960, 998), *range(1_003, 1_041)])
        after = max(step, before * per_mille // 1_000 // step * step)
        offer.price, offer.min_price = after, None if floor is None else floor * after // before
        self._shop.backbox.price_changed(listing, market, before, floor)
        listing.offers[market] = offer
        self._shop.listing_changed(listing)
        self.edits.append(Edit(self._shop.clock.monotonic(), listing.id, market, before, after))
        return True

    # -- to what -------------------------------------------------------------------------------------------------

    def _listing(self, dice: random.Random) -> int | None:
        count = self._shop.listings.count
        if not count:
            return None
        for _ in range(_TRIES):
            index = dice.randrange(count)
            if self._shop.listings.find(self._shop.listings.get(index).id) is not None:
                return index
        return None

    def _order(self, state: int) -> Order | None:
        """Return a recent order in this state, to be changed."""
        orders = self._shop.orders
        found = [index for index in range(max(0, len(orders) - _RECENT), len(orders)) if orders.states[index] == state]
        return orders.change(self._random.choice(found)) if found else None


def _bounded(name: str, value: float, most: int, of: str) -> float:
    if not 0 <= value <= most:
        raise ValueError(f"{name} must be from 0 to {most:,} {of}")
    return value
