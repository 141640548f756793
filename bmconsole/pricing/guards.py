"""The guards between what a strategy asks for and what is written, in their order, each leaving its word.

Numbers 2 to 13 judge one decision; 14 to 16 are about a run and are asked by whoever writes. Prices are minor units.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from bmconsole.domain.decisions import Check, Decision
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import Money, minor_units
from bmconsole.domain.times import ago
from bmconsole.pricing.floors import percent
from bmconsole.pricing.strategies import View, Wish
from bmconsole.pricing.values import Amounts, Change, Facts, Limits

DAY = timedelta(hours=24)
CLOCKS = timedelta(minutes=5)
"""How far in the future an observation may lie: clocks differ. What lies further is not believed."""

GUARDS = (
    *("pause", "fresh", "currency", "cool-down", "daily-changes", "step", "sanity", "flood-anchor", "bounds"),
    *("grade-ladder", "dead-band", "price-war", "margin-tier", "run-breaker", "failure-breaker", "sku-lines"),
)
"""The names of the guards; `GUARDS[0]` is number 1."""


@dataclass(slots=True)
class Trial:
    """A wish on its way through the guards, which may change `target` and leave their words in `checks`."""

    view: View
    wish: Wish
    limits: Limits
    target: int
    writing: bool
    """Right before a write: the observation has to be minutes old instead of hours."""
    approved: bool
    """A person said yes, or `--apply`: the suggestions of step and margin are waived."""
    repairing: bool = False
    """The live price is under the floor: the step does not hold it back."""
    backpricer: bool = False
    """`min_price` goes to the floor together with the price."""
    min_price: int | None = None
    """The `min_price` to be written with the price, None where there is none."""
    margin: Decimal | None = None
    """Of the target, where it was found already."""
    words: dict[str, Check] = field(default_factory=dict)
    """What guards had to say, by their name; the others passed, or were not asked any more."""
    suggest: bool = False
    flagged: bool = False
    alert: bool = False

    @property
    def price(self) -> int:
        return self.view.price

    def say(self, guard: str, effect: str, detail: str) -> None:
        """Leave a guard's word, in the place of its former one."""
        self.words[guard] = Check(guard, effect, detail)

    def stop(self, guard: str, detail: str, *, alert: bool = False) -> bool:
        """Leave word that a guard stopped it; always False."""
        self.alert = self.alert or alert
        self.words[guard] = Check(guard, "hold" if alert else "skip", detail)
        return False

    def checks(self) -> tuple[Check, ...]:
        """Return the words of all guards that were asked, in their order."""
        words = self.words
        if not words:
            return _ALL_PASSED
        found, going = [], True
        for passed in _ALL_PASSED:
            check = words.get(passed.guard)
            if check is not None:
                found.append(check)
                going = going and check.effect not in ("skip", "hold")
            elif going:
                found.append(passed)
        return tuple(found)


_HALF = Decimal("0.5")
_LADDER = GUARDS[9]
_TO_WIN = frozenset({"win_small", "win", "match", "undercut", "raise"})
"""The strategies that cut in order to win; a cut by `raise` goes back to the price that won."""
_THIN = Check("margin-tier", "flag", "a thin margin")
_ALL_PASSED = tuple(Check(name) for name in GUARDS[:13])

Guard = Callable[[Trial], bool]
"""Returns whether the trial goes on."""


def run(trial: Trial) -> bool:
    """Lead a trial through guards 2 to 13, and return whether it may be written (or suggested)."""
    for guard in _ORDER:  # noqa: SIM110 - a generator for all() takes a fifth longer
        if not guard(trial):
            return False
    return True


def fresh(trial: Trial) -> bool:
    """Guard 2: decided from a young observation (or look at the listing), younger than our last change."""
    facts, limits, now = trial.view.facts, trial.limits, trial.view.now
    most = limits.fresh_write if trial.writing else limits.fresh
    if trial.wish.needs == "live":
        if facts.live_at is None:
            return trial.stop("fresh", "the listing itself was never read")
        age = now - facts.live_at
        if not -CLOCKS <= age <= most:
            return trial.stop("fresh", f"the listing was read {ago(facts.live_at, now)} ago, {length(most)} at most")
        return True
    if facts.box is None:
        return trial.stop("fresh", "nothing was observed")
    seen = facts.box.last_seen
    if not -CLOCKS <= now - seen <= most:
        return trial.stop("fresh", f"observed {ago(seen, now)} ago, {length(most)} at most")
    if facts.past.changes and not settled(facts, limits):
        return trial.stop("fresh", f"observed less than {length(limits.settle)} after our last change")
    return True


