"""What the faces show of repricing: frozen values that the workspace hands out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bmconsole.domain.bulk import BIG_JUMP, MANY_ROWS, LineFault
from bmconsole.domain.costs import Cost
from bmconsole.domain.decisions import Decision, Standing
from bmconsole.domain.intents import Intent
from bmconsole.domain.listings import Backbox
from bmconsole.domain.money import Money

STANDINGS = (
    Standing.UNDER_FLOOR,
    Standing.WINNABLE,
    Standing.BLOCKED,
    Standing.CONFLICT,
    Standing.NO_COST,
    Standing.STALE,
    Standing.NO_DATA,
    Standing.WIN,
)
"""The standings in the order of the view: what costs money first."""

STATES = ("waiting", "due", "written", "stopped", "failed", "lapsed", "")
"""What became of a decision: it waits for approval, is about to be written, was written, was stopped when it was
decided again, failed at Back Market, or gave way to a later decision; empty: there is nothing to do.
"""

PRICING_SORTS = ("money", "sku", "market", "standing", "price", "target", "floor", "change", "decided")
"""The names by which decisions can be sorted; `-` in front for descending."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """A cost as it is kept: since when it holds, and when another one took its place (UTC)."""

    id: int
    cost: Cost
    valid_from: datetime
    superseded: datetime | None = None


@dataclass(frozen=True, slots=True)
class CostPlan:
    """What a file of costs would change. `changes` has a line for people a cost; `costs` is what will be kept."""

    costs: tuple[Cost, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    faults: tuple[LineFault, ...] = ()
    lines: int = 0
    """How many the file has, without its header."""


@dataclass(frozen=True, slots=True)
class Uncosted:
    """A listing that has no cost in some of its markets, with why."""

    id: str
    listing_id: int | None
    sku: str
    title: str
    markets: tuple[str, ...]
    quantity: int | None
    online: bool
    """Whether it can be bought in one of these markets."""
    why: str


@dataclass(frozen=True, slots=True)
class PricingQuery:
    """Which decisions, in which order.

    `where` is text in SKU, title or reason (all words), `standing` one of `STANDINGS`, `state` one of `STATES`, `sort`
    one of `PRICING_SORTS` with `-` in front for descending, `limit` 0 = all.
    """

    where: str = ""
    standing: str | None = None
    market: str | None = None
    state: str | None = None
    run: str | None = None
    sort: str = "-money"
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision about one price, with what the table shows beside it and what became of it."""

    decision: Decision
    title: str = ""
    quantity: int | None = None
    box: Backbox | None = None
    """What was last seen of the backbox, which may be later than what the decision rests on."""
    id: int = 0
    """0 where it was not kept, as in a dry run."""
    run: str = ""
    state: str = ""
    result: str | None = None
    """Why it was stopped or failed, or what was written."""
    intent: int | None = None


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision with what became of it; everything that it was made from is in `row.decision.made_from`."""

    row: DecisionRow
    again: tuple[DecisionRow, ...] = ()
    """As it was decided again before it was written, or not, newest first."""
    intent: Intent | None = None
    outcomes: tuple["OutcomeRow", ...] = ()


@dataclass(frozen=True, slots=True)
class StandingCount:
    """How many offers stand so, what is at stake by currency, and how many of their decisions wait for approval."""

    standing: Standing
    count: int
    money: tuple[Money, ...] = ()
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class PricingCounts:
    """The figures above the view."""

    standings: tuple[StandingCount, ...]
    waiting: int
    at: datetime | None
    """When it was last decided; None before the first run."""
    run: str | None
    mode: str
    paused: tuple["PauseRow", ...]
    notice: str | None = None
    """What the last run had to say, such as that a breaker stopped it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a backbox between two moments."""

    first: datetime
    last: datetime
    price: Money | None
    price_to_win: Money | None
    winner_price: Money | None
    winning: bool | None


@dataclass(frozen=True, slots=True)
class PriceAt:
    """A price of ours that held from `at` on."""

    at: datetime
    price: Money


@dataclass(frozen=True, slots=True)
class Sale:
    """Units sold at a price."""

    at: datetime
    units: int
    price: Money | None


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """A listing in a market over time, all of it oldest first."""

    listing: str
    sku: str
    title: str
    market: str
    currency: str
    since: datetime
    until: datetime
    prices: tuple[PriceAt, ...]
    seen: tuple[Seen, ...]
    sales: tuple[Sale, ...]
    changes: tuple[Intent, ...]
    """Our own changes of the price."""
    floor: Money | None = None
    ceiling: Money | None = None
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """What came of a change: `step` seconds after it, or earlier where another change `cut_short` the wait."""

    id: int
    intent: int
    run: str | None
    listing: str
    sku: str
    market: str
    rule: str | None
    strategy: str | None
    old: Money | None
    new: Money
    changed: datetime
    step: int
    due: datetime
    seen: datetime | None
    cut_short: bool
    won_before: bool | None
    winning: bool | None
    price_to_win: Money | None
    sold: int | None
    margin: Money | None
    """What the units sold left."""


@dataclass(frozen=True, slots=True)
class Score:
    """What the changes by one rule came to."""

    rule: str
    changes: int
    followed: int
    """How many of them were looked at afterwards."""
    gained: int
    """Backboxes won that were not ours before."""
    lost: int
    sold: int
    margin: tuple[Money, ...]
    """By currency."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of repricing. `cause` is `engine`, `apply`, `approve` or `console`."""

    id: int
    name: str
    cause: str
    mode: str
    at: datetime
    ended: datetime | None
    counts: Mapping[str, int]
    notice: str | None
    rules: str | None = None
    """The hash of the rules' text."""


