"""The buy box: who wins each listing in each market, against one invented best rival."""

from dataclasses import dataclass

from .clock import Clock
from .draw import Draw
from .listings import ONLINE, JsonObject, Listing, Listings
from .markets import MARKETS, decimal_text


@dataclass(slots=True)
class _Settling:
    """A price change that the backbox has not followed yet: it still goes by the price and floor before."""

    price: int
    min_price: int | None
    until: float


class Backbox:
    """Answers `GET /ws/backbox/v1/competitors/{id}`.

    The best rival of a listing in a market asks a price of its own (invented, or set by `set_rival`); we win where ours
    is not above it. After a price change the answer shows the old state for a while.

    Args:
        listings: The shop's listings.
        clock: Seconds that settling counts with.
        share: The share of the listings that compete anywhere.
        settle: How many seconds at least and at most a price change needs to show.
    """

    def __init__(self, listings: Listings, clock: Clock, *, share: float, settle: tuple[float, float]) -> None:
        self._listings = listings
        self._clock = clock
        self._share = share
        self._settle = settle
        self._rivals: dict[tuple[int, str], int | None] = {}
        self._settling: dict[tuple[int, str], _Settling] = {}

    def competes(self, listing: Listing) -> bool:
        """Return whether the listing has backbox data at all."""
        return Draw(self._listings.seed, "backbox", listing.index).happens(self._share)

    def price_changed(self, listing: Listing, market: str, price: int, min_price: int | None) -> None:
        """Take note that a price moved, with what it and its floor were before (minor units)."""
        now = self._clock.monotonic()
        low, high = self._settle
        if high <= 0:
            return
        waiting = self._settling.get((listing.index, market))
        if waiting is not None and waiting.until > now:
            price, min_price = waiting.price, waiting.min_price
        part = Draw(self._listings.seed, "settle", listing.index, market, price).below(1001) / 1000
        self._settling[(listing.index, market)] = _Settling(price, min_price, now + low + (high - low) * part)

    def set_rival(self, listing: Listing, market: str, price: int | None) -> None:
        """Give the best rival a price (minor units), or None: nobody else sells it there. Shows at once."""
        self._rivals[(listing.index, market)] = price

    def rival(self, listing: Listing, market: str) -> int | None:
        """Return the best rival's price in minor units, None where nobody else sells it."""
        key = (listing.index, market)
        if key in self._rivals:
            return self._rivals[key]
        draw = Draw(self._listings.seed, "rival", *key)
        if draw.happens(0.04):
            return None
        price = self._listings.first_price(listing.index, market)
        step = 10 if MARKETS[market].exponent == 0 else 1
        return max(step, price * (88 + draw.below(25)) // 100 // step * step)

    def competitors(self, listing: Listing) -> list[JsonObject]:
        """Return one element for each market whose backbox the listing competes in, none where it competes nowhere."""
        if not self.competes(listing):
            return []
        return [
            self._competitor(listing, market)
            for market in self._listings.markets
            if MARKETS[market].country and self._listings.publication_state(listing, market) == ONLINE
        ]

    def _competitor(self, listing: Listing, market: str) -> JsonObject:
        place = MARKETS[market]
        offer = self._listings.offer(listing, market)
        price, min_price = offer.price, offer.min_price
        waiting = self._settling.get((listing.index, market))
        if waiting is not None:
            if waiting.until > self._clock.monotonic():
                price, min_price = waiting.price, waiting.min_price
            else:
                del self._settling[(listing.index, market)]

        rival = self.rival(listing, market)
        wins = rival is None or price <= rival
        to_win: int | None = price
        if not wins and rival is not None:
            step = 10 if place.exponent == 0 else 1
            to_win = rival - step if rival > step else None

        def amount(minor: int | None) -> JsonObject | None:
            return (
                None if minor is None else {"amount": decimal_text(minor, place.exponent), "currency": place.currency}
            )

        return {
            "listing_id": listing.id,
            "product_id": listing.product_id,
            "market": place.country,
            "price": amount(price),
            "min_price": amount(min_price),
            "price_to_win": amount(to_win),
            "winner_price": amount(price if wins else rival),
            "is_winning": wins,
        }
