"""Carries out intents: read, compare with what the operator saw, send, read back.

The API has neither idempotency keys nor conditional writes, so nothing is ever sent again without a read between,
and nothing is called done that was not read back. Between the read and the send lies one round trip in which another
editor's change would be overwritten; that window cannot be closed from here, only kept short: what waits too long for
its turn is read again first.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from bmconsole.domain.intents import RULE, Intent, IntentState, Values, raw_want
from bmconsole.domain.priority import Priority
from bmconsole.domain.transitions import INVOICE
from bmconsole.errors import BmError, DiskTrouble, NotAllowed, NotFound, Refused, Unreachable, UsageError
from bmconsole.store import intents as journal_rows
from bmconsole.store import leases, pauses
from bmconsole.store.database import Database
from bmconsole.store.leases import Held, LeaseLost
from bmconsole.store.sqlite import Connection
from bmconsole.sync import Note
from bmconsole.traffic.errors import DeadlineExpired
from bmconsole.writes.crashpoints import reached
from bmconsole.writes.order_way import InvoiceWay
from bmconsole.writes.plan import resolve
from bmconsole.writes.ways import Look, Verdict, Way

MOST_SENDS = 3
EXPIRES = timedelta(minutes=15)
"""What a dead process planned and never sent is dropped when it is older: stock and prices move on."""
DECIDED = timedelta(minutes=5)
"""For how long what repricing decided may be sent: it rests on what was observed right before."""
_READ_BACK = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds to wait before each look at whether a write that was accepted is visible."""
_WINDOW = 2.0
"""Seconds that may pass between a read and the send that rests on it, waiting for the limits."""
_PAUSE, _PAUSE_OF_RULE = 15.0, 1.0
"""Seconds to wait at most before another try where the limits let nothing through."""
_TRIES_OF_RULE = 3
"""How often repricing tries to get its write through the limits; the next run decides anew."""
_NOT_VISIBLE = "accepted, but not visible when read back"
_CANNOT_BE_READ = "Whether it arrived cannot be read; only you can send it again."
_RELEASE_PAUSE = 1.0
_TURN_LOOK = 0.2
_TURN_PATIENCE = 60.0
_UNSETTLED_PAUSE, _UNSETTLED_TRIES = 1.0, 3
"""Seconds before another try to settle an earlier write, and how many there are before the later one is given up."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries out intents of one process; `owner` names its leases."""

    ways: Mapping[str, Way]
    invoices: InvoiceWay
    journal: Database
    owner: str
    note: Note
    now: Callable[[], datetime]
    is_dead: Callable[[str], bool]
    files: dict[int, bytes] = field(default_factory=dict)
    """What is handed in with an intent and not kept in the journal, by the intent's id."""
    faults: dict[int, BmError] = field(default_factory=dict)
    """Why an intent was dropped before anything was sent, by its id."""
    running: set[asyncio.Future[Intent]] = field(default_factory=set)
    """What is being carried out, shared by the executors of a process."""

    async def save(self, intents: tuple[Intent, ...]) -> list[Held]:
        """Write intents down, under this process's lease, before any byte leaves; all or none."""
        now = self.now()

        def work(connection: Connection) -> list[Held]:
            saved = leases.save(connection, intents, owner=self.owner, now=now)
            reached("before-plan-commit")
            return saved

        saved = await self.journal.write(work)
        reached("after-plan-commit")
        return saved

    async def take_over(self, *, sending: bool) -> list[Held]:
        """Take the leases of what dead processes left; what is too old to be sent still is dropped."""
        owners = await self.journal.read(leases.owners)
        dead = [owner for owner in owners if await asyncio.to_thread(self.is_dead, owner)]
        now = self.now()

        def work(connection: Connection) -> list[Held]:
            while True:
                taken = leases.take_over(connection, dead, owner=self.owner, now=now)
                expired = [held for held in taken if sending and _expired(held.intent, now)]
                for held in expired:
                    error = "expired: the process that planned it ended before it was sent"
                    leases.move(connection, held, IntentState.DROPPED, now=now, error=error)
                    leases.release(connection, held)
                left = [held for held in taken if held not in expired]
                # Behind what expired, later ones of the same targets may wait
                if left or not expired:
                    return left

        return await self.journal.write(work)

    async def drop(self, held: Held, error: str) -> Intent:
        """Give up an intent that was not begun yet."""
        try:
            return (await self._move(held, IntentState.DROPPED, error=error)).intent
        except LeaseLost:
            return await self._as_it_is(held)
        finally:
            await self.release(held)

    async def carry_out(
        self, held: Held, *, priority: Priority = Priority.HIGH, sending: bool = True, patient: bool = False
    ) -> Intent:
        """Bring a saved intent to its end; never raises for what Back Market answers: the state tells.

        The work goes on when the caller is cancelled, so that a closed screen cannot cut a write in two; who cancels
        what is `running` leaves the rest to the next process, which goes by what the journal says.

        Args:
            held: The intent with its lease.
            priority: How urgent.
            sending: False settles by reading only, and leaves alone what would have to be sent.
            patient: Leave a pending intent pending when Back Market cannot be reached, instead of dropping it.
        """
        work = asyncio.ensure_future(self._to_the_end(held, priority, sending, patient))
        self.running.add(work)
        work.add_done_callback(self.running.discard)
        return await asyncio.shield(work)

    async def _to_the_end(self, held: Held, priority: Priority, sending: bool, patient: bool) -> Intent:
        before = held.intent
        try:
            if sending:
                await self._wait_for_turn(held, priority)
                held = await self.journal.write(partial(leases.follow, held=held))
            intent = (await self._settle(held, priority, sending, patient)).intent
        except LeaseLost:
            # A later write took it in, or this process was taken for dead: the journal says what became of it
            intent = await self._as_it_is(held)
        finally:
            await self.release(held)
            reached("after-release")
            self.files.pop(before.id, None)
        if (intent.state, intent.error) != (before.state, before.error):
            await self.note(*_told(intent))
        return intent

    # One after the other

    async def _wait_for_turn(self, held: Held, priority: Priority) -> None:
        """Return when no earlier write of the same target is on its way; settle those that nobody works on.

        Raises:
            LeaseLost: It was dropped: an earlier one did not end in time, or cannot be settled and has to be before it.
        """
        deadline = asyncio.get_running_loop().time() + _TURN_PATIENCE
        tries = 0
        while earlier := await self.journal.read(lambda connection: leases.ahead(connection, held)):
            before, pause = None, _TURN_LOOK
            for intent, owner in earlier:
                if owner == self.owner:
                    continue  # this process carries out the writes of a target in their order by itself
                dead = [owner] if owner is not None and await asyncio.to_thread(self.is_dead, owner) else []
                if owner is not None and not dead:
                    before = f"write {intent.id} of the same target is still on its way"
                    break
                if not await self._finish_earlier(intent, dead, held.intent, priority):
                    before, pause = f"write {intent.id} of the same target is not settled yet", _UNSETTLED_PAUSE
                    tries += 1
                    break
            if before is None:
                return
            if tries >= _UNSETTLED_TRIES or asyncio.get_running_loop().time() > deadline:
                await self._move(held, IntentState.DROPPED, error=before)
                raise LeaseLost(before)
            await asyncio.sleep(pause)

    async def _finish_earlier(self, intent: Intent, dead: list[str], later: Intent, priority: Priority) -> bool:
        """Settle an earlier write that nobody works on; return whether the later one may go on.

        What is added to the stock may not while it is unknown whether something was added before: by what the earlier
        one looks at, it could no longer tell.
        """
        if intent.kind == INVOICE:
            return True
        held = await self.journal.write(
            lambda connection: leases.claim(connection, intent.id, owner=self.owner, dead=dead)
        )
        if held is None:
            return False
        both = intent.want.keys() & later.want.keys()
        # The markets share the stock
        shared = both if intent.market == later.market else both & {"quantity"}
        # A later count takes the place of this one; what is added to the stock needs it to have happened first.
        added = "quantity" in shared and isinstance(raw_want(later)["quantity"], str)
        overlaps = bool(shared) and not added
        try:
            settled = await self._settle(held, priority, not overlaps, patient=True)
            if overlaps and settled.intent.state.unfinished:
                settled = await self._move(settled, IntentState.DROPPED, error=f"write {later.id} takes its place")
        except LeaseLost:
            return False
        finally:
            await self.release(held)
        return not added or settled.intent.acked or not settled.intent.state.unfinished

    # One

    async def _settle(self, held: Held, priority: Priority, sending: bool, patient: bool) -> Held:
        if held.intent.kind == INVOICE:
            return await self._hand_in(held, priority, sending)
        way = self.ways[held.intent.kind]
        waits = 0
        while True:
            reached("before-read")
            try:
                look = await self._look(way, held, "read", priority)
            except (NotFound, UsageError) as error:
                return await self._move(held, IntentState.REJECTED, error=error.line())
            except BmError as error:
                return await self._unread(held, error, patient)
            held = await self._resolved(held, look)
            verdict, why = way.judge(held.intent, look)
            if verdict is Verdict.DONE:
                note = "it was already so" if not held.intent.attempts else None
                return await self._move(held, IntentState.CONFIRMED, readback=look.values, note=note)
            if held.intent.acked and (note := moved_on(held.intent, look, held.intent.want)):
                return await self._move(held, IntentState.CONFIRMED, readback=look.values, note=note)
            if verdict is Verdict.DIFFERS:
                return await self._move(held, IntentState.CONFLICT, readback=look.values, error=why)
            if not sending:
                return held
            if held.intent.acked:
                return await self._move(held, IntentState.UNKNOWN, readback=look.values, error=_NOT_VISIBLE)
            if held.intent.attempts >= MOST_SENDS:
                in_vain = f"sent {held.intent.attempts} times in vain"
                return await self._move(held, IntentState.UNKNOWN, readback=look.values, error=in_vain)
            if why := await self._stopped(held.intent):
                return await self._move(held, IntentState.DROPPED, readback=look.values, error=why)
            held = await self._move(held, IntentState.SENT, before=look.values)
            try:
                echo = await self._send(way, held, look, priority)
            except (Refused, NotAllowed, NotFound, UsageError) as error:
                return await self._move(held, IntentState.REJECTED, error=error.line())
            except Unreachable as error:
                held = await self._move(held, IntentState.UNKNOWN, error=error.line())
            except DeadlineExpired:
                held = await self._unsend(held)
                waits += 1
                if held.intent.origin == RULE and waits >= _TRIES_OF_RULE:
                    return await self._move(held, IntentState.DROPPED, error="not sent: the limits left no room")
                # Repricing gives way soon to an operator's write of the same listing
                await asyncio.sleep(min(0.5 * waits, _PAUSE_OF_RULE if held.intent.origin == RULE else _PAUSE))
            except BmError as error:
                return await self._unread(await self._unsend(held), error, patient)
            else:
                # Apart from the send: that this cannot be written down does not mean that nothing was sent
                held = await self.journal.write(partial(leases.acknowledge, held=held, now=self.now()))
                reached("after-answer-noted")
                return await self._read_back(way, held, priority, echo)

    async def _hand_in(self, held: Held, priority: Priority, sending: bool) -> Held:
        """Send what cannot be read back, once and only while the operator's file is at hand."""
        content = self.files.get(held.intent.id)
        if content is None and held.intent.state is not IntentState.PENDING:
            return await self._move(held, IntentState.UNKNOWN, error=_CANNOT_BE_READ)
        if not sending:
            return held
        if content is None:
            error = "the file is no longer at hand: hand the invoice in again"
            return await self._move(held, IntentState.DROPPED, error=error)
        held = await self._move(held, IntentState.SENT)
        reached("before-send")
        try:
            await self.invoices.send(held.intent, content, priority)
        except (Refused, NotAllowed, NotFound) as error:
            return await self._move(held, IntentState.REJECTED, error=error.line())
        except Unreachable as error:
            if error.maybe_applied or held.intent.attempts > 1:
                return await self._move(held, IntentState.UNKNOWN, error=f"{error.line()} {_CANNOT_BE_READ}")
            self.faults[held.intent.id] = error
            return await self._move(held, IntentState.DROPPED, error=error.line())
        reached("after-answer")
        held = await self.journal.write(lambda connection: leases.acknowledge(connection, held, now=self.now()))
        reached("after-answer-noted")
        return await self._move(held, IntentState.CONFIRMED, note="accepted; Back Market does not show invoices")

    async def _unread(self, held: Held, error: BmError, patient: bool) -> Held:
        """End where Back Market could not be read: nothing left this time, so only a send behind it leaves a doubt."""
        if held.intent.state is IntentState.PENDING:
            if patient:
                return held
            self.faults[held.intent.id] = error
            return await self._move(held, IntentState.DROPPED, error=error.line())
        if isinstance(error, DiskTrouble):
            raise error
        self.faults[held.intent.id] = error
        return await self._move(held, IntentState.UNKNOWN, error=error.line())

    async def _read_back(self, way: Way, held: Held, priority: Priority, echo: Values) -> Held:
        look = Look({})
        for pause in _READ_BACK:
            await asyncio.sleep(pause)
            reached("before-readback")
            try:
                look = await self._look(way, held, "readback", priority)
            except DiskTrouble:
                raise
            except BmError as error:
                return await self._move(held, IntentState.UNKNOWN, error=error.line())
            verdict, why = way.judge(held.intent, look)
            if verdict is Verdict.DONE:
                return await self._move(held, IntentState.CONFIRMED, readback=look.values)
            if note := moved_on(held.intent, look, echo):
                return await self._move(held, IntentState.CONFIRMED, readback=look.values, note=note)
            if verdict is Verdict.DIFFERS:
                return await self._move(held, IntentState.CONFLICT, readback=look.values, error=f"accepted, but {why}")
        return await self._move(held, IntentState.UNKNOWN, readback=look.values, error=_NOT_VISIBLE)

    async def _look(self, way: Way, held: Held, step: str, priority: Priority) -> Look:
        look = await way.look(held.intent, priority)
        reached("after-read" if step == "read" else "after-readback")
        now = self.now()
        await self.journal.write(lambda connection: leases.step(connection, held.intent.id, step, now=now))
        if step == "read":
            reached("after-read-noted")
        return look

    async def _send(self, way: Way, held: Held, look: Look, priority: Priority) -> Values:
        now = self.now()
        await self.journal.write(lambda connection: leases.step(connection, held.intent.id, "send", now=now))
        deadline = asyncio.get_running_loop().time() + _WINDOW
        reached("before-send")
        echo = await way.send(held.intent, look, priority, deadline)
        reached("after-answer")
        return echo

    async def _stopped(self, intent: Intent) -> str:
        """Return why what repricing wants is not sent: it was paused since, or decided too long ago. Else empty."""
        if intent.origin != RULE:
            return ""
        if self.now() - intent.created > DECIDED:
            return "not sent: it was decided too long ago"
        market = intent.market or ""
        pause = await self.journal.read(lambda connection: pauses.over(connection, intent.target, market))
        return "not sent: repricing is paused" if pause is not None else ""

    async def _resolved(self, held: Held, look: Look) -> Held:
        intent, live = held.intent, look.values.get("quantity")
        raw = raw_want(intent)
        if intent.attempts or not isinstance(raw.get("quantity"), str) or not isinstance(live, int | None):
            return held
        want = resolve(intent.base, raw, look.values)
        return await self.journal.write(lambda connection: leases.resolve(connection, held, want, live or 0))

    async def _unsend(self, held: Held) -> Held:
        now = self.now()
        return await self.journal.write(lambda connection: leases.unsend(connection, held, now=now))

    async def release(self, held: Held) -> None:
        """Give a lease back; where it cannot be written now, as soon as it can be.

        Raises:
            DiskTrouble: It could not be written.
        """
        try:
            await self.journal.write(lambda connection: leases.release(connection, held))
        except DiskTrouble:
            # The lease of a process that lives is left alone by everybody, and this one has given up
            later = asyncio.ensure_future(self._release_later(held))
            self.running.add(later)
            later.add_done_callback(self.running.discard)
            raise

    async def _release_later(self, held: Held) -> Intent:
        while True:
            await asyncio.sleep(_RELEASE_PAUSE)
            with suppress(DiskTrouble):
                await self.journal.write(lambda connection: leases.release(connection, held))
                return held.intent

    async def _as_it_is(self, held: Held) -> Intent:
        found = await self.journal.read(lambda connection: journal_rows.get(connection, held.intent.id))
        return found or held.intent

    async def _move(
        self,
        held: Held,
        state: IntentState,
        *,
        readback: Values | None = None,
        before: Values | None = None,
        error: str | None = None,
        note: str | None = None,
    ) -> Held:
        now, wanted = self.now(), held.intent.want
        shown, was = (
            None if values is None else {name: values[name] for name in wanted if name in values}
            for values in (readback, before)
        )
        point = "sent" if state is IntentState.SENT else "end"

        def work(connection: Connection) -> Held:
            moved = leases.move(connection, held, state, now=now, readback=shown, before=was, error=error, note=note)
            reached(f"before-{point}-commit")
            return moved

        moved = await self.journal.write(work)
        reached(f"after-{point}-commit")
        return moved


