"""Which rules a request counts for, told by its method and path.

Everything counts for the edge. Which endpoints are sensitive is not documented: the category tree and listing writes
are taken as such, listing reads as plain; 429s teach otherwise (`feedback`).
"""

import re
from dataclasses import dataclass

from bmconsole.traffic.rules import EDGE, SENSITIVE

Costs = tuple[tuple[str, int], ...]
"""What a request takes: (counted rule name, cost), the edge first."""

_ID = re.compile(r"^(?:\d+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{24,})$")


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    path: re.Pattern[str]
    rules: tuple[str, ...]


def _route(method: str, path: str, *rules: str) -> _Route:
    pattern = "^" + re.escape(path).replace(r"\{\}", "[^/]+") + "/?$"
    return _Route(method, re.compile(pattern), rules)


_ROUTES = (
    _route("POST", "/ws/listings", SENSITIVE, "sku_lines"),
    _route("POST", "/ws/listings/{}", SENSITIVE, "sku_lines"),
    _route("GET", "/ws/category/tree", SENSITIVE),
    _route("GET", "/ws/category/tree/{}", SENSITIVE),
    _route("GET", "/ws/backbox/v1/competitors/{}", "competitors"),
    _route("GET", "/ws/listings_bi", "listings_bi"),
    _route("GET", "/ws/sav", "care", "care_day"),
    _route("POST", "/ws/sav/refund", "care_refund_day"),
    _route("GET", "/ws/sav/{}", "care_folder", "care_folder_day"),
    _route("POST", "/ws/sav/{}/msg", "care_message", "care_message_day"),
    _route("POST", "/ws/sav/{}/problem", "care_problem", "care_problem_day"),
    _route("POST", "/ws/sav/{}/item-transfer", "care_transfer", "care_transfer_day"),
)

_SCOPED = frozenset({"listings_bi"})
_BY_LINES = frozenset({"sku_lines"})


def route_name(method: str, path: str) -> str:
    """Return the route as people and the ledger name it, ids left out: `GET /ws/orders/{id}`."""
    parts = ["{id}" if _ID.match(part) else part for part in path.split("/")]
    return f"{method.upper()} {'/'.join(parts).rstrip('/') or '/'}"


def costs_of(method: str, path: str, *, sku_lines: int = 1, market: str | None = None) -> Costs:
    """Return what a request takes from which rules, the edge first.

    Args:
        method: The HTTP method.
        path: The path, without the query.
        sku_lines: How many SKU lines a listing write carries.
        market: The market of the request (`fr-fr`), for rules that count by country.
    """
    wanted = method.upper()
    for route in _ROUTES:
        if route.method == wanted and route.path.match(path):
            lines = max(1, sku_lines)
            rest = ((_counted(rule, market), lines if rule in _BY_LINES else 1) for rule in route.rules)
            return ((EDGE, 1), *rest)
    return ((EDGE, 1),)


def _counted(rule: str, market: str | None) -> str:
    if rule not in _SCOPED:
        return rule
    country = (market or "").partition("-")[2].upper()
    return f"{rule}:{country}" if country.isalpha() and len(country) == 2 else rule
