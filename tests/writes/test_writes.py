"""Writes against the sandbox over HTTP: what is called done was read back, and nothing is sent twice unseen."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from bmconsole.domain.intents import Intent, IntentState
from bmconsole.errors import NotAllowed, Unreachable
from bmconsole.paths import Paths
from bmconsole.sandbox import RunningSandbox
from bmconsole.store import leases
from bmconsole.workspace import Workspace
from tests.conftest import profile_for


class Shop:
    """The sandbox's side: its state, its faults, another editor."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        # Prices far from the edges of what a listing accepts, with no least price in the way.
        self.listing = next(
            found
            for found in (sandbox.shop.listings.get(number) for number in range(len(sandbox.shop.listings)))
            if all(sandbox.shop.listings.offer(found, market).min_price is None for market in ("fr-fr", "de-de"))
        ).id

    async def call(self, method: str, path: str, body: object = None) -> Any:  # JSON of the sandbox's own
        async with httpx.AsyncClient(base_url=self.sandbox.url) as http:
            answer = await http.request(method, f"/_sandbox{path}", json=body)
            answer.raise_for_status()
            return answer.json() if answer.content else None

    async def price(self, market: str) -> str:
        state = await self.call("GET", f"/state/listings/{self.listing}")
        return str(state["markets"][market]["price"])

    async def fault(self, **fault: object) -> None:
        path = f"/ws/listings/{self.listing}"
        await self.call("PUT", "/faults", [{"path": path, "methods": ["POST"], **fault}] if fault else [])

    def posts(self) -> int:
        return sum(write.path.endswith(self.listing) for write in self.sandbox.journal.writes)


@pytest.fixture
async def shop(sandbox: RunningSandbox, workspace: Workspace) -> Shop:
    await workspace.sync(["listings"])
    return Shop(sandbox)


async def change(workspace: Workspace, shop: Shop, **fields: str) -> Intent:
    plan = await workspace.plan_listing(shop.listing, "de-de", fields)
    (intent,) = await workspace.apply(plan)
    return intent


async def test_a_price_changes_in_its_market_only_and_is_read_back(workspace: Workspace, shop: Shop) -> None:
    french, german = await shop.price("fr-fr"), await shop.price("de-de")
    intent = await change(workspace, shop, price="231.50")
    assert intent.state is IntentState.CONFIRMED
    assert (dict(intent.base), dict(intent.want), dict(intent.readback or {})) == (
        {"price": german},
        {"price": "231.50"},
        {"price": "231.50"},
    )
    assert (await shop.price("de-de"), await shop.price("fr-fr")) == ("231.50", french)
    offer = (await workspace.listing(shop.listing)).offers["de-de"]
    assert str(offer.price) == "231.50 EUR"
    assert shop.posts() == 1


async def test_a_foreign_change_is_a_conflict_and_is_left_alone(workspace: Workspace, shop: Shop) -> None:
    plan = await workspace.plan_listing(shop.listing, "de-de", {"price": "231.50"})
    await shop.call("POST", f"/edit/listings/{shop.listing}", {"market": "de-de", "price": "199.00"})
    (intent,) = await workspace.apply(plan)
    assert intent.state is IntentState.CONFLICT
    assert dict(intent.readback or {}) == {"price": "199.00"}
    assert (await shop.price("de-de"), shop.posts()) == ("199.00", 0)


async def test_a_lost_acknowledgement_is_settled_by_reading(workspace: Workspace, shop: Shop) -> None:
    await shop.fault(kind="drop", at="after")
    intent = await change(workspace, shop, price="231.50")
    assert (intent.state, intent.attempts) == (IntentState.CONFIRMED, 1)
    assert (await shop.price("de-de"), shop.posts()) == ("231.50", 1)


async def test_a_lost_request_is_sent_again_only_after_a_read(workspace: Workspace, shop: Shop) -> None:
    before = await shop.price("de-de")
    await shop.fault(kind="drop", at="before")
    intent = await change(workspace, shop, price="231.50")
    assert (intent.state, intent.attempts) == (IntentState.UNKNOWN, 3)
    assert await shop.price("de-de") == before
    steps = await workspace._journal.read(
        lambda connection: [row["step"] for row in connection.execute("SELECT step FROM attempts ORDER BY n")]
    )
    assert steps == ["read", "send", "read", "send", "read", "send", "read"]