def settled(facts: Facts, limits: Limits) -> bool:
    """Return whether the backbox was seen after it had the time to follow our last change."""
    changes = facts.past.changes
    return facts.box is not None and (not changes or facts.box.last_seen > changes[-1].at + limits.settle)


def foreign(facts: Facts) -> str | None:
    """Return what is not in the market's currency (guard 3), for people; None where everything agrees."""
    currency, box, past = facts.currency, facts.box, facts.past
    place = MARKETS.get(facts.market)
    if place is not None and place.currency != currency:
        return f"the market has {place.currency}, the listing {currency}"
    for money in (facts.price, facts.min_price, facts.max_price, facts.better, facts.worse):
        if money is not None and money.currency != currency:
            return f"the listing is in {money.currency}, the market in {currency}"
    if box is not None:
        for money in (box.price, box.price_to_win, box.winner_price):
            if money is not None and money.currency != currency:
                return f"the observation is in {money.currency}, the market in {currency}"
    for money in (past.average, past.anchor, past.won_at, past.lost_at):
        if money is not None and money.currency != currency:
            return f"its history is in {money.currency}, the market in {currency}"
    for change in past.changes:
        if change.old.currency != currency or change.new.currency != currency:
            return f"a former price is not in {currency}"
    return None


def cool_down(trial: Trial) -> bool:
    """Guard 4: 15 minutes after a cut, 60 after a raise."""
    changes, now = trial.view.facts.past.changes, trial.view.now
    if changes:
        last = changes[-1]
        raised = last.new.minor > last.old.minor
        wait = trial.limits.after_raise if raised else trial.limits.after_cut
        if now - last.at < wait:
            left = length(wait - (now - last.at))
            return trial.stop("cool-down", f"{length(wait)} after a {'raise' if raised else 'cut'}, {left} left")
    return True


def daily_changes(trial: Trial) -> bool:
    """Guard 5: at most 8 changes of ours in 24 hours."""
    done = sum(trial.view.now - change.at < DAY for change in trial.view.facts.past.changes)
    if done >= trial.limits.changes:
        return trial.stop("daily-changes", f"{done} changes in 24 h, {trial.limits.changes} at most")
    return True


def step(trial: Trial) -> bool:
    """Guard 6: at most 5 % or 5.00; 12 % down in 24 hours. A cut becomes a suggestion, a raise is clipped."""
    if trial.repairing:
        trial.say("step", "waived", "the price is under the floor")
        return True
    price, limits = trial.view.price, trial.limits
    change = trial.target - price
    most = int(price * limits.step)
    if abs(change) > most:
        most = max(most, _amount(limits.step_amount, trial.view, 5))
    if change > most:
        trial.target = price + most
        trial.say("step", "clip", f"{signed(change, price)} clipped to {signed(most, price)}")
        return True
    if change >= 0:
        return True
    too_much = None
    if -change > most:
        too_much = f"{signed(change, price)} is more than {_share(most, price)}"
    else:
        high = _high(trial.view.facts.past.changes, price, trial.view.now)
        if high - trial.target > high * limits.down:
            too_much = f"{signed(trial.target - high, high)} in 24 h is more than {percent(limits.down)}"
    if too_much is None:
        return True
    if trial.approved:
        trial.say("step", "waived", f"{too_much}: approved")
    else:
        trial.suggest = True
        trial.say("step", "suggest", too_much)
    return True


def sanity(trial: Trial) -> bool:
    """Guard 7: not under 60 % of our average price of 3 days."""
    average = trial.view.facts.past.average
    usual = trial.price if average is None else average.minor
    if trial.target < usual * trial.limits.sanity:
        text = trial.view.text
        detail = f"{text(trial.target)} is under {percent(trial.limits.sanity)} of {text(usual)}, the 3-day average"
        return trial.stop("sanity", detail, alert=True)
    return True


def flood_anchor(trial: Trial) -> bool:
    """Guard 8: the price to win is not under 85 % of its median of 7 days."""
    t, anchor = trial.view.price_to_win, trial.view.facts.past.anchor
    if t is not None and anchor is not None and t < anchor.minor * trial.limits.flood:
        share = percent(trial.limits.flood)
        detail = f"price to win {trial.view.text(t)} is under {share} of {anchor.text()}, its 7-day median"
        return trial.stop("flood-anchor", detail, alert=True)
    return True


