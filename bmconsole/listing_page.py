"""Gathers what there is to know around a listing, from the files alone."""

from typing import TYPE_CHECKING

from bmconsole.domain.listing_page import ListingPage, Rung, rank
from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import DecisionView, PriceHistory
from bmconsole.domain.views import Query
from bmconsole.errors import NotFound
from bmconsole.store import facts, figures
from bmconsole.store.sqlite import Connection

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace

ORDERS = 6
"""How many open orders are shown."""


async def gather(workspace: "Workspace", ref: str, market: str) -> ListingPage:
    """Return what surrounds a listing in a market.

    Raises:
        NotFound: The listing is not in the cache.
    """
    listing = await workspace.listing(ref)

    def read(connection: Connection) -> tuple[int, dict[str, Money], list[Rung]]:
        found = facts.ladder(connection, listing.product_id, (market,)) if listing.product_id else []
        rungs = [
            Rung(
                id=row.id,
                sku=row.sku,
                grade=row.grade,
                price=Money(row.price, row.currency),
                quantity=row.quantity,
                winning=None if row.winning is None else bool(row.winning),
                own=row.id == listing.id,
            )
            for row in found
            if row.price is not None
        ]
        floors = {name: Money(minor, currency) for name, currency, minor in figures.floors(connection, listing.id)}
        return figures.open_units(connection, listing.sku), floors, rungs

    units, floors, rungs = await workspace.read_mirror(read)
    quoted = listing.sku.replace("\\", "\\\\").replace('"', '\\"')
    waiting = Query(where=f'status:to-accept,to-ship sku:"{quoted}"', sort="due", limit=ORDERS)
    return ListingPage(
        market=market,
        floors=floors,
        stock=listing.quantity,
        open_units=units,
        open_orders=tuple(await workspace.orders_page(waiting)) if units else (),
        ladder=tuple(sorted(rungs, key=lambda rung: (rank(rung.grade), rung.price.minor))) if len(rungs) > 1 else (),
        decision=await _decision(workspace, listing.id, market),
        history=await _history(workspace, listing.id, market),
    )


async def _decision(workspace: "Workspace", listing: str, market: str) -> DecisionView | None:
    try:
        return await workspace.decision_of(listing, market)
    except NotFound:
        return None


async def _history(workspace: "Workspace", listing: str, market: str) -> PriceHistory | None:
    try:
        return await workspace.price_history(listing, market)
    except NotFound:
        return None
