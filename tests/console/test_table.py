import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import pytest
from textual import on
from textual.app import App, ComposeResult
from textual.events import MouseScrollDown
from textual.geometry import Region
from textual.pilot import Pilot

from bmconsole.console.look import text
from bmconsole.console.theme import DARK, DEFAULTS
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.marks import MARK_GLYPH
from bmconsole.console.widgets.source import Near
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.console.widgets.window import MARGIN
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
        self.far = 0
        self.broken = False

    async def count(self) -> int:
        if self.broken:
            raise DiskTrouble("The disk is full.")
        return len(self.rows)

    async def page(self, offset: int, limit: int, near: Near | None = None) -> Sequence[Item] | None:
        self.largest = max(self.largest, limit)
        if near is None:
            self.far += 1
            return self.rows[offset : offset + limit]
        place = await self.position(near.key)
        if place is None:
            return None
        return self.rows[max(0, place - limit) : place] if near.backward else self.rows[place + 1 : place + 1 + limit]

    async def position(self, key: str) -> int | None:
        return next((place for place, row in enumerate(self.rows) if row.id == key), None)

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
        self.table: VirtualTable[Item] = VirtualTable(source, columns, markable=True)

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
    before = app.table._window
    app.table.renew()
    await until(lambda: app.table._window is not before and app.table.row_count == len(source.rows))


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


async def test_rows_that_are_as_they_were_are_not_painted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source = numbered(100)
    async with shown(source) as (app, _):
        asked: list[Region] = []
        refresh = app.table.refresh

        def noted(*regions: Region, **how: bool) -> object:
            asked.extend(regions)
            return refresh(*regions, **how)

        monkeypatch.setattr(app.table, "refresh", noted)
        await renewed(app, source)
        assert asked == []
        source.rows[3] = Item("k3", "another name")
        await renewed(app, source)
        assert app.table.size.region in asked
        assert "another name" in app.line(4)


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


async def test_going_on_row_by_row_reads_behind_what_is_held() -> None:
    source = numbered(5_000)
    async with shown(source) as (app, pilot):
        await pilot.press("G")
        await until(lambda: app.table.cursor_key == "k4999")
        before = source.far
        for _ in range(30):
            await pilot.press("pageup")
        await until(lambda: app.table.cursor_key == f"k{4999 - 30 * 20}")
        for _ in range(20):
            await pilot.press("pagedown")
        await until(lambda: app.table.cursor_key == f"k{4999 - 10 * 20}")
        # Once more from the end, whose page was the shorter one.
        assert source.far <= before + 1
        assert f"row {4999 - 10 * 20}" in app.line(app.table.cursor_index - app.table.scroll_offset.y + 1)


async def test_marks_belong_to_rows_and_ranges_reach_beyond_what_is_held() -> None:
    source = numbered(3_000)
    async with shown(source) as (app, pilot):
        await pilot.press("space", "j", "space")
        assert list(app.table.marks) == ["k0", "k2"]
        assert app.table.cursor_key == "k3"
        assert MARK_GLYPH in app.line(1)
        assert MARK_GLYPH not in app.line(2)
        source.rows = [Item("new"), *source.rows]
        await renewed(app, source)
        assert list(app.table.marks) == ["k0", "k2"]
        assert MARK_GLYPH in app.line(1)
        assert "row 0" in app.line(1)
        await pilot.press("M", "v")
        source.rows = [Item("newer"), *source.rows]
        await renewed(app, source)
        await pilot.press("j", "j", "v")
        assert list(app.table.marks) == ["k3", "k4", "k5"]
        await pilot.press("M", "v", "G")
        await until(lambda: app.table.cursor_key == "k2999")
        await pilot.press("v")
        await until(lambda: len(app.table.marks) == 2_995)
        await pilot.press("M", "v", "g", "M")
        assert list(app.table.marks) == []
        assert not app.table.ranging


async def test_the_mouse_marks_in_the_margin_and_ranges_with_shift() -> None:
    async with shown(numbered(50)) as (app, pilot):
        await pilot.click(app.table, offset=(1, 3))
        assert list(app.table.marks) == ["k2"]
        await pilot.click(app.table, offset=(6, 5), shift=True)
        assert list(app.table.marks) == ["k2", "k3", "k4"]


async def test_a_storm_of_changes_leaves_cursor_marks_and_line_where_they_are() -> None:
    source = numbered(2_000)
    async with shown(source) as (app, pilot):
        await pilot.press(*["j"] * 30, "space", "J", "k")
        wanted, expected = app.table.cursor_key, 31
        assert wanted == f"k{expected}"
        random = Random(7)
        for step in range(50):
            place = random.randrange(0, len(source.rows))
            if step % 3:
                source.rows = [*source.rows[:place], Item(f"new{step}"), *source.rows[place:]]
            elif source.rows[place].id not in ("k30", "k31", *(f"k{number}" for number in range(25, 45))):
                source.rows = [*source.rows[:place], *source.rows[place + 1 :]]
            line = app.table.cursor_index - app.table.scroll_offset.y
            app.table.renew()
            if step % 5 == 0:
                key = app.table.cursor_key
                down = await source.position(key or "")
                app.table.action_down()
                assert down is not None
                wanted, line = app.table.cursor_key, line + 1
            await asyncio.sleep(0.02)
            await until(lambda: not app.table._reading)
            assert app.table.cursor_key == wanted
            assert min(line, 19) == app.table.cursor_index - app.table.scroll_offset.y
            assert app.table.cursor_index == await source.position(wanted or "")
        assert list(app.table.marks) == ["k30", "k31"]
        for y in range(1, 21):
            row = app.table.row_at(app.table.scroll_offset.y + y - 1)
            assert row is not None
            assert row.id in app.line(y)
            assert (MARK_GLYPH in app.line(y)) is (row.id in app.table.marks)


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
