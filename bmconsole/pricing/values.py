"""What repricing is given: facts about an offer, terms of a profile, limits of the guards, rules.

Shares are parts of 1 (0.05 is 5 %), amounts Money, times UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from bmconsole.domain.costs import Cost, Vat, pick_cost
from bmconsole.domain.decisions import Check, Decision, Mode, Standing, Verdict
from bmconsole.domain.listings import ONLINE, Backbox
from bmconsole.domain.money import Money

__all__ = [
    "DEFAULT_LIMITS",
    "Amounts",
    "Change",
    "Check",
    "Condition",
    "Cost",
    "Decision",
    "Facts",
    "Limits",
    "MarketTerms",
    "Mode",
    "Params",
    "Past",
    "Rule",
    "Rules",
    "Seen",
    "Standing",
    "Terms",
    "Vat",
    "Verdict",
    "pick_cost",
]


@dataclass(frozen=True, slots=True)
class Change:
    """One price change of ours (any that we wrote, repricing or operator), when it was confirmed."""

    at: datetime
    old: Money
    new: Money


@dataclass(frozen=True, slots=True)
class Seen:
    """A stretch of time in which each look at the backbox showed the same: a row of the stored observations.

    `looks` is how many looks it stands for, where that is known.
    """

    price: Money | None
    price_to_win: Money | None
    winner_price: Money | None
    winning: bool | None
    first_seen: datetime
    last_seen: datetime
    looks: int = 1


@dataclass(frozen=True, slots=True)
class Past:
    """What the days before tell about an offer; `history.past` makes it from stored rows.

    `changes`: our own, oldest first, of the last 48 hours at least (24 hours count for the limits, and a price war
    pauses for another 24). `flips`: the moments of the last 48 hours in which the box changed hands.
    """

    changes: tuple[Change, ...] = ()
    flips: tuple[datetime, ...] = ()
    winning_since: datetime | None = None
    """Since when each look showed us winning; None while not winning."""
    winning_looks: int = 0
    """How many looks in a row showed that."""
    average: Money | None = None
    """Our price over the last 3 days, weighted by time."""
    anchor: Money | None = None
    """The 7-day median of the price to win, weighted by time."""
    sold: int = 0
    """Units sold in this market in the last 7 days."""
    win_rate: Decimal | None = None
    """The share of the last 7 days' observed time in which we were winning; None without data."""
    won_at: Money | None = None
    """The highest price known to win: where a failed raise goes back to, the lower end of its bracket."""
    lost_at: Money | None = None
    """The lowest price that a raise was lost at: the upper end of the bracket. None: no raise failed lately."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known about one listing in one market when its price is decided.

    `box` is None where the last look showed no data (404, an empty list, all null) or there never was one.
    """

    listing: str
    sku: str
    market: str
    currency: str
    """The market's currency."""
    price: Money | None
    min_price: Money | None = None
    max_price: Money | None = None
    title: str = ""
    grade: str | None = None
    product: str | None = None
    quantity: int | None = None
    publication_state: int | None = ONLINE
    first_seen: datetime | None = None
    """When the listing was seen first; its age counts from here."""
    live_at: datetime | None = None
    """When the listing itself (price, stock) was last read from Back Market."""
    box: Backbox | None = None
    past: Past = Past()
    cost: Cost | None = None
    """The row that `pick_cost` chose."""
    measured_fee: Decimal | None = None
    """The commission of its own past orders (`orderline_fee` over price), a share."""
    first_price: Money | None = None
    """The oldest price known here; `decay` starts from it unless its rule names a price."""
    better: Money | None = None
    """The lowest price of a better grade of the same product in this market (ours, online)."""
    worse: Money | None = None
    """The highest price of a worse grade of the same product in this market (ours, online)."""
    paused: str | None = None
    """What is paused, for people: `account`, `market fr-fr`, `listing`. None: nothing."""
    mode: Mode | None = None
    """The listing's own mode, over its rule's and the profile's."""
    limits: Mapping[str, object] | None = None
    """The listing's own limits of guards, by the names of `Limits`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The parameters of the guards; a rule or a listing can replace each. Amounts None: `money.unit`'s table.

    Shares are parts of 1.
    """

    fresh: timedelta = timedelta(hours=24)
    """How old an observation may be to plan from."""
    fresh_write: timedelta = timedelta(minutes=10)
    """How old it may be to write from."""
    settle: timedelta = timedelta(seconds=180)
    """How long after our own change the backbox shows what it did."""
    after_cut: timedelta = timedelta(minutes=15)
    after_raise: timedelta = timedelta(minutes=60)
    changes: int = 8
    """Own changes in 24 hours."""
    step: Decimal = Decimal("0.05")
    step_amount: "Amounts | None" = None
    """A step of this much is allowed even where it is a larger share; None: 5.00 (JPY 800, SEK 55 …)."""
    down: Decimal = Decimal("0.12")
    """How far down within 24 hours, from the highest price of ours in them."""
    sanity: Decimal = Decimal("0.60")
    """The share of the 3-day average that a new price must reach."""
    flood: Decimal = Decimal("0.85")
    """The share of its 7-day median that a price to win must reach to be believed."""
    band: Decimal = Decimal("0.08")
    """How far BackPricer's `price` may lie above `min_price`."""
    ladder: bool = True
    dead_band: Decimal = Decimal("0.002")
    war_cuts: int = 4
    war_drop: Decimal = Decimal("0.08")
    war_flips: int = 6
    war_pause: timedelta = timedelta(hours=24)
    margin_auto: Decimal = Decimal("0.30")
    margin_amount: "Amounts | None" = None
    """What a unit must earn to be written without a flag; None: 50.00 (JPY 8000, SEK 550 …)."""
    margin_flag: Decimal = Decimal("0.15")
    run_share: Decimal = Decimal("0.25")
    run_count: int = 20
    run_mean: Decimal = Decimal("0.06")
    failures: int = 5
    lines_share: Decimal = Decimal("0.80")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Amounts:
    """An amount for each currency (`5.00 EUR, 55 SEK`), or a share of the price (`1 %`), as a rule writes it."""

    share: Decimal | None = None
    each: tuple[Money, ...] = ()

    def of(self, price: Money) -> Money | None:
        """Return the amount for a price, a share rounded down to the minor unit; None where the currency has none."""
        if self.share is not None:
            return Money(int(price.minor * self.share), price.currency)
        return next((money for money in self.each if money.currency == price.currency), None)


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """What holds in one market, or in all of them, where a cost row does not say better. Shares; `min_profit` money."""

    vat: Vat | None = None
    fee: Decimal | None = None
    target_margin: Decimal | None = None
    min_profit: Amounts | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a profile says: its mode, VAT (no default: without it there is no floor) and commission (0.10).

    `stopped`: the kill switch is thrown, nothing is decided.
    """

    mode: Mode = Mode.SUGGEST
    vat: Vat | None = None
    fee: Decimal = Decimal("0.10")
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """`low <= value <= high`, with open ends where `above` or `below` say so; None: no such end."""

    low: Decimal | None = None
    high: Decimal | None = None
    above: bool = False
    """`low` itself does not count."""
    below: bool = False
    """`high` itself does not count."""

    def holds(self, value: Decimal | int | None) -> bool:
        """Return whether `value` lies within; what is not known lies nowhere."""
        if value is None:
            return False
        if self.low is not None and (value < self.low or (self.above and value == self.low)):
            return False
        return not (self.high is not None and (value > self.high or (self.below and value == self.high)))


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of the strategies of a rule."""

    raise_after: timedelta = timedelta(hours=6)
    raise_looks: int = 3
    raise_step: Amounts | None = None
    """None: 1.00 (JPY 160, SEK 11 …)."""
    raise_lost_within: timedelta = timedelta(hours=12)
    small: Decimal = Decimal("0.03")
    """`win_small`: how far the price to win may lie under ours, as a share."""
    undercut_step: Amounts | None = None
    """None: one minor unit."""
    standalone_price: Amounts | None = None
    """None: hold."""
    below_floor: Literal["hold", "floor", "ceiling"] = "hold"
    decay_from: int = 60
    """The age in days at which `decay` starts."""
    decay_to: int = 120
    """The age in days at which it arrives at the floor."""
    decay_start: Amounts | None = None
    """The price that it starts from; None: the oldest known."""
    scarce_stock: int = 2
    scarce_sold: int = 3
    """Units sold in 7 days that count as selling fast."""
    scarce_raise: Decimal = Decimal("0.03")
    scarce_every: timedelta = timedelta(hours=24)
    """At most one raise in this time, or it would pile up."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which offers a rule is for, and what it does with them: the first of its strategies whose time has come.

    Empty tuples and None: no condition. `margin` and `win_rate` are shares, `age` days, `sku` patterns (`IP*`).
    """

    name: str
    strategies: tuple[str, ...]
    sku: tuple[str, ...] = ()
    grade: tuple[str, ...] = ()
    market: tuple[str, ...] = ()
    stock: Condition | None = None
    age: Condition | None = None
    margin: Condition | None = None
    win_rate: Condition | None = None
    params: Params = Params()
    limits: Limits = DEFAULT_LIMITS
    mode: Mode | None = None
    repair_floor: Literal["suggest", "auto"] = "suggest"
    backpricer: bool = False
    line: int = 0
    """Where the file has it, 1-based; 0 for the built-in ones."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in their order, with what holds for all of them.

    `limits` are those of offers that no rule is for, and of the run. `markets` holds terms by market code, and under
    the empty text those of every market.
    """

    rules: tuple[Rule, ...]
    limits: Limits = DEFAULT_LIMITS
    markets: Mapping[str, MarketTerms] = field(default_factory=dict)
    repair_floor: Literal["suggest", "auto"] = "suggest"
    name: str = "built-in"
    text: str = field(default="", repr=False)
    """The file's text, to be kept with the runs that used it."""
