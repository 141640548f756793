"""What the faces show: frozen values that the workspace hands out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bmconsole.domain.intents import Change, Intent
from bmconsole.domain.listings import Listing
from bmconsole.domain.orders import Order
from bmconsole.domain.rows import ListingRow as ListingRow
from bmconsole.domain.rows import OrderRow as OrderRow
from bmconsole.domain.rows import Query as Query


@dataclass(frozen=True, slots=True)
class OrderInspection:
    """An order as Back Market just answered it, beside the cached one.

    `differing` names the fields (paths like `state`, `orderlines.123.state`) whose values differ from the cache,
    `unknown` the fields that no model knows with their values as text. `fetched_at` is the server's time in UTC.
    """

    live: Order
    cached: Order | None
    differing: tuple[str, ...]
    unknown: Mapping[str, str]
    fetched_at: datetime
    raw: str
    """The answer as compact JSON, not cleaned: for a file or a pretty-printer, never straight to a screen."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. `level` is `debug`, `info`, `warning` or `error`, `ref` is `order:ID` or `listing:UUID`."""

    id: int
    at: datetime
    level: str
    source: str
    message: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class PassResult:
    """What a pass over one stream did."""

    stream: str
    pages: int
    seen: int
    changed: int
    quarantined: int
    clean: bool

    def as_json(self) -> dict[str, int | bool]:
        return {
            "pages": self.pages,
            "seen": self.seen,
            "changed": self.changed,
            "quarantined": self.quarantined,
            "clean": self.clean,
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass is: `done` of `total` records (total None before the first answer), after `pages` pages."""

    stream: str
    pages: int
    done: int
    total: int | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class JobState:
    """One timer of the engine. `next_run` None means switched off or not run by this process."""

    name: str
    interval: float | None
    """Seconds, None when off."""
    running: bool
    last_run: datetime | None
    last_result: str | None
    last_error: str | None
    next_run: datetime | None


@dataclass(frozen=True, slots=True)
class RuleState:
    """One limit: `used` of `limit` slots per `window` seconds, now allowing `working`."""

    name: str
    limit: int
    window: float
    used: int
    working: int
    paused_for: float = 0.0
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The state of the limiter; `waiting` counts requests in the queue by priority name."""

    rules: tuple[RuleState, ...]
    waiting: Mapping[str, int]
    trips: int


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What a process of this machine says about itself."""

    pid: int
    program: str
    """`console`, `run` or `command`."""
    profile: str
    engine: str
    """As in `WorkspaceStatus`."""
    doing: tuple[str, ...]
    waiting: Mapping[str, int]
    """Requests in its queue by priority name."""
    trouble: str | None
    started: datetime
    silent: float
    """Seconds since it was last heard of."""

    @property
    def name(self) -> str:
        """What people call it: `run (pid 4711)`."""
        return f"{self.program} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class WorkspaceStatus:
    """Everything that a status line or `bmconsole status` tells."""

    profile: str
    host: str
    environment: str
    """`production`, `preprod` or `sandbox`."""
    markets: tuple[str, ...]
    access: str
    engine: str
    """`here`, `elsewhere` (another process holds it, see `engine_holder`) or `stopped`."""
    engine_holder: str | None
    orders: int
    listings: int
    statuses: Mapping[str, int]
    """Orders by status."""
    late: int
    unfinished_writes: int
    quarantined: int
    jobs: tuple[JobState, ...]
    traffic: Traffic
    feeds: Mapping[str, datetime | None]
    """When each stream (orders, listings, backbox) was last pulled cleanly, UTC."""
    server_now: datetime
    online: bool | None
    """Whether the last request got an answer; None before the first."""
    audit_head: str = ""
    """The hash that all of the audit goes into, in hex; empty before the first write."""
    processes: tuple[ProcessState, ...] = ()
    """Those of this machine that stay, of every profile."""
    oldest_unfinished: datetime | None = None
    """When the unfinished write that moved least lately did so."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of each file with its log."""
    free_bytes: int | None = None
    """What is left on the disk that they lie on; None where it cannot be told."""
    versions: Mapping[str, str] = field(default_factory=dict)
    colour: str | None = None
    """What marks the profile among several."""


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What would be written: shown as a diff, then given back to `apply`.

    `changes` is what people see, one line a field; `intents` is what will be written, unsaved. An empty plan means
    that everything is already as wanted. `confirm` is the number that must be confirmed besides (0: none), with why.
    """

    changes: tuple[Change, ...]
    intents: tuple[Intent, ...]
    notes: tuple[str, ...] = ()
    confirm: int = 0
    why_confirm: str = ""
    run: str | None = None
    """What joins the intents of a bulk, for `writes undo --run`."""


@dataclass(frozen=True, slots=True)
class OrderNote:
    """What the operator noted on an order, and when (UTC)."""

    order_id: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class WriteProgress:
    """How many of `total` writes have ended, and how: counts by the state's name."""

    done: int
    total: int
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ListingView:
    """A listing with what is going on around it."""

    listing: Listing
    intents: tuple[Intent, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """A listing that Back Market no longer shows, waiting for the operator to say that it is gone."""

    id: str
    listing_id: int | None
    sku: str
    title: str
    quantity: int | None
    """The last known stock."""
    found: datetime
    """When it was first missed, UTC."""
