"""The part of a workspace that looks back: the morning's text, and rules replayed over what was observed."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from bmconsole.domain.intents import IntentQuery, IntentState
from bmconsole.domain.pricing_views import Replay, ReplaySide, RunRow
from bmconsole.errors import UsageError
from bmconsole.pricing.replay import Summary, replay
from bmconsole.repricing.brief import Brief
from bmconsole.repricing.gathering import tracks_of
from bmconsole.repricing.showing import Showing
from bmconsole.store import decisions as decision_rows
from bmconsole.store import facts as fact_rows
from bmconsole.store import intents as intent_rows
from bmconsole.store import orders as order_rows
from bmconsole.store import outcomes as outcome_rows
from bmconsole.store import passes
from bmconsole.store import runs as run_rows
from bmconsole.store.facts import OfferRow
from bmconsole.store.sqlite import Connection

NIGHT = timedelta(hours=14)
"""How far back the morning looks where nothing else is asked for."""
_BEFORE = timedelta(days=1)
_STREAMS = ("orders", "listings", "backbox")
_DID = ("written", "stopped", "failed", "waiting")

Key = tuple[str, str]


class Telling(Showing):
    """Tells what was, from what is on this machine."""

    async def brief(self, *, night: timedelta = NIGHT) -> Brief:
        """Return what a morning begins with; no request is made."""
        now = self.now()
        since = now - night

        def mirror(connection: Connection) -> tuple[dict[str, int], int, datetime | None, int, list[OfferRow]]:
            by_status, late = order_rows.counts(connection, now)
            oldest = order_rows.oldest(connection, "to-accept")
            units = sum(row.quantity for row in fact_rows.sold(connection, since))
            return by_status, late, oldest, units, fact_rows.offers(connection, self.profile.markets)

        by_status, late, oldest, units, offers = await self._mirror.read(mirror)
        due_today = await self.orders_count("due-today")
        before = await self._history.read(lambda connection: _boxes_at(connection, since))
        runs = await self._history.read(lambda connection: run_rows.since(connection, since))
        guards = await self._history.read(decision_rows.guards_hit)
        scores = await self._history.read(lambda connection: outcome_rows.scores(connection, since))
        feeds = await self._mirror.read(
            lambda connection: {name: passes.stream(connection, name).last_clean for name in _STREAMS}
        )
        conflicts = await self._journal.read(
            lambda connection: intent_rows.page(
                connection, limit=0, query=IntentQuery(states=(IntentState.CONFLICT.value,))
            )
        )
        book = await self._cost_book()
        lost, gained = _moved(offers, before)
        return Brief(
            at=now,
            since=since,
            to_accept=by_status.get("to-accept", 0),
            oldest_to_accept=oldest,
            to_ship=by_status.get("to-ship", 0),
            due_today=due_today,
            late=late,
            sold=units,
            won=sum(row.winning == 1 for row in offers),
            lost=lost,
            gained=gained,
            online=len(offers),
            with_data=sum(row.winning is not None for row in offers),
            mode=self.profile.repricing_mode,
            paused=tuple(
                " ".join(part for part in (pause.sku, pause.market) if part) or "all of repricing"
                for pause in await self.pauses()
            ),
            runs=len(runs),
            changes=_did(runs),
            waiting=(await self.pricing_counts()).waiting,
            guards=guards,
            notices=tuple(dict.fromkeys(run.notice for run in runs if run.notice)),
            scores=tuple(scores),
            no_cost=sum(bool(book.lacking(row.sku, row.market, row.grade)) for row in offers),
            unfinished=await self._journal.read(intent_rows.count_unfinished),
            conflicts=len(conflicts),
            feeds=feeds,
        )

    async def replay(
        self,
        texts: Sequence[tuple[str, str]],
        since: datetime,
        until: datetime,
        *,
        every: timedelta = timedelta(hours=1),
    ) -> Replay:
        """Let rules decide over what was observed between two moments, each by itself; nothing is kept or written.

        Args:
            texts: Name and text of each file of rules; none: those of `rules.toml`.
            since: UTC.
            until: UTC.
            every: How far apart the decisions lie.

        Raises:
            SettingsError: A file of rules cannot be used.
            UsageError: The time ends before it begins.
        """
        if until <= since:
            raise UsageError("The time ends before it begins.", field="to", hint="--from comes before --to.")
        sets = [await self.rules(text, name) for name, text in texts] or [await self.rules()]
        facts, terms, _ = await self._facts()
        seen = await self._history.read(lambda connection: list(fact_rows.seen(connection, since, until=until)))
        prices = await self._history.read(lambda connection: list(fact_rows.prices(connection, since - _BEFORE)))
        tracks = await asyncio.to_thread(tracks_of, facts, seen, prices, since)
        found = await asyncio.to_thread(partial(replay, tracks, sets, terms, since=since, until=until, every=every))
        return Replay(since, until, len(tracks), len(seen), tuple(_side(each) for each in found))


def _side(found: Summary) -> ReplaySide:
    return ReplaySide(
        name=found.name,
        offers=found.offers,
        looks=found.looks,
        changes=found.changes,
        cuts=found.cuts,
        raises=found.raises,
        suggested=found.suggested,
        mean_change=found.mean_change,
        won=found.won,
        told=found.told,
        margin=found.margin,
        held=found.held,
        under_floor=found.under_floor,
        guards=found.guards,
    )


def _did(runs: Sequence[RunRow]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for run in runs:
        total.update({name: count for name, count in run.counts.items() if name in _DID})
    return dict(total)


def _boxes_at(connection: Connection, moment: datetime) -> dict[Key, bool]:
    """Return who had the box of each offer at a moment, as far as it was seen then."""
    return {
        (row.listing, row.market): bool(row.winning)
        for row in fact_rows.seen(connection, moment - _BEFORE, until=moment)
        if row.winning is not None
    }


def _moved(offers: Sequence[OfferRow], before: dict[Key, bool]) -> tuple[tuple[str, ...], int]:
    """Return the boxes that were ours and are not any more, the dearest first, and how many came to us."""
    lost = [row for row in offers if before.get((row.id, row.market)) is True and row.winning == 0]
    lost.sort(key=lambda row: (-(row.price or 0), row.sku, row.market))
    gained = sum(before.get((row.id, row.market)) is False and row.winning == 1 for row in offers)
    return tuple(f"{row.sku} {row.market}" for row in lost), gained
