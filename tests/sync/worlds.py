"""Shops in virtual time that change between any two requests: what the real synchronisation is let loose on.

Time passes with requests only; each one changes the shop before it is served. Answers are held back for a random number
of turns of the event loop, so that those of requests in flight together arrive in any order.
"""

import asyncio
import heapq
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import httpx

from bmconsole.backmarket.client import Client
from bmconsole.store.database import Database
from bmconsole.store.schema import HISTORY, MIRROR
from bmconsole.store.sqlite import Connection, Schema, connect, immediate
from bmconsole.sync import Sources

T = TypeVar("T")

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
ORDERINGS = ("-date_creation", "date_creation", "-date_modification", "date_modification")


class InlineDatabase(Database):
    """A database whose work is done at once on one connection, so that a seed gives the same run each time."""

    def __init__(self, path: Path, schema: Schema) -> None:
        super().__init__(path, schema)
        self._own = connect(path, synchronous="OFF")

    async def write(self, work: Callable[[Connection], T]) -> T:
        with immediate(self._own) as connection:
            return work(connection)

    async def read(self, work: Callable[[Connection], T]) -> T:
        return work(self._own)

    def close(self) -> None:
        self._own.close()
        super().close()


class Kill(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class Shop:
    """What all worlds share: the time, the changes due in it, and answers as the API gives them."""

    seed: int
    rate: float
    """Changes a second."""
    page_cap: int
    per_request: float = 0.05
    """Seconds that pass with each request."""
    elapsed: float = 0.0
    requests: int = 0
    kill_at: int | None = None
    """The request that does not come back: the process ends."""
    quiet: bool = False
    log: list[str] = field(default_factory=list)
    draw: random.Random = field(init=False)
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self._next = self.draw.expovariate(self.rate)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed)

    def pass_time(self, seconds: float) -> None:
        """Let time pass and what happens in it happen."""
        end = self.elapsed + seconds
        while not self.quiet and self._next <= end:
            self.elapsed = max(self.elapsed, self._next)
            self.change()
            self._next += self.draw.expovariate(self.rate)
        self.elapsed = end
        if self.quiet:
            self._next = max(self._next, end)

    def change(self) -> None:
        """Change something."""
        raise AssertionError("a world says what changes in it")

    def answer(self, request: httpx.Request) -> tuple[int, object]:
        """Return status and body for a request."""
        raise AssertionError("a world says what it answers")

    async def sleep(self, seconds: float) -> None:
        """Return when so much time has passed, by the requests of others."""
        end = self.elapsed + seconds
        while self.elapsed < end:  # noqa: ASYNC110 - requests move this clock, nothing else could set an event
            await asyncio.sleep(0)

    async def note(self, level: str, source: str, message: str, ref: str | None = None) -> None:
        """Keep a line of the log."""
        self.log.append(f"{level}: {message}")

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await self._turns()
        self.requests += 1
        if self.requests == self.kill_at:
            raise Kill
        self.pass_time(self.draw.uniform(0.2, 1.8) * self.per_request)
        status, body = self.answer(request)
        headers = {"Date": format_datetime(self.now(), usegmt=True), "Content-Type": "application/json"}
        await self._turns()
        return httpx.Response(status, headers=headers, content=json.dumps(body).encode())

    async def _turns(self) -> None:
        for _ in range(self.draw.randrange(8)):
            await asyncio.sleep(0)

    def page(self, request: httpx.Request, found: list[T], render: Callable[[T], object]) -> tuple[int, object]:
        """Return a page of a list; one behind the end is a 404."""
        number = int(request.url.params["page"])
        size = min(int(request.url.params["page-size"]), self.page_cap)
        rows = [render(each) for each in found[(number - 1) * size : number * size]]
        if number > 1 and not rows:
            return 404, {"error": {"code": "not_found", "message": "no such page"}}
        return 200, {"count": len(found), "next": "more" if number * size < len(found) else None, "results": rows}


