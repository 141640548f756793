"""Decides about the price of one offer, and of many: facts, rules and the time go in, decisions come out."""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from bmconsole.domain.decisions import Check, Decision, Mode, Standing, Verdict
from bmconsole.domain.listings import ONLINE
from bmconsole.domain.money import Money, minor_units
from bmconsole.domain.times import ago, stamp
from bmconsole.errors import SettingsError
from bmconsole.pricing.explain import line
from bmconsole.pricing.floors import Figures, figures
from bmconsole.pricing.guards import CLOCKS, GUARDS, Breaker, Trial, breaker, foreign, run, settled
from bmconsole.pricing.record import MadeFrom, facts_json, facts_of, limits_json, terms_json, terms_of
from bmconsole.pricing.rules import matching
from bmconsole.pricing.strategies import STRATEGIES, View, Wish, repair
from bmconsole.pricing.values import Facts, Limits, Rule, Rules, Terms

PAUSE, RUN_BREAKER = GUARDS[0], GUARDS[13]

# Looking up a member in its class takes longer than a whole comparison
_MODE_OFF, _MODE_OBSERVE, _MODE_SUGGEST, _MODE_AUTO = Mode.OFF, Mode.OBSERVE, Mode.SUGGEST, Mode.AUTO
_BLOCKED = Standing.BLOCKED
_CONFLICT = Standing.CONFLICT
_NO_COST = Standing.NO_COST
_NO_DATA = Standing.NO_DATA
_STALE = Standing.STALE
_UNDER_FLOOR = Standing.UNDER_FLOOR
_WIN = Standing.WIN
_WINNABLE = Standing.WINNABLE
_HOLD, _SKIP, _OFF = Verdict.HOLD, Verdict.SKIP, Verdict.OFF
_WRITE, _SUGGEST, _OBSERVE = Verdict.WRITE, Verdict.SUGGEST, Verdict.OBSERVE


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions, what costs money first; `breaker` says why the run as a whole may not be written."""

    decisions: tuple[Decision, ...]
    breaker: Breaker | None = None


def decide(
    facts: Facts, rules: Rules, terms: Terms, now: datetime, *, writing: bool = False, approved: bool = False
) -> Decision:
    """Decide about one offer.

    Args:
        facts: All that is known about it.
        rules: In their order; the first whose strategy has something to say wins.
        terms: Of the profile.
        now: UTC.
        writing: Right before a write: what it goes by has to be minutes old instead of hours.
        approved: A person approved it, or `--apply`: the margin tier and the suggestion of the step are waived, nothing
            else, in every mode but `off`.
    """
    return _Case(facts, rules, terms, now, writing, approved).decision()


def plan(
    offers: Iterable[Facts], rules: Rules, terms: Terms, now: datetime, *, writing: bool = False, approved: bool = False
) -> Plan:
    """Decide about many offers, each once, and judge the run as a whole (guard 14).

    What the run's breaker stops waits as a suggestion. What is under its floor comes first, then what is most at stake.
    """
    with _uncollected():
        found = [decide(facts, rules, terms, now, writing=writing, approved=approved) for facts in offers]
    tripped = breaker((each for each in found if each.decision is Verdict.WRITE), len(found), rules.limits)
    if tripped is not None:
        word = Check(RUN_BREAKER, "suggest", tripped.reason)
        found = [waits(each, word) if each.decision is Verdict.WRITE else each for each in found]
    return Plan(tuple(sorted(found, key=_by_money)), tripped)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from walking, again and again, what grows here: all of it stays, none is a cycle.

    Nor does it walk it once in the end: what was made counts as old at once, as it would after that walk.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def waits(decision: Decision, word: Check) -> Decision:
    """Return a decision that was to be written as a suggestion, with the word of the guard that made it one."""
    return replace(
        decision,
        decision=Verdict.SUGGEST,
        guards=(*decision.guards, word),
        tell=lambda: f"{decision.reason} · {word.guard}: {word.detail}",
    )


def _by_money(decision: Decision) -> tuple[bool, int, str, str]:
    worth = decision.worth
    # In thousandths of a unit, so that currencies can be compared
    money = 0 if worth is None else worth.minor * 1_000 // minor_units(1, worth.currency)
    return decision.standing is not _UNDER_FLOOR, -money, decision.listing, decision.market


class _Case:
    """One decision in the making, and then what tells of it."""

    __slots__ = (
        *("approved", "checks", "facts", "figures", "limits", "lowest", "mode", "now", "rule", "rules", "standing"),
        *("target", "terms", "wanted", "why", "writing"),
    )

    def __init__(self, facts: Facts, rules: Rules, terms: Terms, now: datetime, writing: bool, approved: bool) -> None:
        self.facts = facts
        self.rules = rules
        self.terms = terms
        self.now = now
        self.writing = writing
        self.approved = approved
        self.rule: Rule | None = None
        self.figures: Figures | None = None
        self.standing = _NO_DATA
        self.limits = rules.limits if facts.limits is None else self._own(rules.limits)
        self.mode = terms.mode
        self.checks: tuple[Check, ...] = ()
        self.why: str | Callable[[], str] = ""
        self.target: Money | None = None
        self.wanted: Money | None = None
        self.lowest: Money | None = None

    def decision(self) -> Decision:
        facts, price = self.facts, self.facts.price
        self._settle_mode()
        if price is None or price.minor <= 0:
            return self._stays("NO DATA: it has no price here")
        if facts.publication_state != ONLINE:
            return self._stays("NO DATA: it is not online here")
        if other := foreign(facts):
            return self._stays("NO DATA: currencies differ", _SKIP, (Check("currency", "skip", other),))
        try:
            known = self.figures = figures(facts, self.rules, self.terms)
        except SettingsError as error:
            self.standing = _CONFLICT
            return self._stays(f"CONFLICT: {error.message}")
        if known is None:
            self.standing = _NO_COST
            return self._stays(f"NO COST: {self._missing()}")
        if known.conflict:
            self.standing = _CONFLICT
            ceiling = Money(known.ceiling or 0, price.currency).text()
            return self._stays(f"CONFLICT: the floor is above the ceiling {ceiling}")
        return self._priced(known, price.minor)

    def _missing(self) -> str:
        cost = self.facts.cost
        if cost is None:
            return f"no cost of this SKU in {self.facts.currency}"
        if cost.currency != self.facts.currency:
            return f"the cost is in {cost.currency}, the market in {self.facts.currency}"
        return "no VAT scheme is set"

    def _priced(self, known: Figures, price: int) -> Decision:
        view = self._view(known, price)
        self.standing = self._stands(view)
        wish: Wish | None
        if price < known.floor:
            rule = next(matching(self.rules, self.facts, known, self.now), None)
            if rule is not None:
                self._follow(rule)
                view = self._fitting(view)
            wish = repair(view)
        else:
            view, wish = self._wish(view)
        if self.mode is _MODE_OFF:
            return self._stays("the mode is off", _OFF, wish=wish)
        if self.terms.stopped or self.facts.paused:
            word = Check(PAUSE, "skip", "everything is stopped" if self.terms.stopped else self.facts.paused or "")
            return self._stays(wish.why if wish else "no rule applies", _SKIP, (word,), wish=wish)
        if wish is not None:
            return self._tried(view, wish)
        if view.stale and self.facts.box is not None:
            word = Check("fresh", "skip", f"observed {ago(self.facts.box.last_seen, self.now)} ago")
            return self._stays("STALE: the observation is too old", _SKIP, (word,))
        return self._stays(partial(_no_rule, view))

    def _wish(self, view: View) -> tuple[View, Wish | None]:
        """Return what the first rule asks for whose time has come, and what it looked at."""
        for rule in matching(self.rules, self.facts, view.figures, self.now):
            self._follow(rule)
            if rule.mode is _MODE_OFF and self.facts.mode is None:
                return view, None
            view = self._fitting(view)
            for name in rule.strategies:
                wish = STRATEGIES[name](view, rule.params)
                if wish is not None:
                    return view, wish
        self._follow(None)
        return view, None

    def _fitting(self, view: View) -> View:
        """Return the view by the limits that hold now: a rule may say how old an observation may be."""
        return view if view.fresh == self.limits.fresh else self._view(view.figures, view.price)

    def _follow(self, rule: Rule | None) -> None:
        self.rule = rule
        self.limits = self.rules.limits if rule is None else rule.limits
        if self.facts.limits is not None:
            self.limits = self._own(self.limits)
        self._settle_mode()

    def _settle_mode(self) -> None:
        """The listing's mode before its rule's before the profile's, whose `off` and `observe` hold for all."""
        general = self.terms.mode
        if general is not _MODE_OFF and general is not _MODE_OBSERVE:
            self.mode = self.facts.mode or (self.rule.mode if self.rule is not None else None) or general

    def _own(self, limits: Limits) -> Limits:
        changed: dict[str, Any] = dict(self.facts.limits or {})
        return replace(limits, **changed)

    def _tried(self, view: View, wish: Wish) -> Decision:
        rule = self.rule
        backpricer = rule is not None and rule.backpricer and wish.needs == "box"
        if wish.target == view.price and not (backpricer and _moves_min(view)):
            return self._stays(wish.why, wish=wish)
        repairing = wish.strategy == "repair"
        allowed = repairing and self._repairs_itself()
        approved = self.approved or allowed
        trial = Trial(view, wish, self.limits, wish.target, self.writing, approved, repairing, backpricer)
        if not run(trial):
            return self._stays(wish.why, _HOLD if trial.alert else _SKIP, trial.checks(), wish=wish, alert=trial.alert)
        if self.approved:
            verdict = _WRITE
        elif self.mode is _MODE_OBSERVE:
            verdict = _OBSERVE
        elif self.mode is _MODE_SUGGEST or trial.suggest or (repairing and not allowed):
            verdict = _SUGGEST
        else:
            verdict = _WRITE
        if trial.min_price is not None:
            self.lowest = Money(trial.min_price, self.facts.currency)
        self.target = self._money(trial.target)
        if wish.target == trial.target:
            self.wanted = self.target
        return self._stays(wish.why, verdict, trial.checks(), wish=wish, margin=trial.margin, flagged=trial.flagged)

    def _repairs_itself(self) -> bool:
        said = self.rules.repair_floor if self.rule is None else self.rule.repair_floor
        return said == "auto" and self.mode is _MODE_AUTO

    def _view(self, known: Figures, price: int) -> View:
        facts, box, now, fresh = self.facts, self.facts.box, self.now, self.limits.fresh
        if box is None or box.winning is None:
            return View(facts, known, now, price, known.floor, known.ceiling, None, None, None, False, fresh)
        if not -CLOCKS <= now - box.last_seen <= fresh:
            return View(facts, known, now, price, known.floor, known.ceiling, None, None, None, True, fresh)
        t, w = box.price_to_win, box.winner_price
        return View(
            *(facts, known, now, price, known.floor, known.ceiling, box.winning),
            # Nothing can be sold for nothing: what is not over 0 is no data
            t.minor if t is not None and t.minor > 0 else None,
            w.minor if w is not None and w.minor > 0 else None,
            *(False, fresh),
        )

    def _stands(self, view: View) -> Standing:
        if view.price < view.floor:
            return _UNDER_FLOOR
        if view.stale or (view.winning is not None and not settled(self.facts, self.limits)):
            return _STALE
        if view.winning is None:
            return _NO_DATA
        if view.winning:
            return _WIN
        lowest = view.price_to_win if view.price_to_win is not None else view.winner_price
        if lowest is None:
            return _NO_DATA
        return _WINNABLE if lowest >= view.floor else _BLOCKED

    def _money(self, minor: int) -> Money:
        price = self.facts.price
        return price if price is not None and price.minor == minor else Money(minor, self.facts.currency)

    def _stays(
        self,
        why: str | Callable[[], str],
        verdict: Verdict = Verdict.HOLD,
        checks: tuple[Check, ...] = (),
        *,
        wish: Wish | None = None,
        alert: bool = False,
        flagged: bool = False,
        margin: Decimal | None = None,
    ) -> Decision:
        """Return the decision; the price stays where there is no `self.target`."""
        facts, known, price, rule = self.facts, self.figures, self.facts.price, self.rule
        self.why = why
        self.checks = checks
        if wish is not None and self.wanted is None:
            self.wanted = self._money(wish.target)
        worth = floor = ceiling = None
        if known is not None and price is not None:
            floor = Money(known.floor, price.currency)
            if known.ceiling is not None:
                most = facts.max_price
                exact = most is not None and most.minor == known.ceiling
                ceiling = most if exact else Money(known.ceiling, price.currency)
            if margin is None:
                margin = known.margin(price.minor if self.target is None else self.target.minor)
            worth = self._worth(known, price.minor)
        return Decision(
            facts.listing,
            facts.sku,
            facts.market,
            verdict,
            wish.strategy if wish is not None else None,
            rule.name if rule is not None else None,
            price,
            self.target,
            floor,
            ceiling,
            checks,
            self.line,
            self.standing,
            self.mode,
            self.now,
            self.lowest,
            self.wanted,
            worth,
            margin,
            flagged,
            alert,
            MadeFrom(self.unfolded),
        )

    def _worth(self, known: Figures, price: int) -> Money:
        """What a week has at stake: what is missing a unit, or what a sale would leave, times what a week sells."""
        facts, box, stands, wanted = self.facts, self.facts.box, self.standing, self.wanted
        each = 0
        if stands is _UNDER_FLOOR:
            each = known.floor - price
        elif stands is _WINNABLE:
            sale = wanted.minor if wanted is not None and wanted.minor > 0 else price
            each = max(int(known.net(sale)), 0)
        elif stands is _BLOCKED and box is not None:
            lowest = box.price_to_win or box.winner_price
            each = known.floor - lowest.minor if lowest is not None else 0
        elif wanted is not None:
            each = abs(wanted.minor - price)
        sold, stock = facts.past.sold, facts.quantity
        return Money(each * max(sold if stock is None or sold < stock else stock, 1), facts.currency)

    def line(self) -> str:
        """Return the line that explains the decision."""
        return line(
            self.facts,
            self.figures,
            self.why if isinstance(self.why, str) else self.why(),
            target=self.target,
            wanted=self.wanted,
            min_price=self.lowest,
            checks=self.checks,
            limits=self.limits,
        )

    def unfolded(self) -> dict[str, Any]:
        """Return what the decision was made from, as JSON."""
        rule = self.rule
        return {
            "facts": facts_json(self.facts),
            "terms": terms_json(self.terms),
            "rules": self.rules.name,
            "rule": None if rule is None else {"name": rule.name, "line": rule.line},
            "limits": limits_json(self.limits),
            "now": stamp(self.now),
            "writing": self.writing,
            "approved": self.approved,
        }


def _moves_min(view: View) -> bool:
    lowest = view.facts.min_price
    return lowest is None or lowest.minor != view.floor


def _no_rule(view: View) -> str:
    if view.winning is None:
        return "no rule applies: no data in the backbox"
    if view.winning:
        return f"no rule applies: winning, {view.seen}"
    t = view.price_to_win
    to_win = "no price to win" if t is None else f"price to win {view.text(t)}"
    return f"no rule applies: not winning, {to_win}, {view.seen}"


def again(made_from: Mapping[str, Any], rules: Rules) -> Decision:
    """Decide once more from what a decision was made from, with the rules that it was made by.

    Raises:
        KeyError, ValueError, TypeError: It is not what a decision was made from.
    """
    return decide(
        facts_of(made_from["facts"]),
        rules,
        terms_of(made_from["terms"]),
        datetime.fromisoformat(made_from["now"]),
        writing=made_from["writing"],
        approved=made_from["approved"],
    )
