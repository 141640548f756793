"""The numbers of the overview, gathered from the three files of a profile."""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from bmconsole.domain.costs import Cost, Vat
from bmconsole.domain.figures import DAYS, BoxFigures, Day, OpenWork, Overview, Sales, Waiting
from bmconsole.domain.money import Money, minor_digits
from bmconsole.domain.orders import Status
from bmconsole.domain.times import unstamp
from bmconsole.repricing.costbook import CostBook
from bmconsole.repricing.gathering import market_of
from bmconsole.store import costs as cost_rows
from bmconsole.store import figures, orders
from bmconsole.store.database import Database
from bmconsole.store.figures import BoxRow, HourRow, SightRow, SkuRow
from bmconsole.store.sqlite import Connection

Low = Mapping[str, tuple[int, int]]

_OVERSOLD = 100
_NOT_SOLD = (Status.PENDING, Status.UNPAID, Status.CANCELLED, Status.REFUNDED, Status.UNKNOWN)


async def gather(
    mirror: Database,
    journal: Database,
    history: Database,
    *,
    now: datetime,
    zone: tzinfo,
    currency: str,
    markets: Sequence[str],
    vat: str | None,
    due_today: int,
) -> Overview:
    """Return the overview as of `now`; the reads run beside each other, off the event loop.

    Args:
        mirror: Orders, listings and offers.
        journal: Writes and costs.
        history: What was seen of backboxes.
        now: The server's time.
        zone: The display zone, in which days begin and end.
        currency: The main market's.
        markets: The profile's, the main one first.
        vat: The scheme of costs that name none.
        due_today: How many open orders are due today.
    """
    today = now.astimezone(zone).date()
    since = datetime.combine(today - timedelta(days=DAYS - 1), time(), zone).astimezone(UTC)

    def mirrored(connection: Connection) -> tuple[list[HourRow], list[SkuRow], list[int]]:
        return (
            figures.hours(connection, since),
            figures.sold(connection, since),
            figures.shipping_seconds(connection, since),
        )

    def standing(connection: Connection) -> tuple[list[BoxRow], Low, list[str], int]:
        return (
            figures.boxes(connection),
            figures.low(connection),
            figures.oversold(connection, _OVERSOLD),
            figures.unknown_fields(connection),
        )

    def work(connection: Connection) -> OpenWork:
        by_status, late = orders.counts(connection, now)
        return OpenWork(
            to_accept=by_status.get(Status.TO_ACCEPT, 0),
            oldest=unstamp(figures.oldest(connection, Status.TO_ACCEPT)),
            to_ship=by_status.get(Status.TO_SHIP, 0),
            due_today=due_today,
            late=late,
        )

    def journalled(connection: Connection) -> tuple[dict[int, str], int, list[Cost]]:
        costs = [row.cost for row in cost_rows.current(connection)]
        return figures.accepted(connection, since), figures.conflicts(connection), costs

    (
        (hours, sold, shipped),
        (rows, low, oversold, unknown),
        waiting,
        (accepted, conflicts, costs),
        sights,
    ) = await asyncio.gather(
        mirror.read(mirrored),
        mirror.read(standing),
        mirror.read(work),
        journal.read(journalled),
        history.read(lambda connection: list(figures.sights(connection, since))),
    )
    paid = await mirror.read(lambda connection: figures.paid(connection, list(accepted)))
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    return Overview(
        at=now,
        work=waiting,
        sales=await asyncio.to_thread(
            _sales, hours, sold, days, zone, currency, costs, vat, _took(accepted, paid), _waiting(shipped)
        ),
        boxes=tuple(_boxes(rows, low, sights, markets, days)),
        oversold=tuple(oversold),
        unknown_fields=unknown,
        conflicts=conflicts,
    )


