"""What is shown of the traffic: status line, `status --json`, `limits`, log. Plain values, no live objects."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bmconsole.domain.priority import Priority
from bmconsole.traffic.ledger import RuleUse

_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class PriorityUse:
    """One priority in this process: who waits, and how long the last thousand waited (seconds)."""

    priority: Priority
    depth: int
    oldest_wait: float
    p50_wait: float
    p99_wait: float
    grants: int
    expired: int


@dataclass(frozen=True, slots=True)
class Notice:
    """An event with its moment (UTC); `kind` and `rule` as in `LedgerEvent`."""

    at: datetime
    kind: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class TrafficSnapshot:
    """The whole picture. Rules are shared by all processes of the token, priorities are this process's."""

    rules: tuple[RuleUse, ...]
    priorities: tuple[PriorityUse, ...]
    in_flight: int
    trips: int
    sensitive_routes: tuple[str, ...]
    notices: tuple[Notice, ...]

    def rule(self, name: str) -> RuleUse:
        """Return one rule's figures.

        Raises:
            KeyError: There is no such rule.
        """
        for use in self.rules:
            if use.name == name:
                return use
        raise KeyError(name)

    def priority(self, priority: Priority) -> PriorityUse:
        """Return one priority's figures."""
        return self.priorities[priority]


class Waits:
    """The latest waits of one priority, in seconds."""

    __slots__ = ("_samples", "expired", "grants")

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self.grants = 0
        self.expired = 0

    def add(self, seconds: float) -> None:
        """Count a grant and how long it waited."""
        self.grants += 1
        self._samples.append(seconds)

    def percentiles(self) -> tuple[float, float]:
        """Return the p50 and p99 of the latest waits, 0 when there are none."""
        ordered = sorted(self._samples)
        return percentile(ordered, 0.5), percentile(ordered, 0.99)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return a percentile by nearest rank of sorted values, 0 when there are none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.999999) - 1))]
