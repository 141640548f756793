"""Inspect beyond the fields: what is unknown, the timeline, the raw answer, curl, following, privacy."""

import io
import json
import shlex
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from bmconsole.console import inspecting, look, privacy
from bmconsole.console.look import plain
from bmconsole.console.tabs import inspect_more
from bmconsole.console.widgets.reading import Reading
from bmconsole.domain.orders import Order
from bmconsole.domain.views import Query
from bmconsole.sandbox.control import edit_order
from bmconsole.workspace import Workspace
from tests.console.conftest import Desk, Sit
from tests.console.waiting import until


async def open_one(desk: Desk, where: str = "status:to-ship") -> Order:
    """Inspect the first order that a filter finds, until Back Market has answered."""
    tab = desk.app.orders
    await until(lambda: tab.table.row_count > 0)
    await desk.search(where)
    await until(lambda: tab.table.cursor_key is not None)
    number = int(tab.table.cursor_key or 0)
    index = desk.sandbox.shop.orders.find(number)
    assert index is not None
    order = desk.sandbox.shop.orders.get(index)
    lines = {str(line.id): {"state": 3, "imei": "356938035643809"} for line in order.lines}
    edit_order(desk.sandbox.shop, order, {"lines": lines, "tracking_number": "6A1", "extra": {"gift_wrap": "ribbon"}})
    await desk.press("enter")
    await until(lambda: desk.app.inspect.inspection is not None)
    inspection = desk.app.inspect.inspection
    assert inspection is not None
    return inspection.live


def painted(desk: Desk) -> str:
    """Return what the tab shows, all of it, as text."""
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(desk.app.inspect._body.render())
    return console.export_text()


async def test_what_changed_and_what_is_unknown_is_marked_and_our_acts_are_told(sit: Sit, filled: Workspace) -> None:
    async with sit(size=(140, 50)) as desk:
        order = await open_one(desk)
        await desk.workspace.add_note(order.order_id, "called, wants it on Friday")
        await until(lambda: "wants it on Friday" in painted(desk))
        text = painted(desk)
        assert "≠" in text
        assert "gift_wrap" in text
        assert "ribbon" in text
        assert "Timeline" in text
        assert "paid" in text
        assert "commission" in text
        assert "ago" in desk.app.inspect._head.text or "live now" in desk.app.inspect._head.text
        assert "? 1 unknown field" in desk.app.inspect._head.text


async def test_a_long_order_is_read_with_the_keys_of_tables(sit: Sit, filled: Workspace) -> None:
    async with sit(size=(100, 24)) as desk:
        await open_one(desk)
        page = desk.app.inspect.query_one(Reading)
        await until(lambda: page.max_scroll_y > 5)
        await desk.press("G")
        await until(lambda: page.scroll_offset.y == page.max_scroll_y)
        await desk.press("k", "k")
        await until(lambda: page.scroll_offset.y == page.max_scroll_y - 2)
        await desk.press("g")
        await until(lambda: page.scroll_offset.y == 0)
        await desk.press("j")
        await until(lambda: page.scroll_offset.y == 1)


async def test_the_raw_answer_is_json_and_hides_the_buyer_in_private(sit: Sit, filled: Workspace) -> None:
    async with sit(size=(140, 50)) as desk:
        order = await open_one(desk)
        name = order.shipping_address.last_name
        assert name
        assert name in painted(desk)
        await desk.press("J")
        raw = painted(desk)
        assert json.loads(raw)["order_id"] == order.order_id
        assert name in raw
        desk.app.private = True
        await desk.pilot.pause()
        assert name not in painted(desk)
        await desk.press("J")
        assert name not in painted(desk)
        await desk.workspace.add_note(order.order_id, f"{name} called")
        await until(lambda: "note" in painted(desk))
        assert name not in painted(desk)
        assert str(order.order_id) in desk.app.inspect._head.text


async def test_the_request_as_curl_has_no_token(sit: Sit, filled: Workspace) -> None:
    async with sit() as desk:
        order = await open_one(desk)
        command = desk.workspace.order_request(order.order_id)
        words = shlex.split(command)
        assert words[0] == "curl"
        assert words[-1] == f"{desk.sandbox.url}/ws/orders/{order.order_id}"
        assert "Authorization: Basic $BMCONSOLE_TOKEN" in words
        assert desk.sandbox.token not in command
        await desk.press("c")
        assert desk.workspace.back_office() is None


async def test_following_asks_again_by_itself_and_stops(
    sit: Sit, filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_more, "FOLLOW_EVERY", 0.2)
    monkeypatch.setattr(inspect_more, "TICK", 0.05)
    async with sit() as desk:
        await open_one(desk)
        first = desk.app.inspect.inspection
        await desk.press("f")
        await until(lambda: desk.app.inspect.inspection is not first)
        assert "again in" in desk.app.inspect._head.text
        await desk.press("f")
        assert "again in" not in desk.app.inspect._head.text


async def test_the_clock_the_worth_and_the_names(filled: Workspace) -> None:
    (row,) = await filled.orders_page(Query(where="status:to-ship", limit=1))
    order = await filled.order(row.order_id)
    assert order.due is not None
    assert plain(inspecting.clock(order, order.due - timedelta(hours=3), filled.zone)).startswith("in 3 h, by")
    assert plain(inspecting.clock(order, order.due + timedelta(hours=3), filled.zone)).startswith("late 3 h")
    worth = plain(inspecting.worth(order))
    assert order.price is not None
    fee = sum(line.fee.minor for line in order.orderlines if line.fee)
    assert f"{(order.price.minor - fee) / 100:.2f}" in worth
    same = replace(order.shipping_address, first_name="Ada", last_name="Lovelace")
    other = replace(same, last_name="Byron")
    assert not inspecting.other_name(replace(order, shipping_address=same, billing_address=same))
    assert inspecting.other_name(replace(order, shipping_address=same, billing_address=other))


def test_privacy_hides_by_the_names_of_fields() -> None:
    hidden = privacy.raw({"order_id": 7, "shipping_address": {"city": "Lyon"}, "lines": [{"sku": "A", "email": "x@y"}]})
    assert hidden == {"order_id": 7, "shipping_address": "•••••", "lines": [{"sku": "A", "email": "•••••"}]}
    assert plain(look.buyer("Ada", private=True)) == plain(look.buyer("Augusta Ada", private=True))
    assert plain(look.buyer(None, private=True)) == "–"
