"""The part of a workspace that decides about prices: gathers facts in bulk, asks the engine, keeps what it said."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from bmconsole.domain.decisions import Decision
from bmconsole.domain.pricing_views import DecisionRow, PricingPlan, RuleRow, RuleUse
from bmconsole.pricing.decide import Plan, plan
from bmconsole.pricing.rules import falls_under
from bmconsole.pricing.values import Facts, Rules, Terms
from bmconsole.repricing.control import Control
from bmconsole.repricing.gathering import FEES, MEMORY, Material, Shown, gather, shown
from bmconsole.repricing.quiet import uncollected
from bmconsole.store import costs as cost_rows
from bmconsole.store import decisions as decision_rows
from bmconsole.store import facts as fact_rows
from bmconsole.store import modes as mode_rows
from bmconsole.store import pauses as pause_rows
from bmconsole.store import runs as run_rows
from bmconsole.store.decisions import Held, Key, fingerprint, state_of
from bmconsole.store.sqlite import Connection

AT_A_TIME = 500
"""Decisions in one transaction: another process waits for the file no longer than they take."""
_FEW = 3

T = TypeVar("T")


class Deciding(Control):
    """Plans repricing; nothing is written to Back Market here."""

    async def plan_repricing(self, *, approved: bool = False, rules: Rules | None = None) -> PricingPlan:
        """Decide about every offer that is online from what was last observed; nothing is kept or written.

        Args:
            approved: As `--apply` decides: what waits for approval only is to be written.
            rules: Others than those of `rules.toml`.

        Raises:
            SettingsError: The rules cannot be read.
        """
        chosen = rules or await self.rules()
        with uncollected():
            facts, terms, extra = await self._facts()
            now = self.now()
            found = await asyncio.to_thread(plan, facts, chosen, terms, now, approved=approved)
            return await asyncio.to_thread(self._shown_plan, found, extra, now)

    async def reprice(self) -> list[DecisionRow]:
        """Return what repricing would do now, what costs money first."""
        return list((await self.plan_repricing()).decisions)

    async def rule_uses(self) -> list[RuleUse]:
        """Return which rule each offer falls under, by SKU and market.

        Raises:
            SettingsError: The rules cannot be read.
        """
        rules = await self.rules()
        facts, terms, _ = await self._facts()
        now = self.now()

        def use(each: Facts) -> RuleUse:
            found = falls_under(rules, each, terms, now)
            first = found[0] if found else None
            mode = each.mode or (first.mode if first else None) or terms.mode
            return RuleUse(
                each.listing, each.sku, each.market, first.name if first else None, str(mode),
                first.strategies if first else (),
            )  # fmt: skip

        uses = await asyncio.to_thread(lambda: [use(each) for each in facts])
        return sorted(uses, key=lambda each: (each.sku, each.market, each.listing))

    async def rule_rows(self) -> list[RuleRow]:
        """Return the rules in their order with how many offers fall under each, and last what falls under none.

        Raises:
            SettingsError: The rules cannot be read.
        """
        rules = await self.rules()
        by_rule: dict[str | None, list[str]] = {}
        for use in await self.rule_uses():
            by_rule.setdefault(use.rule, []).append(use.sku)
        rows = [
            RuleRow(
                rule.name,
                rule.line or None,
                str(rule.mode or self.profile.repricing_mode),
                rule.strategies,
                len(by_rule.get(rule.name, ())),
                tuple(dict.fromkeys(by_rule.get(rule.name, ())))[:_FEW],
            )
            for rule in rules.rules
        ]
        if alone := by_rule.get(None):
            rows.append(RuleRow("", None, "", (), len(alone), tuple(dict.fromkeys(alone))[:_FEW]))
        return rows

    # Inside

    def _shown_plan(self, found: Plan, extra: Mapping[Key, Shown], now: datetime) -> PricingPlan:
        rows = tuple(_row(decision, extra) for decision in found.decisions)
        counts = Counter(str(decision.decision) for decision in found.decisions)
        tripped = None if found.breaker is None else found.breaker.reason
        return PricingPlan("", now, self.profile.repricing_mode, rows, dict(counts), tripped)

    async def _facts(self, listing: str | None = None) -> tuple[list[Facts], Terms, dict[Key, Shown]]:
        """Return the facts about every offer that is online, or about those of one listing, wherever it is."""
        now, markets = self.now(), self.profile.markets
        since = now - MEMORY

        def mirror(connection: Connection) -> tuple[list[fact_rows.OfferRow], list[fact_rows.SoldRow]]:
            if listing is None:
                return fact_rows.offers(connection, markets), list(fact_rows.sold(connection, now - FEES))
            own = [row for row in fact_rows.offers_of(connection, [listing]) if row.market in markets]
            beside = [
                row
                for product in {row.product_id for row in own if row.product_id is not None}
                for row in fact_rows.ladder(connection, product, markets)
                if row.id != listing
            ]
            sold = [row for sku in {row.sku for row in own} for row in fact_rows.sold(connection, now - FEES, sku=sku)]
            return [*own, *beside], sold

        def history(connection: Connection) -> Material:
            return Material(
                seen=list(fact_rows.seen(connection, since, listing=listing)),
                prices=list(fact_rows.prices(connection, since, listing=listing)),
                first_prices=fact_rows.first_prices(connection, listing=listing),
            )

        def journal(connection: Connection, material: Material, skus: Sequence[str] | None) -> None:
            material.changes = fact_rows.changes(connection, since, listing=listing)
            rows = cost_rows.current(connection) if skus is None else cost_rows.of_skus(connection, skus)
            material.costs = [row.cost for row in rows]
            material.pauses = pause_rows.held(connection)
            material.unsettled = fact_rows.unsettled(connection)
            material.modes = mode_rows.held(connection)

        offers, sold = await self._mirror.read(mirror)
        material = await self._history.read(history)
        skus = None if listing is None else [row.sku for row in offers]
        await self._journal.read(lambda connection: journal(connection, material, skus))
        material.offers, material.sold = offers, sold
        only = None if listing is None else frozenset([listing])
        facts = await asyncio.to_thread(gather, material, now, only=only)
        return facts, self._terms(material.pauses), await asyncio.to_thread(shown, offers)

    async def _keep(self, run: int, rows: Sequence[DecisionRow]) -> tuple[dict[Key, int], list[Decision]]:
        """Let decisions about everything hold from a run on.

        Those that say the same as the one before are not written again.

        Returns:
            The ids of those that hold, by offer, and those that are new.
        """
        now = self.now()
        before = await self._history.read(decision_rows.held)
        floors = await self._mirror.read(fact_rows.floors)
        with uncollected():
            found = await asyncio.to_thread(_compare, [row.decision for row in rows], before, floors)
        ids = found.ids
        for fresh in _batches(found.fresh):
            ids |= await self._history.write(partial(decision_rows.replace, run=run, items=fresh, now=now))
        for keys in _batches(found.gone):
            await self._history.write(partial(decision_rows.end, run=run, keys=keys))
        for changed in _batches(found.floors):
            await self._mirror.write(partial(fact_rows.keep_floors, floors=changed))
        return ids, [decision for decision, _, _ in found.fresh]

    async def _begin_run(self, cause: str, rules: Rules) -> tuple[int, str]:
        name, now, mode = self._new_run("rule"), self.now(), self.profile.repricing_mode
        number = await self._history.write(
            lambda connection: run_rows.begin(connection, name, cause=cause, mode=mode, rules=rules.text, now=now)
        )
        return number, name


@dataclass(slots=True)
class _Compared:
    """What differs from what holds."""

    ids: dict[Key, int]
    fresh: list[tuple[Decision, bytes, str]]
    gone: list[Key]
    floors: list[tuple[int | None, str, str]]


def _compare(decisions: Sequence[Decision], before: Mapping[Key, Held], floors: Mapping[Key, int]) -> _Compared:
    found = _Compared({}, [], [], [])
    for decision in decisions:
        key, state, former = fingerprint(decision), state_of(decision), before.get(decision.key)
        if former is not None and former.key == key and former.state == state:
            found.ids[decision.key] = former.id
        else:
            found.fresh.append((decision, key, state))
        floor = None if decision.floor is None else decision.floor.minor
        if floors.get(decision.key) != floor:
            found.floors.append((floor, *decision.key))
    found.gone = list(before.keys() - {decision.key for decision in decisions})
    return found


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + AT_A_TIME] for start in range(0, len(items), AT_A_TIME))


def _row(decision: Decision, extra: Mapping[Key, Shown]) -> DecisionRow:
    beside = extra.get(decision.key)
    return DecisionRow(decision) if beside is None else DecisionRow(decision, beside.title, beside.quantity, beside.box)
