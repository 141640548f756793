"""What the days before tell about an offer, from stored rows: averages, medians, flips, and what raises came to."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from bmconsole.domain.money import Money
from bmconsole.pricing.values import Change, Past, Seen

KEPT = timedelta(days=7)
"""How far back observations are needed; our own changes for 48 hours, and for as long as a raise is remembered."""

_DAYS_OF_AVERAGE = timedelta(days=3)
_DAYS_OF_FLIPS = timedelta(hours=48)
_SECOND = timedelta(seconds=1)


def past(
    seen: Sequence[Seen],
    changes: Sequence[Change],
    now: datetime,
    *,
    price: Money | None,
    prices: Sequence[tuple[Money, datetime]] = (),
    sold: int = 0,
    lost_within: timedelta = timedelta(hours=12),
    settle: timedelta = timedelta(seconds=180),
) -> Past:
    """Return the past of one offer.

    Args:
        seen: Its observations of the last 7 days, oldest first; rows without data among them.
        changes: Our own changes of its price, oldest first; the last one however old, where there is one.
        now: UTC.
        price: What it costs now; only amounts in its currency count.
        prices: What it cost and since when, oldest first; each held until the next, the last one until now.
        sold: Units sold in the last 7 days.
        lost_within: How soon after a raise a lost box counts as lost by it.
        settle: How long the backbox takes to follow a change.
    """
    currency = None if price is None else price.currency
    seen = [each for each in seen if each.first_seen <= now]
    since, looks = _winning(seen, changes)
    won_at, lost_at = bracket(seen, changes, lost_within=lost_within, settle=settle)
    return Past(
        changes=tuple(changes),
        flips=tuple(at for at in _flips(seen) if now - at < _DAYS_OF_FLIPS),
        winning_since=since,
        winning_looks=looks,
        average=_average(prices, currency, now) or price,
        anchor=_median(seen, currency, now),
        sold=sold,
        win_rate=_win_rate(seen, now),
        won_at=won_at,
        lost_at=lost_at,
    )


def bracket(
    seen: Sequence[Seen], changes: Sequence[Change], *, lost_within: timedelta, settle: timedelta
) -> tuple[Money | None, Money | None]:
    """Return the highest price that is known to win and the lowest that a raise was lost at."""
    won: Money | None = None
    lost: Money | None = None
    for number, change in enumerate(changes):
        if change.new.minor <= change.old.minor:
            continue
        start = change.at + settle
        end = change.at + lost_within
        if number + 1 < len(changes):
            end = min(end, changes[number + 1].at)
        during = [each for each in seen if each.last_seen > start and each.first_seen <= end]
        if any(each.winning is False for each in during):
            lost = change.new if lost is None else min(lost, change.new, key=_minor)
            won = change.old if won is None else max(won, change.old, key=_minor)
        elif any(each.winning for each in during):
            won = change.new if won is None else max(won, change.new, key=_minor)
    if won is not None and lost is not None and won.minor >= lost.minor:
        # The market moved: what was lost once wins now.
        lost = None
    return won, lost


def _minor(money: Money) -> int:
    return money.minor


def _winning(seen: Sequence[Seen], changes: Sequence[Change]) -> tuple[datetime | None, int]:
    start = changes[-1].at if changes else None
    since, looks = None, 0
    for each in reversed(seen):
        if each.winning is not True or (start is not None and each.last_seen < start):
            break
        since, looks = each.first_seen, looks + each.looks
    return since, looks


def _flips(seen: Iterable[Seen]) -> Iterator[datetime]:
    before: bool | None = None
    for each in seen:
        if each.winning is None:
            continue
        if before is not None and each.winning is not before:
            yield each.first_seen
        before = each.winning


def _average(prices: Sequence[tuple[Money, datetime]], currency: str | None, now: datetime) -> Money | None:
    start, total, span = now - _DAYS_OF_AVERAGE, 0, 0
    for number, (money, since) in enumerate(prices):
        until = prices[number + 1][1] if number + 1 < len(prices) else now
        held = (min(until, now) - max(since, start)) // _SECOND
        if money.currency == currency and held > 0:
            total += money.minor * held
            span += held
    if not span or currency is None:
        return None
    return Money((2 * total + span) // (2 * span), currency)


def _spans(seen: Sequence[Seen], now: datetime) -> Iterator[tuple[Seen, int]]:
    """Yield each row with the seconds of the last 7 days that it held, until the next look showed another."""
    start = now - KEPT
    for number, each in enumerate(seen):
        until = seen[number + 1].first_seen if number + 1 < len(seen) else now
        held = (min(until, now) - max(each.first_seen, start)) // _SECOND
        if held > 0:
            yield each, held


def _median(seen: Sequence[Seen], currency: str | None, now: datetime) -> Money | None:
    held = sorted(
        (each.price_to_win.minor, seconds)
        for each, seconds in _spans(seen, now)
        if each.price_to_win is not None and each.price_to_win.currency == currency
    )
    half, so_far = sum(seconds for _, seconds in held), 0
    for minor, seconds in held:
        so_far += 2 * seconds
        if so_far >= half and currency is not None:
            return Money(minor, currency)
    return None


def _win_rate(seen: Sequence[Seen], now: datetime) -> Decimal | None:
    won = total = 0
    for each, seconds in _spans(seen, now):
        if each.winning is not None:
            total += seconds
            won += seconds * each.winning
    return Decimal(won) / total if total else None
