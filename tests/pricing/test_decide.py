"""How an offer stands, which rule and mode decide, what is repaired, what explains it."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bmconsole.domain.money import Money
from bmconsole.pricing.decide import again, decide, plan
from bmconsole.pricing.rules import BUILT_IN, falls_under, of
from bmconsole.pricing.values import (
    Amounts,
    Condition,
    Cost,
    Decision,
    Facts,
    Limits,
    Mode,
    Params,
    Rule,
    Rules,
    Terms,
    Vat,
    Verdict,
    pick_cost,
)
from tests.pricing.offers import COST, HOUR, MINUTE, NOW, TERMS, box, change, eur, offer, past, rules
from tests.pricing.worlds import world

WINNING = box(winning=True, price_to_win="500", winner_price="500")


def made(facts: Facts, known: Rules = BUILT_IN, **said: Any) -> Decision:
    return decide(facts, known, said.pop("terms", TERMS), NOW, **said)


@pytest.mark.parametrize(
    ("facts", "standing", "verdict", "target", "reason"),
    [
        (offer(), "WINNABLE", "write", "490.00", "500.00 → 490.00 · win: price to win 490.00 FR, 40 s old"),
        (offer(box=WINNING), "WIN", "hold", None, "500.00 stays · hold: winning, 40 s old"),
        (
            offer(box=box(price_to_win="399.99")),
            "BLOCKED BY FLOOR",
            "hold",
            None,
            "500.00 stays · below_floor: price to win 399.99 FR, 40 s old is under the floor, the price stays",
        ),
        (
            offer(box=None),
            "NO DATA",
            "hold",
            None,
            "500.00 stays · standalone: no data in the backbox, the price stays",
        ),
        (
            offer(box=box(winning=None, price_to_win=None, winner_price=None)),
            "NO DATA",
            "hold",
            None,
            "500.00 stays · standalone: no data",
        ),
        (
            offer(box=box(last_seen=NOW - 25 * HOUR)),
            "STALE",
            "hold",
            None,
            "500.00 stays · standalone: the observation is too old, the price stays",
        ),
        (offer(price="390"), "UNDER FLOOR", "suggest", "400.00", "390.00 → 400.00 · under the floor by 10.00"),
        (offer(cost=None), "NO COST", "hold", None, "500.00 stays · NO COST: no cost of this SKU in EUR"),
        (
            offer(cost=replace(COST, currency="SEK")),
            "NO COST",
            "hold",
            None,
            "500.00 stays · NO COST: the cost is in SEK, the market in EUR",
        ),
        (
            offer(max_price="399.99"),
            "CONFLICT",
            "hold",
            None,
            "500.00 stays · CONFLICT: the floor is above the ceiling",
        ),
        (
            offer(cost=replace(COST, target_margin=Decimal("0.9"))),
            "CONFLICT",
            "hold",
            None,
            "500.00 stays · CONFLICT: SKU IP-1: a fee of 10 %, VAT none and a margin of 90 % leave nothing",
        ),
        (offer(price=None), "NO DATA", "hold", None, "no price · NO DATA: it has no price here"),
        (offer(publication_state=3), "NO DATA", "hold", None, "500.00 stays · NO DATA: it is not online here"),
        (offer(box=box(price_to_win=None)), "WINNABLE", "hold", None, "500.00 stays · no rule applies: not winning"),
        (
            offer(box=box(price_to_win="0", winner_price="0")),
            "NO DATA",
            "hold",
            None,
            "500.00 stays · no rule applies: not winning, no price to win",
        ),
    ],
)
def test_how_offers_stand(facts: Facts, standing: str, verdict: str, target: str | None, reason: str) -> None:
    decision = made(facts)
    assert (str(decision.standing), str(decision.decision)) == (standing, verdict)
    assert (decision.target.text() if decision.target else None) == target
    assert decision.reason.startswith(reason)


def test_without_a_vat_scheme_there_is_no_cost() -> None:
    decision = made(offer(), terms=Terms(Mode.AUTO))
    assert (str(decision.standing), decision.target) == ("NO COST", None)
    assert "no VAT scheme is set" in decision.reason


def test_the_floor_is_never_posted_for_want_of_data() -> None:
    ways = ("below_floor", "win", "match", "undercut", "win_small", "raise", "standalone")
    params = Params(below_floor="floor", standalone_price=Amounts(each=(eur("350"),)))
    for facts in (offer(box=None), offer(box=box(last_seen=NOW - 30 * HOUR)), offer(box=box(winning=None))):
        assert made(facts, rules(*ways, params=params), approved=True).target is None


def test_the_example_of_a_line() -> None:
    cost = Cost("IP-1", "GBP", Decimal(250), Decimal(20), Decimal(5), Decimal("5.05"), target_margin=Decimal("0.15"))
    pounds = [Money(minor, "GBP") for minor in (44_900, 43_100)]
    facts = offer(
        market="en-gb",
        currency="GBP",
        price=pounds[0],
        box=replace(box(), price=pounds[0], price_to_win=pounds[1], winner_price=pounds[1]),
        past=replace(past(), average=pounds[0], anchor=pounds[1]),
        cost=cost,
    )
    assert made(facts, terms=Terms(Mode.AUTO, vat=Vat.parse("margin 20"))).reason == (
        "449.00 → 431.00 · win: price to win 431.00 GB, 40 s old · floor 408.66 (cost 280.05, fee 10 %, "
        "margin VAT 20 %, margin 15 %) · cool-down ok · step −4.0 % ≤ 5 % · margin-tier: margin 18.0 %"
    )


# Under the floor


@pytest.mark.parametrize(
    ("mode", "repair", "verdict"),
    [
        (Mode.AUTO, "auto", Verdict.WRITE),
        (Mode.AUTO, "suggest", Verdict.SUGGEST),
        (Mode.SUGGEST, "auto", Verdict.SUGGEST),
        (Mode.OBSERVE, "auto", Verdict.OBSERVE),
    ],
)
def test_a_price_under_the_floor_is_repaired_unasked_only_where_that_is_said(
    mode: Mode, repair: Any, verdict: Verdict
) -> None:
    # 100.00 up, ten times what a step may be
    decision = made(
        offer(price="300", past=past(average="300")),
        rules("hold", repair_floor=repair),
        terms=replace(TERMS, mode=mode),
    )
    assert (decision.target, decision.decision, decision.strategy) == (eur("400"), verdict, "repair")
    assert "step: the price is under the floor" in decision.reason


def test_a_repair_needs_no_observation_but_the_other_guards() -> None:
    assert made(offer(price="390", box=None)).target == eur("400")
    assert made(offer(price="390", live_at=None)).target is None
    assert made(offer(price="390", past=past(changes=(change(5 * MINUTE, "400", "390"),)))).target is None
    assert made(offer(price="390", better="395")).target is None


def test_a_repair_believes_an_observation_as_long_as_its_rule_does() -> None:
    flood = offer(price="390", box=box(price_to_win="200", last_seen=NOW - 26 * HOUR))
    assert made(flood, rules("hold")).target == eur("400")
    longer = made(flood, rules("hold", limits=Limits(fresh=30 * HOUR)))
    assert (longer.target, longer.alert, longer.hit("flood-anchor")) == (None, True, True)


# Modes


@pytest.mark.parametrize(
    ("profile", "rule", "listing", "verdict", "approved"),
    [
        ("auto", None, None, "write", "write"),
        ("suggest", None, None, "suggest", "write"),
        ("observe", None, None, "observe", "write"),
        ("off", None, None, "off", "off"),
        ("suggest", "auto", None, "write", "write"),
        ("auto", "suggest", "auto", "write", "write"),
        ("auto", "auto", "off", "off", "off"),
        ("auto", "off", None, "off", "off"),
        ("auto", "off", "auto", "write", "write"),
        # What holds for the whole profile is not undone by a rule
        ("off", "auto", "auto", "off", "off"),
        ("observe", "auto", "auto", "observe", "write"),
    ],
)
def test_modes(profile: str, rule: str | None, listing: str | None, verdict: str, approved: str) -> None:
    facts = offer(mode=Mode(listing) if listing else None, cost=replace(COST, purchase=Decimal(300)))
    known = rules("win", mode=Mode(rule) if rule else None)
    terms = replace(TERMS, mode=Mode(profile))
    decision = made(facts, known, terms=terms)
    assert str(decision.decision) == verdict
    assert (decision.target is None) is (verdict == "off")
    assert str(made(facts, known, terms=terms, approved=True).decision) == approved


def test_a_rule_that_is_off_keeps_its_offers_from_the_rules_after_it() -> None:
    known = Rules((Rule("mine", (), sku=("IP-*",), mode=Mode.OFF), Rule("all", ("win",))))
    assert made(offer(), known).decision is Verdict.OFF
    assert made(offer(sku="SAM-1"), known).target == eur("490")


# Which rule


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ({}, True),
        ({"sku": ("SAM-*", "IP-?")}, True),
        ({"sku": ("ip-*",)}, False),
        ({"grade": ("FAIR", "GOOD")}, True),
        ({"grade": ("FAIR",)}, False),
        ({"market": ("fr-fr",)}, True),
        ({"market": ("de-de",)}, False),
        ({"stock": Condition(high=Decimal(5))}, True),
        ({"stock": Condition(high=Decimal(5), below=True)}, False),
        ({"age": Condition(low=Decimal(10))}, True),
        ({"age": Condition(low=Decimal(10), above=True)}, False),
        # 500 − 360 − 50 = 90: 18 %
        ({"margin": Condition(low=Decimal("0.18"), high=Decimal("0.18"))}, True),
        ({"margin": Condition(low=Decimal("0.181"))}, False),
        ({"win_rate": Condition(low=Decimal("0.5"))}, True),
        ({"win_rate": Condition(high=Decimal("0.5"), below=True)}, False),
    ],
)
def test_conditions_of_rules(said: dict[str, Any], fits: bool) -> None:
    facts = offer(past=past(win_rate=Decimal("0.5")))
    known = Rules((Rule("some", ("win",), **said), Rule("rest", ("hold",))))
    rule = of(known, facts, TERMS, NOW)
    assert rule is not None
    assert rule.name == ("some" if fits else "rest")
    assert made(facts, known).rule == ("some" if fits else None)


def test_what_is_not_known_fulfils_no_condition() -> None:
    for said in ({"stock": Condition()}, {"age": Condition()}, {"margin": Condition()}, {"win_rate": Condition()}):
        known = Rules((Rule("some", ("win",), **said),))  # type: ignore[arg-type]  # each a condition
        assert falls_under(known, offer(quantity=None, first_seen=None, cost=None), TERMS, NOW) == ()


def test_the_first_strategy_whose_time_has_come_decides() -> None:
    known = Rules((Rule("one", ("hold", "win_small")), Rule("two", ("match", "win"))))
    assert (made(offer(), known).rule, made(offer(), known).strategy) == ("one", "win_small")
    far = made(offer(box=box(price_to_win="480", winner_price="481")), known)
    assert (far.rule, far.strategy, far.target) == ("two", "match", eur("481"))
    assert [rule.name for rule in falls_under(known, offer(), TERMS, NOW)] == ["one", "two"]


# BackPricer


def test_backpricer_gets_the_floor_as_its_lower_end() -> None:
    known = rules("hold", "win", backpricer=True)
    decision = made(offer(min_price="480"), known)
    assert (decision.target, decision.min_price) == (eur("490"), eur("400"))
    assert "min_price 480.00 → 400.00" in decision.reason
    winning = made(offer(box=WINNING), known)
    assert (winning.target, winning.min_price, winning.strategy) == (eur("500"), eur("400"), "hold")
    assert winning.reason.startswith("500.00 stays · hold: winning, 40 s old · min_price none → 400.00")
    assert made(offer(box=WINNING, min_price="400"), known).target is None
    # At the floor its margin is that of the floor
    assert winning.hit("margin-tier")


def test_backpricer_is_not_set_without_data() -> None:
    assert made(offer(box=None), rules("standalone", backpricer=True), approved=True).target is None


# Many


def shop(count: int, changing: int) -> list[Facts]:
    good = replace(COST, purchase=Decimal(300))
    return [
        offer(listing=f"{n:03}", box=box() if n < changing else WINNING, past=past(sold=n % 7), cost=good)
        for n in range(count)
    ]


def test_a_plan_begins_with_what_costs_most() -> None:
    listings = [
        offer(listing="win", box=WINNING),
        offer(listing="few", past=past(sold=1)),
        offer(listing="many", past=past(sold=5)),
        offer(listing="under", price="399"),
        offer(listing="blocked", box=box(price_to_win="399")),
    ]
    planned = plan(listings, BUILT_IN, TERMS, NOW)
    assert [each.listing for each in planned.decisions] == ["under", "many", "few", "blocked", "win"]
    assert [str(each.worth) for each in planned.decisions] == [
        "1.00 EUR",
        "405.00 EUR",
        "81.00 EUR",
        "1.00 EUR",
        "0.00 EUR",
    ]


def test_money_of_several_currencies_is_sorted_by_what_it_is_worth() -> None:
    crowns = [Money(minor, "SEK") for minor in (500_000, 490_000)]
    swedish = offer(
        listing="swedish",
        market="sv-se",
        currency="SEK",
        price=crowns[0],
        cost=replace(COST, currency="SEK", purchase=Decimal(3_600)),
        box=replace(box(), price=crowns[0], price_to_win=crowns[1], winner_price=crowns[1]),
        past=replace(past(), average=crowns[0], anchor=crowns[1]),
    )
    planned = plan([swedish, offer(listing="french")], BUILT_IN, TERMS, NOW)
    # 810 SEK are less than 81 EUR
    assert [each.listing for each in planned.decisions] == ["french", "swedish"]


def test_a_run_that_changes_too_much_waits_as_suggestions() -> None:
    calm = plan(shop(100, 25), BUILT_IN, TERMS, NOW)
    assert calm.breaker is None
    assert sum(each.decision is Verdict.WRITE for each in calm.decisions) == 25
    wild = plan(shop(100, 26), BUILT_IN, TERMS, NOW)
    assert wild.breaker is not None
    assert (wild.breaker.changes, wild.breaker.listings) == (26, 100)
    waiting = [each for each in wild.decisions if each.target is not None]
    assert {each.decision for each in waiting} == {Verdict.SUGGEST}
    assert all(
        each.hit("run-breaker") and "run-breaker: 26 of 100 prices would change" in each.reason for each in waiting
    )


def test_a_dry_run_decides_as_a_live_one() -> None:
    for seed in range(2_000):
        case = world(seed)
        made_now = decide(case.facts, case.rules, case.terms, case.now)
        assert plan([case.facts], case.rules, case.terms, case.now).decisions[0].target == made_now.target
        quiet = Rules(
            tuple(replace(rule, mode=None) for rule in case.rules.rules), case.rules.limits, case.rules.markets
        )
        facts = replace(case.facts, mode=None)
        suggested = decide(facts, quiet, replace(case.terms, mode=Mode.SUGGEST), case.now)
        live = decide(facts, quiet, replace(case.terms, mode=Mode.AUTO), case.now)
        assert (suggested.target, suggested.min_price) == (live.target, live.min_price)
        assert [check.guard for check in suggested.guards] == [check.guard for check in live.guards]


# What is kept


def test_a_decision_comes_back_from_json_and_is_decided_again() -> None:
    for seed in range(1_500):
        case = world(seed)
        first = decide(case.facts, case.rules, case.terms, case.now, writing=case.writing, approved=case.approved)
        said = json.loads(json.dumps(first.as_json()))
        kept = Decision.from_json(said)
        assert kept.reason == first.reason
        assert kept.guards == first.guards
        assert replace(kept, made_from={}, margin=None) == replace(first, made_from={}, margin=None)
        assert replace(again(said["made_from"], case.rules), made_from={}) == replace(first, made_from={}), seed


def test_json_has_the_names_that_scripts_rely_on() -> None:
    said = made(offer(price="510", box=box(price_to_win="480"))).as_json()
    assert list(said)[:11] == [
        *("listing", "sku", "market", "decision", "strategy", "old", "target", "floor", "ceiling", "guards", "reason")
    ]
    assert said["decision"] == "suggest"
    assert said["guards"] == ["step", "margin-tier"]
    assert said["target"] == {"amount": "480.00", "currency": "EUR"}
    passed = said["passed"]
    assert isinstance(passed, list)
    assert "fresh" in passed


# Costs


def test_the_most_specific_cost_counts_and_never_one_of_another_currency() -> None:
    plain, german, good = COST, replace(COST, market="de-de"), replace(COST, grade="GOOD")
    both = replace(COST, market="de-de", grade="GOOD")
    every = [both, german, good, plain, replace(COST, market="sv-se", currency="SEK")]

    def picked(market: str, grade: str | None, currency: str = "EUR", rows: list[Cost] = every) -> Cost | None:
        return pick_cost(rows, sku="IP-1", grade=grade, market=market, currency=currency)

    assert picked("de-de", "GOOD") is both
    assert picked("de-de", "FAIR") is german
    assert picked("de-de", "GOOD", rows=[plain, good, german]) is german
    assert picked("fr-fr", "GOOD") is good
    assert picked("fr-fr", None) is plain
    assert picked("sv-se", "FAIR", "SEK") is every[-1]
    # 360 EUR are not 360 SEK
    assert picked("sv-se", "FAIR", "SEK", [plain, good]) is None
    assert pick_cost(every, sku="IP-2", grade=None, market="fr-fr", currency="EUR") is None
    later = replace(COST, purchase=Decimal(1))
    assert picked("fr-fr", None, rows=[plain, later]) is later


@pytest.mark.parametrize(
    ("text", "kind", "rate"),
    [("none", "none", "0"), (" Regular  20 ", "regular", "0.20"), ("margin 25.5 %", "margin", "0.255")],
)
def test_vat_schemes(text: str, kind: str, rate: str) -> None:
    vat = Vat.parse(text)
    assert (vat.kind, vat.rate) == (kind, Decimal(rate))
    assert Vat.parse(str(vat)) == vat
    assert (vat.u > 0, vat.v > 0) == (kind == "regular", kind == "margin")


@pytest.mark.parametrize(
    "text", ["", "20", "regular", "margin 0", "regular 200", "margin -5", "half 20", "regular 20,5"]
)
def test_what_is_no_vat_scheme(text: str) -> None:
    with pytest.raises(ValueError, match="is not a VAT scheme: write none, regular 20 or margin 20"):
        Vat.parse(text)


def test_facts_that_say_little_are_no_trouble() -> None:
    bare = Facts("a", "s", "fr-fr", "EUR", eur("10"), cost=replace(COST, purchase=Decimal(1)))
    decision = made(bare)
    assert decision.target is None
    assert again(json.loads(json.dumps(dict(decision.made_from))), BUILT_IN).reason == decision.reason
