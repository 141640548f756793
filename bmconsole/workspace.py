"""One profile, wired: settings, files, client, limiter, engine and writes; what console and commands talk to."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from bmconsole.backmarket import listings as listings_api
from bmconsole.backmarket import orders as orders_api
from bmconsole.backmarket.client import Client
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.backmarket.wirejson import dumps, loads
from bmconsole.domain.intents import Intent, IntentState
from bmconsole.domain.listings import Listing
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.orders import Order
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.domain.times import parse_duration
from bmconsole.domain.views import (
    Event,
    ListingRow,
    ListingView,
    OrderInspection,
    OrderRow,
    PassResult,
    Query,
    Traffic,
    WorkspaceStatus,
    WritePlan,
)
from bmconsole.engine import Engine, Job
from bmconsole.errors import BmError, NotAllowed, NotFound, Partial, Unreachable, UsageError
from bmconsole.inspection import differing
from bmconsole.paths import Paths
from bmconsole.pricing.plan import Decision, Standing, plan
from bmconsole.remote import Remote
from bmconsole.settings import Profile, host_of
from bmconsole.store import events as event_rows
from bmconsole.store import intents as intent_rows
from bmconsole.store import listings as listing_rows
from bmconsole.store import orders as order_rows
from bmconsole.store import pages, passes
from bmconsole.store.alive import Life
from bmconsole.store.listings import ListingRecord
from bmconsole.store.orders import OrderRecord
from bmconsole.store.schema import HISTORY, JOURNAL, MIRROR
from bmconsole.store.sqlite import Connection, Database, connect
from bmconsole.sync import ShowProgress, Sources
from bmconsole.sync import backbox as backbox_sync
from bmconsole.sync import listings as listings_sync
from bmconsole.sync import orders as orders_sync
from bmconsole.writes.execute import Executor
from bmconsole.writes.plan import plan_listing

STREAMS = ("orders", "listings", "backbox")
_WRITE_PATIENCE = 60.0
_SETTLE_SECONDS = 30.0
_EVENTS_KEPT = timedelta(days=30)


class Workspace:
    """Everything that one profile can show and do. Open it with `open`, close it with `aclose`.

    Reading needs neither a token nor a network; the first request opens the way to Back Market.
    """

    def __init__(
        self, profile: Profile, paths: Paths, files: tuple[Database, Database, Database], *, console: bool
    ) -> None:
        self.profile = profile
        self.paths = paths
        self._mirror, self._journal, self._history = files
        program = "console" if console else "bmconsole"
        self._remote = Remote(profile, paths, program=program, console=console, past=self._sent_before)
        self._life = Life(paths.ledger / "lives")
        self._versions: tuple[int, ...] | None = None
        self._online: bool | None = None
        self._writing: set[asyncio.Task[Intent]] = set()
        self.engine = Engine(
            self._jobs(),
            lock=paths.profile_data(profile.name) / "engine.lock",
            heartbeat=paths.ledger / f"engine-{profile.name}.json",
            mirror=self._mirror,
            say=self.note,
            now=self.now,
            program="console" if console else "run",
        )

    @classmethod
    async def open(cls, profile: Profile, paths: Paths, *, console: bool = False) -> Self:
        """Open the files of `profile`; no request is made.

        Raises:
            DiskTrouble: A file cannot be opened, or was written by a newer version.
        """
        folder = paths.profile_data(profile.name)

        def open_files() -> tuple[Database, Database, Database]:
            return (
                Database(folder / "mirror.db", MIRROR),
                Database(folder / "journal.db", JOURNAL, synchronous="FULL"),
                Database(folder / "history.db", HISTORY),
            )

        return cls(profile, paths, await asyncio.to_thread(open_files), console=console)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the engine, let writes that are on their way end, and close everything."""
        await self.engine.stop()
        if self._writing:
            await asyncio.wait(self._writing, timeout=_WRITE_PATIENCE)
        await self._remote.aclose()
        self._life.end()
        for file in (self._mirror, self._journal, self._history):
            await file.aclose()

    def now(self) -> datetime:
        """Return the server's clock, UTC."""
        return self._remote.now()

    @property
    def zone(self) -> tzinfo:
        """The zone in which times are shown and typed: the configured one, else the machine's."""
        if self.profile.timezone:
            return ZoneInfo(self.profile.timezone)
        return datetime.now().astimezone().tzinfo or self._platform_zone()

    # Reading

    async def orders_page(self, query: Query) -> list[OrderRow]:
        """Return the orders that `query` asks for.

        Raises:
            FilterError: The filter cannot be read.
            UsageError: No such field to sort by.
            NotFound: The row to begin after is not there.
        """
        pending = {int(intent.target) for intent in await self._unfinished() if intent.kind != "listing"}
        return await self._mirror.read(
            lambda connection: pages.orders_page(
                connection, query, now=self.now(), zone=self.zone, currency=self._currency(), pending=pending
            )
        )

    async def orders_count(self, where: str = "") -> int:
        """Return how many orders a filter lets through."""
        return await self._mirror.read(
            lambda connection: pages.orders_count(
                connection, Query(where=where), now=self.now(), zone=self.zone, currency=self._currency()
            )
        )

    async def order(self, order_id: int) -> Order:
        """Return a cached order.

        Raises:
            NotFound: It is not in the cache.
        """
        raw = await self._mirror.read(lambda connection: order_rows.raw(connection, order_id))
        if raw is None:
            raise NotFound(
                f"Order {order_id} is not in the cache.",
                field="order_id",
                value=str(order_id),
                hint="Sync the orders, or look at it live.",
            )
        return self._parse_order(loads(raw.encode()))

    async def listings_page(self, query: Query, *, market: str | None = None) -> list[ListingRow]:
        """Return the listings that `query` asks for, as `market` (default: the main one) shows them."""
        chosen = self.check_market(market)
        pending = await self._pending_listings(chosen)
        return await self._mirror.read(
            lambda connection: pages.listings_page(
                connection,
                query,
                market=chosen,
                currency=MARKETS[chosen].currency,
                pending=pending,
            )
        )

    async def listings_count(self, where: str = "", *, market: str | None = None) -> int:
        """Return how many listings a filter lets through."""
        chosen = self.check_market(market)
        pending = await self._pending_listings(chosen)
        return await self._mirror.read(
            lambda connection: pages.listings_count(
                connection,
                Query(where=where),
                market=chosen,
                currency=MARKETS[chosen].currency,
                pending=pending,
            )
        )

    async def listing(self, ref: str) -> Listing:
        """Return a cached listing by UUID, integer or `sku:…`, with its offers in all configured markets.

        Raises:
            NotFound: It is not in the cache.
        """
        found = await self._mirror.read(lambda connection: listing_rows.get(connection, ref))
        if found is None:
            shown = clean(ref, limit=80)
            raise NotFound(
                f"Listing {shown} is not in the cache.",
                field="listing",
                value=shown,
                hint="Name it by UUID, integer id or sku:…, and sync the listings.",
            )
        return found

    async def listing_view(self, ref: str) -> ListingView:
        """Return a cached listing with the newest intents about it; raises as `listing`."""
        listing = await self.listing(ref)
        intents = await self._journal.read(lambda connection: intent_rows.of_target(connection, listing.id))
        return ListingView(listing, tuple(intents))

    async def events(self, *, after: int = 0, limit: int = 500, level: str | None = None) -> list[Event]:
        """Return log lines behind `after` (0: the newest), oldest first, of `level` or worse."""
        if level is not None and level not in event_rows.LEVELS:
            raise UsageError(
                f"There is no log level {clean(level, limit=20)!r}.",
                field="level",
                value=clean(level, limit=20),
                hint=f"One of: {', '.join(event_rows.LEVELS)}.",
            )
        return await self._history.read(
            lambda connection: event_rows.page(connection, after=after, limit=limit, level=level)
        )

    async def intents(self, *, limit: int = 50, after: int | None = None, unfinished: bool = False) -> list[Intent]:
        """Return intents with ids under `after`, newest first."""
        return await self._journal.read(
            lambda connection: intent_rows.page(connection, limit=limit, after=after, unfinished=unfinished)
        )

    async def intent(self, intent_id: int) -> Intent:
        """Return one intent.

        Raises:
            NotFound: There is none of this number.
        """
        found = await self._journal.read(lambda connection: intent_rows.get(connection, intent_id))
        if found is None:
            raise NotFound(
                f"There is no write {intent_id}.", field="id", value=str(intent_id), hint="See `bmconsole writes list`."
            )
        return found

    async def status(self) -> WorkspaceStatus:
        """Return the state of everything."""
        if self.engine.role != "here":
            await self.engine.refresh()
        now = self.now()

        def look(connection: Connection) -> tuple[dict[str, int], int, int, int, dict[str, datetime | None]]:
            by_status, late = order_rows.counts(connection, now)
            feeds = {name: passes.stream(connection, name).last_clean for name in STREAMS}
            return by_status, late, listing_rows.count(connection), passes.quarantined(connection), feeds

        by_status, late, listings, quarantined, feeds = await self._mirror.read(look)
        unfinished = await self._journal.read(intent_rows.count_unfinished)
        holder = self.engine.holder()
        return WorkspaceStatus(
            profile=self.profile.name,
            host=host_of(self.profile.base_url),
            environment=self.profile.environment,
            markets=self.profile.markets,
            access=self.profile.access,
            engine=self.engine.role if self.engine.role != "stopped" or holder is None else "elsewhere",
            engine_holder=holder,
            orders=sum(by_status.values()),
            listings=listings,
            statuses=by_status,
            late=late,
            unfinished_writes=unfinished,
            quarantined=quarantined,
            jobs=self.engine.jobs(),
            traffic=self.traffic(),
            feeds=feeds,
            server_now=now,
            online=self._online,
        )

    async def changed(self) -> bool:
        """Return whether any of the three files changed since the last call, whoever wrote."""
        versions = tuple([await file.data_version() for file in (self._mirror, self._journal, self._history)])
        before, self._versions = self._versions, versions
        return versions != before

    def traffic(self) -> Traffic:
        """Return the limiter's figures."""
        return self._remote.traffic()

    def reset_limits(self) -> None:
        """Forget pauses, lowered limits and learned routes.

        Raises:
            NotAllowed: The access does not allow it.
        """
        self._need("admin", "reset limits")
        self._remote.reset_limits()

    # Live

    async def check_token(self) -> None:
        """Ask Back Market for one order to see whether the token works.

        Raises:
            Unauthorised: It does not.
        """
        async with self._connected():
            await orders_api.page(await self._remote.client(), number=1, size=1, priority=Priority.HIGH)

    async def inspect_order(self, order_id: int) -> OrderInspection:
        """Ask Back Market for an order, compare it with the cache, and renew the cache.

        Raises:
            NotFound: There is no such order.
        """
        async with self._connected():
            client = await self._remote.client()
            record = await orders_api.one(client, order_id, priority=Priority.HIGH)
        live = self._parse_order(record)
        if live.order_id != order_id:
            raise Unreachable(f"Back Market answered with another order than {order_id}.", hint="Try again.")
        raw = dumps(record)
        before = await self._mirror.read(lambda connection: order_rows.raw(connection, order_id))
        cached = None if before is None else self._parse_order(loads(before.encode()))
        at = self.now()
        await self._mirror.write(
            lambda connection: order_rows.store(connection, [OrderRecord(live, raw)], fetched_at=at)
        )
        unknown = {path: clean(value, limit=200) for path, value in orders_api.unknown_fields(record).items()}
        return OrderInspection(live, cached, differing(live, cached) if cached else (), unknown, at, raw)

    async def refresh_listing(self, ref: str) -> Listing:
        """Ask Back Market for a listing in every configured market, and renew the cache.

        Raises:
            NotFound: There is no such listing.
        """
        try:
            number = (await self.listing(ref)).id
        except NotFound:
            if ref.startswith("sku:"):
                raise
            number = ref
        async with self._connected():
            client = await self._remote.client()
            answers = await asyncio.gather(
                *(
                    listings_api.one(client, number, market=market, priority=Priority.HIGH)
                    for market in self.profile.markets
                )
            )
        records = [
            ListingRecord(self._parse_listing(record, market), market, dumps(record))
            for market, record in zip(self.profile.markets, answers, strict=True)
        ]
        at = self.now()
        await self._mirror.write(lambda connection: listing_rows.store(connection, records, fetched_at=at))
        return await self.listing(records[0].listing.id)

    # Work

    async def sync(
        self, streams: Sequence[str] = (), *, full: bool = False, progress: ShowProgress | None = None
    ) -> dict[str, PassResult]:
        """Pull the named streams (default: orders and listings) and return what each pass did.

        Raises:
            UsageError: No such stream.
            BmError: Back Market gave no usable answer; what was read before stays.
        """
        wanted = tuple(streams) or ("orders", "listings")
        if wrong := [name for name in wanted if name not in STREAMS]:
            raise UsageError(
                f"There is no stream {clean(wrong[0], limit=40)!r}.",
                field="stream",
                value=clean(wrong[0], limit=40),
                hint=f"One of: {', '.join(STREAMS)}.",
            )
        results: dict[str, PassResult] = {}
        for name in wanted:
            results[name] = await self._pull(name, full=full, show=progress)
            await self.note("info", "sync", self._describe(results[name]))
        return results

    async def reprice(self) -> list[Decision]:
        """Decide about every online offer from what was last observed; nothing is written."""
        now = self.now()

        def read(connection: Connection) -> list[Listing]:
            found = (
                listing_rows.get(connection, listing)
                for listing in listing_rows.to_observe(connection, self.profile.markets)
            )
            return [listing for listing in found if listing is not None]

        return plan(await self._mirror.read(read), self.profile.markets, now)

    # Writes

    async def plan_listing(self, ref: str, market: str | None, fields: Mapping[str, str]) -> WritePlan:
        """Plan changes of a listing from what was typed; nothing is saved or sent yet.

        Raises:
            UsageError: A field or value that cannot be.
            NotFound: The listing is not known there.
        """
        chosen = self.check_market(market)
        return plan_listing(await self.listing(ref), chosen, fields, origin="operator", now=self.now())

    async def apply(self, plan: WritePlan, *, origin: str = "operator") -> list[Intent]:
        """Write a plan's intents down and carry them out; return how each ended.

        Raises:
            NotAllowed: The access does not allow it; nothing was written.
            Partial: They did not end within 60 s; they go on, and the journal tells.
        """
        self._need("operator", "change listings")
        client = await self._remote.client()
        executor = self._executor(client)
        saved = await executor.save(plan.intents)
        tasks = [asyncio.create_task(self._carry_out(executor, intent)) for intent in saved]
        self._writing.update(tasks)
        for task in tasks:
            task.add_done_callback(self._writing.discard)
        _, late = await asyncio.wait(tasks, timeout=_WRITE_PATIENCE)
        if late:
            raise Partial(
                f"{len(late)} of {len(tasks)} writes are still on their way.", hint="See `bmconsole writes list`."
            )
        return [task.result() for task in tasks]

    async def settle_left_behind(self) -> list[Intent]:
        """Take up the intents that dead processes left unfinished, and bring them to their end.

        Viewers leave them alone, and so does a profile without a token.
        """
        if self.profile.access == "viewer" or self.profile.token is None:
            return []
        name = self._life.name
        owners = await self._journal.read(intent_rows.owners)
        dead = [owner for owner in owners if await asyncio.to_thread(self._life.is_dead, owner)]
        taken = await self._journal.write(lambda connection: intent_rows.take_over(connection, dead, owner=name))
        executor = self._executor(await self._remote.client()) if taken else None
        return [await self._carry_out(executor, intent) for intent in taken] if executor else []

    async def note(self, level: str, source: str, message: str, ref: str | None = None) -> None:
        """Write a line of the log; `message` holds no token and no buyer."""
        at, text = self.now(), clean(message)
        await self._history.write(lambda connection: event_rows.add(connection, at, level, source, text, ref))

    def check_market(self, market: str | None) -> str:
        """Return a configured market's code; None is the main one.

        Raises:
            UsageError: The profile does not have this market.
        """
        if market is None:
            return self.profile.markets[0]
        code = market.strip().lower()
        if code not in self.profile.markets:
            shown = clean(market, limit=20)
            raise UsageError(
                f"Market {shown} is not among the profile's markets.",
                field="market",
                value=shown,
                hint=f"Configured: {', '.join(self.profile.markets)}.",
            )
        return code

    # Inside

    async def _pull(
        self, name: str, *, full: bool = False, show: ShowProgress | None = None, priority: Priority = Priority.NORMAL
    ) -> PassResult:
        async with self._connected():
            sources = await self._sources()
            try:
                if name == "orders":
                    return await orders_sync.pull(sources, full=full, priority=priority, show=show)
                if name == "listings":
                    return await listings_sync.pull(sources, priority=priority, show=show)
                return await backbox_sync.sweep(sources, show=show)
            except BaseExceptionGroup as group:
                # Several pages are in flight; the first fault that people can act on stands for all.
                if faults := group.subgroup(BmError):
                    raise _first(faults) from None
                raise

    async def _sources(self) -> Sources:
        return Sources(
            client=await self._remote.client(),
            mirror=self._mirror,
            history=self._history,
            markets=self.profile.markets,
            zone=self._platform_zone(),
            note=self.note,
            now=self.now,
        )

    def _jobs(self) -> list[Job]:
        def interval(name: str) -> float | None:
            text = self.profile.schedule.get(name, "off")
            return None if text == "off" else parse_duration(text).total_seconds()

        async def pull(name: str) -> str:
            return self._describe(await self._pull(name))

        return [
            Job("orders", interval("orders"), lambda: pull("orders")),
            Job("listings", interval("listings"), lambda: pull("listings")),
            Job("backbox", interval("backbox"), lambda: pull("backbox")),
            Job("repricing", interval("repricing"), self._observe),
            Job("writes", _SETTLE_SECONDS, self._settle),
        ]

    async def _settle(self) -> str:
        settled = await self.settle_left_behind()
        return f"took up {len(settled)} writes that were left behind" if settled else ""

    async def _observe(self) -> str:
        cut = self.now() - _EVENTS_KEPT
        await self._history.write(lambda connection: event_rows.prune(connection, cut))
        decisions = await self.reprice()
        counts = {stands: sum(decision.standing is stands for decision in decisions) for stands in Standing}
        told = ", ".join(f"{count} {stands}" for stands, count in counts.items())
        return f"observed {len(decisions)} offers: {told}; prices stay as they are"

    async def _carry_out(self, executor: Executor, intent: Intent) -> Intent:
        urgent = intent.want.get("quantity") == 0
        result = await executor.carry_out(intent, priority=Priority.CRITICAL if urgent else Priority.HIGH)
        self._online = result.state is not IntentState.UNKNOWN
        return result

    def _executor(self, client: Client) -> Executor:
        return Executor(client, self._mirror, self._journal, self._life.name, self.note, self.now)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        try:
            yield
        except Unreachable:
            self._online = False
            raise
        except BmError:
            self._online = True
            raise
        else:
            self._online = True
        finally:
            for notice in self._remote.take_notices():
                await self.note("warning", "traffic", notice.message)

    def _sent_before(self, rule: str, since: float) -> list[tuple[float, int]]:
        """Return what the journal knows to have been sent under an hourly rule, as (UTC second, lines)."""
        if rule != "sku_lines":
            return []
        connection = connect(self._journal.path, readonly=True)
        try:
            sent = intent_rows.sku_lines_since(connection, datetime.fromtimestamp(since, UTC))
        finally:
            connection.close()
        return [(moment.timestamp(), 1) for moment in sent]

    async def _unfinished(self) -> list[Intent]:
        return await self._journal.read(lambda connection: intent_rows.page(connection, limit=0, unfinished=True))

    async def _pending_listings(self, market: str) -> dict[str, dict[str, str | int | None]]:
        wanted: dict[str, dict[str, str | int | None]] = {}
        for intent in reversed(await self._unfinished()):
            if intent.kind == "listing":
                fields = {
                    name: value for name, value in intent.want.items() if intent.market == market or name == "quantity"
                }
                if fields:
                    wanted.setdefault(intent.target, {}).update(fields)
        return wanted

    def _need(self, access: str, what: str) -> None:
        order = ("viewer", "operator", "admin")
        if order.index(self.profile.access) < order.index(access):
            raise NotAllowed(
                f"This profile's access is {self.profile.access}: it may not {what}.",
                field="access",
                value=self.profile.access,
                hint=f"It takes {access}: the `access` setting, without --read-only.",
            )

    def _parse_order(self, record: object) -> Order:
        try:
            return orders_api.parse_order(record, self._platform_zone())
        except InvalidRecord as error:
            raise Unreachable(f"Back Market's order cannot be read: {clean(error, limit=200)}.") from None

    def _parse_listing(self, record: object, market: str) -> Listing:
        try:
            return listings_api.parse_listing(record, market)
        except InvalidRecord as error:
            raise Unreachable(f"Back Market's listing cannot be read: {clean(error, limit=200)}.") from None

    def _platform_zone(self) -> tzinfo:
        return MARKETS[self.profile.markets[0]].zone

    def _currency(self) -> str:
        return MARKETS[self.profile.markets[0]].currency

    @staticmethod
    def _describe(result: PassResult) -> str:
        tail = "" if result.clean else ", not clean"
        aside = f", {result.quarantined} in quarantine" if result.quarantined else ""
        return f"{result.stream}: {result.seen} seen on {result.pages} pages, {result.changed} changed{aside}{tail}"


def _first(group: BaseExceptionGroup[BmError]) -> BmError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, BmError) else Unreachable("The synchronisation failed.")
