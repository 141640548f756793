"""Each guard at its edge, through the engine: what it does, and that it names itself."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bmconsole.domain.money import Money
from bmconsole.pricing.decide import decide
from bmconsole.pricing.guards import GUARDS, breaker, failures_stop, length, lines_free, signed
from bmconsole.pricing.values import Amounts, Decision, Facts, Limits, Params, Rules, Verdict
from tests.pricing.offers import COST, DAY, HOUR, MINUTE, NOW, TERMS, box, change, eur, offer, past, rules

SECOND = timedelta(seconds=1)


def made(facts: Facts, known: Rules | None = None, **said: Any) -> Decision:
    return decide(facts, known or rules("hold", "win", "match"), said.pop("terms", TERMS), NOW, **said)


def word(decision: Decision, guard: str) -> str:
    """Return the effect that a guard had, empty where it was not asked."""
    return next((check.effect for check in decision.guards if check.guard == guard), "")


def text(money: Money | None) -> str | None:
    return None if money is None else money.text()


def test_a_plain_offer_passes_all_guards() -> None:
    decision = made(offer(cost=replace(COST, purchase=Decimal(290))))
    assert text(decision.target) == "490.00"
    assert decision.decision is Verdict.WRITE
    assert [check.guard for check in decision.guards] == list(GUARDS[:13])
    assert not [check for check in decision.guards if check.hit]


# 1: pause


def test_a_pause_stops_even_what_was_approved() -> None:
    paused = made(offer(paused="market fr-fr"), approved=True)
    assert (paused.decision, word(paused, "pause"), paused.target) == (Verdict.SKIP, "skip", None)
    assert "pause: market fr-fr" in paused.reason
    stopped = made(offer(), terms=replace(TERMS, stopped=True), approved=True)
    assert (stopped.decision, word(stopped, "pause"), stopped.target) == (Verdict.SKIP, "skip", None)
    assert text(stopped.wanted) == "490.00"


# 2: fresh


@pytest.mark.parametrize(
    ("age", "writing", "passes"),
    [
        (24 * HOUR, False, True),
        (24 * HOUR + SECOND, False, False),
        (10 * MINUTE, True, True),
        (10 * MINUTE + SECOND, True, False),
        (-5 * MINUTE, False, True),
        (-5 * MINUTE - SECOND, False, False),
    ],
)
def test_an_observation_has_to_be_fresh(age: timedelta, writing: bool, passes: bool) -> None:
    decision = made(offer(box=box(last_seen=NOW - age)), writing=writing)
    assert (decision.target is not None) is passes
    assert word(decision, "fresh") == ("passed" if passes else "skip")


@pytest.mark.parametrize(("settled", "passes"), [(179, False), (180, False), (181, True)])
def test_an_observation_has_to_be_younger_than_our_last_change(settled: int, passes: bool) -> None:
    at = 20 * MINUTE
    facts = offer(
        past=past(changes=(change(at, "505", "500"),)), box=box(last_seen=NOW - at + timedelta(seconds=settled))
    )
    decision = made(facts)
    assert (decision.target is not None) is passes
    assert word(decision, "fresh") == ("passed" if passes else "skip")
    assert (str(decision.standing) == "STALE") is not passes


@pytest.mark.parametrize(
    ("live", "writing", "passes"),
    [
        (None, False, False),
        (24 * HOUR, False, True),
        (25 * HOUR, False, False),
        (10 * MINUTE, True, True),
        (11 * MINUTE, True, False),
    ],
)
def test_what_needs_no_observation_needs_a_look_at_the_listing(
    live: timedelta | None, writing: bool, passes: bool
) -> None:
    known = rules("standalone", params=Params(standalone_price=Amounts(each=(eur("510"),))))
    decision = made(offer(box=None, live_at=None if live is None else NOW - live), known, writing=writing)
    assert text(decision.target) == ("510.00" if passes else None)
    assert word(decision, "fresh") == ("passed" if passes else "skip")


# 3: currency


@pytest.mark.parametrize(
    "facts",
    [
        offer(box=replace(box(), price_to_win=Money(49_000, "SEK"))),
        offer(box=replace(box(), winner_price=Money(49_000, "USD"))),
        offer(price=Money(50_000, "SEK")),
        offer(max_price=Money(60_000, "SEK")),
        offer(market="sv-se"),
        offer(past=past(changes=(replace(change(DAY, "505", "500"), old=Money(50_500, "SEK")),))),
        offer(past=replace(past(), anchor=Money(49_500, "SEK"))),
    ],
)
def test_currencies_have_to_agree(facts: Facts) -> None:
    decision = made(facts, approved=True)
    assert (decision.decision, decision.target, word(decision, "currency")) == (Verdict.SKIP, None, "skip")
    assert "currency: " in decision.reason


# 4: cool-down


@pytest.mark.parametrize(
    ("ago", "old", "passes"),
    [
        (15 * MINUTE, "505", True),
        (15 * MINUTE - SECOND, "505", False),
        (60 * MINUTE, "495", True),
        (60 * MINUTE - SECOND, "495", False),
    ],
)
def test_the_price_rests_after_a_change(ago: timedelta, old: str, passes: bool) -> None:
    decision = made(offer(past=past(changes=(change(ago, old, "500"),))))
    assert (decision.target is not None) is passes
    assert word(decision, "cool-down") == ("passed" if passes else "skip")


# 5: changes a day


@pytest.mark.parametrize(("count", "last", "passes"), [(7, DAY, True), (8, DAY - SECOND, False), (8, DAY, True)])
def test_eight_changes_a_day_are_enough(count: int, last: timedelta, passes: bool) -> None:
    times = [last, *(22 * HOUR - HOUR * n for n in range(count - 1))]
    decision = made(offer(past=past(changes=tuple(change(ago, "499", "500") for ago in times))))
    assert (decision.target is not None) is passes
    assert word(decision, "daily-changes") == ("passed" if passes else "skip")


# 6: step


@pytest.mark.parametrize(
    ("price", "to_win", "effect"),
    [
        ("500", "475", "passed"),
        ("500", "474.99", "suggest"),
        # Under 100.00 the amount of 5.00 is more than 5 %
        ("50", "45", "passed"),
        ("50", "44.99", "suggest"),
    ],
)
def test_a_larger_cut_is_a_suggestion_and_never_clipped(price: str, to_win: str, effect: str) -> None:
    facts = offer(price=price, box=box(price_to_win=to_win), past=past(average=price, anchor=to_win))
    facts = replace(facts, cost=replace(COST, purchase=Decimal(20)))
    decision = made(facts)
    assert word(decision, "step") == effect
    assert decision.target == eur(to_win)
    assert decision.decision is (Verdict.WRITE if effect == "passed" else Verdict.SUGGEST)
    if effect == "suggest":
        approved = made(facts, approved=True)
        assert (approved.decision, word(approved, "step")) == (Verdict.WRITE, "waived")


@pytest.mark.parametrize(("to_win", "target", "effect"), [("525", "525.00", "passed"), ("525.01", "525.00", "clip")])
def test_a_larger_raise_is_clipped(to_win: str, target: str, effect: str) -> None:
    decision = made(offer(box=box(price_to_win=to_win)))
    assert (text(decision.target), word(decision, "step")) == (target, effect)
    assert text(made(offer(box=box(price_to_win=to_win)), approved=True).target) == target


@pytest.mark.parametrize(
    ("currency", "market", "price", "most"),
    [
        ("JPY", "ja-jp", 9_000, 800),
        ("SEK", "sv-se", 50_000, 5_500),
        ("AUD", "en-au", 9_000, 800),
        ("EUR", "fr-fr", 5_000, 500),
    ],
)
def test_the_amount_of_a_step_follows_the_currency(currency: str, market: str, price: int, most: int) -> None:
    def seen(to_win: int) -> Decision:
        money = Money(to_win, currency)
        at = replace(box(), price=None, price_to_win=money, winner_price=money)
        facts = offer(
            market=market,
            currency=currency,
            price=Money(price, currency),
            box=at,
            past=replace(past(), average=None, anchor=None),
            cost=replace(COST, currency=currency, purchase=Decimal(1)),
        )
        return made(facts)

    assert word(seen(price - most), "step") == "passed"
    assert word(seen(price - most - 1), "step") == "suggest"


@pytest.mark.parametrize(
    ("high", "effect"),
    [("556.81", "passed"), ("556.82", "suggest")],  # 490 is 12 % under 556.818…
)
def test_twelve_per_cent_down_in_a_day_are_enough(high: str, effect: str) -> None:
    fallen = (change(23 * HOUR, high, "500"),)
    limits = Limits(war_drop=Decimal("0.5"))
    known = rules("win", limits=limits)
    assert word(made(offer(past=past(changes=fallen)), known), "step") == effect
    before = (change(24 * HOUR, high, "500"),)
    assert word(made(offer(past=past(changes=before)), known), "step") == "passed"


# 7: sanity


@pytest.mark.parametrize(("average", "passes"), [("816.66", True), ("816.67", False)])
def test_a_price_far_under_the_average_is_held_with_an_alert(average: str, passes: bool) -> None:
    decision = made(offer(past=past(average=average)), approved=True)
    assert (decision.target is not None) is passes
    if not passes:
        assert (decision.decision, decision.alert, word(decision, "sanity")) == (Verdict.HOLD, True, "hold")


def test_without_an_average_the_price_itself_counts() -> None:
    facts = offer(price="8", cost=replace(COST, purchase=Decimal(2)), box=box(price_to_win="4.79"))
    facts = replace(facts, past=replace(facts.past, average=None, anchor=None))
    assert word(made(facts), "sanity") == "hold"
    assert word(made(replace(facts, box=box(price_to_win="4.80"))), "sanity") == "passed"


# 8: flood anchor


@pytest.mark.parametrize(("anchor", "passes"), [("576.47", True), ("576.48", False)])
def test_a_price_to_win_far_under_its_median_is_not_believed(anchor: str, passes: bool) -> None:
    decision = made(offer(past=past(anchor=anchor)), approved=True)
    assert (decision.target is not None) is passes
    if not passes:
        assert (decision.decision, decision.alert, word(decision, "flood-anchor")) == (Verdict.HOLD, True, "hold")


# 9: bounds


def test_a_target_under_the_floor_is_clamped_to_it() -> None:
    facts = offer(price="405", box=box(winner_price="398"))
    decision = made(facts, rules("undercut"))
    assert (text(decision.target), text(decision.wanted), word(decision, "bounds")) == ("400.00", "397.99", "clamp")
    at_floor = made(replace(facts, price=eur("400")), rules("undercut"))
    assert (at_floor.target, at_floor.decision, word(at_floor, "bounds")) == (None, Verdict.SKIP, "skip")


def test_a_target_over_the_ceiling_is_clamped_to_it() -> None:
    decision = made(offer(box=box(price_to_win="520"), max_price="510"))
    assert (text(decision.target), word(decision, "bounds")) == ("510.00", "clamp")


def test_what_was_too_large_a_cut_stays_a_suggestion_when_clamped() -> None:
    decision = made(offer(price="405", box=box(winner_price="350")), rules("undercut"))
    assert (text(decision.target), decision.decision, word(decision, "step")) == ("400.00", Verdict.SUGGEST, "suggest")


def test_min_price_is_kept_under_the_price_and_over_the_floor() -> None:
    above = made(offer(min_price="495"))
    assert (text(above.target), text(above.min_price), word(above, "bounds")) == ("495.00", "495.00", "clamp")
    below = made(offer(min_price="350"))
    assert (text(below.target), text(below.min_price)) == ("490.00", "400.00")
    assert "min_price 350.00 → 400.00" in below.reason
    assert made(offer()).min_price is None


def test_a_raise_stays_in_the_band_of_backpricer_where_the_price_is_in_it() -> None:
    inside = made(offer(min_price="470", box=box(price_to_win="520")))
    assert (text(inside.target), word(inside, "bounds")) == ("507.60", "clamp")
    outside = made(offer(min_price="440", box=box(price_to_win="520")))
    assert (text(outside.target), word(outside, "bounds")) == ("520.00", "passed")


# 10: ladder


def test_a_worse_grade_is_never_dearer_nor_a_better_one_cheaper() -> None:
    ruled = rules("below_floor", params=Params(below_floor="floor"))
    worse = made(
        offer(price="410", worse="405", box=box(price_to_win="390"), past=past(average="410", anchor="400")), ruled
    )
    assert (text(worse.target), word(worse, "grade-ladder")) == ("405.00", "clamp")
    better = made(offer(better="507", box=box(price_to_win="520")))
    assert (text(better.target), word(better, "grade-ladder")) == ("507.00", "clamp")
    stuck = made(offer(worse="501"), approved=True)
    assert (stuck.decision, word(stuck, "grade-ladder")) == (Verdict.SKIP, "skip")
    upside_down = made(offer(worse="500", better="495"), approved=True)
    assert (upside_down.decision, word(upside_down, "grade-ladder")) == (Verdict.SKIP, "skip")
    free = made(offer(worse="494"), rules("win", limits=Limits(ladder=False)))
    assert text(free.target) == "490.00"


@pytest.mark.parametrize("name", ["win", "win_small", "match", "undercut"])
def test_a_cut_that_the_ladder_keeps_from_winning_is_not_made(name: str) -> None:
    decision = made(offer(worse="494"), rules(name), approved=True)
    assert (decision.target, decision.decision, word(decision, "grade-ladder")) == (None, Verdict.SKIP, "skip")
    assert "a worse grade 494.00 would not win" in decision.reason


def test_a_cut_that_the_ladder_shortens_is_made_where_it_wins_all_the_same() -> None:
    under = Params(undercut_step=Amounts(each=(eur("5"),)))
    known = made(offer(worse="488"), rules("undercut", params=under))
    assert (text(known.wanted), text(known.target), word(known, "grade-ladder")) == ("485.01", "488.00", "clamp")
    unknown = offer(worse="488", box=box(price_to_win=None))
    assert text(made(unknown, rules("undercut", params=under)).target) == "488.00"
    even = offer(worse="490.01", box=box(price_to_win=None))
    assert made(even, rules("undercut", params=under)).target is None


def test_a_raise_that_was_lost_goes_back_to_what_won_or_not_at_all() -> None:
    changes = (change(6 * HOUR, "490", "500"),)
    lost = offer(past=past(changes=changes, won_at=eur("490"), lost_at=eur("500")), box=box(price_to_win="489"))
    assert text(made(lost, rules("raise")).target) == "490.00"
    assert made(replace(lost, worse=eur("494")), rules("raise")).target is None


def test_a_ladder_more_than_a_step_away_stops() -> None:
    facts = offer(price="450", worse="480", box=box(price_to_win="455"), past=past(average="450", anchor="450"))
    decision = made(facts, approved=True)
    assert (decision.target, word(decision, "grade-ladder")) == (None, "skip")
    assert "a worse grade 480.00 is more than a step away" in decision.reason


# 11: dead band


@pytest.mark.parametrize(("to_win", "passes"), [("499", True), ("499.01", False), ("501", True), ("500.99", False)])
def test_small_changes_are_not_worth_it(to_win: str, passes: bool) -> None:
    decision = made(offer(box=box(price_to_win=to_win)))
    assert (decision.target is not None) is passes
    assert word(decision, "dead-band") == ("passed" if passes else "skip")


# 12: price war


def cuts(*ago: timedelta) -> tuple[Any, ...]:
    return tuple(change(each, "501", "500") for each in ago)


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        (cuts(20 * HOUR, 3 * HOUR, 2 * HOUR), True),
        (cuts(20 * HOUR, 4 * HOUR, 3 * HOUR, 2 * HOUR), False),
        # Four cuts within a day, the last of them less than a day ago: it rests until a day after that
        (cuts(47 * HOUR, 46 * HOUR, 45 * HOUR, 23 * HOUR + 59 * MINUTE), False),
        (cuts(47 * HOUR, 46 * HOUR, 45 * HOUR, 24 * HOUR), True),
        (cuts(47 * HOUR, 46 * HOUR, 45 * HOUR, 23 * HOUR), True),
        # 8 % in all
        ((change(3 * HOUR, "520.83", "500"), change(2 * HOUR, "520.83", "500")), True),
        ((change(3 * HOUR, "520.84", "500"), change(2 * HOUR, "520.84", "500")), False),
        ((change(3 * HOUR, "500", "480"), change(2 * HOUR, "500", "480")), False),
    ],
)
def test_a_price_war_is_sat_out(changes: tuple[Any, ...], passes: bool) -> None:
    facts = offer(past=past(changes=changes))
    decision = made(facts, rules("win", limits=Limits(down=Decimal("0.5"))))
    assert (decision.target is not None) is passes
    assert word(decision, "price-war") == ("passed" if passes else "skip")


@pytest.mark.parametrize(
    ("flips", "passes"),
    [
        ([1, 2, 3, 4, 5], True),
        ([1, 2, 3, 4, 5, 6], False),
        ([23, 30, 35, 40, 42, 46], False),
        ([24, 30, 35, 40, 42, 46], True),
    ],
)
def test_so_is_a_box_that_changes_hands(flips: list[int], passes: bool) -> None:
    facts = offer(past=past(flips=tuple(NOW - hours * HOUR for hours in sorted(flips, reverse=True))))
    assert word(made(facts), "price-war") == ("passed" if passes else "skip")


# 13: margin tier


@pytest.mark.parametrize(
    ("purchase", "to_win", "effect"),
    [
        # 490: net is 441 − cost; 30 % of 490 is 147.00, 15 % 73.50
        ("294.00", "490", "passed"),
        ("294.01", "490", "flag"),
        ("367.50", "490", "flag"),
        ("367.51", "490", "suggest"),
        # 30 % and more, but under 50.00: 150 × 0.9 − 86 = 49
        ("86", "150", "flag"),
        ("85", "150", "passed"),
    ],
)
def test_a_thin_margin_is_flagged_and_a_thinner_one_asked_about(purchase: str, to_win: str, effect: str) -> None:
    price = "500" if to_win == "490" else "152"
    facts = offer(price=price, box=box(price_to_win=to_win), cost=replace(COST, purchase=Decimal(purchase)))
    facts = replace(facts, past=replace(facts.past, average=None, anchor=None))
    decision = made(facts)
    assert word(decision, "margin-tier") == effect
    assert decision.flagged is (effect == "flag")
    assert decision.decision is (Verdict.SUGGEST if effect == "suggest" else Verdict.WRITE)
    approved = made(facts, approved=True)
    assert approved.decision is Verdict.WRITE
    assert word(approved, "margin-tier") == ("waived" if effect == "suggest" else effect)


# 14 to 16: the run


def changing(old: str, new: str | None) -> Decision:
    plain = made(offer())
    return replace(plain, old=eur(old), target=None if new is None else eur(new))


@pytest.mark.parametrize(
    ("changes", "count", "new", "trips"),
    [
        (21, 84, "495", False),
        (21, 83, "495", True),
        (20, 21, "495", False),
        (1, 1, "470", False),
        (1, 1, "469.99", True),
        (0, 100, "1", False),
    ],
)
def test_a_run_that_changes_too_much_is_stopped(changes: int, count: int, new: str, trips: bool) -> None:
    tripped = breaker([changing("500", new)] * changes + [changing("500", None)], count, Limits())
    assert (tripped is not None) is trips
    if tripped is not None:
        assert (tripped.changes, tripped.listings) == (changes, count)
        assert "prices would change" in tripped.reason


def test_five_failures_in_a_row_stop_a_run() -> None:
    assert not failures_stop([True, False, False, False, False], Limits())
    assert failures_stop([True, False, False, False, False, False], Limits())
    assert not failures_stop([False, False, False, False, True], Limits())
    assert not failures_stop([], Limits())


def test_repricing_takes_four_fifths_of_the_lines_at_most() -> None:
    assert lines_free(0, 2_000, Limits()) == 1_600
    assert lines_free(1_599, 2_000, Limits()) == 1
    assert lines_free(1_700, 2_000, Limits()) == 0


# Whose limits


def test_a_rule_and_a_listing_have_limits_of_their_own() -> None:
    facts = offer(box=box(price_to_win="460"))
    assert made(facts, rules("win")).decision is Verdict.SUGGEST
    wide = rules("win", limits=Limits(step=Decimal("0.08"), margin_flag=Decimal("0.05")))
    assert made(facts, wide).decision is Verdict.WRITE
    own = replace(facts, limits={"step": Decimal("0.08"), "margin_flag": Decimal("0.05")})
    assert made(own, rules("win")).decision is Verdict.WRITE
    assert made(own).made_from["limits"] == {"step": "0.08", "margin_flag": "0.05"}


def test_figures_for_people() -> None:
    assert [length(timedelta(seconds=s)) for s in (40, 179, 900, 3_600, 86_400)] == [
        "40 s",
        "179 s",
        "15 min",
        "60 min",
        "24 h",
    ]
    assert (signed(-1_800, 44_900), signed(5, 100)) == ("−4.0 %", "+5.0 %")
