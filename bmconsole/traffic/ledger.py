"""The seam between the controller, one in each process, and the ledger that all processes of a token share.

The controller queues and times; the ledger knows what was granted, says yes or no, and is told how each request ended.
In memory, in an SQLite file, or over a network: an answer comes at once, or as a future of one.
"""

from asyncio import Future
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from bmconsole.domain.priority import Priority
from bmconsole.traffic.routes import Costs


class Outcome(Enum):
    """How a request that was answered was answered, as far as the limits care."""

    OK = "ok"
    THROTTLED = "429"
    FIREWALL = "firewall"
    SERVER_ERROR = "5xx"


@dataclass(slots=True)
class Granted:
    """A slot: the request may be handed to the network now.

    `next_at`: the pace allows the next request of this priority no earlier. `overdue`: bits of the priorities that
    were passed over too often and go first.
    """

    ticket: int
    at: float
    next_at: float
    overdue: int


@dataclass(slots=True)
class Denied:
    """No slot before `retry_at` (ledger seconds): the earliest release that is known, never a reason to poll.

    `rule` is what holds the request up; empty where the ledger itself was busy.
    """

    retry_at: float
    rule: str
    overdue: int


Answer = Granted | Denied


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """Something that people should know: shown in the status line, the log and `status`.

    `kind`: `pause` (429 or firewall; `seconds` long), `resumed`, `slow` (repeated 5xx), `foreign` (another program uses
    the token), `learned` (a route counts as sensitive now), `held` (another process holds the ledger), `damaged`.
    """

    kind: str
    rule: str
    message: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleUse:
    """How full one rule is. `next_slot` and `paused` are seconds from now (for NORMAL), 0 when free."""

    name: str
    limit: int
    window: float
    working_limit: float
    used: int
    in_flight: int
    next_slot: float
    paused: float
    probing: bool
    trips: int
    round_trip: float


class Ledger(Protocol):
    """What the controller asks. Times are seconds on the ledger's clock.

    An answer must leave every rule's window intact whatever happens next: processes die, answers get lost.
    """

    def now(self) -> float:
        """Return the ledger's time."""

    def listen(self, callback: Callable[[LedgerEvent], None]) -> None:
        """Have every event of this ledger told to `callback`."""

    def take(self, costs: Costs, priority: Priority, waiting: int) -> "Answer | Future[Answer]":
        """Ask for a slot of all the rules together.

        `waiting` has a bit for each priority that has somebody waiting in this process.
        """

    def settle(self, ticket: int, outcome: Outcome, route: str) -> None:
        """The response arrived just now: hold the slot for one more window, and heed what the answer says."""

    def lose(self, ticket: int) -> None:
        """The request ended without a response after it was handed over: it may still arrive for a while."""

    def refund(self, ticket: int) -> None:
        """The request was never handed over: the slot is free again."""

    def learned(self) -> Mapping[str, float]:
        """Return the routes that count as sensitive, with the UTC second until which."""

    def attach(self, console: bool) -> None:
        """Say whether this process has a console: the reserve is kept while any has."""

    def uses(self) -> tuple[RuleUse, ...]:
        """Return how full the rules are; may be a moment old."""

    def reset(self) -> None:
        """Forget pauses, lowered working limits and learned routes; what was sent still counts."""

    def close(self) -> None:
        """Let go of the ledger; what is still in flight counts as lost."""
