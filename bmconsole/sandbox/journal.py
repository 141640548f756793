"""What the sandbox saw: enough to prove how a client behaved, in bounded memory."""

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .limits import Charge, Rule

MOST_WRITES, MOST_SEEN = 50_000, 20_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived: seconds of the sandbox's clock, and the status it got (0: the connection was dropped)."""

    at: float
    method: str
    path: str
    query: str
    market: str
    status: int


@dataclass(frozen=True, slots=True)
class Write:
    """A request that was not a GET.

    `status` is what the client was told (0: nothing, the connection was dropped); `executed` is the API's own status,
    None when the request never reached it. They differ where a fault swallowed the answer.
    """

    number: int
    at: float
    method: str
    path: str
    market: str
    body: object
    status: int
    executed: int | None

    def as_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


class _Arrivals:
    """Everything that arrived under one rule and token, refused or not: stamps in order, and what each one cost."""

    __slots__ = ("costs", "stamps")

    def __init__(self) -> None:
        self.stamps = array("d")
        self.costs = array("L")

    def most_within(self, seconds: float) -> int:
        """Return the largest sum of costs in any half-open window of this length."""
        most = total = first = 0
        for last, stamp in enumerate(self.stamps):
            total += self.costs[last]
            while self.stamps[first] <= stamp - seconds:
                total -= self.costs[first]
                first += 1
            most = max(most, total)
        return most


class Journal:
    """A record of requests. Control requests are not in it."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.total = 0
        self.counts: Counter[tuple[str, str, int]] = Counter()
        self.refused: Counter[str] = Counter()
        self.writes: deque[Write] = deque(maxlen=MOST_WRITES)
        self.seen: deque[Seen] = deque(maxlen=MOST_SEEN)
        self.first: float | None = None
        self.last: float | None = None
        self._writes_in_all = 0
        self._arrivals: dict[tuple[str, str, str], _Arrivals] = {}

    def arrived(self, token: str, charges: Iterable[Charge], at: float) -> None:
        """Take note of a request's arrival under the rules that it falls under."""
        for charge in charges:
            arrivals = self._arrivals.setdefault((charge.rule, charge.scope, token), _Arrivals())
            arrivals.stamps.append(at)
            arrivals.costs.append(charge.cost)

    def answered(
        self, seen: Seen, route: str, *, body: object = None, executed: int | None = None, refused_by: str | None = None
    ) -> None:
        """Take note of a request and of what became of it."""
        self.total += 1
        self.counts[(seen.method, route, seen.status)] += 1
        self.first = seen.at if self.first is None else min(self.first, seen.at)
        self.last = seen.at if self.last is None else max(self.last, seen.at)
        self.seen.append(seen)
        if refused_by is not None:
            self.refused[refused_by] += 1
        if seen.method not in {"GET", "HEAD"}:
            self._writes_in_all += 1
            self.writes.append(
                Write(self._writes_in_all, seen.at, seen.method, seen.path, seen.market, body, seen.status, executed)
            )

    @property
    def rate_limited(self) -> int:
        """How many requests were answered 429 by a rule."""
        return self.refused.total()

    def count(self, method: str | None = None, path: str = "", status: int | None = None) -> int:
        """Return how many requests had this method, a route that begins so, and this status; None stands for any."""
        return sum(
            number
            for (a_method, route, a_status), number in self.counts.items()
            if method in {None, a_method} and route.startswith(path) and status in {None, a_status}
        )

    def arrivals(self, rule: str) -> int:
        """Return how much arrived under a rule, over all tokens: requests, or lines where lines are what it counts."""
        return sum(sum(found.costs) for (name, _, _), found in self._arrivals.items() if name == rule)

    def most_within(self, rule: str, seconds: float) -> int:
        """Return the most that arrived under a rule in any window of this length, for the token that sent most.

        Everything that arrived counts, also what was answered 429: a client that keeps to N never shows more than N.
        """
        return max(
            (found.most_within(seconds) for (name, _, _), found in self._arrivals.items() if name == rule), default=0
        )

    def as_json(self, rules: Mapping[str, Rule], *, writes: int, seen: int) -> dict[str, object]:
        """Return the summary, the last so many writes and the last so many requests."""
        return {
            "requests": self.total,
            "rate_limited": self.rate_limited,
            "first_arrival": self.first,
            "last_arrival": self.last,
            "counts": [
                {"method": method, "route": route, "status": status, "count": count}
                for (method, route, status), count in sorted(self.counts.items())
            ],
            "rules": {
                name: {
                    "arrived": self.arrivals(name),
                    "most_in_window": self.most_within(name, rule.seconds),
                    "limit": rule.requests,
                    "seconds": rule.seconds,
                    "refused": self.refused[name],
                }
                for name, rule in rules.items()
            },
            "writes_in_all": self._writes_in_all,
            "writes": [write.as_json() for write in list(self.writes)[-writes:]] if writes else [],
            "seen": [{name: getattr(one, name) for name in Seen.__slots__} for one in list(self.seen)[-seen:]]
            if seen
            else [],
        }
