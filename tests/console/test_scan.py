"""Scan to ship: what a scanner types goes where it belongs, each refusal says why, and a scan never ships."""

from collections.abc import Sequence

import pytest

from bmconsole.console.screens.ask import AskScreen
from bmconsole.console.screens.scan import ScanScreen
from bmconsole.console.screens.scanning import Scanning, Step
from bmconsole.domain.orders import Order, Status
from bmconsole.domain.views import Query
from bmconsole.errors import BmError, Guarded, UsageError
from bmconsole.sandbox import RunningSandbox
from bmconsole.sandbox.control import edit_order
from bmconsole.workspace import Workspace
from tests.console.conftest import Desk, Sit
from tests.console.waiting import until

IMEI, OTHER = "490154203237518", "356938035643809"
TRACKING = "6A12345678901"


async def plain_orders(workspace: Workspace) -> list[Order]:
    """The orders of one line that can be shipped, those due first in front."""
    page = await workspace.orders_page(Query(where="status:to-ship", sort="due", limit=50))
    found = [await workspace.order(row.order_id) for row in page]
    return [order for order in found if len(order.orderlines) == 1 and order.orderlines[0].quantity == 1]


async def begun(workspace: Workspace, queue: Sequence[int]) -> Scanning:
    scanning = Scanning(workspace, queue)
    await scanning.begin()
    return scanning


async def test_a_parcel_goes_from_its_order_to_its_plan(filled: Workspace) -> None:
    first, second, *_ = await plain_orders(filled)
    scanning = await begun(filled, [first.order_id])
    assert scanning.step is Step.DEVICE
    await scanning.take_device(f" {IMEI[:8]}-{IMEI[8:]} ")
    await scanning.take_tracking("6A 1234 567 8901")
    assert (scanning.step, scanning.parcel and scanning.parcel.carrier) == (Step.CONFIRM, "Colissimo")
    assert scanning.plan is not None
    assert {(change.field, change.new) for change in scanning.plan.changes} >= {
        ("tracking_number", TRACKING),
        ("imei", IMEI),
        ("shipper", "Colissimo"),
    }
    for wrong in ("", TRACKING, IMEI):
        with pytest.raises(UsageError, match="Type 1 and Enter"):
            scanning.confirmed(wrong)
    assert scanning.confirmed("1")
    await scanning.choose_carrier("dhl")
    assert "DHL" in {change.new for change in scanning.plan.changes}
    scanning.sent()
    await scanning.propose()
    assert scanning.proposed not in (None, first.order_id)
    await scanning.take_order(str(second.order_id))
    with pytest.raises(Guarded, match=f"left with order {first.order_id} a moment ago"):
        await scanning.take_device(IMEI)
    await scanning.take_device(OTHER)
    await scanning.take_tracking(TRACKING)
    assert any(f"Order {first.order_id} has the same tracking number" in each for each in scanning.warnings)


@pytest.mark.parametrize(
    ("scanned", "why"),
    [
        ("490154203237519", "check digit"),
        ("49015420323751", "14 digits"),
        ("4901542032375180", "16 digits"),
        ("4901", "not 15"),
        ("F2LX12345678", "digits only"),
    ],
)
async def test_what_is_no_imei_is_refused_with_the_reason(filled: Workspace, scanned: str, why: str) -> None:
    scanning = await begun(filled, [(await plain_orders(filled))[0].order_id])
    with pytest.raises(BmError, match=why):
        await scanning.take_device(scanned)
    assert scanning.step is Step.DEVICE


async def test_a_device_of_any_cached_order_is_refused(filled: Workspace) -> None:
    shipped = await filled.orders_page(Query(where="status:shipped", limit=200))
    orders = [await filled.order(row.order_id) for row in shipped]
    known, owner = next((line.imei, order.order_id) for order in orders for line in order.orderlines if line.imei)
    assert known is not None
    scanning = await begun(filled, [(await plain_orders(filled))[0].order_id])
    with pytest.raises(Guarded, match=f"registered with order {owner}"):
        await scanning.take_device(known)


async def test_a_serial_number_is_taken_only_when_it_is_asked_for(filled: Workspace) -> None:
    scanning = await begun(filled, [(await plain_orders(filled))[0].order_id])
    scanning.serial = True
    await scanning.take_device("F2LX12345678")
    with pytest.raises(Guarded, match="the device again"):
        await scanning.take_tracking("F2LX12345678")
    with pytest.raises(UsageError, match="empty"):
        await scanning.take_tracking("  ")
    await scanning.back()
    assert scanning.step is Step.DEVICE
    await scanning.take_device("")
    await scanning.take_tracking("ZZ-1")
    assert any("No IMEI" in each for each in scanning.warnings)
    assert scanning.plan is not None
    assert scanning.plan.confirm == 0
    assert scanning.confirmed("")


