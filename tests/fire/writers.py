"""Processes that do nothing but store: each counts its transactions in the files that daemons and consoles work on."""

import asyncio
import json
import multiprocessing
import random
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from bmconsole.errors import BmError
from bmconsole.store.database import Database
from bmconsole.store.schema import HISTORY, JOURNAL, MIRROR
from bmconsole.store.sqlite import Connection, Schema, connect, immediate, whole

WRITERS = 4
FILES: dict[str, tuple[Schema, str, float]] = {
    "mirror": (MIRROR, "NORMAL", 0.4),
    "history": (HISTORY, "NORMAL", 0.4),
    "journal": (JOURNAL, "FULL", 0.2),
}
"""The kind, how it is written, and which share of the transactions it gets."""

_ROWS, _SLOTS = 8, 64
"""Rows of every transaction, and of how many each writer has."""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS fire_counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS fire_rows (writer TEXT NOT NULL, slot INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (writer, slot)) STRICT""",
)
_READ_EVERY = 20

_PROCESSES = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Counted:
    """What a writer says of itself at its end."""

    by_file: dict[str, int]
    """The transactions that were acknowledged, by the file's name."""
    slowest: float
    """Seconds that the slowest of them took."""
    wrong: list[str]


def prepare(folder: Path) -> None:
    """Make the counters in the files of a profile, which are made too where they are not there yet."""
    for name, (schema, synchronous, _) in FILES.items():
        Database(folder / f"{name}.db", schema, synchronous=synchronous).close()
        with closing(connect(folder / f"{name}.db", synchronous=synchronous)) as connection, immediate(connection):
            for table in _TABLES:
                connection.execute(table)


class Writers:
    """Four processes, each with its share of the transactions, spread evenly over the time."""

    def __init__(self, folder: Path, told: Path, transactions: int, seconds: float, seed: int) -> None:
        """Start them; `folder` holds the files, and in `told` each says at its end what it did."""
        self._folder, self._told = folder, told
        self.asked = transactions
        share, more = divmod(transactions, WRITERS)
        self._processes: list[ForkServerProcess] = []
        for number in range(WRITERS):
            mine = share + (number < more)
            process = _PROCESSES.Process(target=_main, args=(folder, told, number, mine, seconds, seed))
            process.start()
            self._processes.append(process)

    def end(self, patience: float) -> tuple[dict[str, int], float, list[str]]:
        """Wait for them; return the transactions by file, the slowest in seconds, and what is wrong."""
        deadline = time.monotonic() + patience
        wrong = []
        for number, process in enumerate(self._processes):
            process.join(max(0.0, deadline - time.monotonic()))
            if process.exitcode != 0:
                wrong.append(f"writer {number} ended with {process.exitcode}")
                process.kill()
                process.join()
        counted = [_read(path) for path in sorted(self._told.glob("writer-*.json"))]
        wrong += [complaint for each in counted for complaint in each.wrong]
        totals = {name: sum(each.by_file[name] for each in counted) for name in FILES}
        wrong += [complaint for name in FILES for complaint in self._compare(name, counted)]
        return totals, max((each.slowest for each in counted), default=0.0), wrong

    def kill(self) -> None:
        """End them at once."""
        for process in self._processes:
            process.kill()
            process.join()

    def _compare(self, name: str, counted: list[Counted]) -> list[str]:
        """Hold what a file says against what the writers were told."""
        path = self._folder / f"{name}.db"
        wrong = [] if whole(path, thorough=True) else [f"{path.name} is damaged"]
        with closing(connect(path, readonly=True)) as connection:
            found = {row["name"]: row["n"] for row in connection.execute("SELECT name, n FROM fire_counters")}
            torn = connection.execute(_TORN).fetchall()
        wrong += [f"{name}: a transaction of writer {row['writer']} is there in part" for row in torn]
        expected = {str(number): each.by_file[name] for number, each in enumerate(counted)}
        expected["all"] = sum(expected.values())
        wrong += [
            f"{name}: counter {counter} is {found.get(counter, 0)}, {count} transactions were acknowledged"
            for counter, count in expected.items()
            if found.get(counter, 0) != count
        ]
        return wrong


_TORN = f"""SELECT writer FROM fire_rows JOIN fire_counters ON name = writer GROUP BY writer
    HAVING max(fire_rows.n) != max(fire_counters.n) OR sum(fire_rows.n = fire_counters.n) != {_ROWS}"""  # noqa: S608 - a number of this module


def _main(folder: Path, told: Path, number: int, transactions: int, seconds: float, seed: int) -> None:
    counted = asyncio.run(_write(folder, number, transactions, seconds, random.Random(f"{seed}-{number}")))
    (told / f"writer-{number}.json").write_text(json.dumps(vars(counted)), encoding="utf-8")


def _read(path: Path) -> Counted:
    return Counted(**json.loads(path.read_text(encoding="utf-8")))


async def _write(folder: Path, number: int, transactions: int, seconds: float, dice: random.Random) -> Counted:
    files = {
        name: Database(folder / f"{name}.db", schema, synchronous=synchronous)
        for name, (schema, synchronous, _) in FILES.items()
    }
    shares = [share for _, _, share in FILES.values()]
    counted = Counted(dict.fromkeys(FILES, 0), 0.0, [])
    slowest, began = 0.0, time.monotonic()
    try:
        for done in range(transactions):
            ahead = began + seconds * done / transactions - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            (name,) = dice.choices(list(FILES), shares)
            start = time.monotonic()
            await files[name].write(_counting(str(number), counted.by_file[name] + 1, dice.randrange(_SLOTS)))
            slowest = max(slowest, time.monotonic() - start)
            counted.by_file[name] += 1
            if done % _READ_EVERY == 0 and (apart := await files[name].read(_apart)):
                counted.wrong.append(f"{name}: a reader saw the sum and its parts {apart} apart")
    except BmError as error:
        counted.wrong.append(f"writer {number}: {error.line()}")
    finally:
        for file in files.values():
            await file.aclose()
    return Counted(counted.by_file, slowest, counted.wrong)


def _counting(writer: str, n: int, slot: int) -> Callable[[Connection], None]:
    """Return a transaction that reads both counters, writes them one higher, and some rows beside."""

    def work(connection: Connection) -> None:
        for name in ("all", writer):
            row = connection.execute("SELECT n FROM fire_counters WHERE name = ?", (name,)).fetchone()
            found = 0 if row is None else row["n"]
            connection.execute("INSERT OR REPLACE INTO fire_counters (name, n) VALUES (?, ?)", (name, found + 1))
        connection.executemany(
            "INSERT OR REPLACE INTO fire_rows (writer, slot, n) VALUES (?, ?, ?)",
            [(writer, (slot + place) % _SLOTS, n) for place in range(_ROWS)],
        )

    return work


def _apart(connection: Connection) -> int:
    """Return how far the common counter is from the sum of the others, in one look."""
    row = connection.execute("SELECT sum(CASE name WHEN 'all' THEN -n ELSE n END) AS apart FROM fire_counters")
    return int(row.fetchone()["apart"] or 0)
