"""How the shop's orders are spread over time and states: what a seller's history looks like on a given morning.

Orders are numbered from the oldest. The newest few per cent are the open zone, the last four days: most of them wait to
be accepted or shipped, some too long. Behind it lies the past, thinner the older it gets, where every order is final.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from .draw import Draw

HOUR = 3_600_000_000  # microseconds, the unit of every time here
MINUTE = HOUR // 60
DAY = 24 * HOUR

# Ranks from the newest order that are worth a fixed role, so that even a small shop holds the rare cases.
TWO_LINES_TO_ACCEPT, QUANTITY_TWO_TO_SHIP, SHARED_SKU_TO_ACCEPT, HALF_ACCEPTED, ONE_LINE_CANCELLED = 3, 5, 7, 9, 11
_ROLES = {
    TWO_LINES_TO_ACCEPT: (1, 1),
    QUANTITY_TWO_TO_SHIP: (3, 2),
    SHARED_SKU_TO_ACCEPT: (1, 1),
    HALF_ACCEPTED: (1, 1),
    ONE_LINE_CANCELLED: (3, 2),
    13: (10, 8),
    15: (10, 9),
}
# The oldest that are still open: they should have left long ago.
_LATE_ROLES = {1: (3, 2), 2: (1, 1), 3: (3, 2)}
# The newest orders of the past.
_PAST_ROLES = {0: (9, 6), 1: (9, 5), 2: (9, 4), 3: (9, 3)}
_HIDDEN_EVERY, _HIDDEN_AT = 25, 20

# Payment to shipping: median 23 h, 90th percentile 70 h.
_MEDIAN_HOURS, _SIGMA = 23.0, 0.868
_NORMAL = NormalDist()

# (share in thousandths, order state, line state) by age.
_Fates = tuple[tuple[int, int, int], ...]
_FRESH: _Fates = ((400, 1, 1), (390, 3, 2), (70, 10, 8), (30, 10, 9), (90, 9, 3), (20, 9, 4))
_WAITING: _Fates = ((100, 1, 1), (250, 3, 2), (580, 9, 3), (40, 9, 4), (30, 9, 5))
_PAST: _Fates = ((880, 9, 3), (70, 9, 6), (40, 9, 4), (10, 9, 5))


@dataclass(slots=True)
class Head:
    """When an order happened and what became of it. Times are microseconds since 1970, None where it never happened."""

    state: int
    line_state: int
    created: int
    modified: int
    paid: int | None
    shipped: int | None


class History:
    """The times and states of a shop's orders.

    Args:
        seed: The world.
        listed: How many orders a list may show; those in states 0 and 8, which it never shows, come on top.
        now: Microseconds since 1970 that everything lies before.
    """

    def __init__(self, seed: int, listed: int, now: int) -> None:
        self.seed = seed
        self.now = now
        self.total = listed + self._hidden_among(listed)
        self.open_zone = max(min(self.total // 2, 30), min(self.total * 8 // 100, 900))
        self._span = min(540, max(30, self.total // 60)) * DAY

    @staticmethod
    def _hidden_among(listed: int) -> int:
        # Rank r is hidden when r % 25 == 20: after k hidden ones there were 24k + 20 listed ones or more.
        return 0 if listed <= _HIDDEN_AT else (listed - _HIDDEN_AT - 1) // (_HIDDEN_EVERY - 1) + 1

    def rank(self, index: int) -> int:
        """Return how many orders are newer."""
        return self.total - 1 - index

    def is_hidden(self, index: int) -> bool:
        """Return whether the order was invented in a state that lists never show."""
        return self.rank(index) % _HIDDEN_EVERY == _HIDDEN_AT

    def head(self, index: int) -> Head:
        """Return the times and states of the order of this number."""
        draw = Draw(self.seed, "order", index)
        rank = self.rank(index)
        created = self.now - self._age(rank) + draw.below(1_000_000) - 1_000_000
        state, line_state = self._fate(rank, draw)
        latest = self.now - MINUTE
        if line_state in {0, 7, 8}:
            modified = min(created + draw.between(1, 40) * MINUTE // 10, latest)
            return Head(state, line_state, created, modified, None, None)
        paid = min(created + draw.between(5, 200) * MINUTE // 10, latest)
        if line_state in {1, 9}:
            return Head(state, line_state, created, paid, paid, None)
        if line_state in {2, 4, 5}:
            return Head(state, line_state, created, min(paid + draw.below(5 * HOUR), latest), paid, None)
        hours = _MEDIAN_HOURS * math.exp(_SIGMA * _NORMAL.inv_cdf((draw.below(9_998) + 1) / 10_000))
        shipped = paid + round(hours * HOUR)
        if shipped >= latest:
            shipped = paid + (latest - paid) * draw.between(20, 90) // 100
        later = draw.between(2, 30) * DAY if line_state == 6 else draw.below(3 * DAY)
        modified = min(shipped + later, shipped + (latest - shipped) * draw.between(50, 99) // 100)
        return Head(state, line_state, created, modified, paid, shipped)

    def _age(self, rank: int) -> int:
        fresh, waiting = 22 * HOUR, 90 * HOUR
        if rank < self.open_zone:
            part = (rank + 0.5) / self.open_zone
            if part < 0.8:
                return round(fresh * part / 0.8)
            return fresh + round((waiting - fresh) * (part - 0.8) / 0.2)
        part = (rank - self.open_zone + 0.5) / (self.total - self.open_zone)
        return waiting + round((self._span - waiting) * math.pow(part, 1.3))

    def _fate(self, rank: int, draw: Draw) -> tuple[int, int]:
        chance = draw.below(1000)
        if rank < self.open_zone:
            if rank % _HIDDEN_EVERY == _HIDDEN_AT:
                return 0, 0
            if self.open_zone > max(_ROLES) and (role := _ROLES.get(rank) or _LATE_ROLES.get(self.open_zone - rank)):
                return role
            table = _FRESH if (rank + 0.5) / self.open_zone < 0.8 else _WAITING
        else:
            if rank % _HIDDEN_EVERY == _HIDDEN_AT:
                return 8, 7
            if rank - self.open_zone in _PAST_ROLES:
                return _PAST_ROLES[rank - self.open_zone]
            table = _PAST
        for share, state, line_state in table:
            if chance < share:
                return state, line_state
            chance -= share
        return table[-1][1:]