def bounds(trial: Trial) -> bool:
    """Guard 9: not under the floor, not over the ceiling, within the band of BackPricer."""
    view = trial.view
    m = view.facts.min_price.minor if view.facts.min_price is not None else None
    low, high = view.floor, view.ceiling
    under, over = "the floor", "the ceiling"
    if trial.backpricer:
        trial.min_price = view.floor
    elif m is not None:
        # Back Market's own repricer may go down to min_price: what is written together with the price is never
        # under the floor.
        trial.min_price = max(m, view.floor)
        if m > low:
            low, under = m, "min_price"
        band = int(trial.min_price * (1 + trial.limits.band))
        if trial.price <= band and (high is None or band < high):
            high, over = band, "BackPricer's band"
    return _clamp(trial, "bounds", low, high, under, over)


def grade_ladder(trial: Trial) -> bool:
    """Guard 10: a better grade of the same product is never cheaper. A cut that would not win any more stops here."""
    view = trial.view
    if not trial.limits.ladder or (view.facts.better is None and view.facts.worse is None):
        return True
    low, high = view.floor, view.ceiling
    if view.facts.min_price is not None and not trial.backpricer:
        low = max(low, view.facts.min_price.minor)
    under, over = "the floor", "the ceiling"
    if view.facts.worse is not None and view.facts.worse.minor > low:
        low, under = view.facts.worse.minor, "a worse grade"
    if view.facts.better is not None and (high is None or view.facts.better.minor < high):
        high, over = view.facts.better.minor, "a better grade"
    return _clamp(trial, _LADDER, low, high, under, over)


def _clamp(trial: Trial, guard: str, low: int, high: int | None, under: str, over: str) -> bool:
    text, wanted = trial.view.text, trial.target
    if high is not None and low > high:
        return trial.stop(guard, f"{under} {text(low)} is above {over} {text(high)}")
    target = max(wanted, low) if high is None else min(max(wanted, low), high)
    if target == wanted:
        return True
    limit = f"{under} {text(low)}" if target == low else f"{over} {text(target)}"
    if (wanted - trial.price) * (target - trial.price) <= 0:
        return trial.stop(guard, f"{limit} leaves no room for {text(wanted)}")
    if trial.wish.strategy == "standalone" and target == trial.view.floor:
        return trial.stop(guard, f"without data never to {limit}")
    shortened = wanted < target < trial.price and trial.wish.strategy in _TO_WIN
    if guard == _LADDER and shortened and not _wins(trial.view, target):
        # As in guard 6: a cut that does not win only costs
        return trial.stop(guard, f"{limit} would not win, {text(wanted)} is wanted")
    trial.target = target
    trial.say(guard, "clamp", f"{text(wanted)} clamped to {limit}")
    if not (step(trial) and sanity(trial)):
        return False
    if trial.target < low or (high is not None and trial.target > high):
        return trial.stop(guard, f"{limit} is more than a step away")
    return True


def _wins(view: View, target: int) -> bool:
    """Return whether a price is low enough to win, as far as the observation tells."""
    t, w = view.price_to_win, view.winner_price
    return target <= t if t is not None else w is not None and target < w


def dead_band(trial: Trial) -> bool:
    """Guard 11: a change of at least 0.2 % and one minor unit; of `min_price` too, where BackPricer is to follow it."""
    moved = abs(trial.target - trial.price)
    if trial.backpricer:
        m = trial.view.facts.min_price
        under = m is None or m.minor < trial.view.floor
        moved = max(moved, trial.price if under or m is None else m.minor - trial.view.floor)
    if moved < 1 or moved < trial.price * trial.limits.dead_band:
        return trial.stop("dead-band", f"the change is under {percent(trial.limits.dead_band)}")
    return True


def price_war(trial: Trial) -> bool:
    """Guard 12: 24 hours' rest after 4 own cuts, 8 % in all, or 6 changes of the winner within 24 hours."""
    past, limits, now = trial.view.facts.past, trial.limits, trial.view.now
    if not past.changes and not past.flips:
        return True
    cuts = [change for change in past.changes if change.new.minor < change.old.minor]
    for end in {*(cut.at for cut in cuts), *past.flips}:
        if not timedelta(0) <= now - end < limits.war_pause:
            continue
        within = [cut for cut in cuts if timedelta(0) <= end - cut.at < DAY]
        flips = sum(timedelta(0) <= end - at < DAY for at in past.flips)
        what = None
        if len(within) >= limits.war_cuts:
            what = f"{len(within)} own cuts in 24 h"
        elif within and _fallen(within) >= limits.war_drop:
            what = f"cut by {percent(limits.war_drop)} or more in 24 h"
        elif flips >= limits.war_flips:
            what = f"the box changed hands {flips} times in 24 h"
        if what is not None:
            return trial.stop("price-war", f"{what}: rests until {length(limits.war_pause - (now - end))} from now")
    return True


