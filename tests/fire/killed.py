"""K1: daemon and console are killed at random points while they write, on a network that loses and breaks things.

Commands change stock by one and prices, keys at the console do the same for several listings at once; both while the
shop drops requests and answers, breaks down and dawdles. Daemon, console or both are killed with -9 while they start,
work or end, and are started anew; commands die as well now and then. At each look what was committed before must be
there, and at the end the shop must have what the journal calls confirmed. Processes are forked from one that has its
imports, so a start is what a kill can make slower: the files, the ledger, the locks.
"""

import asyncio
import json
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from bmconsole.domain.intents import Intent, IntentState
from bmconsole.paths import Paths
from bmconsole.running.presence import everyone
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread
from bmconsole.workspace import Workspace
from tests.conftest import MARKETS
from tests.fire.forks import Forked, Forks, Screen
from tests.fire.rows import Outcome, Row, Task
from tests.fire.survivors import (
    Committed,
    Traffic,
    audit_faults,
    damaged,
    sent_without_intent,
    sent_without_read,
    wrong_end,
)
from tests.writes.killed import fast_profile

T = TypeVar("T")

LISTINGS = 24
RESTART = 1.0
"""Seconds that half of the starts after a kill may take at most; said of runs that have enough of them."""
_ENOUGH = 20
_PATIENCE = 60.0
_CLEAN_EVERY = 5
"""After so many kills both end as they should, for a start to compare with."""
_COMMANDS_KILLED = 0.3
_TOO_MUCH = 20
_SHORT = "test_nothing_is_lost_doubled_stomped_or_falsely_done_in_a_short_storm"
_ESCAPE = 0.15
"""Seconds after which a terminal program takes an escape for a key of its own."""
_BOTH = ("daemon", "console")
_FAULTS: list[dict[str, object]] = [
    {"kind": "drop", "at": "before", "probability": 0.05},
    {"kind": "drop", "at": "after", "probability": 0.05, "reset": True},
    {"kind": "error", "at": "before", "probability": 0.04, "status": 500},
    {"kind": "error", "at": "after", "probability": 0.04, "status": 502, "html": True},
    {"kind": "latency", "at": "service", "probability": 0.3, "uniform": [0.01, 0.15]},
]


