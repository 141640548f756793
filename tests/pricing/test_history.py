from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bmconsole.pricing import history
from bmconsole.pricing.values import Change, Past, Seen
from tests.pricing.offers import DAY, HOUR, NOW, change, eur


def seen(first: timedelta, last: timedelta, winning: bool | None, to_win: str | None = "490", looks: int = 2) -> Seen:
    t = None if to_win is None else eur(to_win)
    return Seen(eur("500"), t, t, winning, NOW - first, NOW - last, looks)


def past(*rows: Seen, changes: tuple[Change, ...] = (), **said: Any) -> Past:
    return history.past(rows, changes, NOW, price=eur("500"), **said)


def test_nothing_known_is_no_past() -> None:
    assert past() == Past(average=eur("500"))
    assert history.past((), (), NOW, price=None) == Past()


def test_winning_counts_from_the_first_look_of_an_unbroken_run() -> None:
    lost = seen(9 * HOUR, 8 * HOUR, False)
    run = (seen(7 * HOUR, 5 * HOUR, True, looks=3), seen(4 * HOUR, HOUR, True, "495", looks=4))
    known = past(lost, *run)
    assert (known.winning_since, known.winning_looks) == (NOW - 7 * HOUR, 7)
    # What was won before our own last change was won with another price
    known = past(lost, *run, changes=(change(270 * timedelta(minutes=1), "510", "500"),))
    assert (known.winning_since, known.winning_looks) == (NOW - 4 * HOUR, 4)
    assert past(*run, lost).winning_since is None
    # An answer without data breaks the run
    assert past(*run, seen(HOUR, HOUR, None, None)).winning_looks == 0


def test_flips_are_the_moments_in_which_the_box_changed_hands() -> None:
    rows = (
        seen(60 * HOUR, 50 * HOUR, True),
        seen(49 * HOUR, 30 * HOUR, False),
        seen(20 * HOUR, 15 * HOUR, None, None),
        seen(10 * HOUR, 9 * HOUR, False, "480"),
        seen(8 * HOUR, 8 * HOUR, True),
        seen(2 * HOUR, HOUR, False),
    )
    assert past(*rows).flips == (NOW - 8 * HOUR, NOW - 2 * HOUR)


def test_the_average_is_weighted_by_time() -> None:
    prices = ((eur("600"), NOW - 30 * DAY), (eur("400"), NOW - DAY))
    # Two of the three days at 600, one at 400
    assert past(prices=prices).average == eur("533.33")
    assert past(prices=((eur("400"), NOW - timedelta(hours=1)),)).average == eur("400")
    assert past(prices=((eur("600"), NOW),)).average == eur("500")


def test_the_median_is_weighted_by_time_and_looks_back_a_week() -> None:
    rows = (
        seen(30 * DAY, 8 * DAY, False, "100"),
        seen(6 * DAY, 5 * DAY, False, "500"),
        seen(3 * DAY, 2 * DAY, False, "480"),
        seen(HOUR, HOUR, False, "300"),
    )
    # 100 for one day of the week, 500 for three, 480 for nearly three, 300 for an hour
    assert past(*rows).anchor == eur("480")
    assert past(seen(HOUR, HOUR, None, None)).anchor is None


def test_the_win_rate_is_the_share_of_the_observed_time() -> None:
    rows = (seen(4 * DAY, 3 * DAY, True), seen(3 * DAY, 2 * DAY, None, None), seen(DAY, HOUR, False))
    assert past(*rows).win_rate == Decimal("0.5")
    assert past().win_rate is None


@pytest.mark.parametrize(
    ("rows", "won", "lost"),
    [
        # 490 → 500 ten hours ago: won, or lost, or too late to be because of it, or before it showed
        ((seen(9 * HOUR, 0 * HOUR, True),), "500", None),
        ((seen(9 * HOUR, 0 * HOUR, False),), "490", "500"),
        ((seen(9 * HOUR, 5 * HOUR, True), seen(4 * HOUR, 0 * HOUR, False)), "490", "500"),
        ((seen(12 * HOUR, 10 * HOUR, False),), None, None),
        ((), None, None),
    ],
)
def test_what_a_raise_came_to(rows: tuple[Seen, ...], won: str | None, lost: str | None) -> None:
    known = past(*rows, changes=(change(10 * HOUR, "490", "500"),))
    assert known.won_at == (eur(won) if won else None)
    assert known.lost_at == (eur(lost) if lost else None)


def test_a_bracket_closes_in_and_opens_when_the_market_moves() -> None:
    # 490 → 500 lost, back, 490 → 495 won
    changes = (change(30 * HOUR, "490", "500"), change(28 * HOUR, "500", "490"), change(10 * HOUR, "490", "495"))
    rows = (
        seen(29 * HOUR, 28 * HOUR, False),
        seen(27 * HOUR, 10 * HOUR, True),
        seen(9 * HOUR, HOUR, True),
    )
    known = past(*rows, changes=changes)
    assert (known.won_at, known.lost_at) == (eur("495"), eur("500"))
    # … and later 495 → 505 won: 500 is no limit any more
    further = (*changes, change(5 * HOUR, "495", "505"))
    known = past(*rows[:2], seen(9 * HOUR, 5 * HOUR, True), seen(4 * HOUR, HOUR, True), changes=further)
    assert (known.won_at, known.lost_at) == (eur("505"), None)
