"""One profile, wired: settings, files, client, limiter, engine and writes; what console and commands talk to."""

import asyncio
import platform
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from bmconsole import __version__, exports, upkeep
from bmconsole.backmarket import listings as listings_api
from bmconsole.backmarket import orders as orders_api
from bmconsole.backmarket.wirejson import dumps, loads
from bmconsole.cache import Files
from bmconsole.domain.listing_page import ListingPage
from bmconsole.domain.listings import Listing
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.domain.times import parse_duration
from bmconsole.domain.views import (
    OrderInspection,
    PassResult,
    Query,
    Traffic,
    WorkspaceStatus,
)
from bmconsole.engine import Engine, Job
from bmconsole.errors import BmError, NotFound, Unreachable, UsageError
from bmconsole.inspection import differing
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.repricing.telling import Telling
from bmconsole.running.herald import Herald
from bmconsole.running.logfile import LogFile
from bmconsole.running.notices import Notifier
from bmconsole.running.presence import Doing, Presence
from bmconsole.settings import host_of
from bmconsole.store import intents as intent_rows
from bmconsole.store import listings as listing_rows
from bmconsole.store import observations as observation_rows
from bmconsole.store import orders as order_rows
from bmconsole.store import passes, quarantine, removals
from bmconsole.store.listings import ListingRecord
from bmconsole.store.orders import OrderRecord
from bmconsole.store.sqlite import Connection, sqlite3
from bmconsole.sync import ShowProgress
from bmconsole.sync import backbox as backbox_sync
from bmconsole.sync import listings as listings_sync
from bmconsole.sync import orders as orders_sync
from bmconsole.sync import removals as removals_sync
from bmconsole.upkeep import Purged

