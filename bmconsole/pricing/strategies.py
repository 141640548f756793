"""The ten strategies: when each one's time has come, and the price that it asks for before any guard.

Prices are minor units of the market's currency. Without the data that a strategy needs, its time has not come.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from bmconsole.domain.money import Money, minor_units
from bmconsole.domain.times import ago
from bmconsole.pricing.floors import Figures
from bmconsole.pricing.values import Amounts, Facts, Params

DAY = timedelta(days=1)

Needs = Literal["box", "live"]


class View(NamedTuple):
    """What the strategies look at. `winning` None: there is no data in the backbox, or it is too old to go by."""

    facts: Facts
    figures: Figures
    now: datetime
    price: int
    floor: int
    ceiling: int | None
    winning: bool | None
    price_to_win: int | None
    winner_price: int | None
    stale: bool
    """There is an observation, but it is too old."""
    fresh: timedelta = DAY
    """How old it may be."""

    @property
    def seen(self) -> str:
        """How old the observation is, for people."""
        box = self.facts.box
        if box is None:
            return "never observed"
        age = ago(box.last_seen, self.now)
        return "seen just now" if age == "now" else f"{age} old"

    def text(self, minor: int) -> str:
        return Money(minor, self.facts.currency).text()


class Wish(NamedTuple):
    """The price that a strategy asks for, why, and what the price was found from: an observation or the live listing.

    `target` equal to the present price: it stays. `why` makes its text when somebody reads it.
    """

    strategy: str
    target: int
    why: Callable[[], str]
    needs: Needs = "box"


Strategy = Callable[[View, Params], Wish | None]


def age_days(facts: Facts, now: datetime) -> int | None:
    """Return the age of a listing in whole days, None where it is not known."""
    return None if facts.first_seen is None else (now - facts.first_seen) // DAY


def winning_for(facts: Facts, now: datetime) -> timedelta | None:
    """Return for how long the present price has been winning, None while it does not."""
    past = facts.past
    if past.winning_since is None:
        return None
    since = past.winning_since
    if past.changes and past.changes[-1].at > since:
        since = past.changes[-1].at
    return now - since


def hold(view: View, params: Params) -> Wish | None:
    """Winning: the price stays."""
    if view.winning is not True:
        return None
    return Wish("hold", view.price, lambda: f"hold: winning, {view.seen}")


def raise_(view: View, params: Params) -> Wish | None:
    """Winning for long enough: a step up, or half way to the price that a raise was lost at; lost: back again."""
    if view.winning is None:
        return None
    return _higher(view, params) if view.winning else _back(view, params)


def _higher(view: View, params: Params) -> Wish | None:
    length = winning_for(view.facts, view.now)
    past, price, ceiling = view.facts.past, view.price, view.ceiling
    if length is None or length < params.raise_after or past.winning_looks < params.raise_looks:
        return None
    step = _step(params.raise_step, view, 1)
    lost = past.lost_at.minor if past.lost_at is not None else 0
    if lost <= price:
        target, how = price + step, "a step up"
    elif lost - price < step:
        target, how = price, f"lost at {view.text(lost)}, less than a step away"
    else:
        target, how = (price + lost) // 2, f"half way to {view.text(lost)}, where it was lost"
    if ceiling is not None and ceiling < target:
        target, how = max(ceiling, price), f"{how}, at most {view.text(ceiling)}"
    since = view.now - length
    return Wish(
        "raise",
        target,
        lambda: f"raise: winning for {ago(since, view.now)} in {past.winning_looks} looks, {view.seen}, {how}",
    )


def _back(view: View, params: Params) -> Wish | None:
    past = view.facts.past
    last = past.changes[-1] if past.changes else None
    if last is None or last.new.minor <= last.old.minor or last.new.minor != view.price:
        return None
    if view.now - last.at > params.raise_lost_within:
        return None
    back = last.old.minor
    if past.won_at is not None and past.won_at.minor < view.price:
        back = past.won_at.minor
    return Wish(
        "raise",
        back,
        lambda: f"raise: lost {ago(last.at, view.now)} after it, {view.seen}, back to {view.text(back)}, which won",
    )


def win_small(view: View, params: Params) -> Wish | None:
    """Not winning, and the price to win is not far under ours."""
    wish = win(view, params)
    if wish is None or view.price - wish.target > view.price * params.small:
        return None
    return Wish("win_small", wish.target, lambda: f"win_small: {_to_win(view)}")


def win(view: View, params: Params) -> Wish | None:
    """Not winning, and the price to win is not under the floor."""
    t = view.price_to_win
    if view.winning is not False or t is None or t < view.floor:
        return None
    return Wish("win", t, lambda: f"win: {_to_win(view)}")


def match(view: View, params: Params) -> Wish | None:
    """Not winning, and the winner's price is not under the floor."""
    w = view.winner_price
    if view.winning is not False or w is None or w < view.floor:
        return None
    return Wish("match", w, lambda: f"match: winner at {view.text(w)}{_country(view)}, {view.seen}")


