"""Pulls orders: what changed since the watermark, all of them once, and the open ones by id as a net.

Two kinds of passes with a state each. The changes begin at the server's `Date` at the start of the backfill, so the two
together miss nothing, and they never wait for it: while a backfill runs, changes are pulled once a minute.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bmconsole.backmarket import orders as api
from bmconsole.backmarket.wire import Record
from bmconsole.domain.priority import Priority
from bmconsole.domain.views import PassResult
from bmconsole.store import orders as rows
from bmconsole.store import passes
from bmconsole.store.orders import OrderRecord
from bmconsole.store.passes import Stream, Verdict
from bmconsole.store.quarantine import Stored, expire
from bmconsole.store.sqlite import Connection
from bmconsole.sync import ShowProgress, Sources
from bmconsole.sync.fields import Fields
from bmconsole.sync.open_orders import reread
from bmconsole.sync.passes import (
    ATTEMPTS,
    Walk,
    keep_records,
    safe_mark,
    tell_vanished,
    unclean,
    vanished_fields,
    walk_once,
    walk_until_clean,
)
from bmconsole.sync.reading import FetchedPage, read_page

STREAM = "orders"
BACKFILL = "orders:backfill"
OVERLAP = timedelta(seconds=60)
"""How far a watermark stays behind the server's clock: an order may become visible later than it was changed."""
_ID = re.compile(r"[0-9]{1,19}")
_DAY = timedelta(days=1)
"""How far back one pass over the changes reaches once in this time, for what became visible very late."""
POLL = 60.0
"""Seconds between two looks at what changed while a backfill runs."""
_PATIENCE = timedelta(hours=6)
"""How long the engine waits before it walks all orders again that it could not walk cleanly."""


@dataclass(slots=True)
class OrdersSource:
    """The pages of `GET /ws/orders`, of orders changed since `since` (None: all)."""

    sources: Sources
    since: datetime | None
    priority: Priority
    stream: str = STREAM
    began: datetime | None = None
    """The server's date at the start of a backfill, as soon as it is known."""
    family: str = STREAM
    _fields: Fields = field(default_factory=lambda: Fields(api.unknown_fields, api.WireOrder.PARTS))

    async def fetch(self, number: int) -> FetchedPage[OrderRecord]:
        asked_at, zone = self.sources.now(), self.sources.zone
        page = await api.page(self.sources.client, number=number, modified_since=self.since, priority=self.priority)
        return await read_page(
            page,
            lambda record, raw: OrderRecord(api.parse_order(record, zone), raw),
            self.key,
            _named,
            self._fields,
            asked_at=asked_at,
            courtesy=self.sources.courtesy,
        )

    def key(self, record: OrderRecord) -> str:
        return str(record.order.order_id)

    def raw(self, record: OrderRecord) -> str:
        return record.raw

    def store(self, connection: Connection, page: FetchedPage[OrderRecord]) -> Stored[OrderRecord]:
        keep = self.sources.keep_buyers
        return rows.store(connection, page.records, fetched_at=page.asked_at, keep_buyers=keep)

    def found(self, new: Sequence[OrderRecord]) -> int:
        if self.stream != BACKFILL or self.began is None:
            return len(new)
        changed = (record.order.date_modification for record in new)
        return sum(moment is None or moment < self.began for moment in changed)

    def begun(self, connection: Connection, server_date: datetime | None) -> None:
        if self.stream != BACKFILL or server_date is None:
            return
        passes.start_at(connection, BACKFILL, server_date)
        passes.start_at(connection, STREAM, server_date - OVERLAP)
        self.began = passes.stream(connection, BACKFILL).watermark

    async def after(self, page: FetchedPage[OrderRecord]) -> None:
        """Nothing follows a page of orders."""


def _named(record: Record) -> str | None:
    value = record.get("order_id")
    if isinstance(value, bool) or not isinstance(value, str | int) or not _ID.fullmatch(str(value)):
        return None
    return str(int(value)) if int(value) < 2**63 else None


