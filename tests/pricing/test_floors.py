from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.domain.money import Money
from bmconsole.errors import SettingsError
from bmconsole.pricing.floors import ceiling, fee_and_terms, figures, floor
from bmconsole.pricing.rules import BUILT_IN
from bmconsole.pricing.values import Amounts, Cost, MarketTerms, Rules, Terms, Vat
from tests.pricing.offers import TERMS, eur, offer
from tests.pricing.worlds import floor_of, net_of

D = Decimal


def floor_at(
    vat: str, *, currency: str = "EUR", fee: str = "0.10", margin: str = "0", profit: str = "0", **cost: str
) -> int:
    row = Cost("S", currency, **{name: D(value) for name, value in cost.items()})  # type: ignore[arg-type]  # amounts only
    return floor(row, fee=D(fee), vat=Vat.parse(vat), target_margin=D(margin), min_profit=D(profit))


@pytest.mark.parametrize(
    ("minor", "said"),
    [
        # (acquisition + refurbishment + operation + risk) / (1 − fee − margin)
        (40_000, {"vat": "none", "margin": "0.15", "purchase": "250", "parts": "30", "labour": "15", "shipping": "5"}),
        # The specification's warning: 300, 10 %, 15 %, and the VAT forgotten
        (40_000, {"vat": "none", "margin": "0.15", "purchase": "300"}),
        # … and not forgotten: 300 / (1 − 0.1 − 1/6 − 0.15)
        (51_429, {"vat": "regular 20", "margin": "0.15", "purchase": "300"}),
        # (310 − 310/6) / (1 − 0.1 − 1/6 − 0.15)
        (44_286, {"vat": "margin 20", "margin": "0.15", "purchase": "310"}),
        # Break-even: 330 / 0.9 = 366.666…, rounded up
        (36_667, {"vat": "none", "purchase": "330"}),
        # Exactly on the grid: not a cent more, also where the VAT is a sixth: 220 / (0.9 − 1/6) = 300
        (30_000, {"vat": "regular 20", "purchase": "220"}),
        (36_000, {"vat": "none", "purchase": "324"}),
        # A minimum profit: (324 + 36) / 0.9
        (40_000, {"vat": "none", "purchase": "324", "profit": "36"}),
        # The larger of profit and margin: 324 / 0.72 = 450
        (45_000, {"vat": "none", "purchase": "324", "profit": "36", "margin": "0.18"}),
        # A manual minimum, on its own and under the rest
        (41_000, {"vat": "none", "purchase": "324", "manual_min": "410"}),
        (36_000, {"vat": "none", "purchase": "324", "manual_min": "350"}),
        # Yen have no decimals: 33,000 / 0.9 = 36,666.67
        (36_667, {"vat": "none", "currency": "JPY", "purchase": "33000"}),
        (36_000, {"vat": "none", "currency": "JPY", "purchase": "32400"}),
        # Nothing is given away
        (1, {"vat": "none", "purchase": "0"}),
        # The whole unit cost less than its purchase: no margin below it, so no tax on one: 80 / 0.9
        (8_889, {"vat": "margin 20", "purchase": "100", "labour": "-20"}),
        # … but above it there is one: (95 − 100/6) / (0.9 − 1/6) = 106.82
        (10_682, {"vat": "margin 20", "purchase": "100", "labour": "-5"}),
    ],
)
def test_the_floor_is_the_largest_of_its_bounds_rounded_up(minor: int, said: dict[str, str]) -> None:
    assert floor_at(**said) == minor


def test_vat_forgotten_loses_money_at_the_floor() -> None:
    cost = Cost("S", "EUR", D(300))
    at = floor(cost, fee=D("0.10"), vat=Vat("none"), target_margin=D("0.15"), min_profit=D(0))
    loss = net_of(at, cost, D("0.10"), Vat.parse("regular 20"), 2)
    assert round(float(loss), 2) == -6.67


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"vat": "none", "purchase": "300", "margin": "0.90"}, "target_margin"),
        ({"vat": "regular 20", "purchase": "300", "margin": "0.75"}, "target_margin"),
        ({"vat": "none", "purchase": "300", "fee": "1"}, "fee"),
        ({"vat": "regular 99", "purchase": "300", "fee": "0.6"}, "fee"),
    ],
)
def test_a_denominator_that_leaves_nothing_is_a_configuration_error(said: dict[str, str], field: str) -> None:
    with pytest.raises(SettingsError, match=r"SKU S: a fee of .* leave nothing of the price") as caught:
        floor_at(**said)
    assert caught.value.field == field
    assert caught.value.exit == 2
    assert caught.value.hint


shares = st.decimals(0, "0.3", places=3)
amounts = st.decimals(0, 2_000, places=2)


