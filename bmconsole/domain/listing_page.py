"""What there is to know around a listing: its floors, what waits to be sent, its grades beside each other, its past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bmconsole.domain.listings import GRADES
from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import DecisionView, PriceHistory
from bmconsole.domain.views import OrderRow


@dataclass(frozen=True, slots=True)
class Rung:
    """An offer of the same product in the same market: one grade of the ladder."""

    id: str
    sku: str
    grade: str | None
    price: Money
    quantity: int | None
    winning: bool | None
    own: bool
    """Whether it is the listing that the page is about."""


@dataclass(frozen=True, slots=True)
class ListingPage:
    """A listing's surroundings in one market."""

    market: str
    floors: Mapping[str, Money] = field(default_factory=dict)
    """By market, where a cost is known."""
    stock: int | None = None
    open_units: int = 0
    """Units sold and not yet sent, in all markets."""
    open_orders: tuple[OrderRow, ...] = ()
    """The most urgent ones."""
    ladder: tuple[Rung, ...] = ()
    """The grades of the product from the best to the worst; empty where it has no other."""
    decision: DecisionView | None = None
    history: PriceHistory | None = None

    @property
    def short_of(self) -> int:
        """How many units more are sold than there are; 0 where there are enough or the stock is not known."""
        return 0 if self.stock is None else max(0, self.open_units - max(0, self.stock), -self.stock)


def rank(grade: str | None) -> int:
    """Return the place of a grade from the best (0) to the worst; unknown ones come last."""
    return GRADES.index(grade) if grade in GRADES else len(GRADES)


def inversions(ladder: Sequence[Rung]) -> dict[str, str]:
    """Return the offers that cost less than (or as much as) a worse grade, by id, with that grade: money left lying."""
    found: dict[str, str] = {}
    for better in ladder:
        worse = [
            other
            for other in ladder
            if rank(other.grade) > rank(better.grade)
            and other.price.currency == better.price.currency
            and other.price.minor >= better.price.minor
        ]
        if worse and better.grade is not None:
            dearest = max(worse, key=lambda other: other.price.minor)
            found[better.id] = dearest.grade or "another grade"
    return found