def margin_tier(trial: Trial) -> bool:
    """Guard 13: from 30 % and 50.00 by itself, from 15 % by itself and flagged, below only as a suggestion."""
    figures, limits = trial.view.figures, trial.limits
    # Back Market's repricer may sell at min_price.
    lowest = trial.target if not trial.backpricer or trial.min_price is None else min(trial.target, trial.min_price)
    margin = figures.margin(lowest)
    if lowest == trial.target:
        trial.margin = margin
    if margin < limits.margin_flag:
        detail = f"margin {tenths(margin)} % is under {percent(limits.margin_flag)}"
        if trial.approved:
            trial.say("margin-tier", "waived", f"{detail}: approved")
        else:
            trial.suggest = True
            trial.say("margin-tier", "suggest", detail)
        return True
    if margin < limits.margin_auto or figures.net(lowest) < _amount(limits.margin_amount, trial.view, 50):
        trial.flagged = True
        trial.words["margin-tier"] = _THIN
        return True
    return True


_ORDER: tuple[Guard, ...] = (
    *(fresh, cool_down, daily_changes, step, sanity, flood_anchor, bounds, grade_ladder),
    *(dead_band, price_war, margin_tier),
)


class Breaker(NamedTuple):
    """Why a whole run is stopped (guard 14)."""

    changes: int
    listings: int
    mean: Decimal
    """The mean change, a share."""
    reason: str


def breaker(decisions: Iterable[Decision], count: int, limits: Limits) -> Breaker | None:
    """Return why these changes are too much for one run (guard 14), None where they are not.

    Args:
        decisions: Those that would be written; what changes no price does not count.
        count: Over how many listings and markets was decided.
        limits: Of the run.
    """
    moved = [
        (abs(decision.target.minor - decision.old.minor), decision.old.minor)
        for decision in decisions
        if decision.target is not None and decision.old is not None and decision.old.minor > 0
    ]
    if not moved:
        return None
    changes = len(moved)
    mean = sum((Decimal(change) / old for change, old in moved), Decimal(0)) / changes
    reason = None
    if changes > limits.run_count and changes > count * limits.run_share:
        reason = f"{changes} of {count} prices would change, more than {percent(limits.run_share)}"
    elif mean > limits.run_mean:
        reason = f"prices would change by {tenths(mean)} % on average, more than {percent(limits.run_mean)}"
    return None if reason is None else Breaker(changes, count, mean, reason)


def failures_stop(outcomes: Sequence[bool], limits: Limits) -> bool:
    """Return whether the last writes of a run (True: done) failed so often in a row that it ends (guard 15)."""
    return len(outcomes) >= limits.failures and not any(outcomes[len(outcomes) - limits.failures :])


def lines_free(used: int, limit: int, limits: Limits) -> int:
    """Return how many SKU lines repricing may still take in this hour (guard 16): at most its share of the limit."""
    return max(int(limit * limits.lines_share) - used, 0)


def length(span: timedelta) -> str:
    """Return a span for people: `40 s`, `15 min`, `24 h`."""
    seconds = int(span.total_seconds())
    for size, name, most in ((1, "s", 180), (60, "min", 5_400)):
        if seconds < most:
            return f"{-(-seconds // size)} {name}"
    return f"{-(-seconds // 3_600)} h"


def signed(change: int, base: int) -> str:
    """Return a change as a signed share of `base`: `−4.0 %`."""
    return f"{'−' if change < 0 else '+'}{tenths(Decimal(abs(change)) / base)} %"


def tenths(share: Decimal) -> str:
    """Return a share as per cent with one decimal, rounded half up: `4.0`, `-3.2`."""
    number = int(abs(share) * 1_000 + _HALF)
    return f"{'-' if share < 0 and number else ''}{number // 10}.{number % 10}"


def _share(part: int, base: int) -> str:
    return f"{tenths(Decimal(part) / base)} %"


def _amount(amounts: Amounts | None, view: View, units: int) -> int:
    """Return an amount in minor units: the rule's in this currency, else so many units of it."""
    currency = view.facts.currency
    said = amounts.of(Money(view.price, currency)) if amounts is not None else None
    if said is not None:
        return said.minor
    return minor_units(units, currency)


def _high(changes: Sequence[Change], price: int, now: datetime) -> int:
    if not changes:
        return price
    recent = [change for change in changes if now - change.at < DAY]
    return max((price, *(change.old.minor for change in recent), *(change.new.minor for change in recent)))


def _fallen(cuts: Iterable[Change]) -> Fraction:
    return sum((Fraction(cut.old.minor - cut.new.minor, cut.old.minor) for cut in cuts if cut.old.minor), Fraction(0))
