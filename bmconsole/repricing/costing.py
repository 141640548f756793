"""The part of a workspace that knows what units cost."""

import asyncio
from collections.abc import Sequence
from functools import partial

from bmconsole.domain.costs import Cost
from bmconsole.domain.listings import ONLINE
from bmconsole.domain.pricing_views import CostPlan, CostRow, Uncosted
from bmconsole.domain.text import clean
from bmconsole.errors import NotFound
from bmconsole.planning import Planning
from bmconsole.repricing.costbook import CostBook
from bmconsole.repricing.costfile import COLUMNS, Known, plan_costs
from bmconsole.repricing.rulesfile import markets_with_vat
from bmconsole.store import costs as cost_rows
from bmconsole.store import facts as fact_rows
from bmconsole.store.facts import OfferRow
from bmconsole.store.intents import audit
from bmconsole.store.sqlite import Connection
from bmconsole.writes.csvfile import read_table


class Costing(Planning):
    """Keeps costs, and tells which listings have none."""

    async def costs(self, *, after: int = 0, limit: int = 50) -> list[CostRow]:
        """Return the costs that hold, in the order of their ids, behind `after`; `limit` 0 = all."""
        return await self._journal.read(lambda connection: cost_rows.current(connection, after=after, limit=limit))

    async def cost_history(self, sku: str) -> list[CostRow]:
        """Return every cost that a SKU ever had, oldest first.

        Raises:
            NotFound: It never had one.
        """
        found = await self._journal.read(lambda connection: cost_rows.history(connection, sku))
        if not found:
            shown = clean(sku, limit=60)
            raise NotFound(f"There is no cost of {shown}.", field="sku", value=shown)
        return found

    async def plan_costs(self, content: bytes) -> CostPlan:
        """Return what a file of costs would change: CSV or JSON lines; nothing is kept yet.

        Raises:
            UsageError: It is no such file; faults of single lines are in what is returned.
            NotAllowed: The access does not allow it.
        """
        self._need("operator", "change costs")
        table = await asyncio.to_thread(read_table, content, COLUMNS)
        held = await self._journal.read(cost_rows.current)
        skus = await self._mirror.read(fact_rows.skus)
        known = Known({cost_rows.key_of(row.cost): row.cost for row in held}, skus, self.profile.markets)
        return await asyncio.to_thread(plan_costs, table, known)

    async def keep_costs(self, costs: Sequence[Cost]) -> int:
        """Let costs hold from now on; what held before stays in their history. Return how many differ from before.

        Raises:
            NotAllowed: The access does not allow it.
        """
        self._need("operator", "change costs")
        now = self.now()

        def keep(connection: Connection) -> int:
            kept = cost_rows.keep(connection, costs, now=now)
            if kept:
                audit(connection, now, "operator", {"event": "costs", "kept": kept})
            return kept

        return await self._journal.write(keep)

    async def uncosted(self) -> list[Uncosted]:
        """Return the listings that have no cost in some market that they are in, those online first, by SKU."""
        book = await self._cost_book()
        rows = await self._mirror.read(partial(fact_rows.offers, markets=self.profile.markets, online=False))
        return await asyncio.to_thread(_uncosted, rows, book)

    async def _cost_book(self) -> CostBook:
        rows = await self._journal.read(cost_rows.current)
        with_vat = await asyncio.to_thread(markets_with_vat, self.profile, self.paths)
        return CostBook([row.cost for row in rows], with_vat)


def _uncosted(rows: Sequence[OfferRow], book: CostBook) -> list[Uncosted]:
    lacking: dict[str, list[tuple[OfferRow, str]]] = {}
    for row in rows:
        if why := book.lacking(row.sku, row.market, row.grade):
            lacking.setdefault(row.id, []).append((row, why))
    found = []
    for offers in lacking.values():
        first = offers[0][0]
        found.append(
            Uncosted(
                id=first.id,
                listing_id=first.listing_id,
                sku=first.sku,
                title=first.title,
                markets=tuple(row.market for row, _ in offers),
                quantity=first.quantity,
                online=any(row.publication_state == ONLINE for row, _ in offers),
                why="; ".join(dict.fromkeys(why for _, why in offers)),
            )
        )
    return sorted(found, key=lambda each: (not each.online, each.sku, each.id))