@dataclass(slots=True)
class _Order:
    id: int
    created: float
    modified: float
    version: int
    listed: bool = True

    def as_json(self) -> dict[str, object]:
        return {
            "order_id": self.id,
            "state": 3,
            "currency": "EUR",
            "tracking_number": str(self.version),
            "date_creation": _time(self.created, timespec="microseconds"),
            "date_modification": _time(self.modified, timespec="seconds"),
            "orderlines": [{"id": self.id * 7, "state": 2, "listing": f"SKU-{self.id % 9}"}],
        }


def _time(seconds: float, *, timespec: str) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec=timespec)


@dataclass(slots=True)
class OrderWorld(Shop):
    """Orders that come in, change, now and then leave the list; a change shows up to `lag` seconds after its date."""

    ordering: str = ORDERINGS[0]
    orders: int = 150
    exclusive: bool = False
    """Whether the date filter leaves out orders changed in the very second that it names."""
    lag: float = 15.0
    leaving: float = 0.002
    new_a_second: float = 0.3
    changes: int = 0
    shown: dict[int, _Order] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)
    _coming: list[tuple[float, int, _Order]] = field(default_factory=list)
    _shows: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Shop.__post_init__(self)
        for number in range(self.orders):
            created = -self.draw.uniform(3_600, 40 * 86_400)
            modified = min(-600.0, created + self.draw.uniform(0, 86_400))
            self.shown[1000 + number] = _Order(1000 + number, created, modified, 1)
            self.versions[1000 + number] = 1

    def change(self) -> None:
        at = self.elapsed
        self.changes += 1
        chance = self.draw.random()
        if chance < min(0.2, self.new_a_second / self.rate):
            order_id = 1000 + len(self.versions)
            self.versions[order_id] = 1
            self._later(_Order(order_id, at, at, 1))
            return
        order_id = 1000 + self.draw.randrange(len(self.versions))
        self.versions[order_id] += 1
        created = self.shown[order_id].created if order_id in self.shown else at
        listed = chance > 1 - self.leaving
        self._later(_Order(order_id, created, at, self.versions[order_id], listed=not listed))

    def _later(self, order: _Order) -> None:
        # Changes of one order show in their sequence.
        shows = max(self._shows.get(order.id, 0.0), self.elapsed + self.draw.uniform(0, self.lag))
        self._shows[order.id] = shows
        heapq.heappush(self._coming, (shows, self.changes, order))

    def visible(self) -> list[_Order]:
        """Return the orders as lists show them now."""
        while self._coming and self._coming[0][0] <= self.elapsed:
            _, _, order = heapq.heappop(self._coming)
            former = self.shown.get(order.id)
            if former is not None and not former.listed:
                order.listed = False
            self.shown[order.id] = order
        return [order for order in self.shown.values() if order.listed]

    def answer(self, request: httpx.Request) -> tuple[int, object]:
        if request.url.path != "/ws/orders":
            order = {each.id: each for each in self.visible()}.get(int(request.url.path.rsplit("/", 1)[1]))
            return (200, order.as_json()) if order else (404, {})
        since = request.url.params.get("date_modification")
        found = self.visible()
        if since is not None:
            bound = (datetime.fromisoformat(since) - START).total_seconds()
            low = bound + 1 if self.exclusive else bound
            found = [order for order in found if order.modified >= low]
        by = "created" if "creation" in self.ordering else "modified"
        found.sort(key=lambda order: (getattr(order, by), order.id), reverse=self.ordering.startswith("-"))
        return self.page(request, found, _Order.as_json)


