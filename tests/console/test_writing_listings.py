"""Listings changed from the console: many at once, from files, and taken back; conflicts decided."""

from pathlib import Path

import pytest
from textual.widgets import Input

from bmconsole.console.screens.ask import AskScreen
from bmconsole.console.screens.bulk import BulkScreen
from bmconsole.console.screens.carrying import Carrying
from bmconsole.console.screens.conflict import ConflictScreen
from bmconsole.console.screens.faults import FaultsScreen
from bmconsole.console.screens.write import WriteScreen
from bmconsole.console.widgets.dialogs import DiffDialog
from bmconsole.domain.intents import IntentState
from bmconsole.domain.money import Money
from bmconsole.domain.views import ListingRow, Query
from bmconsole.sandbox import RunningSandbox
from bmconsole.sandbox.control import edit_listing
from bmconsole.sandbox.faults import Drop, Latency
from bmconsole.workspace import Workspace
from tests.console.conftest import Desk, Sit
from tests.console.waiting import until

HIGH = {"limits": {"edge": "1000/1", "sensitive": "1000/1", "sku_lines": "100000/3600", "competitors": "100/1"}}


async def wares(workspace: Workspace, count: int) -> list[ListingRow]:
    """Online listings without a least price, in the order of the table."""
    rows = await workspace.listings_page(Query(where="publication:online stock>1", limit=0))
    return [row for row in rows if row.min_price is None][:count]


def there(sandbox: RunningSandbox, listing: str) -> tuple[str, int]:
    """Return the price in the main market and the stock as the sandbox has them."""
    index = sandbox.shop.listings.find(listing)
    assert index is not None
    ware = sandbox.shop.listings.get(index)
    return Money(sandbox.shop.listings.offer(ware, "fr-fr").price, "EUR").text(), ware.quantity


def change_there(sandbox: RunningSandbox, listing: str, **edit: object) -> None:
    index = sandbox.shop.listings.find(listing)
    assert index is not None
    edit_listing(sandbox.shop, sandbox.shop.listings.get(index), {"market": "fr-fr", **edit})


async def command(desk: Desk, line: str) -> None:
    """Give a command, as if it had been typed; by keys it would take seconds."""
    await desk.press("colon")
    field = desk.app.command_line.input
    await until(lambda: field.has_focus)
    field.value = line
    await desk.press("enter")


def told(desk: Desk, words: str) -> bool:
    """Whether a message on screen has these words."""
    return any(words in note.message for note in desk.app._notifications)


async def review(desk: Desk) -> WriteScreen:
    await until(lambda: isinstance(desk.app.screen, WriteScreen))
    await desk.pilot.pause()
    assert isinstance(desk.app.screen, WriteScreen)
    return desk.app.screen


async def write_it(desk: Desk) -> Carrying:
    """Confirm the review on screen and wait until all has ended; what is left on screen is closed."""
    screen = await review(desk)
    number = screen.work_of.plan.confirm
    await desk.press(*(str(number) if number else ""), "enter")
    await until(lambda: screen.carrying is not None and screen.carrying.ended is not None, seconds=30)
    await desk.pilot.pause()
    if desk.app.screen is screen:
        await desk.press("enter")
    await until(lambda: desk.app.screen is not screen)
    assert screen.carrying is not None
    return screen.carrying


async def mark(desk: Desk, rows: list[ListingRow]) -> None:
    await desk.press("2")
    table = desk.app.listings.table
    await until(lambda: table.cursor_key is not None)
    table.mark([row.id for row in rows])


