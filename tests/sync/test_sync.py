import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from bmconsole.domain.views import Progress
from bmconsole.errors import NotAllowed, Unauthorised
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox, running
from bmconsole.sandbox.options import ORDERINGS
from bmconsole.workspace import Workspace
from tests.conftest import OFF, profile_for


async def control(sandbox: RunningSandbox, method: str, path: str, body: object = None) -> object:
    async with httpx.AsyncClient(base_url=sandbox.url) as http:
        answer = await http.request(method, f"/_sandbox{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


async def test_the_mirror_holds_what_the_server_has(workspace: Workspace, sandbox: RunningSandbox) -> None:
    steps: list[Progress] = []
    results = await workspace.sync(progress=steps.append)
    assert results["orders"].as_json() == {"pages": 3, "seen": 130, "changed": 130, "quarantined": 0, "clean": True}
    assert results["listings"].as_json() == {"pages": 4, "seen": 70, "changed": 140, "quarantined": 0, "clean": True}
    status = await workspace.status()
    assert (status.orders, status.listings, status.online) == (130, 70, True)
    assert sandbox.journal.rate_limited == 0
    assert (steps[0].stream, steps[0].total) == ("orders", 130)
    assert max(step.done for step in steps if step.stream == "orders") == 130


async def test_a_second_pull_reads_only_what_changed(workspace: Workspace, sandbox: RunningSandbox) -> None:
    await workspace.sync(["orders"])
    sandbox.journal.clear()
    result = (await workspace.sync(["orders"]))["orders"]
    assert (result.pages, result.changed, result.clean) == (1, 0, True)
    placed = await control(sandbox, "POST", "/orders", {"listing": sandbox.shop.listings.get(0).id})
    assert isinstance(placed, dict)
    result = (await workspace.sync(["orders"]))["orders"]
    assert result.changed == 1
    assert (await workspace.status()).orders == 131


async def test_a_cut_off_backfill_goes_on_where_it_stopped(workspace: Workspace, sandbox: RunningSandbox) -> None:
    def stop(_: Progress) -> None:
        cut_off.cancel()

    cut_off = asyncio.create_task(workspace.sync(["orders"], progress=stop))
    with pytest.raises(asyncio.CancelledError):
        await cut_off
    sandbox.journal.clear()
    result = (await workspace.sync(["orders"]))["orders"]
    assert (result.seen, result.clean) == (130, True)
    assert sandbox.journal.count("GET", "/ws/orders") == 3, "the changes first, then the two pages that were missing"
    assert (await workspace.status()).orders == 130


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_a_shop_that_lives_is_read_exactly_once_it_rests(ordering: str, tmp_path: Path) -> None:
    options = Options(seed=3, orders=160, listings=40, ordering=ordering, live=40.0, limits=False)
    async with (
        running(options) as sandbox,
        await Workspace.open(profile_for(sandbox, markets=("fr-fr",)), Paths.under(tmp_path)) as workspace,
    ):
        await control(sandbox, "PUT", "/faults", [{"kind": "malformed", "share": 0.02, "times": 6}])
        for _ in range(3):
            await workspace.sync()
        await control(sandbox, "PUT", "/live", {"rate": 0})
        await control(sandbox, "PUT", "/faults", [])
        assert sandbox.live.happened > 5
        results = await workspace.sync()
        assert all(result.clean and not result.quarantined for result in results.values())
        listed = sandbox.shop.select_orders(None, None, None, None)
        assert (await workspace.status()).orders >= len(listed)
        for index in listed:
            theirs = sandbox.shop.orders.get(index)
            ours = await workspace.order(theirs.id)
            assert (ours.state, ours.tracking_number) == (theirs.state, theirs.tracking_number)
        for index in range(40):
            stocked = sandbox.shop.listings.get(index)
            assert (await workspace.listing(stocked.id)).quantity == stocked.quantity


async def test_prices_differ_by_market_and_stock_does_not(workspace: Workspace, sandbox: RunningSandbox) -> None:
    await workspace.sync(["listings"])
    listing = await workspace.listing(sandbox.shop.listings.get(3).id)
    state = await control(sandbox, "GET", f"/state/listings/{listing.id}")
    assert isinstance(state, dict)
    assert {market["quantity"] for market in state["markets"].values()} == {listing.quantity}
    for market in ("fr-fr", "de-de"):
        price = listing.offers[market].price
        assert (price.text() if price else None) == state["markets"][market]["price"]


async def test_the_backbox_is_observed_for_every_online_listing(workspace: Workspace, sandbox: RunningSandbox) -> None:
    await control(sandbox, "PUT", "/limits", {"competitors": None})
    profile = workspace.profile.model_copy(update={"limits": {"competitors": "1000/1"}})
    async with await Workspace.open(profile, workspace.paths) as fast:
        await fast.sync(["listings"])
        result = (await fast.sync(["backbox"]))["backbox"]
        assert result.clean
        assert 0 < result.seen < result.pages <= 70
        decisions = await fast.reprice()
    assert {row.decision.decision for row in decisions} == {"hold"}
    assert {row.decision.standing for row in decisions} == {"NO COST"}
    assert all("NO COST" in row.decision.reason for row in decisions)


async def test_a_wrong_token_is_said_and_nothing_is_kept(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with await Workspace.open(profile_for(sandbox, token=SecretStr("wrong")), Paths.under(tmp_path)) as workspace:
        with pytest.raises(Unauthorised):
            await workspace.sync()
        assert (await workspace.status()).orders == 0


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await holds():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


async def test_a_new_order_comes_in_by_the_watch(sandbox: RunningSandbox, tmp_path: Path) -> None:
    profile = profile_for(sandbox, schedule={**OFF, "orders": "1h", "watch": "1s"})
    async with await Workspace.open(profile, Paths.under(tmp_path)) as workspace:
        await workspace.engine.start()

        async def filled() -> bool:
            return (await workspace.status()).orders == 130

        await until(filled)
        placed = await control(sandbox, "POST", "/orders", {"listing": sandbox.shop.listings.get(0).id})
        assert isinstance(placed, dict)

        async def shown() -> bool:
            return (await workspace.status()).orders == 131

        await until(shown)
        assert (await workspace.order(placed["order_id"])).state == 1
        # More than a page of changes is the incremental pass's work, an hour before its timer.
        passed = (await workspace.status()).feeds["orders"]
        for index in range(60):
            order = sandbox.shop.orders.change(index)
            order.shipper = "another"
            sandbox.shop.order_changed(order)

        async def pulled() -> bool:
            last = (await workspace.status()).feeds["orders"]
            return last is not None and passed is not None and last > passed

        await until(pulled)


async def test_removals_wait_for_an_operator(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with await Workspace.open(profile_for(sandbox), Paths.under(tmp_path)) as workspace:
        await workspace.sync(["listings"])
        for index in range(5):
            sandbox.shop.listings.remove(index)
        await workspace.sync(["listings"])
        waiting = await workspace.removals()
        assert {removal.id for removal in waiting} == {sandbox.shop.listings.get(index).id for index in range(5)}
        first, second = waiting[0], waiting[1]
        assert await workspace.keep_removals([f"sku:{first.sku}"]) == [first.id]
        assert await workspace.confirm_removals([second.id]) == ([second.id], [])
        assert len(await workspace.removals()) == 3
        sandbox.shop.listings.restore(sandbox.shop.listings.find_anywhere(waiting[2].id) or 0)
        gone, alive = await workspace.confirm_removals()
        assert (len(gone), alive) == (2, [waiting[2].id])
        assert (await workspace.status()).listings == 67
    async with await Workspace.open(profile_for(sandbox, access="viewer"), Paths.under(tmp_path)) as viewer:
        with pytest.raises(NotAllowed):
            await viewer.confirm_removals()
        with pytest.raises(NotAllowed):
            await viewer.keep_removals()