@dataclass(slots=True)
class ListingWorld(Shop):
    """Listings that are deleted, come back and are added, at any place of the list."""

    listings: int = 120
    live: dict[str, int] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    made: int = 0
    hidden: set[str] = field(default_factory=set)
    """What lists leave out although it is there."""
    showed: dict[str, float] = field(default_factory=dict)
    """When each listing was last part of an answer."""
    denied: dict[str, float] = field(default_factory=dict)
    """When it was last asked for in vain."""

    def __post_init__(self) -> None:
        Shop.__post_init__(self)
        for _ in range(self.listings):
            self._add()

    def _add(self) -> None:
        self.made += 1
        self.live[f"{self.made:08x}-0000-4000-8000-{self.draw.getrandbits(48):012x}"] = self.made

    def change(self) -> None:
        chance = self.draw.random()
        if chance < 0.5 and self.live:
            listing = self.draw.choice(sorted(self.live))
            del self.live[listing]
            self.gone.append(listing)
            if chance < 0.35:
                # Another takes its place: the length of the list tells nothing.
                self._add()
        elif chance < 0.65 and self.gone:
            listing = self.gone.pop(self.draw.randrange(len(self.gone)))
            self.made += 1
            self.live[listing] = self.draw.choice((0, self.made))
        else:
            self._add()

    def answer(self, request: httpx.Request) -> tuple[int, object]:
        market = request.headers["Accept-Language"]
        if request.url.path != "/ws/listings":
            listing = request.url.path.rsplit("/", 1)[1]
            if listing not in self.live:
                self.denied[listing] = self.elapsed
                return 404, {}
            return 200, self._json(listing, market)
        found = sorted(self.live.keys() - self.hidden, key=lambda listing: (self.live[listing], listing))
        return self.page(request, found, lambda listing: self._json(listing, market))

    def _json(self, listing: str, market: str) -> dict[str, object]:
        self.showed[listing] = self.elapsed
        price = "100.00" if market == "fr-fr" else "99.00"
        return {"id": listing, "sku": f"SKU-{listing[:8]}", "title": "", "price": price, "quantity": 1}


@asynccontextmanager
async def at_work(shop: Shop, folder: Path, *, markets: tuple[str, ...] = ("fr-fr", "de-de")) -> AsyncIterator[Sources]:
    """A process that works on a shop: its client and its files, which stay when it ends."""
    client = Client(
        base_url="http://127.0.0.1:9",
        token="token",
        user_agent="BM-Test-Drift;drift@example.com",
        market=markets[0],
        transport=httpx.MockTransport(shop.handle),
        attempts=1,
        monotonic=lambda: shop.elapsed,
        wall=shop.now,
    )
    mirror, history = InlineDatabase(folder / "mirror.db", MIRROR), InlineDatabase(folder / "history.db", HISTORY)
    try:
        yield Sources(
            client=client,
            mirror=mirror,
            history=history,
            markets=markets,
            zone=ZoneInfo("Europe/Paris"),
            note=shop.note,
            now=client.server_now,
            per_second=lambda _: 20.0,
            local=shop.now,
            sleep=shop.sleep,
        )
    finally:
        await client.aclose()
        mirror.close()
        history.close()


class Process:
    """Does one thing after another on a shop; when it is killed, another one begins on the files that it left."""

    def __init__(self, shop: Shop, folder: Path, *, markets: tuple[str, ...] = ("fr-fr", "de-de")) -> None:
        self._shop = shop
        self._folder = folder
        self._markets = markets
        self._life = AsyncExitStack()
        self._sources: Sources | None = None
        self.kills = 0

    async def __aenter__(self) -> "Process":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._life.aclose()

    async def carry_out(self, step: Callable[[Sources], Awaitable[T]]) -> T:
        """Return what a step returns, in its second life if it is killed in the first."""
        for _ in range(2):
            sources = self._sources
            if sources is None:
                begun = at_work(self._shop, self._folder, markets=self._markets)
                sources = self._sources = await self._life.enter_async_context(begun)
            try:
                return await step(sources)
            except* Kill:
                self.kills += 1
                self._shop.kill_at = None
                self._sources = None
                await self._life.aclose()
        raise AssertionError("killed twice")
