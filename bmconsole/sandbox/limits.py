"""The platform's rate rules: exact sliding windows over arrivals, for each token, and the block that follows.

A window is half-open: a request at time t counts those that arrived after t - W. A request that does not fit is
answered 429, starts the rule's block, and is counted nowhere; neither are those refused during a block, which
they don't extend. Rules are taken together or not at all.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Rule:
    """So many requests (or lines) in so many seconds, then a block of so many seconds (0: while the window is full).

    `source` says where the rule comes from, `code` is the error code of its 429.
    """

    requests: int
    seconds: float
    block: float
    source: str
    code: str = "rate_limited"
    enabled: bool = True

    def as_json(self) -> dict[str, object]:
        return {
            "requests": self.requests,
            "seconds": self.seconds,
            "block": self.block,
            "enabled": self.enabled,
            "source": self.source,
        }


_GUIDELINES = "guidelines, traffic limitation"
_CARE = "after-sales documents"
RULES = {
    "edge": Rule(200, 10, 10, _GUIDELINES),
    "sensitive": Rule(20, 10, 10, _GUIDELINES + "; which endpoints is our reading: category tree and listing writes"),
    "competitors": Rule(2, 1, 0, "backbox documents, twice a second"),
    "listings_bi": Rule(2, 3600, 0, "backbox documents, for each country"),
    "sku_lines": Rule(2000, 3600, 0, "guidelines, data limitation"),
    "care_list": Rule(520, 60, 0, _CARE, "E008"),
    "care_list_day": Rule(4000, 86_400, 0, _CARE, "E008"),
    "care": Rule(600, 60, 0, _CARE, "E008"),
    "care_day": Rule(40_000, 86_400, 0, _CARE, "E008"),
    "care_refund": Rule(500, 86_400, 0, _CARE, "E008"),
    "care_message": Rule(560, 60, 0, _CARE, "E008"),
}


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request takes from a rule; `scope` splits a rule that holds for each country."""

    rule: str
    cost: int = 1
    scope: str = ""


def charges(method: str, path: str, market: str, lines: int) -> list[Charge]:
    """Return what a request takes, and from which rules.

    Args:
        method: The HTTP method.
        path: The path without the query.
        market: The market of the request.
        lines: How many lines of a catalogue the body holds.
    """
    path = path.rstrip("/")
    found = [Charge("edge")]
    if method == "POST" and (path == "/ws/listings" or path.startswith("/ws/listings/")):
        found += [Charge("sensitive"), Charge("sku_lines", lines)]
    elif path.startswith("/ws/category"):
        found.append(Charge("sensitive"))
    elif path.startswith("/ws/backbox/v1/competitors"):
        found.append(Charge("competitors"))
    elif path == "/ws/listings_bi":
        found.append(Charge("listings_bi", scope=market))
    elif path == "/ws/sav":
        found += [Charge("care_list"), Charge("care_list_day")]
    elif path == "/ws/sav/refund":
        found.append(Charge("care_refund"))
    elif path.startswith("/ws/sav/") and path.endswith("/msg"):
        found.append(Charge("care_message"))
    elif path.startswith("/ws/sav/"):
        found += [Charge("care"), Charge("care_day")]
    return found


class _Window:
    """What was admitted under one rule and token, and until when it is blocked."""

    __slots__ = ("admitted", "blocked_until", "total")

    def __init__(self) -> None:
        self.admitted: deque[tuple[float, int]] = deque()
        self.total = 0
        self.blocked_until = float("-inf")

    def forget(self, until: float) -> None:
        while self.admitted and self.admitted[0][0] <= until:
            self.total -= self.admitted.popleft()[1]


class Limiter:
    """Admits or refuses requests.

    Args:
        limits: As in `Options.limits`.
    """

    def __init__(self, limits: bool | Mapping[str, object] = True) -> None:
        self.rules = dict(RULES)
        self.enabled = limits is not False
        self._windows: dict[tuple[str, str, str], _Window] = {}
        if isinstance(limits, Mapping):
            self.configure(limits)

    def admit(self, token: str, wanted: Iterable[Charge], at: float) -> str | None:
        """Return None and count the request, or the name of the rule that refuses it at this time (seconds)."""
        if not self.enabled:
            return None
        held = [(charge, self.rules[charge.rule], self._window(charge, token)) for charge in wanted]
        held = [entry for entry in held if entry[1].enabled]
        for charge, _, window in held:
            if at < window.blocked_until:
                return charge.rule
        for charge, rule, window in held:
            window.forget(at - rule.seconds)
            if window.total + charge.cost > rule.requests:
                window.blocked_until = at + rule.block
                return charge.rule
        for charge, _, window in held:
            window.admitted.append((at, charge.cost))
            window.total += charge.cost
        return None

    def configure(self, changes: Mapping[str, object]) -> None:
        """Change rules: a name with `"200/10"`, an object of a Rule's fields, a boolean, or None for off.

        `enabled` switches all of them. Blocks that run end with the change.

        Raises:
            ValueError: An unknown rule or a value that is none of these.
        """
        rules, enabled = dict(self.rules), self.enabled
        for name, value in changes.items():
            if name == "enabled":
                if not isinstance(value, bool):
                    raise ValueError("enabled must be true or false")
                enabled = value
                continue
            if name not in rules:
                raise ValueError(f"unknown rule {name!r}; there are {', '.join(rules)}")
            rules[name] = _changed(name, rules[name], value)
        self.rules, self.enabled = rules, enabled
        for window in self._windows.values():
            window.blocked_until = float("-inf")

    def reset(self) -> None:
        """Forget everything admitted and every block."""
        self._windows.clear()

    def as_json(self) -> dict[str, object]:
        """Return the switch and the rules."""
        return {"enabled": self.enabled, "rules": {name: rule.as_json() for name, rule in self.rules.items()}}

    def _window(self, charge: Charge, token: str) -> _Window:
        return self._windows.setdefault((charge.rule, charge.scope, token), _Window())


def _changed(name: str, rule: Rule, value: object) -> Rule:
    if value is None or isinstance(value, bool):
        return replace(rule, enabled=bool(value))
    requests: object = rule.requests
    seconds: object = rule.seconds
    block: object = rule.block
    enabled: object = True
    if isinstance(value, str):
        requests, _, seconds = value.partition("/")
    elif isinstance(value, Mapping) and set(value) <= {"requests", "seconds", "block", "enabled", "source"}:
        requests, seconds = value.get("requests", requests), value.get("seconds", seconds)
        block, enabled = value.get("block", block), value.get("enabled", True)
    else:
        raise ValueError(f'{name} must be "requests/seconds", an object, a boolean or null')
    try:
        changed = replace(
            rule,
            requests=int(str(requests)),
            seconds=float(str(seconds)),
            block=float(str(block)),
            enabled=bool(enabled),
        )
    except ValueError:
        raise ValueError(f"{name} must hold numbers") from None
    if changed.requests < 0 or changed.seconds <= 0 or changed.block < 0:
        raise ValueError(f"{name} must not be negative")
    return changed
