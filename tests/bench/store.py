"""The bench of the store: `python -m tests.bench.store [--rows 10000,100000,1000000] [--folder F] [--only ingest,…]`.

Every figure stands beside what SQLite alone takes for the same in the same run: a machine's speed and load are in both.
A million orders take four gigabytes and some minutes to make; `--folder` keeps them for the next run.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from random import Random

from pydantic import SecretStr

from bmconsole.backmarket.orders import parse_order, unknown_fields
from bmconsole.backmarket.wirejson import dumps, loads
from bmconsole.domain.views import Query
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.store import orders, pages
from bmconsole.store.database import Database
from bmconsole.store.orders import OrderRecord
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import Connection, connect, immediate, migrate, sqlite3
from bmconsole.workspace import Workspace
from tests.bench.mirrors import NOW, SEEDED, grown, seeded
from tests.bench.orders import order_json, record
from tests.conftest import OFF

INGESTED = 10_000
PAGE = 50
Tables = dict[str, list[tuple[object, ...]]]


def say(*cells: object) -> None:
    print(" | ".join(str(cell) for cell in cells), flush=True)


@dataclass(frozen=True)
class Took:
    """Milliseconds: the median and the 99th percentile of the clock, and the median of the processor.

    Ratios are taken of the processor's, which other processes of the machine hardly change.
    """

    p50: float
    p99: float
    used: float


def timed(work: Callable[[], object], times: int = 60) -> Took:
    work()
    took, used = [], []
    for _ in range(times):
        start, began = time.perf_counter(), time.thread_time()
        work()
        took.append((time.perf_counter() - start) * 1_000)
        used.append((time.thread_time() - began) * 1_000)
    took.sort()
    return Took(statistics.median(took), took[min(len(took) - 1, int(len(took) * 0.99))], statistics.median(used))


@contextmanager
def fresh(folder: Path) -> Iterator[Connection]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "mirror.db"
        migrate(path, MIRROR)
        with closing(connect(path)) as connection:
            yield connection


# Ingest


def tables(connection: Connection) -> Tables:
    return {
        name: [tuple(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1")]  # noqa: S608 - names of this file
        for name in ("orders", "orderlines", "order_texts")
    }


def write_raw(
    connection: Connection, order: list[int], rows: Tables, old: dict[int, str], *, search: bool = True
) -> None:
    """Write finished rows into the same tables, indexes and search, 50 orders a transaction."""
    delete = "INSERT INTO orders_search (orders_search, rowid, text) VALUES ('delete', ?, ?)"
    upsert = "INSERT INTO order_texts VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET text = excluded.text"
    by_id = {row[0]: row for row in rows["orders"]}
    texts = {row[0]: row for row in rows["order_texts"]}
    lines: dict[object, list[tuple[object, ...]]] = {}
    for line in rows["orderlines"]:
        lines.setdefault(line[0], []).append(line)
    columns = [row["name"] for row in connection.execute("PRAGMA table_info(orders)")]
    marks = ", ".join("?" * len(columns))
    sets = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    insert = f"INSERT INTO orders VALUES ({marks}) ON CONFLICT (order_id) DO UPDATE SET {sets}"  # noqa: S608 - names of the schema
    line_marks = ", ".join("?" * len(rows["orderlines"][0]))
    for start in range(0, len(order), PAGE):
        ids = sorted(order[start : start + PAGE])
        moved = [(key, old[key]) for key in ids if key in old and old[key] != texts[key][1]]
        new = [texts[key] for key in ids if old.get(key) != texts[key][1]]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, [by_id[key] for key in ids])
        connection.executemany("DELETE FROM orderlines WHERE order_id = ?", [(key,) for key in ids if key in old])
        connection.executemany(
            f"INSERT INTO orderlines VALUES ({line_marks})",  # noqa: S608 - placeholders only
            [line for key in ids for line in lines[key]],
        )
        if search:
            connection.executemany(delete, moved)
            connection.executemany(upsert, new)
            connection.executemany("INSERT INTO orders_search (rowid, text) VALUES (?, ?)", new)
        connection.execute("COMMIT")


def write_ours(connection: Connection, records: list[OrderRecord]) -> None:
    for start in range(0, len(records), PAGE):
        with immediate(connection):
            orders.store(connection, records[start : start + PAGE], fetched_at=NOW)


def clocked(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the wall and of the processor."""
    wall, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - used