class Scene:
    """The shop, the home that all share, and who is there."""

    def __init__(self, task: Task, sandbox: RunningSandbox, http: httpx.Client) -> None:
        self.dice = random.Random(task.seed)
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self.forks: Forks
        self.screen: Screen
        self._ready: dict[str, dict[str, list[float]]] = {}
        """Seconds from the fork to the daemon's files open, and to the console's first rows, by how it ended before."""
        self._sandbox, self._http = sandbox, http
        self._folder = task.folder
        self.paths = Paths.under(task.folder / "home")
        self.files = self.paths.profile_data("default")
        self.committed = Committed(self.files / "journal.db")
        self.traffic = Traffic(http)
        self._environment = {
            "BMCONSOLE_HOME": str(task.folder / "home"),
            "BMCONSOLE_BASE_URL": sandbox.url,
            "BMCONSOLE_TOKEN": sandbox.token,
            "BMCONSOLE_MARKETS": ",".join(MARKETS),
            "BMCONSOLE_TIMEZONE": "UTC",
            "BMCONSOLE_LIMITS__EDGE": "100000/1",
            "BMCONSOLE_LIMITS__SENSITIVE": "100000/1",
            "BMCONSOLE_LIMITS__SKU_LINES": "1000000/1",
            "BMCONSOLE_SCHEDULE__ORDERS": "1h",
            "BMCONSOLE_SCHEDULE__LISTINGS": "1h",
            "BMCONSOLE_SCHEDULE__BACKBOX": "off",
            "BMCONSOLE_SCHEDULE__REPRICING": "off",
            "BMCONSOLE_SCHEDULE__WATCH": "10s",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
        }
        self.ids = [sandbox.shop.listings.get(number).id for number in range(LISTINGS)]
        for listing in self.ids:
            for market in MARKETS:
                edit = {"market": market, "price": "249.00", "min_price": None, "quantity": 9, "hold": None}
                http.post(f"/_sandbox/edit/listings/{listing}", json=edit).raise_for_status()
        self.before = self.shelf()
        self._listings_shown = False
        self._commands: list[tuple[Forked, Path]] = []
        self._numbers = iter(range(1 << 30))

    def shelf(self) -> dict[str, Any]:
        """Return what the shop has, by listing: its stock, and its price in each market."""
        shelf = {}
        for number in self.ids:
            found = self._http.get(f"/_sandbox/state/listings/{number}").raise_for_status().json()["markets"]
            prices = {market: offer["price"] for market, offer in found.items()}
            shelf[number] = {"quantity": found[MARKETS[0]]["quantity"], "prices": prices}
        return shelf

    def faults(self, on: bool) -> None:
        faults = [{**fault, "seed": self.dice.randrange(1 << 30)} for fault in _FAULTS] if on else []
        self._http.put("/_sandbox/faults", json=faults).raise_for_status()

    # Who is there

    def begin(self, who: str, after: str, *, wait: bool = True) -> None:
        """Start the daemon or the console after a `kill` or an `end`, and take the time until it is ready."""
        if who == "daemon":
            self.daemon = self.forks.start(["run"], self._environment, errors=self._folder / "daemon.txt")
            process, ready = self.daemon, self._daemon_opened
        else:
            # A terminal that lost its session's leader is hung up for good.
            self.screen.close()
            self.screen = Screen()
            self._listings_shown = False
            self.console = self.forks.start([], self._environment, screen=self.screen)
            process, ready = self.console, self._console_painted
        if not wait:
            return
        deadline = time.monotonic() + _PATIENCE
        while (at := ready()) is None:
            if not process.alive():
                self.wrong.append(f"the {who} ended with {process.code} as it started: {self._said(who)}")
                return
            if time.monotonic() > deadline:
                self.wrong.append(f"the {who} was not ready after {_PATIENCE} s: {self._said(who)}")
                return
            time.sleep(0.02)
        self._ready.setdefault(who, {}).setdefault(after, []).append(at - process.began)

    def _daemon_opened(self) -> float | None:
        """Return when the daemon had its files open and took its place, once it tells that."""
        told = [each for each in everyone(self.paths.ledger) if each.pid == self.daemon.pid]
        return told[0].started.timestamp() if told and told[0].engine != "stopped" else None

    def _console_painted(self) -> float | None:
        # It comes back to the tab that was looked at last
        orders = f"{self._sandbox.shop.options.orders} orders"
        return time.time() if self.screen.shows(orders) or self.screen.shows(f"{LISTINGS} listings") else None

    def _said(self, who: str) -> str:
        said = self.screen.text() if who == "console" else (self._folder / "daemon.txt").read_text(errors="replace")
        return " ".join(said.split())[-600:]

    def begin_all(self, who: str, after: str, *, wait: bool = True) -> None:
        for one in _BOTH if who == "both" else (who,):
            self.begin(one, after, wait=wait)

    def kill(self, who: str) -> bool:
        """Kill with -9, some commands as well; return whether anything but a command still lived."""
        victims = [process for name, process in self._faces() if who in (name, "both") and process.alive()]
        victims += [process for process, _ in self._commands if self.dice.random() < _COMMANDS_KILLED]
        for process in victims:
            process.signal(signal.SIGKILL)
        for process in victims:
            process.wait(_PATIENCE)
        return any(process.code == -signal.SIGKILL for name, process in self._faces() if who in (name, "both"))

    def ask_to_end(self, who: str) -> None:
        """Send the daemon SIGTERM, press q at the console."""
        if who != "console":
            self.daemon.signal(signal.SIGTERM)
        if who != "daemon":
            self.leave_dialogs()
            self.screen.forget()
            self.screen.type("q")
            if self._shown("not finished yet"):  # it asks back while writes are on their way
                self.screen.type("y")

    def end_well(self) -> None:
        """Let both end as they should."""
        self.look()
        self.ask_to_end("both")
        for who, process in self._faces():
            try:
                code = process.wait(_PATIENCE)
            except TimeoutError:
                self.wrong.append(f"the {who} did not end")
                process.kill()
            else:
                if code != 0:
                    self.wrong.append(f"the {who} ended with {code}")

    def _faces(self) -> list[tuple[str, Forked]]:
        return [("daemon", self.daemon), ("console", self.console)]

    async def in_process(self, work: Callable[[Workspace], Awaitable[T]]) -> T:
        """Do something in this process, where no other is there."""
        async with await Workspace.open(fast_profile(self._sandbox), self.paths) as workspace:
            return await work(workspace)

    # What is written

    def write(self, keys: bool) -> None:
        """Have commands, and with `keys` mostly also the console, begin to write."""
        for _ in range(self.dice.randrange(1, 4)):
            self._command()
        if keys and self.dice.random() < 0.7 and self.console.alive():
            self._keys()

    def _command(self) -> None:
        """Have a command change stock by one, or a price."""
        chosen = self.dice.sample(self.ids, self.dice.choice((1, 1, 2, 3)))
        if self.dice.random() < 0.7:
            change = ["--quantity", self.dice.choice(("+1", "+2", "-1"))]
        else:
            change = ["--market", self.dice.choice(MARKETS), "--price", f"{self.dice.randrange(24_500, 25_500) / 100}"]
        output = self._folder / f"command-{next(self._numbers)}"
        output.touch()
        arguments = ["listings", "set", *chosen, *change, "--yes", "--json"]
        self._commands.append((self.forks.start(arguments, self._environment, output=output), output))
        self.counts["commands"] += 1

    def _keys(self) -> None:
        """Have the console change some listings; what its dialogs do not take in time is left."""
        self.leave_dialogs()
        self.screen.type("2")
        if not self._listings_shown:
            self._listings_shown = self._shown(f"{LISTINGS} listings")
        self.screen.forget()
        down = "j" * self.dice.randrange(6)
        marked = " j" * self.dice.randrange(1, 5)
        fields = self.dice.choice(("-0.10", "+0.10", "\x1b[B\x1b[B+1", "\x1b[B\x1b[B-1"))
        self.screen.type(f"g{down}{marked}b")
        if not self._shown("Change "):
            self.counts["keys in vain"] += 1
            return
        self.screen.type(f"{fields}\r")
        if self._shown("write it"):
            self.screen.type("y")
            self.counts["edits by keys"] += 1

    def leave_dialogs(self) -> None:
        for _ in range(2):
            self.screen.type("\x1b")
            time.sleep(_ESCAPE)

    def _shown(self, text: str, seconds: float = 2.0) -> bool:
        deadline = time.monotonic() + seconds
        while not self.screen.shows(text):
            if time.monotonic() > deadline or not self.console.alive():
                return False
            time.sleep(0.01)
        return True

    def finish_commands(self) -> list[str]:
        """Wait for the commands, and return what they told: a write in JSON a line."""
        lines: list[str] = []
        for process, output in self._commands:
            try:
                code = process.wait(_PATIENCE)
            except TimeoutError:
                self.wrong.append("a command did not end")
                process.kill()
                code = -signal.SIGKILL
            self.counts["commands killed"] += code == -signal.SIGKILL
            lines += output.read_text(encoding="utf-8").splitlines(keepends=True)
            output.unlink()
        self._commands.clear()
        # One that was killed may have printed half a line
        return [line for line in lines if line.endswith("\n")]

    def _check_told(self, line: str) -> None:
        told = json.loads(line)
        known = self.committed.known.get(told["id"])
        if known is None:
            self.wrong.append(f"a command told of write {told['id']}, which is not in the journal")
        elif told["state"] == IntentState.CONFIRMED != known.state:
            self.wrong.append(f"a command told that write {told['id']} is confirmed, the journal says {known.state}")

    # What is held

    def look(self) -> None:
        """Wait for the commands; hold what they told, and what was there before, against the journal."""
        told = self.finish_commands()
        self.wrong += self.committed.look()
        for line in told:
            self._check_told(line)
        self.wrong += damaged([self.files, self.paths.ledger])
        self.traffic.gather()

    def figures(self) -> dict[str, int | float | str]:
        told: dict[str, int | float | str] = dict(sorted(self.counts.items()))
        for who, by_end in self._ready.items():
            for after, times in by_end.items():
                told[f"{who} ready after a {after}, p50/max"] = f"{statistics.median(times):.2f}/{max(times):.2f} s"
        return told

    def slow(self) -> list[str]:
        """Return who starts too slowly after a kill."""
        medians = {who: statistics.median(by["kill"]) for who, by in self._ready.items() if len(by["kill"]) >= _ENOUGH}
        return [
            f"half of the starts of the {who} after a kill took more than {median:.2f} s"
            for who, median in medians.items()
            if median > RESTART
        ]


