"""K6: two daemons, two consoles, the command line and four writers at once: `python -m tests.fire.together`.

After a third of the time both daemons are killed with -9: a console has to take over within 5 s. Two new ones start
at half of it and stand by; when the consoles end, at five sixths, one of them has to take over. All the while commands
read, sync and write stock, and four processes count their transactions in the same files. At the end: one engine at
every look, no 429, no locked database, nothing lost and nothing twice, and every counter exact.
"""

import argparse
import fcntl
import json
import os
import pty
import random
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bmconsole.paths import Paths
from tests.fire.rows import Outcome, Row, Task
from tests.fire.writers import Writers, prepare

TAKEOVER = 5.0
"""Seconds within which another process runs the engine after its holder died or left."""

PER_MINUTE = 10_000
"""Transactions of all writers."""
_WRITERS_PATIENCE = 600.0

_BMCONSOLE = [sys.executable, "-m", "bmconsole"]
_KEYS = ("j", "k", "2", "1", "G", "g", "4", "5", "1", "s")
_START = 60.0
_ASKS_WITHIN = 10.0
_NOT_VISIBLE = "accepted, but not visible when read back"


@dataclass
class Report:
    """What was seen."""

    takeovers: dict[str, float] = field(default_factory=dict)
    """Seconds by what happened."""
    most_engines: int = 0
    looks: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The most in a window, and the limit, by rule."""
    requests: int = 0
    refused: int = 0
    locked: int = 0
    confirmed: int = 0
    undone_by_a_sale: int = 0
    """Writes that the shop took, and whose `+1` somebody bought before it was read back: nothing can tell that."""
    carried_out: int = 0
    orders_here: int = 0
    orders_there: int = 0
    unfinished: int = 0
    transactions: dict[str, int] = field(default_factory=dict)
    """What the writers stored, by file."""
    transactions_asked: int = 0
    slowest_transaction: float = 0.0
    miscounted: list[str] = field(default_factory=list)

    def wrong(self) -> list[str]:
        """Return what should not have been."""
        wrong = [f"command failed: {told}" for told in self.failed]
        wrong += [f"{what}: taken over after {took:.1f} s" for what, took in self.takeovers.items() if took > TAKEOVER]
        if self.most_engines != 1:
            wrong.append(f"{self.most_engines} engines at once")
        wrong += [
            f"{name}: {most} of {limit} in a window" for name, (most, limit) in self.limits.items() if most > limit
        ]
        if self.refused:
            wrong.append(f"{self.refused} answers 429")
        if self.locked:
            wrong.append(f"{self.locked} times “database is locked”")
        if self.confirmed + self.undone_by_a_sale != self.carried_out:
            wrong.append(f"{self.confirmed} writes confirmed, {self.carried_out} carried out")
        if self.orders_here != self.orders_there:
            wrong.append(f"{self.orders_here} orders here, {self.orders_there} there")
        if self.unfinished:
            wrong.append(f"{self.unfinished} writes unfinished")
        if (stored := sum(self.transactions.values())) != self.transactions_asked:
            wrong.append(f"{stored} of {self.transactions_asked} transactions")
        return wrong + self.miscounted


class Stage:
    """The home that all share, and the processes on it."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        self.folder = folder
        self.report = Report()
        self.outputs = folder / "outputs"
        self.outputs.mkdir()
        own = {name: value for name, value in os.environ.items() if not name.startswith("BMCONSOLE_")}
        self.environment = own | {
            "BMCONSOLE_HOME": str(folder / "home"),
            "BMCONSOLE_BASE_URL": url,
            "BMCONSOLE_TOKEN": token,
            "BMCONSOLE_MARKETS": "fr-fr,de-de",
            "BMCONSOLE_SCHEDULE__ORDERS": "20s",
            "BMCONSOLE_SCHEDULE__LISTINGS": "60s",
            "BMCONSOLE_SCHEDULE__BACKBOX": "90s",
            "BMCONSOLE_SCHEDULE__WATCH": "5s",
            "TERM": "xterm-256color",
        }
        self.url = url

    def call(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command with `--json` and return its lines; what fails is noted."""
        done = subprocess.run(
            [*_BMCONSOLE, *arguments, "--json"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        self.report.commands[arguments[0]] += 1
        self.report.locked += (done.stdout + done.stderr).count("database is locked")
        # `status` ends with 1 to say that something is wrong, which a killed daemon may well be
        if done.returncode and arguments[0] != "status" and _NOT_VISIBLE not in done.stderr:
            self.report.failed.append(
                f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()[-300:]}"
            )
        return [json.loads(line) for line in done.stdout.splitlines()]

    def daemon(self, name: str) -> "subprocess.Popen[bytes]":
        with (self.outputs / name).open("wb") as output:
            return subprocess.Popen(
                [*_BMCONSOLE, "run"], env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def engines(self) -> list[int]:
        """Return the processes that say that they run the engine and live."""
        found = []
        for path in (self.folder / "home" / "state" / "ledger" / "processes").glob("*.json"):
            with suppress(OSError, ValueError):  # replaced or taken away just now
                told = json.loads(path.read_text())
                if told["engine"] == "here" and _lives(told["pid"]):
                    found.append(int(told["pid"]))
        return found

    def stored(self, writers: Writers) -> None:
        """Wait for the writers, and note what they stored."""
        report = self.report
        report.transactions, report.slowest_transaction, report.miscounted = writers.end(_WRITERS_PATIENCE)

    def look(self) -> None:
        """Count the engines."""
        self.report.looks += 1
        self.report.most_engines = max(self.report.most_engines, len(self.engines()))

    def taken_over(self, what: str, by: Callable[[int], bool]) -> None:
        """Wait until a fitting process runs the engine, and note how long it took."""
        began = time.monotonic()
        while not any(by(pid) for pid in self.engines()):
            self.look()
            if time.monotonic() - began > _START:
                break
            time.sleep(0.05)
        self.report.takeovers[what] = time.monotonic() - began


class Console:
    """The console on a terminal of its own; what it paints is read and thrown away."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        self.process = subprocess.Popen(
            _BMCONSOLE, env=stage.environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.painted = 0
        self._file = (stage.outputs / name).open("wb")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Press q, and y in case it asks back over a write that is not finished; tell how it ended."""
        self.type("q")
        with suppress(subprocess.TimeoutExpired):
            return self._ended(_ASKS_WITHIN)
        self.type("y")
        try:
            return self._ended(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self._ended(30)

    def _ended(self, seconds: float) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        os.close(self._master)
        self._file.close()
        return code

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            while part := os.read(self._master, 65_536):
                self.painted += len(part)
                self._file.write(part)


def together(minutes: float, seed: int, folder: Path, tell: Callable[[str], None] = lambda text: None) -> Report:
    """Run it all in an empty folder and return what was seen."""
    dice = random.Random(seed)
    with shop(seed) as announced:
        stage = Stage(folder, announced["url"], announced["token"])
        stage.call("sync")
        listings = [row["id"] for row in stage.call("listings", "list", "--limit", "30")]
        files = Paths.under(folder / "home").profile_data("default")
        prepare(files)
        first = stage.daemon("daemon-1")
        children = [first]
        writers: Writers | None = None
        try:
            stage.taken_over("the daemon starts", lambda pid: pid == first.pid)
            # What starts takes as long as the machine needs: it is no takeover
            del stage.report.takeovers["the daemon starts"]
            children.append(stage.daemon("daemon-2"))
            consoles = [Console(stage, f"console-{number}") for number in (1, 2)]
            asked = stage.report.transactions_asked = round(PER_MINUTE * minutes)
            writers = Writers(files, stage.outputs, asked, minutes * 60, seed)
            begin = time.monotonic()

            def until(share: float) -> None:
                while (gone := time.monotonic() - begin) < share * minutes * 60:
                    _something(stage, consoles, listings, dice)
                    tell(f"{gone / 60:.1f} of {minutes:g} minutes, {stage.report.commands.total()} commands")

            until(1 / 3)
            for child in children:
                child.kill()
                child.wait()
            ours = {console.process.pid for console in consoles}
            stage.taken_over("the daemons are killed", lambda pid: pid in ours)
            until(1 / 2)
            left = [stage.daemon("daemon-3"), stage.daemon("daemon-4")]
            children += left
            until(5 / 6)
            for console in consoles:
                if (code := console.end()) != 0:
                    stage.report.failed.append(f"a console ended with {code}")
                if not console.painted:
                    stage.report.failed.append("a console painted nothing")
            stage.taken_over("the consoles end", lambda pid: pid in {child.pid for child in left})
            until(1)
            httpx.put(f"{stage.url}/_sandbox/live", json={"rate": 0}, trust_env=False).raise_for_status()
            tell("waiting for the writers")
            stage.stored(writers)
            for child in left:
                child.send_signal(signal.SIGTERM)
                if (code := child.wait(60)) != 0:
                    stage.report.failed.append(f"a daemon ended with {code} on SIGTERM")
        finally:
            for child in children:
                child.kill()
                child.wait()
            if writers is not None:
                writers.kill()
        _settle(stage)
        return stage.report


def _something(stage: Stage, consoles: list[Console], listings: list[str], dice: random.Random) -> None:
    """Do what somebody might do next."""
    stage.look()
    for console in consoles:
        if console.process.poll() is None:
            console.type(dice.choice(_KEYS))
    match dice.randrange(6):
        case 0:
            stage.call("listings", "set", dice.choice(listings), "--quantity", "+1", "--yes")
        case 1:
            stage.call("orders", "list", "--where", "status:to-ship", "--limit", "20")
        case 2:
            (state,) = stage.call("status")
            seen = [each for each in state["processes"] if each["engine"] == "here" and _lives(each["pid"])]
            stage.report.most_engines = max(stage.report.most_engines, len(seen))
        case 3:
            stage.call("log", "--limit", "20")
        case 4:
            stage.call("sync", "orders")
        case _:
            time.sleep(0.5)


def _settle(stage: Stage) -> None:
    """Compare what is here with what the shop saw."""
    report = stage.report
    stage.call("sync", "orders", "--full")
    writes = stage.call("writes", "list", "--limit", "0")
    states = Counter(write["state"] for write in writes)
    report.confirmed = states["confirmed"]
    report.undone_by_a_sale = sum(
        write["state"] == "unknown" and _NOT_VISIBLE in (write["error"] or "") for write in writes
    )
    report.unfinished = sum(states[name] for name in ("pending", "sent", "unknown")) - report.undone_by_a_sale
    journal = httpx.get(f"{stage.url}/_sandbox/journal?writes=50000", trust_env=False).json()
    report.requests, report.refused = journal["requests"], journal["rate_limited"]
    report.limits = {
        name: (rule["most_in_window"], rule["limit"]) for name, rule in journal["rules"].items() if rule["arrived"]
    }
    report.carried_out = sum(
        write["method"] == "POST" and write["path"].startswith("/ws/listings") and write["executed"] == 200
        for write in journal["writes"]
    )
    report.orders_here = len(stage.call("orders", "list", "--limit", "0"))
    counts = httpx.get(f"{stage.url}/_sandbox/counts", trust_env=False).json()
    # Lists never show the states 0 and 8
    report.orders_there = sum(count for state, count in counts["orders"].items() if state not in ("0", "8"))
    for path in stage.outputs.iterdir():
        report.locked += path.read_bytes().count(b"database is locked")
    for event in stage.call("log", "--limit", "100000"):
        report.locked += event["message"].count("database is locked")


@contextmanager
def shop(seed: int) -> Iterator[Mapping[str, str]]:
    """Run a shop that lives."""
    child = subprocess.Popen(
        [
            *(*_BMCONSOLE, "sandbox", "--live", "0.3", "--seed", str(seed), "--orders", "300", "--listings", "60"),
            *("--markets", "fr-fr,de-de"),
        ],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())
    finally:
        child.terminate()
        child.wait(30)
        child.stdout.close()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(task: Task) -> Outcome:
    """Run it for `count` minutes."""
    report = together(task.count, task.seed, task.folder, task.tell)
    return Outcome(
        done=task.count,
        figures={
            "transactions": sum(report.transactions.values()),
            "commands": report.commands.total(),
            "requests": report.requests,
            "writes confirmed": report.confirmed,
            "undone by a sale at once": report.undone_by_a_sale,
            "slowest transaction": f"{report.slowest_transaction:.2f} s",
            "slowest takeover": f"{max(report.takeovers.values()):.1f} s",
            "looks": report.looks,
        },
        wrong=report.wrong(),
    )


ROW = Row(
    id="K6",
    what="two daemons, two consoles, commands and four writers",
    unit="minutes",
    long=10,
    short=0,
    passes="no lock error shown, counters exact",
    run=run,
    short_version="tests/fire/test_writers.py::test_four_processes_count_exactly",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="together-") as folder:
        report = together(given.minutes, given.seed, Path(folder))
    for name, value in vars(report).items():
        print(f"{name}: {dict(value) if isinstance(value, dict) else value}")
    for sentence in (wrong := report.wrong()):
        print(f"WRONG: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
