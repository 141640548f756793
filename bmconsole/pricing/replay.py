"""What rules would have done over a time that was observed: the same engine, its prices taken, side by side.

An observation tells how our price of then stood. For another price it tells this much: while we were losing, one at or
under the price to win would have won, a higher one not; while we were winning, one at or under ours would have won too.
How far above it a price still wins, nobody saw: there the replay has no data, and says so by counting it in no share.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from bmconsole.domain.decisions import Decision, Mode, Standing, Verdict
from bmconsole.domain.listings import Backbox
from bmconsole.domain.money import Money
from bmconsole.pricing import history
from bmconsole.pricing.decide import decide
from bmconsole.pricing.values import Change, Facts, Rules, Seen, Terms

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Track:
    """An offer with what was seen of its backbox, oldest first; `facts.price` is the price it starts with.

    The past of `facts` counts only for `sold`; what changed of its cost and stock meanwhile is not known here.
    """

    facts: Facts
    seen: Sequence[Seen]


@dataclass(frozen=True, slots=True)
class Summary:
    """What one set of rules would have done. Shares are parts of 1, None where nothing could be told."""

    name: str
    offers: int
    looks: int
    changes: int
    cuts: int
    raises: int
    suggested: int
    """Of the changes, those that would have waited for approval; the replay approves them."""
    mean_change: Decimal | None
    won: Decimal | None
    """Of the looks that tell, those that would have won."""
    told: int
    """How many looks tell."""
    margin: Decimal | None
    """The mean margin of the prices that won, over looks."""
    held: int
    """Looks after which the price stayed."""
    under_floor: int
    """Looks at which the price was under the floor."""
    guards: Mapping[str, int] = field(default_factory=dict)
    """How often which guard had an effect."""
    standings: Mapping[str, int] = field(default_factory=dict)


def replay(
    tracks: Iterable[Track],
    rules: Sequence[Rules],
    terms: Terms,
    *,
    since: datetime,
    until: datetime,
    every: timedelta = HOUR,
) -> list[Summary]:
    """Return for each set of rules what it would have done between two moments, deciding once in `every`."""
    tallies = [_Tally(each.name) for each in rules]
    acting = replace(terms, mode=Mode.AUTO, stopped=False)
    for track in tracks:
        for each, tally in zip(rules, tallies, strict=True):
            _Run(track, each, acting, tally, every).through(since, until)
    return [tally.summary() for tally in tallies]


class _Tally:
    def __init__(self, name: str) -> None:
        self.name = name
        self.offers = self.looks = self.cuts = self.raises = self.suggested = 0
        self.won = self.told = self.held = self.under_floor = 0
        self.moved = Decimal(0)
        self.margin = Decimal(0)
        self.margins = 0
        self.guards: Counter[str] = Counter()
        self.standings: Counter[str] = Counter()

    def summary(self) -> Summary:
        changes = self.cuts + self.raises
        return Summary(
            self.name,
            self.offers,
            self.looks,
            changes,
            self.cuts,
            self.raises,
            self.suggested,
            self.moved / changes if changes else None,
            Decimal(self.won) / self.told if self.told else None,
            self.told,
            self.margin / self.margins if self.margins else None,
            self.held,
            self.under_floor,
            dict(self.guards),
            dict(self.standings),
        )


class _Run:
    """One offer under one set of rules, from look to look."""

    def __init__(self, track: Track, rules: Rules, terms: Terms, tally: _Tally, every: timedelta) -> None:
        self.track = track
        self.rules = rules
        self.terms = terms
        self.tally = tally
        self.every = every
        self.changes: list[Change] = []
        self.prices: list[tuple[Money, datetime]] = []
        self.seen: list[Seen] = []

    def through(self, since: datetime, until: datetime) -> None:
        price = self.track.facts.price
        if price is None:
            return
        self.tally.offers += 1
        self.prices.append((price, since - history.KEPT))
        row, rows, now = None, iter(self.track.seen), since
        upcoming = next(rows, None)
        while now < until:
            while upcoming is not None and upcoming.first_seen <= now:
                row, upcoming = upcoming, next(rows, None)
            price = self._look(row, now, price)
            now += self.every

    def _look(self, row: Seen | None, now: datetime, price: Money) -> Money:
        """Decide after a look, and return the price from then on."""
        box = None if row is None else self._box(row, now, price)
        self._remember(box, now)
        facts = replace(
            self.track.facts,
            price=price,
            live_at=now,
            box=box,
            past=history.past(
                self.seen, self.changes, now, price=price, prices=self.prices, sold=self.track.facts.past.sold
            ),
            paused=None,
            mode=None,
        )
        made = decide(facts, self.rules, self.terms, now)
        self._count(made, box)
        if made.target is None or made.target == price:
            return price
        self.changes.append(Change(now, price, made.target))
        self.prices.append((made.target, now))
        return made.target

    def _box(self, row: Seen, now: datetime, price: Money) -> Backbox:
        """Return what a look would have shown at our price of the replay."""
        t, w, last = row.price_to_win, row.winner_price, min(row.last_seen, now)
        if row.winning is None or price.currency not in {money.currency for money in (t, w, row.price) if money}:
            return Backbox(row.price, t, w, row.winning, row.first_seen, last)
        if row.winning:
            most = row.price.minor if row.price is not None else None
        else:
            most = t.minor if t is not None else w.minor if w is not None else None
        if most is None or (row.winning and price.minor > most):
            return Backbox(price, None, None, None, row.first_seen, last)
        if price.minor <= most:
            return Backbox(price, price, price, True, row.first_seen, last)
        return Backbox(price, t, w, False, row.first_seen, last)

    def _remember(self, box: Backbox | None, now: datetime) -> None:
        if box is None:
            return
        last = self.seen[-1] if self.seen else None
        shown = (box.price, box.price_to_win, box.winner_price, box.winning)
        if last is not None and (last.price, last.price_to_win, last.winner_price, last.winning) == shown:
            self.seen[-1] = replace(last, last_seen=now, looks=last.looks + 1)
            return
        self.seen.append(Seen(*shown, now, now))
        if len(self.seen) > 2 and now - self.seen[1].first_seen > history.KEPT:
            del self.seen[0]

    def _count(self, made: Decision, box: Backbox | None) -> None:
        tally, old = self.tally, made.old
        tally.looks += 1
        tally.standings[str(made.standing)] += 1
        tally.guards.update(check.guard for check in made.guards if check.hit)
        tally.under_floor += made.standing is Standing.UNDER_FLOOR
        if box is not None and box.winning is not None and made.standing is not Standing.STALE:
            tally.told += 1
            tally.won += box.winning
        if box is not None and box.winning and made.margin is not None and made.target is None:
            tally.margin += made.margin
            tally.margins += 1
        if made.target is None or old is None or made.target == old:
            tally.held += 1
            return
        tally.cuts += made.target.minor < old.minor
        tally.raises += made.target.minor > old.minor
        tally.suggested += made.decision is not Verdict.WRITE
        tally.moved += Decimal(abs(made.target.minor - old.minor)) / old.minor
