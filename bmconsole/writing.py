"""The part of a workspace that changes Back Market: plans, carries out, settles, undoes."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bmconsole.backmarket import listings as listings_api
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.cache import Cache, Files
from bmconsole.domain.intents import LISTING, RULE, Intent, IntentState
from bmconsole.domain.listings import Listing
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.domain.transitions import SERIAL, SHIP
from bmconsole.domain.views import WritePlan, WriteProgress
from bmconsole.engine import BACKGROUND
from bmconsole.errors import BmError, DiskTrouble, NotAllowed, Partial, Unreachable
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.remote import Remote
from bmconsole.store import intents as intent_rows
from bmconsole.store import observations as observation_rows
from bmconsole.store.alive import Life
from bmconsole.store.leases import Held
from bmconsole.store.sqlite import connect
from bmconsole.sync import Sources
from bmconsole.sync import backbox as backbox_sync
from bmconsole.sync.courtesy import Courtesy
from bmconsole.writes.execute import Executor
from bmconsole.writes.listing_way import ListingWay
from bmconsole.writes.order_way import KINDS, InvoiceWay, OrderWay
from bmconsole.writes.ways import Means, Way

if TYPE_CHECKING:
    from bmconsole.backmarket.client import Client

PATIENCE = 60.0
"""Seconds that a command waits for its writes without seeing one end."""
AT_ONCE = 4
"""How many targets a plan works on at the same time."""
_MOST_SETTLED = 200

ShowWrites = Callable[[WriteProgress], None]


class Writing(Cache):
    """What reads a profile's files, and writes: everything that leaves this machine as anything but a GET."""

    def __init__(self, profile: Profile, paths: Paths, files: Files, *, program: str, console: bool) -> None:
        super().__init__(profile, paths, files)
        self._remote = Remote(profile, paths, program=program, console=console, past=self._sent_before)
        self._life = Life(paths.ledger / "lives")
        self._online: bool | None = None
        self._writing: set[asyncio.Task[list[Intent]]] = set()
        self._running: set[asyncio.Future[Intent]] = set()
        self._closing = False
        self._turns: dict[str, asyncio.Lock] = {}
        self._courtesy = Courtesy()

    def now(self) -> datetime:
        """Return the server's clock, UTC."""
        return self._remote.now()

    def attend(self) -> None:
        """The operator did something: reading pages waits a moment."""
        self._courtesy.attend()

    async def observe_soon(self, listing: str) -> None:
        """Have a listing's backbox looked at as soon as it has followed a change of ours."""
        due = self.now() + backbox_sync.SETTLED
        await self._mirror.write(lambda connection: observation_rows.ask(connection, listing, due))

    # Carrying out

    async def apply(
        self,
        plan: WritePlan,
        *,
        origin: str = "operator",
        files: Sequence[bytes] = (),
        show: ShowWrites | None = None,
    ) -> list[Intent]:
        """Write a plan's intents down and carry them out; return how each ended.

        Cancelled, it drops what was not begun, and lets what was begun come to its end.

        Args:
            plan: What to write.
            origin: Who wants it, where the plan does not say.
            files: What is handed in with the intents, in their order.
            show: Told after each intent that ended.

        Raises:
            NotAllowed: The access does not allow it; nothing was written.
            BmError: Back Market could not be read before anything was sent; the intents are dropped.
            Partial: None of them ended for 60 s; they go on, and the journal tells.
        """
        self._need("operator", "change orders or listings")
        client = await self._remote.client()
        executor = self._executor(client)
        intents = plan.intents
        if origin != "operator":
            intents = tuple(replace(intent, origin=origin) for intent in intents)
        saved = await executor.save(intents)
        executor.files.update({held.intent.id: content for held, content in zip(saved, files, strict=False)})
        work = _Work(len(saved), show)
        queues: dict[str, list[Held]] = {}
        for held in sorted(saved, key=lambda held: held.intent.want.get("quantity") != 0):
            queues.setdefault(held.intent.target, []).append(held)
        tasks = [asyncio.create_task(self._in_turn(executor, queue, work)) for queue in queues.values()]
        self._writing.update(tasks)
        for task in tasks:
            task.add_done_callback(self._ended)
        try:
            await work.wait(tasks)
        except asyncio.CancelledError:
            work.stop = True
            raise
        by_id = {intent.id: intent for task in tasks for intent in task.result()}
        ended = [by_id[held.intent.id] for held in saved if held.intent.id in by_id]
        if len(ended) < len(saved):
            raise Partial(
                f"{len(saved) - len(ended)} of {len(saved)} writes were not begun: this process ends.",
                hint="The next console or `bmconsole run` goes on with them.",
            )
        if ended and all(intent.state is IntentState.DROPPED and intent.id in executor.faults for intent in ended):
            raise executor.faults[ended[0].id]
        return ended

    def _ended(self, task: asyncio.Task[list[Intent]]) -> None:
        self._writing.discard(task)
        # The first fault of a plan is told for all: Python would print the others with their tracebacks
        if not task.cancelled():
            task.exception()

    async def _in_turn(self, executor: Executor, queue: Sequence[Held], work: "_Work") -> list[Intent]:
        """Carry out the intents of one target one after the other, beside those of a few other targets."""
        ended: list[Intent] = []
        target = queue[0].intent.target
        async with self._turns.setdefault(target, asyncio.Lock()), work.at_once, _the_rest(executor, queue) as begun:
            for held in begun:
                failed = [each for each in ended if each.kind == SHIP and each.state is not IntentState.CONFIRMED]
                if work.stop:
                    ended.append(await executor.drop(held, "cancelled before it was begun"))
                elif self._closing:
                    break
                elif held.intent.kind == SERIAL and failed:
                    ended.append(await executor.drop(held, f"write {failed[0].id}, the shipping, was not confirmed"))
                else:
                    ended.append(await self._carry_out(executor, held))
                work.end(ended[-1])
        return ended

    async def settle_left_behind(self, *, sending: bool = True) -> list[Intent]:
        """Take up the intents that dead processes left unfinished, and bring them to their end.

        Without `sending` by reading only: what would have to be sent stays as it is. Viewers leave them alone, and so
        does a profile without a token.
        """
        if self.profile.access == "viewer" or self.profile.token is None:
            return []
        if not await self._journal.read(intent_rows.count_unfinished):
            return []
        executor = self._executor(await self._remote.client())
        settled: list[Intent] = []
        seen: set[int] = set()
        while len(settled) < _MOST_SETTLED:
            taken = await executor.take_over(sending=sending)
            fresh = [held for held in taken if held.intent.id not in seen]
            async with _the_rest(executor, taken) as begun:
                for held in begun:
                    if held in fresh:
                        settled.append(await self._carry_out(executor, held, sending=sending, patient=True))
                    else:
                        await executor.release(held)
            seen |= {held.intent.id for held in fresh}
            if not fresh or not sending:
                break
        return settled

    async def _carry_out(
        self, executor: Executor, held: Held, *, sending: bool = True, patient: bool = False
    ) -> Intent:
        urgent = held.intent.want.get("quantity") == 0
        # Repricing takes the background's share of the SKU lines, never the operator's
        usual = Priority.NORMAL if held.intent.origin == RULE else Priority.HIGH
        priority = Priority.CRITICAL if urgent else usual
        # What is sent has to be read back, also when the process is told to end meanwhile
        background = BACKGROUND.set(False)
        try:
            result = await executor.carry_out(held, priority=priority, sending=sending, patient=patient)
        finally:
            BACKGROUND.reset(background)
        self._online = result.state is not IntentState.UNKNOWN
        if result.state is IntentState.CONFIRMED and result.kind == LISTING and "price" in result.want:
            await self.observe_soon(result.target)
        return result

    async def _end_writes(self) -> None:
        """Let what was begun come to its end; what was not begun, or takes too long, is the next process's."""
        self._closing = True
        if self._writing:
            await asyncio.wait(self._writing, timeout=PATIENCE)
        left: list[asyncio.Future[Any]] = [*self._writing, *self._running]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @property
    def _keep_buyers(self) -> timedelta:
        return timedelta(days=self.profile.privacy_days)

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
            courtesy=self._courtesy,
        )

    def _per_second(self, rule: str) -> float:
        states = (state for state in self._remote.traffic().rules if state.name == rule)
        return next((state.working / state.window for state in states), 0.0)

    def _executor(self, client: "Client") -> Executor:
        means = Means(client, self._mirror, self.now, self._platform_zone(), self._keep_buyers)
        ways: dict[str, Way] = {LISTING: ListingWay(means), **dict.fromkeys(KINDS, OrderWay(means))}
        return Executor(
            ways,
            InvoiceWay(means),
            self._journal,
            self._life.name,
            self.note,
            self.now,
            self._life.is_dead,
            running=self._running,
        )

    def _new_run(self, origin: str) -> str:
        return f"{origin}-{self.now():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"

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


