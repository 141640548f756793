"""The buy box: who wins each listing in each market, against the best of its rivals."""

from dataclasses import dataclass

from .clock import Clock
from .draw import Draw
from .hostility import Hostility
from .listings import ONLINE, JsonObject, Listing, Listings
from .markets import MARKETS, decimal_text
from .rivals import Rivals, smallest_step

_TRAP = 100  # minor units: 1.00, or 100 yen


@dataclass(slots=True)
class _Settling:
    """A price change that the backbox has not followed yet: it still goes by the price and floor before."""

    price: int
    min_price: int | None
    until: float


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a listing stands in a market, as the backbox has settled it. Amounts are minor units."""

    price: int
    min_price: int | None
    rival: int | None

    @property
    def wins(self) -> bool:
        return self.rival is None or self.price <= self.rival


class Backbox:
    """Answers `GET /ws/backbox/v1/competitors/{id}`.

    The best rival of a listing in a market asks a price of its own; we win where ours is not above it. After a price
    change of ours the answer shows the old state for a while, and sales follow what it shows.

    Args:
        listings: The shop's listings.
        clock: Seconds that settling counts with.
        share: The share of the listings that compete anywhere.
        settle: How many seconds at least and at most a price change needs to show.
        speed: How many times faster settling goes.
    """

    def __init__(
        self, listings: Listings, clock: Clock, *, share: float, settle: tuple[float, float], speed: float = 1.0
    ) -> None:
        self._listings = listings
        self._clock = clock
        self._share = share
        self.settle = settle
        self.speed = speed
        self.rivals = Rivals(listings)
        self.hostility = Hostility(listings.seed)
        self._settling: dict[tuple[int, str], _Settling] = {}

    def competes(self, listing: Listing) -> bool:
        """Return whether the listing has backbox data at all."""
        return Draw(self._listings.seed, "backbox", listing.index).happens(self._share)

    def price_changed(self, listing: Listing, market: str, price: int, min_price: int | None) -> None:
        """Take note that a price moved, with what it and its floor were before (minor units)."""
        now = self._clock.monotonic()
        low, high = (seconds / self.speed for seconds in self.settle)
        if high <= 0:
            return
        waiting = self._settling.get((listing.index, market))
        if waiting is not None and waiting.until > now:
            price, min_price = waiting.price, waiting.min_price
        part = Draw(self._listings.seed, "settle", listing.index, market, price).below(1001) / 1000
        self._settling[(listing.index, market)] = _Settling(price, min_price, now + low + (high - low) * part)

    def set_rival(self, listing: Listing, market: str, price: int | None) -> None:
        """Give the best rival a price (minor units), or None: nobody else sells it there. Shows at once."""
        self.rivals.set(listing.index, market, price)

    def rival(self, listing: Listing, market: str) -> int | None:
        """Return the best rival's price in minor units, None where nobody else sells it."""
        if self.hostility.strikes("one", listing.index, market):
            return _TRAP
        return self.rivals.price(listing.index, market)

    def move_rival(self, listing: Listing, market: str) -> bool:
        """Let the best rival make its next move against our price as it has settled; return whether its own changed."""
        return self.rivals.move(listing.index, market, self._standing(listing, market).price)

    def markets_of(self, listing: Listing) -> list[str]:
        """Return the markets whose backbox the listing competes in now."""
        if not self.competes(listing):
            return []
        return [
            market
            for market in self._listings.markets
            if MARKETS[market].country and self._listings.publication_state(listing, market) == ONLINE
        ]

    def wins(self, listing: Listing, market: str) -> bool:
        """Return whether the listing has the box of a market that it competes in, whatever hostile answers say."""
        return self._standing(listing, market).wins

    def competitors(self, listing: Listing) -> list[JsonObject] | None:
        """Return an element for each market whose backbox the listing competes in, None (404) where it is in none."""
        truth = {market: self._competitor(listing, market) for market in self.markets_of(listing)}
        return self.hostility.shown(listing, truth) if truth else None

    def _standing(self, listing: Listing, market: str) -> _Standing:
        offer = self._listings.offer(listing, market)
        price, min_price = offer.price, offer.min_price
        waiting = self._settling.get((listing.index, market))
        if waiting is not None:
            if waiting.until > self._clock.monotonic():
                price, min_price = waiting.price, waiting.min_price
            else:
                del self._settling[(listing.index, market)]
        return _Standing(price, min_price, self.rival(listing, market))

    def _competitor(self, listing: Listing, market: str) -> JsonObject:
        place, standing, step = MARKETS[market], self._standing(listing, market), smallest_step(market)
        to_win: int | None = standing.price
        if standing.rival is not None and not standing.wins:
            to_win = standing.rival - step if standing.rival > step else None

        def amount(minor: int | None) -> JsonObject | None:
            return (
                None if minor is None else {"amount": decimal_text(minor, place.exponent), "currency": place.currency}
            )

        return {
            "listing_id": listing.id,
            "product_id": listing.product_id,
            "market": place.country,
            "price": amount(standing.price),
            "min_price": amount(standing.min_price),
            "price_to_win": amount(to_win),
            "winner_price": amount(standing.price if standing.wins else standing.rival),
            "is_winning": standing.wins,
        }
