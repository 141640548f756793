from pathlib import Path

import pytest
from textual.binding import Binding

from bmconsole.console import commands
from bmconsole.console.actions import ACTIONS, Action
from bmconsole.console.app import ConsoleApp
from bmconsole.console.completion import complete_filter
from bmconsole.console.personal import BUILT_IN, Personal, read_keys, read_state, read_views, state_file
from bmconsole.console.widgets.limits import LimitsScreen
from bmconsole.console.widgets.picker import ColumnPicker, Picker
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.views import Query
from bmconsole.errors import SettingsError
from bmconsole.paths import Paths
from bmconsole.sandbox import RunningSandbox
from bmconsole.workspace import Workspace
from tests.console.conftest import Desk, Sit
from tests.console.waiting import until


async def command(desk: Desk, line: str) -> None:
    """Type a command and let it be done or refused."""
    await desk.press("colon")
    await until(lambda: desk.app.command_line.input.has_focus)
    desk.app.command_line.input.value = line
    await desk.press("enter")
    await desk.pilot.pause()


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
async def test_every_action_is_done_by_its_name_and_offered_by_completion(action: Action) -> None:
    done: list[str] = []

    class Fake:
        async def action_perform(self, name: str) -> None:
            done.append(name)

    await commands.run(Fake(), action.name)  # type: ignore[arg-type]  # all that the line needs of a frame
    assert done == [action.name]
    offered = commands.complete(Fake(), action.name[:-1])  # type: ignore[arg-type]  # as above
    assert action.name in [suggestion.text for suggestion in offered]
    assert action.keys or action.palette


