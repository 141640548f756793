from pathlib import Path

import httpx
import pytest

from bmconsole.domain.views import Query
from bmconsole.errors import NotFound, SettingsError, UsageError
from bmconsole.paths import Paths
from bmconsole.sandbox import RunningSandbox
from bmconsole.workspace import Workspace
from tests.conftest import profile_for


async def edit_order(sandbox: RunningSandbox, order_id: int, **changes: object) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url) as http:
        (await http.post(f"/_sandbox/edit/orders/{order_id}", json=changes)).raise_for_status()


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_inspection_marks_what_differs_and_what_nobody_knows(
    workspace: Workspace, sandbox: RunningSandbox
) -> None:
    await workspace.sync(["orders"])
    row = (await workspace.orders_page(Query(where="status:to-ship", limit=1)))[0]
    unchanged = await workspace.inspect_order(row.order_id)
    assert unchanged.cached == unchanged.live
    assert unchanged.differing == ()
    line = unchanged.live.orderlines[0]
    await edit_order(
        sandbox,
        row.order_id,
        lines={str(line.id): {"state": 3}},
        tracking_number="XX1\x1b[31m",
        extra={"moon_phase": "new\x1b]0;pwned\x07"},
    )
    changed = await workspace.inspect_order(row.order_id)
    assert set(changed.differing) >= {"tracking_number", f"orderlines.{line.id}.state"}
    assert changed.unknown == {"moon_phase": "new\ufffd]0;pwned\ufffd"}
    assert changed.cached == unchanged.live
    assert (await workspace.order(row.order_id)).orderlines[0].state == 3
    assert (await workspace.orders_page(Query(where=str(row.order_id))))[0].status == "shipped"


async def test_what_is_not_there_is_said(workspace: Workspace) -> None:
    for asked in (workspace.order(1), workspace.inspect_order(1), workspace.listing("sku:NO"), workspace.intent(1)):
        with pytest.raises(NotFound):
            await asked


async def test_other_processes_changes_are_noticed(workspace: Workspace, sandbox: RunningSandbox) -> None:
    await workspace.changed()
    assert not await workspace.changed()
    async with await Workspace.open(profile_for(sandbox), workspace.paths) as other:
        await other.sync(["orders"])
    assert await workspace.changed()
    assert not await workspace.changed()
    events = await workspace.events(limit=10)
    assert [(event.level, event.source) for event in events] == [("info", "sync")]
    assert "orders: 130 seen on 3 pages, 130 changed" in events[0].message


async def test_reading_needs_no_token_and_asking_does(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with await Workspace.open(profile_for(sandbox, token=None), Paths.under(tmp_path)) as workspace:
        assert await workspace.orders_page(Query()) == []
        assert (await workspace.status()).online is None
        with pytest.raises(SettingsError, match="no token"):
            await workspace.sync()


async def test_a_listing_is_renewed_in_every_market(workspace: Workspace, sandbox: RunningSandbox) -> None:
    await workspace.sync(["listings"])
    listing = await workspace.listing(str(sandbox.shop.listings.get(2).listing_id))
    async with httpx.AsyncClient(base_url=sandbox.url) as http:
        edit = {"market": "de-de", "price": "177.00"}
        (await http.post(f"/_sandbox/edit/listings/{listing.id}", json=edit)).raise_for_status()
    renewed = await workspace.refresh_listing(f"sku:{listing.sku}")
    assert renewed.id == listing.id
    assert str(renewed.offers["de-de"].price) == "177.00 EUR"
    assert renewed.offers["fr-fr"].price == listing.offers["fr-fr"].price


async def test_markets_and_streams_are_checked(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="es-es"):
        workspace.check_market("es-es")
    with pytest.raises(UsageError, match="refunds"):
        await workspace.sync(["refunds"])
    assert workspace.check_market("DE-DE") == "de-de"


async def test_the_token_is_in_no_file(workspace: Workspace, sandbox: RunningSandbox, tmp_path: Path) -> None:
    await workspace.sync()
    await workspace.aclose()
    token = sandbox.token.encode()
    files = files_under(tmp_path)
    assert len(files) >= 4
    assert [path.name for path in files if token in path.read_bytes()] == []