@given(
    purchase=amounts,
    parts=amounts,
    labour=st.decimals(-300, 300, places=2),
    fee=shares,
    margin=shares,
    profit=st.decimals(0, 100, places=2),
    vat=st.sampled_from(["none", "regular 20", "margin 20", "margin 25.5", "regular 7.7", "margin 19"]),
    currency=st.sampled_from(["EUR", "JPY"]),
)
def test_at_the_floor_everything_is_earned_and_a_unit_below_it_is_not(
    purchase: Decimal,
    parts: Decimal,
    labour: Decimal,
    fee: Decimal,
    margin: Decimal,
    profit: Decimal,
    vat: str,
    currency: str,
) -> None:
    cost = Cost("S", currency, purchase, parts, max(labour, -purchase))
    scheme, digits = Vat.parse(vat), 0 if currency == "JPY" else 2
    at = floor(cost, fee=fee, vat=scheme, target_margin=margin, min_profit=profit)
    assert at == floor_of(cost, fee, scheme, margin, profit, digits)

    def enough(minor: int) -> bool:
        net, price = net_of(minor, cost, fee, scheme, digits), Fraction(minor, 10**digits)
        return net >= 0 and net >= Fraction(profit) and net >= Fraction(margin) * price

    assert enough(at)
    assert at == 1 or not enough(at - 1)


@given(
    minor=st.integers(1, 10**6),
    purchase=amounts,
    parts=amounts,
    fee=shares,
    vat=st.sampled_from(["none", "regular 20", "margin 20"]),
)
def test_net_and_margin_are_what_the_definitions_say(
    minor: int, purchase: Decimal, parts: Decimal, fee: Decimal, vat: str
) -> None:
    facts = offer(cost=Cost("IP-1", "EUR", purchase, parts, fee=fee, vat=Vat.parse(vat)))
    known = figures(facts, BUILT_IN, TERMS)
    assert known is not None
    assert facts.cost is not None
    net = net_of(minor, facts.cost, fee, Vat.parse(vat), 2)
    assert abs(Fraction(known.net(minor)) / 100 - net) < Fraction(1, 10**12)
    assert abs(Fraction(known.margin(minor)) - net / Fraction(minor, 100)) < Fraction(1, 10**12)


@pytest.mark.parametrize(
    ("manual", "back_market", "minor"),
    [
        (None, None, None),
        ("500.009", None, 50_000),
        (None, "480", 48_000),
        ("500", "480", 48_000),
        ("470", "480", 47_000),
    ],
)
def test_the_ceiling_is_the_smaller_one(manual: str | None, back_market: str | None, minor: int | None) -> None:
    cost = Cost("S", "EUR", D(1), manual_max=None if manual is None else D(manual))
    assert ceiling(cost, None if back_market is None else eur(back_market)) == minor


def test_a_cost_says_its_terms_better_than_orders_market_and_profile() -> None:
    terms = Terms(vat=Vat.parse("margin 20"), fee=D("0.10"))
    rules = Rules(
        (),
        markets={
            "": MarketTerms(fee=D("0.11"), target_margin=D("0.08"), min_profit=Amounts(each=(Money(500, "EUR"),))),
            "fr-fr": MarketTerms(vat=Vat("none"), fee=D("0.12")),
        },
    )
    plain = offer(cost=Cost("IP-1", "EUR", D(300)))
    assert fee_and_terms(plain, BUILT_IN, terms) == (D("0.10"), Vat.parse("margin 20"), D(0), D(0))
    assert fee_and_terms(plain, rules, terms) == (D("0.12"), Vat("none"), D("0.08"), D(5))
    german = offer(cost=Cost("IP-1", "EUR", D(300)), market="de-de")
    assert fee_and_terms(german, rules, terms) == (D("0.11"), Vat.parse("margin 20"), D("0.08"), D(5))
    assert fee_and_terms(offer(measured_fee=D("0.09"), cost=plain.cost), rules, terms)[0] == D("0.09")
    own = Cost("IP-1", "EUR", D(300), fee=D("0.07"), target_margin=D(0), min_profit=D(0), vat=Vat.parse("regular 20"))
    assert fee_and_terms(offer(cost=own, measured_fee=D("0.09")), rules, terms) == (
        D("0.07"),
        Vat.parse("regular 20"),
        D(0),
        D(0),
    )


def test_without_cost_or_vat_or_in_another_currency_there_is_no_floor() -> None:
    assert figures(offer(cost=None), BUILT_IN, TERMS) is None
    assert figures(offer(), BUILT_IN, Terms()) is None
    assert figures(offer(cost=Cost("IP-1", "SEK", D(300))), BUILT_IN, TERMS) is None
