"""A shop whose listings all compete, a workspace with costs, rivals that tests move."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from bmconsole.domain.costs import Cost
from bmconsole.domain.listings import ONLINE
from bmconsole.domain.pricing_views import DecisionRow
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox, running
from bmconsole.workspace import Workspace
from tests.conftest import MARKETS, profile_for
from tests.writes.killed import FAST

LIMITS = FAST | {"competitors": "100000/1"}


class Market:
    """The operator's side and the platform's: a workspace that was synced and observed, and who competes with it."""

    def __init__(self, workspace: Workspace, sandbox: RunningSandbox, http: httpx.AsyncClient) -> None:
        self.workspace = workspace
        self.sandbox = sandbox
        self._http = http

    async def call(self, method: str, path: str, body: object = None) -> Any:  # JSON of the sandbox's own
        answer = await self._http.request(method, f"/_sandbox{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def edit(self, listing: str, **edit: object) -> None:
        await self.call("POST", f"/edit/listings/{listing}", edit)

    def price(self, listing: str, market: str = "fr-fr") -> int:
        """Return the true price in minor units."""
        shop = self.sandbox.shop.listings
        number = shop.find(listing)
        assert number is not None
        price: int = shop.offer(shop.get(number), market).price
        return price

    def rival(self, listing: str, minor: int | None, market: str = "fr-fr") -> None:
        """Give the best rival a price, in minor units."""
        shop = self.sandbox.shop
        number = shop.listings.find(listing)
        assert number is not None
        shop.backbox.set_rival(shop.listings.get(number), market, minor)

    async def online(self, market: str = "fr-fr") -> list[str]:
        """Return the listings that can be bought in a market."""
        found = await self.workspace._mirror.read(
            lambda connection: connection.execute(
                "SELECT listing FROM offers WHERE market = ? AND publication_state = ? ORDER BY listing",
                (market, ONLINE),
            ).fetchall()
        )
        return [row[0] for row in found]

    async def cost(self, listings: Sequence[str], share: float = 0.5, **more: object) -> None:
        """Keep costs: the purchase is a share of the price that each listing has now."""
        costs = []
        for ref in listings:
            listing = await self.workspace.listing(ref)
            purchase = (Decimal(self.price(ref)) * Decimal(str(share)) / 100).quantize(Decimal("0.01"))
            costs.append(Cost(sku=listing.sku, currency="EUR", purchase=purchase, market="fr-fr", **more))  # type: ignore[arg-type]
        await self.workspace.keep_costs(costs)

    async def observe(self) -> None:
        assert (await self.workspace.sync(["backbox"]))["backbox"].clean

    def rules(self, text: str) -> None:
        folder = self.workspace.paths.config
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rules.toml").write_text(text, encoding="utf-8")

    async def decide(self, listing: str, market: str = "fr-fr", *, approved: bool = False) -> DecisionRow:
        plan = await self.workspace.plan_repricing(approved=approved)
        return next(row for row in plan.decisions if row.decision.key == (listing, market))

    async def losing(self, count: int, gap: float = 0.02) -> list[str]:
        """Have listings lose the French box by a share of their price, at a cost that leaves room; return them."""
        chosen = (await self.online())[:count]
        assert len(chosen) == count
        for listing in chosen:
            self.rival(listing, int(self.price(listing) * (1 - gap)))
        await self.cost(chosen)
        await self.observe()
        return chosen


OpenMarket = Callable[..., Any]


@pytest.fixture
async def open_market(tmp_path: Path) -> AsyncIterator[OpenMarket]:
    """Open a market; arguments are settings of the profile."""
    async with AsyncExitStack() as stack:

        async def make(listings: int = 40, **profile: object) -> Market:
            options = Options(
                seed=7, orders=40, listings=listings, markets=MARKETS, limits=False, backbox_share=1.0,
                backbox_settle=(0.0, 0.0),
            )  # fmt: skip
            sandbox = await stack.enter_async_context(running(options))
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=sandbox.url, trust_env=False))
            settings: dict[str, object] = {"vat": "margin 20", "limits": LIMITS, **profile}
            opened = await Workspace.open(profile_for(sandbox, **settings), Paths.under(tmp_path))
            workspace = await stack.enter_async_context(opened)
            await workspace.sync()
            return Market(workspace, sandbox, http)

        yield make


@pytest.fixture
async def market(open_market: OpenMarket) -> Market:
    """A market in mode `suggest`."""
    made: Market = await open_market()
    return made
