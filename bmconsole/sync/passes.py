"""One pass over all pages of a stream: several pages in flight, each stored with the pass state in one transaction."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from bmconsole.domain.text import clean
from bmconsole.domain.views import PassResult, Progress
from bmconsole.store import passes, quarantine
from bmconsole.store.passes import Pass, PassPage, Verdict
from bmconsole.store.quarantine import Rejected, Stored
from bmconsole.store.sqlite import Connection
from bmconsole.sync import ShowProgress, Sources
from bmconsole.sync.fields import Shape
from bmconsole.sync.reading import FetchedPage

R = TypeVar("R")

IN_FLIGHT = 16
"""Pages asked for at once: 20 a second, which is what the limit allows, at a round trip of 0.8 s."""
ATTEMPTS = 3
_LONGEST_JUMP = timedelta(minutes=5)


class Source(Protocol[R]):
    """A stream that can be walked by page number.

    `stream` names its passes, `family` its quarantine and its fields: passes over the same records share them.
    """

    @property
    def stream(self) -> str: ...

    @property
    def family(self) -> str: ...

    async def fetch(self, number: int) -> FetchedPage[R]:
        """Return a page."""

    def key(self, record: R) -> str:
        """Return what tells a record from others of its family."""

    def raw(self, record: R) -> str:
        """Return the JSON text of a record."""

    def store(self, connection: Connection, page: FetchedPage[R]) -> Stored[R]:
        """Write the records of a page."""

    def found(self, new: Sequence[R]) -> int:
        """Return how many of the records that are new to us should have been known before this pass."""

    def begun(self, connection: Connection, server_date: datetime | None) -> None:
        """Take note that the first page of a pass is being stored, in the same transaction."""

    async def after(self, page: FetchedPage[R]) -> None:
        """Do what follows once a page is stored."""


@dataclass(slots=True)
class Walk(Generic[R]):
    """A pass under way; `pages` counts what this process fetched, `shape` holds the fields of that.

    A pass that was taken up is not `whole`: the process before it fetched the rest.
    """

    source: Source[R]
    sources: Sources
    state: Pass
    show: ShowProgress | None
    pages: int = 0
    shape: Shape = field(default_factory=Shape)
    whole: bool = True
    _have: set[int] = field(default_factory=set)
    _seen: int = 0
    _count: int | None = None
    _size: int = passes.PAGE_SIZE
    _last: int = 1

    async def run(self) -> Verdict:
        """Fetch the pages that are missing and close the pass."""
        mirror, pass_id = self.sources.mirror, self.state.pass_id
        for number, (count, records) in sorted(
            (await mirror.read(lambda connection: passes.stored(connection, pass_id))).items()
        ):
            self.whole = False
            self._account(number, count, records, more=False)
        # The first page goes alone: only its answer tells how many there are.
        if 1 not in self._have:
            await self._take(1)
        while missing := [number for number in range(1, self._last + 1) if number not in self._have]:
            following = iter(missing)
            async with asyncio.TaskGroup() as group:
                for _ in range(min(IN_FLIGHT, len(missing))):
                    group.create_task(self._take_all(following))
        verdict = await mirror.read(lambda connection: passes.judge(connection, pass_id))
        await mirror.write(lambda connection: passes.finish(connection, pass_id, verdict, now=self.sources.now()))
        return verdict

    async def _take_all(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number > self._last:
                return
            await self._take(number)

    async def _take(self, number: int) -> None:
        page = await self.source.fetch(number)
        self.pages += 1
        await self.sources.courtesy.step()
        news = await self.sources.mirror.write(lambda connection: self._keep(connection, number, page))
        if news:
            kind = _kind(self.source.family)
            await self.sources.note("warning", "sync", f"Back Market sends new fields in {kind}: {', '.join(news)}")
        await self.source.after(page)
        self.shape += page.shape
        self._account(number, page.count, len(page.keys), more=page.more)
        if self.show is not None:
            total = None if self._count is None else max(self._count, self._seen)
            self.show(Progress(self.source.family, len(self._have), self._seen, total, self._left()))

    def _account(self, number: int, count: int | None, records: int, *, more: bool) -> None:
        self._have.add(number)
        self._seen += records
        if number == 1:
            self._size = passes.size_of(count, records)
        if count is not None:
            self._count = count
            self._last = passes.pages_of(count, self._size)
        if records and more:
            # Whatever was counted, there is another page.
            self._last = max(self._last, number + 1)
        if not records:
            # Nothing here means nothing behind, whatever was counted.
            self._last = min(self._last, number)

    def _keep(self, connection: Connection, number: int, page: FetchedPage[R]) -> list[str]:
        """Write a page and its part of the pass; return fields that nobody knew before."""
        source, pass_id, now = self.source, self.state.pass_id, self.sources.now()
        if number == 1:
            source.begun(connection, page.server_date)
        stored, rejected = keep_records(connection, source, page, pass_id=pass_id, now=now)
        passes.keep_page(
            connection,
            pass_id,
            PassPage(
                number,
                page.count,
                page.keys,
                changed=stored.changed,
                found=source.found(stored.new),
                quarantined=rejected,
                server_date=page.server_date,
            ),
        )
        return quarantine.learn_unknown(connection, _kind(source.family), page.unknown) if page.unknown else []

    def _left(self) -> str:
        """Return how long the rest will take."""
        missing = self._last - len(self._have)
        rate = self.sources.per_second("edge")
        return f"about {duration(missing / rate)} left" if missing > IN_FLIGHT and rate > 0 else ""


def _kind(family: str) -> str:
    """Return what a family's records are: a new field of listings is told once, not once in each market."""
    return family.partition(":")[0]


