"""`rules.toml`: what it says, and each way in which it can be wrong, with its line."""

from datetime import timedelta
from decimal import Decimal

import pytest

from bmconsole.domain.money import Money
from bmconsole.errors import SettingsError
from bmconsole.pricing.rules import BUILT_IN, parse
from bmconsole.pricing.tomllines import line_of
from bmconsole.pricing.values import Amounts, Condition, Limits, MarketTerms, Mode, Params, Rule, Rules, Vat

FULL = """\
[defaults]
fee = 10.5
target_margin = 15
min_profit = "5.00 EUR, 55 SEK"
repair_floor = "auto"

[market.sv-se]
vat = "margin 25"
fee = "12 %"

[guards]
step = 4
after_cut = "20m"

[[rule]]   # the old ones go
name = "old phones"
sku = ["IP*", "SAM-?"]
grade = "good, fair"
market = "fr-fr,sv-se"
stock = 3
age = ">= 60d"
margin = "> 20 %, <= 40"
win_rate = "< 30"
strategy = "decay"
decay = { from = 60, to = 120, start = "499.00 EUR" }
guards = { step = 3, margin_amount = "10 EUR", ladder = false }
mode = "AUTO"
repair_floor = "suggest"
backpricer = true

[[rule]]
strategy = ["hold", "raise", "win_small", "undercut", "standalone", "below_floor", "scarcity"]

[rule.raise]
after = "3h"
looks = 5
step = "1 %"
lost_within = "6h"

[rule.win_small]
within = 2.5

[rule.undercut]
step = "0.05 EUR"

[rule.standalone]
price = "399 EUR"

[rule.below_floor]
to = "ceiling"

[rule.scarcity]
stock = 4
sold = 6
raise = 2
every = "12h"

[[rule]]
name = "not these"
mode = "off"
"""


def test_everything_that_can_be_said() -> None:
    said = parse(FULL, name="rules.toml")
    limits = Limits(step=Decimal("0.04"), after_cut=timedelta(minutes=20))
    assert said == Rules(
        (
            Rule(
                "old phones",
                ("decay",),
                sku=("IP*", "SAM-?"),
                grade=("GOOD", "FAIR"),
                market=("fr-fr", "sv-se"),
                stock=Condition(Decimal(3), Decimal(3)),
                age=Condition(low=Decimal(60)),
                margin=Condition(Decimal("0.2"), Decimal("0.4"), above=True),
                win_rate=Condition(high=Decimal("0.3"), below=True),
                params=Params(decay_from=60, decay_to=120, decay_start=Amounts(each=(Money(49_900, "EUR"),))),
                limits=Limits(
                    step=Decimal("0.03"),
                    after_cut=timedelta(minutes=20),
                    margin_amount=Amounts(each=(Money(1_000, "EUR"),)),
                    ladder=False,
                ),
                mode=Mode.AUTO,
                repair_floor="suggest",
                backpricer=True,
                line=15,
            ),
            Rule(
                "rule 2",
                ("hold", "raise", "win_small", "undercut", "standalone", "below_floor", "scarcity"),
                params=Params(
                    raise_after=timedelta(hours=3),
                    raise_looks=5,
                    raise_step=Amounts(share=Decimal("0.01")),
                    raise_lost_within=timedelta(hours=6),
                    small=Decimal("0.025"),
                    undercut_step=Amounts(each=(Money(5, "EUR"),)),
                    standalone_price=Amounts(each=(Money(39_900, "EUR"),)),
                    below_floor="ceiling",
                    scarce_stock=4,
                    scarce_sold=6,
                    scarce_raise=Decimal("0.02"),
                    scarce_every=timedelta(hours=12),
                ),
                limits=limits,
                repair_floor="auto",
                line=31,
            ),
            Rule("not these", (), limits=limits, mode=Mode.OFF, repair_floor="auto", line=58),
        ),
        limits,
        {
            "": MarketTerms(
                fee=Decimal("0.105"),
                target_margin=Decimal("0.15"),
                min_profit=Amounts(each=(Money(500, "EUR"), Money(5_500, "SEK"))),
            ),
            "sv-se": MarketTerms(vat=Vat("margin", Decimal("0.25")), fee=Decimal("0.12")),
        },
        "auto",
        "rules.toml",
        FULL,
    )


