"""Makes the facts that repricing decides from, out of rows read in bulk; a function of what it is given."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Protocol, TypeVar

from bmconsole.domain.costs import Cost
from bmconsole.domain.decisions import Mode
from bmconsole.domain.listings import GRADES, ONLINE, Backbox
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import Money, exact
from bmconsole.domain.times import stamp, unstamp
from bmconsole.pricing.history import past
from bmconsole.pricing.replay import Track
from bmconsole.pricing.values import Change, Facts, Seen
from bmconsole.repricing.costbook import CostBook
from bmconsole.store.facts import ChangeRow, OfferRow, PriceRow, SeenRow, SoldRow
from bmconsole.store.pauses import Pause

MEMORY = timedelta(days=7)
"""How far back observations, sales and changes of ours count."""
FEES = timedelta(days=90)
"""How far back the commission of past orders is measured."""
_FEE_GRAIN = Decimal("0.0001")
_HIGHEST_FEE = Decimal("0.5")
_RANKS = {grade: rank for rank, grade in enumerate(GRADES)}

Key = tuple[str, str]
"""A listing's UUID and a market."""


@dataclass(slots=True)
class Material:
    """Everything that was read: rows of the three files."""

    offers: Sequence[OfferRow] = ()
    """All that are online, which better and worse grades are looked for among."""
    seen: Iterable[SeenRow] = ()
    prices: Iterable[PriceRow] = ()
    first_prices: Mapping[Key, int] = field(default_factory=dict)
    sold: Iterable[SoldRow] = ()
    changes: Sequence[ChangeRow] = ()
    costs: Iterable[Cost] = ()
    pauses: Sequence[Pause] = ()
    unsettled: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the faces show of an offer beside its decision."""

    title: str
    quantity: int | None
    box: Backbox | None


@dataclass(slots=True)
class _Sales:
    """What the orders of a SKU in a market say."""

    units: int = 0
    paid: int = 0
    fees: int = 0

    def fee(self) -> Decimal | None:
        if self.paid <= 0 or self.fees <= 0:
            return None
        share = (Decimal(self.fees) / Decimal(self.paid)).quantize(_FEE_GRAIN, ROUND_HALF_UP)
        return share if share < _HIGHEST_FEE else None


def gather(material: Material, now: datetime, *, only: frozenset[str] | None = None) -> list[Facts]:
    """Return the facts about every offer of `material`, or about those of the listings in `only`."""
    book = CostBook(material.costs, ())
    seen = _by_key(material.seen, _seen)
    prices = _by_key(material.prices, _price)
    changes = _by_key(material.changes, _change)
    sales = _sales(material.sold, now)
    ladder = _Ladder(material.offers)
    found = []
    for row in material.offers:
        if only is not None and row.id not in only:
            continue
        key = (row.id, row.market)
        sold = sales.get((row.sku, row.market))
        first = material.first_prices.get(key)
        better, worse = ladder.beside(row)
        price = _money(row.price, row.currency)
        found.append(
            Facts(
                listing=row.id,
                sku=row.sku,
                market=row.market,
                currency=row.currency,
                price=price,
                min_price=_money(row.min_price, row.currency),
                max_price=_money(row.max_price, row.currency),
                title=row.title,
                grade=row.grade,
                product=row.product_id,
                quantity=row.quantity,
                publication_state=row.publication_state,
                first_seen=unstamp(row.first_seen),
                live_at=unstamp(row.fetched_at),
                box=backbox(row),
                past=past(
                    seen.get(key, ()),
                    changes.get(key, ()),
                    now,
                    price=price,
                    prices=prices.get(key, ()),
                    sold=0 if sold is None else sold.units,
                ),
                cost=book.find(row.sku, row.market, row.grade) if row.market in MARKETS else None,
                measured_fee=None if sold is None else sold.fee(),
                first_price=_money(first, row.currency),
                better=better,
                worse=worse,
                paused=_paused(row, material),
                mode=Mode(material.modes[row.id]) if row.id in material.modes else None,
            )
        )
    return found


def tracks_of(
    facts: Iterable[Facts], seen: Iterable[SeenRow], prices: Iterable[PriceRow], since: datetime
) -> list[Track]:
    """Return what was seen of each offer, with the price that it had at `since`; those never seen are left out."""
    rows, asked = _by_key(seen, _seen), _by_key(prices, _price)
    tracks = []
    for each in facts:
        looks = rows.get((each.listing, each.market))
        if not looks:
            continue
        earlier = [price for price, at in asked.get((each.listing, each.market), ()) if at <= since]
        first = next((look.price for look in looks if look.price is not None), None)
        tracks.append(Track(replace(each, price=earlier[-1] if earlier else first or each.price), looks))
    return tracks


def backbox(row: OfferRow) -> Backbox | None:
    """Return what the last look at an offer's backbox showed; None where it showed no data, or there was none."""
    if row.box_first is None or row.box_last is None:
        return None
    return Backbox(
        _money(row.box_price, row.currency),
        _money(row.price_to_win, row.currency),
        _money(row.winner_price, row.currency),
        None if row.winning is None else bool(row.winning),
        datetime.fromisoformat(row.box_first),
        datetime.fromisoformat(row.box_last),
    )


