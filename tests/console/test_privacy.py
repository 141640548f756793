"""Privacy, jumping and other profiles: by key, by palette and by `:`."""

from pathlib import Path

import pytest
from textual.widgets import Static

from bmconsole.console.app import ConsoleApp
from bmconsole.console.hiding import command_spans, masked, names_buyer, spans, without_buyer
from bmconsole.console.look import MASK, plain
from bmconsole.console.palette import ActionCommands
from bmconsole.console.personal import BUILT_IN, Personal, State, read_state
from bmconsole.console.screens.jump import JumpScreen, labelled
from bmconsole.console.switching import other_profile, profiles
from bmconsole.console.tour import STEPS
from bmconsole.console.widgets.completing import CompletingInput
from bmconsole.domain.views import Query
from bmconsole.errors import SettingsError, UsageError
from bmconsole.paths import Paths, write_private
from bmconsole.profile import Profile
from bmconsole.workspace import Workspace
from tests.console.conftest import Desk, Sit
from tests.console.waiting import until

TWO = """
[profile.eu]
base_url = "http://127.0.0.1:1"
markets = "fr-fr"
token = "first"

[profile.us]
base_url = "http://127.0.0.1:2"
markets = "en-us"
token = "second"
"""


def buyers(desk: Desk) -> set[str]:
    """Return what the table shows in its columns of buyers."""
    tab = desk.app.orders
    columns = [column for column in tab.build_columns() if column.name in ("buyer", "city")]
    return {plain(column.cell(row)) for row in tab.table.rows_between(0, 50) for column in columns}


def chosen_by(app: ConsoleApp) -> Profile | None:
    return app.switch_to


async def command(desk: Desk, typed: str) -> None:
    await desk.press("colon")
    desk.app.command_line.input.value = typed
    await desk.press("enter")


async def test_buyers_are_hidden_by_key_and_by_command(sit: Sit, filled: Workspace) -> None:
    async with sit() as desk:
        await until(lambda: desk.app.orders.table.row_count > 0)
        before = buyers(desk)
        assert len(before) > 5
        await desk.press("V")
        assert buyers(desk) <= {MASK, "–"}
        assert any("PRIVATE" in piece[0] for piece in desk.app.top_bar.line(140))
        await command(desk, "privacy")
        await until(lambda: not desk.app.private)
        assert buyers(desk) == before
        assert "app.privacy" in {action.name for action in ActionCommands._shown()}


def drawn(field: CompletingInput) -> str:
    """Return what a line to type in shows."""
    return field.render_line(0).text


async def test_a_buyer_in_a_filter_is_hidden_while_it_is_typed_and_after(
    sit: Sit, filled: Workspace, tmp_path: Path
) -> None:
    personal = Personal({}, BUILT_IN, State(), tmp_path / "console.json")
    async with sit(personal=personal) as desk:
        app, bar = desk.app, desk.app.orders.bar
        await until(lambda: app.orders.table.row_count > 0)
        await desk.press("V", "slash", *"status:to-ship buyer:Dupont")
        assert "Dupont" not in drawn(bar.input)
        assert "status:to-ship buyer:••••••" in drawn(bar.input)
        await desk.press("enter")
        await until(lambda: app.orders.where == "status:to-ship buyer:Dupont" and not bar.input.has_focus)
        assert drawn(bar.input).rstrip() == f"status:to-ship buyer:{MASK}"
        await desk.press("slash", "home", "shift+end", "delete", *'sta "Jean Dupont" tracking~3S', "enter")
        await until(lambda: "tracking" in app.orders.where and not bar.input.has_focus)
        assert drawn(bar.input).rstrip() == f"sta {MASK} tracking~{MASK}"
        await desk.press("slash", "up", "up")
        assert "Dupont" not in drawn(bar.input)
        assert bar.input.value == "status:to-ship buyer:Dupont"
        await desk.press("enter", "colon", *"orders buyer:Dupont")
        await until(lambda: app.command_line.input.has_focus)
        assert "orders buyer:••••••" in drawn(app.command_line.input)
        await desk.press("enter", "colon", "up")
        await until(lambda: "buyer" in drawn(app.command_line.input))
        assert "Dupont" not in drawn(app.command_line.input)
        await desk.press("escape", "V")
        await until(lambda: "buyer:Dupont" in drawn(bar.input))
    kept = (tmp_path / "console.json").read_text(encoding="utf-8")
    # What was left: no purge comes by there, so no buyer is kept, hidden or not.
    assert "buyer" not in kept
    assert read_state(tmp_path / "console.json").orders.past == ['sta "Jean Dupont" tracking~3S']


