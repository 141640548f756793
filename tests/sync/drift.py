"""Lets the real synchronisation loose on shops that never stand still, and counts what it gets wrong.

    python -m tests.sync.drift --seeds 200

prints what is stale or missing after one quiet pass (four orderings of the list, three rates of change) and how many
living listings were taken for gone. Every run follows from its seed.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from bmconsole.store import passes, removals
from bmconsole.store.sqlite import Connection
from bmconsole.sync import Sources, listings, orders
from tests.sync.worlds import ORDERINGS, START, ListingWorld, OrderWorld, Process

RATES = (0.1, 2.0, 20.0)
"""Changes a second."""
_ROUNDS = 2
_POLL = 60.0
_CHANGES_A_POLL = 40.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run got wrong, and what it took.

    `wrong` are orders stale or missing after the quiet pass, or listings that live but were taken for gone; `early` are
    orders that were not what the server had although they lie before the watermark, at any time; `left` are listings
    still shown after two quiet passes though they are gone.
    """

    wrong: int
    early: int = 0
    left: int = 0
    requests: int = 0
    unclean: int = 0
    kills: int = 0


async def orders_under_drift(seed: int, ordering: str, rate: float, folder: Path) -> Outcome:
    """Backfill, poll and watch a shop that changes; then let it rest, pull once and compare."""
    draw = random.Random(f"{seed}/{ordering}/{rate}")
    # The faster it changes, the shorter it runs: some orders must rest all the time, for what misses them to show.
    poll = min(_POLL, _CHANGES_A_POLL / rate)
    world = OrderWorld(
        seed=draw.getrandbits(32),
        rate=rate,
        page_cap=draw.choice((6, 8, 10)),
        ordering=ordering,
        orders=draw.choice((60, 75, 100)),
        lag=poll / 4,
        exclusive=draw.random() < 0.5,
    )
    early = unclean = 0

    async def pull(sources: Sources) -> None:
        nonlocal unclean
        unclean += not (await orders.pull(sources)).clean

    async def look(sources: Sources) -> None:
        nonlocal early
        early += await sources.mirror.read(lambda connection: _early(connection, world))

    world.pass_time(2 * world.lag)
    # As short as it may be: a longer overlap would only hide what the passes get wrong.
    with patch.object(orders, "OVERLAP", timedelta(seconds=world.lag + 2)):
        async with Process(world, folder) as process:
            for _ in range(_ROUNDS + 1):
                if draw.random() < 0.3:
                    world.kill_at = world.requests + draw.randrange(1, 20)
                await process.carry_out(draw.choice((pull, pull, orders.watch)) if world.requests else pull)
                await process.carry_out(look)
                world.pass_time(poll * draw.uniform(0.5, 1.5))
            world.quiet, world.kill_at = True, None
            world.pass_time(2 * world.lag)
            await process.carry_out(pull)
            await process.carry_out(look)
            wrong = await process.carry_out(lambda sources: sources.mirror.read(lambda c: _wrong(c, world)))
    return Outcome(wrong, early, 0, world.requests, unclean, process.kills)


def _wrong(connection: Connection, world: OrderWorld) -> int:
    ours = {row["order_id"]: row["tracking"] for row in connection.execute("SELECT order_id, tracking FROM orders")}
    return sum(ours.get(order.id) != str(order.version) for order in world.visible())


def _early(connection: Connection, world: OrderWorld) -> int:
    """Return how many orders differ whose last change lies before the watermark by the server's clock."""
    mark: datetime | None = passes.stream(connection, "orders").watermark
    filled = passes.stream(connection, "orders:backfill").last_clean
    if mark is None or filled is None:
        return 0
    bound = (mark - START).total_seconds()
    ours = {row["order_id"]: row["tracking"] for row in connection.execute("SELECT order_id, tracking FROM orders")}
    return sum(order.modified < bound and ours.get(order.id) != str(order.version) for order in world.visible())