def _cycles(task: Task, scene: Scene) -> int:
    """Kill, start and look `count` times, or until too much is wrong; return how often."""
    dice = scene.dice
    scene.begin("daemon", "end")
    scene.begin("console", "end")
    scene.faults(True)
    kills = 0
    while kills < task.count and len(scene.wrong) < _TOO_MUCH:
        task.tell(f"{kills} of {task.count} kills, {len(scene.committed.known)} writes, {len(scene.wrong)} wrong")
        who, when = dice.choice(("daemon", "console", "both")), dice.choices(("work", "start", "end"), (7, 2, 1))[0]
        if when == "start":
            scene.kill(who)
            scene.begin_all(who, "kill", wait=False)
        scene.write(keys=when != "start")
        time.sleep(dice.uniform(0.0, 0.6))
        if when == "end":
            scene.ask_to_end(who)
            time.sleep(dice.uniform(0.0, 0.3))
        scene.wrong += scene.committed.look()
        if scene.kill(who):
            kills += 1
            scene.counts[f"killed at the {when}"] += 1
            scene.begin_all(who, "kill")
        else:
            scene.begin_all(who, "end")
        scene.look()
        if kills % _CLEAN_EVERY == 0:
            scene.end_well()
            scene.begin_all("both", "end")
    scene.faults(False)
    scene.end_well()
    return kills


