"""Decides for each listing and market what to do about its price.

Without a cost a price is never changed, and costs are not known here yet: every decision is to hold, and says how
the listing stands in its backbox.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bmconsole.domain.listings import ONLINE, Listing, Offer
from bmconsole.domain.money import Money
from bmconsole.domain.times import ago

STALE_AFTER = timedelta(hours=24)


class Standing(StrEnum):
    """How an offer stands in its backbox."""

    WIN = "WIN"
    LOSING = "LOSING"
    NO_DATA = "NO DATA"
    STALE = "STALE"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one price, and why. `target` None means that it stays as it is."""

    listing: str
    sku: str
    market: str
    decision: str
    strategy: str | None
    old: Money | None
    target: Money | None
    floor: Money | None
    ceiling: Money | None
    guards: tuple[str, ...]
    reason: str
    standing: Standing

    def as_json(self) -> dict[str, object]:
        def money(value: Money | None) -> dict[str, str] | None:
            return None if value is None else value.as_json()

        return {
            "listing": self.listing,
            "sku": self.sku,
            "market": self.market,
            "decision": self.decision,
            "strategy": self.strategy,
            "old": money(self.old),
            "target": money(self.target),
            "floor": money(self.floor),
            "ceiling": money(self.ceiling),
            "guards": list(self.guards),
            "reason": self.reason,
        }


def standing(offer: Offer, now: datetime) -> Standing:
    """Return how an offer stands; an observation older than a day says nothing any more."""
    box = offer.backbox
    if box is None or box.winning is None:
        return Standing.NO_DATA
    if now - box.last_seen > STALE_AFTER:
        return Standing.STALE
    return Standing.WIN if box.winning else Standing.LOSING


def plan(listings: Iterable[Listing], markets: Sequence[str], now: datetime) -> list[Decision]:
    """Return a decision for every offer that is online in one of `markets`."""
    return [
        _decide(listing, offer, now)
        for listing in listings
        for offer in listing.offers.values()
        if offer.market in markets and offer.publication_state == ONLINE
    ]


def _decide(listing: Listing, offer: Offer, now: datetime) -> Decision:
    stands = standing(offer, now)
    return Decision(
        listing=listing.id,
        sku=listing.sku,
        market=offer.market,
        decision="hold",
        strategy=None,
        old=offer.price,
        target=None,
        floor=None,
        ceiling=offer.max_price,
        guards=("no-cost",),
        reason=f"{offer.price or 'no price'} · hold: NO COST · {_describe(offer, stands, now)}",
        standing=stands,
    )


def _describe(offer: Offer, stands: Standing, now: datetime) -> str:
    box = offer.backbox
    if box is None or stands is Standing.NO_DATA:
        return "NO DATA: competes in no backbox"
    age = f"{ago(box.last_seen, now)} old"
    if stands is Standing.LOSING and box.price_to_win is not None:
        return f"LOSING: price to win {box.price_to_win}, {age}"
    return f"{stands}: {age}"
