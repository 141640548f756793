"""The listing's page: its grades with inversions marked, what is oversold, what the rules say, and its past."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from textual.widgets import Input

from bmconsole.console import listing_page
from bmconsole.console.look import plain
from bmconsole.domain.listing_page import ListingPage, Rung, inversions
from bmconsole.domain.money import Money
from bmconsole.domain.views import Query
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox, running
from bmconsole.sandbox.control import edit_listing
from bmconsole.story import invent_costs
from bmconsole.workspace import Workspace
from tests.conftest import MARKETS, profile_for
from tests.console.conftest import Sit
from tests.console.waiting import until


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running(Options(seed=7, orders=130, listings=70, markets=MARKETS, limits=False)) as shop:
        yield shop


@pytest.fixture
async def workspace(sandbox: RunningSandbox, tmp_path: Path) -> AsyncIterator[Workspace]:
    profile = profile_for(sandbox, limits={"edge": "5000/10", "competitors": "1000/1"}, vat="margin 20")
    async with await Workspace.open(profile, Paths.under(tmp_path)) as opened:
        await opened.sync(["orders", "listings", "backbox"])
        yield opened


def rung(grade: str, price: int, *, own: bool = False, currency: str = "EUR") -> Rung:
    return Rung(f"{grade}/{price}", f"SKU-{grade}", grade, Money(price, currency), 3, None, own)


def text(page: ListingPage, workspace: Workspace) -> str:
    return "\n".join(plain(line) for line in listing_page.lines(page, 76, workspace.now(), workspace.zone))


@pytest.mark.parametrize(
    ("ladder", "wrong"),
    [
        ((rung("EXCELLENT", 300), rung("GOOD", 250), rung("FAIR", 200)), {}),
        ((rung("EXCELLENT", 240), rung("GOOD", 250), rung("FAIR", 200)), {"EXCELLENT/240": "GOOD"}),
        ((rung("EXCELLENT", 200), rung("GOOD", 200)), {"EXCELLENT/200": "GOOD"}),
        ((rung("GOOD", 200), rung("GOOD", 250)), {}),
        ((rung("EXCELLENT", 200), rung("GOOD", 250, currency="GBP")), {}),
        ((rung("EXCELLENT", 190), rung("GOOD", 195), rung("FAIR", 199)), {"EXCELLENT/190": "FAIR", "GOOD/195": "FAIR"}),
    ],
)
def test_a_better_grade_that_is_not_dearer_is_an_inversion(ladder: Sequence[Rung], wrong: dict[str, str]) -> None:
    assert inversions(ladder) == wrong


@pytest.mark.parametrize(
    ("stock", "sold", "short"), [(5, 3, 0), (2, 3, 1), (0, 2, 2), (-1, 0, 1), (-1, 3, 3), (None, 4, 0), (3, 3, 0)]
)
def test_what_is_oversold(stock: int | None, sold: int, short: int) -> None:
    assert ListingPage("fr-fr", stock=stock, open_units=sold).short_of == short


async def test_the_page_has_stock_rules_grades_and_past(sandbox: RunningSandbox, workspace: Workspace) -> None:
    await invent_costs(workspace)
    await workspace.reprice_now()
    (order,) = await workspace.orders_page(Query(where="status:to-ship", limit=1))
    (row,) = await workspace.listings_page(Query(where=f'sku:"{order.skus.split(", ")[0]}"', limit=1))
    listing = sandbox.shop.listings.get(sandbox.shop.listings.find(row.id) or 0)
    edit_listing(sandbox.shop, listing, {"quantity": 0})
    await workspace.refresh_listing(row.id)
    page = await workspace.listing_page(row.id, "fr-fr")
    assert page.short_of == page.open_units > 0
    assert order.order_id in {each.order_id for each in page.open_orders}
    shown = text(page, workspace)
    assert f"oversold by {page.open_units}" in shown
    assert "What the rules say" in shown
    assert str(order.order_id) in shown
    decided = [each for each in await workspace.listings_page(Query(where="publication:online winnable", limit=0))]
    told = await workspace.listing_page(decided[0].id, "fr-fr")
    assert told.decision is not None
    assert told.decision.row.decision.reason[:20] in text(told, workspace)
    assert told.history is not None


async def test_grades_of_one_product_make_a_ladder(workspace: Workspace) -> None:
    found = None
    for row in await workspace.listings_page(Query(where="publication:online", limit=0)):
        page = await workspace.listing_page(row.id, "fr-fr")
        if len({rung.grade for rung in page.ladder}) > 1:
            found = page
            break
    assert found is not None, "the shop has no product in two grades"
    assert sum(rung.own for rung in found.ladder) == 1
    assert "Grades of this product" in text(found, workspace)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_narrow_screen_shows_the_page_in_place_of_the_form(
    sit: Sit, workspace: Workspace, size: tuple[int, int]
) -> None:
    (row,) = await workspace.listings_page(Query(where="publication:online", sort="sku", limit=1))
    async with sit(size=size) as desk:
        await until(lambda: desk.app.current.ready)
        desk.app.open_listing(row.id)
        tab = desk.app.edit
        await until(lambda: tab.page is not None)
        await desk.pilot.pause()
        shown = tab.beside if size[0] >= 130 else tab.below
        assert "What the rules say" in shown.text
        if size[0] < 130:
            await desk.press("escape", "a")
            await until(lambda: tab.has_class("-around"))
            await desk.pilot.pause()
            assert tab.below.region.y < 20
            assert not tab.form.region.area
            await desk.press("a")
            await until(lambda: bool(tab.form.region.area))
        else:
            await desk.press("escape", "a")
            await until(lambda: desk.app.focused is not None and desk.app.focused.id == "edit-page")
            await desk.press("a")
            await until(lambda: isinstance(desk.app.focused, Input))
