"""Orders moved on from the console: accepted, cancelled, refunded, noted, by keys alone."""

from bmconsole.console.screens.write import WriteScreen
from bmconsole.console.widgets.picker import Picker
from bmconsole.domain.views import Query
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
