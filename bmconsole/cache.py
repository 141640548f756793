"""What one profile has on this machine: its three files, and everything that can be read without a request."""

import asyncio
import shlex
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from tzlocal import get_localzone

from bmconsole.domain.intents import Intent, IntentQuery
from bmconsole.domain.listings import Listing
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.orders import Order
from bmconsole.domain.rows import ListingRow, OrderRow, Query
from bmconsole.domain.text import clean
from bmconsole.errors import NotFound, Unreachable, UsageError
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.store import backup, pages
from bmconsole.store import intents as intent_rows
from bmconsole.store.database import Database
from bmconsole.store.schema import HISTORY, JOURNAL, MIRROR
from bmconsole.store.sqlite import Connection

if TYPE_CHECKING:
    from bmconsole.domain.figures import Overview
    from bmconsole.domain.views import Event, ListingView, Removal

# A list of rows, and the console's first paint, need neither single orders nor listings: those come with their reading

_BATCH = 200
_SURE_SECONDS = 1.0
"""How long a log that looks as before is taken for one without a new commit."""

T = TypeVar("T")


class Files:
    """The mirror, the journal and the history of the profile called `name`.

    A damaged mirror starts anew; a damaged journal or history is left as it is and refused.
    """

    __slots__ = ("_asked", "_known", "_seen", "_watch", "backups", "history", "journal", "mirror")

    def __init__(self, name: str, paths: Paths) -> None:
        folder = paths.profile_data(name)
        self._watch = ThreadPoolExecutor(1, "watch")
        self._known: tuple[int, ...] = ()
        self._seen: tuple[object, ...] = ()
        self._asked = -_SURE_SECONDS
        self.backups = folder / "backups"
        self.history = Database(
            folder / "history.db", HISTORY, way_out="It was not touched. Move it away to begin a new history."
        )
        way_out = f"It was not touched. “bmconsole restore” puts the newest copy from {self.backups} in its place."
        journal = folder / "journal.db"
        backup.refuse_emptied(journal, self.backups, hint=way_out)
        self.journal = Database(
            journal,
            JOURNAL,
            synchronous="FULL",
            way_out=way_out,
            before_migration=lambda connection: backup.before_migration(connection, self.backups, datetime.now(UTC)),
        )
        self.mirror = Database(folder / "mirror.db", MIRROR, rebuildable=True, tell=self._tell)

    def _tell(self, message: str) -> None:
        from bmconsole.store import events as event_rows

        at = datetime.now(UTC)
        self.history.write_now(lambda connection: event_rows.add(connection, at, "warning", "store", message, None))

    def all(self) -> tuple[Database, Database, Database]:
        """Return the three files."""
        return self.mirror, self.journal, self.history

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file with its log."""
        return {
            file.path.name: sum(
                part.stat().st_size
                for part in (file.path, file.path.with_name(f"{file.path.name}-wal"))
                if part.exists()
            )
            for file in self.all()
        }

    def free_bytes(self) -> int | None:
        """Return what is left on the disk, None where it cannot be told."""
        try:
            return shutil.disk_usage(self.mirror.path.parent).free
        except OSError:
            return None

    async def versions(self) -> tuple[int, ...]:
        """Return numbers that change when any other connection, of any process, has committed to one of the files.

        They are asked for in one thread, four times a second for as long as the console lives; while the logs look as
        they did, only once a second.
        """
        seen, now = tuple([file.look() for file in self.all()]), time.monotonic()
        if seen != self._seen or now - self._asked >= _SURE_SECONDS:
            self._known = await asyncio.wrap_future(self._watch.submit(self._versions))
            self._seen, self._asked = seen, now
        return self._known

    def _versions(self) -> tuple[int, ...]:
        return tuple([file.version_now() for file in self.all()])

    def close(self) -> None:
        """Finish what is queued and close every connection."""
        self._watch.shutdown(wait=True)
        for file in self.all():
            file.close()


class Cache:
    """Reads the files of a profile, and writes its log; needs neither a token nor a network."""

    def __init__(self, profile: Profile, paths: Paths, files: Files) -> None:
        self.profile = profile
        self.paths = paths
        self._files = files
        self._mirror, self._journal, self._history = files.mirror, files.journal, files.history
        self._versions: tuple[int, ...] | None = None

    def now(self) -> datetime:
        """Return the best clock there is, UTC: here this machine's."""
        return datetime.now(UTC)

    @property
    def zone(self) -> tzinfo:
        """The zone in which times are shown and typed: the configured one, else the machine's."""
        if self.profile.timezone:
            return ZoneInfo(self.profile.timezone)
        return get_localzone()

    async def orders_page(self, query: Query, *, backward: bool = False) -> list[OrderRow]:
        """Return the orders that `query` asks for; `backward` counts from the end, in the same order.

        Raises:
            FilterError: The filter cannot be read.
            UsageError: No such field to sort by.
            NotFound: The row to begin after is not there.
        """
        pending = await self._pending_orders()
        return await self._mirror.read(
            lambda connection: pages.orders_page(
                connection,
                query,
                now=self.now(),
                zone=self.zone,
                currency=self._currency(),
                pending=pending,
                backward=backward,
            )
        )

    async def orders_passing(self, where: str, order_ids: Sequence[int]) -> set[str]:
        """Return which of these orders are cached and pass a filter, their ids as text."""
        pending = await self._pending_orders(where)
        return await self._mirror.read(
            lambda connection: pages.orders_passing(
                connection,
                Query(where=where),
                order_ids,
                now=self.now(),
                zone=self.zone,
                currency=self._currency(),
                pending=pending,
            )
        )

    async def orders_position(self, query: Query, order_id: str) -> int | None:
        """Return how many of the query's orders come before one, None where it is not among them."""
        pending = await self._pending_orders(query.where)
        return await self._mirror.read(
            lambda connection: pages.orders_position(
                connection,
                query,
                order_id,
                now=self.now(),
                zone=self.zone,
                currency=self._currency(),
                pending=pending,
            )
        )

    async def orders_count(self, where: str = "") -> int:
        """Return how many orders a filter lets through."""
        pending = await self._pending_orders(where)
        return await self._mirror.read(
            lambda connection: pages.orders_count(
                connection,
                Query(where=where),
                now=self.now(),
                zone=self.zone,
                currency=self._currency(),
                pending=pending,
            )
        )

    async def orders(self, order_ids: Sequence[int]) -> AsyncIterator[Order]:
        """Yield cached orders in the order of their ids given; those that are not in the cache are left out."""
        from bmconsole.backmarket.wirejson import loads
        from bmconsole.store import orders as order_rows

        for start in range(0, len(order_ids), _BATCH):
            batch = order_ids[start : start + _BATCH]
            texts = await self._mirror.read(partial(order_rows.raws, order_ids=batch))
            for order_id in batch:
                if order_id in texts:
                    yield self._parse_order(loads(texts[order_id].encode()))

    async def order(self, order_id: int) -> Order:
        """Return a cached order.

        Raises:
            NotFound: It is not in the cache.
        """
        async for order in self.orders([order_id]):
            return order
        raise NotFound(
            f"Order {order_id} is not in the cache.",
            field="order_id",
            value=str(order_id),
            hint="Sync the orders, or look at it live.",
        )

    async def listings_page(
        self, query: Query, *, market: str | None = None, backward: bool = False
    ) -> list[ListingRow]:
        """Return the listings that `query` asks for, as `market` (default: the main one) shows them.

        `query.after` may name its listing in any way that `listing` takes.
        """
        chosen = self.check_market(market)
        if query.after is not None:
            query = replace(query, after=(await self.listing(query.after)).id)
        pending = await self._pending_listings(chosen)
        costed = await self._costed(query.where, chosen)
        return await self._mirror.read(
            lambda connection: pages.listings_page(
                connection,
                query,
                market=chosen,
                currency=MARKETS[chosen].currency,
                pending=pending,
                costed=costed,
                backward=backward,
            )
        )

    async def listings_passing(self, where: str, ids: Sequence[str], *, market: str | None = None) -> set[str]:
        """Return which of these listings, by UUID, are cached and pass a filter."""
        chosen = self.check_market(market)
        pending = await self._pending_listings(chosen)
        costed = await self._costed(where, chosen)
        return await self._mirror.read(
            lambda connection: pages.listings_passing(
                connection,
                Query(where=where),
                ids,
                market=chosen,
                currency=MARKETS[chosen].currency,
                pending=pending,
                costed=costed,
            )
        )

    async def listings_position(self, query: Query, listing: str, *, market: str | None = None) -> int | None:
        """Return how many of the query's listings come before one, None where it is not among them."""
        chosen = self.check_market(market)
        pending = await self._pending_listings(chosen)
        costed = await self._costed(query.where, chosen)
        return await self._mirror.read(
            lambda connection: pages.listings_position(
                connection,
                query,
                listing,
                market=chosen,
                currency=MARKETS[chosen].currency,
                pending=pending,
                costed=costed,
            )
        )

    async def listings_count(self, where: str = "", *, market: str | None = None) -> int:
        """Return how many listings a filter lets through."""
        chosen = self.check_market(market)
        pending = await self._pending_listings(chosen)
        costed = await self._costed(where, chosen)
        return await self._mirror.read(
            lambda connection: pages.listings_count(
                connection,
                Query(where=where),
                market=chosen,
                currency=MARKETS[chosen].currency,
                pending=pending,
                costed=costed,
            )
        )

    async def listings(self, ids: Sequence[str]) -> AsyncIterator[Listing]:
        """Yield cached listings by UUID, in the order given; those that are not in the cache are left out."""
        from bmconsole.store import listings as listing_rows

        def read(connection: Connection, batch: Sequence[str]) -> list[Listing]:
            return [found for ref in batch if (found := listing_rows.get(connection, ref)) is not None]

        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            for listing in await self._mirror.read(partial(read, batch=batch)):
                yield listing

    async def listing(self, ref: str) -> Listing:
        """Return a cached listing by UUID, integer or `sku:…`, with its offers in all configured markets.

        Raises:
            NotFound: It is not in the cache.
        """
        from bmconsole.store import listings as listing_rows

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

    async def listing_view(self, ref: str) -> "ListingView":
        """Return a cached listing with the newest intents about it; raises as `listing`."""
        from bmconsole.domain.views import ListingView

        listing = await self.listing(ref)
        intents = await self._journal.read(lambda connection: intent_rows.of_target(connection, listing.id))
        return ListingView(listing, tuple(intents))

    async def removals(self) -> "list[Removal]":
        """Return the listings that Back Market no longer shows and that wait for the operator's word."""
        from bmconsole.store import removals as removal_rows

        return await self._mirror.read(removal_rows.waiting)

    def order_request(self, order_id: int) -> str:
        """Return the request for an order as a command for a shell; the token is a variable in it."""
        headers = ("Accept: application/json", f"Accept-Language: {self.profile.main_market}")
        words = [f"-H {shlex.quote(header)}" for header in (*headers, f"User-Agent: {self.profile.user_agent}")]
        address = shlex.quote(f"{self.profile.base_url}/ws/orders/{order_id}")
        return f'curl -H "Authorization: Basic $BMCONSOLE_TOKEN" {" ".join(words)} {address}'

    def back_office(self) -> str | None:
        """Return the address of the account's back office at Back Market, None for a sandbox."""
        return None if self.profile.environment == "sandbox" else f"{self.profile.base_url}/bo-seller"

    async def overview(self) -> "Overview":
        """Return the numbers of the overview; a second's work at a million orders, off the event loop."""
        from bmconsole import overview

        return await overview.gather(
            *self._files.all(),
            now=self.now(),
            zone=self.zone,
            currency=self._currency(),
            markets=self.profile.markets,
            vat=self.profile.vat,
            due_today=await self.orders_count("due-today"),
        )

    async def events(self, *, after: int = 0, limit: int = 500, level: str | None = None) -> "list[Event]":
        """Return log lines behind `after` (0: the newest), oldest first, of `level` or worse."""
        from bmconsole.store import events as event_rows

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

    async def intents(
        self,
        *,
        limit: int = 50,
        after: int | None = None,
        unfinished: bool = False,
        query: IntentQuery | None = None,
        offset: int = 0,
    ) -> list[Intent]:
        """Return intents with ids under `after`, newest first, passing over `offset` of them."""
        return await self._journal.read(
            lambda connection: intent_rows.page(
                connection, limit=limit, after=after, unfinished=unfinished, query=query, offset=offset
            )
        )

    async def intents_count(self, query: IntentQuery, *, newer_than: int = 0) -> int:
        """Return how many intents fit, of those with ids over `newer_than`."""
        return await self._journal.read(lambda connection: intent_rows.count(connection, query, newer_than=newer_than))

    async def intent_states(self) -> dict[str, int]:
        """Return how many intents there are in each state."""
        return await self._journal.read(intent_rows.counts)

    async def skus(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the SKUs of cached listings by UUID."""
        from bmconsole.store import listings as listing_rows

        return await self._mirror.read(lambda connection: listing_rows.skus(connection, ids))

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

    async def read_mirror(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a read connection to the mirror, for what no other method gives."""
        return await self._mirror.read(work)

    async def write_history(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction of the history, for what no other method writes."""
        return await self._history.write(work)

    async def changed(self) -> bool:
        """Return whether any of the three files changed since the last call, whoever wrote."""
        versions = await self._files.versions()
        before, self._versions = self._versions, versions
        return versions != before

    async def note(self, level: str, source: str, message: str, ref: str | None = None) -> None:
        """Write a line of the log; `message` holds no token and no buyer."""
        from bmconsole.store import events as event_rows

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

    async def _unfinished(self) -> list[Intent]:
        return await self._journal.read(lambda connection: intent_rows.page(connection, limit=0, unfinished=True))

    async def _pending_orders(self, where: str = "pending") -> set[int]:
        """Return the orders with unfinished intents; none where a filter cannot be about them."""
        if "pending" not in where:
            return set()
        return {int(intent.target) for intent in await self._unfinished() if intent.is_order}

    async def _pending_listings(self, market: str) -> dict[str, dict[str, str | int | None]]:
        wanted: dict[str, dict[str, str | int | None]] = {}
        for intent in reversed(await self._unfinished()):
            if not intent.is_order:
                fields = {
                    name: value for name, value in intent.want.items() if intent.market == market or name == "quantity"
                }
                if fields:
                    wanted.setdefault(intent.target, {}).update(fields)
        return wanted

    async def _costed(self, where: str, market: str) -> list[str] | None:
        """Return the SKUs with a cost that holds in a market, where a filter asks for them."""
        if "no-cost" not in where:
            return None
        # Few lists ask for costs, and these take long to import
        from bmconsole.repricing.rulesfile import markets_with_vat
        from bmconsole.store import costs as cost_rows

        currency = MARKETS[market].currency
        vat = market in await asyncio.to_thread(markets_with_vat, self.profile, self.paths)
        return await self._journal.read(
            lambda connection: cost_rows.skus_with_cost(connection, market, currency, vat=vat)
        )

    def _parse_order(self, record: object) -> Order:
        # The client and its wire models take as long to import as everything else, and a list needs neither
        from bmconsole.backmarket import orders as orders_api
        from bmconsole.backmarket.wire import InvalidRecord

        try:
            return orders_api.parse_order(record, self._platform_zone())
        except InvalidRecord as error:
            raise Unreachable(f"Back Market's order cannot be read: {clean(error, limit=200)}.") from None

    def _platform_zone(self) -> tzinfo:
        return MARKETS[self.profile.markets[0]].zone

    def _currency(self) -> str:
        return MARKETS[self.profile.markets[0]].currency
