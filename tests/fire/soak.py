"""L1: half an hour on a shop where a hundred orders a second come in, with the memory of all processes in sight.

A pass over a list that changes on every page is never clean, so its watermark stays and the next one is longer. The
shop therefore rests for a third of each minute, as shops do, and is the faster before: a hundred a second on average.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bmconsole.store.sqlite import connect
from tests.fire.rows import Outcome, Row, Task
from tests.fire.together import Console, Stage

RATE = 100.0
"""Orders a second on average."""
TURN = 60.0
REST = 20.0
"""Seconds of each turn in which the shop stands still."""
MOST_GROWTH = 0.05
"""By how much a process's memory may grow in the second half."""
MOST_GAINED = 2
"""How many descriptors a process may have gained for good."""
MOST_FILES = 100
"""How many it may hold at any time: the connections of a pass come and go."""
LARGEST_WAL = 64_000_000
LARGEST_LOGS = 6 * 5_000_000 + 1_000_000
_EVERY = 5.0
_LISTINGS = 2_000
_ORDERS = 1_000
_ROOM = "20000/10"
_FASTEST = 500.0
_KEYS = "jjkkG5g21s1"


@dataclass(frozen=True, slots=True)
class Look:
    """What one process held at one moment; `rss` in bytes."""

    at: float
    rss: int
    files: int


@dataclass
class Watched:
    """A process and what was seen of it."""

    pid: int
    looks: list[Look] = field(default_factory=list)

    def look(self, at: float) -> None:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        self.looks.append(Look(at, kilobytes * 1024, len(os.listdir(f"/proc/{self.pid}/fd"))))

    def median(self, what: Callable[[Look], int], since: float, until: float) -> float:
        """Return the median within two shares of the whole time."""
        end = self.looks[-1].at
        return statistics.median(what(look) for look in self.looks if since * end <= look.at <= until * end)

    @property
    def growth(self) -> float:
        """How much of its memory at the half it has gained at the end, both as the median of a tenth of the time."""
        return self.median(_rss, 0.9, 1.0) / self.median(_rss, 0.45, 0.55) - 1

    def files(self, since: float, until: float) -> list[int]:
        """Return how many descriptors it held within two shares of the whole time."""
        end = self.looks[-1].at
        return [look.files for look in self.looks if since * end <= look.at <= until * end]

    @property
    def files_gained(self) -> int:
        """How many more it held at least in the last fifth than in the middle one: what comes and goes is no leak."""
        return min(self.files(0.8, 1.0)) - min(self.files(0.4, 0.6))


def _rss(look: Look) -> int:
    return look.rss


@contextmanager
def busy_shop(seed: int) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """Run a shop that stands still as yet, with room for a client that has to keep up."""
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "bmconsole", "sandbox", "--seed", str(seed)),
            *("--orders", str(_ORDERS), "--listings", str(_LISTINGS), "--markets", "fr-fr"),
        ],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    try:
        told = json.loads(child.stdout.readline())
        _put(told["url"], "limits", {"edge": _ROOM, "competitors": _ROOM, "sku_lines": _ROOM})
        yield child, told
    finally:
        child.terminate()
        child.wait(30)
        child.stdout.close()


def _put(url: str, what: str, value: object) -> None:
    httpx.put(f"{url}/_sandbox/{what}", json=value, trust_env=False, timeout=60).raise_for_status()


def _get(url: str, what: str) -> Any:
    return httpx.get(f"{url}/_sandbox/{what}", trust_env=False, timeout=60).raise_for_status().json()


def _listed(counts: dict[str, Any]) -> int:
    """Return how many orders a list shows: never those in the states 0 and 8."""
    return sum(count for state, count in counts["orders"].items() if state not in ("0", "8"))


def soak(task: Task) -> Outcome:
    """Let it all run for `count` minutes, look every few seconds, and judge the second half."""
    outcome = Outcome()
    with busy_shop(task.seed) as (sandbox, told):
        stage = Stage(task.folder, told["url"], told["token"])
        stage.environment |= {
            "BMCONSOLE_MARKETS": "fr-fr",
            "BMCONSOLE_LIMITS__EDGE": _ROOM,
            "BMCONSOLE_LIMITS__COMPETITORS": "50/1",
            "BMCONSOLE_SCHEDULE__ORDERS": "5s",
            "BMCONSOLE_SCHEDULE__WATCH": "2s",
        }
        stage.call("sync")
        daemon = stage.daemon("daemon")
        try:
            console = Console(stage, "console")
            pids = {"run": daemon.pid, "console": console.process.pid, "shop": sandbox.pid}
            watched = {name: Watched(pid) for name, pid in pids.items()}
            largest = _run(task, stage, console, list(watched.values()))
            _put(stage.url, "live", {"rate": 0})
            code = console.end()
            if code:
                outcome.wrong.append(f"the console ended with {code}")
            daemon.send_signal(signal.SIGTERM)
            if daemon.wait(60):
                outcome.wrong.append(f"the daemon ended with {daemon.returncode}")
        finally:
            daemon.kill()
            daemon.wait()
        outcome.done = task.count
        _judge(outcome, watched, largest)
        _compare(outcome, stage)
    outcome.wrong += stage.report.failed
    return outcome