def moved_on(intent: Intent, look: Look, echo: Values) -> str:
    """Return a note where only the stock differs and it was taken as wanted: something was sold or counted since.

    Args:
        intent: What was sent.
        look: What is there now.
        echo: What the server said it had made of the write, or may be taken to have.
    """
    want = intent.want.get("quantity")
    now, before = look.values.get("quantity"), (intent.before or {}).get("quantity")
    others = {name: value for name, value in intent.want.items() if name != "quantity"}
    if want is None or now is None or echo.get("quantity") != want or now in (want, before):
        return ""
    if any(look.values.get(name) != value for name, value in others.items()):
        return ""
    return f"the stock is {now} by now: it moved after the write"


def _expired(intent: Intent, now: datetime) -> bool:
    return intent.state is IntentState.PENDING and now - intent.created > EXPIRES


def _told(intent: Intent) -> tuple[str, str, str, str]:
    level = "info" if intent.state is IntentState.CONFIRMED else "warning"
    what = ", ".join(f"{name} {intent.base.get(name)} → {value}" for name, value in _shown(intent.want).items())
    tail = f": {intent.error or intent.note}" if intent.error or intent.note else ""
    place = f"{intent.market} " if intent.market else ""
    ref = f"{'order' if intent.is_order else 'listing'}:{intent.target}"
    kind = f"{intent.kind} {intent.target} " if intent.is_order else ""
    return level, "writes", f"#{intent.id} {intent.state}: {kind}{place}{what}{tail}", ref


def _shown(want: Values) -> dict[str, str | int | None]:
    return {name: value for name, value in want.items() if name != "return_message"}
