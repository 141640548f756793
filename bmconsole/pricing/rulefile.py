"""Reads rules from the text of `rules.toml`, with file and line in each complaint.

    [defaults]                       # or [market.de-de]: what holds where a cost row does not say better
    fee = 10
    target_margin = 15

    [guards]                         # or guards = { … } in a rule
    step = 5

    [[rule]]
    name = "old phones"
    sku = "IP*"
    age = ">= 60"
    strategy = ["hold", "decay"]
    decay = { from = 60, to = 120 }

Shares are written in per cent, amounts with their currency, durations like `15m`, ages in days.
"""

import tomllib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bmconsole.domain.costs import Vat
from bmconsole.domain.decisions import Mode
from bmconsole.domain.listings import GRADES
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.text import clean
from bmconsole.errors import SettingsError
from bmconsole.pricing.strategies import STRATEGIES
from bmconsole.pricing.tomllines import fault, line_of
from bmconsole.pricing.tomltable import DAY, HOUR, Kind, TomlTable, near
from bmconsole.pricing.values import DEFAULT_LIMITS, Limits, MarketTerms, Params, Rule, Rules

_GUARDS: dict[str, tuple[Kind, Any, Any]] = {
    "fresh": ("duration", timedelta(seconds=1), 7 * DAY),
    "fresh_write": ("duration", timedelta(seconds=1), HOUR),
    "settle": ("duration", timedelta(seconds=1), HOUR),
    "after_cut": ("duration", timedelta(seconds=1), 7 * DAY),
    "after_raise": ("duration", timedelta(seconds=1), 7 * DAY),
    "changes": ("whole", 0, 100),
    "step": ("share", 0, 50),
    "step_amount": ("amounts", None, None),
    "down": ("share", 0, 50),
    "sanity": ("share", 30, 100),
    "flood": ("share", 30, 100),
    "band": ("share", 0, 100),
    "ladder": ("flag", None, None),
    "dead_band": ("share", 0, 20),
    "war_cuts": ("whole", 1, 100),
    "war_drop": ("share", 0, 50),
    "war_flips": ("whole", 1, 1_000),
    "war_pause": ("duration", timedelta(seconds=1), 30 * DAY),
    "margin_auto": ("share", 0, 100),
    "margin_amount": ("amounts", None, None),
    "margin_flag": ("share", 0, 100),
    "run_share": ("share", 0, 100),
    "run_count": ("whole", 0, 1_000_000),
    "run_mean": ("share", 0, 50),
    "failures": ("whole", 1, 100),
    "lines_share": ("share", 1, 80),
}
"""The limits of the guards by their key: how they are written, and from where to where."""

_OF_THE_RUN = frozenset({"run_share", "run_count", "run_mean", "failures", "lines_share"})
_TERMS = ("vat", "fee", "target_margin", "min_profit")

_CONDITIONS = ("stock", "age", "margin", "win_rate")

_PARAMS: dict[str, dict[str, tuple[Kind, str, Any, Any]]] = {
    "raise": {
        "after": ("duration", "raise_after", timedelta(minutes=1), 30 * DAY),
        "looks": ("whole", "raise_looks", 1, 1_000),
        "step": ("amounts", "raise_step", None, None),
        "lost_within": ("duration", "raise_lost_within", timedelta(minutes=1), 7 * DAY),
    },
    "win_small": {"within": ("share", "small", 0, 50)},
    "undercut": {"step": ("amounts", "undercut_step", None, None)},
    "standalone": {"price": ("amounts", "standalone_price", None, None)},
    "below_floor": {"to": ("floor or ceiling", "below_floor", None, None)},
    "decay": {
        "from": ("whole", "decay_from", 0, 3_650),
        "to": ("whole", "decay_to", 1, 3_650),
        "start": ("amounts", "decay_start", None, None),
    },
    "scarcity": {
        "stock": ("whole", "scarce_stock", 1, 1_000),
        "sold": ("whole", "scarce_sold", 1, 100_000),
        "raise": ("share", "scarce_raise", 0, 50),
        "every": ("duration", "scarce_every", HOUR, 30 * DAY),
    },
}
"""The parameters by strategy and key: how they are written, their name in `Params`, and from where to where."""


def parse(text: str, *, name: str) -> Rules:
    """Return the rules that `text` says; `name` is what messages call the file.

    Raises:
        SettingsError: It is no TOML, or a key or value is not what it has to be; with file and line, and the way out.
    """
    try:
        # A float would not be what was written
        document = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        number, why = fault(text, str(error))
        raise SettingsError(
            f"{name}, line {number}: not TOML: {clean(why, limit=200)}.",
            hint='Text stands in quotes: strategy = "win".',
        ) from None
    return _rules(TomlTable(name, text, (), document))