def bench_ingest(folder: Path) -> None:
    say(f"INGEST of {INGESTED} orders, {PAGE} a transaction; best of 3", "orders/s wall", "CPU us/order")
    new = [record(number) for number in range(INGESTED)]
    moved = [record(number, 1) for number in range(INGESTED)]
    Random(1).shuffle(moved)
    with fresh(folder) as connection:
        write_ours(connection, new)
        rows = tables(connection)
        write_ours(connection, moved)
        rows_moved = tables(connection)
    ids = [int(str(row[0])) for row in rows["orders"]]
    moved_ids = [item.order.order_id for item in moved]
    old = {int(str(row[0])): str(row[1]) for row in rows["order_texts"]}
    # What the bench itself keeps in memory is not the store's to look through.
    gc.collect()
    gc.freeze()
    best: dict[str, tuple[float, float]] = {}

    def keep(name: str, work: Callable[[], object]) -> None:
        took = clocked(work)
        before = best.get(name, took)
        best[name] = (min(before[0], took[0]), min(before[1], took[1]))

    for _ in range(3):
        with fresh(folder) as connection:
            keep("raw new, no search", lambda: write_raw(connection, ids, rows, {}, search=False))
        with fresh(folder) as connection:
            keep("raw new", lambda: write_raw(connection, ids, rows, {}))
            keep("raw update", lambda: write_raw(connection, moved_ids, rows_moved, old))
        with fresh(folder) as connection:
            keep("ours new", lambda: write_ours(connection, new))
            keep("ours update", lambda: write_ours(connection, moved))
            keep("ours the same again", lambda: write_ours(connection, moved))
    for name, (wall, used) in best.items():
        say(f"{name:24}", f"{INGESTED / wall:8.0f}", f"{used / INGESTED * 1e6:6.1f}")
    for kind in ("new", "update"):
        wall, used = (best[f"raw {kind}"][part] / best[f"ours {kind}"][part] for part in (0, 1))
        say(f"ratio {kind:18}", f"wall {wall:.2f}", f"CPU {used:.2f}", "to reach 0.8")
    gc.unfreeze()
    bodies = [
        json.dumps({"count": INGESTED, "next": None, "results": [order_json(n) for n in range(s, s + PAGE)]}).encode()
        for s in range(0, INGESTED, PAGE)
    ]

    def read_pages() -> None:
        for body in bodies:
            answer = loads(body)
            assert isinstance(answer, dict)
            for item in answer["results"]:
                parse_order(item, UTC)
                unknown_fields(item)
                dumps(item)

    used = min(clocked(read_pages)[1] for _ in range(3))
    plain = min(clocked(lambda: [json.loads(body) for body in bodies])[1] for _ in range(3))
    say("JSON to orders (no store)", "", f"{used / INGESTED * 1e6:6.1f}")
    say("json.loads alone", "", f"{plain / INGESTED * 1e6:6.1f}")
    floor = (plain + best["raw new, no search"][1]) / INGESTED * 1e6
    say(
        "floor: json.loads and raw rows, no search",
        "",
        f"{floor:6.1f}",
        f"{floor / 10:.1f} % of a core at 1,000 orders/s",
    )


# End to end


def serve(orders_: int, told: "multiprocessing.Queue[tuple[str, str]]") -> None:
    from bmconsole.sandbox import Options
    from bmconsole.sandbox.server import running

    async def forever() -> None:
        async with running(Options(seed=3, orders=orders_, listings=400, limits=False, warm=True)) as shop:
            told.put((shop.url, shop.token))
            await asyncio.sleep(3_600)

    asyncio.run(forever())


def bench_end_to_end(folder: Path) -> None:
    count = 10_000
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[tuple[str, str]] = context.Queue()
    server = context.Process(target=serve, args=(count, told), daemon=True)
    server.start()
    url, token = told.get(timeout=120)
    limits = dict.fromkeys(("edge", "sensitive", "competitors", "sku_lines", "care"), "100000/1")
    with tempfile.TemporaryDirectory(dir=folder) as home:
        profile = Profile.model_validate(
            {
                "name": "default",
                "base_url": url,
                "token": SecretStr(token),
                "token_source": "bench",
                "markets": ("fr-fr",),
                "schedule": OFF,
                "timezone": "UTC",
                "limits": limits,
            }
        )

        async def pull() -> tuple[float, float]:
            async with await Workspace.open(profile, Paths.under(Path(home))) as workspace:
                await workspace.check_token()
                wall, used = time.perf_counter(), time.process_time()
                result = (await workspace.sync(["orders"], full=True))["orders"]
                assert result.clean, result
                return time.perf_counter() - wall, time.process_time() - used

        wall, used = asyncio.run(pull())
    server.terminate()
    server.join()
    say(
        f"END TO END, {count} orders over HTTP to disk and search",
        f"{count / wall:.0f} orders/s",
        f"{used / count * 1e6:.0f} us CPU/order",
        f"{used / count * 1e5:.1f} % of a core at 1,000 orders/s, to reach 15",
    )


# Reading


