"""A shop without limits in the test's own loop, and a workspace that was synced."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bmconsole.domain.intents import Intent
from bmconsole.domain.views import WritePlan
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox, running
from bmconsole.workspace import Workspace
from tests.conftest import MARKETS
from tests.writes.killed import fast_profile


class Desk:
    """The operator's side and the platform's: a synced workspace, and what others do to the shop."""

    def __init__(self, workspace: Workspace, sandbox: RunningSandbox, http: httpx.AsyncClient) -> None:
        self.workspace = workspace
        self.sandbox = sandbox
        self._http = http

    async def call(self, method: str, path: str, body: object = None) -> Any:  # JSON of the sandbox's own
        answer = await self._http.request(method, f"/_sandbox{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def edit_listing(self, listing: str, **edit: object) -> None:
        await self.call("POST", f"/edit/listings/{listing}", edit)

    async def offer(self, listing: str, market: str = "fr-fr") -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("GET", f"/state/listings/{listing}"))["markets"][market]
        return found

    async def until_stock_is(self, listing: str, count: int) -> None:
        """Wait until a write has reached the shop; each look is a request, so nothing spins."""
        async with asyncio.timeout(10):
            while (await self.offer(listing))["quantity"] != count:
                pass

    async def order(self, order_id: int) -> dict[str, Any]:
        found: dict[str, Any] = await self.call("GET", f"/state/orders/{order_id}")
        return found

    async def put_order(self, order_id: int, states: list[int], **edit: object) -> None:
        """Put an order's lines into states, as the platform might, and have the workspace know."""
        lines = self.lines(order_id)
        changes = {
            str(line): {"state": state, "imei": None, "serial_number": None, "return_reason": 0}
            for line, state in zip(lines, states, strict=True)
        }
        await self.call("POST", f"/edit/orders/{order_id}", {"lines": changes, "tracking_number": None, **edit})
        await self.workspace.inspect_order(order_id)

    def lines(self, order_id: int) -> list[int]:
        found = self.sandbox.shop.orders.find(order_id)
        assert found is not None
        return [line.id for line in self.sandbox.shop.orders.get(found).lines]

    def orders(self, lines: int, *, quantity: int = 1) -> Iterator[int]:
        """Yield the ids of orders with so many lines of so many pieces each."""
        orders = self.sandbox.shop.orders
        for index in range(len(orders)):
            order = orders.get(index)
            skus = {line.listing for line in order.lines}
            alike = len(order.lines) == lines == len(skus) and all(line.quantity == quantity for line in order.lines)
            if alike and order.state not in (0, 8):
                yield order.id

    async def fault(self, *faults: dict[str, object]) -> None:
        await self.call("PUT", "/faults", list(faults))

    @property
    def writes(self) -> int:
        return len(self.sandbox.journal.writes)

    async def apply(self, plan: WritePlan, *, files: tuple[bytes, ...] = ()) -> list[Intent]:
        return await self.workspace.apply(plan, files=files)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    options = Options(
        seed=7, orders=60, listings=40, markets=MARKETS, limits=False, several_lines=0.3, backbox_settle=(0.0, 0.0)
    )
    async with (
        running(options) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http,
        await Workspace.open(fast_profile(sandbox), Paths.under(tmp_path)) as workspace,
    ):
        await workspace.sync()
        yield Desk(workspace, sandbox, http)