def market_of(country: str | None) -> str | None:
    """Return the market of an order's country, which Back Market writes as `FR` or `fr-fr`."""
    if country is None:
        return None
    return country.lower() if country.lower() in MARKETS else _BY_COUNTRY.get(country.upper())


_BY_COUNTRY = {place.country: code for code, place in MARKETS.items() if place.country is not None}


def shown(rows: Iterable[OfferRow]) -> dict[Key, Shown]:
    """Return what is shown beside the decisions about these offers."""
    return {(row.id, row.market): Shown(row.title, row.quantity, backbox(row)) for row in rows}


class _Ladder:
    """The prices of all grades of a product in a market, ours and online."""

    def __init__(self, rows: Iterable[OfferRow]) -> None:
        self._steps: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        for row in rows:
            rank = _RANKS.get(row.grade or "")
            if row.product_id is None or rank is None or row.price is None or row.publication_state != ONLINE:
                continue
            self._steps.setdefault((row.product_id, row.market), []).append((rank, row.price, row.currency))

    def beside(self, row: OfferRow) -> tuple[Money | None, Money | None]:
        """Return the lowest price of a better grade and the highest of a worse one."""
        rank, steps = _RANKS.get(row.grade or ""), self._steps.get((row.product_id or "", row.market))
        if rank is None or steps is None or len(steps) < 2:
            return None, None
        better = [price for other, price, currency in steps if other < rank and currency == row.currency]
        worse = [price for other, price, currency in steps if other > rank and currency == row.currency]
        return (
            Money(min(better), row.currency) if better else None,
            Money(max(worse), row.currency) if worse else None,
        )


def _sales(rows: Iterable[SoldRow], now: datetime) -> dict[tuple[str, str], _Sales]:
    since = stamp(now - MEMORY)
    found: dict[tuple[str, str], _Sales] = {}
    for row in rows:
        market = market_of(row.country)
        if market is None:
            continue
        own = found.setdefault((row.sku, market), _Sales())
        if row.created >= since:
            own.units += row.quantity
        if row.price is not None and row.fee is not None and row.currency == MARKETS[market].currency:
            own.paid += row.price
            own.fees += row.fee
    return found


def _paused(row: OfferRow, material: Material) -> str | None:
    for pause in material.pauses:
        if pause.listing is None and pause.market is None:
            continue
        if pause.market in (None, row.market) and pause.listing in (None, row.id):
            return "listing" if pause.listing is not None else f"market {row.market}"
    return material.unsettled.get(row.id)


@lru_cache(maxsize=1 << 16)
def _money(minor: int | None, currency: str) -> Money | None:
    # Looked up: the same few amounts come again and again, in a price, what wins and what won
    return None if minor is None else Money(minor, currency)


def _change(row: ChangeRow) -> Change | None:
    if row.before is None or row.market not in MARKETS:
        return None
    currency = MARKETS[row.market].currency
    return Change(datetime.fromisoformat(row.at), exact(row.before, currency), exact(row.after, currency))


def _price(row: PriceRow) -> tuple[Money, datetime] | None:
    if row.price is None or row.market not in MARKETS:
        return None
    return Money(row.price, MARKETS[row.market].currency), datetime.fromisoformat(row.first_seen)


def _seen(row: SeenRow) -> Seen:
    currency = row.currency
    return Seen(
        _money(row.price, currency),
        _money(row.price_to_win, currency),
        _money(row.winner_price, currency),
        None if row.winning is None else bool(row.winning),
        datetime.fromisoformat(row.first_seen),
        datetime.fromisoformat(row.last_seen),
        row.looks,
    )


class _Keyed(Protocol):
    @property
    def listing(self) -> str: ...
    @property
    def market(self) -> str: ...


R = TypeVar("R", bound=_Keyed)
V = TypeVar("V")


def _by_key(rows: Iterable[R], made: Callable[[R], V | None]) -> dict[Key, list[V]]:
    found: dict[Key, list[V]] = {}
    for row in rows:
        value = made(row)
        if value is not None:
            found.setdefault((row.listing, row.market), []).append(value)
    return found
