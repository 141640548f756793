import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from bmconsole.domain.views import Progress
from bmconsole.store import passes, quarantine
from bmconsole.store.passes import Stream
from bmconsole.store.sqlite import connect
from bmconsole.sync import Sources, orders
from tests.sync.worlds import START, OrderWorld, at_work

DAY = 86_400.0


@pytest.fixture
def world() -> OrderWorld:
    """Sixty orders on six pages; nothing changes by itself."""
    return OrderWorld(seed=1, rate=1e-9, page_cap=10, orders=60, ordering="date_creation")


@pytest.fixture
async def sources(world: OrderWorld, tmp_path: Path) -> AsyncIterator[Sources]:
    async with at_work(world, tmp_path) as opened:
        yield opened


def place(world: OrderWorld, order_id: int) -> None:
    """Let an order come in now."""
    world.versions[order_id] = 1
    template = next(iter(world.shown.values()))
    world.shown[order_id] = replace(
        template, id=order_id, created=world.elapsed, modified=world.elapsed, version=1, listed=True
    )


def alter(world: OrderWorld, order_id: int, *, touch: bool = True) -> None:
    """Change an order now; without `touch` its date does not tell."""
    order = world.shown[order_id]
    modified = world.elapsed if touch else order.modified
    world.shown[order_id] = replace(order, version=order.version + 1, modified=modified)


async def ours(sources: Sources) -> dict[int, str]:
    return await sources.mirror.read(
        lambda c: {row["order_id"]: row["tracking"] for row in c.execute("SELECT order_id, tracking FROM orders")}
    )


async def stream(sources: Sources, name: str = "orders") -> Stream:
    return await sources.mirror.read(lambda connection: passes.stream(connection, name))


async def test_the_changes_begin_where_the_backfill_began(sources: Sources, world: OrderWorld) -> None:
    result = await orders.pull(sources)
    assert (result.pages, result.seen, result.changed, result.clean) == (6, 60, 60, True)
    began = (await stream(sources, "orders:backfill")).watermark
    assert began is not None
    assert START <= began <= START + timedelta(seconds=world.per_request * 2)
    assert (await stream(sources)).watermark == began - orders.OVERLAP
    assert await orders.pull(sources) == replace(result, pages=1, seen=0, changed=0)


async def test_a_fresh_order_shows_while_the_backfill_runs(sources: Sources, world: OrderWorld) -> None:
    world.page_cap = 2
    shown_after: list[int] = []

    def look(step: Progress) -> None:
        if 5_000 not in world.shown:
            # At the end of a list by creation: the backfill comes to it last.
            place(world, 5_000)
        with connect(sources.mirror.path, readonly=True) as connection:
            if connection.execute("SELECT 1 FROM orders WHERE order_id = 5000").fetchone():
                shown_after.append(step.pages)
        connection.close()

    with patch.object(orders, "POLL", world.per_request):
        result = await orders.pull(sources, show=look)
    assert (result.seen, result.clean) == (61, True)
    assert shown_after[0] < 20, "of 31 pages"


async def test_full_walks_everything_again_and_leaves_the_watermark(sources: Sources, world: OrderWorld) -> None:
    await orders.pull(sources)
    world.pass_time(3_600)
    alter(world, 1_003, touch=False)
    assert (await orders.pull(sources)).changed == 0
    mark = (await stream(sources)).watermark
    result = await orders.pull(sources, full=True)
    assert (result.pages, result.seen, result.changed, result.clean) == (7, 60, 1, True)
    assert (await stream(sources)).watermark == mark


async def test_the_watch_stores_a_page_and_leaves_the_watermark(sources: Sources, world: OrderWorld) -> None:
    assert await orders.watch(sources) == orders.Watched(0, more=False), "nothing to go by before the first pull"
    assert world.requests == 0
    await orders.pull(sources)
    before = await stream(sources)
    world.pass_time(120)
    for order_id in (1_001, 1_002):
        alter(world, order_id)
    place(world, 5_000)
    assert await orders.watch(sources) == orders.Watched(3, more=False)
    assert await orders.watch(sources) == orders.Watched(0, more=False)
    assert (await ours(sources))[5_000] == "1"
    assert await stream(sources) == before
    for order_id in range(1_010, 1_025):
        alter(world, order_id)
    assert (await orders.watch(sources)).more


async def test_open_orders_are_read_by_id_once_a_day(sources: Sources, world: OrderWorld) -> None:
    await orders.pull(sources)
    world.pass_time(23 * 3_600)
    alter(world, 1_007, touch=False)
    assert (await orders.pull(sources)).changed == 0
    world.pass_time(2 * 3_600)
    before = world.requests
    assert (await orders.pull(sources)).changed == 1
    assert (await ours(sources))[1_007] == "2"
    assert world.requests - before > 50
    before = world.requests
    await orders.pull(sources)
    assert world.requests - before == 1, "they count as read, changed or not"


async def test_an_open_order_that_is_no_more_is_logged_and_left(sources: Sources, world: OrderWorld) -> None:
    await orders.pull(sources)
    del world.shown[1_000]
    world.pass_time(1.1 * DAY)
    await orders.pull(sources)
    await orders.pull(sources)
    assert [line for line in world.log if "1000" in line] == ["warning: Back Market no longer knows order 1000"]
    assert 1_000 in await ours(sources)


