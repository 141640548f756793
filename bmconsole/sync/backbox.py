"""Observes how our listings stand in the backbox of each market."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from bmconsole.backmarket import backbox as api
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.priority import Priority
from bmconsole.domain.views import PassResult, Progress
from bmconsole.errors import BmError, NotAllowed
from bmconsole.store import listings as listing_rows
from bmconsole.store import observations as rows
from bmconsole.store import passes
from bmconsole.store.observations import Due, Observation
from bmconsole.store.sqlite import Connection
from bmconsole.sync import ShowProgress, Sources
from bmconsole.sync.passes import duration
from bmconsole.sync.turns import MEMORY, in_turn

STREAM = "backbox"
LIMIT = "competitors"
"""The rule whose rate a sweep goes by."""
SETTLED = timedelta(seconds=30)
"""How long after our own change the backbox is looked at: it takes 30 to 180 s to follow."""
_TRIES = 10
_IN_FLIGHT = 3
_IN_A_ROW = 5
_SHARE_OF_TIMER = 0.9
_WORTH_TELLING = 60.0


async def observe(sources: Sources, listing: str, *, priority: Priority = Priority.LOW) -> list[Observation]:
    """Look at one listing's backboxes and keep what is seen; an empty list where it competes nowhere.

    Raises:
        BmError: No usable answer.
    """
    return (await _look(sources, listing, priority)).seen


async def sweep(
    sources: Sources,
    *,
    within: float | None = None,
    priority: Priority = Priority.LOW,
    show: ShowProgress | None = None,
) -> PassResult:
    """Observe every listing that is online somewhere, the one whose look is worth most first.

    `within` is in seconds: as many are observed as the limits allow in nine tenths of this time, so that a sweep by a
    timer ends before the next one and starts each time with what matters most. `seen` counts listings that compete,
    `pages` the requests, `changed` what differs from the look before; a shop that competes nowhere is a clean sweep.
    """
    async with sources.alone(STREAM):
        wanted = await _wanted(sources)
        rate = sources.per_second(LIMIT)
        if within is not None and rate > 0:
            wanted = wanted[: max(1, int(within * rate * _SHARE_OF_TIMER))]
        if rate > 0 and len(wanted) / rate >= _WORTH_TELLING:
            await sources.note(
                "info", "sync", f"backbox: {len(wanted)} listings to look at, about {duration(len(wanted) / rate)}"
            )
        run = _Sweep(sources, wanted, rate, priority, show)
        await run.all()
        at = sources.now()
        if not run.failed:
            await sources.mirror.write(lambda connection: passes.set_clean(connection, STREAM, watermark=None, at=at))
    return PassResult(STREAM, len(wanted), run.competing, run.changed, 0, not run.failed)


async def observe_due(sources: Sources, *, priority: Priority = Priority.NORMAL) -> int:
    """Look at the listings whose time has come; return how many.

    A backbox that still tells another price than the listing has is looked at again, ten times in all.
    """
    now = sources.now()
    wanted = await sources.mirror.read(lambda connection: rows.asked(connection, now))
    for due in wanted:
        look = await _look(sources, due.listing, priority)
        settled = look.settled or due.tries + 1 >= _TRIES
        again = None if settled else sources.now() + SETTLED
        await sources.mirror.write(partial(_answer, due=due, again=again))
    return len(wanted)


@dataclass(frozen=True, slots=True)
class _Look:
    seen: list[Observation]
    changed: int
    settled: bool
    """Whether the backbox goes by the prices that we know."""


async def _look(sources: Sources, listing: str, priority: Priority) -> _Look:
    answer = await api.competitors(sources.client, listing, priority=priority)
    at = sources.now()
    looks = [_observation(answer, market, at) for market in sources.markets]

    def show(connection: Connection) -> bool:
        rows.show(connection, listing, looks, at=at)
        known = listing_rows.get(connection, listing)
        offers = known.offers if known else {}
        return all(
            look.price is None or look.price == offers[look.market].price for look in looks if look.market in offers
        )

    settled = await sources.mirror.write(show)
    changed = await sources.history.write(
        lambda connection: sum(rows.record(connection, listing, look) for look in looks)
    )
    return _Look([look for look in looks if not look.empty], changed, settled)


def _observation(answer: list[api.WireBackbox], market: str, at: datetime) -> Observation:
    currency = MARKETS[market].currency
    item = api.pick(answer, market)
    if item is None:
        return Observation(market, currency, None, None, None, None, at)
    box = item.to_backbox(market, at)
    return Observation(market, currency, box.price, box.price_to_win, box.winner_price, box.winning, at)


def _answer(connection: Connection, due: Due, again: datetime | None) -> None:
    rows.answered(connection, due)
    if again is not None:
        rows.ask(connection, due.listing, again, tries=due.tries + 1)


async def _wanted(sources: Sources) -> list[str]:
    now = sources.now()
    online = await sources.mirror.read(lambda connection: rows.online(connection, sources.markets))
    changes = await sources.history.read(lambda connection: rows.changes_since(connection, now - MEMORY))
    return await asyncio.to_thread(in_turn, online, changes, now)


class _Sweep:
    """A sweep under way: a few looks in flight, the limiter sets the pace."""

    def __init__(
        self, sources: Sources, wanted: list[str], rate: float, priority: Priority, show: ShowProgress | None
    ) -> None:
        self._sources = sources
        self._wanted = wanted
        self._rate = rate
        self._priority = priority
        self._show = show
        self._done = 0
        self._in_a_row = 0
        self.competing = 0
        self.changed = 0
        self.failed = 0

    async def all(self) -> None:
        following = iter(self._wanted)

        async def take_all() -> None:
            for listing in following:
                await self._take(listing)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_IN_FLIGHT, len(self._wanted))):
                group.create_task(take_all())

    async def _take(self, listing: str) -> None:
        try:
            look = await _look(self._sources, listing, self._priority)
        except NotAllowed:
            raise
        except BmError as error:
            # One listing that Back Market cannot answer for must not end the sweep; a row of them is the network.
            self.failed += 1
            self._in_a_row += 1
            if self._in_a_row >= _IN_A_ROW:
                raise
            await self._sources.note("warning", "sync", f"backbox: {error.line()}", f"listing:{listing}")
        else:
            self._in_a_row = 0
            self.competing += bool(look.seen)
            self.changed += look.changed
        self._done += 1
        if self._show is not None:
            left = len(self._wanted) - self._done
            note = f"about {duration(left / self._rate)} left" if left and self._rate > 0 else ""
            self._show(Progress(STREAM, self._done, self._done, len(self._wanted), note))
