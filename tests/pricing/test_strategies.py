from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bmconsole.domain.money import Money
from bmconsole.pricing.floors import figures
from bmconsole.pricing.rules import BUILT_IN
from bmconsole.pricing.strategies import STRATEGIES, View, Wish, repair
from bmconsole.pricing.values import Amounts, Facts, Params
from tests.pricing.offers import COST, DAY, HOUR, NOW, TERMS, change, eur, offer, past


def view(facts: Facts, **changed: Any) -> View:
    """Return what strategies look at: the observation taken as it is, unless changed; amounts as texts."""
    known = figures(facts, BUILT_IN, TERMS)
    assert known is not None
    assert facts.price is not None
    seen = facts.box
    plain = View(
        facts,
        known,
        NOW,
        facts.price.minor,
        known.floor,
        known.ceiling,
        seen.winning if seen else None,
        seen.price_to_win.minor if seen and seen.price_to_win else None,
        seen.winner_price.minor if seen and seen.winner_price else None,
        False,
    )
    taken: dict[str, Any] = {name: int(Decimal(v) * 100) if isinstance(v, str) else v for name, v in changed.items()}
    return plain._replace(**taken)


def asked(name: str, seen: View, **params: Any) -> str | None:
    """Return the price that a strategy asks for as text, None where its time has not come."""
    wish = STRATEGIES[name](seen, replace(Params(), **params))
    assert wish is None or wish.why().startswith(f"{name}: ")
    return None if wish is None else seen.text(wish.target)


def amount(text: str) -> Amounts:
    return Amounts(each=(eur(text),))


WINNING = {"winning": True, "price_to_win": "500", "winner_price": "500"}
NOTHING: dict[str, Any] = {"winning": None, "price_to_win": None, "winner_price": None}


@pytest.mark.parametrize(
    ("strategy", "changed", "target"),
    [
        ("hold", WINNING, "500.00"),
        ("hold", {}, None),
        ("hold", NOTHING, None),
        ("win", {}, "490.00"),
        ("win", {"price_to_win": "400"}, "400.00"),
        ("win", {"price_to_win": "399.99"}, None),
        ("win", {"price_to_win": None}, None),
        ("win", WINNING, None),
        ("win", NOTHING, None),
        ("win_small", {}, "490.00"),
        ("win_small", {"price_to_win": "485"}, "485.00"),
        ("win_small", {"price_to_win": "484.99"}, None),
        ("win_small", {"price_to_win": "399.99", "price": 40_000}, None),
        ("win_small", WINNING, None),
        ("match", {}, "490.01"),
        ("match", {"winner_price": "400"}, "400.00"),
        ("match", {"winner_price": "399.99"}, None),
        ("match", {"winner_price": None}, None),
        ("match", WINNING, None),
        ("undercut", {}, "490.00"),
        ("undercut", {"winner_price": "300"}, "299.99"),
        ("undercut", {"winner_price": None}, None),
        ("undercut", WINNING, None),
        ("below_floor", {"price_to_win": "399.99"}, "500.00"),
        ("below_floor", {"price_to_win": "400"}, None),
        ("below_floor", {"price_to_win": None}, None),
        ("below_floor", WINNING, None),
        ("standalone", NOTHING, "500.00"),
        ("standalone", {}, None),
        ("standalone", WINNING, None),
    ],
)
def test_when_and_where(strategy: str, changed: dict[str, Any], target: str | None) -> None:
    assert asked(strategy, view(offer(), **changed)) == target


def test_undercut_takes_the_rules_step() -> None:
    assert asked("undercut", view(offer()), undercut_step=amount("2.00")) == "488.01"
    assert asked("undercut", view(offer()), undercut_step=Amounts(share=Decimal("0.01"))) == "485.01"
    # In a currency that the rule does not name: one minor unit
    assert asked("undercut", view(offer()), undercut_step=Amounts(each=(Money(500, "SEK"),))) == "490.00"


@pytest.mark.parametrize(
    ("choice", "ceiling", "target"),
    [("hold", None, "500.00"), ("floor", None, "400.00"), ("ceiling", "520", "520.00"), ("ceiling", None, "500.00")],
)
def test_below_the_floor_there_is_a_choice(choice: str, ceiling: str | None, target: str) -> None:
    seen = view(offer(), price_to_win="390", ceiling=ceiling)
    assert asked("below_floor", seen, below_floor=choice) == target


@pytest.mark.parametrize(
    ("price", "target"),
    [("510", "510.00"), ("400", "400.00"), ("399.99", "500.00"), ("0.01", "500.00")],
)
def test_standalone_sets_a_price_but_never_goes_to_the_floor_for_one_under_it(price: str, target: str) -> None:
    assert asked("standalone", view(offer(), **NOTHING), standalone_price=amount(price)) == target


