"""The rivals: in each backbox the best of them asks a price, and moves it in the way that is its own.

How often they move is the shop's life (see `live`); what a rival does on its next move follows from the seed, from the
place, from how often it moved before and from our own price: the same world and the same acts give the same prices.
"""

from dataclasses import dataclass

from .draw import Draw
from .listings import Listings
from .markets import MARKETS

STEADY, WANDERING, UNDERCUTTING, ABSENT = "steady", "wandering", "undercutting", "absent"
_LOWEST, _HIGHEST = 85, 115  # per cent of the price that a rival began with
_PULL = 4  # a wandering rival comes back by one part in so many of its distance


@dataclass(slots=True)
class _Rival:
    """A rival that is no longer as invented. `anchor` is the price that its own moves keep near (minor units)."""

    price: int | None
    anchor: int | None
    moves: int = 0


class Rivals:
    """The best rival of each listing in each market.

    `steady` ones seldom move, by 2 % at most. `wandering` ones go up and down between 85 and 115 % of where they began.
    `undercutting` ones answer us: where we win they go just below our price, until that is under a floor of their own,
    then give up and go above where they began; where they win they creep up to us. `absent`: nobody else sells it.

    Args:
        listings: The shop's listings, from whose first prices rivals are invented.
    """

    def __init__(self, listings: Listings) -> None:
        self._listings = listings
        self._known: dict[tuple[int, str], _Rival] = {}

    def price(self, index: int, market: str) -> int | None:
        """Return what the best rival asks, in minor units; None where nobody else sells it."""
        known = self._known.get((index, market))
        return self._first_price(index, market) if known is None else known.price

    def set(self, index: int, market: str, price: int | None) -> None:
        """Give the rival a price (minor units), which its own moves start from; None sends it away."""
        self._known[(index, market)] = _Rival(price, price)

    def temper(self, index: int, market: str) -> str:
        """Return how the rival behaves: STEADY, WANDERING, UNDERCUTTING or, where there is none, ABSENT."""
        if self.price(index, market) is None:
            return ABSENT
        chance = Draw(self._listings.seed, "temper", index, market).below(100)
        return STEADY if chance < 45 else WANDERING if chance < 82 else UNDERCUTTING

    def move(self, index: int, market: str, ours: int) -> bool:
        """Let the rival make its next move against our price (minor units); return whether its own changed."""
        price, anchor = self.price(index, market), self._anchor(index, market)
        if price is None or anchor is None:
            return False
        rival = self._known.setdefault((index, market), _Rival(price, anchor))
        rival.moves += 1
        draw = Draw(self._listings.seed, "move", index, market, rival.moves)
        temper = self.temper(index, market)
        if temper == STEADY:
            wanted = price * draw.between(980, 1020) // 1000 if draw.happens(0.3) else price
        elif temper == WANDERING:
            wanted = price * draw.between(960, 1040) // 1000 + (anchor - price) // _PULL
        else:
            wanted = self._answer(draw, index, market, price, anchor, ours)
        step = smallest_step(market)
        bounded = max(anchor * _LOWEST // 100, min(anchor * _HIGHEST // 100, wanted))
        rival.price = max(step, bounded // step * step)
        return rival.price != price

    @staticmethod
    def _answer(draw: Draw, index: int, market: str, price: int, anchor: int, ours: int) -> int:
        """Return what an undercutting rival wants to ask now."""
        step = smallest_step(market)
        just_below = min(ours * 995 // 1000, ours - step)
        if ours <= price:
            floor = anchor * (86 + index % 8) // 100
            return just_below if just_below >= floor else anchor * draw.between(103, 110) // 100
        return min(just_below, price * 101 // 100) if draw.happens(0.4) else price

    def _anchor(self, index: int, market: str) -> int | None:
        known = self._known.get((index, market))
        return self._first_price(index, market) if known is None else known.anchor

    def _first_price(self, index: int, market: str) -> int | None:
        draw = Draw(self._listings.seed, "rival", index, market)
        if draw.happens(0.04):
            return None
        step = smallest_step(market)
        price = self._listings.first_price(index, market)
        return max(step, price * (88 + draw.below(25)) // 100 // step * step)


def smallest_step(market: str) -> int:
    """Return by how much prices differ at least, in minor units: a cent, ten yen."""
    return 10 if MARKETS[market].exponent == 0 else 1