async def test_prices_and_stock_of_marked_rows_move_together(filled: Workspace, sit: Sit) -> None:
    rows = await wares(filled, 3)
    async with sit() as desk:
        await mark(desk, rows)
        await desk.press("b")
        await until(lambda: isinstance(desk.app.screen, BulkScreen))
        await desk.press(*"-5%", "down", "down", *"+2")
        await until(lambda: "3 prices" in desk.app.screen._said.text)  # type: ignore[attr-defined]  # a BulkScreen
        await desk.press("enter")
        assert not desk.sandbox.journal.writes
        carrying = await write_it(desk)
        assert carrying.clear
        for row in rows:
            assert row.price is not None
            wanted = Money((row.price.minor * 95 + 50) // 100, "EUR").text()
            assert there(desk.sandbox, row.id) == (wanted, (row.quantity or 0) + 2)
        await until(lambda: not desk.app.listings.table.marks)
        (run,) = {intent.run for intent in await desk.workspace.intents(limit=0)}
        await desk.press("6")
        await until(lambda: desk.app.writes.chosen is not None and desk.app.writes.table.row_count == 3)
        await until(lambda: any(hint.text == "the run" for hint in desk.app.key_hints.hints))
        await desk.press("Z")
        await write_it(desk)
        for row in rows:
            assert row.price is not None
            assert there(desk.sandbox, row.id) == (row.price.text(), row.quantity)
        assert all(each.undone_by for each in await desk.workspace.intents(limit=0) if each.run == run)


async def test_a_price_that_moves_far_asks_for_its_number(filled: Workspace, sit: Sit) -> None:
    rows = await wares(filled, 2)
    async with sit() as desk:
        await mark(desk, rows)
        await desk.press("b")
        await until(lambda: isinstance(desk.app.screen, BulkScreen))
        await desk.press(*"-30%", "enter")
        screen = await review(desk)
        assert "more than 20 %" in screen._ask.text
        await desk.press("enter")
        await desk.press(*"3", "enter")
        assert screen.stage == "review"
        await desk.press("escape")
        await until(lambda: len(desk.app.screen_stack) == 1)
        assert await desk.workspace.intents(limit=0) == []


async def test_nothing_but_the_number_itself_confirms_many_rows(filled: Workspace, sit: Sit) -> None:
    rows = await wares(filled, 3)
    async with sit() as desk:
        await mark(desk, rows)
        await desk.press("0")
        screen = await review(desk)
        assert screen.work_of.plan.confirm == 3
        number = screen.query_one(Input)
        # Enter alone, other numbers, the number with something to it, and the key that confirms elsewhere.
        for typed in ("", "2", "33", "03", "+3", "3.", "-3", "3x", "y", "yes", "0", " "):
            number.value = ""
            await desk.press(*typed, "enter")
            assert screen.stage == "review", typed
            assert desk.app.screen is screen
            assert number.has_focus
            await until(lambda: "3" in screen._ask.text)
        # Nor does a click on the hint, nor the action's name.
        number.value = "2"
        await screen.run_action("screen.confirm")
        assert screen.stage == "review"
        assert not desk.sandbox.journal.writes
        assert await desk.workspace.intents(limit=0) == []
        number.value = ""
        await desk.press("3", "enter")
        await until(lambda: screen.carrying is not None and screen.carrying.ended is not None, seconds=30)
        assert [there(desk.sandbox, row.id)[1] for row in rows] == [0, 0, 0]


async def test_a_single_price_that_moves_far_takes_nothing_but_its_number(filled: Workspace, sit: Sit) -> None:
    (row,) = await wares(filled, 1)
    assert row.price is not None
    async with sit() as desk:
        await desk.open_listing(row.sku)
        price = desk.app.edit.form.field("price").input
        price.value = Money(row.price.minor // 2, "EUR").text()
        await desk.press("enter")
        await until(lambda: isinstance(desk.app.screen, DiffDialog))
        dialog = desk.app.screen
        assert isinstance(dialog, DiffDialog)
        assert dialog.plan.confirm == 1
        number = dialog.query_one(Input)
        await until(lambda: number.has_focus)
        for typed in ("", "2", "11", "01", "y"):
            number.value = ""
            await desk.press(*typed, "enter")
            await desk.pilot.pause()
            assert desk.app.screen is dialog, typed
        assert await desk.workspace.intents(limit=0) == []
        number.value = ""
        await desk.press("1", "enter")
        await until(lambda: there(desk.sandbox, row.id)[0] == price.value, seconds=20)


async def test_offline_asks_for_the_number_and_online_offers_the_former_stock(filled: Workspace, sit: Sit) -> None:
    rows = await wares(filled, 2)
    async with sit() as desk:
        await mark(desk, rows)
        await desk.press("0")
        assert (await review(desk)).work_of.plan.confirm == 2
        await write_it(desk)
        assert [there(desk.sandbox, row.id)[1] for row in rows] == [0, 0]
        await mark(desk, rows)
        await desk.press("O")
        await write_it(desk)
        assert [there(desk.sandbox, row.id)[1] for row in rows] == [row.quantity for row in rows]
        await mark(desk, rows)
        await desk.press("O")
        await until(lambda: isinstance(desk.app.screen, FaultsScreen))
        assert "already" in desk.app.screen.faults[0].what  # type: ignore[attr-defined]  # a FaultsScreen
        await desk.press("escape")


async def test_a_file_with_faults_is_shown_by_line_and_goes_on_without_them(
    filled: Workspace, sit: Sit, tmp_path: Path
) -> None:
    rows = await wares(filled, 4)
    lines = [f"{row.sku};{(row.quantity or 0) + 1}" for row in rows]
    file = tmp_path / "stock.csv"
    file.write_text("sku;quantity\n" + "\n".join([*lines[:2], "NONE;4", f"{rows[2].sku};many", lines[3]]) + "\n")
    async with sit() as desk:
        await desk.press("2")
        await until(lambda: desk.app.listings.table.cursor_key is not None)
        await desk.press("I")
        await until(lambda: isinstance(desk.app.screen, AskScreen))
        await desk.press(*"/no/such", "enter")
        await until(lambda: "cannot be read" in desk.app.screen._fault.text)  # type: ignore[attr-defined]  # an AskScreen
        field = desk.app.screen.query_one(Input)
        field.value = f"{tmp_path}/st"
        field.action_end()
        await desk.press("o", "tab")
        assert desk.app.screen.query_one(Input).value == str(file)
        await desk.press("enter")
        await until(lambda: isinstance(desk.app.screen, FaultsScreen))
        faults = desk.app.screen.faults  # type: ignore[attr-defined]  # a FaultsScreen
        assert [fault.where for fault in faults] == ["4  sku", "5  quantity"]
        assert "absolute" in faults[1].what
        await desk.press("s")
        assert (await write_it(desk)).clear
        counted = [there(desk.sandbox, row.id)[1] for row in rows]
        assert counted == [(row.quantity or 0) + (0 if place == 2 else 1) for place, row in enumerate(rows)]


async def test_a_long_run_goes_on_in_the_background_or_stops(filled: Workspace, sit: Sit, tmp_path: Path) -> None:
    rows = await wares(filled, 16)
    file = tmp_path / "prices.csv"
    file.write_text(
        "id,price\n" + "".join(f"{row.id},{row.price.minor / 100 - 1:.2f}\n" for row in rows if row.price) + ""
    )
    async with sit(**HIGH) as desk:
        desk.sandbox.limiter.configure({"enabled": False})
        desk.sandbox.faults.set(Latency(seconds=0.1))
        await desk.press("2")
        await until(lambda: desk.app.listings.table.cursor_key is not None)
        await command(desk, f"import {file}")
        screen = await review(desk)
        await desk.press("y")
        await until(lambda: screen.carrying is not None and screen.carrying.progress.done > 0)
        await desk.press("s")
        carrying = screen.carrying
        assert carrying is not None
        assert carrying.stopping
        await until(lambda: carrying.ended is not None, seconds=20)
        states = [each.state for each in carrying.ended or []]
        assert len(states) == len(rows)
        assert set(states) == {IntentState.CONFIRMED, IntentState.DROPPED}
        await until(lambda: "not sent" in screen._gauge.text)
        await desk.press("enter")
        await until(lambda: len(desk.app.screen_stack) == 1)
        # The same file again: what was written is so already, and the rest goes on behind the tab.
        await command(desk, f"import {file}")
        screen = await review(desk)
        await desk.press("y")
        await until(lambda: screen.carrying is not None)
        await desk.press("escape")
        await until(lambda: len(desk.app.screen_stack) == 1)
        await until(lambda: told(desk, "confirmed as read back"), seconds=20)
        for row in rows:
            assert row.price is not None
            assert there(desk.sandbox, row.id)[0] == Money(row.price.minor - 100, "EUR").text()


@pytest.mark.parametrize("answer", ["k", "o", "e"])
async def test_a_conflict_is_decided_by_a_key(filled: Workspace, sit: Sit, answer: str) -> None:
    (row,) = await wares(filled, 1)
    assert row.price is not None
    ours, theirs = Money(row.price.minor - 200, "EUR").text(), Money(row.price.minor - 500, "EUR").text()
    edited = Money(row.price.minor - 300, "EUR").text()
    async with sit() as desk:
        plan = await desk.workspace.plan_listing(row.id, None, {"price": ours})
        change_there(desk.sandbox, row.id, price=theirs)
        await desk.workspace.apply(plan)
        await desk.press("6")
        await until(lambda: desk.app.writes.chosen is not None)
        await desk.press("enter")
        await until(lambda: isinstance(desk.app.screen, ConflictScreen))
        screen = desk.app.screen
        assert isinstance(screen, ConflictScreen)
        await until(lambda: screen.asked)
        assert [(side.base, side.ours, side.theirs) for side in screen._sides()] == [(row.price.text(), ours, theirs)]
        await desk.press(answer)
        if answer == "e":
            await until(lambda: isinstance(desk.app.screen, AskScreen))
            desk.app.screen.query_one(Input).value = edited
            await desk.press("enter")
        if answer != "k":
            await write_it(desk)
        await until(lambda: desk.app.writes.chosen is not None and desk.app.writes.bar.counts.get("conflict", 0) == 0)
        assert there(desk.sandbox, row.id)[0] == {"k": theirs, "o": ours, "e": edited}[answer]


async def test_a_write_that_is_known_to_stay_says_why(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        page = await desk.workspace.orders_page(Query(where="status:to-accept", limit=1))
        plan, _ = await desk.workspace.plan_orders_bulk([page[0].order_id], "accept")
        await desk.workspace.apply(plan)
        await desk.press("6")
        await until(lambda: desk.app.writes.chosen is not None)
        assert not any(hint.text == "take back" for hint in desk.app.key_hints.hints)
        await desk.press("z")
        await until(lambda: told(desk, "cannot be taken back at Back Market"))
        await desk.press("f", "f")
        await until(lambda: desk.app.writes.view == "conflict" and desk.app.writes.table.row_count == 0)
        await desk.press("escape")
        await until(lambda: desk.app.writes.table.row_count == len(plan.intents))
        await desk.press("o")
        await until(lambda: desk.app.current is desk.app.inspect)
        assert desk.app.inspect.order_id == page[0].order_id


async def test_rows_are_exported_and_come_back_without_a_change(filled: Workspace, sit: Sit, tmp_path: Path) -> None:
    async with sit() as desk:
        await desk.press("2")
        await until(lambda: desk.app.listings.table.cursor_key is not None)
        await command(desk, f"export {tmp_path}/all.csv")
        await until(lambda: told(desk, "lines are in"))
        assert (tmp_path / "all.csv").stat().st_mode & 0o077 == 0
        desk.app.clear_notifications()
        await command(desk, f"import {tmp_path}/all.csv")
        await until(lambda: told(desk, "already so"))
        await desk.press("1")
        await until(lambda: desk.app.orders.table.cursor_key is not None)
        await command(desk, f"export {tmp_path}/pick.csv")
        await until(lambda: (tmp_path / "pick.csv").exists() and bool((tmp_path / "pick.csv").read_text()))
        assert (tmp_path / "pick.csv").read_text().startswith("order_id,status,due,sku")


async def test_no_key_of_a_viewer_sends_or_writes_anything(filled: Workspace, sit: Sit, tmp_path: Path) -> None:
    rows = await wares(filled, 2)
    plan = await filled.plan_listing(rows[0].id, None, {"quantity": "+1"})
    await filled.apply(plan)
    file = tmp_path / "stock.csv"
    file.write_text(f"id;quantity\n{rows[1].id};99\n")
    async with sit(access="viewer") as desk:
        before, known = len(desk.sandbox.journal.writes), await desk.workspace.intents(limit=0)
        await until(lambda: desk.app.orders.table.cursor_key is not None)
        for where, keys in (("status:to-accept", "aX"), ("status:to-ship", "pPR"), ("status:shipped", "RIn")):
            await desk.search(where)
            await until(lambda: desk.app.orders.table.cursor_row is not None)
            for key in keys:
                desk.app.clear_notifications()
                await desk.press(key)
                await until(lambda: told(desk, "access is viewer"))
                assert len(desk.app.screen_stack) == 1, key
        await mark(desk, rows)
        for key in "b0OI":
            desk.app.clear_notifications()
            await desk.press(key)
            await until(lambda: told(desk, "access is viewer"))
            assert len(desk.app.screen_stack) == 1, key
        await desk.press("6")
        await until(lambda: desk.app.writes.chosen is not None)
        for line in ("writes.undo", f"undo {known[0].id}", f"import {file}", f"ship-file {file}"):
            desk.app.clear_notifications()
            await command(desk, line)
            await until(lambda: told(desk, "access is viewer"))
        assert len(desk.sandbox.journal.writes) == before
        assert await desk.workspace.intents(limit=0) == known


async def test_what_ended_unknown_is_sent_again_after_a_read(filled: Workspace, sit: Sit, tmp_path: Path) -> None:
    order = (await filled.orders_page(Query(where="status:shipped", limit=1)))[0].order_id
    pdf, other = tmp_path / "invoice.pdf", tmp_path / "other.pdf"
    pdf.write_bytes(b"%PDF-1.4 one")
    other.write_bytes(b"%PDF-1.4 two")
    async with sit() as desk:
        plan = await desk.workspace.plan_invoice(order, pdf.read_bytes())
        desk.sandbox.faults.set(Drop(at="after", methods=("POST",), times=1))
        (lost,) = await desk.workspace.apply(plan, files=[pdf.read_bytes()])
        assert lost.state is IntentState.UNKNOWN
        await desk.press("6")
        await until(lambda: desk.app.writes.chosen is not None)
        await until(lambda: any(hint.text == "decide" for hint in desk.app.key_hints.hints))
        for file, words in ((other, "another file"), (pdf, "does not show invoices")):
            await desk.press("d")
            await until(lambda: isinstance(desk.app.screen, ConflictScreen))
            assert "nobody knows" in str(desk.app.screen.query_one(".box").border_title)
            await desk.press("o")
            await until(lambda: isinstance(desk.app.screen, AskScreen))
            desk.app.screen.query_one(Input).value = str(file)
            await desk.press("enter")
            await until(lambda words=words: told(desk, words))  # type: ignore[misc]  # bound for the loop
            await until(lambda: len(desk.app.screen_stack) == 1)
        await until(lambda: desk.app.writes.chosen is not None and desk.app.writes.chosen.state == "confirmed")


async def test_quitting_leaves_what_was_not_begun_to_the_next_process(
    filled: Workspace, sit: Sit, tmp_path: Path
) -> None:
    rows = await wares(filled, 16)
    file = tmp_path / "stock.csv"
    file.write_text("id,quantity\n" + "".join(f"{row.id},{(row.quantity or 0) + 1}\n" for row in rows))
    async with sit(**HIGH) as desk:
        desk.sandbox.limiter.configure({"enabled": False})
        desk.sandbox.faults.set(Latency(seconds=0.5))
        await desk.press("2")
        await until(lambda: desk.app.listings.table.cursor_key is not None)
        await command(desk, f"import {file}")
        screen = await review(desk)
        await desk.press("y")
        await until(lambda: screen.carrying is not None and screen.carrying.progress.done > 0)
        desk.app.exit()
        await until(lambda: not desk.app.is_running)
    desk.sandbox.faults.set()
    left = [each.state for each in await filled.intents(limit=0)]
    assert IntentState.DROPPED not in left
    assert IntentState.PENDING in left
    settled = await filled.settle_left_behind()
    assert {each.state for each in settled} == {IntentState.CONFIRMED}
    assert [there(desk.sandbox, row.id)[1] for row in rows] == [(row.quantity or 0) + 1 for row in rows]