STREAMS = ("orders", "listings", "backbox")
VERSIONS = {"bmconsole": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
_SETTLE_SECONDS = 30.0
_DAY_SECONDS = 86_400.0
_UPKEEP_LATER = 10.0
"""Seconds after its start until a console looks through whole files: first somebody wants to see something."""


class Workspace(Telling):
    """Everything that one profile can show and do. Open it with `open`, close it with `aclose`.

    Reading needs neither a token nor a network; the first request opens the way to Back Market.
    """

    def __init__(self, profile: Profile, paths: Paths, files: Files, *, console: bool) -> None:
        super().__init__(profile, paths, files, program="console" if console else "bmconsole", console=console)
        self._console = console
        self.engine = Engine(
            self._jobs(),
            lock=paths.profile_data(profile.name) / "engine.lock",
            heartbeat=paths.ledger / f"engine-{profile.name}.json",
            mirror=self._mirror,
            say=self.note,
            now=self.now,
            program="console" if console else "run",
            finish=self._remote.finish,
        )
        self._presence = Presence(paths.ledger, self._life, self._said)
        self._by_hand: list[str] = []
        token = [] if profile.token is None else [profile.token.get_secret_value()]
        self._herald = Herald(
            mirror=self._mirror,
            journal=self._journal,
            history=self._history,
            file=paths.ledger / f"herald-{profile.name}.json",
            log=LogFile(paths.logs / f"{profile.name}.log", token),
            notifier=Notifier(profile.notify, profile.name, self.note),
            now=self.now,
            holds_engine=lambda: self.engine.role == "here",
        )

    @classmethod
    async def open(cls, profile: Profile, paths: Paths, *, console: bool = False) -> Self:
        """Open the files of `profile`; no request is made.

        Raises:
            DiskTrouble: A file cannot be opened, or was written by a newer version.
        """
        made = cls(profile, paths, await asyncio.to_thread(Files, profile.name, paths), console=console)
        made.begin()
        return made

    def begin(self) -> None:
        """Be seen by other processes, and follow the log; `open` has done it."""
        self._presence.start()
        self._herald.start()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the engine, let writes that are on their way end, and close everything."""
        await self.engine.stop()
        await self._end_writes()
        await self._herald.stop()
        await self._presence.stop()
        await self._remote.aclose()
        self._life.end()
        await asyncio.to_thread(self._files.close)

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
        oldest = await self._journal.read(intent_rows.oldest_unfinished)
        everyone = await asyncio.to_thread(self._presence.everyone)
        audit_head = await self._journal.read(intent_rows.audit_head)
        runs = (each.name for each in everyone if each.engine == "here" and each.profile == self.profile.name)
        holder = next(runs, None) or self.engine.holder()
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
            audit_head=audit_head,
            processes=tuple(everyone),
            oldest_unfinished=oldest,
            sizes=await asyncio.to_thread(self._files.sizes),
            free_bytes=await asyncio.to_thread(self._files.free_bytes),
            versions=VERSIONS,
            colour=self.profile.colour,
        )

    def _said(self) -> Doing:
        return Doing(
            program="console" if self._console else "command" if self.engine.role == "stopped" else "run",
            profile=self.profile.name,
            engine=self.engine.role,
            doing=(
                *(job.name for job in self.engine.jobs() if job.running),
                *self._by_hand,
                *(["writes"] if self._writing else []),
            ),
            waiting=self.traffic().waiting,
            trouble=self.trouble,
        )

    @property
    def trouble(self) -> str | None:
        """Why this process cannot write down what it does, such as a full disk; None when all is well."""
        return self.engine.trouble or self._herald.trouble

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

    async def listing_page(self, ref: str, market: str) -> ListingPage:
        """Return what surrounds a listing in a market: floors, open orders, its grades, the decision, its past.

        Raises:
            NotFound: The listing is not in the cache.
        """
        from bmconsole import listing_page

        return await listing_page.gather(self, ref, self.check_market(market))

    async def market_currencies(self) -> dict[str, str | None]:
        """Ask Back Market for a listing in each market; return the currencies that it answers with.

        None where it names none, or has no listing there.
        """
        async with self._connected():
            client = await self._remote.client()
            found: dict[str, str | None] = {}
            for market in self.profile.markets:
                answer = await listings_api.page(client, market=market, number=1, size=1, priority=Priority.HIGH)
                currencies = [record.get("currency") for record in answer.records]
                found[market] = str(currencies[0]) if currencies and currencies[0] is not None else None
        return found

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

    # Files

    async def export_orders(self, query: Query, columns: Sequence[str], ids: Sequence[int] = ()) -> tuple[str, int]:
        """Return the lines of the orders that `query` finds (or of `ids`) as CSV, and how many they are.

        Raises:
            UsageError: A column that there is not; no columns mean those of a pick list.
            NotAllowed: A column is the buyer's, and the access a viewer's.
        """
        names = tuple(columns) or exports.USUAL_ORDER_COLUMNS
        exports.check_order_columns(names, self.profile.access)
        rows = [row async for row in exports.order_rows(self, query, names, ids)]
        return exports.as_csv(rows), len(rows)

    async def export_listings(self, query: Query, ids: Sequence[str] = ()) -> tuple[str, int]:
        """Return the listings that `query` finds (or `ids`) in every market as CSV, and how many lines they are."""
        rows = await exports.listing_rows(self, query, self.profile.markets, ids)
        return exports.as_csv(rows), len(rows)

    async def delivery_note(self, order_id: int) -> str:
        """Return the address of an order's delivery note, a PDF that opens without a token.

        Raises:
            NotFound: The order is not cached, or has none.
            Guarded: The address is not one that may be opened.
        """
        return exports.note_address(await self.order(order_id))

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
            self._by_hand.append(f"sync {name}")
            try:
                results[name] = await self._pull(name, full=full, show=progress)
            finally:
                self._by_hand.remove(f"sync {name}")
            await self.note("info", "sync", self._describe(results[name]))
        await self.settle_left_behind(sending=False)
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

    async def purge(self, *, days: int | None = None, seconds: float | None = None) -> Purged:
        """Take the buyer out of orders that have been final for `days` or `seconds` (default: `privacy_days`).

        Raises:
            NotAllowed: The access does not allow it.
            UsageError: A negative number of days.
        """
        self._need("admin", "purge buyer data")
        kept = self._keep_buyers if days is None else timedelta(days=days)
        kept = kept if seconds is None else timedelta(seconds=seconds)
        if kept < timedelta():
            raise UsageError("The days that buyers are kept cannot be negative.", field="days", value=str(days))
        now = self.now()
        return await upkeep.purge_buyers(self._files, before=now - kept, now=now)

    async def purge_buyer(self, who: str) -> tuple[Purged, list[int]]:
        """Take one buyer, by name or by an order's number, out of final orders; return also those still open.

        Raises:
            NotAllowed: The access does not allow it.
        """
        self._need("admin", "purge buyer data")
        return await upkeep.purge_buyer(self._files, who, now=self.now())

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
            Job("repricing", interval("repricing"), lambda: self.reprice_by_timer(interval("repricing")), "backbox"),
            Job("outcomes", _SETTLE_SECONDS if interval("repricing") else None, self._follow_up),
            Job("writes", _SETTLE_SECONDS, self._settle),
            Job("upkeep", _DAY_SECONDS, self._keep_up, later=_UPKEEP_LATER if self._console else 0.0),
        ]

    async def _keep_up(self) -> str:
        return await upkeep.once_a_day(self._files, keep_buyers=self._keep_buyers, now=self.now())

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

    async def _follow_up(self) -> str:
        looked = await self.follow_up()
        return f"looked at what came of {looked} changes" if looked else ""

    async def _settle(self) -> str:
        settled = await self.settle_left_behind()
        return f"took up {len(settled)} writes that were left behind" if settled else ""

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
