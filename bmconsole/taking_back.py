"""The part of a workspace that takes writes back and decides: undo, conflicts, what ended unknown."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bmconsole.domain.bulk import MANY_ROWS, Refusal
from bmconsole.domain.intents import LISTING, Intent, IntentQuery, IntentState, Values
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.domain.transitions import INVOICE
from bmconsole.domain.views import WritePlan
from bmconsole.errors import Conflict, Guarded, NotFound, UsageError
from bmconsole.store import leases
from bmconsole.store.leases import Held
from bmconsole.writes.bulk import also_confirm, duration, seconds_for, summary
from bmconsole.writes.orders import invoice_want
from bmconsole.writes.undo import overwrite_plan, plan_undo, refusal
from bmconsole.writing import AT_ONCE, Writing


class TakingBack(Writing):
    """Undoes and resolves."""

    # Taking back

    async def plan_undo(
        self, *, intent_id: int | None = None, run: str | None = None
    ) -> tuple[WritePlan, list[Refusal]]:
        """Plan to take back one write, or those of a run, newest first; what is there now is read first.

        Returns:
            The plan, and the writes of a run that cannot be taken back, with the reason.

        Raises:
            Conflict: The one write cannot be taken back; the message says why.
            NotFound: There is no such write or run.
        """
        if intent_id is not None:
            chosen = [await self.intent(intent_id)]
        else:
            chosen = await self.intents(limit=0, query=IntentQuery(run=run))
            if not chosen:
                raise NotFound(f"There is no run {clean(run, limit=60)}.", field="run", value=clean(run, limit=60))
        self._need("operator", "take writes back")
        labels, live = await self._labels(chosen), await self._live(chosen)
        joined = self._new_run("undo") if run is not None else None
        plan, refused = plan_undo(
            [(intent, live.get(intent.id, {}), labels.get(intent.target, intent.target)) for intent in chosen],
            now=self.now(),
            run=joined,
        )
        if refused and not plan.intents:
            raise Conflict(
                f"Write {refused[0].intent} cannot be undone: {refused[0].why}.",
                field="id",
                value=str(refused[0].intent),
                hint="See: bmconsole writes show " + str(refused[0].intent),
            )
        if run is not None:
            plan = self._sized(plan)
        if len(plan.intents) > MANY_ROWS:
            plan = also_confirm(plan, len(plan.intents), f"{len(plan.intents)} rows change")
        return plan, refused

    async def _live(self, intents: Sequence[Intent]) -> dict[int, Values]:
        wanted = [intent for intent in intents if not refusal(intent)]
        if not wanted:
            return {}
        executor = self._executor(await self._remote.client())
        at_once = asyncio.Semaphore(AT_ONCE)

        async def look(intent: Intent) -> Values:
            async with at_once:
                return (await executor.ways[LISTING].look(intent, Priority.HIGH)).values

        async with self._connected():
            found = await asyncio.gather(*(look(intent) for intent in wanted))
        return {intent.id: values for intent, values in zip(wanted, found, strict=True)}

    async def _labels(self, intents: Sequence[Intent]) -> dict[str, str]:
        ids = list(dict.fromkeys(intent.target for intent in intents if not intent.is_order))
        return {listing.id: listing.sku async for listing in self.listings(ids)}

    # Deciding

    async def plan_overwrite(self, intent_id: int) -> WritePlan:
        """Plan to write ours although somebody else changed the listing: based on what is there now.

        Raises:
            Guarded: The write is no conflict, or about an order, whose state decides.
        """
        self._need("operator", "resolve conflicts")
        intent = await self.intent(intent_id)
        if intent.state is not IntentState.CONFLICT:
            raise Guarded(f"Write {intent_id} is {intent.state}, no conflict.", field="id", value=str(intent_id))
        if intent.is_order:
            raise Guarded(
                f"Write {intent_id} is about an order, whose state decides what can be done.",
                field="id",
                value=str(intent_id),
                hint=f"Look at it live: bmconsole orders show {intent.target} --live",
            )
        executor = self._executor(await self._remote.client())
        async with self._connected():
            look = await executor.ways[LISTING].look(intent, Priority.HIGH)
        label = (await self._labels([intent])).get(intent.target, intent.target)
        base = {name: look.values.get(name) for name in intent.want}
        return overwrite_plan(intent, base, label, self.now())

    async def resolve(
        self, intent_id: int, how: str, *, plan: WritePlan | None = None, content: bytes | None = None
    ) -> list[Intent]:
        """Decide about a conflict or a write whose end is not known.

        Args:
            intent_id: Which.
            how: `keep` leaves what is there; `overwrite` writes ours over it, as a new write; `resend` sends again what
                ended unknown, after a read where it can be read.
            plan: For `overwrite` what `plan_overwrite` returned and the operator accepted.
            content: The file, to resend an invoice.

        Returns:
            The write, and for `overwrite` the new one behind it.

        Raises:
            Guarded: The write is in no state for that.
            NotAllowed: The access does not allow it.
        """
        self._need("operator", "resolve conflicts")
        intent = await self.intent(intent_id)
        if intent.state not in (IntentState.CONFLICT, IntentState.UNKNOWN):
            raise Guarded(
                f"Write {intent_id} is {intent.state}: there is nothing to decide.", field="id", value=str(intent_id)
            )
        if how == "resend":
            if intent.state is IntentState.UNKNOWN:
                return [await self._resend(intent, content)]
            raise Guarded(f"Write {intent_id} is a conflict: keep or overwrite.", field="id", value=str(intent_id))
        if how == "keep":
            return [await self._close(intent, "given up: what is there stays")]
        chosen = plan or await self.plan_overwrite(intent_id)
        ended = await self.apply(chosen) if chosen.intents else []
        why = f"write {ended[0].id} is written over what was there" if ended else "what is there is what was wanted"
        return [await self._close(intent, why), *ended]

    async def _resend(self, intent: Intent, content: bytes | None) -> Intent:
        if intent.kind == INVOICE:
            if content is None:
                raise UsageError("The file is needed to send it again.", field="file", hint="Give it with --file.")
            if invoice_want(content) != dict(intent.want):
                raise UsageError("This is another file than the one that was sent.", field="file")
        executor = self._executor(await self._remote.client())
        held = await self._claimed(intent)
        if content is not None:
            executor.files[intent.id] = content
        again = await self._journal.write(lambda connection: leases.allow_again(connection, held))
        return await self._carry_out(executor, again)

    async def _close(self, intent: Intent, why: str) -> Intent:
        executor = self._executor(await self._remote.client())
        return await executor.drop(await self._claimed(intent), why)

    async def _claimed(self, intent: Intent) -> Held:
        owners = await self._journal.read(leases.owners)
        dead = [owner for owner in owners if await asyncio.to_thread(self._life.is_dead, owner)]
        held = await self._journal.write(partial(leases.claim, intent_id=intent.id, owner=self._life.name, dead=dead))
        if held is None:
            raise Conflict(
                f"Another process works on {'order' if intent.is_order else 'listing'} {intent.target}.",
                hint="Wait until it is done.",
            )
        return held

    # What a plan comes to

    def _sized(self, plan: WritePlan) -> WritePlan:
        """Return a plan that says what its changes of listings come to, and how long it takes."""
        told = summary(plan.changes, {code: MARKETS[code].currency for code in self.profile.markets})
        return self._timed(replace(plan, notes=(*plan.notes, *told)))

    def _timed(self, plan: WritePlan) -> WritePlan:
        if not plan.intents:
            return plan
        time = duration(seconds_for(plan.intents, self.profile.limits))
        return replace(plan, notes=(*plan.notes, f"It takes {time}, or longer."))