async def pull(
    sources: Sources,
    *,
    full: bool = False,
    eager: bool = True,
    priority: Priority = Priority.NORMAL,
    filling: Priority = Priority.NORMAL,
    show: ShowProgress | None = None,
) -> PassResult:
    """Pull what changed, then all orders if that was never done to the end, or with `full`.

    Args:
        sources: What to work with.
        full: Walk all orders although they were walked once; a backfill that was cut off goes on instead.
        eager: Try a backfill again at once that did not become clean lately.
        priority: Of the changes.
        filling: Of the backfill.
        show: Told after each page.
    """
    done: list[PassResult] = []
    began = sources.now()
    known = await sources.mirror.read(lambda connection: passes.stream(connection, STREAM))
    if known.watermark is not None:
        done.append(await changes(sources, priority=priority, show=show))
    if full or await _is_due(sources, eager=eager):
        done += await _fill(sources, full=full, changing=priority, filling=filling, show=show)
    single = await reread(sources, began=began)
    return PassResult(
        STREAM,
        sum(result.pages for result in done),
        max((result.seen for result in done), default=0),
        sum(result.changed for result in done) + single.changed,
        max([result.quarantined for result in done] + [single.bad]),
        all(result.clean for result in done),
    )


async def changes(
    sources: Sources, *, priority: Priority = Priority.NORMAL, show: ShowProgress | None = None
) -> PassResult:
    """Pull the orders that changed since the watermark.

    The watermark moves to the server's `Date` at the start of a clean pass less an overlap; an unclean pass keeps its
    data and leaves it where it was.
    """
    async with sources.alone(STREAM):
        known = await sources.mirror.read(lambda connection: passes.stream(connection, STREAM))
        if known.watermark is None:
            return PassResult(STREAM, 0, 0, 0, 0, True)
        kind, since = await _reach(sources, known.watermark)
        walked = await walk_until_clean(
            OrdersSource(sources, since, priority), sources, kind=kind, since=since, show=show
        )
        await tell_vanished(sources, STREAM, walked.vanished)
        if walked.verdict.clean:
            mark = await safe_mark(walked.last, walked.verdict)
            await _set_clean(sources, STREAM, mark)
        return walked.result(STREAM)


@dataclass(frozen=True, slots=True)
class Watched:
    """What one look at the latest changes brought; `more` tells that they fill more than a page."""

    changed: int
    more: bool


async def watch(sources: Sources, *, priority: Priority = Priority.NORMAL) -> Watched:
    """Look at one page of what changed since the watermark, which stays where it is.

    Without a watermark there is nothing to go by, and nothing is asked.
    """
    known = await sources.mirror.read(lambda connection: passes.stream(connection, STREAM))
    if known.watermark is None:
        return Watched(0, more=False)
    source = OrdersSource(sources, known.watermark, priority)
    page = await source.fetch(1)
    stored, _ = await sources.mirror.write(
        lambda connection: keep_records(connection, source, page, pass_id=None, now=sources.now())
    )
    count = len(page.keys) if page.count is None else page.count
    return Watched(stored.changed, more=page.more or count > len(page.keys))