def run(task: Task) -> Outcome:
    """Kill `count` times."""
    options = Options(seed=task.seed, orders=40, listings=LISTINGS, markets=MARKETS, limits=False)
    with running_in_thread(options) as sandbox, httpx.Client(base_url=sandbox.url, trust_env=False) as http:
        scene = Scene(task, sandbox, http)
        asyncio.run(scene.in_process(lambda workspace: workspace.sync()))
        with Forks() as scene.forks:
            scene.screen = Screen()
            try:
                done = _cycles(task, scene)
            finally:
                scene.screen.close()
        scene.look()
        scene.wrong += sent_without_intent(scene.committed.known.values(), scene.traffic.seen)
        intents = asyncio.run(scene.in_process(_settle))
        scene.look()
        scene.wrong += sent_without_read(scene.traffic.seen) + audit_faults(scene.files / "journal.db")
        scene.wrong += wrong_end(intents, scene.before, scene.shelf()) + scene.slow()
    states = Counter(str(intent.state) for intent in intents)
    figures = {**scene.figures(), "writes": len(intents), **states, "requests": len(scene.traffic.seen)}
    return Outcome(done, figures, scene.wrong)


async def _settle(workspace: Workspace) -> list[Intent]:
    """Bring to its end what is left, as an operator would when the network is well again."""
    await workspace.settle_left_behind()
    for intent in await workspace.intents(limit=0, unfinished=True):
        await workspace.resolve(intent.id, "resend")
    return await workspace.intents(limit=0)


ROW = Row(
    id="K1",
    what="SIGKILL of daemon and console at random points, faults on",
    unit="kills",
    long=200,
    short=0,
    passes="0 intents lost, 0 sends without a read between, integrity ok, restart < 1 s",
    run=run,
    short_version=f"tests/writes/test_storm.py::{_SHORT}",
)