def winner(**said: Any) -> View:
    known: dict[str, Any] = {"winning_since": NOW - 6 * HOUR, "winning_looks": 3, **said}
    return view(offer(past=past(**known)), **WINNING)


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ({}, "501.00"),
        ({"winning_since": NOW - 6 * HOUR + timedelta(seconds=1)}, None),
        ({"winning_since": None}, None),
        ({"winning_looks": 2}, None),
        # Winning with the price before our own change says nothing of this one
        ({"changes": (change(5 * HOUR, "490", "500"),)}, None),
        ({"changes": (change(6 * HOUR, "490", "500"),)}, "501.00"),
        # A raise was lost at 508: half way, until less than a step is between
        ({"lost_at": "508"}, "504.00"),
        ({"lost_at": "501.01"}, "500.50"),
        ({"lost_at": "501"}, "500.50"),
        ({"lost_at": "500.99"}, "500.00"),
        # What was lost at a lower price tells nothing
        ({"lost_at": "500"}, "501.00"),
    ],
)
def test_raise_climbs_and_halves(said: dict[str, Any], target: str | None) -> None:
    assert asked("raise", winner(**said)) == target


def test_raise_stays_under_the_ceiling() -> None:
    assert asked("raise", winner()._replace(ceiling=50_060)) == "500.60"
    assert asked("raise", winner()._replace(ceiling=50_000)) == "500.00"
    assert asked("raise", winner()._replace(ceiling=49_000)) == "500.00"


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ({"changes": (change(2 * HOUR, "490", "500"),)}, "490.00"),
        ({"changes": (change(2 * HOUR, "490", "500"),), "won_at": "495"}, "495.00"),
        ({"changes": (change(12 * HOUR, "490", "500"),)}, "490.00"),
        ({"changes": (change(13 * HOUR, "490", "500"),)}, None),
        # Not a raise, or not this price
        ({"changes": (change(2 * HOUR, "510", "500"),)}, None),
        ({"changes": (change(2 * HOUR, "490", "499"),)}, None),
        ({}, None),
    ],
)
def test_a_raise_that_lost_goes_back(said: dict[str, Any], target: str | None) -> None:
    assert asked("raise", view(offer(past=past(**said)))) == target


@pytest.mark.parametrize(
    ("age", "target"),
    [(59, None), (60, "500.00"), (61, "498.34"), (90, "450.00"), (119, "401.67"), (120, "400.00"), (400, "400.00")],
)
def test_decay_falls_in_a_line_to_the_floor(age: int, target: str | None) -> None:
    assert asked("decay", view(offer(first_seen=NOW - age * DAY, first_price="500"))) == target


def test_decay_never_climbs_and_needs_a_start() -> None:
    old = offer(first_seen=NOW - 90 * DAY, first_price="560")
    assert asked("decay", view(old)) == "480.00"
    assert asked("decay", view(replace(old, price=eur("470")))) == "470.00"
    assert asked("decay", view(replace(old, first_price=None))) is None
    assert asked("decay", view(replace(old, first_price=None)), decay_start=amount("540")) == "470.00"
    assert asked("decay", view(replace(old, first_seen=None))) is None


@pytest.mark.parametrize(
    ("stock", "sold", "target"), [(2, 3, "515.00"), (3, 3, None), (2, 2, None), (0, 9, None), (None, 9, None)]
)
def test_scarcity_climbs_where_few_are_left_and_sell(stock: int | None, sold: int, target: str | None) -> None:
    assert asked("scarcity", view(offer(quantity=stock, past=past(sold=sold)))) == target


def test_scarcity_climbs_once_a_day_and_to_the_ceiling() -> None:
    def seen(ago: timedelta) -> View:
        return view(offer(quantity=1, past=past(sold=5, changes=(change(ago, "490", "500"),))))

    assert asked("scarcity", seen(23 * HOUR)) is None
    assert asked("scarcity", seen(24 * HOUR)) == "515.00"
    assert asked("scarcity", seen(24 * HOUR)._replace(ceiling=50_500)) == "505.00"
    assert asked("scarcity", seen(24 * HOUR)._replace(ceiling=49_000)) == "500.00"


def test_steps_follow_the_currency() -> None:
    yen = Money(50_000, "JPY")
    facts = offer(currency="JPY", market="ja-jp", price=yen, cost=replace(COST, currency="JPY"))
    seen = view(facts, winning=True)
    climbing = replace(facts, past=past(winning_since=NOW - DAY, winning_looks=9))
    assert asked("raise", seen._replace(facts=climbing)) == "50160"


def test_a_repair_goes_to_the_floor() -> None:
    wish: Wish = repair(view(offer(price="390")))
    assert (wish.strategy, wish.target, wish.needs) == ("repair", 40_000, "live")
    assert wish.why() == "under the floor by 10.00: up to the floor"
