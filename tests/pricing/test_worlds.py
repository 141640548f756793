"""What may never be written, in random worlds; and that the judge of them would notice."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmconsole.pricing import decide as engine
from bmconsole.pricing import floors, guards, strategies
from bmconsole.pricing.guards import GUARDS, Trial
from bmconsole.pricing.values import Decision, Facts, Rules, Terms, Verdict
from tests.pricing.worlds import NAMES, faults, survey, world

WORLDS = 20_000


def test_in_no_world_a_price_is_written_that_should_not_be() -> None:
    seen, bad = survey(range(WORLDS))
    assert not bad, (
        f"{len(bad)} faults, such as {bad[:5]}: python -m tests.pricing.worlds --from {bad[0][0]} --worlds 1"
    )
    # The worlds are not empty of what they are for
    assert sum(seen[f"decision {name}"] for name in ("write", "suggest", "observe")) > WORLDS / 20
    for name in (*NAMES, "repair"):
        assert seen[f"strategy {name}"], name
    for name in GUARDS[:13]:
        assert any(key.startswith(f"guard {name}:") for key in seen), name
    assert seen["changes in JPY"]
    assert seen["changes in SEK"]


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=WORLDS, max_value=2**63))
def test_nor_in_others(seed: int) -> None:
    case = world(seed)
    made = engine.decide(case.facts, case.rules, case.terms, case.now, writing=case.writing, approved=case.approved)
    assert not faults(case, made), f"seed {seed}"


def test_a_world_comes_from_its_seed_alone() -> None:
    assert world(4711) == world(4711)
    assert world(4711) != world(4712)


def found(limit: int = WORLDS) -> set[str]:
    """Return what the judge finds in worlds, as soon as it finds anything."""
    for start in range(0, limit, 500):
        _, bad = survey(range(start, start + 500))
        if bad:
            return {fault for _, fault in bad}
    return set()


@pytest.mark.parametrize("guard", guards._ORDER, ids=lambda guard: guard.__name__)
def test_the_judge_notices_each_guard_that_is_missing(
    guard: Callable[[Trial], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "_ORDER", tuple(each for each in guards._ORDER if each is not guard))
    assert found()


def test_the_judge_notices_a_floor_that_is_too_low(monkeypatch: pytest.MonkeyPatch) -> None:
    real = floors._up
    monkeypatch.setattr(floors, "_up", lambda top, share, scale: real(top, share, scale) - 1)
    assert any("the floor is" in fault for fault in found())


def test_the_judge_notices_a_forgotten_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "ceiling", lambda cost, max_price: None)
    assert any("over the ceiling" in fault for fault in found())


def test_the_judge_notices_cuts_that_the_ladder_keeps_from_winning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "_wins", lambda view, target: True)
    assert any("keeps from winning" in fault for fault in found())


def test_the_judge_notices_mixed_currencies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "foreign", lambda facts: None)
    assert any("guard 3" in fault for fault in found())


def test_the_judge_notices_a_cost_in_another_currency(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(facts: Facts, rules: Rules, terms: Terms) -> floors.Figures | None:
        if facts.cost is not None and facts.cost.currency != facts.currency:
            facts = replace(facts, cost=replace(facts.cost, currency=facts.currency))
        return floors.figures(facts, rules, terms)

    monkeypatch.setattr(engine, "figures", blind)
    assert any("no cost" in fault for fault in found())


def test_the_judge_notices_strategies_that_ask_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(view: strategies.View, params: object) -> strategies.Wish | None:
        return strategies.Wish("win", view.floor, lambda: "the floor, for want of data")

    monkeypatch.setitem(strategies.STRATEGIES, "win", greedy)
    assert any("win" in fault for fault in found())


def test_the_judge_notices_what_is_written_although_paused_or_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(*args: object, **kwargs: object) -> Decision:
        facts, rules, terms, now = args
        assert isinstance(facts, Facts)
        assert isinstance(terms, Terms)
        assert isinstance(rules, Rules)
        assert isinstance(now, datetime)
        facts, terms = replace(facts, paused=None), replace(terms, stopped=False)
        return engine.decide(facts, rules, terms, now, writing=bool(kwargs["writing"]))

    _, bad = survey(range(5_000), deaf)
    assert any("guard 1" in fault for _, fault in bad)


def test_the_judge_notices_an_unasked_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_SUGGEST", Verdict.WRITE)
    assert any("mode" in fault or "guard 6" in fault or "guard 13" in fault or "unasked" in fault for fault in found())
