import asyncio
from collections.abc import Sequence
from unittest.mock import patch

import pytest

from bmconsole.store import passes
from bmconsole.sync import Sources, orders, removals
from tests.sync.drift import CELLS, LISTING_CELLS, Cell

SEEDS = range(1, 9)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.ordering} {cell.rate}/s")
def test_after_a_quiet_pass_nothing_is_stale_or_missing(cell: Cell) -> None:
    for seed in SEEDS:
        outcome = cell.run(seed)
        assert (outcome.wrong, outcome.early) == (0, 0), f"seed {seed}"


@pytest.mark.parametrize("cell", LISTING_CELLS, ids=lambda cell: f"{cell.rate}/s")
def test_no_living_listing_is_taken_for_gone_and_no_dead_one_stays(cell: Cell) -> None:
    for seed in SEEDS:
        outcome = cell.run(seed)
        assert (outcome.wrong, outcome.left) == (0, 0), f"seed {seed}"


def caught(cells: Sequence[Cell], seeds: Sequence[int] = SEEDS) -> bool:
    return any(outcome.wrong or outcome.early for cell in cells for outcome in map(cell.run, seeds))


BUSY = [Cell("date_modification", 2.0), Cell("-date_modification", 2.0), Cell("date_modification", 20.0)]


def test_the_simulation_sees_a_watermark_that_moves_with_every_pass() -> None:
    with patch.object(passes.Verdict, "clean", property(lambda _: True)):
        assert caught(BUSY)


def test_the_simulation_sees_a_backfill_that_is_content_with_one_walk() -> None:
    async def always(*_: object) -> bool:
        return True

    with patch.object(orders, "_is_complete", always):
        assert caught(BUSY)


def test_the_simulation_sees_listings_that_are_not_asked_for() -> None:
    async def all_of_them(_: Sources, listings: Sequence[str], __: object) -> list[str]:
        await asyncio.sleep(0)
        return list(listings)

    with patch.object(removals, "_gone", all_of_them):
        # Seldom: a listing has to move between two pages while both are read.
        assert caught(LISTING_CELLS[-1:], range(1, 65))
