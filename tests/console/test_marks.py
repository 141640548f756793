from pathlib import Path

from bmconsole.console import clipboard
from bmconsole.console.app import ConsoleApp
from bmconsole.workspace import Workspace
from tests.console.conftest import Sit
from tests.console.waiting import until


async def test_marks_that_a_filter_hides_are_counted_and_left_out(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        tab = desk.app.orders
        await until(lambda: tab.table.cursor_key is not None)
        shipped = await desk.workspace.orders_count("status:to-ship")
        await desk.search("status:to-ship")
        await until(lambda: tab.table.row_count == shipped)
        await desk.press("space", "space")
        await until(lambda: tab.bar.summary == f"2 marked · {shipped} of 130 orders")
        await desk.search("!status:to-ship")
        await until(lambda: tab.bar.summary == f"2 marked, 2 hidden · {130 - shipped} of 130 orders")
        await until(lambda: tab.table.cursor_key is not None)
        await desk.press("space")
        await until(lambda: tab.bar.summary.startswith("3 marked, 2 hidden · "))
        keys, hidden = await tab.targets()
        assert (len(keys), hidden) == (1, 2)
        assert keys[0] in tab.table.marks
        await desk.press("escape")
        await until(lambda: tab.bar.summary == "3 marked · 130 orders")
        await desk.press("v", "j", "escape")
        assert len(tab.table.marks) == 3
        await desk.press("M")
        await until(lambda: tab.bar.summary == "130 orders")
        assert await tab.targets() == ([tab.table.cursor_key], 0)


async def test_a_headless_console_says_that_it_could_not_copy(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        await until(lambda: desk.app.orders.table.cursor_key is not None)
        await desk.press("y")
        await until(lambda: len(desk.app._notifications) == 1)
        (told,) = desk.app._notifications
        assert told.message == f"{desk.app.orders.table.cursor_key} not copied: there is no terminal."


def test_the_clipboard_of_the_machine_is_used_only_where_the_operator_sits(tmp_path: Path) -> None:
    assert clipboard.native({}, "darwin") == ["pbcopy"]
    assert clipboard.native({"SSH_CONNECTION": "1 2 3 4"}, "darwin") == []
    assert clipboard.native({"WAYLAND_DISPLAY": "wayland-0"}, "linux") == ["wl-copy"]
    assert clipboard.native({}, "linux") == []


def test_tmux_hands_the_sequence_on() -> None:
    assert clipboard.sequence("4711", tmux=False) == "\x1b]52;c;NDcxMQ==\a"
    assert clipboard.sequence("4711", tmux=True) == "\x1bPtmux;\x1b\x1b]52;c;NDcxMQ==\a\x1b\\"


async def test_too_much_text_is_refused_in_words() -> None:
    async def never() -> Workspace:
        raise AssertionError

    app = ConsoleApp(never)
    assert await clipboard.copy(app, "x" * 80_000, {}) == "not copied: more than 74,994 bytes"