async def test_orders_that_cannot_be_shipped_say_why(filled: Workspace) -> None:
    waiting = (await filled.orders_page(Query(where="status:to-accept", limit=1)))[0]
    scanning = await begun(filled, [])
    with pytest.raises(Guarded, match="to be accepted"):
        await scanning.take_order(str(waiting.order_id))
    with pytest.raises(UsageError, match="no order number"):
        await scanning.take_order("ABC")
    with pytest.raises(BmError, match="not in the cache"):
        await scanning.take_order("17")


async def test_an_order_of_several_lines_asks_for_each_device(filled: Workspace, sandbox: RunningSandbox) -> None:
    page = await filled.orders_page(Query(limit=130))
    orders = [await filled.order(row.order_id) for row in page if row.n_lines > 1]
    order = next(order for order in orders if len({line.sku for line in order.orderlines}) > 1)
    index = sandbox.shop.orders.find(order.order_id)
    assert index is not None
    lines_to_ship = {str(line.id): {"state": 2, "imei": None} for line in order.orderlines}
    edit_order(sandbox.shop, sandbox.shop.orders.get(index), {"lines": lines_to_ship})
    await filled.inspect_order(order.order_id)
    scanning = await begun(filled, [order.order_id])
    assert scanning.parcel is not None
    lines = len(scanning.parcel.lines)
    await scanning.take_device(IMEI)
    with pytest.raises(Guarded, match="another line"):
        await scanning.take_device(IMEI)
    for _ in range(lines - 1):
        await scanning.take_device("")
    assert scanning.step is Step.TRACKING


def step_of(screen: ScanScreen) -> Step:
    return screen.scanning.step


async def scan(desk: Desk, *texts: str) -> None:
    """Type as a scanner does: the text, then Enter; the next scan waits until this one was taken."""
    screen = desk.app.screen
    assert isinstance(screen, ScanScreen)
    for text in texts:
        await until(lambda: screen._ready)
        screen.field.value = text
        await desk.press("enter")
        await until(lambda: screen._ready and not screen.field.value)


async def test_scanning_ships_and_goes_on_with_the_next_order(filled: Workspace, sit: Sit) -> None:
    order, *_ = await plain_orders(filled)
    async with sit() as desk:
        await until(lambda: desk.app.orders.table.row_count > 0)
        await desk.search(str(order.order_id))
        await until(lambda: desk.app.orders.table.cursor_key == str(order.order_id))
        await desk.press("p")
        await until(lambda: isinstance(desk.app.screen, ScanScreen) and desk.app.screen.scanning.parcel is not None)
        screen = desk.app.screen
        assert isinstance(screen, ScanScreen)
        await scan(desk, "490154203237519")
        assert "check digit" in screen.fault
        await scan(desk, IMEI, "6A 1234 567 8901")
        assert step_of(screen) is Step.CONFIRM
        await desk.press("f3")
        await until(lambda: isinstance(desk.app.screen, AskScreen))
        await desk.press(*"no such", "enter")
        await until(lambda: "no such shipper" in desk.app.screen._fault.text)  # type: ignore[attr-defined]  # an AskScreen
        for _ in range(7):
            await desk.press("backspace")
        await desk.press(*"dpd fr", "enter")
        await until(lambda: desk.app.screen is screen)
        await until(lambda: screen.scanning.parcel is not None and screen.scanning.parcel.carrier == "DPD FR")
        assert not desk.sandbox.journal.writes
        # The scanner fires twice: that is no confirmation.
        await scan(desk, TRACKING)
        assert "Not shipped yet" in screen.fault
        assert not desk.sandbox.journal.writes
        await scan(desk, "1")
        await until(lambda: bool(screen.done) and screen.done[0].carrying.ended is not None)
        assert screen.done[0].carrying.clear
        assert step_of(screen) is Step.ORDER
        index = desk.sandbox.shop.orders.find(order.order_id)
        assert index is not None
        there = desk.sandbox.shop.orders.get(index)
        assert (there.tracking_number, there.shipper, there.lines[0].imei) == (TRACKING, "DPD FR", IMEI)
        await desk.press("escape")
        await until(lambda: len(desk.app.screen_stack) == 1)
        assert (await desk.workspace.order(order.order_id)).status is Status.SHIPPED


async def test_a_viewer_cannot_scan(filled: Workspace, sit: Sit) -> None:
    async with sit(access="viewer") as desk:
        await until(lambda: desk.app.orders.table.cursor_key is not None)
        await desk.press("p")
        await until(lambda: any("viewer" in note.message for note in desk.app._notifications))
        assert len(desk.app.screen_stack) == 1
