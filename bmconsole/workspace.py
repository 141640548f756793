"""One profile, wired: settings, files, client, limiter, engine and writes; what console and commands talk to."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from bmconsole import upkeep
from bmconsole.backmarket import listings as listings_api
from bmconsole.backmarket import orders as orders_api
from bmconsole.backmarket.client import Client
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.backmarket.wirejson import dumps, loads
from bmconsole.cache import Cache, Files
from bmconsole.domain.intents import Intent, IntentState
from bmconsole.domain.listings import Listing
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.domain.times import parse_duration
from bmconsole.domain.views import (
    OrderInspection,
    PassResult,
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
from bmconsole.store import intents as intent_rows
from bmconsole.store import listings as listing_rows
from bmconsole.store import observations as observation_rows
from bmconsole.store import orders as order_rows
from bmconsole.store import passes, quarantine, removals
from bmconsole.store.alive import Life
from bmconsole.store.listings import ListingRecord
from bmconsole.store.orders import OrderRecord
from bmconsole.store.sqlite import Connection, connect
from bmconsole.sync import ShowProgress, Sources
from bmconsole.sync import backbox as backbox_sync
from bmconsole.sync import listings as listings_sync
from bmconsole.sync import orders as orders_sync
from bmconsole.sync import removals as removals_sync
from bmconsole.upkeep import Purged
from bmconsole.writes.execute import Executor
from bmconsole.writes.plan import plan_listing

STREAMS = ("orders", "listings", "backbox")
_WRITE_PATIENCE = 60.0
_SETTLE_SECONDS = 30.0
_DAY_SECONDS = 86_400.0


class Workspace(Cache):
    """Everything that one profile can show and do. Open it with `open`, close it with `aclose`.

    Reading needs neither a token nor a network; the first request opens the way to Back Market.
    """

    def __init__(self, profile: Profile, paths: Paths, files: Files, *, console: bool) -> None:
        super().__init__(profile, paths, files)
        program = "console" if console else "bmconsole"
        self._remote = Remote(profile, paths, program=program, console=console, past=self._sent_before)
        self._life = Life(paths.ledger / "lives")
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
        return cls(profile, paths, await asyncio.to_thread(Files, profile, paths), console=console)

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
        await asyncio.to_thread(self._files.close)

    def now(self) -> datetime:
        """Return the server's clock, UTC."""
        return self._remote.now()

    async def status(self) -> WorkspaceStatus:
        """Return the state of everything."""
        if self.engine.role != "here":
            await self.engine.refresh()
        now = self.now()

        def look(connection: Connection) -> tuple[dict[str, int], int, int, int, dict[str, datetime | None]]:
            by_status, late = order_rows.counts(connection, now)
            feeds = {name: passes.stream(connection, name).last_clean for name in STREAMS}
            return by_status, late, listing_rows.count(connection), quarantine.count(connection), feeds

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

    def traffic(self) -> Traffic:
        """Return the limiter's figures."""
        return self._remote.traffic()

    async def limits(self) -> Traffic:
        """Return the limiter's figures as the processes that share the token left them; no request is made.

        Raises:
            SettingsError: The profile has no token, by which the ledger is found.
        """
        await self._remote.client()
        return self.traffic()

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
            lambda connection: order_rows.store(
                connection, [OrderRecord(live, raw)], fetched_at=at, keep_buyers=self._keep_buyers
            )
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

    async def confirm_removals(self, refs: Sequence[str] = ()) -> tuple[list[str], list[str]]:
        """Take listings that wait (default: all) for gone, each after asking Back Market once more.

        Returns:
            The UUIDs of those that are gone now, and of those that live after all.

        Raises:
            NotAllowed: The access does not allow it.
            NotFound: No such listing.
        """
        self._need("operator", "take listings for gone")
        chosen = await self._waiting_removals(refs)
        async with self._connected():
            return await removals_sync.confirm(await self._sources(), chosen)

    async def keep_removals(self, refs: Sequence[str] = ()) -> list[str]:
        """Keep listings that wait (default: all), and do not ask again until they were seen and missed anew.

        Raises:
            NotAllowed: The access does not allow it.
            NotFound: No such listing.
        """
        self._need("operator", "keep listings")
        chosen = await self._waiting_removals(refs)
        await self._mirror.write(lambda connection: removals.keep(connection, chosen))
        return chosen

    async def _waiting_removals(self, refs: Sequence[str]) -> list[str]:
        waiting = [removal.id for removal in await self.removals()]
        named = {(await self.listing(ref)).id for ref in refs}
        return [listing for listing in waiting if not refs or listing in named]

    async def observe_soon(self, listing: str) -> None:
        """Have a listing's backbox looked at as soon as it has followed a change of ours."""
        due = self.now() + backbox_sync.SETTLED
        await self._mirror.write(lambda connection: observation_rows.ask(connection, listing, due))

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

    async def purge(self, *, days: int | None = None) -> Purged:
        """Take the buyer out of orders that have been final for `days` (default: the `privacy_days` setting).

        Raises:
            NotAllowed: The access does not allow it.
            UsageError: A negative number of days.
        """
        self._need("admin", "purge buyer data")
        kept = self.profile.privacy_days if days is None else days
        if kept < 0:
            raise UsageError("The days that buyers are kept cannot be negative.", field="days", value=str(kept))
        now = self.now()
        return await upkeep.purge_buyers(self._files, before=now - timedelta(days=kept), now=now)

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
            BmError: Back Market could not be read before anything was sent; the intents are dropped.
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
        ended = [task.result() for task in tasks]
        if all(intent.state is IntentState.DROPPED and intent.id in executor.faults for intent in ended):
            raise executor.faults[ended[0].id]
        return ended

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

    # Inside

    async def _pull(
        self, name: str, *, full: bool = False, show: ShowProgress | None = None, timer: float | None = None
    ) -> PassResult:
        """Pull a stream; `timer` is its interval in seconds where one runs it, None where somebody waits for it."""
        async with self._connected():
            sources = await self._sources()
            try:
                if name == "orders":
                    filling = Priority.NORMAL if timer is None else Priority.LOW
                    return await orders_sync.pull(sources, full=full, eager=timer is None, filling=filling, show=show)
                if name == "listings":
                    return await listings_sync.pull(sources, every=timer, show=show)
                return await backbox_sync.sweep(sources, within=timer, show=show)
            except BaseExceptionGroup as group:
                # Several pages are in flight; the first fault that people can act on stands for all.
                if faults := group.subgroup(BmError):
                    raise _first(faults) from None
                raise

    async def _sources(self) -> Sources:
        return Sources(
            client=await self._remote.client(),
            mirror=self._mirror,
            keep_buyers=self._keep_buyers,
            history=self._history,
            markets=self.profile.markets,
            zone=self._platform_zone(),
            note=self.note,
            now=self.now,
            per_second=self._per_second,
        )

    def _per_second(self, rule: str) -> float:
        states = (state for state in self.traffic().rules if state.name == rule)
        return next((state.working / state.window for state in states), 0.0)

    def _jobs(self) -> list[Job]:
        def interval(name: str) -> float | None:
            text = self.profile.schedule.get(name, "off")
            return None if text == "off" else parse_duration(text).total_seconds()

        async def pull(name: str) -> str:
            return self._describe(await self._pull(name, timer=interval(name) or _DAY_SECONDS))

        return [
            Job("orders", interval("orders"), lambda: pull("orders")),
            Job("listings", interval("listings"), lambda: pull("listings")),
            Job("backbox", interval("backbox"), lambda: pull("backbox"), after="listings"),
            Job("watch", interval("watch"), self._watch),
            Job("settled", _SETTLE_SECONDS if interval("backbox") else None, self._observe_settled),
            Job("repricing", interval("repricing"), self._observe, after="backbox"),
            Job("writes", _SETTLE_SECONDS, self._settle),
            Job("upkeep", _DAY_SECONDS, self._keep_up),
        ]

    async def _keep_up(self) -> str:
        return await upkeep.once_a_day(self._files, keep_buyers=self._keep_buyers, now=self.now())

    @property
    def _keep_buyers(self) -> timedelta:
        return timedelta(days=self.profile.privacy_days)

    async def _watch(self) -> str:
        async with self._connected():
            seen = await orders_sync.watch(await self._sources())
        if seen.more:
            self.engine.trigger("orders")
        return f"{seen.changed} orders changed" if seen.changed else ""

    async def _observe_settled(self) -> str:
        now = self.now()
        if not await self._mirror.read(lambda connection: observation_rows.asked(connection, now)):
            return ""
        async with self._connected():
            looked = await backbox_sync.observe_due(await self._sources())
        return f"looked at {looked} listings whose price we changed" if looked else ""

    async def _settle(self) -> str:
        settled = await self.settle_left_behind()
        return f"took up {len(settled)} writes that were left behind" if settled else ""

    async def _observe(self) -> str:
        decisions = await self.reprice()
        counts = {stands: sum(decision.standing is stands for decision in decisions) for stands in Standing}
        told = ", ".join(f"{count} {stands}" for stands, count in counts.items())
        return f"observed {len(decisions)} offers: {told}; prices stay as they are"

    async def _carry_out(self, executor: Executor, intent: Intent) -> Intent:
        urgent = intent.want.get("quantity") == 0
        result = await executor.carry_out(intent, priority=Priority.CRITICAL if urgent else Priority.HIGH)
        self._online = result.state is not IntentState.UNKNOWN
        if result.state is IntentState.CONFIRMED and "price" in result.want:
            await self.observe_soon(result.target)
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

    def _need(self, access: str, what: str) -> None:
        order = ("viewer", "operator", "admin")
        if order.index(self.profile.access) < order.index(access):
            raise NotAllowed(
                f"This profile's access is {self.profile.access}: it may not {what}.",
                field="access",
                value=self.profile.access,
                hint=f"It takes {access}: the `access` setting, without --read-only.",
            )

    def _parse_listing(self, record: object, market: str) -> Listing:
        try:
            return listings_api.parse_listing(record, market)
        except InvalidRecord as error:
            raise Unreachable(f"Back Market's listing cannot be read: {clean(error, limit=200)}.") from None

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