async def test_commands_go_where_they_say(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        app = desk.app
        await until(lambda: app.orders.table.cursor_key is not None)
        await command(desk, "listings out of stock")
        await until(lambda: app.current is app.listings and app.listings.where == "out-of-stock publication:online")
        listing = (await desk.workspace.listing_view(await first_listing(desk))).listing
        await command(desk, f"listing {listing.sku}")
        await until(lambda: app.current is app.edit and app.edit.view is not None)
        assert app.edit.listing_id == listing.id
        await desk.press("escape")
        number = int(app.orders.table.cursor_key or 0)
        await command(desk, f"order {number}")
        await until(lambda: app.current is app.inspect and app.inspect.inspection is not None)
        await desk.press("left_square_bracket")
        await until(lambda: app.current is app.edit)
        await desk.press("escape")
        await desk.press("left_square_bracket")
        await until(lambda: app.current is app.listings)
        await desk.press("right_square_bracket")
        await until(lambda: app.current is app.edit)
        await desk.press("escape")
        await command(desk, "theme nord")
        assert app.theme == "nord"
        await command(desk, "market de-de")
        assert app.market == "de-de"
        await command(desk, "orders late")
        await until(lambda: app.current is app.orders and app.orders.where == "late")
        await command(desk, "sort -price")
        assert app.orders.sort == "-price"
        await command(desk, "ordrs")
        fault = app.command_line.query_one(Sheet)
        await until(lambda: "Did you mean orders?" in fault.text)
        await desk.press("escape")
        assert app.orders.table.has_focus
        await command(desk, "orders nosuch:1")
        await until(lambda: "no field nosuch" in fault.text)
        await desk.press("escape", "colon", "up")
        assert app.command_line.input.value == "orders nosuch:1"
        await desk.press("up", "down", "escape")


async def test_a_sku_of_digits_is_found_behind_the_numbers_and_what_it_may_mean_besides_is_said(
    sandbox: RunningSandbox, workspace: Workspace, sit: Sit
) -> None:
    listings = sandbox.shop.listings
    numbered = listings.get(3)
    listings.change(5).sku = "8123456789"
    listings.change(6).sku = listings.change(7).sku = "8123456790"
    listings.change(8).sku = str(numbered.listing_id)
    await workspace.sync(["listings"])
    async with sit() as desk:
        app, said = desk.app, notices(desk.app)
        await until(lambda: app.status is not None)
        for name, found, also in (
            ("8123456789", (5,), ""),
            ("8123456790", (6, 7), "8123456790 is the SKU of another listing, too"),
            (str(numbered.listing_id), (3,), f"{numbered.listing_id} is the SKU of another listing, too"),
            (f"sku:{numbered.listing_id}", (8,), ""),
        ):
            said.clear()
            await command(desk, f"listing {name}")
            await until(lambda: app.current is app.edit and app.edit.view is not None)
            assert app.edit.listing_id in [listings.get(index).id for index in found]
            assert any(also in line for line in said) if also else not said
            await desk.press("escape", "1")
            await until(lambda: app.current is app.orders)
        await command(desk, "listing 8123456791")
        await until(lambda: "8123456791 is not in the cache" in app.command_line.query_one(Sheet).text)


def notices(app: ConsoleApp) -> list[str]:
    """Return a list that every notice of the console is appended to."""
    said: list[str] = []
    app.notify = lambda message, **about: said.append(message)  # type: ignore[method-assign]  # heard, not shown
    return said


async def first_listing(desk: Desk) -> str:
    return (await desk.workspace.listings_page(Query(limit=1)))[0].id


async def test_filters_and_commands_complete_and_remember(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        tab = desk.app.orders
        await until(lambda: tab.table.cursor_key is not None)
        await desk.press("slash", *"sta", "tab")
        assert tab.bar.input.value == "status:"
        await desk.press(*"to-s", "tab")
        assert tab.bar.input.value == "status:to-ship"
        await desk.press("enter")
        await until(lambda: tab.where == "status:to-ship" and tab.table.has_focus)
        await desk.press("escape", "slash", "up")
        assert tab.bar.input.value == "status:to-ship"
        await desk.press("escape")
        await desk.press("colon", *"the", "tab", *"nor", "tab", "enter")
        await until(lambda: desk.app.theme == "nord")


async def test_views_sorts_and_columns_are_picked_from_lists(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        tab = desk.app.orders
        await until(lambda: tab.table.cursor_key is not None)
        await desk.press("w")
        await until(lambda: isinstance(desk.app.screen, Picker))
        await desk.press("4")
        await until(lambda: tab.where == "late" and tab.sort == "due")
        await desk.press("o")
        await until(lambda: isinstance(desk.app.screen, Picker))
        await desk.press("escape", "c")
        await until(lambda: isinstance(desk.app.screen, ColumnPicker))
        picker = desk.app.screen
        assert isinstance(picker, ColumnPicker)
        await until(lambda: picker.table.cursor_key == "order")
        await desk.press("j", "j", "space", "J")
        await until(lambda: [choice.id for choice in picker.choices[:4]] == ["order", "status", "price", "due"])
        await desk.press("enter")
        await until(lambda: "due" not in tab.shown and tab.shown[:3] == ["order", "status", "price"])
        assert [column.name for column in tab.table.columns][:4] == ["mark", "order", "status", "price"]


async def test_the_limits_open_by_key_and_tell_every_rule(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        await desk.press("L")
        await until(lambda: isinstance(desk.app.screen, LimitsScreen))
        await desk.press("escape")
        await until(lambda: len(desk.app.screen_stack) == 1)


async def test_log_lines_are_sieved_by_words_and_sources(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        await desk.workspace.note("info", "test", "a rare word")
        await command(desk, "log rare")
        log = desk.app.log_tab
        await until(lambda: log._table.row_count == 1)
        await desk.press("escape")
        await until(lambda: log._table.row_count > 1)
        await desk.press("s")
        assert log.where == log.source_terms()[0]
        log.filter("!rare source:test")
        await until(lambda: log._table.row_count == 0)


def test_filters_complete_fields_flags_and_values() -> None:
    assert complete_filter("la", "orders")[0].text == "late"
    assert "status:" in [suggestion.text for suggestion in complete_filter("late sta", "orders")]
    assert [suggestion.text for suggestion in complete_filter("status:to-accept,to-s", "orders")] == ["to-ship"]
    assert [suggestion.text for suggestion in complete_filter("!grade:fai", "listings")] == ["FAIR"]
    assert "-7d" in [suggestion.text for suggestion in complete_filter("created>=", "orders")]
    assert complete_filter('"open', "orders") == []


def test_keys_are_changed_by_action_name_and_faults_name_the_line(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    assert read_keys(file) == {}
    file.write_text('[rows]\nsort = "x"\nclear = ["z", "escape"]\n')
    assert read_keys(file) == {"rows.sort": "x", "rows.clear": "z,escape"}
    file.write_text('# mine\n[rows]\nsrot = "x"\n')
    with pytest.raises(SettingsError, match=r"keys\.toml, line 3: There is no action rows\.srot") as caught:
        read_keys(file)
    assert caught.value.hint == "Did you mean rows.sort?"
    file.write_text('"rows.sort" = "S"\n')
    with pytest.raises(SettingsError, match="would be both"):
        read_keys(file)
    file.write_text("rows.sort = \n")
    with pytest.raises(SettingsError, match="line 1"):
        read_keys(file)


def test_views_of_the_operator_come_after_those_that_are_built_in(tmp_path: Path) -> None:
    file = tmp_path / "views.toml"
    file.write_text('[orders."big ones"]\nwhere = "price>500"\nsort = "-price"\ncolumns = ["order", "price"]\n')
    *built_in, own = read_views(file)
    assert tuple(built_in) == BUILT_IN
    assert (own.name, own.where, own.columns) == ("big ones", "price>500", ("order", "price"))
    file.write_text('[orders.bad]\nwhere = "colour:red"\n')
    with pytest.raises(SettingsError, match=r"views\.toml, line 1: The view bad: There is no field colour"):
        read_views(file)


async def test_the_console_opens_as_it_was_left_with_the_operators_keys(
    filled: Workspace, sit: Sit, tmp_path: Path
) -> None:
    paths = Paths.under(tmp_path)
    paths.config.mkdir(parents=True, exist_ok=True)
    (paths.config / "keys.toml").write_text('"rows.sort" = "x"\n')
    async with sit(personal=Personal.read(paths, "default")) as desk:
        tab = desk.app.orders
        await until(lambda: tab.table.cursor_key is not None)
        await desk.press("x")
        assert tab.sort != "-created"
        binding = tab._bindings.key_to_bindings
        assert any(isinstance(each, Binding) for each in binding.get("s", [])) or "s" not in binding
        await command(desk, "orders status:shipped")
        await until(lambda: tab.where == "status:shipped" and tab.table.cursor_key is not None)
        await desk.press("j", "j", "j", "m")
        left = (tab.sort, tab.where, tab.table.cursor_key, desk.app.market)
    assert read_state(state_file(paths, "default")).orders.where == "status:shipped"
    async with sit(personal=Personal.read(paths, "default")) as desk:
        tab = desk.app.orders
        await until(lambda: tab.table.cursor_key == left[2])
        assert (tab.sort, tab.where, tab.table.cursor_key, desk.app.market) == left
