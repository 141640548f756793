"""What a sandbox is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .clock import Clock, SystemClock
from .markets import MARKETS

ORDERINGS = ("-date_modification", "date_modification", "-date_creation", "date_creation")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The arguments of a shop and its server. The same arguments (and the same `now`) give the same data.

    Args:
        seed: The world: names, prices, SKUs and fates all follow from it.
        orders: How many orders a list shows; a few more exist in the states 0 and 8, which lists never show.
        listings: How many listings there are.
        markets: Market codes, the main one first: it gets 92 % of the orders and stands in for unknown ones.
        port: Where to listen on 127.0.0.1; 0 takes a free port.
        token: What must follow `Authorization: Basic`; by default `sandbox-token-<seed>`.
        now: Where the history ends; by default the clock's time truncated to the hour.
        clock: The time of limits, new timestamps, `Date` headers and latencies.
        limits: False switches every rate rule off; a mapping changes single ones, as `PUT /_sandbox/limits` does.
        ordering: How `GET /ws/orders` sorts; the documents don't say. The default puts the newest change first.
        empty_past_the_end: Whether a page behind the last one answers an empty list instead of 404.
        backbox_share: The share of the listings that compete for a backbox.
        backbox_settle: How many seconds at least and at most a backbox needs to follow a price change.
        several_lines: The share of orders of several lines, beside a few of fixed role in the newest ones.
        live: Orders a second that come in by themselves, and what comes with them (see `live`); 0 stands still.
        rival_moves: How often an hour each rival reconsiders its price while the shop lives.
        editor: Prices a second that another editor of the seller changes while the shop lives.
        speed: How many times faster than that the backbox settles and rivals move: for runs with shortened timers.
        warm: Whether all JSON is written before the server listens: a slower start and about 1.7 kB an order and 0.7 kB
            a listing and market, for benchmarks that should measure the client and not this.

    Raises:
        ValueError: A market that doesn't exist, no market, a negative count, orders without listings, a bad ordering.
    """

    seed: int = 1
    orders: int = 500
    listings: int = 200
    markets: tuple[str, ...] = ("fr-fr",)
    port: int = 0
    token: str | None = None
    now: datetime | None = None
    clock: Clock = field(default_factory=SystemClock)
    limits: bool | Mapping[str, object] = True
    ordering: str = ORDERINGS[0]
    empty_past_the_end: bool = False
    backbox_share: float = 0.35
    backbox_settle: tuple[float, float] = (30.0, 180.0)
    several_lines: float = 0.001
    warm: bool = False
    live: float = 0.0
    rival_moves: float = 1.0
    editor: float = 0.0
    speed: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be from 0 to 2**63 - 1, not {self.seed}")
        if not self.markets:
            raise ValueError("at least one market is needed")
        for market in self.markets:
            if market not in MARKETS:
                raise ValueError(f"unknown market {market!r}; there are {', '.join(MARKETS)}")
        if len({MARKETS[market].region for market in self.markets}) > 1:
            raise ValueError("a platform serves one region: EU, NA and AP markets don't mix")
        if len(set(self.markets)) < len(self.markets):
            raise ValueError("a market is named twice")
        if self.orders < 0 or not 0 <= self.listings <= 9_999_999:
            raise ValueError("orders and listings must not be negative, listings at most 9,999,999")
        if self.orders and not self.listings:
            raise ValueError("orders need at least one listing")
        if not 0 <= self.live <= 1_000:
            raise ValueError("live must be from 0 to 1,000 orders a second")
        if not 0 <= self.backbox_settle[0] <= self.backbox_settle[1]:
            raise ValueError("backbox_settle must be two times, the smaller one first")
        if not 0 <= self.rival_moves <= 3_600 or not 0 <= self.editor <= 1_000:
            raise ValueError("rival_moves must be from 0 to 3,600 an hour, editor from 0 to 1,000 a second")
        if not 0.01 <= self.speed <= 10_000:
            raise ValueError("speed must be from 0.01 to 10,000")
        if self.ordering not in ORDERINGS:
            raise ValueError(f"unknown ordering {self.ordering!r}; there are {', '.join(ORDERINGS)}")

    @property
    def the_token(self) -> str:
        """The token that requests must carry."""
        return self.token or f"sandbox-token-{self.seed}"