async def test_a_refusal_is_shown_and_not_sent_again(workspace: Workspace, shop: Shop) -> None:
    await shop.fault(kind="answer", status=400, body="price is too far from min_price")
    intent = await change(workspace, shop, price="231.50")
    assert intent.state is IntentState.REJECTED
    assert "too far from min_price" in (intent.error or "")
    assert shop.posts() == 1


async def test_what_was_never_sent_is_dropped_and_said(workspace: Workspace, shop: Shop) -> None:
    plan = await workspace.plan_listing(shop.listing, "de-de", {"price": "231.50"})
    await shop.call("PUT", "/faults", [{"path": "/ws/listings", "kind": "error", "status": 503}])
    with pytest.raises(Unreachable, match="503"):
        await workspace.apply(plan)
    (intent,) = await workspace.intents()
    assert intent.state is IntentState.DROPPED
    assert "503" in (intent.error or "")
    assert shop.posts() == 0


async def test_stock_is_absolute_or_relative_to_the_live_one(workspace: Workspace, shop: Shop) -> None:
    await shop.call("POST", f"/edit/listings/{shop.listing}", {"quantity": 9})
    intent = await change(workspace, shop, quantity="+2")
    assert (intent.state, dict(intent.want)) == (IntentState.CONFIRMED, {"quantity": 11})
    plan = await workspace.plan_listing(shop.listing, None, {"quantity": "4"})
    await shop.call("POST", f"/edit/listings/{shop.listing}", {"quantity": 6})
    (intent,) = await workspace.apply(plan)
    assert intent.state is IntentState.CONFIRMED, "a differing live stock is no conflict"
    assert (await workspace.listing(shop.listing)).quantity == 4


async def test_a_viewer_writes_nothing(workspace: Workspace, shop: Shop) -> None:
    viewer = workspace.profile.model_copy(update={"access": "viewer"})
    async with await Workspace.open(viewer, workspace.paths) as watching:
        plan = await watching.plan_listing(shop.listing, "de-de", {"price": "231.50"})
        with pytest.raises(NotAllowed, match="viewer"):
            await watching.apply(plan)
    assert await workspace.intents() == []
    assert shop.posts() == 0


@pytest.mark.parametrize("reached", [False, True])
async def test_what_a_dead_process_left_is_brought_to_its_end(
    workspace: Workspace, shop: Shop, sandbox: RunningSandbox, tmp_path: Path, reached: bool
) -> None:
    plan = await workspace.plan_listing(shop.listing, "de-de", {"price": "231.50"})
    (held,) = await workspace._journal.write(
        lambda connection: leases.save(connection, plan.intents, owner="4711-dead", now=workspace.now())
    )
    saved = held.intent
    await workspace._journal.write(
        lambda connection: leases.move(connection, held, IntentState.SENT, now=workspace.now())
    )
    if reached:
        await shop.call("POST", f"/edit/listings/{shop.listing}", {"market": "de-de", "price": "231.50"})
    async with await Workspace.open(profile_for(sandbox), Paths.under(tmp_path)) as next_one:
        (settled,) = await next_one.settle_left_behind()
    assert (settled.id, settled.state) == (saved.id, IntentState.CONFIRMED)
    assert (await shop.price("de-de"), shop.posts()) == ("231.50", 0 if reached else 1)


async def test_the_living_keep_their_intents(workspace: Workspace, shop: Shop, sandbox: RunningSandbox) -> None:
    plan = await workspace.plan_listing(shop.listing, "de-de", {"price": "231.50"})
    executor = workspace._executor(await workspace._remote.client())
    await executor.save(plan.intents)
    async with await Workspace.open(profile_for(sandbox), workspace.paths) as other:
        assert await other.settle_left_behind() == []
    assert len(await workspace.intents(unfinished=True)) == 1
