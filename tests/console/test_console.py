from dataclasses import replace

import pytest

from bmconsole.console.actions import ACTIONS
from bmconsole.console.app import ConsoleApp
from bmconsole.console.widgets.dialogs import Confirm, DiffDialog
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.intents import IntentState
from bmconsole.domain.money import Money
from bmconsole.domain.views import Query, WorkspaceStatus
from bmconsole.errors import DiskTrouble
from bmconsole.sandbox.control import edit_listing, edit_order
from bmconsole.workspace import Workspace
from tests.console.conftest import Sit
from tests.console.waiting import until


async def test_the_cache_is_on_screen_before_any_request(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        before = desk.sandbox.journal.total
        await until(lambda: desk.app.orders.table.row_count == 130)
        newest = (await desk.workspace.orders_page(Query(limit=1)))[0]
        await until(lambda: desk.app.orders.table.cursor_key == str(newest.order_id))
        assert str(newest.order_id) in desk.app.orders.table.render_line(1).text
        await desk.press("2")
        await until(lambda: desk.app.listings.table.row_count == 70)
        assert desk.sandbox.journal.total == before
        assert "1 Orders 130   2 Listings 70" in desk.app.top_bar.render_line(0).text
        assert "SANDBOX" in desk.app.top_bar.render_line(0).text


async def test_an_empty_cache_fills_by_the_engine_of_the_console(sit: Sit) -> None:
    async with sit(schedule={"orders": "15m", "listings": "1h", "backbox": "off", "repricing": "off"}) as desk:
        await until(lambda: desk.app.orders.table.row_count == 130)
        await desk.press("2")
        await until(lambda: desk.app.listings.table.row_count == 70)
        line = desk.app.status_line
        await until(lambda: "orders in 14 min" in line.render_line(0).text)
        assert "● online" in line.render_line(0).text


async def test_a_filter_narrows_sorts_and_clears(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        table, bar = desk.app.orders.table, desk.app.orders.bar
        await desk.search("status:to-ship")
        wanted = await desk.workspace.orders_count("status:to-ship")
        await until(lambda: bar.summary == f"{wanted} of 130 orders")
        while table.sort != "price":
            await desk.press("s")
        await desk.press("S")
        await until(lambda: table.sort == "-price" and table.cursor_key is not None)
        dearest = (await desk.workspace.orders_page(Query(where="status:to-ship", sort="-price", limit=1)))[0]
        await until(lambda: table.cursor_key == str(dearest.order_id))
        await desk.press("escape")
        await until(lambda: bar.summary == "130 orders")


async def test_a_wrong_filter_is_told_at_its_place_and_the_old_one_stays(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        await desk.search("late")
        await desk.search("status:to-ship colour:red")
        bar = desk.app.orders.bar
        mark, hint = bar.query_one(".fault", Sheet).text.splitlines()
        assert mark.index("▲") == 3 + len("status:to-ship ")
        assert "colour" in mark
        assert "status, state, market" in hint
        await desk.press("escape")
        assert bar.expression == "late"
        assert desk.app.orders.table.has_focus


async def test_inspection_marks_what_differs_and_shows_what_no_model_knows(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        table = desk.app.orders.table
        await desk.search("status:to-ship")
        await until(lambda: table.cursor_key is not None)
        shop = desk.sandbox.shop
        index = shop.orders.find(int(table.cursor_key or 0))
        assert index is not None
        edit_order(shop, shop.orders.get(index), {"tracking_number": "1Z999", "extra": {"gift": "\x1b[31mred"}})
        await desk.press("enter")
        tab = desk.app.inspect
        await until(lambda: tab.inspection is not None)
        assert tab.inspection is not None
        assert "tracking_number" in tab.inspection.differing
        await until(lambda: "changed since cached" in tab._head.text)
        shown = desk.app.export_screenshot()
        assert "1Z999" in shown
        assert "≠" in shown
        await desk.press("G", "end")
        await desk.pilot.pause()
        assert "gift" in desk.app.export_screenshot()
        await desk.press("r")
        await until(lambda: "same as cached" in tab._head.text)
        await desk.press("escape")
        assert desk.app.current is desk.app.orders


async def test_an_order_that_cannot_be_fetched_shows_the_cached_one_and_the_error(filled: Workspace, sit: Sit) -> None:
    async with sit(token="wrong-token") as desk:
        await until(lambda: desk.app.orders.table.cursor_key is not None)
        await desk.press("enter")
        tab = desk.app.inspect
        await until(lambda: tab.error is not None)
        await until(lambda: tab._head.text.splitlines()[1].startswith("×"))
        assert f"Order {tab.order_id}" in tab._head.text
        assert "wrong-token" not in desk.app.export_screenshot()


async def test_a_price_is_changed_by_keyboard_alone_and_read_back(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        listing = (await desk.workspace.listings_page(Query(limit=1, where="publication:online")))[0]
        await desk.open_listing(listing.sku)
        edit = desk.app.edit
        await desk.press("pagedown")
        await until(lambda: edit.chosen == "de-de")
        offer = (await desk.workspace.listing(listing.id)).offers["de-de"]
        assert offer.price is not None
        # Near the price that is there: a far one is asked back.
        wanted = Money(offer.price.minor - 150, "EUR")
        await desk.press(*wanted.text(), "5")
        await until(lambda: "decimals" in edit.form.field("price").query_one(Sheet).text)
        await desk.press("backspace")
        await until(lambda: f"→ {wanted.text()}" in edit.form.field("price").query_one(Sheet).text)
        await desk.press("enter")
        await until(lambda: isinstance(desk.app.screen, DiffDialog))
        assert not desk.sandbox.journal.writes
        await desk.confirm()
        await until(lambda: edit._said.text == f"✓ confirmed, read back: price {wanted.text()}")
        index = desk.sandbox.shop.listings.find(listing.id)
        assert index is not None
        offers = desk.sandbox.shop.listings.get(index)
        assert desk.sandbox.shop.listings.offer(offers, "de-de").price == wanted.minor
        (intent,) = (await desk.workspace.listing_view(listing.id)).intents
        assert (intent.state, intent.market) == (IntentState.CONFIRMED, "de-de")
        await until(lambda: "confirmed" in edit._writes.text)
        assert edit.form.changed() == {}


async def test_a_cancelled_diff_writes_nothing_and_keeps_what_was_typed(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        listing = (await desk.workspace.listings_page(Query(limit=1)))[0]
        await desk.open_listing(listing.sku)
        await desk.press(*"199.99", "enter")
        await until(lambda: isinstance(desk.app.screen, DiffDialog))
        await desk.press("escape")
        await until(lambda: desk.app.edit._said.text == "nothing was written")
        assert desk.app.edit.form.changed() == {"price": "199.99"}
        assert await desk.workspace.intents() == []


async def test_a_foreign_change_is_told_as_a_conflict(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        listing = (await desk.workspace.listings_page(Query(limit=1)))[0]
        await desk.open_listing(listing.sku)
        await desk.press(*"199.99", "enter")
        await until(lambda: isinstance(desk.app.screen, DiffDialog))
        shop = desk.sandbox.shop
        index = shop.listings.find(listing.id)
        assert index is not None
        edit_listing(shop, shop.listings.get(index), {"market": "fr-fr", "price": "177.77"})
        await desk.confirm()
        await until(lambda: desk.app.edit._said.text.startswith("! conflict, not written"))
        assert shop.listings.offer(shop.listings.get(index), "fr-fr").price == 17777
        assert desk.app.edit.form.changed() == {"price": "199.99"}


async def test_a_viewer_is_told_so_and_cannot_type(filled: Workspace, sit: Sit) -> None:
    async with sit(access="viewer") as desk:
        await desk.press("2")
        await until(lambda: desk.app.listings.table.cursor_key is not None)
        await desk.press("enter")
        edit = desk.app.edit
        await until(lambda: edit.view is not None and "read-only" in edit._head.text)
        assert edit.form.disabled
        assert edit._offers.has_focus
        assert "read-only" in desk.app.top_bar.render_line(0).text


async def test_another_market_shows_its_prices_from_the_same_row(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        await desk.press("2")
        table = desk.app.listings.table
        await until(lambda: table.cursor_key is not None)
        await desk.press("j", "j")
        key = table.cursor_key
        await desk.press("m")
        await until(lambda: table.cursor_row is not None and table.cursor_row.market == "de-de")
        assert table.cursor_key == key
        assert "de-de" in desk.app.top_bar.render_line(0).text


async def test_new_orders_appear_while_the_cursor_stays(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        table = desk.app.orders.table
        await until(lambda: table.cursor_key is not None)
        await desk.press("j", "j", "j")
        key = table.cursor_key
        shop = desk.sandbox.shop
        shop.place_order(shop.listings.get(3), "fr-fr")
        await desk.press("u")
        await until(lambda: table.row_count == 131)
        await until(lambda: desk.app.status_line.progress is None)
        assert table.cursor_key == key
        assert table.cursor_index == 4


async def test_the_log_follows_until_the_operator_looks_back(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        await desk.press("5")
        log = desk.app.log_tab
        await until(lambda: log._table.row_count >= 2)
        count = log._table.row_count
        await desk.workspace.note("warning", "test", "something new")
        await until(lambda: log._table.row_count > count and log._table.cursor_index == log._table.row_count - 1)
        assert "something new" in log._table.render_line(log._table.row_count).text
        await desk.press("k")
        assert not log.following
        await desk.press("f")
        await until(lambda: log._table.cursor_index == log._table.row_count - 1)
        await desk.press("l")
        await until(lambda: log.level == "warning" and log._table.row_count == 1)


async def test_every_tab_help_and_palette_work_at_80_by_24(filled: Workspace, sit: Sit) -> None:
    async with sit(size=(80, 24)) as desk:
        for tab in desk.app.tabs:
            key = next(action.keys[0] for action in ACTIONS if action.name == f"app.show_{tab.id}")
            await desk.press(key)
            assert desk.app.current is tab
            await until(lambda: len(desk.app.key_hints.hints) > 2)
        await desk.press("question_mark")
        await until(lambda: len(desk.app.screen_stack) == 2)
        await desk.press("escape")
        await until(lambda: len(desk.app.screen_stack) == 1)
        await desk.press("ctrl+p", *"Go to List")
        await desk.pilot.pause(0.3)
        await desk.press("enter")
        await until(lambda: desk.app.current is desk.app.listings)
        await desk.app.run_action("perform('rows.filter')")
        await until(lambda: desk.app.listings.bar.query_one("FilterInput").has_focus)


async def test_quitting_asks_only_while_writes_are_unfinished(
    filled: Workspace, sit: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sit() as desk:
        told = desk.app.status
        assert told is not None
        unfinished = replace(told, unfinished_writes=2)

        async def status() -> WorkspaceStatus:
            return unfinished

        monkeypatch.setattr(desk.app._workspace, "status", status)
        await desk.press("q")
        await until(lambda: isinstance(desk.app.screen, Confirm))
        await desk.press("n")
        await until(lambda: len(desk.app.screen_stack) == 1)
        assert desk.app.is_running


async def test_a_workspace_that_cannot_be_opened_ends_the_console() -> None:
    error = DiskTrouble("The cache was written by a newer version.")

    async def open_workspace() -> Workspace:
        raise error

    app = ConsoleApp(open_workspace)
    async with app.run_test():
        await until(lambda: not app.is_running)
    assert app.fault is error
    assert app.return_code == 1
