"""The part of a workspace that carries decisions out: each is observed again and decided again right before its write.

Decision and writer are separate: a dry run, suggestions and automatic writes are the same decisions, and what is
written was decided by the same engine on an observation that is seconds old.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP

from bmconsole.backmarket import listings as listings_api
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain.decisions import Decision, Verdict
from bmconsole.domain.intents import RULE, Intent, IntentState
from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import DecisionRow, PricingPlan, RepriceProgress, RepriceResult
from bmconsole.domain.priority import Priority
from bmconsole.errors import BmError, Conflict, Guarded, NotAllowed, NotFound, UsageError
from bmconsole.pricing.decide import decide
from bmconsole.pricing.floors import Figures, figures
from bmconsole.pricing.guards import failures_stop, lines_free
from bmconsole.pricing.values import Facts, Rules, Terms
from bmconsole.repricing.following import Following
from bmconsole.store import decisions as decision_rows
from bmconsole.store import listings as listing_rows
from bmconsole.store import outcomes as outcome_rows
from bmconsole.store import pauses as pause_rows
from bmconsole.store import runs as run_rows
from bmconsole.store.decisions import FAILED, STOPPED, WRITTEN, Kept, Key
from bmconsole.store.listings import ListingRecord
from bmconsole.store.outcomes import Changed
from bmconsole.store.sqlite import Connection
from bmconsole.sync import backbox as backbox_sync
from bmconsole.writes.plan import plan_listing

AT_ONCE = 3
"""How many listings a run works on at the same time."""
_LINES = "sku_lines"
_SHARE_OF_TIMER = 0.9
_MOST_ALERTS = 20
_LINES_LOOK = 5.0
"""Seconds between looks at whether a line of the SKU limit has become free."""

ShowRun = Callable[[RepriceProgress], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decision that is to be written, with the number that it is kept under."""

    decision: Decision
    number: int | None


@dataclass(slots=True)
class _Run:
    """A run under way."""

    number: int
    name: str
    rules: Rules
    approved: bool
    priority: Priority
    total: int
    show: ShowRun | None
    until: float | None
    """The loop's time at which nothing new is begun; None: never."""
    taken: int = 0
    """How many lines of the SKU limit are set aside for what is being decided again."""
    states: Counter[str] = field(default_factory=Counter)
    successes: list[bool] = field(default_factory=list)
    rows: list[DecisionRow] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    stopped: str | None = None

    def ended(self, row: DecisionRow, intent: Intent | None) -> None:
        """Count a decision that came to its end."""
        self.states[row.state] += 1
        self.rows.append(row)
        if intent is not None:
            self.intents.append(intent)
        if self.show is not None:
            self.show(RepriceProgress(len(self.rows), self.total, dict(self.states)))

    def tried(self, done: bool) -> None:
        """Count an attempt to write, and end the run where too many in a row failed (guard 15)."""
        self.successes.append(done)
        if self.stopped is None and failures_stop(self.successes, self.rules.limits):
            self.stopped = f"failure-breaker: {self.rules.limits.failures} writes in a row failed"


