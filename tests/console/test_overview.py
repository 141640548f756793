"""The overview: each number is the number of the rows that it leads to, and counting stays within ranges of indexes."""

from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from bmconsole.console.look import plain
from bmconsole.console.overview import chart, groups
from bmconsole.console.personal import BUILT_IN
from bmconsole.console.widgets.figures import Figure, Group, shared_out
from bmconsole.console.widgets.spark import bars, spark
from bmconsole.domain.figures import DAYS
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox, running
from bmconsole.store import figures
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import connect, migrate
from bmconsole.workspace import Workspace
from tests.conftest import MARKETS, profile_for
from tests.console.conftest import Sit
from tests.console.waiting import until


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    """A shop without limits: what is counted here takes many looks at backboxes."""
    async with running(Options(seed=7, orders=130, listings=70, markets=MARKETS, limits=False)) as shop:
        yield shop


@pytest.fixture
async def workspace(sandbox: RunningSandbox, tmp_path: Path) -> AsyncIterator[Workspace]:
    profile = profile_for(sandbox, limits={"edge": "5000/10", "competitors": "1000/1"})
    async with await Workspace.open(profile, Paths.under(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def seen(workspace: Workspace) -> Workspace:
    await workspace.sync(["orders", "listings", "backbox"])
    return workspace


async def test_each_number_is_the_number_of_its_rows(seen: Workspace) -> None:
    overview, status = await seen.overview(), await seen.status()
    views = {(view.table, view.name): view.where for view in BUILT_IN}
    checked = 0
    for market in seen.profile.markets:
        for group in groups(overview, status, market, seen.now()):
            for figure in group.figures:
                table, _, where = figure.target.partition(" ")
                number = plain(figure.value).replace(",", "")
                if table not in ("orders", "listings") or not number.isdecimal() or group.title == "Sold":
                    continue
                where = views.get((table, where), where)
                if table == "orders":
                    assert await seen.orders_count(where) == int(number), figure.label
                else:
                    assert await seen.listings_count(where, market=market) == int(number), figure.label
                checked += 1
    assert checked > 15
    assert overview.work.to_accept + overview.work.to_ship > 0
    assert sum(box.winning for box in overview.boxes) > 0


async def test_revenue_is_that_of_the_orders_of_each_day(seen: Workspace) -> None:
    sales = (await seen.overview()).sales
    assert len(sales.days) == DAYS
    assert sales.days[-1].day == seen.now().date()
    for day in (sales.days[-1], sales.days[-3], sales.days[0]):
        where = f"created:{day.day} status:to-accept,to-ship,shipped"
        assert await seen.orders_count(where) == day.orders
    assert sales.made >= sum(day.orders for day in sales.days)
    assert 0 < sales.fee < sales.fee_of


def test_counting_reads_ranges_of_indexes_and_the_offers_once(tmp_path: Path) -> None:
    migrate(tmp_path / "mirror.db", MIRROR)
    with closing(connect(tmp_path / "mirror.db")) as connection:

        def plan(sql: str) -> str:
            values = ["x"] * sql.count("?")
            return "; ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))

        for sql in (figures.HOURS, figures.SHIPPING, figures.SOLD, figures.OPEN_UNITS):
            assert "SCAN orders" not in plan(sql)
            assert "SCAN orderlines" not in plan(sql)
        # Along an index of the offers each row would be looked up by itself: ten times as slow.
        assert "SCAN offer;" in plan(figures.BOXES)


async def test_a_number_leads_to_its_rows_by_key_and_by_click(sit: Sit, seen: Workspace) -> None:
    async with sit() as desk:
        app = desk.app
        await desk.press("8")
        await until(lambda: app.overview.figures is not None and bool(app.overview.figures.groups))
        await desk.press("j", "j", "j", "enter")
        await until(lambda: app.current is app.orders and app.orders.where == "late")
        assert app.orders.table.row_count == (await seen.overview()).work.late
        await desk.press("8")
        drawn = app.overview.figures
        assert drawn is not None
        await desk.pilot.pause()
        spot = next(spot for spot in drawn.spots if spot.figure.label == "Winnable")
        await desk.pilot.click(drawn, offset=(spot.column * (drawn._column_width() + 3) + 4, spot.line))
        await until(lambda: app.current is app.listings and app.listings.where.startswith("winnable"))
        await desk.press("left_square_bracket")
        assert app.current is app.overview


async def test_nothing_is_mounted_or_counted_before_it_is_looked_at(sit: Sit, seen: Workspace) -> None:
    async with sit() as desk:
        assert not desk.app.overview.children
        assert desk.app.overview.overview is None


def test_groups_are_shared_out_in_their_order_over_columns_of_like_height() -> None:
    made = [Group(str(number), (Figure("a", ()),) * height) for number, height in enumerate((4, 6, 4, 5, 3, 5, 10))]
    for columns in (1, 2, 3):
        shared = shared_out(made, columns)
        assert [group for column in shared for group in column] == made
        assert len(shared) <= columns
        heights = [sum(group.height for group in column) for column in shared]
        assert max(heights) <= sum(heights) / columns + max(group.height for group in made)


def test_sparks_show_what_is_there() -> None:
    assert spark([0, 1, 2])[0][0] in ("▁▄█", "▁▅█")
    assert spark([None, 1.0])[0][0].startswith("·")
    assert spark([None, None]) == ()
    lines = bars([0, 1, 1_000], 4, 2, 1)
    assert len(lines) == 4
    assert {len(line) for line in lines} == {8}
    assert lines[-1] == "   ▁▁ ██"


async def test_the_chart_fits_every_width(seen: Workspace) -> None:
    sales = (await seen.overview()).sales
    assert timedelta(0) <= (sales.shipping.median or timedelta(0)) <= (sales.shipping.p90 or timedelta(0))
    for width in (60, 80, 120, 160, 220):
        for line in chart(sales, width, 8):
            assert len(plain(line)) <= width + 2