@asynccontextmanager
async def _the_rest(executor: Executor, queue: Sequence[Held]) -> AsyncIterator[Iterator[Held]]:
    """Give what is to be carried out, one after the other; where one fails by the disk, give back those behind it."""
    rest = iter(queue)
    try:
        yield rest
    except DiskTrouble:
        for held in rest:
            # The fault that is told is the first one; the lease is given back as soon as that can be written
            with suppress(DiskTrouble):
                await executor.release(held)
        raise


class _Work:
    """How far a plan is carried out, and whether to go on."""

    def __init__(self, total: int, show: ShowWrites | None) -> None:
        self.stop = False
        self.at_once = asyncio.Semaphore(AT_ONCE)
        self._total = total
        self._show = show
        self._states: dict[IntentState, int] = {}
        self._ended = asyncio.Event()

    def end(self, intent: Intent) -> None:
        """Count an intent that ended."""
        self._states[intent.state] = self._states.get(intent.state, 0) + 1
        self._ended.set()
        if self._show is not None:
            done = sum(self._states.values())
            self._show(WriteProgress(done, self._total, {state.value: n for state, n in self._states.items()}))

    async def wait(self, tasks: Sequence[asyncio.Task[list[Intent]]]) -> None:
        """Wait until all are done; raises Partial when none ended for too long."""
        pending = set(tasks)
        while pending:
            self._ended.clear()
            done, pending = await asyncio.wait(pending, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if pending and not done and not self._ended.is_set():
                left = self._total - sum(self._states.values())
                raise Partial(
                    f"{left} of {self._total} writes are still on their way.", hint="See `bmconsole writes list`."
                )
