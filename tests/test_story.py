"""The demo's story: told twice it is the same, and all of it is there."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bmconsole.domain.intents import IntentState
from bmconsole.domain.views import Query
from bmconsole.errors import Guarded
from bmconsole.paths import Paths
from bmconsole.sandbox import ManualClock, Options, RunningSandbox, running
from bmconsole.story import DAYS, tell
from bmconsole.workspace import Workspace
from tests.conftest import profile_for

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
MARKETS = ("fr-fr", "de-de")


@pytest.fixture
async def shop() -> AsyncIterator[RunningSandbox]:
    options = Options(seed=24, orders=150, listings=90, markets=MARKETS, limits=False, clock=ManualClock(NOW), now=NOW)
    async with running(options) as sandbox:
        yield sandbox


async def told(shop: RunningSandbox, home: Path) -> dict[str, object]:
    """Tell the story in a folder of its own and return what is to be seen afterwards."""
    profile = profile_for(shop, limits={"competitors": "1000/1", "edge": "5000/10"}, markets=MARKETS, vat="margin 20")
    async with await Workspace.open(profile, Paths.under(home)) as workspace:
        await tell(workspace)
        intents = await workspace.intents(limit=0)
        counts = await workspace.pricing_counts()
        overview = await workspace.overview()
        (row,) = await workspace.listings_page(Query(where="winning", limit=1))
        history = await workspace.price_history(row.id, "fr-fr")
        return {
            "writes": [(intent.target, intent.state, dict(intent.want)) for intent in reversed(intents)],
            "standings": {each.standing: each.count for each in counts.standings},
            "waiting": counts.waiting,
            "costs": len(await workspace.costs(limit=0)),
            "boxes": [(box.winning, box.winnable, box.blocked) for box in overview.boxes],
            "trend": overview.boxes[0].trend,
            "seen": len(history.seen),
            "prices": len(history.prices),
            "late": overview.work.late,
            "to accept": overview.work.to_accept,
        }


async def test_all_of_the_story_is_there(shop: RunningSandbox, tmp_path: Path) -> None:
    scene = await told(shop, tmp_path)
    writes = scene["writes"]
    assert isinstance(writes, list)
    assert [state for _, state, _ in writes] == [IntentState.CONFIRMED, IntentState.REJECTED, IntentState.CONFLICT]
    assert scene["waiting"]
    assert scene["costs"]
    assert scene["late"]
    assert scene["to accept"]
    trend = scene["trend"]
    assert isinstance(trend, tuple)
    assert sum(value is not None for value in trend) >= DAYS - 2
    assert all(isinstance(scene[name], int) and int(str(scene[name])) > 10 for name in ("seen", "prices"))


async def test_told_twice_it_is_the_same_story(tmp_path: Path) -> None:
    scenes = []
    for name in ("first", "second"):
        options = Options(
            seed=24, orders=150, listings=90, markets=MARKETS, limits=False, clock=ManualClock(NOW), now=NOW
        )
        async with running(options) as sandbox:
            scenes.append(await told(sandbox, tmp_path / name))
    assert scenes[0] == scenes[1]


async def test_it_is_told_in_a_sandbox_only(shop: RunningSandbox, tmp_path: Path) -> None:
    profile = profile_for(shop, base_url="https://preprod.backmarket.fr", user_agent="BM-Acme-Test;it@acme.example")
    async with await Workspace.open(profile, Paths.under(tmp_path)) as workspace:
        with pytest.raises(Guarded):
            await tell(workspace)