@dataclass(frozen=True, slots=True)
class PauseRow:
    """What is paused: everything where neither market nor listing is named."""

    id: int
    market: str | None
    listing: str | None
    sku: str | None
    since: datetime
    why: str | None = None


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule with the listings that fall under it; the last one stands for what no rule is for."""

    name: str
    line: int | None
    mode: str
    strategies: tuple[str, ...]
    offers: int
    skus: tuple[str, ...]
    """The first few."""


@dataclass(frozen=True, slots=True)
class RuleUse:
    """Which rule an offer falls under."""

    listing: str
    sku: str
    market: str
    rule: str | None
    mode: str
    strategies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PricingPlan:
    """What repricing would do now; nothing is written yet."""

    run: str
    at: datetime
    mode: str
    decisions: tuple[DecisionRow, ...]
    counts: Mapping[str, int]
    breaker: str | None = None
    """Why the whole run is stopped, None where it is not."""


@dataclass(frozen=True, slots=True)
class RepriceProgress:
    """How far a run is: `done` of `total` decisions were decided again, and what became of them by state."""

    done: int
    total: int
    states: Mapping[str, int] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class RepriceResult:
    """What a run did: its decisions as they were decided again, the writes, and why it stopped where it did."""

    run: str
    decisions: tuple[DecisionRow, ...]
    intents: tuple[Intent, ...]
    states: Mapping[str, int]
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class ReplaySide:
    """What one file of rules would have done over a time. Shares are parts of 1, None where nothing can be told."""

    name: str
    offers: int
    looks: int
    changes: int
    cuts: int
    raises: int
    suggested: int
    """Of the changes, those that would have waited for approval; the replay approves them."""
    mean_change: Decimal | None
    won: Decimal | None
    """Of the looks that tell, those that would have won."""
    told: int
    """How many looks tell."""
    margin: Decimal | None
    """The mean margin of the prices that won."""
    held: int
    under_floor: int
    guards: Mapping[str, int]
    """How often which guard had an effect."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Several files of rules over the same observations."""

    since: datetime
    until: datetime
    offers: int
    observations: int
    sides: tuple[ReplaySide, ...]


def asked_besides(decisions: Sequence[Decision]) -> str:
    """Return why the number of these prices has to be confirmed before they are written; empty where it need not."""
    whys = [f"{len(decisions)} prices change"] if len(decisions) > MANY_ROWS else []
    far = [each for each in decisions if _jumps(each)]
    if far:
        more = f", and {len(far) - 1} more" if len(far) > 1 else ""
        whys.append(f"{far[0].sku} {far[0].market} changes by more than {BIG_JUMP} %{more}")
    return "; ".join(whys)


def _jumps(decision: Decision) -> bool:
    old, new = decision.old, decision.target
    return old is not None and new is not None and abs(new.minor - old.minor) * 100 > BIG_JUMP * old.minor
