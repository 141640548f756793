from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual import on
from textual.app import App, ComposeResult
from textual.events import MouseScrollDown
from textual.pilot import Pilot

from bmconsole.console.look import text
from bmconsole.console.theme import DARK, DEFAULTS
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.table import MARGIN, VirtualTable
from bmconsole.errors import DiskTrouble
from tests.console.waiting import until


@dataclass(frozen=True)
class Item:
    id: str
    name: str = ""


class Items:
    """Rows that a test changes under the table; it counts what is asked for."""

    def __init__(self, rows: list[Item]) -> None:
        self.rows = rows
        self.largest = 0
        self.broken = False

    async def count(self) -> int:
        if self.broken:
            raise DiskTrouble("The disk is full.")
        return len(self.rows)

    async def page(self, offset: int, limit: int) -> Sequence[Item]:
        self.largest = max(self.largest, limit)
        return self.rows[offset : offset + limit]

    def key(self, row: Item) -> str:
        return row.id


class TableApp(App[None]):
    CSS_PATH = "../../bmconsole/console/styles/table.tcss"

    def __init__(self, source: Items) -> None:
        super().__init__()
        self.animation_level = "none"
        self.register_theme(DARK)
        self.theme = DARK.name
        self.chosen: list[str] = []
        self.sorts: list[str] = []
        self.errors: list[str] = []
        columns = (
            Column[Item]("id", "Id", 8, lambda row: text(row.id), right=True, sort="id"),
            Column[Item]("name", "Name", 10, lambda row: text(row.name), grow=1),
        )
        self.table: VirtualTable[Item] = VirtualTable(source, columns)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return DEFAULTS

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.table.focus()
        self.table.load()

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        self.chosen.append(event.key)

    @on(VirtualTable.SortAsked)
    def _sort(self, event: VirtualTable.SortAsked) -> None:
        self.sorts.append(event.field)

    @on(VirtualTable.Failed)
    def _failed(self, event: VirtualTable.Failed) -> None:
        self.errors.append(event.error.line())

    def line(self, y: int) -> str:
        return self.table.render_line(y).text


def wheel(table: VirtualTable[Item]) -> MouseScrollDown:
    return MouseScrollDown(table, 5, 5, 0, 1, 0, False, False, False)


def numbered(count: int) -> Items:
    return Items([Item(f"k{number}", f"row {number}") for number in range(count)])


@asynccontextmanager
async def shown(source: Items) -> AsyncIterator[tuple[TableApp, Pilot[None]]]:
    app = TableApp(source)
    async with app.run_test(size=(60, 21)) as pilot:
        await until(lambda: app.table.row_count == len(source.rows))
        await until(lambda: app.table.held > 0 or not source.rows)
        yield app, pilot


async def renewed(app: TableApp, source: Items) -> None:
    """Let the table read again and wait until it did."""
    before = app.table._rows
    app.table.renew()
    await until(lambda: app.table._rows is not before and app.table.row_count == len(source.rows))


async def test_a_hundred_thousand_rows_are_never_held() -> None:
    source = numbered(100_000)
    async with shown(source) as (app, pilot):
        await pilot.press("G")
        await until(lambda: app.table.cursor_key == "k99999")
        assert "row 99999" in app.line(20)
        await pilot.press("pageup", "k", "k")
        await until(lambda: app.table.cursor_key == "k99977")
        await pilot.press("g")
        await until(lambda: app.table.cursor_key == "k0")
        assert "row 0" in app.line(1)
        assert app.table.held <= 20 + 2 * MARGIN
        assert source.largest <= 20 + 10 * MARGIN


async def test_rows_that_come_above_leave_the_cursor_on_its_row_and_line() -> None:
    source = numbered(2_000)
    async with shown(source) as (app, pilot):
        await pilot.press(*["j"] * 25)
        line = app.table.cursor_index - app.table.scroll_offset.y
        assert app.table.cursor_key == "k25"
        source.rows = [Item(f"new{number}") for number in range(7)] + source.rows
        await renewed(app, source)
        assert (app.table.cursor_key, app.table.cursor_index) == ("k25", 32)
        assert app.table.cursor_index - app.table.scroll_offset.y == line
        assert "row 25" in app.line(line + 1)


async def test_an_untouched_table_keeps_showing_the_newest_row() -> None:
    source = numbered(50)
    async with shown(source) as (app, _):
        source.rows = [Item("new"), *source.rows]
        await renewed(app, source)
        assert app.table.cursor_key == "new"
        assert app.table.scroll_offset.y == 0


async def test_a_row_that_is_gone_hands_the_cursor_to_the_next_one() -> None:
    source = numbered(50)
    async with shown(source) as (app, pilot):
        await pilot.press(*["j"] * 5)
        source.rows = [row for row in source.rows if row.id not in ("k4", "k5", "k6")]
        await renewed(app, source)
        assert app.table.cursor_key == "k7"
        source.rows = source.rows[:2]
        await renewed(app, source)
        assert app.table.cursor_key == "k1"


async def test_a_row_is_found_again_far_from_where_it_was() -> None:
    source = numbered(3_000)
    async with shown(source) as (app, pilot):
        await pilot.press("j", "j")
        source.rows = [Item(f"new{number}") for number in range(400)] + source.rows
        await renewed(app, source)
        assert (app.table.cursor_key, app.table.cursor_index) == ("k2", 402)
        await until(lambda: "row 2" in app.line(app.table.cursor_index - app.table.scroll_offset.y + 1))


async def test_the_wheel_takes_the_cursor_along() -> None:
    async with shown(numbered(500)) as (app, pilot):
        for _ in range(10):
            app.table.post_message(wheel(app.table))
            await pilot.pause()
        assert app.table.scroll_offset.y == 30
        assert app.table.cursor_index == 30


async def test_mouse_and_keys_choose_rows_and_sort_by_titles() -> None:
    async with shown(numbered(50)) as (app, pilot):
        await pilot.click(app.table, offset=(5, 4))
        assert app.table.cursor_key == "k3"
        await pilot.click(app.table, offset=(5, 6), times=2)
        await pilot.press("j", "enter")
        await pilot.click(app.table, offset=(5, 0))
        assert app.chosen == ["k5", "k6"]
        assert app.sorts == ["id"]


async def test_every_line_has_exactly_the_width_of_the_table() -> None:
    source = Items([Item("a", "日本語" * 30), Item("b", "e\u0301" * 90), Item("c", "👩‍💻 dev"), Item("d" * 40, "")])
    async with shown(source) as (app, _):
        assert {app.table.render_line(y).cell_length for y in range(21)} == {app.table.size.width}


async def test_rows_that_cannot_be_read_are_told_and_the_old_ones_stay() -> None:
    source = numbered(50)
    async with shown(source) as (app, _):
        source.broken = True
        app.table.renew()
        await until(lambda: app.errors == ["The disk is full."])
        assert app.table.row_count == 50
        source.broken = False
        source.rows = source.rows[:40]
        await renewed(app, source)


async def test_rows_that_vanish_while_pages_are_read_do_not_spin_the_reader() -> None:
    source = numbered(50)
    async with shown(source) as (app, pilot):
        source.rows = []
        await pilot.press("G")
        app.table.renew()
        await until(lambda: app.table.row_count == 0)
        await pilot.pause()
        assert not app.table._reading
        assert app.table.cursor_key is None