def keep_records(
    connection: Connection, source: Source[R], page: FetchedPage[R], *, pass_id: int | None, now: datetime
) -> tuple[Stored[R], int]:
    """Write the good records of a page and put the others aside; return what was written, and how many were not."""
    stored = source.store(connection, page)
    refused = [Rejected(source.key(record), source.raw(record), error) for record, error in stored.refused]
    lost = {rejected.key for rejected in refused}
    quarantine.release(connection, source.family, [key for key in page.good if key not in lost])
    quarantine.put(connection, source.family, [*page.rejected, *refused], pass_id=pass_id, now=now)
    return stored, len(page.rejected) + len(refused)


async def walk_once(
    source: Source[R],
    sources: Sources,
    *,
    kind: str,
    since: datetime | None,
    show: ShowProgress | None,
    oldest: timedelta | None = None,
) -> tuple[Walk[R], Verdict]:
    """Walk a stream from its first to its last page; a pass that was cut off goes on where it stopped.

    With `oldest` only one that is no older: where nothing looks for what changed since, it begins anew.
    """

    def open_pass(connection: Connection) -> Pass:
        begun_since = None if oldest is None else sources.now() - oldest
        return passes.resumable(connection, source.stream, kind, since, begun_since=begun_since) or passes.begin(
            connection, source.stream, kind, since, sources.now(), local=sources.local()
        )

    walk = Walk(source, sources, await sources.mirror.write(open_pass), show)
    return walk, await walk.run()


@dataclass(frozen=True, slots=True)
class Walked(Generic[R]):
    """What several passes over a stream did; `last` and `verdict` are those of the last one."""

    pages: int
    changed: int
    last: Walk[R]
    verdict: Verdict
    vanished: Sequence[str] = ()
    """Fields that every record had before and none has now."""

    def result(self, stream: str) -> PassResult:
        verdict = self.verdict
        return PassResult(stream, self.pages, verdict.seen, self.changed, verdict.quarantined, verdict.clean)


async def walk_until_clean(
    source: Source[R],
    sources: Sources,
    *,
    kind: str,
    since: datetime | None,
    show: ShowProgress | None,
    oldest: timedelta | None = None,
) -> Walked[R]:
    """Walk a stream, at most three times, until a pass is clean; `oldest` as in `walk_once`."""
    pages = changed = 0
    vanished: list[str] = []
    for attempt in range(1, ATTEMPTS + 1):
        walk, verdict = await walk_once(source, sources, kind=kind, since=since, show=show, oldest=oldest)
        pages += walk.pages
        changed += verdict.changed
        vanished += await vanished_fields(walk, verdict, whole=since is None)
        if verdict.clean or attempt == ATTEMPTS:
            break
    if not verdict.clean:
        await sources.note("warning", "sync", f"{source.family}: {unclean(verdict)}")
    return Walked(pages, changed, walk, verdict, vanished)


def unclean(verdict: Verdict) -> str:
    """Return in which numbers a pass is not clean, for the log."""
    told = [] if verdict.count is None else [f"{verdict.seen} of {verdict.count} seen"]
    if verdict.dups:
        told.append(f"{verdict.dups} came twice")
    if not verdict.steady:
        told.append("the list changed meanwhile")
    return f"not clean after {ATTEMPTS} passes ({', '.join(told)}); what was read is kept"


async def vanished_fields(walk: Walk[R], verdict: Verdict, *, whole: bool) -> list[str]:
    """Return the fields that every record had and that none has now; only a clean pass can tell."""
    shape = walk.shape
    if not (verdict.clean and walk.whole and shape.telling):
        return []
    return await walk.sources.mirror.write(
        lambda connection: quarantine.learn_usual(
            connection, walk.source.family, always=shape.always, ever=shape.ever, whole=whole
        )
    )


async def tell_vanished(sources: Sources, name: str, fields: Iterable[str]) -> None:
    """Log fields that are there no more, if there are any."""
    if named := clean(", ".join(sorted(set(fields))), limit=400):
        await sources.note("warning", "sync", f"Back Market sends no longer in {name}: {named}")


async def safe_mark(walk: Walk[R], verdict: Verdict) -> datetime | None:
    """Return the server's date that a clean pass is known to be up to, None where that clock cannot be trusted.

    The earliest date of all pages is taken, which errs on the safe side. A clock that jumped since the pass before is
    not trusted once; the next pass is compared with this one.
    """
    sources, state = walk.sources, walk.state
    former = await sources.mirror.read(lambda connection: passes.before(connection, state))
    if verdict.earliest is None or former is None or former.server_date is None:
        return verdict.earliest
    jump = (verdict.earliest - former.server_date) - (state.local_date - former.local_date)
    if abs(jump) <= _LONGEST_JUMP:
        return verdict.earliest
    seconds = round(jump.total_seconds())
    await sources.note(
        "warning", "sync", f"{walk.source.family}: the server's clock jumped by {seconds} s; the watermark stays"
    )
    return None


def duration(seconds: float) -> str:
    """Return how long something takes, roughly: `40 s`, `12 min`, `3 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"