async def backfill(
    sources: Sources, *, priority: Priority = Priority.LOW, show: ShowProgress | None = None
) -> tuple[PassResult, bool]:
    """Walk all orders, at most three times; return also whether the shop stood still meanwhile.

    It is complete after a clean pass, or after a second pass that found no order which should have been known, and only
    if as many orders are known as the server counted at its start.
    """
    pages = changed = 0
    async with sources.alone(BACKFILL):
        for attempt in range(1, ATTEMPTS + 1):
            state = await sources.mirror.read(lambda connection: passes.stream(connection, BACKFILL))
            if state.last_clean is not None:
                return PassResult(STREAM, 0, 0, 0, 0, True), False
            source = OrdersSource(sources, None, priority, BACKFILL, began=state.watermark)
            walk, verdict = await walk_once(source, sources, kind="backfill", since=None, show=show)
            pages += walk.pages
            changed += verdict.changed
            await tell_vanished(sources, STREAM, await vanished_fields(walk, verdict, whole=True))
            complete = await _is_complete(walk, verdict, source.began)
            if complete or attempt == ATTEMPTS:
                break
        if complete:
            await _finish(sources, walk, verdict)
        else:
            at = sources.now()
            await sources.mirror.write(
                lambda connection: passes.set_run(connection, BACKFILL, at=at, result=None, error="not clean")
            )
            await sources.note("warning", "sync", f"all orders: {unclean(verdict)}")
    result = PassResult(STREAM, pages, verdict.seen, changed, verdict.quarantined, complete)
    return result, verdict.clean and attempt == 1


async def _fill(
    sources: Sources, *, full: bool, changing: Priority, filling: Priority, show: ShowProgress | None
) -> list[PassResult]:
    """Run a backfill with looks at the changes beside it, and one behind it unless nothing can have changed."""
    if full:
        await sources.mirror.write(_reopen)

    async def keep_looking() -> None:
        while True:
            await sources.sleep(POLL)
            await changes(sources, priority=changing)

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(keep_looking())
        result, still = await backfill(sources, priority=filling, show=show)
        looking.cancel()
    return [result] if still else [result, await changes(sources, priority=changing)]


def _reopen(connection: Connection) -> None:
    if passes.resumable(connection, BACKFILL, "backfill", None) is None:
        passes.reopen(connection, BACKFILL)


async def _is_due(sources: Sources, *, eager: bool) -> bool:
    state: Stream = await sources.mirror.read(lambda connection: passes.stream(connection, BACKFILL))
    if state.last_clean is not None:
        return False
    return eager or state.last_run is None or sources.now() - state.last_run >= _PATIENCE


async def _is_complete(walk: Walk[OrderRecord], verdict: Verdict, began: datetime | None) -> bool:
    sources = walk.sources
    begun = await sources.mirror.read(lambda connection: passes.get(connection, walk.state.pass_id).server_date)
    now = sources.now()
    if verdict.count is None:
        return False
    if begun is not None:
        known = await sources.mirror.read(lambda connection: rows.listed(connection, begun, now))
        if known < verdict.count:
            return False
    if verdict.clean:
        return True
    earlier = 0
    if began is not None:
        earlier = await sources.mirror.read(
            lambda connection: passes.unclean_since(connection, BACKFILL, "backfill", began)
        )
    return earlier >= 2 and not verdict.found


async def _finish(sources: Sources, walk: Walk[OrderRecord], verdict: Verdict) -> None:
    at, pass_id = sources.now(), walk.state.pass_id

    def work(connection: Connection) -> None:
        passes.set_clean(connection, BACKFILL, watermark=None, at=at)
        passes.set_clean(connection, STREAM, watermark=None, at=at)
        if verdict.clean:
            expire(connection, STREAM, pass_id)

    await sources.mirror.write(work)


async def _reach(sources: Sources, watermark: datetime) -> tuple[str, datetime]:
    """Return the kind of the next pass over the changes and its lower bound: once a day it reaches back further."""
    now = sources.now()

    def last(connection: Connection) -> datetime | None:
        deep = passes.last_clean_of(connection, STREAM, "deep")
        return max(filter(None, (deep, passes.stream(connection, BACKFILL).last_clean)), default=None)

    reached = await sources.mirror.read(last)
    if reached is None or now - reached < _DAY:
        return "incremental", watermark
    return "deep", watermark - _DAY


async def _set_clean(sources: Sources, name: str, mark: datetime | None) -> None:
    at = sources.now()
    watermark = None if mark is None else mark - OVERLAP
    await sources.mirror.write(lambda connection: passes.set_clean(connection, name, watermark=watermark, at=at))
