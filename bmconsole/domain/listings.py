"""Listings: one stock shared by all markets, and an offer (price, state, comment) in each market."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bmconsole.domain.money import Money

GRADES = ("PREMIUM", "EXCELLENT", "VERY_GOOD", "GOOD", "FAIR", "STALLONE")
GRADES_BY_STATE = {9: "PREMIUM", 0: "EXCELLENT", 1: "VERY_GOOD", 2: "GOOD", 3: "FAIR", 4: "STALLONE"}

ONLINE = 2
PUBLICATION_STATES = {
    0: "incomplete",
    1: "pending",
    2: "online",
    3: "offline",
    4: "deactivated",
}
"""The API's numbers with what they were seen to mean; the documents give none."""


@dataclass(frozen=True, slots=True)
class Backbox:
    """How our listing stood in one market's backbox when it was last observed."""

    price: Money | None
    price_to_win: Money | None
    winner_price: Money | None
    winning: bool | None
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """What one market shows of a listing."""

    market: str
    currency: str
    price: Money | None = None
    min_price: Money | None = None
    max_price: Money | None = None
    publication_state: int | None = None
    comment: str | None = None
    warranty_delay: int | None = None
    backbox: Backbox | None = None

    @property
    def above_max(self) -> bool:
        return self.price is not None and self.max_price is not None and self.price.minor > self.max_price.minor


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing by both its ids, with an offer for each configured market that was read."""

    id: str
    listing_id: int | None
    sku: str
    title: str = ""
    product_id: str | None = None
    backmarket_id: int | None = None
    grade: str | None = None
    quantity: int | None = None
    offers: Mapping[str, Offer] = field(default_factory=dict)
    first_seen: datetime | None = None
    fetched_at: datetime | None = None
    deleted_at: datetime | None = None
