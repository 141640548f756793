"""The numbers of the overview: what waits, what was sold, how the backboxes stand, what the stock says."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bmconsole.domain.money import Money

DAYS = 30
"""How many days the overview looks back, today included."""


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What waits for the seller now. `oldest` is when the oldest order that is not accepted was made (UTC)."""

    to_accept: int
    oldest: datetime | None
    to_ship: int
    due_today: int
    late: int


@dataclass(frozen=True, slots=True)
class Day:
    """The orders made on a day of the display zone, without unpaid and cancelled ones; `revenue` in minor units."""

    day: date
    orders: int
    revenue: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long something took over `number` orders; None where it was never seen."""

    number: int = 0
    median: timedelta | None = None
    p90: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Sales:
    """What was sold in `DAYS` days. Amounts are of the main market's currency; `others` is revenue in all others.

    `fee` is what Back Market took of `fee_of`, the revenue of the lines that tell their fee. `net` is what lines with a
    known cost and VAT scheme left, of their revenue `net_of`; None where no cost is known.
    """

    currency: str
    days: tuple[Day, ...]
    """One a day, the oldest first, today last."""
    others: tuple[Money, ...]
    made: int
    """All orders that were paid, with those cancelled or refunded since."""
    cancelled: int
    refunded: int
    shipped: int
    """Orders that were shipped and had to be by some time."""
    shipped_late: int
    fee: int
    fee_of: int
    net: int | None
    net_of: int
    accepting: Waiting
    """From payment to our acceptance being confirmed, for what was accepted from here."""
    shipping: Waiting
    """From payment to dispatch."""

    def revenue(self, days: int) -> int:
        """Return the revenue of the last `days` days, today included, in minor units."""
        return sum(day.revenue for day in self.days[-days:])


@dataclass(frozen=True, slots=True)
class BoxFigures:
    """How the offers of one market that can be bought stand. `gap` is the mean of price minus price to win."""

    market: str
    online: int = 0
    with_data: int = 0
    winning: int = 0
    winnable: int = 0
    blocked: int = 0
    gap: Money | None = None
    above_max: int = 0
    empty: int = 0
    """Online with nothing in stock."""
    last_unit: int = 0
    """Online with one unit in stock."""
    trend: tuple[float | None, ...] = ()
    """The share of backboxes won on each day, the oldest first; None where none was looked at."""


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it at one moment (UTC). `oversold` are SKUs with stock under 0 or more open lines than stock."""

    at: datetime
    work: OpenWork
    sales: Sales
    boxes: tuple[BoxFigures, ...]
    """By market, the main one first."""
    oversold: tuple[str, ...]
    unknown_fields: int
    conflicts: int