def _run(task: Task, stage: Stage, console: Console, watched: Sequence[Watched]) -> dict[str, int]:
    """Let the shop live by turns; return the largest sizes of files, and how far behind the mirror was after a rest."""
    largest: dict[str, int] = {"wal": 0, "logs": 0, "behind": 0}
    began, asleep = time.monotonic(), True
    length = task.count * 60.0
    keys = 0
    before = _made(stage)
    while (at := time.monotonic() - began) < length:
        turn, within = divmod(at, TURN)
        left = TURN - REST - within
        if left > 0:
            # What did not come in for want of stock or of time comes in later
            owed = RATE * TURN * (turn + 1) - (_made(stage) - before)
            _put(stage.url, "live", {"rate": min(_FASTEST, max(0.0, owed / max(left, _EVERY)))})
            asleep = False
        elif not asleep:
            _put(stage.url, "live", {"rate": 0})
            asleep = True
        for process in watched:
            process.look(at)
        home = stage.folder / "home"
        largest["wal"] = max([largest["wal"], *(path.stat().st_size for path in home.rglob("*-wal"))])
        logs = sum(path.stat().st_size for path in (home / "logs").rglob("*") if path.is_file())
        largest["logs"] = max(largest["logs"], logs)
        if asleep and within > TURN - 1.5 * _EVERY:
            largest["behind"] = max(largest["behind"], _made(stage) - _mirrored(stage))
        console.type(_KEYS[keys % len(_KEYS)])
        keys += 1
        task.tell(f"{at / 60:.1f} min, " + ", ".join(f"{one.looks[-1].rss / 1e6:.0f} MB" for one in watched))
        time.sleep(max(0.0, min(_EVERY, length - at)))
    return largest


def _made(stage: Stage) -> int:
    return _listed(_get(stage.url, "counts"))


def _mirrored(stage: Stage) -> int:
    (mirror,) = (stage.folder / "home").rglob("mirror.db")
    with closing(connect(mirror, readonly=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])


def _judge(outcome: Outcome, watched: dict[str, Watched], largest: dict[str, int]) -> None:
    for name, process in watched.items():
        outcome.figures[f"{name} MB at half and end"] = " → ".join(
            f"{process.median(_rss, *part) / 1e6:.1f}" for part in ((0.45, 0.55), (0.9, 1.0))
        )
        files = process.files(0.5, 1.0)
        outcome.figures[f"{name} files"] = f"{min(files)} to {max(files)}"
        if name == "shop":
            continue  # it keeps every order that anybody ever made
        outcome.figures[f"{name} grew"] = f"{process.growth:+.1%}"
        if process.growth > MOST_GROWTH:
            outcome.wrong.append(f"the memory of {name} grew by {process.growth:.1%} in the second half")
        if process.files_gained > MOST_GAINED or max(files) > MOST_FILES:
            outcome.wrong.append(f"{name} gained {process.files_gained} descriptors, and held {max(files)}")
    outcome.figures["most orders behind after a rest"] = largest["behind"]
    outcome.figures["largest -wal MB"] = round(largest["wal"] / 1e6, 1)
    outcome.figures["logs MB"] = round(largest["logs"] / 1e6, 1)
    if largest["wal"] > LARGEST_WAL:
        outcome.wrong.append(f"a -wal file of {largest['wal']:,} bytes")
    if largest["logs"] > LARGEST_LOGS:
        outcome.wrong.append(f"log files of {largest['logs']:,} bytes")


def _compare(outcome: Outcome, stage: Stage) -> None:
    """Sync a last time and count the orders on both sides."""
    stage.call("sync", "orders")
    there = _listed(_get(stage.url, "counts"))
    here = len(stage.call("orders", "list", "--limit", "0"))
    journal = _get(stage.url, "journal?writes=0")
    outcome.figures["orders a second"] = round((there - _ORDERS) / (60 * outcome.done), 1)
    outcome.figures["orders"] = f"{here:,} of {there:,}"
    outcome.figures["requests"] = journal["requests"]
    if here != there:
        outcome.wrong.append(f"{here} orders here, {there} there")
    if journal["rate_limited"]:
        outcome.wrong.append(f"{journal['rate_limited']} answers 429")


ROW = Row(
    id="L1",
    what="soak: a hundred orders a second",
    unit="minutes",
    long=30,
    short=0,
    short_version="tests/fire/test_soak.py::test_pass_after_pass_holds_no_more_files_and_a_bounded_log",
    passes="memory grows by at most 5 % in the second half; descriptors flat; -wal and log files bounded",
    run=soak,
)
