"""What happens in the demo's shop: costs, thirty days of history, suggestions, a conflict, a refused write, and life.

It runs beside the console over a sandbox on this machine, and only there. The sandbox's own endpoints play the others:
another editor, a server that refuses, buyers and rivals.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from zlib import crc32

import httpx

from bmconsole.domain.costs import Cost
from bmconsole.domain.listings import Listing
from bmconsole.domain.money import rounded
from bmconsole.domain.views import ListingRow, Query
from bmconsole.errors import BmError, Guarded
from bmconsole.store import past
from bmconsole.workspace import Workspace

DAYS = 30
STEP = timedelta(hours=30)
"""How long what was seen of a backbox holds in the history."""
LIFE = {"rate": 0.04, "rival_moves": 4}
"""How the shop lives once all is told: an order in about half a minute, each rival looks at its price every 15 min."""
_PATIENCE = 120.0


async def tell(workspace: Workspace) -> None:
    """Let the story happen; ends when all is told and the shop lives by itself.

    Raises:
        Guarded: The workspace is not over a sandbox.
        BmError: A step failed.
    """
    if workspace.profile.environment != "sandbox":
        raise Guarded("The demo's story is told in a sandbox only.")
    await _synced(workspace)
    await invent_costs(workspace)
    await workspace.sync(["backbox"])
    await invent_past(workspace)
    await workspace.reprice_now(cause="console")
    async with _sandbox(workspace) as sandbox:
        await _writes(workspace, sandbox)
        await sandbox.put("/_sandbox/live", json=LIFE)
    await workspace.note("info", "demo", "The story is told; from now on the shop lives by itself.")


async def _synced(workspace: Workspace) -> None:
    """Wait for the first passes over orders and listings, which the engine makes."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            # The engine begins a moment after the workspace is there.
            await asyncio.sleep(0.3)
            feeds = (await workspace.status()).feeds
            if feeds["orders"] is not None and feeds["listings"] is not None:
                return
            if workspace.engine.role != "here":
                await workspace.sync(["orders", "listings"])


async def invent_costs(workspace: Workspace) -> int:
    """Give most listings a cost, so that most boxes can be judged; the same SKU gets the same one."""
    costs = []
    for row in await _listings(workspace, ""):
        chance = crc32(row.sku.encode())
        if row.price is None or chance % 9 == 0:
            continue
        share = Decimal(58 + chance % 17) / 100
        purchase = rounded(row.price.amount * share, row.price.currency).amount
        costs.append(Cost(row.sku, row.price.currency, purchase, parts=Decimal(4), shipping=Decimal("5.90")))
    by_sku = {cost.sku: cost for cost in costs}
    return await workspace.keep_costs(list(by_sku.values()))


async def invent_past(workspace: Workspace) -> int:
    """Write what was seen of backboxes and prices in the last thirty days."""
    now = workspace.now()
    moments = [now - STEP * back for back in range(int(timedelta(days=DAYS) / STEP), -1, -1)]
    offers = await workspace.read_mirror(past.offers)
    return await workspace.write_history(lambda connection: past.invent(connection, offers, moments))


async def _writes(workspace: Workspace, sandbox: httpx.AsyncClient) -> None:
    """A change that went well, one that Back Market refused, and one that another editor was faster with."""
    market = workspace.profile.main_market
    chosen = [row for row in await _listings(workspace, "publication:online !winning") if row.price is not None][:3]
    if len(chosen) < 3:
        raise BmError("The sandbox has too few listings for the story.")
    well, refused, faster = chosen
    await _change(workspace, well, market, Decimal("0.99"))
    await sandbox.put(
        "/_sandbox/faults",
        json=[
            {
                "kind": "answer",
                "path": f"/ws/listings/{refused.id}",
                "methods": ["POST"],
                "times": 1,
                "status": 400,
                "body": {"errors": [{"code": "price", "message": "The price is outside the range of this product."}]},
            }
        ],
    )
    await _change(workspace, refused, market, Decimal("0.97"))
    await sandbox.put("/_sandbox/faults", json=[])
    await _change(workspace, faster, market, Decimal("0.985"), sandbox)


async def _change(
    workspace: Workspace, row: ListingRow, market: str, factor: Decimal, sandbox: httpx.AsyncClient | None = None
) -> None:
    """Write a price; with `sandbox` another editor changes it between the plan and the write."""
    listing = await workspace.listing(row.id)
    plan = await workspace.plan_listing(row.id, market, {"price": _price(listing, market, factor)})
    if sandbox is not None:
        other = {"market": market, "price": _price(listing, market, factor - Decimal("0.04"))}
        (await sandbox.post(f"/_sandbox/edit/listings/{row.id}", json=other)).raise_for_status()
    await workspace.apply(plan)


def _price(listing: Listing, market: str, factor: Decimal) -> str:
    price = listing.offers[market].price
    if price is None:
        raise BmError(f"{listing.sku} has no price in {market}.")
    return rounded(price.amount * factor, price.currency).text()


async def _listings(workspace: Workspace, where: str) -> list[ListingRow]:
    return await workspace.listings_page(Query(where=where, sort="sku", limit=0))


@asynccontextmanager
async def _sandbox(workspace: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    headers: Mapping[str, str] = {"User-Agent": workspace.profile.user_agent}
    async with httpx.AsyncClient(base_url=workspace.profile.base_url, headers=headers, trust_env=False) as client:
        yield client
