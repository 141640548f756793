"""The pictures of what changes Back Market: scanning, a file of changes, the journal, a conflict."""

import tempfile
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from textual.widgets import Input

from bmconsole.console.app import ConsoleApp
from bmconsole.console.screens.ask import AskScreen
from bmconsole.console.screens.bulk import BulkScreen
from bmconsole.console.screens.conflict import ConflictScreen
from bmconsole.console.screens.files import write_private
from bmconsole.console.screens.scan import ScanScreen
from bmconsole.console.screens.scanning import Step
from bmconsole.console.screens.write import WriteScreen
from bmconsole.domain.views import ListingRow, Query
from bmconsole.sandbox.control import edit_listing
from tests.console.waiting import until

if TYPE_CHECKING:
    from tests.screenshots import Scene

IMEI, TRACKING = "490154203237518", "6A 1234 567 8901"
On = TypeVar("On")


def app_of(scene: "Scene") -> ConsoleApp:
    app = scene.pilot.app
    assert isinstance(app, ConsoleApp)
    return app


async def top(scene: "Scene", kind: type[On]) -> On:
    """Return the screen on top once it is of this kind."""
    await until(lambda: isinstance(scene.pilot.app.screen, kind))
    await scene.pilot.pause()
    screen = scene.pilot.app.screen
    assert isinstance(screen, kind)
    return screen


async def free(scene: "Scene", count: int) -> list[ListingRow]:
    """Return listings whose price may fall."""
    rows = await app_of(scene).listings.workspace.listings_page(Query(where="publication:online stock>1", limit=0))
    return [row for row in rows if row.min_price is None][:count]


async def scan(scene: "Scene") -> None:
    """A parcel before it is confirmed."""
    await scene.search("status:to-ship", "orders-table")
    await until(lambda: scene.table("orders-table").cursor_key is not None)
    await scene.pilot.press("j", "p")
    screen = await top(scene, ScanScreen)
    await until(lambda: screen.scanning.parcel is not None and screen._ready)
    while screen.scanning.step is Step.DEVICE:
        first = not screen.scanning.parcel or not screen.scanning.parcel.devices
        await scene.pilot.press(*(IMEI if first else ""), "enter")
        await until(lambda: screen._ready and not screen.field.value)
    await scene.pilot.press(*TRACKING, "enter")
    await until(lambda: screen.scanning.step is Step.CONFIRM)


async def bulk(scene: "Scene") -> None:
    """A step of the price for some marked listings."""
    rows = await free(scene, 6)
    await scene.pilot.press("2")
    await until(lambda: bool(scene.table("listings-table").row_count))
    scene.table("listings-table").mark([row.id for row in rows])
    await scene.pilot.press("b")
    screen = await top(scene, BulkScreen)
    await scene.pilot.press(*"-3%", "down", "down", *"+2")
    await until(lambda: "pieces" in screen._said.text)


async def file(scene: "Scene") -> None:
    """A file of changes, reviewed."""
    rows = await free(scene, 80)
    lines = [f"{row.id};{row.price.minor * 97 / 10000:.2f};{(row.quantity or 0) + 1}" for row in rows if row.price]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/monday.csv"
        await write_private(path, "id;price;quantity\n" + "\n".join(lines), replace=False)
        await scene.pilot.press("2", "I")
        screen = await top(scene, AskScreen)
        screen.query_one(Input).value = path
        await scene.pilot.press("enter")
        review = await top(scene, WriteScreen)
    # The folder is another one in each run.
    review._lead.show(((f"monday.csv: {len(lines)} lines", review._lead._lines[0][0][1]),), *review._lead._lines[1:])


async def writes(scene: "Scene") -> None:
    """The journal, with conflicts in it."""
    app = app_of(scene)
    workspace, shop = app.writes.workspace, scene.sandbox.shop
    if not await workspace.intents(limit=1):
        rows = await free(scene, 8)
        for row in rows[:2]:
            assert row.price is not None
            plan = await workspace.plan_listing(row.id, row.market, {"price": f"{row.price.minor * 95 / 10000:.2f}"})
            index = shop.listings.find(row.id)
            assert index is not None
            theirs = f"{row.price.minor * 98 / 10000:.2f}"
            edit_listing(shop, shop.listings.get(index), {"market": row.market, "price": theirs})
            await workspace.apply(plan)
        plan, _ = await workspace.plan_bulk([row.id for row in rows[2:7]], None, {"price": "-2%"})
        done = await workspace.apply(plan)
        plan, _ = await workspace.plan_undo(intent_id=done[1].id)
        await workspace.apply(plan)
        page = await workspace.orders_page(Query(where="status:to-accept", limit=2))
        plan, _ = await workspace.plan_orders_bulk([row.order_id for row in page], "accept")
        await workspace.apply(plan)
        await workspace.apply(await workspace.plan_ship(page[0].order_id, TRACKING))
    await scene.pilot.press("6")
    await until(lambda: app.writes.chosen is not None)
    await scene.pilot.press(*"jjj")


async def conflict(scene: "Scene") -> None:
    """What was seen, what is wanted, what is there now."""
    await writes(scene)
    app = app_of(scene)
    app.writes.show_writes("conflict")
    await until(lambda: app.writes.chosen is not None and app.writes.chosen.state == "conflict")
    await scene.pilot.press("d")
    screen = await top(scene, ConflictScreen)
    await until(lambda: screen.asked)


SCENES: dict[str, Callable[["Scene"], Awaitable[None]]] = {
    "scan": scan,
    "bulk": bulk,
    "import": file,
    "writes": writes,
    "conflict": conflict,
}