class Carrying(Following):
    """Writes what was decided: by itself in mode `auto`, or as the operator said."""

    async def reprice_now(self, *, cause: str = "console", within: float | None = None) -> PricingPlan:
        """Decide about everything, keep the decisions, and write those that the modes let through.

        Args:
            cause: Who asked: `engine`, `console`.
            within: Seconds after which nothing new is begun; what is left waits for the next run.

        Raises:
            SettingsError: The rules cannot be read.
            NotAllowed: The access does not allow it.
        """
        self._need("operator", "reprice")
        rules = await self.rules()
        planned = await self.plan_repricing(rules=rules)
        number, name = await self._begin_run(cause, rules)
        ids, fresh = await self._keep(number, planned.decisions)
        chosen = await asyncio.to_thread(_to_write, planned, ids)
        notice = None
        if planned.breaker is not None:
            notice = f"run-breaker: {planned.breaker}; the decisions wait for approval"
            await self.note("warning", "repricing", notice)
        await self._tell_alerts([decision for decision in fresh if decision.alert])
        result = await self._carry_run(
            chosen, number, name, rules, approved=False, priority=Priority.NORMAL, within=within
        )
        counts = dict(planned.counts) | dict(result.states)
        await self._end_run(number, counts, result.stopped or notice)
        return replace(planned, run=name, counts=counts)

    async def reprice_by_timer(self, every: float | None) -> str:
        """Do what the engine's timer asks for, within nine tenths of the time until the next run; return what was done.

        A run that a breaker stopped has said so; what it left waits.
        """
        if self.profile.repricing_mode == "off" or self.profile.access == "viewer" or self.profile.token is None:
            return ""
        planned = await self.reprice_now(cause="engine", within=None if every is None else every * _SHARE_OF_TIMER)
        told = ", ".join(f"{count} {name}" for name, count in sorted(planned.counts.items()))
        return f"{planned.run}: {len(planned.decisions)} decisions: {told or 'nothing is online'}"

    async def apply_repricing(self, planned: PricingPlan, *, show: ShowRun | None = None) -> RepriceResult:
        """Write what was planned with `approved`: each decision is observed again and decided again first.

        Raises:
            NotAllowed: The access does not allow it.
            Guarded: The run's breaker tripped; the decisions wait for approval instead.
        """
        self._need("operator", "reprice")
        rules = await self.rules()
        number, name = await self._begin_run("apply", rules)
        ids, _ = await self._keep(number, planned.decisions)
        if planned.breaker is not None:
            notice = f"run-breaker: {planned.breaker}"
            await self._end_run(number, planned.counts, notice)
            raise Guarded(
                f"Nothing was written: {planned.breaker}.",
                field="run-breaker",
                hint="The decisions wait: look at them, and approve with `bmconsole reprice approve`.",
            )
        chosen = await asyncio.to_thread(_to_write, planned, ids)
        result = await self._carry_run(chosen, number, name, rules, approved=True, priority=Priority.HIGH, show=show)
        await self._end_run(number, dict(planned.counts) | dict(result.states), result.stopped)
        return result

    async def waiting(self, ids: Sequence[int] | None = None, *, run: str | None = None) -> list[Kept]:
        """Return the decisions that wait for approval: these, those of a run, or all.

        Raises:
            NotFound: There is no such run, or one of `ids` does not wait (any more).
        """
        number = None
        if run is not None:
            found = await self._history.read(lambda connection: run_rows.named(connection, run))
            if found is None:
                raise NotFound(f"There is no run {run}.", field="run", value=run)
            number = found.id
        kept = await self._history.read(lambda connection: decision_rows.waiting(connection, ids=ids, run=number))
        if ids is not None and (missing := [each for each in ids if each not in {one.id for one in kept}]):
            raise NotFound(
                f"Decision {missing[0]} does not wait for approval.",
                field="id",
                value=str(missing[0]),
                hint="A later decision may have taken its place: see `bmconsole reprice approve`.",
            )
        return kept

    async def approve(self, ids: Sequence[int], *, show: ShowRun | None = None) -> RepriceResult:
        """Write decisions that wait: each is observed and decided again first, and written only if it still holds.

        Raises:
            NotAllowed: The access does not allow it.
            NotFound: One of them does not wait.
            SettingsError: The rules cannot be read.
        """
        self._need("operator", "approve decisions")
        rules = await self.rules()
        kept = await self.waiting(ids)
        number, name = await self._begin_run("approve", rules)
        chosen = [Candidate(each.decision, each.id) for each in kept]
        result = await self._carry_run(chosen, number, name, rules, approved=True, priority=Priority.HIGH, show=show)
        await self._end_run(number, result.states, result.stopped)
        return result

    # Inside

    async def _tell_alerts(self, alerts: Sequence[Decision]) -> None:
        """Tell what a guard found strange, the first of very many, and only when it is new."""
        for each in alerts[:_MOST_ALERTS]:
            await self.note(
                "warning", "repricing", f"{each.sku} {each.market}: {each.reason}", f"listing:{each.listing}"
            )
        if len(alerts) > _MOST_ALERTS:
            await self.note("warning", "repricing", f"and {len(alerts) - _MOST_ALERTS} more such alerts")

    async def _end_run(self, number: int, counts: Mapping[str, int], notice: str | None) -> None:
        now = self.now()
        await self._history.write(
            lambda connection: run_rows.end(connection, number, counts=counts, notice=notice, now=now)
        )

    async def _carry_run(
        self,
        chosen: Sequence[Candidate],
        number: int,
        name: str,
        rules: Rules,
        *,
        approved: bool,
        priority: Priority,
        show: ShowRun | None = None,
        within: float | None = None,
    ) -> RepriceResult:
        """Decide again and write, a few listings at a time, those in front first."""
        until = None if within is None else asyncio.get_running_loop().time() + within
        run = _Run(number, name, rules, approved, priority, len(chosen), show, until)
        by_listing: dict[str, list[Candidate]] = {}
        for candidate in chosen:
            by_listing.setdefault(candidate.decision.listing, []).append(candidate)
        following = iter(by_listing.values())

        if by_listing:
            await self._remote.client()  # so that the limits are known

        async def take_all() -> None:
            for candidates in following:
                await self._carry_listing(run, candidates)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_ONCE, len(by_listing))):
                    group.create_task(take_all())
        except BaseExceptionGroup as group_error:
            # What ends a run ends it for all its tasks alike: a wrong token, a full disk
            raise _first(group_error) from None
        if run.stopped is not None:
            await self.note("warning", "repricing", f"run {name} stopped: {run.stopped}")
        return RepriceResult(name, tuple(run.rows), tuple(run.intents), dict(run.states), run.stopped)

    async def _carry_listing(self, run: _Run, candidates: Sequence[Candidate]) -> None:
        observed = False
        for candidate in candidates:
            if not await self._goes_on(run):
                return
            try:
                if not observed:
                    async with self._connected():
                        await backbox_sync.observe(
                            await self._sources(), candidate.decision.listing, priority=run.priority
                        )
                    observed = True
                await self._carry_one(run, candidate)
            except NotAllowed:
                raise
            except Conflict as error:
                await self._settled(run, candidate, STOPPED, error.line())
            except BmError as error:
                await self._settled(run, candidate, FAILED, error.line())
                run.tried(False)
            finally:
                run.taken -= 1

    async def _goes_on(self, run: _Run) -> bool:
        """Return whether the run may begin another write; wait for a line of the SKU limit first (guard 16)."""
        loop = asyncio.get_running_loop()
        while True:
            if run.stopped is not None or self._closing or (run.until is not None and loop.time() > run.until):
                return False
            if any(
                pause.market is None and pause.listing is None for pause in await self._journal.read(pause_rows.held)
            ):
                run.stopped = "pause: everything is stopped"
                return False
            line = next((rule for rule in self._remote.traffic().rules if rule.name == _LINES), None)
            if line is None or lines_free(line.used + run.taken, line.limit, run.rules.limits) > 0:
                run.taken += 1
                return True
            if run.show is not None:
                note = "waiting for a line of the SKU limit"
                run.show(RepriceProgress(len(run.rows), run.total, dict(run.states), note))
            await asyncio.sleep(_LINES_LOOK)

    async def _carry_one(self, run: _Run, candidate: Candidate) -> None:
        listing, market = candidate.decision.key
        async with self._connected():
            await self._read_live(listing, market, run.priority)
        found, terms, _ = await self._facts(listing)
        facts = next((each for each in found if each.market == market), None)
        if facts is None:
            await self._settled(run, candidate, STOPPED, f"it is not known in {market} any more")
            return
        again = decide(facts, run.rules, terms, self.now(), writing=True, approved=run.approved)
        if again.decision is not Verdict.WRITE or again.target is None:
            await self._settled(run, candidate, STOPPED, again.reason, again)
            return
        typed = {"price": again.target.text()}
        if again.min_price is not None:
            typed["min_price"] = again.min_price.text()
        try:
            plan = plan_listing(await self.listing(listing), market, typed, origin=RULE, now=self.now(), run=run.name)
        except UsageError as error:
            await self._settled(run, candidate, STOPPED, error.line(), again)
            return
        if not plan.intents:
            await self._settled(run, candidate, STOPPED, "it is already so", again)
            return
        (intent,) = await self.apply(plan)
        done = intent.state is IntentState.CONFIRMED
        why = f": {intent.error}" if intent.error else ""
        told = None if done else f"write {intent.id} is {intent.state}{why}"
        dropped = intent.state is IntentState.DROPPED  # paused meanwhile, or no room within the limits: no failure
        state = WRITTEN if done else STOPPED if dropped else FAILED
        await self._settled(run, candidate, state, told, again, intent)
        if done:
            await self._follow(run, again, facts, terms, intent)
        if not dropped:
            run.tried(done)

    async def _settled(
        self,
        run: _Run,
        candidate: Candidate,
        state: str,
        result: str | None,
        again: Decision | None = None,
        intent: Intent | None = None,
    ) -> None:
        """Keep what became of a decision, with how it was decided again."""
        now, number = self.now(), candidate.number
        wrote = None if intent is None else intent.id

        def keep(connection: Connection) -> None:
            if number is not None:
                decision_rows.mark(connection, number, state, result=result, intent=wrote)
            if again is not None:
                decision_rows.add_again(
                    connection, run.number, number, again, now, state=state, result=result, intent=wrote
                )

        await self._history.write(keep)
        row = DecisionRow(
            again or candidate.decision, id=number or 0, run=run.name, state=state, result=result, intent=wrote
        )
        run.ended(row, intent)

    async def _follow(self, run: _Run, again: Decision, facts: Facts, terms: Terms, intent: Intent) -> None:
        """Have a change looked at later; looks at the one before it end here."""
        known, target = figures(facts, run.rules, terms), again.target
        if target is None:
            return
        change = Changed(
            intent=intent.id,
            run=run.name,
            listing=again.listing,
            market=again.market,
            sku=again.sku,
            rule=again.rule,
            strategy=again.strategy,
            old=again.old,
            new=target,
            net=None if known is None else _net(known, target),
            won_before=None if facts.box is None else facts.box.winning,
            at=intent.updated,
        )
        await self._cut_short(change, facts.box)
        await self._history.write(lambda connection: outcome_rows.expect(connection, change))

    async def _read_live(self, listing: str, market: str, priority: Priority) -> None:
        """Ask Back Market for a listing in one market, and renew the cache."""
        record = await listings_api.one(await self._remote.client(), listing, market=market, priority=priority)
        stored = ListingRecord(self._parse_listing(record, market), market, dumps(record))
        at = self.now()
        await self._mirror.write(lambda connection: listing_rows.store(connection, [stored], fetched_at=at))


def _net(known: Figures, target: Money) -> Money:
    """Return what a sale at `target` leaves."""
    return Money(int(known.net(target.minor).to_integral_value(ROUND_HALF_UP)), target.currency)


def _to_write(planned: PricingPlan, ids: Mapping[Key, int]) -> list[Candidate]:
    decisions = (row.decision for row in planned.decisions)
    return [Candidate(each, ids.get(each.key)) for each in decisions if each.decision is Verdict.WRITE]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = next((each for each in error.exceptions if isinstance(each, BmError)), error.exceptions[0])
    return error