async def listings_under_drift(seed: int, rate: float, folder: Path) -> Outcome:
    """Pull a shop whose listings come and go, some passes cut off; count the living ones that were taken for gone."""
    draw = random.Random(f"{seed}/{rate}")
    world = ListingWorld(
        seed=draw.getrandbits(32), rate=rate, page_cap=draw.choice((5, 7, 10)), listings=draw.choice((42, 61))
    )
    markets = draw.choice((("fr-fr",), ("fr-fr", "de-de")))
    wrong = unclean = 0

    async def pull(sources: Sources) -> None:
        nonlocal unclean
        unclean += not (await listings.pull(sources)).clean

    async def look(sources: Sources) -> None:
        nonlocal wrong
        # One that came back after its 404 and was not shown since is not wrong: nobody could know.
        wrong += sum(
            listing in world.live and world.denied.get(listing, -1.0) <= world.showed.get(listing, 0.0)
            for listing in await sources.mirror.read(_buried)
        )

    async with Process(world, folder, markets=markets) as process:
        for turn in range(_ROUNDS + 4):
            world.quiet = turn > _ROUNDS
            world.kill_at = world.requests + draw.randrange(1, 40) if draw.random() < 0.3 and not world.quiet else None
            await process.carry_out(pull)
            await process.carry_out(look)
            world.pass_time(draw.uniform(0, 3) / rate)
        shown = await process.carry_out(lambda sources: sources.mirror.read(_shown))
        waiting = {each.id for each in await process.carry_out(lambda sources: sources.mirror.read(removals.waiting))}
    wrong += len(world.live.keys() - shown)
    left = len(shown - waiting - world.live.keys())
    return Outcome(wrong, 0, left, world.requests, unclean, process.kills)


def _buried(connection: Connection) -> list[str]:
    return [row["id"] for row in connection.execute("SELECT id FROM listings WHERE deleted_at IS NOT NULL")]


def _shown(connection: Connection) -> set[str]:
    return {row["id"] for row in connection.execute("SELECT id FROM listings WHERE deleted_at IS NULL")}


@dataclass(frozen=True, slots=True)
class Cell:
    """A line of the table: one ordering (empty: listings) and one rate, over some seeds."""

    ordering: str
    rate: float

    def run(self, seed: int) -> Outcome:
        """Return the outcome of one seed."""
        with tempfile.TemporaryDirectory() as folder:
            if self.ordering:
                return asyncio.run(orders_under_drift(seed, self.ordering, self.rate, Path(folder)))
            return asyncio.run(listings_under_drift(seed, self.rate, Path(folder)))


CELLS = [Cell(ordering, rate) for ordering in ORDERINGS for rate in RATES]
LISTING_CELLS = [Cell("", rate) for rate in (0.05, 0.5, 5.0)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.sync.drift", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=1, help="the first seed (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(arguments)
    seeds = range(given.first, given.first + given.seeds)
    print(f"seeds {seeds.start} to {seeds.stop - 1}")
    print(
        f"{'list':<20}{'rate/s':>7}{'wrong':>7}{'early':>7}{'left':>6}{'unclean':>9}{'kills':>7}{'requests':>10}{'s':>7}"
    )
    failed = False
    with ProcessPoolExecutor(given.jobs) as pool:
        for cell in [*CELLS, *LISTING_CELLS]:
            began = time.perf_counter()
            outcomes = list(pool.map(cell.run, seeds))
            taken = time.perf_counter() - began
            sums = [sum(getattr(each, name) for each in outcomes) for name in ("wrong", "early", "left", "unclean")]
            failed |= any(sums[:3])
            bad = [seed for seed, each in zip(seeds, outcomes, strict=True) if each.wrong or each.early or each.left]
            print(
                f"{cell.ordering or 'listings':<20}{cell.rate:>7}{sums[0]:>7}{sums[1]:>7}{sums[2]:>6}{sums[3]:>9}"
                f"{sum(each.kills for each in outcomes):>7}{sum(each.requests for each in outcomes):>10}{taken:>7.1f}"
                + (f"  seeds {bad}" if bad else ""),
                flush=True,
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