def undercut(view: View, params: Params) -> Wish | None:
    """Not winning: a step under the winner's price."""
    w = view.winner_price
    if view.winning is not False or w is None:
        return None
    step = _step(params.undercut_step, view, None)
    return Wish(
        "undercut",
        max(w - step, 0),
        lambda: f"undercut: {view.text(step)} under the winner at {view.text(w)}{_country(view)}, {view.seen}",
    )


def standalone(view: View, params: Params) -> Wish | None:
    """No data: the price that the rule sets, else it stays. Never the floor, also where the set price is under it."""
    if view.winning is not None:
        return None
    none = "standalone: the observation is too old" if view.stale else "standalone: no data in the backbox"
    said = params.standalone_price.of(Money(view.price, view.facts.currency)) if params.standalone_price else None
    if said is None:
        return Wish("standalone", view.price, lambda: f"{none}, the price stays", "live")
    if said.minor < view.floor:
        return Wish(
            "standalone", view.price, lambda: f"{none}, and {said.text()} is under the floor: the price stays", "live"
        )
    return Wish("standalone", said.minor, lambda: f"{none}, {said.text()} is set", "live")


def below_floor(view: View, params: Params) -> Wish | None:
    """Not winning, and the price to win is under the floor: hold, or go to the floor, or to the ceiling."""
    t = view.price_to_win
    if view.winning is not False or t is None or t >= view.floor:
        return None
    target, how = view.price, "the price stays"
    if params.below_floor == "floor":
        target, how = view.floor, "to the floor"
    elif params.below_floor == "ceiling" and view.ceiling is not None:
        target, how = view.ceiling, "to the ceiling"
    return Wish("below_floor", target, lambda: f"below_floor: {_to_win(view)} is under the floor, {how}")


def decay(view: View, params: Params) -> Wish | None:
    """Old stock: down in a straight line from the first price to the floor; never up."""
    age = age_days(view.facts, view.now)
    if age is None or age < params.decay_from:
        return None
    start = view.facts.first_price
    if params.decay_start is not None:
        start = params.decay_start.of(Money(view.price, view.facts.currency))
    if start is None or start.currency != view.facts.currency:
        return None
    target = view.floor
    left = params.decay_to - age
    if left > 0 and start.minor > view.floor:
        # Rounded up: never under the line.
        target -= -(start.minor - view.floor) * left // (params.decay_to - params.decay_from)
    there = target >= view.price
    return Wish(
        "decay",
        view.price if there else target,
        lambda: (
            f"decay: {age} days old, from {start.text()} to {view.text(view.floor)} by day {params.decay_to}"
            f"{', where it is already' if there else ''}"
        ),
        "live",
    )


def scarcity(view: View, params: Params) -> Wish | None:
    """Few left, and they sell fast: a share up, at most once in a while."""
    stock, past = view.facts.quantity, view.facts.past
    if stock is None or not 0 < stock <= params.scarce_stock or past.sold < params.scarce_sold:
        return None
    recent = any(
        change.new.minor > change.old.minor and view.now - change.at < params.scarce_every for change in past.changes
    )
    if recent:
        return None
    target = view.price + int(view.price * params.scarce_raise)
    if view.ceiling is not None:
        target = min(target, view.ceiling)
    return Wish(
        "scarcity", max(target, view.price), lambda: f"scarcity: {stock} left, {past.sold} sold in 7 days", "live"
    )


STRATEGIES: dict[str, Strategy] = {
    "hold": hold,
    "raise": raise_,
    "win_small": win_small,
    "win": win,
    "match": match,
    "undercut": undercut,
    "standalone": standalone,
    "below_floor": below_floor,
    "decay": decay,
    "scarcity": scarcity,
}
"""Every strategy by the name that rules give it."""


def repair(view: View) -> Wish:
    """Return the wish for a live price under the floor: the floor."""
    return Wish(
        "repair",
        view.floor,
        lambda: f"under the floor by {view.text(view.floor - view.price)}: up to the floor",
        "live",
    )


def _step(amounts: Amounts | None, view: View, units: int | None) -> int:
    """Return a step in minor units, at least one: the rule's, else so many units of the currency, None: one minor."""
    currency = view.facts.currency
    said = amounts.of(Money(view.price, currency)) if amounts is not None else None
    if said is not None:
        return max(said.minor, 1)
    return 1 if units is None else max(minor_units(units, currency), 1)


def _to_win(view: View) -> str:
    t = view.price_to_win
    return f"price to win {'unknown' if t is None else view.text(t)}{_country(view)}, {view.seen}"


def _country(view: View) -> str:
    return f" {view.facts.market[-2:].upper()}"
