"""Pulls listings: a pass for each configured market, since prices, comments and states differ by market."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bmconsole.backmarket import listings as api
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.domain.views import PassResult
from bmconsole.store import listings as rows
from bmconsole.store import passes
from bmconsole.store.listings import ListingRecord
from bmconsole.store.passes import PageTally, Rejected
from bmconsole.store.sqlite import Connection
from bmconsole.sync import ShowProgress, Sources
from bmconsole.sync.passes import FetchedPage, key_of, walk_until_clean

STREAM = "listings"


@dataclass(slots=True)
class ListingsSource:
    """The pages of `GET /ws/listings` as one market shows them."""

    sources: Sources
    market: str
    priority: Priority
    name: str

    async def fetch(self, number: int) -> FetchedPage[ListingRecord]:
        page = await api.page(self.sources.client, market=self.market, number=number, priority=self.priority)
        records: list[ListingRecord] = []
        rejected: list[Rejected] = []
        unknown: set[str] = set()
        for record in page.records:
            raw = dumps(record)
            try:
                records.append(ListingRecord(api.parse_listing(record, self.market), self.market, raw))
            except InvalidRecord as error:
                rejected.append(Rejected(key_of(record, raw, "id", "listing_id"), raw, clean(error, limit=400)))
            unknown.update(api.unknown_fields(record))
        keys = [record.listing.id for record in records]
        return FetchedPage(page.count, records, rejected, keys, frozenset(unknown), page.server_date)

    def store(
        self,
        connection: Connection,
        records: Sequence[ListingRecord],
        *,
        fetched_at: datetime,
        pass_id: int,
        page: int,
    ) -> PageTally:
        return rows.store(connection, records, fetched_at=fetched_at, pass_id=pass_id, page=page)


async def pull(
    sources: Sources, *, priority: Priority = Priority.NORMAL, show: ShowProgress | None = None
) -> PassResult:
    """Pull every listing in every configured market; `seen` counts listings, `changed` offers that differ."""
    pages = changed = quarantined = 0
    clean_everywhere = True
    pass_ids: list[int] = []
    fields: set[str] = set()
    for market in sources.markets:
        source = ListingsSource(sources, market, priority, f"{STREAM}:{market}")
        result, state, new = await walk_until_clean(
            source, sources.mirror, kind="full", since=None, now=sources.now, show=show
        )
        pages += result.pages
        changed += result.changed
        quarantined += result.quarantined
        clean_everywhere &= result.clean
        pass_ids.append(state.pass_id)
        fields.update(new)
    if clean_everywhere:
        at = sources.now()
        await sources.mirror.write(lambda connection: passes.set_clean(connection, STREAM, watermark=None, at=at))
    if fields:
        await sources.note("warning", "sync", f"Back Market sends new fields in listings: {', '.join(sorted(fields))}")
    seen = await sources.mirror.read(lambda connection: rows.seen_in(connection, pass_ids))
    return PassResult(STREAM, pages, seen, changed, quarantined, clean_everywhere)
