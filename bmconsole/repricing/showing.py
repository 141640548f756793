"""The part of a workspace that shows repricing: decisions by money, counts, the history of a price, the scores."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bmconsole.domain.decisions import Standing
from bmconsole.domain.filters import Table, parse_filter
from bmconsole.domain.intents import IntentQuery
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import (
    STANDINGS,
    DecisionRow,
    DecisionView,
    PriceAt,
    PriceHistory,
    PricingCounts,
    PricingQuery,
    RunRow,
    Sale,
    Score,
    Seen,
    StandingCount,
)
from bmconsole.domain.text import clean
from bmconsole.errors import NotFound
from bmconsole.repricing.carrying import Carrying
from bmconsole.repricing.gathering import Shown, market_of, shown
from bmconsole.store import decisions as decision_rows
from bmconsole.store import facts as fact_rows
from bmconsole.store import intents as intent_rows
from bmconsole.store import outcomes as outcome_rows
from bmconsole.store import runs as run_rows
from bmconsole.store.decisions import Kept, Key
from bmconsole.store.sqlite import Connection

HISTORY_DAYS = 30


class Showing(Carrying):
    """What the repricing view and the commands show."""

    async def pricing_page(self, query: PricingQuery) -> list[DecisionRow]:
        """Return the decisions that hold (or that `query.run` made), what is worth most first where no sort is named.

        Raises:
            FilterError: The filter, in the language of listings, cannot be read.
            UsageError: There is no such sort, market or run.
        """
        run, among = await self._asked(query)
        kept = await self._history.read(lambda connection: decision_rows.page(connection, query, run=run, among=among))
        return await self._rows(kept)

    async def pricing_count(self, query: PricingQuery) -> int:
        """Return how many decisions a query asks for; its sort, offset and limit do not matter."""
        run, among = await self._asked(query)
        return await self._history.read(lambda connection: decision_rows.count(connection, query, run=run, among=among))

    async def pricing_position(self, query: PricingQuery, listing: str, market: str) -> int | None:
        """Return how many of a query's decisions come before the one about an offer, None where it is not there."""
        run, among = await self._asked(query)
        return await self._history.read(
            lambda connection: decision_rows.position(connection, query, (listing, market), run=run, among=among)
        )

    async def pricing_counts(self, market: str | None = None) -> PricingCounts:
        """Return how many offers stand how, with what is at stake, in one market or in all of them."""
        place = None if market is None else self.check_market(market)
        found = await self._history.read(lambda connection: decision_rows.standings(connection, place))
        last = await self._history.read(lambda connection: run_rows.last(connection, whole=True))
        standings = tuple(_count(standing, found) for standing in STANDINGS)
        return PricingCounts(
            standings=standings,
            waiting=sum(each.waiting for each in standings),
            at=None if last is None else last.at,
            run=None if last is None else last.name,
            mode=self.profile.repricing_mode,
            paused=tuple(await self.pauses()),
            notice=None if last is None else last.notice,
        )

    async def decision(self, number: int) -> DecisionView:
        """Return a decision with what became of it.

        Raises:
            NotFound: There is none of this number (any more).
        """
        kept = await self._history.read(lambda connection: decision_rows.get(connection, number))
        if kept is None:
            raise NotFound(f"There is no decision {number}.", field="id", value=str(number))
        again = await self._history.read(lambda connection: decision_rows.again(connection, number))
        intent = outcomes = None
        if kept.intent is not None:
            wrote = kept.intent
            intent = await self._journal.read(lambda connection: intent_rows.get(connection, wrote))
            outcomes = await self._history.read(lambda connection: outcome_rows.of_intent(connection, wrote))
        rows = await self._rows([kept, *again])
        return DecisionView(rows[0], tuple(rows[1:]), intent, tuple(outcomes or ()))

    async def has_decision(self, number: int) -> bool:
        """Return whether there is a decision of this number."""
        return await self._history.read(lambda connection: decision_rows.get(connection, number)) is not None

    async def waiting_rows(self, ids: Sequence[int] | None = None, *, run: str | None = None) -> list[DecisionRow]:
        """Return the decisions that wait for approval, what is worth most first; raises as `waiting`."""
        return await self._rows(await self.waiting(ids, run=run))

    async def decision_of(self, ref: str, market: str | None = None) -> DecisionView:
        """Return the decision that holds for a listing in a market (default: the main one).

        Raises:
            NotFound: The listing is not in the cache, or nothing was decided about it yet.
        """
        listing, place = await self.listing(ref), self.check_market(market)
        kept = await self._history.read(lambda connection: decision_rows.of_offer(connection, listing.id, place))
        if kept is None:
            raise NotFound(f"Nothing was decided about {clean(listing.sku)} in {place} yet.", field="listing")
        return await self.decision(kept.id)

    async def price_history(self, ref: str, market: str | None = None, *, days: int = HISTORY_DAYS) -> PriceHistory:
        """Return how the price of a listing, and what it takes to win, went over the last `days`.

        Raises:
            NotFound: The listing is not in the cache.
            UsageError: There is no such market.
        """
        listing, place = await self.listing(ref), self.check_market(market)
        now = self.now()
        since = now - timedelta(days=days)
        currency = MARKETS[place].currency

        def money(minor: int | None) -> Money | None:
            return None if minor is None else Money(minor, currency)

        seen = await self._history.read(lambda connection: list(fact_rows.seen(connection, since, listing=listing.id)))
        prices = await self._history.read(
            lambda connection: list(fact_rows.prices(connection, since, listing=listing.id))
        )
        sold = await self._mirror.read(lambda connection: list(fact_rows.sold(connection, since, sku=listing.sku)))
        changes = await self._journal.read(
            lambda connection: intent_rows.page(
                connection, limit=200, query=IntentQuery(target=listing.id, market=place)
            )
        )
        kept = await self._history.read(lambda connection: decision_rows.of_offer(connection, listing.id, place))
        return PriceHistory(
            listing=listing.id,
            sku=listing.sku,
            title=listing.title,
            market=place,
            currency=currency,
            since=since,
            until=now,
            prices=tuple(
                PriceAt(max(since, datetime.fromisoformat(row.first_seen)), Money(row.price, currency))
                for row in prices
                if row.market == place and row.price is not None
            ),
            seen=tuple(
                Seen(
                    max(since, datetime.fromisoformat(row.first_seen)),
                    datetime.fromisoformat(row.last_seen),
                    money(row.price),
                    money(row.price_to_win),
                    money(row.winner_price),
                    None if row.winning is None else bool(row.winning),
                )
                for row in seen
                if row.market == place
            ),
            sales=tuple(
                Sale(datetime.fromisoformat(row.created), row.quantity, money(row.price))
                for row in sold
                if market_of(row.country) == place
            ),
            changes=tuple(intent for intent in reversed(changes) if "price" in intent.want),
            floor=None if kept is None else kept.decision.floor,
            ceiling=None if kept is None else kept.decision.ceiling,
            cost=(await self._cost_book()).find(listing.sku, place, listing.grade),
        )

    async def runs(self, *, limit: int = 50, after: int | None = None) -> list[RunRow]:
        """Return the runs with numbers under `after`, newest first; `limit` 0 = all."""
        return await self._history.read(lambda connection: run_rows.page(connection, limit=limit, after=after))

    async def run_rules(self, name: str) -> str:
        """Return the text of the rules that a run went by; empty where those were the built-in ones.

        Raises:
            NotFound: There is no such run.
        """
        text = await self._history.read(lambda connection: run_rows.rules_of(connection, name))
        if text is None:
            raise NotFound(f"There is no run {clean(name, limit=60)}.", field="run", value=clean(name, limit=60))
        return text

    async def scores(self, *, days: int = HISTORY_DAYS) -> list[Score]:
        """Return what the changes of the last `days` came to, by rule."""
        since = self.now() - timedelta(days=days)
        return await self._history.read(lambda connection: outcome_rows.scores(connection, since))

    # Inside

    async def _asked(self, query: PricingQuery) -> tuple[int | None, Mapping[str, Sequence[str]] | None]:
        """Return the number of the run that a query names, and the listings that its filter lets through."""
        run = None
        if query.run is not None:
            found = await self._history.read(lambda connection: run_rows.named(connection, query.run or ""))
            if found is None:
                shown_name = clean(query.run, limit=60)
                raise NotFound(f"There is no run {shown_name}.", field="run", value=shown_name)
            run = found.id
        markets = self.profile.markets if query.market is None else (self.check_market(query.market),)
        if not query.where.strip():
            return run, None
        parse_filter(query.where, Table.LISTINGS)
        among: dict[str, Sequence[str]] = {}
        for market in markets:
            ids = await self._history.read(partial(decision_rows.listings, market=market, run=run))
            among[market] = sorted(await self.listings_passing(query.where, ids, market=market))
        return run, among

    async def _rows(self, kept: Sequence[Kept]) -> list[DecisionRow]:
        ids = list(dict.fromkeys(each.decision.listing for each in kept))

        def look(connection: Connection) -> dict[Key, Shown]:
            return shown(fact_rows.offers_of(connection, ids))

        beside = await self._mirror.read(look)
        runs = await self._history.read(lambda connection: run_rows.names(connection, {each.run for each in kept}))
        found = []
        for each in kept:
            row = DecisionRow(
                each.decision,
                id=each.id,
                run=runs.get(each.run, ""),
                state=each.state,
                result=each.result,
                intent=each.intent,
            )
            extra = beside.get(each.decision.key)
            found.append(
                row if extra is None else replace(row, title=extra.title, quantity=extra.quantity, box=extra.box)
            )
        return found


def _count(standing: Standing, found: Sequence[tuple[Standing, str, int, int, int]]) -> StandingCount:
    own = [each for each in found if each[0] is standing]
    return StandingCount(
        standing,
        sum(each[2] for each in own),
        tuple(Money(each[3], each[1]) for each in own if each[3] and each[1]),
        sum(each[4] for each in own),
    )
