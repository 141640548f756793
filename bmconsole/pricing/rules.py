"""Which rules are for an offer, and the rules that hold where the owner wrote none."""

from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase

from bmconsole.errors import SettingsError
from bmconsole.pricing.floors import Figures, figures
from bmconsole.pricing.rulefile import parse
from bmconsole.pricing.strategies import age_days
from bmconsole.pricing.values import Facts, Rule, Rules, Terms

__all__ = ["BUILT_IN", "falls_under", "matching", "of", "parse"]

BUILT_IN = Rules(rules=(Rule("default", ("hold", "win", "below_floor", "standalone")),))
"""Safe ones: winning, blocked by the floor or without data, the price stays; else it goes to the price to win."""


def matching(rules: Rules, facts: Facts, known: Figures | None, now: datetime) -> Iterator[Rule]:
    """Yield the rules that are for an offer, in their order; `known` None: its margin is not known."""
    return (rule for rule in rules.rules if _is_for(rule, facts, known, now))


def falls_under(rules: Rules, facts: Facts, terms: Terms, now: datetime) -> tuple[Rule, ...]:
    """Return the rules that are for an offer, in their order: the first whose strategy has something to say decides."""
    try:
        known = figures(facts, rules, terms)
    except SettingsError:
        known = None
    return tuple(matching(rules, facts, known, now))


def of(rules: Rules, facts: Facts, terms: Terms, now: datetime) -> Rule | None:
    """Return the first rule that is for an offer, None where none is."""
    return next(iter(falls_under(rules, facts, terms, now)), None)


def _is_for(rule: Rule, facts: Facts, known: Figures | None, now: datetime) -> bool:
    if rule.sku and not any(fnmatchcase(facts.sku, pattern) for pattern in rule.sku):
        return False
    if rule.grade and facts.grade not in rule.grade:
        return False
    if rule.market and facts.market not in rule.market:
        return False
    if rule.stock is not None and not rule.stock.holds(facts.quantity):
        return False
    if rule.age is not None and not rule.age.holds(age_days(facts, now)):
        return False
    if rule.win_rate is not None and not rule.win_rate.holds(facts.past.win_rate):
        return False
    if rule.margin is None:
        return True
    price = facts.price
    return known is not None and price is not None and rule.margin.holds(known.margin(price.minor))
