"""Random worlds for the engine, and a judge that knows the rules of pricing by itself.

    python -m tests.pricing.worlds [--worlds 1000000] [--from 0] [--processes 2]

A world comes from its seed alone: an offer, rules, terms, a time. Values on the very edge of each limit are frequent.
The judge states again, in fractions, what may never be written; it calls nothing of the engine.
"""

import argparse
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

from bmconsole.domain.listings import Backbox
from bmconsole.domain.money import Money
from bmconsole.pricing import decide as engine
from bmconsole.pricing.values import (
    Amounts,
    Change,
    Condition,
    Cost,
    Decision,
    Facts,
    Limits,
    MarketTerms,
    Mode,
    Params,
    Past,
    Rule,
    Rules,
    Terms,
    Vat,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
MARKETS = {"fr-fr": "EUR", "de-de": "EUR", "sv-se": "SEK", "ja-jp": "JPY", "en-gb": "GBP", "en-au": "AUD"}
UNIT = {"EUR": 100, "GBP": 100, "SEK": 1_100, "AUD": 160, "JPY": 160}
"""What 1.00 is in minor units."""
DIGITS = {"EUR": 2, "GBP": 2, "SEK": 2, "AUD": 2, "JPY": 0}
NAMES = ("hold", "raise", "win_small", "win", "match", "undercut", "standalone", "below_floor", "decay", "scarcity")
VATS = tuple(Vat.parse(text) for text in ("none", "regular 20", "margin 20", "margin 25.5", "regular 7.7", "margin 10"))


class World(NamedTuple):
    seed: int
    facts: Facts
    rules: Rules
    terms: Terms
    now: datetime
    writing: bool
    approved: bool


def world(seed: int) -> World:
    """Return the world of a seed."""
    return _Maker(Random(seed)).world(seed)


class _Maker:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.chance = random.random
        self.market = random.choice(tuple(MARKETS))
        self.currency = MARKETS[self.market]
        self.price = self.near(UNIT[self.currency] * random.choice((3, 20, 150, 400, 900)))

    def world(self, seed: int) -> World:
        random = self.random
        vat = None if self.chance() < 0.04 else random.choice(VATS)
        terms = Terms(
            mode=random.choice((Mode.AUTO,) * 17 + (Mode.SUGGEST, Mode.OBSERVE, Mode.OFF)),
            vat=vat,
            fee=random.choice((Decimal("0.10"), Decimal("0.125"))),
            stopped=self.chance() < 0.02,
        )
        return World(seed, self.facts(), self.rules(), terms, NOW, self.chance() < 0.3, self.chance() < 0.15)

    def near(self, minor: int) -> int:
        """Return an amount around `minor`, at times exactly a share of it that some limit is at."""
        if self.chance() < 0.45:
            percent = self.random.choice((60, 80, 85, 88, 92, 95, 97, 100, 102, 103, 105, 108))
            return max(minor * percent // 100 + self.random.choice((-1, 0, 0, 0, 1)), 1)
        return max(minor * self.random.randrange(800, 1_120) // 1_000, 1)

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency if self.chance() > 0.002 else "USD")

    def maybe(self, share: float, minor: int) -> Money | None:
        return self.money(self.near(minor)) if self.chance() < share else None

    def ago(self, *marks: timedelta) -> datetime:
        """Return a time before now: around one of the marks, at times exactly on it."""
        mark = self.random.choice(marks)
        if self.chance() < 0.3:
            return NOW - mark + timedelta(seconds=self.random.choice((-1, 0, 1)))
        return NOW - mark * (self.random.randrange(0, 150) / 100)

    def facts(self) -> Facts:
        random, chance, price = self.random, self.chance, self.price
        changes = self.changes()
        past = Past(
            changes=changes,
            flips=tuple(sorted(self.ago(DAY, 2 * DAY) for _ in range(random.choice((0, 0, 0, 0, 2, 6, 8))))),
            winning_since=self.ago(timedelta(hours=6), DAY) if chance() < 0.6 else None,
            winning_looks=random.randrange(8),
            average=self.maybe(0.8, price * 100 // random.choice((60, 95, 100, 100, 100))),
            anchor=self.maybe(0.8, price),
            sold=random.randrange(8),
            win_rate=Decimal(random.randrange(101)) / 100 if chance() < 0.8 else None,
            won_at=self.maybe(0.3, price * 97 // 100),
            lost_at=self.maybe(0.3, price * 104 // 100),
        )
        live = None if chance() < 0.05 else self.ago(timedelta(minutes=5), timedelta(minutes=10), DAY)
        return Facts(
            listing="a1",
            sku=random.choice(("IP-1", "IP-2", "SAM-1")),
            market=self.market,
            currency=self.currency,
            price=None if chance() < 0.01 else self.money(price),
            min_price=self.maybe(0.2, price * random.choice((75, 92, 95, 98)) // 100),
            max_price=self.maybe(0.5, price * random.choice((102, 104, 130)) // 100),
            grade=random.choice(("GOOD", "FAIR", None)),
            quantity=random.choice((None, 0, 1, 2, 5, 40)),
            publication_state=2 if chance() > 0.02 else random.choice((0, 3, None)),
            first_seen=None if chance() < 0.05 else NOW - timedelta(days=random.randrange(0, 160)),
            live_at=live,
            box=self.box(changes),
            past=past,
            cost=self.cost(),
            measured_fee=Decimal(random.randrange(5, 14)) / 100 if chance() < 0.2 else None,
            first_price=self.maybe(0.8, price * 110 // 100),
            better=self.maybe(0.12, price * 104 // 100),
            worse=self.maybe(0.12, price * 96 // 100),
            paused="listing" if chance() < 0.02 else None,
            mode=random.choice(tuple(Mode)) if chance() < 0.05 else None,
            limits={"step": Decimal("0.08"), "after_cut": timedelta(minutes=5)} if chance() < 0.04 else None,
        )

    def changes(self) -> tuple[Change, ...]:
        random = self.random
        count = random.choice((0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 8, 9))
        marks = (timedelta(minutes=15), timedelta(minutes=60), DAY, 2 * DAY)
        times = sorted({self.ago(*(marks if count < 4 else marks[2:])) for _ in range(count)})
        prices = [self.price * random.choice((100, 100, 96, 98, 102, 106)) // 100 + 1 for _ in range(len(times))]
        prices.append(self.price)
        return tuple(
            Change(at, self.money(old), self.money(new))
            for at, old, new in zip(times, prices, prices[1:], strict=False)
        )

    def box(self, changes: tuple[Change, ...]) -> Backbox | None:
        if self.chance() < 0.1:
            return None
        marks = [timedelta(seconds=40), timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=3), DAY]
        if changes and self.chance() < 0.2:
            marks = [NOW - changes[-1].at - timedelta(seconds=180)]
        seen = self.ago(*marks) + (timedelta(hours=1) if self.chance() < 0.01 else timedelta(0))

        def amount(share: float) -> Money | None:
            roll = self.chance()
            if roll > share:
                return None
            return (
                self.money(self.random.choice((0, 1, UNIT[self.currency])))
                if roll < 0.02
                else self.maybe(1, self.price)
            )

        winning = self.random.choice((True, False, False, False, False))
        return Backbox(
            self.money(self.price), amount(0.9), amount(0.85), None if self.chance() < 0.04 else winning, seen, seen
        )

    def cost(self) -> Cost | None:
        random, chance = self.random, self.chance
        if chance() < 0.04:
            return None
        digits = DIGITS[self.currency]

        def part(low: int, high: int) -> Decimal:
            return Decimal(self.price * random.randrange(low, high) // 1_000).scaleb(-digits)

        def share(odds: float, *values: str) -> Decimal | None:
            return Decimal(random.choice(values)) if chance() < odds else None

        purchase = part(300, 700) if chance() > 0.1 else part(650, 950)
        return Cost(
            "any",
            self.currency if chance() > 0.02 else "USD",
            purchase,
            parts=part(0, 60),
            labour=part(0, 20) if chance() > 0.1 else -purchase / 8,
            shipping=part(0, 20) + Decimal("0.003"),
            fee=share(0.2, "0.08", "0.1175", "0.15"),
            target_margin=share(0.4, "0.05", "0.05", "0.10", "0.12", "0.95" if chance() < 0.2 else "0.08"),
            min_profit=part(0, 80) if chance() < 0.3 else None,
            manual_min=part(800, 1_000) if chance() < 0.06 else None,
            manual_max=part(970, 1_300) if chance() < 0.15 else None,
            vat=random.choice(VATS) if chance() < 0.2 else None,
        )

    def rules(self) -> Rules:
        random, chance = self.random, self.chance
        limits = Limits() if chance() < 0.8 else Limits(step=Decimal("0.03"), changes=4, dead_band=Decimal("0.01"))
        markets = {"": MarketTerms(target_margin=Decimal("0.10"))} if chance() < 0.2 else {}
        if chance() < 0.05:
            markets[self.market] = MarketTerms(fee=Decimal("0.11"), vat=VATS[1])
        rules = tuple(self.rule(number, limits) for number in range(random.choice((0, 1, 2, 3, 4, 5))))
        return Rules(rules, limits, markets, "auto" if chance() < 0.3 else "suggest", name="world")

    def rule(self, number: int, limits: Limits) -> Rule:
        random, chance = self.random, self.chance
        unit = UNIT[self.currency]

        def condition(odds: float, low: int, high: int, size: int = 1) -> Condition | None:
            if chance() >= odds:
                return None
            bound = Decimal(random.randrange(low, high)) / size
            strict = chance() < 0.5
            return Condition(low=bound, above=strict) if chance() < 0.5 else Condition(high=bound, below=strict)

        def amounts(odds: float, *minor: int) -> Amounts | None:
            if chance() >= odds:
                return None
            if chance() < 0.3:
                return Amounts(share=Decimal(random.choice(("0.01", "0.04"))))
            return Amounts(each=(Money(random.choice(minor), self.currency),))

        first = random.randrange(0, 100)
        price = Amounts(each=(Money(self.near(self.price), self.currency),))
        own = limits
        if chance() < 0.15:
            own = replace(
                limits,
                fresh=random.choice((timedelta(hours=1), timedelta(hours=30))),
                step_amount=amounts(0.5, unit, 9 * unit),
                ladder=chance() < 0.5,
                margin_flag=random.choice((Decimal("0.05"), Decimal("0.15"))),
                sanity=random.choice((Decimal("0.60"), Decimal("0.90"))),
            )
        return Rule(
            name=f"rule {number}",
            strategies=tuple(random.sample(NAMES, random.choice((1, 2, 3, 5)))),
            sku=("IP-*",) if chance() < 0.1 else (),
            grade=("GOOD",) if chance() < 0.1 else (),
            market=("fr-fr", "ja-jp", "sv-se") if chance() < 0.1 else (),
            stock=condition(0.1, 0, 5),
            age=condition(0.1, 0, 160),
            margin=condition(0.1, 0, 40, 100),
            win_rate=condition(0.1, 0, 100, 100),
            params=Params(
                raise_after=timedelta(hours=random.choice((1, 6))),
                raise_looks=random.randrange(1, 5),
                raise_step=amounts(0.5, unit, 3 * unit, 40 * unit),
                small=Decimal(random.choice(("0.03", "0.08"))),
                undercut_step=amounts(0.5, 1, unit),
                standalone_price=price if chance() < 0.7 else None,
                below_floor=random.choice(("hold", "floor", "ceiling")),
                decay_from=first,
                decay_to=first + random.randrange(1, 60),
                decay_start=price if chance() < 0.3 else None,
                scarce_stock=random.randrange(1, 5),
                scarce_sold=random.randrange(0, 4),
                scarce_raise=Decimal(random.choice(("0.01", "0.03", "0.10"))),
            ),
            limits=own,
            mode=random.choice(tuple(Mode)) if chance() < 0.1 else None,
            repair_floor="auto" if chance() < 0.5 else "suggest",
            backpricer=chance() < 0.12,
        )


# The judge


def floor_of(cost: Cost, fee: Decimal, vat: Vat, margin: Decimal, profit: Decimal, digits: int) -> int | None:
    """Return the floor in minor units by the definitions, in fractions; None where nothing is left of the price."""
    c = Fraction(cost.purchase + cost.parts + cost.labour + cost.shipping)
    p, f, m, least = Fraction(cost.purchase), Fraction(fee), Fraction(margin), Fraction(profit)
    r = Fraction(vat.rate)
    owed = r / (1 + r)
    u = owed if vat.kind == "regular" else Fraction(0)
    v = owed if vat.kind == "margin" else Fraction(0)
    if 1 - f - u - v <= 0 or 1 - f - u - v - m <= 0:
        return None
    found = [Fraction(cost.manual_min)] if cost.manual_min is not None else []
    for more, less in ((0, 0), (least, 0), (0, m)):
        at = (c - v * p + more) / (1 - f - u - v - less)
        if at < p:
            at = (c + more) / (1 - f - u - less)
        found.append(at)
    lowest: int = -(-(max(found) * 10**digits) // 1)
    return max(lowest, 1)


def net_of(minor: int, cost: Cost, fee: Decimal, vat: Vat, digits: int) -> Fraction:
    """Return what a sale leaves, in major units."""
    price, p = Fraction(minor, 10**digits), Fraction(cost.purchase)
    c = Fraction(cost.purchase + cost.parts + cost.labour + cost.shipping)
    owed = Fraction(vat.rate) / (1 + Fraction(vat.rate))
    tax = Fraction(0)
    if vat.kind == "regular":
        tax = owed * price
    elif vat.kind == "margin":
        tax = owed * max(Fraction(0), price - p)
    return price - c - Fraction(fee) * price - tax


def faults(case: World, made: Decision) -> list[str]:
    """Return what is wrong with a decision; empty where nothing is."""
    return list(_Judge(case, made).faults())


class _Judge:
    def __init__(self, case: World, made: Decision) -> None:
        self.case = case
        self.made = made
        self.facts = case.facts
        self.rule = next((rule for rule in case.rules.rules if rule.name == made.rule), None)
        self.currency = MARKETS[case.facts.market]
        self.digits = DIGITS[self.currency]
        self.margin = Fraction(1)

    def faults(self) -> Iterator[str]:
        made, facts = self.made, self.facts
        if made.target is None:
            if str(made.decision) not in ("hold", "skip", "off"):
                yield f"{made.decision} without a price"
            if made.min_price is not None:
                yield "a min_price without a price"
            return
        if str(made.decision) not in ("write", "suggest", "observe"):
            yield f"{made.decision} with a price"
        if facts.price is None or facts.publication_state != 2:
            yield "nothing is offered here"
            return
        if list(self.strangers()):
            yield "guard 3: currencies differ"
            return
        yield from self.amounts()
        yield from self.timing()
        yield from self.moves()
        yield from self.permission()

    def strangers(self) -> Iterator[Money]:
        facts, past, box = self.facts, self.facts.past, self.facts.box
        every = [facts.price, facts.min_price, facts.max_price, facts.better, facts.worse]
        every += [past.average, past.anchor, past.won_at, past.lost_at, self.made.target, self.made.min_price]
        every += [box.price, box.price_to_win, box.winner_price] if box is not None else []
        every += [money for change in past.changes for money in (change.old, change.new)]
        return (money for money in every if money is not None and money.currency != self.currency)

    def known(self) -> tuple[Cost, Decimal, Vat, Decimal, Decimal] | None:
        """Cost, fee, VAT, target margin and minimum profit: the cost's own first, then orders, market, profile."""
        cost, rules, terms = self.facts.cost, self.case.rules, self.case.terms
        if cost is None or cost.currency != self.currency:
            return None
        here, every = rules.markets.get(self.facts.market), rules.markets.get("")
        said: list[MarketTerms] = [each for each in (here, every) if each is not None]
        fees = [cost.fee, self.facts.measured_fee, *(each.fee for each in said), terms.fee]
        vats = [cost.vat, *(each.vat for each in said), terms.vat]
        margins = [cost.target_margin, *(each.target_margin for each in said), Decimal(0)]
        vat = next((vat for vat in vats if vat is not None), None)
        if vat is None:
            return None
        fee = next(fee for fee in fees if fee is not None)
        return cost, fee, vat, next(each for each in margins if each is not None), cost.min_profit or Decimal(0)

    def amounts(self) -> Iterator[str]:
        made, facts, known = self.made, self.facts, self.known()
        target = made.target.minor if made.target is not None else 0
        if known is None:
            yield "no cost, or no VAT scheme"
            return
        cost, fee, vat, margin, profit = known
        floor = floor_of(cost, fee, vat, margin, profit, self.digits)
        if floor is None or made.floor is None or made.floor.minor != floor:
            yield f"the floor is {floor}, not {made.floor}"
            return
        highest = [facts.max_price.minor] if facts.max_price is not None else []
        if cost.manual_max is not None:
            highest.append(int(Fraction(cost.manual_max) * 10**self.digits // 1))
        if made.target is None or made.target.text() != str(Decimal(target).scaleb(-self.digits)):
            yield f"{made.target} is not on the grid"
        if target < floor:
            yield f"guard 9: {target} is under the floor {floor}"
        if highest and (target > min(highest) or floor > min(highest)):
            yield f"guard 9: {target} is over the ceiling {min(highest)}"
        if made.min_price is not None and not floor <= made.min_price.minor <= target:
            yield f"guard 9: min_price {made.min_price} is not between the floor and the price"
        backpricer = self.rule is not None and self.rule.backpricer and made.min_price is not None
        if facts.min_price is not None:
            if made.min_price is None:
                yield "min_price is set and not written with the price"
            if not backpricer and target < facts.min_price.minor:
                yield "guard 9: under min_price"
        lowest = target
        if backpricer and made.strategy in ("hold", "raise", "win_small", "win", "match", "undercut", "below_floor"):
            lowest = floor
        self.margin = net_of(lowest, cost, fee, vat, self.digits) / Fraction(lowest, 10**self.digits)
        price = facts.price.minor if facts.price is not None else 0
        if (made.strategy == "repair") != (price < floor):
            yield f"{made.strategy} at {price}, the floor is {floor}"
        yield from self.asked(price, floor, min(highest) if highest else None)

    def asked(self, price: int, floor: int, ceiling: int | None) -> Iterator[str]:
        """What the strategy asked for, where its formula is plain."""
        made, facts, rule = self.made, self.facts, self.rule
        strategy, wanted = made.strategy, made.wanted.minor if made.wanted is not None else None
        if strategy == "repair":
            if wanted != floor:
                yield "a repair goes to the floor"
            return
        if rule is None or strategy not in rule.strategies:
            yield f"{strategy} is in no rule"
            return
        box, params = facts.box, rule.params
        if strategy in ("standalone", "decay", "scarcity"):
            if facts.live_at is None:
                yield f"{strategy} without a look at the listing"
        elif (
            box is None
            or box.winning is None
            or box.winning is not (strategy in ("hold", "raise") and not (strategy == "raise" and not box.winning))
        ):
            yield f"{strategy} without the data that it needs"
        t = box.price_to_win.minor if box is not None and box.price_to_win is not None else None
        w = box.winner_price.minor if box is not None and box.winner_price is not None else None
        if strategy in ("win", "win_small") and (t is None or wanted != t or t < floor):
            yield f"{strategy} asks for {wanted}, price to win {t}"
        if strategy == "win_small" and t is not None and Fraction(price - t, price) > Fraction(params.small):
            yield "win_small for a large step"
        if strategy == "match" and (w is None or wanted != w or w < floor):
            yield f"match asks for {wanted}, winner {w}"
        if strategy == "undercut" and (w is None or wanted is None or wanted >= w):
            yield f"undercut asks for {wanted}, winner {w}"
        if strategy == "below_floor":
            want = {"hold": price, "floor": floor, "ceiling": ceiling}[params.below_floor]
            if t is None or t <= 0 or t >= floor or (want is not None and wanted != want):
                yield f"below_floor asks for {wanted}, price to win {t}"
        if strategy == "standalone":
            said = params.standalone_price
            fits = said is not None and Money(wanted or 0, self.currency) in said.each
            if not fits or (made.target is not None and made.target.minor == floor and wanted != floor):
                yield "standalone goes to no price that was set"
        if strategy == "decay":
            age = (self.case.now - facts.first_seen).days if facts.first_seen is not None else -1
            if age < params.decay_from or wanted is None or wanted > price:
                yield f"decay at {age} days"
        if strategy == "scarcity" and (
            not facts.quantity or facts.quantity > params.scarce_stock or facts.past.sold < params.scarce_sold
        ):
            yield "scarcity without being scarce"
        if strategy == "raise" and box is not None and box.winning:
            since = facts.past.winning_since
            if since is None or self.case.now - since < params.raise_after:
                yield "raise too early"
            if facts.past.winning_looks < params.raise_looks:
                yield "raise after too few looks"

    def limits(self) -> Limits:
        limits = self.rule.limits if self.rule is not None else self.case.rules.limits
        own: dict[str, Any] = dict(self.facts.limits or {})
        return replace(limits, **own) if own else limits

    def timing(self) -> Iterator[str]:
        facts, now, limits = self.facts, self.case.now, self.limits()
        changes = facts.past.changes
        most = timedelta(minutes=10) if self.case.writing else limits.fresh
        looked = facts.live_at
        if self.made.strategy not in ("repair", "standalone", "decay", "scarcity"):
            looked = facts.box.last_seen if facts.box is not None else None
            if looked is not None and changes and looked <= changes[-1].at + timedelta(seconds=180):
                yield "guard 2: observed before our last change showed"
        if looked is None or now - looked > most:
            yield f"guard 2: from {looked}"
        if looked is not None and looked > now + timedelta(minutes=5):
            yield "guard 2: from the future"
        if changes:
            rest = timedelta(minutes=60)
            if changes[-1].new.minor <= changes[-1].old.minor:
                rest = limits.after_cut
            if now - changes[-1].at < rest:
                yield "guard 4: too soon after the last change"
        if sum(1 for change in changes if change.at > now - DAY) >= limits.changes:
            yield "guard 5: too many changes"
        yield from self.war(limits)

    def war(self, limits: Limits) -> Iterator[str]:
        now, past = self.case.now, self.facts.past
        cuts = [(each.at, Fraction(each.old.minor - each.new.minor, each.old.minor)) for each in past.changes]
        cuts = [(at, fall) for at, fall in cuts if fall > 0]
        moments = [at for at, _ in cuts] + list(past.flips)
        for end in moments:
            if not now - DAY < end <= now:
                continue
            falls = [fall for at, fall in cuts if end - DAY < at <= end]
            flips = [at for at in past.flips if end - DAY < at <= end]
            if len(falls) >= 4 or len(flips) >= 6 or sum(falls) >= Fraction(8, 100):
                yield "guard 12: a price war"
                return

    def moves(self) -> Iterator[str]:
        made, facts, limits = self.made, self.facts, self.limits()
        if made.target is None or facts.price is None:
            return
        target, price, past = made.target.minor, facts.price.minor, facts.past
        free = str(made.decision) != "write" or self.case.approved
        if made.strategy != "repair":
            amount = 5 * UNIT[self.currency]
            if limits.step_amount is not None:
                said = limits.step_amount
                each = [money.minor for money in said.each if money.currency == self.currency]
                amount = int(price * Fraction(said.share)) if said.share is not None else (each or [amount])[0]
            most = max(Fraction(limits.step) * price, Fraction(amount))
            if target - price > most:
                yield f"guard 6: up by {target - price}, at most {most}"
            if price - target > most and not free:
                yield f"guard 6: down by {price - target}, at most {most}"
            recent = [change for change in past.changes if change.at > self.case.now - DAY]
            high = max([price, *(change.old.minor for change in recent), *(change.new.minor for change in recent)])
            if target < price and Fraction(high - target, high) > Fraction(12, 100) and not free:
                yield "guard 6: more than 12 % down in 24 h"
        average = past.average.minor if past.average is not None else price
        if target < average * Fraction(limits.sanity):
            yield "guard 7: under 60 % of the average"
        box = facts.box
        t = box.price_to_win if box is not None else None
        young = box is not None and box.winning is not None and self.case.now - box.last_seen <= limits.fresh
        if young and t is not None and t.minor > 0 and past.anchor is not None:
            sane = box is not None and box.last_seen <= self.case.now + timedelta(minutes=5)
            if sane and t.minor < past.anchor.minor * Fraction(85, 100):
                yield "guard 8: a flood"
        if limits.ladder:
            if facts.better is not None and target > facts.better.minor:
                yield "guard 10: dearer than a better grade"
            if facts.worse is not None and target < facts.worse.minor:
                yield "guard 10: cheaper than a worse grade"
            yield from self.cut_in_vain(target, price)
        moved = abs(target - price)
        floor = made.floor.minor if made.floor is not None else 0
        follows = self.rule is not None and self.rule.backpricer and made.min_price is not None
        if follows and facts.min_price is None:
            return
        if follows and facts.min_price is not None:
            moved = price if facts.min_price.minor < floor else max(moved, facts.min_price.minor - floor)
        if moved < 1 or moved < Fraction(limits.dead_band) * price:
            yield f"guard 11: only {moved}"

    def cut_in_vain(self, target: int, price: int) -> Iterator[str]:
        """Cuts that were to win, and would not: they end on the price of a worse grade."""
        box, worse, wanted = self.facts.box, self.facts.worse, self.made.wanted
        if self.made.strategy not in ("win", "win_small", "match", "undercut", "raise") or target >= price:
            return
        if box is None or worse is None or target != worse.minor or wanted is None or wanted.minor >= target:
            return
        # Where the floor, or a `min_price`, lies on the very price of the worse grade, it was not the ladder's doing
        least = self.facts.min_price
        if self.made.floor == worse or (least is not None and least.minor == worse.minor):
            return
        t, w = box.price_to_win, box.winner_price
        if t is not None and t.minor > 0:
            wins = target <= t.minor
        else:
            wins = w is not None and w.minor > 0 and target < w.minor
        if not wins:
            yield "guard 10: a cut that the ladder keeps from winning"

    def permission(self) -> Iterator[str]:
        case, facts, rule, verdict = self.case, self.facts, self.rule, str(self.made.decision)
        mode = case.terms.mode
        if mode not in (Mode.OFF, Mode.OBSERVE):
            mode = facts.mode or (rule.mode if rule is not None else None) or mode
        if case.terms.stopped or facts.paused:
            yield "guard 1: it is paused"
        if mode is Mode.OFF:
            yield "the mode is off"
        if verdict != "write" or case.approved:
            return
        if mode is not Mode.AUTO:
            yield f"written in mode {mode}"
        if self.made.strategy == "repair":
            if (rule.repair_floor if rule is not None else case.rules.repair_floor) != "auto":
                yield "a repair was written unasked"
        elif self.margin < Fraction(self.limits().margin_flag):
            yield f"guard 13: written at a margin of {float(self.margin):.3f}"


# By hand


def survey(seeds: range, decide: Callable[..., Decision] | None = None) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Decide in each world; return how often what came up, and the seeds at fault with what was wrong."""
    seen: Counter[str] = Counter()
    bad: list[tuple[int, str]] = []
    run = decide or engine.decide
    for seed in seeds:
        case = world(seed)
        made = run(case.facts, case.rules, case.terms, case.now, writing=case.writing, approved=case.approved)
        seen[f"decision {made.decision}"] += 1
        seen[f"standing {made.standing}"] += 1
        if made.target is not None:
            seen[f"strategy {made.strategy}"] += 1
            seen[f"changes in {made.target.currency}"] += 1
        for check in made.guards:
            if check.hit:
                seen[f"guard {check.guard}: {check.effect}"] += 1
        bad += [(seed, fault) for fault in faults(case, made)]
    return seen, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1_000_000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    end = arguments.first + arguments.worlds
    parts = [range(start, min(start + 5_000, end)) for start in range(arguments.first, end, 5_000)]
    seen: Counter[str] = Counter()
    bad: list[tuple[int, str]] = []
    started, done = time.monotonic(), 0
    with multiprocessing.Pool(arguments.processes) as pool:
        for number, (counts, wrong) in enumerate(pool.imap_unordered(survey, parts), start=1):
            seen += counts
            bad += wrong
            done += 5_000
            if number % 20 == 0 or number == len(parts):
                print(
                    f"{min(done, arguments.worlds)} worlds, {len(bad)} faults, {time.monotonic() - started:.0f} s",
                    flush=True,
                )
    for name, count in sorted(seen.items()):
        print(f"{count:>9} {name}")
    for seed, fault in bad[:20]:
        print(f"seed {seed}: {fault}")
    print(f"{arguments.worlds} worlds, {len(bad)} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