def _sales(
    hours: Iterable[HourRow],
    sold: Sequence[SkuRow],
    days: Sequence[date],
    zone: tzinfo,
    currency: str,
    costs: Iterable[Cost],
    vat: str | None,
    accepting: Waiting,
    shipping: Waiting,
) -> Sales:
    number, revenue = dict.fromkeys(days, 0), dict.fromkeys(days, 0)
    others: dict[str, int] = {}
    made = cancelled = refunded = shipped = late = 0
    for row in hours:
        if row.status in (Status.PENDING, Status.UNPAID):
            continue
        made += row.orders
        cancelled += row.orders * (row.status == Status.CANCELLED)
        refunded += row.orders * (row.status == Status.REFUNDED)
        shipped, late = shipped + row.shipped, late + row.late
        day = datetime.fromisoformat(f"{row.hour}:00:00+00:00").astimezone(zone).date()
        if row.status in _NOT_SOLD or day not in number:
            continue
        number[day] += row.orders
        if row.currency == currency:
            revenue[day] += row.amount
        elif row.currency is not None:
            others[row.currency] = others.get(row.currency, 0) + row.amount
    net, net_of = _net(sold, currency, CostBook(costs, ()), vat)
    return Sales(
        currency=currency,
        days=tuple(Day(day, number[day], revenue[day]) for day in days),
        others=tuple(Money(minor, name) for name, minor in sorted(others.items()) if minor),
        made=made,
        cancelled=cancelled,
        refunded=refunded,
        shipped=shipped,
        shipped_late=late,
        fee=sum(row.fee for row in sold if row.currency == currency),
        fee_of=sum(row.fee_of for row in sold if row.currency == currency),
        net=net,
        net_of=net_of,
        accepting=accepting,
        shipping=shipping,
    )


def _net(sold: Iterable[SkuRow], currency: str, book: CostBook, vat: str | None) -> tuple[int | None, int]:
    """Return what the SKUs left whose cost and VAT scheme are known, and their revenue, in minor units."""
    scheme = Vat.parse(vat) if vat is not None else None
    digits = minor_digits(currency)
    left, of = Decimal(0), 0
    for row in sold:
        market = market_of(row.country)
        cost = book.find(row.sku, market, None) if market is not None and row.currency == currency else None
        owed = scheme if cost is None or cost.vat is None else cost.vat
        if cost is None or owed is None or not row.fee_of:
            continue
        price = Decimal(row.amount).scaleb(-digits)
        fee = Decimal(row.fee).scaleb(-digits) * row.amount / row.fee_of
        margin = max(Decimal(0), price - row.units * cost.purchase)
        left += price - fee - row.units * cost.total - owed.u * price - owed.v * margin
        of += row.amount
    return (int(left.scaleb(digits)), of) if of else (None, 0)


def _took(accepted: Mapping[int, str], paid: Mapping[int, str]) -> Waiting:
    lengths = [
        (datetime.fromisoformat(at) - datetime.fromisoformat(paid[order])).total_seconds()
        for order, at in accepted.items()
        if order in paid
    ]
    return _waiting(sorted(int(length) for length in lengths if length >= 0))


def _waiting(seconds: Sequence[int]) -> Waiting:
    if not seconds:
        return Waiting()

    def at(share: float) -> timedelta:
        return timedelta(seconds=seconds[min(len(seconds) - 1, int(len(seconds) * share))])

    return Waiting(len(seconds), at(0.5), at(0.9))


def _boxes(
    rows: Iterable[BoxRow], low: Low, sights: Sequence[SightRow], markets: Sequence[str], days: Sequence[date]
) -> Iterable[BoxFigures]:
    by_market = {row.market: row for row in rows}
    for market in markets:
        row = by_market.get(market)
        if row is None:
            yield BoxFigures(market)
            continue
        empty, last_unit = low.get(market, (0, 0))
        yield BoxFigures(
            market=market,
            online=row.online,
            with_data=row.with_data,
            winning=row.winning,
            winnable=row.winnable,
            blocked=row.blocked,
            gap=None if row.gap is None else Money(round(row.gap), row.currency),
            above_max=row.above_max,
            empty=empty,
            last_unit=last_unit,
            trend=_trend([sight for sight in sights if sight.market == market], days),
        )


def _trend(sights: Iterable[SightRow], days: Sequence[date]) -> tuple[float | None, ...]:
    """Return the share of sights that were of a backbox of ours, by day; one that held for days counts on each."""
    names = [day.isoformat() for day in days]
    won, seen = [0] * len(names), [0] * len(names)
    for sight in sights:
        last = bisect_left(names, sight.last)
        for place in range(bisect_left(names, sight.first), min(last, len(names) - 1) + 1):
            seen[place] += sight.number
            won[place] += sight.number * sight.winning
    return tuple(ours / number if number else None for ours, number in zip(won, seen, strict=True))
