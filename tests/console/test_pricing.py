"""The pricing tab: how prices stand, why, approval, the pause, a decision in full, a price over time."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from bmconsole.console.app import ConsoleApp
from bmconsole.console.screens.approve import ApproveScreen
from bmconsole.console.screens.decision import DecisionScreen
from bmconsole.console.screens.history import HistoryScreen
from bmconsole.console.tabs.pricing import PricingTab
from bmconsole.domain import pricing_views
from bmconsole.domain.decisions import Standing
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, running
from bmconsole.workspace import Workspace
from tests.conftest import MARKETS, profile_for
from tests.console.waiting import until
from tests.repricing.conftest import LIMITS, Market

LOSING = 4


@dataclass
class Desk:
    """A console over a market in which some listings could win their box."""

    app: ConsoleApp
    pilot: Pilot[None]
    market: Market
    losing: list[str]

    @property
    def tab(self) -> PricingTab:
        return self.app.pricing

    @property
    def screen(self) -> object:
        return self.app.screen

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def enter(self) -> None:
        """Go to the tab, and wait for its rows and figures."""
        await self.press("7")
        await until(lambda: self.tab.table.cursor_key is not None and self.tab.counts is not None)
        await self.pilot.pause()

    async def show(self, where: str) -> None:
        """Filter the rows."""
        self.tab.filter(where)
        await until(lambda: self.tab.where == where)
        await until(lambda: self.tab.table.row_count > 0 and self.tab.table.cursor_key is not None)
        await self.pilot.pause()

    def said(self) -> str:
        """Return what notifications say."""
        return " ".join(str(note.message) for note in self.app._notifications)

    def rows(self) -> list[str]:
        """Return the listings on screen."""
        table = self.tab.table
        return [row.decision.listing for row in table.rows_between(0, table.row_count)]

    async def approving(self) -> ApproveScreen:
        """Wait for the review."""
        await until(lambda: isinstance(self.app.screen, ApproveScreen))
        await self.pilot.pause()
        screen = self.app.screen
        assert isinstance(screen, ApproveScreen)
        return screen


Sit = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
def sit(tmp_path: Path) -> Sit:
    """Sit down at a console over a decided market; arguments change the console's profile."""

    @asynccontextmanager
    async def desk(
        size: tuple[int, int] = (160, 48), *, decided: bool = True, **changes: object
    ) -> AsyncIterator[Desk]:
        options = Options(
            seed=7, orders=8, listings=16, markets=MARKETS, limits=False, backbox_share=1.0, backbox_settle=(0.0, 0.0)
        )
        settings: dict[str, object] = {"vat": "margin 20", "limits": LIMITS, **changes}
        async with (
            running(options) as sandbox,
            httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http,
            await Workspace.open(
                profile_for(sandbox, **{**settings, "access": "admin"}), Paths.under(tmp_path)
            ) as workspace,
        ):
            await workspace.sync()
            market = Market(workspace, sandbox, http)
            losing = await market.losing(LOSING)
            if decided:
                await workspace.reprice_now()
            profile = profile_for(sandbox, **{"access": "admin", **settings})

            async def open_workspace() -> Workspace:
                return await Workspace.open(profile, Paths.under(tmp_path), console=True)

            app = ConsoleApp(open_workspace, engine=False)
            async with app.run_test(size=size) as pilot:
                await until(lambda: app.status is not None and app.opened.is_set())
                yield Desk(app, pilot, market, losing)

    return desk


# -- looking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(160, 48), (80, 24)])
async def test_the_standings_are_counted_and_the_dearest_comes_first(sit: Sit, size: tuple[int, int]) -> None:
    async with sit(size) as desk:
        await desk.enter()
        counts = {each.standing: each for each in desk.tab.standings.counts}
        assert counts[Standing.WINNABLE].count == LOSING
        assert counts[Standing.WINNABLE].money
        assert counts[Standing.NO_COST].count > 0
        assert desk.rows()[:LOSING] != []
        assert set(desk.rows()[:LOSING]) == set(desk.losing)
        worth = [row.decision.worth for row in desk.tab.table.rows_between(0, LOSING - 1)]
        assert worth == sorted(worth, key=lambda money: -(money.minor if money else 0))
        lines = ["".join(segment.text for segment in desk.tab.standings.render_line(y)) for y in range(4)]
        text = "\n".join(lines)
        assert all(str(standing) in text for standing in Standing)
        assert f"{LOSING}" in text
        assert f"{LOSING} wait" in desk.tab.bar.summary