async def test_once_a_day_the_changes_reach_back_a_day(sources: Sources, world: OrderWorld) -> None:
    await orders.pull(sources)
    for _ in range(3):
        world.pass_time(0.45 * DAY)
        await orders.pull(sources)
    kinds = await sources.mirror.read(
        lambda c: [row["kind"] for row in c.execute("SELECT kind FROM passes WHERE stream = 'orders' ORDER BY pass_id")]
    )
    assert kinds == ["incremental", "incremental", "deep"]


async def test_a_list_that_never_stands_still_is_told_with_its_numbers(sources: Sources, world: OrderWorld) -> None:
    await orders.pull(sources)
    mark = (await stream(sources)).watermark
    world.pass_time(60)
    for order_id in range(1_000, 1_030):
        alter(world, order_id)
    with patch.object(OrderWorld, "change", lambda self: place(self, 6_000 + self.requests)):
        world.rate = 100.0
        world._next = world.elapsed
        result = await orders.pull(sources)
    assert not result.clean
    assert result.seen >= 30
    assert (await stream(sources)).watermark == mark
    (told,) = [line for line in world.log if "not clean" in line]
    assert told.startswith("warning: orders: not clean after 3 passes (")
    assert "the list changed meanwhile" in told


async def test_a_backfill_that_is_not_clean_waits_before_the_engine_tries_again(
    sources: Sources, world: OrderWorld
) -> None:
    count = world.page

    def one_too_many(request: httpx.Request, found: list[object], render: object) -> tuple[int, object]:
        status, page = count(request, found, render)  # type: ignore[arg-type]  # handed through
        return (
            (status, {**page, "count": len(found) + 1}) if isinstance(page, dict) and status == 200 else (status, page)
        )

    with patch.object(OrderWorld, "page", lambda self, *given: one_too_many(*given)):
        assert not (await orders.pull(sources, eager=False)).clean
        before = world.requests
        assert (await orders.pull(sources, eager=False)).pages == 3, "the changes alone, which are not clean either"
        assert world.requests - before == 3
    world.pass_time(7 * 3_600)
    assert (await orders.pull(sources, eager=False)).clean
    assert (await stream(sources, "orders:backfill")).last_clean is not None


async def test_a_clock_that_jumps_does_not_move_the_watermark(sources: Sources, world: OrderWorld) -> None:
    jumped = timedelta()

    def local() -> datetime:
        return world.now() - jumped

    sources = replace(sources, local=local)
    await orders.pull(sources)
    world.pass_time(600)
    await orders.pull(sources)
    mark = (await stream(sources)).watermark
    jumped = timedelta(days=1)
    world.pass_time(600 + DAY)
    assert (await orders.pull(sources)).clean
    assert (await stream(sources)).watermark == mark
    assert any("clock jumped by 86400 s" in line for line in world.log)
    world.pass_time(600)
    await orders.pull(sources)
    moved = (await stream(sources)).watermark
    assert moved is not None
    assert mark is not None
    assert moved > mark


async def test_two_pulls_at_once_take_turns(sources: Sources, world: OrderWorld) -> None:
    async def sleep(seconds: float) -> None:
        await (asyncio.sleep(0) if seconds < 1 else asyncio.Event().wait())

    sources = replace(sources, sleep=sleep)
    first, second = await asyncio.gather(orders.pull(sources), orders.pull(sources))
    assert sorted((first.pages, second.pages)) == [1, 6], "the one behind looks at the changes only"
    assert world.requests == 7


async def test_fields_that_come_and_go_are_told_once(sources: Sources, world: OrderWorld) -> None:
    await orders.pull(sources)
    render = type(world.shown[1_000]).as_json

    def renamed(order: object) -> dict[str, object]:
        record = render(order)  # type: ignore[arg-type]  # the worlds' own order
        record["tracking_code"] = record.pop("tracking_number")
        return record

    with patch.object(type(world.shown[1_000]), "as_json", renamed):
        for _ in range(2):
            world.pass_time(120)
            for order_id in range(1_000, 1_008):
                alter(world, order_id)
            await orders.pull(sources)
    assert [line for line in world.log if "fields" in line or "no longer" in line] == [
        "warning: Back Market sends new fields in orders: tracking_code",
        "warning: Back Market sends no longer in orders: tracking_number",
    ]


async def test_an_order_that_came_damaged_once_is_read_by_id(sources: Sources, world: OrderWorld) -> None:
    render = type(world.shown[1_000]).as_json
    damaged = True

    def damage(order: object) -> dict[str, object]:
        record = render(order)  # type: ignore[arg-type]  # the worlds' own order
        return {**record, "price": []} if damaged and record["order_id"] == 1_004 else record

    with patch.object(type(world.shown[1_000]), "as_json", damage):
        result = await orders.pull(sources)
        assert (result.seen, result.quarantined, result.clean) == (60, 1, True)
        assert 1_004 not in await ours(sources)
        world.pass_time(60)
        assert (await orders.pull(sources)).quarantined == 1, "it still is"
        damaged = False
        world.pass_time(60)
        result = await orders.pull(sources)
        assert (result.changed, result.quarantined) == (1, 0)
        assert (await ours(sources))[1_004] == "1"
        assert await sources.mirror.read(quarantine.count) == 0
