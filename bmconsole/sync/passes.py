"""One pass over all pages of a stream: several pages in flight, each stored with the pass state in one transaction."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from math import ceil
from typing import Generic, Protocol, TypeVar

from bmconsole.domain.text import clean
from bmconsole.domain.views import PassResult, Progress
from bmconsole.store import passes
from bmconsole.store.passes import PAGE_SIZE, PageTally, Pass, Rejected
from bmconsole.store.sqlite import Connection, Database
from bmconsole.sync import ShowProgress

R = TypeVar("R")

_IN_FLIGHT = 4
_NOWHERE = -1
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class FetchedPage(Generic[R]):
    """A page of the API, told apart into good records, those to put aside, and names of fields nobody knows.

    `count` is the server's total, None where the page lies behind the end.
    """

    count: int | None
    records: Sequence[R]
    rejected: Sequence[Rejected]
    keys: Sequence[str]
    unknown: frozenset[str]
    server_date: datetime | None


class Source(Protocol[R]):
    """A stream that can be walked by page number."""

    name: str

    async def fetch(self, number: int) -> FetchedPage[R]: ...

    def store(
        self, connection: Connection, records: Sequence[R], *, fetched_at: datetime, pass_id: int, page: int
    ) -> PageTally: ...


@dataclass(slots=True)
class Walk(Generic[R]):
    """A pass under way; `pages` counts what this process fetched, `unknown` gathers new names of fields."""

    source: Source[R]
    mirror: Database
    state: Pass
    now: Callable[[], datetime]
    show: ShowProgress | None
    pages: int = 0

    async def run(self) -> tuple[Pass, list[str]]:
        """Fetch the pages that are missing; return the finished pass and the unknown fields seen for the first time."""
        stored: set[int] = set()
        new_fields: list[str] = []
        frontier = self.state.next_page
        last = frontier

        async def take(number: int) -> None:
            nonlocal frontier, last
            page = await self.source.fetch(number)
            self.pages += 1
            reached = frontier
            done = stored | {number}
            while reached in done:
                reached += 1
            self.state, fields = await self.mirror.write(
                lambda connection: self._keep(connection, number, reached, page)
            )
            stored.add(number)
            while frontier in stored:
                frontier += 1
            if page.count is not None:
                last = max(1, ceil(page.count / PAGE_SIZE))
            new_fields.extend(fields)
            self._tell()

        # The first page goes alone: only its answer tells how many there are.
        await take(frontier)
        following = iter(range(frontier, 1 << 40))

        async def walker() -> None:
            for number in following:
                if number > last:
                    return
                await take(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_IN_FLIGHT, max(0, last - frontier + 1))):
                group.create_task(walker())
        self.state = replace(self.state, next_page=frontier)
        state = self.state
        await self.mirror.write(
            lambda connection: passes.finish(connection, state.pass_id, clean=state.clean, now=self.now())
        )
        return state, new_fields

    def _keep(self, connection: Connection, number: int, reached: int, page: FetchedPage[R]) -> tuple[Pass, list[str]]:
        name, now, pass_id = self.source.name, self.now(), self.state.pass_id
        tally = self.source.store(connection, page.records, fetched_at=now, pass_id=pass_id, page=number)
        fresh, dups = passes.quarantine(connection, name, page.rejected, pass_id=pass_id, now=now)
        passes.release(connection, name, page.keys)
        tally = PageTally(tally.fresh + fresh, tally.dups + dups, tally.changed, len(page.rejected))
        state = passes.advance(
            connection,
            pass_id,
            page=number,
            next_page=reached,
            count=_NOWHERE if page.count is None else page.count,
            server_date=page.server_date,
            tally=tally,
        )
        return state, passes.learn_paths(connection, name, page.unknown) if page.unknown else []

    def _tell(self) -> None:
        if self.show is not None:
            self.show(Progress(self.source.name, self.state.next_page - 1, self.state.seen, self.state.count))


async def walk_until_clean(
    source: Source[R],
    mirror: Database,
    *,
    kind: str,
    since: datetime | None,
    now: Callable[[], datetime],
    show: ShowProgress | None,
) -> tuple[PassResult, Pass, list[str]]:
    """Walk a stream, at most three times until a pass is clean; a pass that was cut off goes on where it stopped.

    Returns:
        What was done in all walks, the last pass, and the unknown fields that were never seen before.
    """
    pages = changed = 0
    fields: list[str] = []
    for attempt in range(ATTEMPTS):

        def open_pass(connection: Connection, first: bool = attempt == 0) -> Pass:
            cut_off = passes.resumable(connection, source.name, kind) if first else None
            return cut_off or passes.begin(connection, source.name, kind, since, now())

        walk = Walk(source, mirror, await mirror.write(open_pass), now, show)
        state, new = await walk.run()
        pages += walk.pages
        changed += state.changed
        fields += new
        if state.clean:
            break
    return PassResult(source.name, pages, state.seen, changed, state.quarantined, state.clean), state, fields


def key_of(record: Mapping[str, object], raw: str, *names: str) -> str:
    """Return what tells a record apart that could not be read: the first of its ids, else a hash of its text."""
    for name in names:
        value = record.get(name)
        if isinstance(value, str | int) and value != "":
            return clean(value, limit=64)
    return "?" + blake2b(raw.encode(), digest_size=8).hexdigest()
