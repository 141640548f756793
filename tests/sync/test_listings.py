from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from bmconsole.domain.views import Progress
from bmconsole.store import listings as rows
from bmconsole.store import removals as removal_rows
from bmconsole.sync import Sources, listings, removals
from tests.sync.worlds import Kill, ListingWorld, at_work


@pytest.fixture
def world() -> ListingWorld:
    """Forty listings on four pages; nothing changes by itself."""
    return ListingWorld(seed=2, rate=1e-9, page_cap=10, listings=40)


@pytest.fixture
async def sources(world: ListingWorld, tmp_path: Path) -> AsyncIterator[Sources]:
    async with at_work(world, tmp_path) as opened:
        yield opened


def remove(world: ListingWorld, count: int) -> list[str]:
    """Delete some listings, as the back office does."""
    taken = sorted(world.live)[:count]
    for listing in taken:
        del world.live[listing]
    return taken


async def shown(sources: Sources) -> int:
    return await sources.mirror.read(rows.count)


async def waiting(sources: Sources) -> list[str]:
    return sorted(each.id for each in await sources.mirror.read(removal_rows.waiting))


async def test_a_pass_in_each_market(sources: Sources, world: ListingWorld) -> None:
    steps: list[Progress] = []
    result = await listings.pull(sources, show=steps.append)
    assert result.as_json() == {"pages": 8, "seen": 40, "changed": 80, "quarantined": 0, "clean": True}
    assert (steps[-1].done, steps[-1].total) == (40, 40)
    again = await listings.pull(sources)
    assert (again.pages, again.seen, again.changed) == (8, 40, 0)


async def test_few_that_are_gone_go_after_a_look_at_each(sources: Sources, world: ListingWorld) -> None:
    await listings.pull(sources)
    taken = remove(world, 2)
    before = world.requests
    await listings.pull(sources)
    assert world.requests - before == 2 * 4 + len(taken)
    assert (await shown(sources), await waiting(sources)) == (38, [])
    before = world.requests
    await listings.pull(sources)
    assert world.requests - before == 8, "nobody asks for them again"


async def test_what_the_list_leaves_out_but_still_answers_stays(sources: Sources, world: ListingWorld) -> None:
    await listings.pull(sources)
    world.hidden = set(sorted(world.live)[:2])
    await listings.pull(sources)
    assert (await shown(sources), await waiting(sources)) == (40, [])


async def test_many_wait_for_the_operator(sources: Sources, world: ListingWorld) -> None:
    await listings.pull(sources)
    taken = remove(world, 3)
    for _ in range(2):
        await listings.pull(sources)
    assert (await shown(sources), await waiting(sources)) == (40, taken)
    told = [line for line in world.log if "removals" in line]
    assert told == [
        "warning: 3 of 40 listings are not shown by Back Market any more; they stay until you confirm: "
        "bmconsole listings removals"
    ]
    world.live[taken[0]] = 1
    gone, alive = await removals.confirm(sources, taken)
    assert (gone, alive) == (taken[1:], taken[:1])
    assert (await shown(sources), await waiting(sources)) == (38, [])


async def test_more_than_fifty_are_not_even_asked_for(sources: Sources, world: ListingWorld) -> None:
    for _ in range(60):
        world._add()
    await listings.pull(sources)
    taken = remove(world, 51)
    before = world.requests
    await listings.pull(sources)
    assert world.requests - before == 2 * 5
    assert await waiting(sources) == taken


async def test_what_the_operator_keeps_is_not_asked_about_again(sources: Sources, world: ListingWorld) -> None:
    await listings.pull(sources)
    taken = remove(world, 4)
    await listings.pull(sources)
    await sources.mirror.write(lambda connection: removal_rows.keep(connection, taken))
    before = world.requests
    await listings.pull(sources)
    assert world.requests - before == 8
    assert (await shown(sources), await waiting(sources)) == (40, [])
    for listing in taken:
        world.live[listing] = 1
    await listings.pull(sources)
    assert remove(world, 4) == taken
    await listings.pull(sources)
    assert await waiting(sources) == taken, "they were met and missed anew"


async def test_what_comes_back_is_shown_again(sources: Sources, world: ListingWorld) -> None:
    await listings.pull(sources)
    taken = remove(world, 2)
    await listings.pull(sources)
    for listing in taken:
        world.live[listing] = 1
    await listings.pull(sources)
    assert await shown(sources) == 40


