"""A disk that fills up under a daemon and a workspace, to many levels, and has room again: on a small disk in memory.

Everything that a home has lies on it: the databases, the ledger, the log files, the small files of the processes.
"""

import asyncio
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import httpx
from pydantic import SecretStr

from bmconsole.__main__ import main
from bmconsole.domain.health import faults
from bmconsole.domain.intents import Intent, IntentState
from bmconsole.domain.views import Query
from bmconsole.errors import BmError
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread
from bmconsole.store import intents as intent_rows
from bmconsole.store.sqlite import connect, whole
from bmconsole.workspace import Workspace
from tests.fire.disks import apart, mounted, no_tmpfs
from tests.fire.rows import Outcome, Row, Task

MARKETS = ("fr-fr", "de-de")
LIMITS = {"edge": "100000/1", "sensitive": "100000/1", "sku_lines": "1000000/1"}
SIZE = 24 * 1024 * 1024
_PAGE = 4096
_MOST_FREE = 366
"""Pages: a megabyte and a half, which all that happens at a level does not fill."""
_PATIENCE = 30.0
_TOLD_WITHIN = 12.0
"""Seconds within which the daemon says that the disk is full: requests wait 6 for the ledger before they fail."""
_WORDS = ("disk", "space", "ledger of requests")


class Disk:
    """A small disk, and the ballast that fills it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    @property
    def free(self) -> int:
        told = os.statvfs(self.place)
        return told.f_bavail * told.f_frsize

    def fill(self, free: int) -> None:
        """Leave so many bytes, as far as others let us."""
        with self._ballast.open("ab") as file:
            while (more := self.free - free) > 0:
                # Others may have taken some of it meanwhile: then it is measured again
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), more)

    def clear(self) -> None:
        self._ballast.unlink(missing_ok=True)


class Shop:
    """What happens at the shop meanwhile, and what it knows of our writes."""

    def __init__(self, running: RunningSandbox, dice: random.Random) -> None:
        self.running = running
        self._dice = dice
        self._http = httpx.Client(base_url=running.url, trust_env=False)

    def sell(self, listing: str) -> None:
        answer = self._http.post("/_sandbox/orders", json={"listing": listing, "market": self._dice.choice(MARKETS)})
        answer.raise_for_status()

    def orders(self) -> int:
        """Return how many orders a list shows."""
        counts = self._http.get("/_sandbox/counts").json()["orders"]
        return sum(count for state, count in counts.items() if state not in ("0", "8"))

    def written(self) -> int:
        """Return how many writes of listings it carried out."""
        writes = self._http.get("/_sandbox/journal", params={"writes": 50_000}).json()["writes"]
        return sum(write["path"].startswith("/ws/listings") and write["executed"] == 200 for write in writes)

    def close(self) -> None:
        self._http.close()


class Level:
    """The work at one level of the disk, and what came of it."""

    def __init__(self, workspace: Workspace, disk: Disk, shop: Shop, daemon: "Daemon", dice: random.Random) -> None:
        self.workspace = workspace
        self.disk = disk
        self.shop = shop
        self.daemon = daemon
        self.dice = dice
        self.wrong: list[str] = []
        self.told: list[str] = []
        self.acknowledged: dict[int, Intent] = {}
        self.ended: Counter[str] = Counter()

    async def work(self, free: int, listings: list[str], sold: list[str]) -> None:
        """Fill the disk, sell, sync and write on it; each that fails has to tell why."""
        for _ in range(3):
            await asyncio.to_thread(self.shop.sell, self.dice.choice(sold))
        self.daemon.new()
        self.disk.fill(free)
        works: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("sync", lambda: self.workspace.sync()),
            ("write", lambda: self._write(self.dice.sample(listings, 1))),
            ("writes", lambda: self._write(self.dice.sample(listings, 3))),
            ("note", lambda: self.workspace.note("info", "fire", "x" * self.dice.randrange(4_000))),
        ]
        self.dice.shuffle(works)
        for name, work in works:
            await self._try(name, work)
        if self.dice.random() < 0.5:
            # Others fill what is left while we work
            self.disk.fill(0)
            for name, work in works:
                await self._try(name, work)
        if self.disk.free < _PAGE:
            await self._is_told()

    async def _write(self, listings: list[str]) -> None:
        plan = await self.workspace.plan_listings(listings, self.dice.choice(MARKETS), {"quantity": "+1"})
        for intent in await self.workspace.apply(plan):
            self.acknowledged[intent.id] = intent

    async def _try(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await work()
        except TimeoutError:
            self.wrong.append(f"{name} hung for {_PATIENCE:.0f} s")
        except BmError as error:
            self.ended[f"{name} refused"] += 1
            line = error.line()
            self.told.append(line)
            if not any(word in line for word in _WORDS):
                self.wrong.append(f"{name} says {line!r}")
        except Exception as error:
            self.wrong.append(f"{name} ended with {type(error).__name__}: {error}")
        else:
            self.ended[f"{name} done"] += 1

    async def _is_told(self) -> None:
        """The state tells that the disk is full, by this process and by the daemon."""
        since = datetime.now(UTC)
        state = await self.workspace.status()
        if not any("disk" in sentence for sentence in faults(state)):
            self.wrong.append(f"the status tells nothing of the disk: {faults(state)}")
        for words, code in ((["status"], 1), (["doctor"], 1), (["orders", "list"], 0), (["writes", "list"], 0)):
            ended, said = await asyncio.to_thread(command, words)
            if ended != code or (code and "disk" not in said) or _is_broken(said):
                self.wrong.append(f"{' '.join(words)} ended with {ended}: {_broken_part(said)}")
        if not await self.daemon.says("disk is full", "No space", within=_TOLD_WITHIN):
            # What it writes may find room in the logs for a while
            feed = (await self.workspace.status()).feeds["orders"]
            if feed is None or feed < since:
                self.wrong.append(f"the daemon tells nothing of the disk, and has not synced since {feed}")

    async def go_on(self) -> None:
        """Give the space back; everything goes on without a restart."""
        self.disk.clear()
        since = datetime.now(UTC)
        deadline = time.monotonic() + _PATIENCE
        while True:
            state = await self.workspace.status()
            feed = state.feeds["orders"]
            doubts = []
            if feed is None or feed < since:
                doubts.append(f"the daemon synced last at {feed}, there is room since {since}")
            doubts += [f"{process.name} still says {process.trouble}" for process in state.processes if process.trouble]
            doubts += [f"{job.name} still failed: {job.last_error}" for job in state.jobs if job.last_error]
            if state.unfinished_writes:
                await self.workspace.settle_left_behind()
                doubts.append(f"{state.unfinished_writes} writes are unfinished")
            if not doubts:
                break
            if time.monotonic() > deadline:
                self.wrong += doubts
                break
            await asyncio.sleep(0.1)
        for name, work in (("sync", self.workspace.sync), ("note", self._note)):
            await self._try(f"{name} afterwards", work)
        if self.ended["sync afterwards refused"] or self.ended["note afterwards refused"]:
            self.wrong.append(f"it does not go on: {self.told[-1]}")

    async def _note(self) -> None:
        await self.workspace.note("info", "fire", "room again")

    async def compare(self) -> None:
        """Compare the journal, the mirror and the shop."""
        intents = {intent.id: intent for intent in await self.workspace.intents(limit=0)}
        for number, said in self.acknowledged.items():
            found = intents.get(number)
            if found is None or (said.state is IntentState.CONFIRMED and found.state is not IntentState.CONFIRMED):
                self.wrong.append(f"write {number} was acknowledged as {said.state}, there is {found}")
        confirmed = sum(intent.state is IntentState.CONFIRMED and bool(intent.attempts) for intent in intents.values())
        if (written := await asyncio.to_thread(self.shop.written)) != confirmed:
            self.wrong.append(f"{written} writes arrived, {confirmed} are confirmed")
        here = await self.workspace.orders_count()
        if here != (there := await asyncio.to_thread(self.shop.orders)):
            self.wrong.append(f"{here} orders here, {there} there")


def command(words: list[str]) -> tuple[int, str]:
    """Call the program in this process; return its exit code and all that it said."""
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main(words)
    return code, said.getvalue()


def settings(home: Path, running: RunningSandbox) -> dict[str, str]:
    """Return the environment of an account at the shop, with timers of seconds."""
    schedule = {"ORDERS": "1s", "WATCH": "1s", "LISTINGS": "3s", "BACKBOX": "off", "REPRICING": "off"}
    return {
        "BMCONSOLE_HOME": str(home),
        "BMCONSOLE_BASE_URL": running.url,
        "BMCONSOLE_TOKEN": running.token,
        "BMCONSOLE_MARKETS": ",".join(MARKETS),
        **{f"BMCONSOLE_SCHEDULE__{name}": every for name, every in schedule.items()},
        **{f"BMCONSOLE_LIMITS__{name.upper()}": value for name, value in LIMITS.items()},
    }


class Daemon:
    """`bmconsole run`, with the settings of this process."""

    def __init__(self, output: Path) -> None:
        with output.open("wb") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bmconsole", "run"],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
            )
        self._output = output
        self._heard = 0

    def new(self) -> str:
        """Return what it said since it was asked last."""
        with self._output.open("rb") as file:
            file.seek(self._heard)
            text = file.read()
        self._heard += len(text)
        return text.decode(errors="replace")

    async def says(self, *words: str, within: float) -> bool:
        """Return whether it says one of `words` in time."""
        deadline = time.monotonic() + within
        said = ""
        while not any(word in (said := said + self.new()) for word in words):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    def wrong(self) -> list[str]:
        said = self._output.read_text(errors="replace")
        found = (
            [] if self.process.poll() is None else [f"the daemon ended with {self.process.returncode}: {said[-900:]}"]
        )
        return found + [f"the daemon said {line}" for line in said.splitlines() if _is_broken(line)][:3]

    def end(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(_PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()


_BROKEN = re.compile("Traceback|unexpected |went wrong inside")


def _is_broken(text: str) -> bool:
    return _BROKEN.search(text) is not None


def _broken_part(text: str) -> str:
    found = _BROKEN.search(text)
    return text[-600:] if found is None else text[max(0, found.start() - 200) : found.start() + 1_000]


@asynccontextmanager
async def _opened(home: Path, running: RunningSandbox) -> AsyncIterator[Workspace]:
    profile = Profile.model_validate(
        {
            "name": "default",
            "base_url": running.url,
            "token": SecretStr(running.token),
            "token_source": "test",
            "markets": MARKETS,
            "timezone": "UTC",
            "limits": LIMITS,
        }
    )
    async with await Workspace.open(profile, Paths.under(home)) as workspace:
        yield workspace


async def _fill(task: Task, disk: Disk, running: RunningSandbox) -> Outcome:
    dice = random.Random(task.seed)
    outcome = Outcome()
    home = disk.place / "home"
    ended: Counter[str] = Counter()
    acknowledged: dict[int, Intent] = {}
    for name in [name for name in os.environ if name.startswith("BMCONSOLE_")]:
        del os.environ[name]
    os.environ.update(settings(home, running))
    shop = Shop(running, dice)
    daemon = Daemon(task.folder / "daemon")
    try:
        async with _opened(home, running) as workspace:
            await workspace.sync()
            rows = await workspace.listings_page(Query(limit=0))
            listings = [row.id for row in rows if row.quantity is not None and row.quantity >= 0]
            # What is sold is not what is written: a stock below 0 cannot be raised by one
            sold, listings = listings[::3], [each for each in listings if each not in listings[::3]]
            for number in range(task.count):
                free = 0 if number % 4 == 0 else _PAGE * int(_MOST_FREE ** dice.random())
                level = Level(workspace, disk, shop, daemon, dice)
                level.acknowledged = acknowledged
                await level.work(free, listings, sold)
                await level.go_on()
                await level.compare()
                outcome.wrong += [f"level {number + 1}, {free} bytes: {what}" for what in level.wrong]
                outcome.wrong += daemon.wrong()
                outcome.done += 1
                ended += level.ended
                task.tell(f"{outcome.done} levels, {len(outcome.wrong)} wrong")
                if len(outcome.wrong) > 20:
                    break
        if daemon.process.poll() is None and (code := daemon.end()) != 0:
            outcome.wrong.append(f"the daemon ended with {code} on SIGTERM")
    finally:
        daemon.process.kill()
        daemon.process.wait()
        shop.close()
    outcome.wrong += _whole(home)
    outcome.figures = {name: count for name, count in sorted(ended.items())}
    return outcome


def _whole(home: Path) -> list[str]:
    folder = home / "data" / "profiles" / "default"
    files = sorted(folder.glob("*.db"))
    wrong = [f"{path.name} is not whole" for path in files if not whole(path, thorough=True)]
    if len(files) != 3:
        wrong.append(f"there are {[path.name for path in files]}")
    with closing(connect(folder / "journal.db", readonly=True)) as connection:
        if broken := intent_rows.audit_broken_at(connection):
            wrong.append(f"the audit is broken at {broken}")
    for path in (home / "logs").glob("*.log"):
        lines = path.read_text().splitlines()
        wrong += [f"{path.name} has the line {line[:80]!r}" for line in lines if not line.endswith("}")][:3]
    return wrong


def inside(task: Task) -> Outcome:
    """Do it, in a process of its own: mounts and environment are."""
    options = Options(seed=task.seed, orders=60, listings=30, markets=MARKETS, limits=False)
    words = ["-t", "tmpfs", "-o", f"size={SIZE},mode=700", "none"]
    with mounted(words, task.folder / "small") as place, running_in_thread(options) as running:
        return asyncio.run(_fill(task, Disk(place), running))


ROW = Row(
    "K4",
    "disk full at many levels, then space again",
    "levels",
    long=100,
    short=0,
    short_version="tests/writes/test_full_disk.py::test_a_write_goes_on_when_there_is_room_again",
    passes="a message, nothing acknowledged lost, it goes on without a restart",
    run=lambda task: apart(__name__, task),
    unable=no_tmpfs,
)
