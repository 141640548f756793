from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bmconsole.paths import Paths
from bmconsole.sandbox import RunningSandbox
from bmconsole.store import observations as rows
from bmconsole.store.observations import Online
from bmconsole.sync import backbox
from bmconsole.sync.turns import in_turn
from bmconsole.workspace import Workspace
from tests.conftest import profile_for
from tests.sync.test_sync import control

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
FAST = {"competitors": "1000/1"}


def listing(name: str, *, hours: float | None, price: int = 40_000, market: str = "fr-fr", known: int = 30) -> Online:
    """Return a listing that was last looked at so many hours ago, and is known for so many days."""
    last = None if hours is None else NOW - timedelta(hours=hours)
    return Online(name, NOW - timedelta(days=known), last, {market: price})


def test_never_looked_at_comes_first_and_the_dearest_of_them_at_once() -> None:
    found = in_turn(
        [listing("old", hours=200), listing("new", hours=None), listing("dear", hours=None, price=90_000)], {}, NOW
    )
    assert found == ["dear", "new", "old"]


def test_where_it_flips_a_look_is_worth_more_than_where_it_is_stable() -> None:
    known = [listing("stable", hours=6), listing("flips", hours=2)]
    assert in_turn(known, {"flips": 40}, NOW) == ["flips", "stable"]
    assert in_turn(known, {}, NOW) == ["stable", "flips"]


def test_a_new_listing_is_watched_until_it_proves_stable() -> None:
    known = [listing("stable", hours=3), listing("young", hours=2, known=0)]
    assert in_turn(known, {}, NOW) == ["young", "stable"]


def test_value_is_told_by_the_median_of_its_market() -> None:
    # 60,000 yen are less than 400 euros, whatever the numbers say.
    known = [
        *(listing(f"yen {place}", hours=2, price=60_000, market="ja-jp") for place in range(3)),
        *(listing(f"euro {place}", hours=2, price=40_000) for place in range(3)),
        listing("dear", hours=2, price=80_000),
        listing("dear in yen", hours=2, price=180_000, market="ja-jp"),
    ]
    assert in_turn(known, {}, NOW)[:2] == ["dear in yen", "dear"]


def test_nothing_starves() -> None:
    # Looked at once an hour in turn, ten at a time: the cheapest stable one has its turn within two weeks.
    last = dict.fromkeys((f"hot {place}" for place in range(40)), NOW)
    last["cheap"] = NOW
    flips = {name: 100 for name in last if name != "cheap"}
    now = NOW
    for hour in range(24 * 14):
        now = NOW + timedelta(hours=hour)
        known = [
            Online(name, NOW - timedelta(days=30), seen, {"fr-fr": 1_000 if name == "cheap" else 90_000})
            for name, seen in last.items()
        ]
        for name in in_turn(known, flips, now)[:10]:
            last[name] = now
    assert last["cheap"] > NOW


@pytest.fixture
async def fast(sandbox: RunningSandbox, tmp_path: Path) -> AsyncIterator[Workspace]:
    """A workspace whose sweeps are not slowed down by limits."""
    await control(sandbox, "PUT", "/limits", {"competitors": None})
    async with await Workspace.open(profile_for(sandbox, limits=FAST), Paths.under(tmp_path)) as opened:
        yield opened


async def test_a_sweep_by_a_timer_takes_what_fits_into_it(fast: Workspace, sandbox: RunningSandbox) -> None:
    await fast.sync(["listings"])
    sources = await fast._sources()
    online = len(await sources.mirror.read(lambda c: rows.online(c, sources.markets)))
    assert online > 20
    half = await backbox.sweep(sources, within=20 / 1000 / 0.9)
    assert half.pages == 20
    seen = await sources.mirror.read(
        lambda c: c.execute("SELECT count(DISTINCT listing) FROM offers WHERE box_last IS NOT NULL").fetchone()[0]
    )
    assert seen == 20
    rest = await backbox.sweep(sources, within=(online - 20) / 1000 / 0.9 + 0.0001)
    assert rest.pages == online - 20
    unseen = await sources.mirror.read(
        lambda c: [each.listing for each in rows.online(c, sources.markets) if each.last is None]
    )
    assert unseen == [], "the second sweep began with what the first left"
    assert (await backbox.sweep(sources)).pages == online


async def test_our_own_change_is_looked_at_until_the_backbox_has_followed(
    fast: Workspace, sandbox: RunningSandbox
) -> None:
    await fast.sync(["listings", "backbox"])
    sources = await fast._sources()
    competing = await sources.history.read(
        lambda c: c.execute("SELECT listing, price FROM observations WHERE market = 'fr-fr' LIMIT 1").fetchone()
    )
    name = competing["listing"]
    clock = fast.now()
    sources = await fast._sources()
    sources = replace(sources, now=lambda: clock)
    # The mirror has our new price before the backbox goes by it.
    await sources.mirror.write(
        lambda c: c.execute("UPDATE offers SET price = price + 100 WHERE listing = ?", (name,)).rowcount
    )
    await fast.observe_soon(name)
    assert await backbox.observe_due(sources) == 0, "not yet"
    clock += backbox.SETTLED + timedelta(seconds=5)
    assert await backbox.observe_due(sources) == 1
    assert await backbox.observe_due(sources) == 0
    clock += backbox.SETTLED
    assert await backbox.observe_due(sources) == 1, "it still told the old price"
    await sources.mirror.write(
        lambda c: c.execute("UPDATE offers SET price = price - 100 WHERE listing = ?", (name,)).rowcount
    )
    clock += backbox.SETTLED
    assert await backbox.observe_due(sources) == 1
    clock += backbox.SETTLED
    assert await backbox.observe_due(sources) == 0, "it has followed"


async def test_one_listing_that_cannot_be_answered_for_does_not_end_the_sweep(
    fast: Workspace, sandbox: RunningSandbox
) -> None:
    await fast.sync(["listings"])
    fault = {"kind": "answer", "path": "/ws/backbox", "status": 200, "body": {"no": "list"}, "times": 2}
    await control(sandbox, "PUT", "/faults", [fault])
    result = (await fast.sync(["backbox"]))["backbox"]
    assert not result.clean
    assert result.seen > 0
    assert (await fast.status()).feeds["backbox"] is None
    told = [event.message for event in await fast.events(level="warning")]
    assert len([line for line in told if line.startswith("backbox: ")]) == 2


async def test_a_listing_that_stops_competing_keeps_no_old_figures(fast: Workspace, sandbox: RunningSandbox) -> None:
    await fast.sync(["listings", "backbox"])
    sources = await fast._sources()
    name = (await sources.history.read(lambda c: c.execute("SELECT listing FROM observations").fetchone()))["listing"]
    fault = {"kind": "answer", "path": f"/ws/backbox/v1/competitors/{name}", "status": 200, "body": []}
    await control(sandbox, "PUT", "/faults", [fault])
    assert await backbox.observe(sources, name) == []
    found = await fast.listing(name)
    assert all(offer.backbox is None for offer in found.offers.values())
    last = await sources.history.read(
        lambda c: c.execute(
            "SELECT price, winning FROM observations WHERE listing = ? ORDER BY id DESC", (name,)
        ).fetchone()
    )
    assert tuple(last) == (None, None)