async def test_what_the_server_said_about_an_order_is_hidden_in_the_log(sit: Sit, filled: Workspace) -> None:
    number = (await filled.orders_page(Query(limit=1)))[0].order_id
    await filled.note("warning", "writes", f"#7 rejected: ship {number}: Jean Dupont moved", f"order:{number}")
    await filled.note("info", "writes", "#8 confirmed: price 1 → 2", "listing:x")
    async with sit() as desk:
        log = desk.app.log_tab
        await desk.press("5")
        await until(lambda: log._table.row_count > 1)

        def lines() -> list[str]:
            return [plain(log._message(row)) for row in log._table.rows_between(0, 50)]

        assert f"#7 rejected: ship {number}: Jean Dupont moved" in lines()
        await desk.press("V")
        assert f"#7 rejected: {MASK}" in lines()
        assert "#8 confirmed: price 1 → 2" in lines()


def test_a_filter_tells_where_it_may_name_a_buyer() -> None:
    for table, typed, shown in (
        ("orders", 'late !buyer~"Jean D", price>3', f"late !buyer~{MASK} price>3"),
        ("orders", "late buy stat Dupont", f"late buy stat {MASK}"),
        ("orders", 'buyer:"Jean \\"D', f"buyer:{MASK}"),
        ("orders", 'buyer:a,"b c",d late', f"buyer:{MASK} late"),
        ("listings", "iphone sku~IP", "iphone sku~IP"),
    ):
        assert masked(typed, spans(typed, table)) == shown
    assert masked("orders Dupont", command_spans("orders Dupont")) == f"orders {MASK}"
    assert command_spans("listing IP13") == command_spans("orders") == []
    assert without_buyer('late !buyer:"Jean D" price>3', "orders") == "late price>3"
    assert without_buyer("late buyer:", "orders") == ""
    assert without_buyer("late", "orders") == "late"
    assert not names_buyer('sku:"x"')
    assert names_buyer("orders BUYER!=x")


async def test_a_letter_jumps_to_what_takes_the_focus(sit: Sit, filled: Workspace) -> None:
    async with sit() as desk:
        await until(lambda: desk.app.orders.table.row_count > 0)
        chain = desk.app.screen.focus_chain
        letters = labelled(chain)
        await desk.press("apostrophe")
        assert isinstance(desk.app.screen, JumpScreen)
        assert len(desk.app.screen.query(Static)) >= len(letters)
        letter = next(letter for letter, target in letters.items() if target is desk.app.orders.table)
        await desk.press(letter)
        await until(lambda: desk.app.focused is desk.app.orders.table)
        await desk.press("apostrophe", "escape")
        await until(lambda: not isinstance(desk.app.screen, JumpScreen))


def test_profiles_switch_only_where_nothing_holds_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths.under(tmp_path)
    write_private(paths.config_file, TWO)
    assert profiles(paths) == ["eu", "us"]
    other = other_profile("us", paths, {"access": "viewer"})
    assert other.markets == ("en-us",)
    assert other.access == "viewer"
    with pytest.raises(UsageError, match="no profile"):
        other_profile("jp", paths, {})
    monkeypatch.setenv("BMCONSOLE_TOKEN", "one-for-all")
    with pytest.raises(SettingsError, match="BMCONSOLE_TOKEN"):
        other_profile("us", paths, {})


async def test_choosing_a_profile_ends_the_console_with_it(filled: Workspace, tmp_path: Path) -> None:
    paths = Paths.under(tmp_path / "other")
    write_private(paths.config_file, TWO)

    async def opened() -> Workspace:
        return await Workspace.open(filled.profile, filled.paths, console=True)

    app = ConsoleApp(opened, engine=False, paths=paths)
    async with app.run_test() as pilot:
        await until(lambda: app.status is not None)
        await app.switch_profile("nowhere")
        assert app.switch_to is None
        await pilot.press("ctrl+o")
        await until(lambda: len(app.screen_stack) > 1)
        await pilot.press("down", "enter")
        await until(lambda: not app.is_running)
    chosen = chosen_by(app)
    assert chosen is not None
    assert chosen.name == "us"


async def test_the_tour_goes_its_steps_and_is_left_at_any_time(sit: Sit, filled: Workspace) -> None:
    async with sit(size=(80, 24)) as desk:
        await until(lambda: desk.app.orders.table.row_count > 0)
        await desk.press("f9")
        tour = desk.app.tour
        assert tour is not None
        assert len(STEPS) == 8
        seen = []
        for step in STEPS:
            await desk.press("f8")
            await until(lambda step=step: step.title in tour.bar.sheet.text)  # type: ignore[misc]  # bound now
            seen.append(tour.at)
        assert seen == list(range(8))
        await desk.press("f7")
        assert tour.at == 6
        await desk.press("f9")
        await until(lambda: desk.app.tour is None and not tour.bar.is_attached)
        await desk.press("f9", "f8", "f9")
        assert desk.app.tour is None