async def test_one_market_that_is_not_clean_leaves_everything_as_it_is(sources: Sources, world: ListingWorld) -> None:
    await listings.pull(sources)
    remove(world, 1)
    page = type(world).page

    def wrong_count(self: ListingWorld, request: httpx.Request, *rest: object) -> tuple[int, object]:
        status, body = page(self, request, *rest)  # type: ignore[arg-type]  # handed through
        if request.headers["Accept-Language"] == "de-de" and isinstance(body, dict) and status == 200:
            return status, {**body, "count": 41}
        return status, body

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(world), "page", wrong_count)
        assert not (await listings.pull(sources)).clean
    assert await shown(sources) == 40


async def history(sources: Sources, table: str) -> list[tuple[object, ...]]:
    values = "market, price, min_price" if table == "prices" else "quantity"
    return await sources.history.read(
        lambda c: [tuple(row) for row in c.execute(f"SELECT {values} FROM {table} ORDER BY id")]  # noqa: S608 - fixed names
    )


async def test_prices_and_stock_have_a_history(sources: Sources, world: ListingWorld) -> None:
    remove(world, 39)
    price, quantity = "100.00", 1

    def render(self: ListingWorld, name: str, market: str) -> dict[str, object]:
        return {"id": name, "sku": "X", "price": price, "min_price": None, "quantity": quantity}

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(world), "_json", render)
        await listings.pull(sources)
        world.pass_time(60)
        await listings.pull(sources)
        price, quantity = "90.00", 0
        world.pass_time(60)
        await listings.pull(sources)
        assert await history(sources, "prices") == [
            ("fr-fr", 10_000, None),
            ("de-de", 10_000, None),
            ("fr-fr", 9_000, None),
            ("de-de", 9_000, None),
        ]
        assert await history(sources, "stocks") == [(1,), (0,)]
        # A crash between the two files: the mirror knows the new price, the history does not.
        await sources.history.write(lambda c: c.execute("DELETE FROM prices WHERE price = 9000").rowcount)
        world.pass_time(60)
        assert (await listings.pull(sources)).changed == 0
        assert (await history(sources, "prices"))[2:] == [("fr-fr", 9_000, None), ("de-de", 9_000, None)]
        world.pass_time(2 * 86_400)
        await listings.pull(sources)
        spans = await sources.history.read(
            lambda c: [row[0] > row[1] for row in c.execute("SELECT last_seen, first_seen FROM prices ORDER BY id")]
        )
        assert spans == [False, False, True, True], "what is still so was last seen lately"


async def test_a_pass_longer_than_its_timer_is_told(sources: Sources, world: ListingWorld) -> None:
    slow = replace(sources, per_second=lambda _: 0.1)
    await listings.pull(slow, every=100.0)
    assert world.log == []
    await listings.pull(slow, every=60.0)
    assert world.log == ["warning: listings: 2 markets × 4 pages take about 80 s, longer than their timer of 60 s"]


async def test_a_field_is_told_once_and_not_once_in_each_market(sources: Sources, world: ListingWorld) -> None:
    await listings.pull(sources)

    def render(self: ListingWorld, name: str, market: str) -> dict[str, object]:
        return {"id": name, "sku": "X", "price": "1.00", "amount_in_stock": 1}

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(world), "_json", render)
        for _ in range(2):
            await listings.pull(sources)
    assert [line for line in world.log if "sends" in line] == [
        "warning: Back Market sends new fields in listings: amount_in_stock",
        "warning: Back Market sends no longer in listings: quantity, title",
    ]


@pytest.mark.parametrize(("minutes", "anew"), [(30, False), (90, True)])
async def test_a_pass_that_was_cut_off_long_ago_begins_anew(
    world: ListingWorld, tmp_path: Path, minutes: int, anew: bool
) -> None:
    """What its first pages showed is as old as it, and nothing else finds what changed on them."""
    world.kill_at = 3
    with pytest.raises(BaseExceptionGroup) as ended:
        async with at_work(world, tmp_path) as cut_off:
            await listings.pull(cut_off)
    assert ended.group_contains(Kill)
    world.pass_time(minutes * 60.0)
    before = world.requests
    async with at_work(world, tmp_path) as sources:
        result = await listings.pull(sources)
    assert (result.seen, result.clean) == (40, True)
    pages = world.requests - before
    assert pages == 8 if anew else pages < 8