def _rules(file: TomlTable) -> Rules:
    defaults = file.table("defaults")
    markets = {"": _terms(defaults)}
    repair = defaults.choice("repair_floor", ("suggest", "auto")) or "suggest"
    defaults.end()
    places = file.table("market")
    for code in list(places.values):
        place = places.table(code)
        if code.lower() not in MARKETS:
            raise places.wrong(code, f"there is no market “{clean(code, limit=40)}”", near(code, MARKETS))
        markets[code.lower()] = _terms(place)
        place.end()
    limits = _limits(file.table("guards"), DEFAULT_LIMITS, run=True)
    found: list[Rule] = []
    for table in file.tables("rule"):
        rule = _rule(table, len(found) + 1, limits, repair)
        if any(rule.name == other.name for other in found):
            raise table.wrong("name", f"a rule before is called “{rule.name}” too", "Give each rule its own name.")
        found.append(rule)
    file.end()
    if not found:
        raise SettingsError(f"{file.name}: it has no rule.", field="rule", hint="Write [[rule]].")
    return Rules(
        tuple(found), limits, markets, "auto" if repair == "auto" else "suggest", name=file.name, text=file.text
    )


def _terms(table: TomlTable) -> MarketTerms:
    vat = None
    if (said := table.one_text("vat")) is not None:
        try:
            vat = Vat.parse(said)
        except ValueError as error:
            raise table.wrong("vat", str(error), "") from None
    return MarketTerms(
        vat, table.share("fee", 0, 99), table.share("target_margin", 0, 99), table.amounts("min_profit", shares=False)
    )


def _rule(table: TomlTable, number: int, limits: Limits, repair: str) -> Rule:
    called = table.one_text("name")
    mode = table.choice("mode", [str(each) for each in Mode])
    strategies = _strategies(table)
    conditions = {key: table.condition(key, share=key in ("margin", "win_rate")) for key in _CONDITIONS}
    said = table.choice("repair_floor", ("suggest", "auto")) or repair
    rule = Rule(
        name=clean(called, limit=60) if called else f"rule {number}",
        strategies=strategies,
        sku=table.texts("sku"),
        grade=table.several("grade", GRADES, upper=True),
        market=table.several("market", tuple(MARKETS), upper=False),
        **conditions,
        params=_params(table),
        limits=_limits(table.table("guards"), limits, run=False),
        mode=Mode(mode) if mode else None,
        repair_floor="auto" if said == "auto" else "suggest",
        backpricer=table.flag("backpricer") or False,
        line=line_of(table.text, table.path) or 0,
    )
    # A misspelt `strategy` is to be named as that, not as a strategy that is missing
    table.end()
    _fits(table, rule)
    return rule


def _strategies(table: TomlTable) -> tuple[str, ...]:
    found = tuple(each.lower() for each in table.texts("strategy", commas=True))
    for each in found:
        if each not in STRATEGIES:
            unknown = f"there is no strategy “{clean(each, limit=40)}”"
            raise table.wrong("strategy", unknown, near(each, STRATEGIES), each)
    return tuple(dict.fromkeys(found))


def _fits(table: TomlTable, rule: Rule) -> None:
    """Refuse a rule without a strategy, and parameters of a strategy that the rule does not have."""
    if not rule.strategies and rule.mode is not Mode.OFF:
        raise table.wrong("strategy", "the rule has no strategy", f"Known: {', '.join(STRATEGIES)}.")
    for name in _PARAMS:
        if name in table.values and name not in rule.strategies:
            idle = f"the rule has no strategy “{name}” that these could be for"
            raise table.wrong(name, idle, f'Add "{name}" to `strategy`.')


def _params(table: TomlTable) -> Params:
    taken: dict[str, Any] = {}
    for name, keys in _PARAMS.items():
        own = table.table(name)
        for key, (kind, target, low, high) in keys.items():
            value = own.value(key, kind, low, high)
            if value is not None:
                taken[target] = value
        own.end()
    params = replace(Params(), **taken)
    if params.decay_to <= params.decay_from:
        raise table.wrong("decay", "`to` has to be more days than `from`", "Write decay = { from = 60, to = 120 }.")
    for name, price in (("standalone", params.standalone_price), ("decay", params.decay_start)):
        if price is not None and price.share is not None:
            raise table.wrong(name, "a price is an amount, no share", 'Write "399.00 EUR".')
    return params


def _limits(table: TomlTable, limits: Limits, *, run: bool) -> Limits:
    taken: dict[str, Any] = {}
    for key, (kind, low, high) in _GUARDS.items():
        if key in table.values and key in _OF_THE_RUN and not run:
            raise table.wrong(key, "it is about the run as a whole", "Write it in [guards].")
        value = table.value(key, kind, low, high)
        if value is not None:
            taken[key] = value
    table.end()
    found = replace(limits, **taken) if taken else limits
    if found.margin_flag > found.margin_auto:
        raise table.wrong("margin_flag", "it is more than `margin_auto`", "Below margin_auto is flagged.")
    return found
