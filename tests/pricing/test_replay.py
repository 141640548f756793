"""Rules over a recorded market: the same engine, its prices taken."""

from datetime import datetime
from decimal import Decimal

from bmconsole.pricing.replay import Summary, Track, replay
from bmconsole.pricing.rules import parse
from bmconsole.pricing.values import Rules, Seen
from tests.pricing.offers import DAY, HOUR, NOW, TERMS, eur, offer, rules

SINCE = NOW - 5 * DAY


def seen(at: datetime, winning: bool | None, to_win: str | None, *, price: str = "500") -> Seen:
    t = None if to_win is None else eur(to_win)
    return Seen(eur(price), t, t, winning, at, at + DAY)


def run(known: Rules, *rows: Seen, price: str = "500", hours: int = 24) -> Summary:
    track = Track(offer(price=price), rows)
    (summary,) = replay([track], [known], TERMS, since=SINCE, until=SINCE + hours * HOUR)
    return summary


def test_a_price_to_win_is_taken_once_and_then_wins() -> None:
    done = run(rules("hold", "win"), seen(SINCE, False, "490"))
    assert (done.changes, done.cuts, done.raises, done.looks, done.held) == (1, 1, 0, 24, 23)
    assert done.mean_change == Decimal("0.02")
    # Losing at the first look, winning at the 23 after it
    assert (done.told, done.won) == (24, Decimal(23) / 24)
    # 490 − 49 − 360 = 81
    assert done.margin is not None
    assert round(done.margin, 4) == Decimal("0.1653")
    assert done.under_floor == 0


def test_rules_that_hold_stay_where_they_are() -> None:
    done = run(rules("hold"), seen(SINCE, False, "490"))
    assert (done.changes, done.won, done.mean_change, done.margin) == (0, Decimal(0), None, None)


def test_what_nobody_saw_is_in_no_share() -> None:
    """We won at 500 then; whether 510 wins too, no observation tells."""
    known = rules("hold", "raise")
    winning = seen(SINCE, True, "500")
    assert run(known, winning, price="510").told == 0
    assert run(known, winning, price="500").told > 0
    nothing = run(known, seen(SINCE, None, None))
    assert (nothing.told, nothing.won, nothing.standings) == (0, None, {"NO DATA": 24})


def test_the_guards_count_in_a_replay_too() -> None:
    falling = [seen(SINCE + n * HOUR, False, str(490 - 6 * n)) for n in range(10)]
    done = run(rules("hold", "win"), *falling, hours=12)
    # Four cuts are a price war: it rests
    assert done.cuts == 4
    assert done.guards["price-war"] > 0


def test_a_suggestion_is_taken_and_counted_as_one() -> None:
    done = run(rules("win"), seen(SINCE, False, "470"), hours=3)
    assert (done.changes, done.suggested, done.guards["step"]) == (1, 1, 1)


def test_rule_files_side_by_side() -> None:
    careful = parse('[[rule]]\nstrategy = ["hold", "win_small"]\n', name="careful.toml")
    bold = parse('[[rule]]\nstrategy = ["hold", "win"]\n', name="bold.toml")
    tracks = [
        Track(offer(listing=f"{n}"), (seen(SINCE, False, to_win),))
        for n, to_win in enumerate(("490", "480", "495", "390"))
    ]
    first, second = replay(tracks, [careful, bold], TERMS, since=SINCE, until=SINCE + DAY)
    assert (first.name, first.offers, first.changes) == ("careful.toml", 4, 2)
    assert (second.name, second.offers, second.changes) == ("bold.toml", 4, 3)
    assert first.won is not None
    assert second.won is not None
    assert first.won < second.won
    # The same again gives the same
    assert replay(tracks, [careful, bold], TERMS, since=SINCE, until=SINCE + DAY) == [first, second]


def test_an_observation_grows_old_in_a_replay_too() -> None:
    done = run(
        rules("hold", "win"), Seen(eur("500"), eur("490"), eur("490"), False, SINCE - 30 * HOUR, SINCE - 25 * HOUR)
    )
    assert (done.changes, done.standings) == (0, {"STALE": 24})
