"""Pulls listings: a pass for each configured market, since prices, comments and states differ by market."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bmconsole.backmarket import listings as api
from bmconsole.backmarket.wire import Record
from bmconsole.domain.priority import Priority
from bmconsole.domain.views import PassResult, Progress
from bmconsole.store import listings as rows
from bmconsole.store import passes, prices
from bmconsole.store.listings import ListingRecord
from bmconsole.store.quarantine import Stored, expire
from bmconsole.store.sqlite import Connection
from bmconsole.sync import ShowProgress, Sources
from bmconsole.sync.fields import Fields
from bmconsole.sync.passes import Walked, duration, tell_vanished, walk_until_clean
from bmconsole.sync.reading import FetchedPage, read_page
from bmconsole.sync.removals import settle

STREAM = "listings"
_OLDEST = timedelta(hours=1)
"""How old a pass may be that goes on where it was cut off: listings have no filter by time that would find what changed
on its pages meanwhile, so a pass that was cut off before a night would be told as fresh."""
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(slots=True)
class ListingsSource:
    """The pages of `GET /ws/listings` as one market shows them."""

    sources: Sources
    market: str
    priority: Priority
    stream: str
    family: str
    _fields: Fields = field(default_factory=lambda: Fields(api.unknown_fields, api.WireListing.PARTS))

    async def fetch(self, number: int) -> FetchedPage[ListingRecord]:
        asked_at, market = self.sources.now(), self.market
        page = await api.page(self.sources.client, market=market, number=number, priority=self.priority)
        return await read_page(
            page,
            lambda record, raw: ListingRecord(api.parse_listing(record, market), market, raw),
            self.key,
            _named,
            self._fields,
            asked_at=asked_at,
            courtesy=self.sources.courtesy,
        )

    def key(self, record: ListingRecord) -> str:
        return record.listing.id

    def raw(self, record: ListingRecord) -> str:
        return record.raw

    def store(self, connection: Connection, page: FetchedPage[ListingRecord]) -> Stored[ListingRecord]:
        return rows.store(connection, page.records, fetched_at=page.asked_at)

    def found(self, new: Sequence[ListingRecord]) -> int:
        return len(new)

    def begun(self, connection: Connection, server_date: datetime | None) -> None:
        """Nothing follows the first page of listings."""

    async def after(self, page: FetchedPage[ListingRecord]) -> None:
        """Record prices and stock that changed."""
        await keep_history(self.sources, page.records, page.asked_at)


def _named(record: Record) -> str | None:
    for name in ("id", "listing_id"):
        value = record.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and _ID.fullmatch(str(value)):
            return str(value)
    return None


async def keep_history(sources: Sources, records: Sequence[ListingRecord], at: datetime) -> None:
    """Record the prices and the stock of listings as they were seen at `at`, where they changed."""
    if await sources.history.read(lambda connection: prices.due(connection, records, at)):
        await sources.history.write(lambda connection: prices.record(connection, records, at))


async def pull(
    sources: Sources,
    *,
    every: float | None = None,
    priority: Priority = Priority.NORMAL,
    show: ShowProgress | None = None,
) -> PassResult:
    """Pull every listing in every configured market; `seen` counts listings, `changed` offers that differ.

    After clean passes in all markets, listings that none of them met are looked at one by one (see `removals`).
    `every` is the timer's interval in seconds: a pass that takes longer than that is logged.
    """
    walks: list[Walked[ListingRecord]] = []
    async with sources.alone(STREAM):
        for place, market in enumerate(sources.markets):
            name = f"{STREAM}:{market}"
            source = ListingsSource(sources, market, priority, name, name)
            forecast = _Forecast(sources, len(sources.markets), place, show)
            walked = await walk_until_clean(
                source, sources, kind="full", since=None, show=forecast.show, oldest=_OLDEST
            )
            if place == 0:
                await forecast.tell(walked, every)
            walks.append(walked)
        await tell_vanished(sources, STREAM, [name for walked in walks for name in walked.vanished])
        clean_everywhere = all(walked.verdict.clean for walked in walks)
        pass_ids = [walked.last.state.pass_id for walked in walks]
        seen = await sources.mirror.read(lambda connection: passes.seen_in(connection, pass_ids))
        if clean_everywhere:
            at = sources.now()

            def remember(connection: Connection) -> None:
                passes.set_clean(connection, STREAM, watermark=None, at=at)
                for walked in walks:
                    expire(connection, walked.last.source.family, walked.last.state.pass_id)

            await sources.mirror.write(remember)
            await settle(sources, pass_ids, priority=priority)
    return PassResult(
        STREAM,
        sum(walked.pages for walked in walks),
        seen,
        sum(walked.changed for walked in walks),
        sum(walked.verdict.quarantined for walked in walks),
        clean_everywhere,
    )


class _Forecast:
    """Says how long all markets take together."""

    def __init__(self, sources: Sources, markets: int, done: int, show: ShowProgress | None) -> None:
        self._sources = sources
        self._markets = markets
        self._left = markets - done - 1
        self._show = show

    def show(self, progress: Progress) -> None:
        """Hand a market's progress on, with the time that the markets behind it will take as well."""
        if self._show is None:
            return
        note, rate = progress.note, self._sources.per_second("edge")
        if progress.total is not None and rate > 0:
            pages = passes.pages_of(progress.total)
            left = pages * (self._left + 1) - progress.pages
            note = f"about {duration(left / rate)} left" if left > 0 else ""
        self._show(Progress(progress.stream, progress.pages, progress.done, progress.total, note))

    async def tell(self, first: Walked[ListingRecord], every: float | None) -> None:
        """Log how long a pass takes where its timer is shorter than that."""
        rate = self._sources.per_second("edge")
        if rate <= 0 or every is None:
            return
        pages = first.verdict.pages * self._markets
        seconds = pages / rate
        if seconds > every:
            await self._sources.note(
                "warning",
                "sync",
                f"listings: {self._markets} markets × {first.verdict.pages} pages take about {duration(seconds)}, "
                f"longer than their timer of {duration(every)}",
            )
