"""Which listing's backbox is worth a look next: by value and by how likely something has changed, not by place."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from bmconsole.store.observations import Online

MEMORY = timedelta(days=14)
"""How far back changes count."""
_EXPECTED = 1.0
"""How many changes are assumed of a listing before any was seen: a new one is watched until it proves stable."""
_PATIENCE_DAYS = 7.0
"""After so many days without a look even the cheapest stable listing weighs as much as an average one that changed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A listing with what its next look is worth; `score` is infinite where there was none yet."""

    listing: str
    score: float
    value: float


def in_turn(listings: Iterable[Online], changes: Mapping[str, int], now: datetime) -> list[str]:
    """Return the UUIDs of listings, the one whose look is worth most first.

    The worth is the listing's price in relation to its market's median, times the chance that something has changed
    since the last look at the rate of the last 14 days. Never looked at comes first.

    Args:
        listings: What is online.
        changes: How often what was seen of a listing changed within `MEMORY`.
        now: The server's clock.
    """
    known = list(listings)
    usual = _medians(known)
    turns = [_turn(each, changes.get(each.listing, 0), usual, now) for each in known]
    turns.sort(key=lambda turn: (-turn.score, -turn.value, turn.listing))
    return [turn.listing for turn in turns]


def _turn(each: Online, changes: int, usual: Mapping[str, float], now: datetime) -> Turn:
    value = max((price / usual[market] for market, price in each.prices.items()), default=0.0)
    if each.last is None:
        return Turn(each.listing, math.inf, value)
    age = max(0.0, _days(now - each.last))
    known_for = min(_days(now - each.first_seen), _days(MEMORY))
    a_day = (changes + _EXPECTED) / (max(0.0, known_for) + 1.0)
    return Turn(each.listing, value * (1.0 - math.exp(-a_day * age)) + age / _PATIENCE_DAYS, value)


def _medians(listings: Sequence[Online]) -> dict[str, float]:
    prices: dict[str, list[int]] = {}
    for each in listings:
        for market, price in each.prices.items():
            prices.setdefault(market, []).append(price)
    return {market: max(1.0, median(found)) for market, found in prices.items()}


def _days(span: timedelta) -> float:
    return span / timedelta(days=1)