async def test_the_reason_of_the_row_is_in_place(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        first = desk.tab.table.cursor_row
        assert first is not None
        assert first.decision.sku in desk.tab.pane.text
        assert "price to win" in desk.tab.pane.text
        await desk.press("down")
        second = desk.tab.table.cursor_row
        assert second is not None
        assert second.decision.sku != first.decision.sku
        await until(lambda: second.decision.sku in desk.tab.pane.text)


async def test_the_graph_of_the_row_is_drawn_where_there_is_room(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        await until(lambda: desk.tab.pane.graph.history is not None)
        history = desk.tab.pane.graph.history
        assert history is not None
        assert history.listing == desk.rows()[0]
        assert "ours" in str(desk.tab.pane.graph.render())
        await desk.pilot.resize_terminal(80, 24)
        await desk.pilot.pause()
        assert not desk.tab.pane.draws


async def test_standings_narrow_the_rows_by_key_and_by_click(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        total = desk.tab.table.row_count
        await desk.press("f")
        await until(lambda: desk.tab.standings.chosen is Standing.WINNABLE)
        await until(lambda: desk.tab.table.row_count == LOSING)
        assert desk.tab.where == "winnable"
        await desk.press("F")
        await until(lambda: desk.tab.table.row_count == total)
        await desk.pilot.click("StandingBar", offset=(3, 0))
        await until(lambda: desk.tab.where == "under-floor")
        assert desk.tab.standings.chosen is Standing.UNDER_FLOOR
        await desk.pilot.click("StandingBar", offset=(3, 1))
        await until(lambda: desk.tab.where == "")


async def test_what_waits_and_one_market_narrow_too(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        total = desk.tab.table.row_count
        await desk.press("t")
        await until(lambda: desk.tab.table.row_count == LOSING)
        await desk.press("t", "b")
        await until(lambda: desk.tab.where == "market:fr-fr")
        await until(lambda: 0 < desk.tab.table.row_count < total)
        await desk.press("m")
        await until(lambda: desk.tab.where == f"market:{desk.app.market}")
        assert desk.app.market != "fr-fr"
        await desk.press("escape")
        await until(lambda: desk.tab.table.row_count == total)


async def test_a_filter_that_cannot_be_is_refused_in_place(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        for wrong, why in (
            ("winnable blocked", "one standing"),
            ("market:mars", "no market mars"),
            ("colour:red", "no field colour"),
        ):
            await desk.press("slash")
            desk.tab.bar.query_one(Input).value = wrong
            await desk.press("enter")
            await until(lambda: desk.tab.bar.has_class("-faulty"))
            fault = desk.tab.bar.query_one(".fault")
            assert why in str(fault.render())
            await desk.press("escape")
        assert desk.tab.where == ""


async def test_the_command_line_goes_there(sit: Sit) -> None:
    async with sit() as desk:
        await desk.press("colon")
        await desk.press(*"pricing winnable", "enter")
        await until(lambda: desk.app.current is desk.tab and desk.tab.where == "winnable")
        await desk.press("colon", *"sort sku", "enter")
        await until(lambda: desk.tab.sort == "sku")
        skus = [row.decision.sku for row in desk.tab.table.rows_between(0, LOSING)]
        await until(lambda: desk.tab.table.row_count == LOSING)
        assert skus == sorted(skus)


async def test_cursor_and_marks_stay_with_their_offers(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        await desk.press("down", "space")
        marked = desk.tab.table.marks
        under = desk.tab.table.cursor_key
        # The dearest becomes worthless: it wins, and goes to the end.
        desk.market.rival(desk.rows()[0], None)
        await desk.market.observe()
        await desk.market.workspace.reprice_now()
        await until(lambda: desk.tab.table.row_count > 0 and desk.tab.table.cursor_index == 1)
        assert desk.tab.table.cursor_key == under
        assert desk.tab.table.marks == marked


async def test_a_tab_where_nothing_was_decided_says_how(sit: Sit) -> None:
    async with sit(decided=False) as desk:
        await desk.press("7")
        await until(lambda: "r decides" in desk.tab.table.note)
        await desk.press("r")
        await until(lambda: desk.tab.table.row_count > 0)
        assert "decisions" in desk.said()


# -- looking closer ----------------------------------------------------------------------------------------------


async def test_a_decision_is_explained_in_full(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        row = desk.tab.table.cursor_row
        assert row is not None
        await desk.press("enter")
        await until(lambda: isinstance(desk.screen, DecisionScreen))
        screen = desk.app.screen
        assert isinstance(screen, DecisionScreen)
        text = screen.sheet.text
        for words in ("PRICES", "DECIDED", "GUARDS", "MADE FROM", "price to win", "floor", "facts", "limits"):
            assert words in text
        for check in row.decision.guards:
            assert check.guard in text
        assert row.decision.target is not None
        assert row.decision.target.text() in text
        await desk.press("h")
        await until(lambda: isinstance(desk.screen, HistoryScreen))
        await desk.press("escape", "escape")
        await until(lambda: desk.app.screen_stack == desk.app.screen_stack[:1])


async def test_the_history_reaches_further_back_and_less_far(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        await desk.press("h")
        await until(lambda: isinstance(desk.screen, HistoryScreen))
        screen = desk.app.screen
        assert isinstance(screen, HistoryScreen)
        await until(lambda: screen.graph.history is not None)
        assert "ours" in str(screen.graph.render())
        await desk.press("right")
        assert screen.days == 14
        await desk.press(*["left"] * 9)
        assert screen.days == 1
        await desk.press("q")
        await until(lambda: desk.app.screen_stack == desk.app.screen_stack[:1])


async def test_the_listing_can_be_edited_from_here(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        listing = desk.rows()[0]
        await desk.press("e")
        await until(lambda: desk.app.current is desk.app.edit)
        assert desk.app.edit.place == listing


# -- approval ----------------------------------------------------------------------------------------------------


async def test_one_decision_is_approved_and_written(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        row = desk.tab.table.cursor_row
        assert row is not None
        assert row.decision.target is not None
        before = desk.market.price(row.decision.listing)
        await desk.press("a")
        screen = await desk.approving()
        assert screen.stage == "review"
        assert desk.market.price(row.decision.listing) == before
        await desk.press("y")
        await until(lambda: screen.stage == "ended")
        assert desk.market.price(row.decision.listing) == row.decision.target.minor
        assert "1 of 1 written" in screen._gauge.text
        await desk.press("enter")
        await desk.show("written")
        assert desk.rows() == [row.decision.listing]


async def test_cancel_writes_nothing(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        before = [desk.market.price(listing) for listing in desk.losing]
        await desk.press("A")
        await desk.approving()
        await desk.press("escape")
        await desk.pilot.pause()
        assert [desk.market.price(listing) for listing in desk.losing] == before
        assert desk.market.sandbox.journal.count("POST", "/ws/listings") == 0


async def test_marked_ones_are_approved_and_hidden_ones_left_out(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        await desk.press("space", "space", "space")
        marked = [key.partition("/")[0] for key in desk.tab.table.marks]
        row = desk.tab.table.rows_between(0, 0)[0]
        await desk.show(f"!sku:{row.decision.sku}")
        await desk.press("a")
        screen = await desk.approving()
        assert "1 more marked, hidden by the filter" in screen._lead.text
        await desk.press("y")
        await until(lambda: screen.stage == "ended")
        written = {write.path.rpartition("/")[2] for write in desk.market.sandbox.journal.writes}
        assert written == set(marked[1:])
        await desk.press("enter")
        await until(lambda: len(desk.tab.table.marks) == 1)


async def test_all_shown_are_approved(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        await desk.press("A")
        screen = await desk.approving()
        assert f"{LOSING} down, 0 up" in screen._lead.text
        await desk.press("y")
        await until(lambda: screen.stage == "ended")
        assert f"{LOSING} of {LOSING} written" in screen._gauge.text
        boxes = [desk.market.sandbox.shop.listings.find(listing) for listing in desk.losing]
        shop = desk.market.sandbox.shop
        assert all(shop.backbox.wins(shop.listings.get(index), "fr-fr") for index in boxes if index is not None)


async def test_what_no_longer_holds_is_not_written_and_says_why(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        row = desk.tab.table.cursor_row
        assert row is not None
        before = desk.market.price(row.decision.listing)
        await desk.press("a")
        screen = await desk.approving()
        desk.market.rival(row.decision.listing, None)
        await desk.press("y")
        await until(lambda: screen.stage == "ended")
        assert desk.market.price(row.decision.listing) == before
        assert "0 of 1 written, 1 stopped" in screen._gauge.text
        assert screen.approval is not None
        assert screen.approval.result is not None
        assert screen.approval.result.decisions[0].result


async def test_many_prices_ask_for_their_number(sit: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing_views, "MANY_ROWS", LOSING - 1)
    async with sit() as desk:
        await desk.enter()
        await desk.press("A")
        screen = await desk.approving()
        await desk.press("3", "enter")
        await desk.pilot.pause()
        assert screen.stage == "review"
        await desk.press("backspace", str(LOSING), "enter")
        await until(lambda: screen.stage == "ended")
        assert f"{LOSING} of {LOSING} written" in screen._gauge.text


async def test_it_goes_on_behind_its_screen_and_tells_its_end(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        await desk.press("A")
        screen = await desk.approving()
        screen.action_confirm()
        screen.action_cancel()
        await until(lambda: f"{LOSING} of {LOSING} written" in desk.said())


async def test_what_does_not_wait_cannot_be_approved(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        await desk.show("no-cost")
        await desk.press("a")
        await until(lambda: "nothing to approve" in desk.said())
        await desk.press("A")
        await until(lambda: "Nothing that is shown waits" in desk.said())


async def test_a_viewer_approves_nothing(sit: Sit) -> None:
    async with sit(access="viewer") as desk:
        await desk.enter()
        await desk.press("a")
        screen = await desk.approving()
        await desk.press("y")
        await until(lambda: screen.stage == "ended")
        assert "viewer" in screen._gauge.text
        assert desk.market.sandbox.journal.count("POST") == 0


# -- the pause ---------------------------------------------------------------------------------------------------


async def test_one_key_pauses_everything_from_anywhere(sit: Sit) -> None:
    async with sit() as desk:
        banner = desk.app.pause_banner
        assert not banner.display
        await desk.press("exclamation_mark")
        await until(lambda: banner.display)
        assert banner.has_class("-on")
        assert not banner.has_class("-partly")
        assert "REPRICING IS PAUSED" in banner.line(80)[0][0]
        assert [pause.market for pause in await desk.market.workspace.pauses()] == [None]

        # Another process of the profile writes nothing now.
        await desk.enter()
        await desk.press("a")
        screen = await desk.approving()
        await desk.press("y")
        await until(lambda: screen.stage == "ended")
        assert desk.market.sandbox.journal.count("POST", "/ws/listings") == 0
        await desk.press("enter", "exclamation_mark")
        await until(lambda: len(desk.app.screen_stack) == 2)
        await desk.press("n")
        assert await desk.market.workspace.pauses()
        await desk.press("exclamation_mark")
        await until(lambda: len(desk.app.screen_stack) == 2)
        await desk.press("y")
        await until(lambda: not banner.display)
        assert await desk.market.workspace.pauses() == []


async def test_an_operator_may_pause_and_not_resume(sit: Sit) -> None:
    async with sit(access="operator") as desk:
        await desk.press("exclamation_mark")
        await until(lambda: desk.app.pause_banner.display)
        await desk.press("exclamation_mark")
        await until(lambda: len(desk.app.screen_stack) == 2)
        await desk.press("y")
        await until(lambda: "resume" in desk.said().lower() or "admin" in desk.said())
        assert desk.app.pause_banner.display
        assert await desk.market.workspace.pauses()


async def test_one_listing_is_paused_and_goes_on(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        listing = desk.rows()[0]
        await desk.press("P")
        await until(lambda: "is not repriced until" in desk.said())
        assert [pause.listing for pause in await desk.market.workspace.pauses()] == [listing]
        await until(lambda: desk.app.pause_banner.display and desk.app.pause_banner.has_class("-partly"))
        await desk.press("P")
        await until(lambda: "is repriced again" in desk.said())
        assert await desk.market.workspace.pauses() == []


async def test_the_pause_key_works_while_approving(sit: Sit) -> None:
    async with sit() as desk:
        await desk.enter()
        await desk.press("A")
        screen = await desk.approving()
        await desk.press("exclamation_mark")
        await until(lambda: "is paused" in desk.said())
        await desk.press("y")
        await until(lambda: screen.stage == "ended")
        assert desk.market.sandbox.journal.count("POST", "/ws/listings") == 0