def test_the_built_in_rules_cut_only_to_a_price_that_wins() -> None:
    assert [rule.strategies for rule in BUILT_IN.rules] == [("hold", "win", "below_floor", "standalone")]
    assert BUILT_IN.rules[0].params.below_floor == "hold"
    assert BUILT_IN.rules[0].params.standalone_price is None


R = '[[rule]]\nstrategy = "win"\n'


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("", None, "it has no rule", "[[rule]]"),
        ("[[rule]]\nstrategy = win\n", 2, "not TOML", "in quotes"),
        ("[[rule]\n", 1, "not TOML", ""),
        ("x = " + "[" * 5_000, 1, "not TOML", ""),
        (R + R.replace("win", "wni"), 4, "there is no strategy “wni”", "Did you mean “win”?"),
        ("[[rule]]\nname = 'a'\n", 1, "the rule has no strategy", "Known: hold, raise"),
        ("[[rule]]\nname = 'a'\nstrateggy = 'win'\n", 3, "there is no “strateggy” here", "Did you mean “strategy”?"),
        ("[[rule]]\nstrateggy = 'decay'\ndecay = { from = 9 }\n", 2, "there is no “strateggy”", "mean “strategy”?"),
        ("[[rule]]\nstrategies = ['hold', 'win']\n", 2, "there is no “strategies” here", "Did you mean “strategy”?"),
        ("[[rule]]\nmode = 'auto'\ndecay = { from = 9 }\n", 1, "the rule has no strategy", "Known: hold, raise"),
        (R + "markt = 'fr-fr'\n", 3, "there is no “markt” here", "Did you mean “market”?"),
        (R + "[gards]\nstep = 5\n", 3, "there is no “gards” here", "Did you mean “guards”?"),
        (R + "market = 'fr-fx'\n", 3, "“fr-fx” is none", "Did you mean “fr-fr”?"),
        (R + "grade = ['GOOD', 'GREAT']\n", 3, "“GREAT” is none", ""),
        (R + "sku = 5\n", 3, "it has to be a text, or a list of texts", "sku ="),
        (R + "sku = []\n", 3, "it has to be a text, or a list of texts", "sku ="),
        (R + "stock = 'few'\n", 3, "it is no condition", ">= 3"),
        (R + "stock = true\n", 3, "it is no condition", ">= 3"),
        (R + "stock = '> 5, < 3'\n", 3, "nothing can be both", ""),
        (R + "stock = '> 5, <= 5'\n", 3, "nothing can be both", ""),
        (R + "mode = 'automatic'\n", 3, "it is none of off, observe, suggest, auto", ""),
        (R + "backpricer = 'yes'\n", 3, "it is true or false", "without quotes"),
        (R + "decay = { from = 60 }\n", 3, "no strategy “decay” that these could be for", 'Add "decay"'),
        ("[[rule]]\nstrategy = 'decay'\ndecay = { from = 60, to = 60 }\n", 3, "`to` has to be more days", ""),
        ("[[rule]]\nstrategy = 'decay'\n[rule.decay]\nfrm = 60\n", 4, "there is no “frm” here", "“from”"),
        ("[[rule]]\nstrategy = 'decay'\n[rule.decay]\nfrom = 1.5\n", 4, "a whole number from 0", ""),
        ("[[rule]]\nstrategy = 'decay'\n[rule.decay]\nfrom = nan\n", 4, "it has to be a number", ""),
        ("[[rule]]\nstrategy = 'undercut'\nundercut = { step = 5 }\n", 3, "an amount needs its currency", "5.00 EUR"),
        ("[[rule]]\nstrategy = 'undercut'\nundercut = { step = '5' }\n", 3, "“5” is no amount", "5.00 EUR"),
        (
            "[[rule]]\nstrategy = 'undercut'\nundercut = { step = '5 CHF' }\n",
            3,
            "no market has the currency CHF",
            "SEK",
        ),
        ("[[rule]]\nstrategy = 'undercut'\nundercut = { step = '5.005 EUR' }\n", 3, "more than 2 decimals", ""),
        ("[[rule]]\nstrategy = 'undercut'\nundercut = { step = '1.5 JPY' }\n", 3, "more than 0 decimals", ""),
        ("[[rule]]\nstrategy = 'standalone'\nstandalone = { price = '5 %' }\n", 3, "a price is an amount", ""),
        ("[[rule]]\nstrategy = 'below_floor'\nbelow_floor = 'floor'\n", 3, "it has to be a table", "{ … }"),
        ("[[rule]]\nstrategy = 'below_floor'\nbelow_floor = { to = 'top' }\n", 3, "none of hold, floor, ceiling", ""),
        ("[[rule]]\nstrategy = 'raise'\nraise = { after = '6' }\n", 3, "it is not a duration", "15m"),
        ("[[rule]]\nstrategy = 'raise'\nraise = { after = '90d' }\n", 3, "from 1 s to 30 d", ""),
        ("[[rule]]\nstrategy = 'raise'\nraise = { after = 6 }\n", 3, "it is not a duration", ""),
        (R + "guards = { step = 'much' }\n", 3, "it has to be a number", ""),
        (R + "guards = { step = 90 }\n", 3, "from 0 to 50 per cent", ""),
        (R + "guards = { stop = 5 }\n", 3, "there is no “stop” here", "“step”"),
        (R + "guards = { sanity = 0 }\n", 3, "from 30 to 100 per cent", ""),
        (R + "guards = { fresh_write = '2h' }\n", 3, "from 1 s to 1 h", ""),
        (R + "guards = { run_share = 50 }\n", 3, "about the run as a whole", "[guards]"),
        (R + "guards = { margin_flag = 40 }\n", 3, "it is more than `margin_auto`", ""),
        (R + "[guards]\nlines_share = 100\n", 4, "from 1 to 80 per cent", ""),
        (R + "[guards]\nladder = 1\n", 4, "it is true or false", ""),
        (R + "[defaults]\nvat = 'half 20'\n", 4, "is not a VAT scheme", ""),
        (R + "[defaults]\nfee = 100\n", 4, "from 0 to 99 per cent", ""),
        (R + "[defaults]\nmin_profit = '5 %'\n", 4, "“5 %” is no amount", ""),
        (R + "[market.fr-fx]\nfee = 9\n", 3, "there is no market “fr-fx”", "“fr-fr”"),
        (R + "[market.fr-fr]\nfees = 9\n", 4, "there is no “fees” here", "“fee”"),
        (R + "[market]\nfr-fr = 9\n", 4, "it has to be a table", ""),
        (R + "[rule.guards]\nstep = 99\n", 4, "from 0 to 50 per cent", ""),
        ("rule = 5\n", 1, "rules are tables of their own", "[[rule]]"),
        ("[rule]\nstrategy = 'win'\n", 1, "rules are tables of their own", "[[rule]]"),
        ("[[rule]]\nname='a'\nstrategy='win'\n[[rule]]\nname='a'\nstrategy='win'\n", 5, "called “a” too", ""),
        (R + "name = 5\n", 3, "it has to be a text", ""),
        (R + "\x1b = 5\n", 3, "not TOML", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int | None, message: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, name="rules.toml")
    error = caught.value
    assert error.exit == 2
    assert error.message.startswith(f"rules.toml, line {line}: " if line else "rules.toml: ")
    assert message in error.message
    assert hint in (error.hint or "")
    assert "\x1b" not in error.line()


def test_lines_of_keys_in_every_notation() -> None:
    text = 'a.b = 1\n[t]\n"k k" = 2\ninner = { x = 1,\n y = 2 }\n[[r]]\nq = 1\n[[r]]\n[r.s]\nq = 2\n'
    assert line_of(text, ("a", "b")) == 1
    assert line_of(text, ("t", "k k")) == 3
    assert line_of(text, ("t", "inner", "y")) == 4
    assert line_of(text, ("r", 0, "q")) == 7
    assert line_of(text, ("r", 1, "s", "q")) == 10
    assert line_of(text, ("r", 1)) == 8
    assert line_of(text, ("nowhere",)) is None