def bench_reading(files: dict[int, Path]) -> None:
    say("READING, ms p50/p99 (CPU p50)", *(f"{count}" for count in files))
    found: dict[str, list[Took]] = {}
    for path in files.values():
        with closing(connect(path, readonly=True)) as connection:
            for name, work in readings(connection):
                slow = name.startswith("LIKE") or "OFFSET" in name
                found.setdefault(name, []).append(timed(work, 3 if slow else 60))
    for name, figures in found.items():
        cells = (f"{took.p50:.2f}/{took.p99:.2f} ({took.used:.2f})" for took in figures)
        say(f"{name:44}", *cells, f"growth {figures[-1].used / figures[0].used:.1f}")
    like = found["LIKE over the same fields"]
    for name in (name for name in found if name.startswith("search")):
        shares = (f"1/{slow.used / fast.used:.0f} of LIKE" for slow, fast in zip(like, found[name], strict=True))
        say(f"{name:44}", *shares)
    for name in ("newest page", "filtered page", "deep page"):
        ratios = (
            f"{ours.used / bare.used:.1f} x bare" for ours, bare in zip(found[name], found[f"bare {name}"], strict=True)
        )
        say(f"{name:44}", *ratios, "to reach 5")


def readings(connection: Connection) -> Iterator[tuple[str, Callable[[], object]]]:
    count = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
    middle = connection.execute(
        "SELECT created, order_id FROM orders ORDER BY created DESC LIMIT 1 OFFSET ?", (count // 2,)
    ).fetchone()
    tracking = connection.execute(
        "SELECT tracking FROM orders WHERE tracking IS NOT NULL ORDER BY order_id LIMIT 1 OFFSET ?", (count // 3,)
    ).fetchone()[0]

    def page(where: str = "", after: str | None = None) -> Callable[[], object]:
        query = Query(where=where, sort="-created", after=after, limit=50)
        return lambda: pages.orders_page(connection, query, now=NOW, zone=UTC, currency="EUR", pending=())

    def bare(where: str, *values: object) -> Callable[[], object]:
        # The columns that a row is built from, and nothing else.
        columns = "order_id, state, status, country_code, currency, price, created, modified, due, n_lines, buyer, city"
        sql = f"SELECT {columns}, tracking FROM orders WHERE {where} ORDER BY created DESC, order_id DESC LIMIT 50"  # noqa: S608 - of this file
        return lambda: connection.execute(sql, values).fetchall()

    yield "bare newest page", bare("TRUE")
    yield "newest page", page()
    yield "bare filtered page", bare("status = ?", "to-ship")
    yield "filtered page", page("status:to-ship")
    yield "bare deep page", bare("(created, order_id) < (?, ?)", *middle)
    yield "deep page", page(after=str(middle["order_id"]))
    yield "search for a tracking number", page(str(tracking))
    yield "search for a part of one", page(str(tracking)[4:11])
    yield "search for nobody", page("nobodyatall")
    yield "search for syllables that nobody joins", page("lopezmartin")
    yield "search for a frequent word (iphone)", page("iphone")
    yield "search for a city (lyon)", page("lyon")
    yield "search for a name (martin)", page("martin")
    yield "search for two words", page("galaxy köln")
    yield (
        "bare OFFSET to the middle",
        bare("TRUE LIMIT 50 OFFSET 0")
        if False
        else lambda: connection.execute(
            "SELECT order_id FROM orders ORDER BY created DESC, order_id DESC LIMIT 50 OFFSET ?", (count // 2,)
        ).fetchall(),
    )
    like = "%nobodyatall%"
    yield (
        "LIKE over the same fields",
        lambda: connection.execute(
            """SELECT order_id FROM orders WHERE CAST(order_id AS TEXT) LIKE ?1 OR tracking LIKE ?1 OR buyer LIKE ?1
        OR city LIKE ?1 OR EXISTS (SELECT 1 FROM orderlines WHERE orderlines.order_id = orders.order_id
            AND (sku LIKE ?1 OR product LIKE ?1 OR imei LIKE ?1)) ORDER BY created DESC LIMIT 50""",
            (like,),
        ).fetchall(),
    )


# Processes and the loop


def read_for(path: str, seconds: float, answer: "multiprocessing.Queue[list[float]]") -> None:
    took = []
    with closing(connect(Path(path), readonly=True)) as connection:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.perf_counter()
            query = Query(sort="-created", limit=100)
            pages.orders_page(connection, query, now=NOW, zone=UTC, currency="EUR", pending=())
            took.append((time.perf_counter() - start) * 1_000)
            time.sleep(0.002)
    answer.put(took)


def bench_reader(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    pool = [record(number, 2) for number in range(0, SEEDED, 3)]
    figures = {}
    with closing(connect(path)) as writer:
        for name in ("idle", "while another process writes flat out"):
            answer: multiprocessing.Queue[list[float]] = context.Queue()
            reader = context.Process(target=read_for, args=(str(path), 6.0, answer))
            reader.start()
            done, turn, started = 0, 3, time.monotonic()
            took: list[float] | None = None
            while took is None:
                if name != "idle":
                    start = Random(done).randrange(0, len(pool) - PAGE)
                    batch = [
                        record(int(item.raw and (item.order.order_id - 41_000_000) // 3), turn)
                        for item in pool[start : start + PAGE]
                    ]
                    with immediate(writer):
                        orders.store(writer, batch, fetched_at=NOW + timedelta(seconds=10 * turn))
                    done += PAGE
                    turn += 1
                else:
                    time.sleep(0.05)
                with suppress(Exception):
                    took = answer.get_nowait()
            reader.join()
            took.sort()
            rate = done / (time.monotonic() - started)
            figures[name] = took[int(len(took) * 0.99)]
            say(
                f"READER, {name}",
                f"p50 {statistics.median(took):.2f} ms",
                f"p99 {figures[name]:.2f} ms",
                f"max {took[-1]:.2f} ms",
                f"{rate:.0f} orders/s written" if done else "",
            )
    idle, busy = figures.values()
    say("READER p99 against idle", f"{busy / idle:.1f}", "to reach 4")


async def lag_while(work: "asyncio.Task[None] | asyncio.Future[None]") -> list[float]:
    """Return how late a timer of 5 ms was, in milliseconds, until `work` is done."""
    lags = []
    while not work.done():
        start = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append((time.perf_counter() - start - 0.005) * 1_000)
    await work
    lags.sort()
    return lags


async def bench_loop(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        database = Database(Path(place) / "mirror.db", MIRROR, rebuildable=True)
        batches = [[record(number) for number in range(start, start + PAGE)] for start in range(0, 8_000, PAGE)]

        async def ingest() -> None:
            # As fast as the limits of the API let orders come: twenty pages a second.
            for batch in batches:
                await asyncio.sleep(PAGE / 1_000)
                await database.write(lambda connection, batch=batch: orders.store(connection, batch, fetched_at=NOW))  # type: ignore[misc]

        def lines(lags: list[float]) -> str:
            return (
                f"p50 {statistics.median(lags):.2f} ms, p99 {lags[int(len(lags) * 0.99)]:.2f} ms, max {lags[-1]:.2f} ms"
            )

        idle = await lag_while(asyncio.create_task(asyncio.sleep(3)))
        say("LOOP LAG idle", lines(idle))
        say(
            "LOOP LAG while ingesting 1,000 orders/s",
            lines(await lag_while(asyncio.create_task(ingest()))),
            "p99 to reach 10",
        )

        held = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)
        held.execute("BEGIN IMMEDIATE")
        loop = asyncio.get_running_loop()
        loop.call_later(2.0, lambda: held.execute("ROLLBACK"))
        waiting = asyncio.create_task(
            database.write(lambda connection: orders.store(connection, batches[0], fetched_at=NOW))
        )
        lags = await lag_while(waiting)  # type: ignore[arg-type]
        say("LOOP LAG while the lock is held elsewhere for 2 s", lines(lags), "most to reach 30")
        held.close()
        await database.aclose()
        with closing(connect(Path(place) / "mirror.db")) as connection:

            async def in_the_loop() -> None:
                await asyncio.sleep(0.01)
                write_ours(connection, batches[0])

            held = sqlite3.connect(Path(place) / "mirror.db", isolation_level=None, check_same_thread=False)
            held.execute("BEGIN IMMEDIATE")
            release = threading.Timer(2.0, lambda: held.execute("ROLLBACK"))
            release.start()
            say("LOOP LAG, the same work in the loop", lines(await lag_while(asyncio.create_task(in_the_loop()))))
            release.join()
            held.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="10000,100000,1000000")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default="ingest,end,reading,reader,loop")
    chosen = parser.parse_args()
    wanted = set(chosen.only.split(","))
    with tempfile.TemporaryDirectory() as own:
        folder: Path = chosen.folder or Path(own)
        folder.mkdir(parents=True, exist_ok=True)
        say(f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}")
        if "ingest" in wanted:
            bench_ingest(folder)
        if "end" in wanted:
            bench_end_to_end(folder)
        files = {}
        if wanted & {"reading", "reader"}:
            seed = folder / f"bench-{SEEDED}.db"
            if not seed.exists():
                seeded(seed)
            for count in (int(text) for text in chosen.rows.split(",")):
                files[count] = folder / f"bench-{count}.db"
                if not files[count].exists():
                    grown(seed, files[count], count)
        if "reading" in wanted:
            bench_reading(files)
        if "reader" in wanted:
            bench_reader(files[sorted(files)[min(1, len(files) - 1)]])
        if "loop" in wanted:
            asyncio.run(bench_loop(folder))


if __name__ == "__main__":
    main()
