"""Orders moved on from the console: accepted, cancelled, refunded, noted, by keys alone."""

from pathlib import Path

import pytest
from textual.widgets import Input

from bmconsole.console.screens.ask import AskScreen
from bmconsole.console.screens.faults import FaultsScreen
from bmconsole.console.screens.write import WriteScreen
from bmconsole.console.widgets.bars import KeyHints
from bmconsole.console.widgets.picker import Picker
from bmconsole.domain.orders import Order
from bmconsole.domain.views import Query
from bmconsole.errors import Guarded, NotFound
from bmconsole.exports import note_address
from bmconsole.workspace import Workspace
from tests.console.conftest import Desk, Sit
from tests.console.waiting import until


async def to_status(desk: Desk, status: str) -> None:
    """Show the orders of a status, the cursor on the first."""
    await until(lambda: desk.app.orders.table.row_count > 0)
    await desk.search(f"status:{status}")
    await until(lambda: desk.app.orders.table.cursor_row is not None)
    await until(lambda: str(desk.app.orders.table.cursor_row.status) == status)  # type: ignore[union-attr]  # waited for above


async def test_marked_orders_are_accepted_and_those_that_cannot_be_say_why(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        await to_status(desk, "to-accept")
        rows = await desk.workspace.orders_page(Query(where="status:to-accept", limit=3))
        assert len(rows) >= 2
        await desk.press("space", "space", "a")
        await until(lambda: isinstance(desk.app.screen, WriteScreen))
        await desk.pilot.pause()
        before = len(desk.sandbox.journal.writes)
        await desk.press("y")
        screen = desk.app.screen
        assert isinstance(screen, WriteScreen)
        await until(lambda: screen.stage == "ended")
        assert screen.carrying is not None
        assert screen.carrying.clear
        assert len(desk.sandbox.journal.writes) >= before + 2
        await until(lambda: "confirmed as read back" in screen._gauge.text)
        await desk.press("enter")
        await until(lambda: len(desk.app.screen_stack) == 1)
        await until(lambda: not desk.app.orders.table.marks)
        for row in rows[:2]:
            assert (await desk.workspace.order(row.order_id)).status == "to-ship"


async def test_an_illegal_act_is_not_offered_and_its_key_says_why(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        await to_status(desk, "to-ship")
        await until(lambda: any(hint.text == "ship" for hint in desk.app.key_hints.hints))
        assert not any(hint.text == "accept" for hint in desk.app.key_hints.hints)
        await desk.press("a")
        await until(lambda: any("accepted and to be shipped" in note.message for note in desk.app._notifications))
        await desk.press("x")
        await until(lambda: isinstance(desk.app.screen, Picker))
        assert isinstance(desk.app.screen, Picker)
        labels = [choice.label for choice in desk.app.screen.choices]
        assert "ship it" in labels
        assert "accept it: not now" in labels
        await desk.press("escape")


async def plain(workspace: Workspace, status: str) -> int:
    """Return an order of this status with one line of one unit."""
    for row in await workspace.orders_page(Query(where=f"status:{status}", limit=100)):
        order = await workspace.order(row.order_id)
        if len(order.orderlines) == 1 and order.orderlines[0].quantity == 1:
            return row.order_id
    raise LookupError(status)


async def on_order(desk: Desk, number: int) -> None:
    await until(lambda: desk.app.orders.table.row_count > 0)
    await desk.search(str(number))
    await until(lambda: desk.app.orders.table.cursor_key == str(number))


def told(desk: Desk, words: str) -> bool:
    return any(words in note.message for note in desk.app._notifications)


async def test_a_refund_asks_for_reason_message_and_number(filled: Workspace, sit: Sit) -> None:
    number = await plain(filled, "shipped")
    async with sit() as desk:
        await on_order(desk, number)
        await desk.press("R")
        await until(lambda: isinstance(desk.app.screen, Picker))
        await desk.press("6")
        await until(lambda: isinstance(desk.app.screen, AskScreen))
        await desk.press(*"sorry", "enter")
        await until(lambda: isinstance(desk.app.screen, WriteScreen))
        screen = desk.app.screen
        assert isinstance(screen, WriteScreen)
        assert "cannot be taken back" in screen._ask.text
        await desk.press("enter")
        assert screen.stage == "review"
        assert not desk.sandbox.journal.writes
        await desk.press("1", "enter")
        await until(lambda: told(desk, "refunded after shipping"))
        index = desk.sandbox.shop.orders.find(number)
        assert index is not None
        line = desk.sandbox.shop.orders.get(index).lines[0]
        assert (line.state, line.return_reason) == (6, 21)


async def test_a_cancelled_order_is_asked_about_twice(filled: Workspace, sit: Sit) -> None:
    number = await plain(filled, "to-accept")
    async with sit() as desk:
        await on_order(desk, number)
        await desk.press("X")
        await until(lambda: isinstance(desk.app.screen, WriteScreen))
        await desk.pilot.pause()
        await desk.press("1", "enter")
        await until(lambda: told(desk, "read back: cancelled"))
        assert (await desk.workspace.order(number)).status == "cancelled"


async def test_invoices_notes_and_files_of_parcels(filled: Workspace, sit: Sit, tmp_path: Path) -> None:
    number, shipped = await plain(filled, "to-ship"), await plain(filled, "shipped")
    pdf, parcels = tmp_path / "invoice.pdf", tmp_path / "parcels.csv"
    pdf.write_bytes(b"%PDF-1.4")
    parcels.write_text(f"order_id;tracking\n{number};6A12345678902\n17;6A12345678903\n")
    async with sit() as desk:
        await on_order(desk, shipped)
        await desk.press("I")
        await until(lambda: isinstance(desk.app.screen, AskScreen))
        desk.app.screen.query_one(Input).value = str(pdf)
        await desk.press("enter")
        await until(lambda: isinstance(desk.app.screen, WriteScreen))
        await desk.pilot.pause()
        await desk.press("y")
        await until(lambda: told(desk, "does not show invoices"))
        index = desk.sandbox.shop.orders.find(shipped)
        assert index is not None
        assert desk.sandbox.shop.orders.get(index).invoices == 1
        await desk.press("n")
        await until(lambda: isinstance(desk.app.screen, AskScreen))
        await desk.press(*"came back", "enter")
        await until(lambda: told(desk, "Noted"))
        assert [note.text for note in await desk.workspace.order_notes(shipped)] == ["came back"]
        await desk.press("P")
        await until(lambda: isinstance(desk.app.screen, AskScreen))
        desk.app.screen.query_one(Input).value = str(parcels)
        await desk.press("enter")
        await until(lambda: isinstance(desk.app.screen, FaultsScreen))
        await desk.press("s")
        await until(lambda: isinstance(desk.app.screen, WriteScreen))
        await desk.pilot.pause()
        await desk.press("y")
        await until(lambda: told(desk, "tracking 6A12345678902"))
        assert (await desk.workspace.order(number)).status == "shipped"


async def test_a_delivery_note_opens_without_anything_of_ours(
    filled: Workspace, sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await plain(filled, "shipped")
    program, seen = tmp_path / "xdg-open", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\necho "$@" > "{seen}.new"; env >> "{seen}.new"; mv "{seen}.new" "{seen}"\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BMCONSOLE_TOKEN", "token-that-stays-secret")
    for name in ("SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    async with sit() as desk:
        await on_order(desk, number)
        await desk.press("d")
        await until(lambda: seen.exists() or told(desk, "Nothing here"))
        text = seen.read_text()
        assert text.startswith(f"https://documents.example/delivery_note/{number}.pdf\n")
        assert "token-that-stays-secret" not in text
        assert desk.sandbox.token not in text


def test_an_order_without_a_delivery_note_says_so() -> None:
    with pytest.raises(NotFound, match="no delivery note yet"):
        note_address(Order(1, 0))


@pytest.mark.parametrize(
    "address",
    ["http://documents.example/1.pdf", "https://u:p@documents.example/1.pdf", "file:///etc/passwd", "https://a b"],
)
def test_only_plain_https_addresses_are_opened(address: str) -> None:
    with pytest.raises(Guarded):
        note_address(Order(1, 9, delivery_note=address))


async def test_the_mouse_does_the_same(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        await to_status(desk, "to-accept")
        await until(lambda: any(hint.text == "accept" for hint in desk.app.key_hints.hints))
        await click_hint(desk, desk.app.key_hints, "accept")
        await until(lambda: isinstance(desk.app.screen, WriteScreen))
        screen = desk.app.screen
        assert isinstance(screen, WriteScreen)
        await desk.pilot.pause()
        # A double click on a line of the diff confirms nothing.
        await desk.pilot.click(screen.table, offset=(5, 1), times=2)
        assert screen.stage == "review"
        await click_hint(desk, screen._hints, "write it")
        await until(lambda: screen.carrying is not None and screen.carrying.clear)


async def click_hint(desk: Desk, bar: KeyHints, words: str) -> None:
    x = 0
    for text, _, _ in bar.line(bar.size.width):
        if words in text:
            await desk.pilot.click(bar, offset=(x + 1, 0))
            return
        x += len(text)
    raise AssertionError(f"there is no hint {words}")


async def test_a_small_terminal_still_shows_what_is_asked(filled: Workspace, sit: Sit) -> None:
    number = await plain(filled, "to-ship")
    async with sit(size=(60, 15)) as desk:
        await on_order(desk, number)
        await desk.press("R")
        await until(lambda: isinstance(desk.app.screen, AskScreen))
        await desk.press("enter")
        await until(lambda: isinstance(desk.app.screen, WriteScreen))
        screen = desk.app.screen
        assert isinstance(screen, WriteScreen)
        await desk.pilot.pause()
        for widget in (screen._number, screen._hints, screen.table):
            assert screen.region.contains_region(widget.region)
            assert widget.region.height >= 1
        await desk.press("escape")
