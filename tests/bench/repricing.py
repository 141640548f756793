"""How long repricing takes to plan a large shop, gathering and keeping included: `python -m tests.bench.repricing`."""

import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from bmconsole.domain.times import stamp
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.store.sqlite import Connection
from bmconsole.workspace import Workspace

MARKET = "fr-fr"
_AT_A_TIME = 5_000


def fill(workspace: Workspace, count: int) -> None:
    """Make so many listings online in one market: each with a cost, a week of observations, some sales and changes."""
    random, now = Random(3), workspace.now()
    at = stamp(now)
    grades = ("EXCELLENT", "VERY_GOOD", "GOOD", "FAIR")
    rows = [
        (n, f"{n:08x}-0000-4000-8000-000000000000", f"SKU-{n}", random.randrange(8_000, 90_000)) for n in range(count)
    ]

    def mirror(connection: Connection) -> None:
        connection.executemany(
            """INSERT INTO listings
            (row, id, listing_id, sku, title, product_id, grade, quantity, first_seen, fetched_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                (n, id_, n, sku, f"Phone {n}", f"product-{n // 4}", grades[n % 4], n % 9, at, at)
                for n, id_, sku, _ in rows
            ],
        )
        connection.executemany(
            """INSERT INTO offers
            (listing, market, currency, price, max_price, publication_state, box_price, price_to_win, winner_price,
            winning, box_first, box_last, raw, content_hash, fetched_at)
            VALUES (?, ?, 'EUR', ?, ?, 2, ?, ?, ?, ?, ?, ?, '{}', x'00', ?)""",
            [
                (
                    id_,
                    MARKET,
                    price,
                    price * 2,
                    price,
                    price - 150 * (n % 3),
                    price - 150 * (n % 3),
                    int(n % 3 == 0),
                    at,
                    at,
                    at,
                )
                for n, id_, _, price in rows
            ],
        )

    def history(connection: Connection) -> None:
        for n, id_, _, price in rows:
            for day in range(n % 6 + 1):
                first, last = (stamp(now - timedelta(days=day, hours=h)) for h in (20, 1))
                to_win = price - 150 * ((n + day) % 3)
                connection.execute(
                    """INSERT INTO observations (listing, market, currency, price, price_to_win, winner_price, winning,
                    first_seen, last_seen) VALUES (?, ?, 'EUR', ?, ?, ?, ?, ?, ?)""",
                    (id_, MARKET, price, to_win, to_win, int((n + day) % 3 == 0), first, last),
                )
            connection.execute(
                """INSERT INTO prices (listing, market, currency, price, first_seen, last_seen)
                VALUES (?, ?, 'EUR', ?, ?, ?)""",
                (id_, MARKET, price, stamp(now - timedelta(days=30)), at),
            )

    def journal(connection: Connection) -> None:
        connection.executemany(
            """INSERT INTO costs (sku, currency, purchase, parts, labour, shipping, target_margin, vat, valid_from)
            VALUES (?, 'EUR', ?, 500, 200, 300, '0.10', 'margin 20', ?)""",
            [(sku, int(price * Decimal("0.6")), at) for _, _, sku, price in rows],
        )

    workspace._mirror.write_now(mirror)
    workspace._history.write_now(history)
    workspace._journal.write_now(journal)


async def longest_gap(work: "asyncio.Task[object]") -> float:
    """Return the longest time, in seconds, in which the event loop did not come round while `work` ran."""
    longest, last = 0.0, time.perf_counter()
    while not work.done():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


def bare_pass(count: int) -> float:
    """Return the seconds that one Decimal pass over as many rows takes: a floor and a comparison each."""
    prices = [(Decimal(n % 90_000 + 8_000) / 100, Decimal(n % 50_000 + 5_000) / 100) for n in range(count)]
    began = time.perf_counter()
    found = 0
    for price, cost in prices:
        floor = (cost / (1 - Decimal("0.1") - Decimal("0.1"))).quantize(Decimal("0.01"))
        found += price >= floor
    return time.perf_counter() - began


async def main(count: int, profiled: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        profile = Profile(name="bench", base_url="http://127.0.0.1:1", markets=(MARKET,))
        async with await Workspace.open(profile, Paths.under(Path(folder))) as workspace:
            await asyncio.to_thread(fill, workspace, count)
            began = time.perf_counter()
            facts, _, _ = await workspace._facts()
            print(f"{len(facts):,} offers: facts {time.perf_counter() - began:.2f} s", flush=True)
            if profiled:
                from bmconsole.pricing.decide import plan

                watch = cProfile.Profile()
                rules, terms = await workspace.rules(), workspace._terms([])
                watch.runcall(plan, facts, rules, terms, workspace.now())
                pstats.Stats(watch).sort_stats("cumulative").print_stats(25)
            began = time.perf_counter()
            task: asyncio.Task[object] = asyncio.create_task(workspace.plan_repricing())
            gap = await longest_gap(task)
            print(f"planned in {time.perf_counter() - began:.2f} s, event loop held for {gap * 1000:.0f} ms at most")
            print(f"one bare Decimal pass: {bare_pass(count):.3f} s")
            for round_ in ("first", "second"):
                began = time.perf_counter()
                task = asyncio.create_task(workspace.reprice_now())
                gap = await longest_gap(task)
                size = sum(file.path.stat().st_size for file in workspace._files.all()) / 1e6
                print(
                    f"{round_} run with keeping: {time.perf_counter() - began:.2f} s, loop held {gap * 1000:.0f} ms,"
                    f" files {size:.0f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, "--profile" in sys.argv))
