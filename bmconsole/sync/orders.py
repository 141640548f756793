"""Pulls orders: all of them, or those changed since the watermark."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bmconsole.backmarket import orders as api
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.domain.views import PassResult
from bmconsole.store import orders as rows
from bmconsole.store import passes
from bmconsole.store.orders import OrderRecord
from bmconsole.store.passes import PageTally, Rejected
from bmconsole.store.sqlite import Connection
from bmconsole.sync import ShowProgress, Sources
from bmconsole.sync.passes import FetchedPage, key_of, walk_until_clean

STREAM = "orders"
OVERLAP = timedelta(seconds=60)
"""How far a watermark stays behind the server's clock: an order may become visible later than it was changed."""


@dataclass(slots=True)
class OrdersSource:
    """The pages of `GET /ws/orders`, of orders changed since `since` (None: all)."""

    sources: Sources
    since: datetime | None
    priority: Priority
    name: str = STREAM

    async def fetch(self, number: int) -> FetchedPage[OrderRecord]:
        page = await api.page(self.sources.client, number=number, modified_since=self.since, priority=self.priority)
        records: list[OrderRecord] = []
        rejected: list[Rejected] = []
        unknown: set[str] = set()
        for record in page.records:
            raw = dumps(record)
            try:
                records.append(OrderRecord(api.parse_order(record, self.sources.zone), raw))
            except InvalidRecord as error:
                rejected.append(Rejected(key_of(record, raw, "order_id"), raw, clean(error, limit=400)))
            unknown.update(api.unknown_fields(record))
        keys = [str(record.order.order_id) for record in records]
        return FetchedPage(page.count, records, rejected, keys, frozenset(unknown), page.server_date)

    def store(
        self,
        connection: Connection,
        records: Sequence[OrderRecord],
        *,
        fetched_at: datetime,
        pass_id: int,
        page: int,
    ) -> PageTally:
        return rows.store(connection, records, fetched_at=fetched_at, pass_id=pass_id, page=page)


async def pull(
    sources: Sources, *, full: bool = False, priority: Priority = Priority.NORMAL, show: ShowProgress | None = None
) -> PassResult:
    """Pull orders; without a watermark, or with `full`, all of them.

    The watermark is the server's `Date` at the start of a clean pass less an overlap; an unclean pass keeps its data
    and leaves it where it was.
    """
    known = await sources.mirror.read(lambda connection: passes.stream(connection, STREAM))
    since = None if full else known.watermark
    source = OrdersSource(sources, since, priority)
    result, state, fields = await walk_until_clean(
        source,
        sources.mirror,
        kind="backfill" if since is None else "incremental",
        since=since,
        now=sources.now,
        show=show,
    )
    if state.clean:
        mark = state.server_date - OVERLAP if state.server_date else None
        at = sources.now()
        await sources.mirror.write(lambda connection: passes.set_clean(connection, STREAM, watermark=mark, at=at))
    if fields:
        await sources.note("warning", "sync", f"Back Market sends new fields in orders: {', '.join(fields)}")
    return result
