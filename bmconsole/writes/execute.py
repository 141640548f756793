"""Carries out intents: read, compare with what the operator saw, send, read back.

The API has neither idempotency keys nor conditional writes, so nothing is ever sent again without a read between,
and nothing is called done that was not read back. Between the read and the send lies one round trip in which another
editor's change would be overwritten; that window cannot be closed from here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from bmconsole.backmarket import listings as api
from bmconsole.backmarket.client import Client
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain.intents import Intent, IntentState, Values
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.priority import Priority
from bmconsole.errors import BmError, NotAllowed, NotFound, RateLimited, Refused, Unreachable
from bmconsole.store import intents as journal_rows
from bmconsole.store import listings as listing_rows
from bmconsole.store.database import Database
from bmconsole.store.sqlite import Connection
from bmconsole.sync import Note
from bmconsole.writes.plan import current, resolve

MOST_SENDS = 3
_READ_BACK = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds to wait before each look at whether a write that was accepted is visible."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries out intents of one process; `owner` names its lease."""

    client: Client
    mirror: Database
    journal: Database
    owner: str
    note: Note
    now: Callable[[], datetime]
    faults: dict[int, BmError] = field(default_factory=dict)
    """Why an intent was dropped before anything was sent, by its id."""

    async def save(self, intents: tuple[Intent, ...]) -> list[Intent]:
        """Write intents down, under this process's lease, before any byte leaves."""

        def work(connection: Connection) -> list[Intent]:
            return [journal_rows.add(connection, intent, owner=self.owner, now=self.now()) for intent in intents]

        return await self.journal.write(work)

    async def carry_out(self, intent: Intent, *, priority: Priority = Priority.HIGH) -> Intent:
        """Bring a saved intent to its end; never raises for what Back Market answers: the state tells.

        The work goes on when the caller is cancelled, so that a closed screen cannot cut a write in two.
        """
        return await asyncio.shield(asyncio.ensure_future(self._to_the_end(intent, priority)))

    async def _to_the_end(self, intent: Intent, priority: Priority) -> Intent:
        try:
            intent = await self._settle(intent, priority)
        finally:
            await self.journal.write(lambda connection: journal_rows.release(connection, intent.id, owner=self.owner))
        level = "info" if intent.state is IntentState.CONFIRMED else "warning"
        what = ", ".join(f"{name} {intent.base.get(name)} → {value}" for name, value in intent.want.items())
        tail = f": {intent.error}" if intent.error else ""
        await self.note(
            level, "writes", f"#{intent.id} {intent.state}: {intent.market} {what}{tail}", f"listing:{intent.target}"
        )
        return intent

    async def _settle(self, intent: Intent, priority: Priority) -> Intent:
        sends = intent.attempts
        while True:
            try:
                live = await self._read(intent, "read", priority)
            except NotFound as error:
                return await self._move(intent, IntentState.REJECTED, error=error.line())
            except BmError as error:
                # Nothing left this time: with no send behind it the intent is over, else only a read can tell.
                state = IntentState.UNKNOWN if intent.state is not IntentState.PENDING else IntentState.DROPPED
                self.faults[intent.id] = error
                return await self._move(intent, state, error=error.line())
            intent = await self._resolved(intent, live)
            if _holds(intent.want, live):
                return await self._move(intent, IntentState.CONFIRMED, readback=live)
            if not _unchanged(intent, live):
                return await self._move(
                    intent, IntentState.CONFLICT, readback=live, error="it was changed meanwhile by someone else"
                )
            if sends >= MOST_SENDS:
                return await self._move(intent, IntentState.UNKNOWN, readback=live, error=f"sent {sends} times in vain")
            intent = await self._move(intent, IntentState.SENT, sending=True)
            sends += 1
            try:
                await self._send(intent, live, priority)
            except RateLimited as error:
                intent = await self._move(intent, IntentState.UNKNOWN, error=error.line())
            except (Refused, NotAllowed, NotFound) as error:
                return await self._move(intent, IntentState.REJECTED, error=error.line())
            except Unreachable as error:
                intent = await self._move(intent, IntentState.UNKNOWN, error=error.line())
            else:
                return await self._read_back(intent, priority)

    async def _read_back(self, intent: Intent, priority: Priority) -> Intent:
        live: Values = {}
        for pause in _READ_BACK:
            await asyncio.sleep(pause)
            try:
                live = await self._read(intent, "readback", priority)
            except BmError as error:
                return await self._move(intent, IntentState.UNKNOWN, error=error.line())
            if _holds(intent.want, live):
                return await self._move(intent, IntentState.CONFIRMED, readback=live)
            if not _unchanged(intent, live):
                return await self._move(
                    intent, IntentState.CONFLICT, readback=live, error="accepted, but something else is there now"
                )
        return await self._move(
            intent, IntentState.UNKNOWN, readback=live, error="accepted, but not visible when read back"
        )

    async def _read(self, intent: Intent, step: str, priority: Priority) -> Values:
        market = intent.market or ""
        record = await api.one(self.client, intent.target, market=market, priority=priority)
        listing = api.parse_listing(record, market)
        stored = listing_rows.ListingRecord(listing, market, dumps(record))
        now = self.now()
        await self.mirror.write(lambda connection: listing_rows.store(connection, [stored], fetched_at=now))
        await self.journal.write(lambda connection: journal_rows.step(connection, intent.id, step, now=now))
        offer = listing.offers[market]
        values = {name: current(listing, offer, name) for name in intent.want}
        if "price" in values and offer.min_price is not None:
            values.setdefault("min_price", offer.min_price.text())
        return values

    async def _send(self, intent: Intent, live: Values, priority: Priority) -> None:
        now = self.now()
        await self.journal.write(lambda connection: journal_rows.step(connection, intent.id, "send", now=now))
        market = intent.market or ""
        body = dict(intent.want)
        if "price" in body and live.get("min_price") is not None:
            body.setdefault("min_price", live["min_price"])
        body["currency"] = MARKETS[market].currency
        await api.update(self.client, intent.target, body, market=market, priority=priority)

    async def _resolved(self, intent: Intent, live: Values) -> Intent:
        want = resolve(intent.base, intent.want, live)
        if want == dict(intent.want):
            return intent
        await self.journal.write(lambda connection: journal_rows.resolve(connection, intent.id, want, owner=self.owner))
        return replace(intent, want=want)

    async def _move(
        self,
        intent: Intent,
        state: IntentState,
        *,
        readback: Values | None = None,
        error: str | None = None,
        sending: bool = False,
    ) -> Intent:
        shown = None if readback is None else {name: readback.get(name) for name in intent.want}
        return await self.journal.write(
            lambda connection: journal_rows.move(
                connection,
                intent.id,
                state,
                owner=self.owner,
                now=self.now(),
                readback=shown,
                error=error,
                sending=sending,
            )
        )


def _holds(want: Values, live: Values) -> bool:
    return all(live.get(name) == value for name, value in want.items())


def _unchanged(intent: Intent, live: Values) -> bool:
    """Whether the live values are still what the operator was shown; a typed quantity is absolute and never differs."""
    return all(live.get(name) == value for name, value in intent.base.items() if name != "quantity")
