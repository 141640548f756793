"""S5: the ledger of requests and its locks, harmed in every way; no window of the server is ever overrun.

Each case runs in virtual time on real files: processes send, some die, the files are harmed (by a process of its own,
as it would be), and the living and their heirs go on sending at once and again an hour later.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3 as plain_sqlite
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bmconsole.domain.priority import Priority
from bmconsole.sandbox import Options
from bmconsole.sandbox.server import running_in_thread
from bmconsole.store.sqlite import sqlite3
from bmconsole.traffic import LedgerUnusable, Notice, Rule, TrafficController
from bmconsole.traffic.book import GRACE
from bmconsole.traffic.ledger_file import is_busy, open_file
from bmconsole.traffic.routes import Costs
from bmconsole.traffic.sqlite_ledger import SqliteLedger
from tests.fire.program import Ended, account, call, environment
from tests.fire.rows import Outcome, Row, Task
from tests.traffic.test_processes import HOLD
from tests.traffic.test_shared_ledger import die
from tests.traffic.world import World

RULES = (Rule("edge", 10, 10.0), Rule("sku_lines", 25, 3600.0))
READ: Costs = (("edge", 1),)
WRITE: Costs = (("edge", 1), ("sku_lines", 1))
NAME = "ledger-test.db"
OTHERS = "ledger-other.db"
_ENOUGH_FOR_DOCTOR = 200
_PATIENCE = 3 * 3600.0
"""Virtual seconds within which all must have been granted: more than an hour's rule needs."""


@dataclass(frozen=True)
class Harm:
    """What is done to the files. `do` gets the ledger's path and works in a process of its own."""

    name: str
    do: Callable[[Path, random.Random], None]
    refused: bool = False
    """Whether no process may use what is left."""
    at_rest: bool = False
    """Whether it is done only after every process was killed: what SQLite keeps beside a file in use is its own."""
    told: bool = False
    """Whether people have to hear of it: somebody opens or uses it and cannot miss the damage."""
    found: bool = False
    """Whether `doctor` has to find it; where a log lies beside the file, SQLite may mend it in passing."""


def _write(path: Path, data: bytes, draw: random.Random) -> None:
    """Put `data` there: in place, as a disk or a stray program does, or as another file, as a copy does."""
    if draw.random() < 0.5:
        _deleted(path, draw)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(0)
        file.write(data)


def _zeros(path: Path, draw: random.Random) -> None:
    _write(path, bytes(path.stat().st_size), draw)


def _noise(path: Path, draw: random.Random) -> None:
    _write(path, draw.randbytes(path.stat().st_size), draw)


def _noise_behind(path: Path, draw: random.Random) -> None:
    data = path.read_bytes()
    start = draw.randrange(1, 12) * 512
    _write(path, data[:start] + draw.randbytes(max(0, len(data) - start)), draw)


def _noisy_page(path: Path, draw: random.Random) -> None:
    data = bytearray(path.read_bytes())
    at = 4096 * draw.randrange(max(1, len(data) // 4096))
    data[at : at + 4096] = draw.randbytes(4096)
    _write(path, bytes(data), draw)


def _truncated(path: Path, draw: random.Random) -> None:
    data = path.read_bytes()
    _write(path, data[: draw.choice([0, 1, 99, 4096, 5000, draw.randrange(len(data))])], draw)


def _text(path: Path, draw: random.Random) -> None:
    _write(path, b"not a ledger at all\n" * draw.randrange(1, 1000), draw)


def _foreign(path: Path, draw: random.Random) -> None:
    _deleted(path, draw)
    with closing(plain_sqlite.connect(path)) as connection:
        connection.execute(draw.choice(["CREATE TABLE notes (text)", "CREATE TABLE meta (x)", "CREATE TABLE rule (y)"]))
        connection.commit()


def _others(path: Path, draw: random.Random) -> None:
    """Put another account's ledger in the place of this one."""
    _deleted(path, draw)
    shutil.copyfile(path.with_name(OTHERS), path)


def _deleted(path: Path, draw: random.Random) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)


def _folder(path: Path, draw: random.Random) -> None:
    _deleted(path, draw)
    path.mkdir()


def _sql(path: Path, *statements: str) -> None:
    with closing(open_file(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def _newer(path: Path, draw: random.Random) -> None:
    _sql(path, draw.choice(["UPDATE meta SET version = 2", "UPDATE meta SET version = 99999999999"]))


def _no_version(path: Path, draw: random.Random) -> None:
    _sql(path, draw.choice(["UPDATE meta SET version = 0", "UPDATE meta SET version = -99"]))


def _tables(path: Path, draw: random.Random) -> None:
    name = draw.choice(["rule", "flight", "process", "meta", "route"])
    _sql(path, f"DROP TABLE {name}", *draw.choice([[], [f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, x)"]]))


def _values(path: Path, draw: random.Random) -> None:
    """Write what no ledger writes into one of the fields."""
    statement = draw.choice(
        [
            "UPDATE rule SET flying = -3",
            "UPDATE rule SET flying = flying + 4",
            "UPDATE rule SET times = x'00'",
            "UPDATE rule SET costs = x'0000'",
            "UPDATE rule SET times = x'', costs = x'01000000'",
            "UPDATE rule SET times = zeroblob(80), costs = zeroblob(36)",
            "UPDATE rule SET passed = x'0102'",
            "UPDATE rule SET working = 0",
            "UPDATE rule SET working = -1e300",
            "UPDATE rule SET working = 1e300",
            "UPDATE rule SET tat = 9e999",
            "UPDATE rule SET rtt = -9e999",
            "UPDATE rule SET rtt = 9e999",
            "UPDATE rule SET pause_until = 9e999",
            "DELETE FROM rule",
            "DELETE FROM rule WHERE name = 'edge'",
            "DELETE FROM meta",
            "UPDATE meta SET last = 9e999",
            "UPDATE meta SET last_utc = -9e999",
            "UPDATE meta SET boot = ''",
            "INSERT INTO flight VALUES (7, 7, 0.0, 'garbage')",
            "INSERT INTO flight VALUES (7, 7, 0.0, '[[\"edge\"]]')",
            "INSERT INTO flight VALUES (7, 7, 0.0, '[[\"nothing\", 3]]')",
            "INSERT INTO flight VALUES (7, 7, 0.0, '{}')",
            "INSERT INTO process VALUES (7, -1, x'1b5b326a', 1, 9e999, 9e999, 9e999)",
            "UPDATE process SET wish1 = 9e999, wish2 = 9e999, wish3 = 9e999",
            "INSERT INTO route VALUES ('GET /ws/orders', 9e999, 9e999)",
        ]
    )
    with suppress(sqlite3.IntegrityError):
        _sql(path, statement)


def _no_log(path: Path, draw: random.Random) -> None:
    Path(f"{path}-shm").unlink(missing_ok=True)
    log = Path(f"{path}-wal")
    if log.exists():
        log.write_bytes(draw.choice([b"", draw.randbytes(log.stat().st_size)]))


def _no_index(path: Path, draw: random.Random) -> None:
    index = Path(f"{path}-shm")
    if draw.random() < 0.5:
        index.unlink(missing_ok=True)
    elif index.exists():
        index.write_bytes(draw.randbytes(index.stat().st_size))


def _lives(path: Path, draw: random.Random) -> None:
    folder = path.with_suffix(".lives")
    kind = draw.randrange(3)
    if kind == 0:
        shutil.rmtree(folder)
    elif kind == 1:
        for file in folder.iterdir():
            file.write_bytes(draw.randbytes(50))
    else:
        for name in ("life.", "life.x", "life.-1", f"life.{2**70}", "life.7", "other"):
            (folder / name).write_bytes(b"?")


def _nothing(path: Path, draw: random.Random) -> None:
    """Leave the files alone: processes die and live on."""


HARMS = [
    Harm("nothing", _nothing),
    Harm("zeros", _zeros),
    Harm("noise", _noise, found=True),
    Harm("noise behind the header", _noise_behind),
    Harm("a noisy page", _noisy_page),
    Harm("truncated", _truncated),
    Harm("text", _text, found=True),
    Harm("another program's database", _foreign, told=True),
    Harm("another account's ledger", _others, told=True),
    Harm("deleted", _deleted),
    Harm("a folder in its place", _folder, refused=True),
    Harm("a newer version", _newer, refused=True),
    Harm("no version", _no_version, told=True),
    Harm("tables", _tables),
    Harm("values", _values),
    Harm("lost log", _no_log, at_rest=True),
    Harm("lost index", _no_index, at_rest=True),
    Harm("lock files", _lives),
    Harm("held, then let go", _nothing),
    Harm("held by a process that dies", _nothing),
]


def _copy_all(folder: Path, to: Path) -> None:
    for path in folder.glob(f"{NAME}*"):
        shutil.copyfile(path, to / path.name)


def _apart(work: Callable[[], None]) -> None:
    """Do it in a child: closing a file that SQLite has open would drop its locks in this process."""
    with warnings.catch_warnings():
        # The child touches files only, whatever threads there are here
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the harm itself failed"


@dataclass
class Member:
    """A process of the case."""

    ledger: SqliteLedger
    controller: TrafficController


@dataclass
class Case:
    """One ledger, its processes and what befalls them."""

    folder: Path
    seed: str
    harm: Harm
    heard: list[Notice] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    sent: list[tuple[float, int]] = field(default_factory=list)
    """What the journal would know: the writes, in UTC."""

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.world = World(RULES, latency=lambda: (self.draw.uniform(0, self.most), self.draw.uniform(0, 0.3)))
        self.most = self.draw.choice([0.0, 0.2, 3.0])
        self.path = self.folder / NAME
        self.dead: set[int] = set()

    def run(self) -> list[str]:
        """Carry the case out and return what was wrong."""
        try:
            self.world.run(self._live)
        except (
            AssertionError,
            TimeoutError,
            LedgerUnusable,
            OSError,
            sqlite3.Error,
            ValueError,
            RuntimeError,
        ) as error:
            return [f"{self.harm.name}, seed {self.seed}: {type(error).__name__}: {error}"]
        return []

    async def _live(self) -> None:
        await self._other_account()
        if self.draw.random() < 0.5:
            # One that ended as it should: what it did is in the file itself, no longer in its log
            former = await self._join()
            await self._send(former, self.draw.randrange(0, 5))
            await former.controller.aclose()
        members = [await self._join() for _ in range(self.draw.randrange(1, 4))]
        first = [asyncio.create_task(self._send(one, self.draw.randrange(0, 9))) for one in members]
        await asyncio.sleep(self.draw.choice([0.0, 0.05, 1.0, 12.0, 30.0]))
        left = await self._end_some(members)
        held = self._hold() if self.harm.name.startswith("held") else None
        _apart(lambda: self.harm.do(self.path, self.draw))
        if held is not None:
            self.world.loop.call_later(self.draw.uniform(1.5, 20), held)
        heirs = [] if held else await self._heirs()
        if self.harm.refused:
            assert not heirs, "it was used although nobody can know what is in it"
            await self._let_go(left, first)
            return
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*(self._send(one, self.draw.randrange(3, 15)) for one in (*left, *heirs)))
            if held is not None:
                heirs = await self._heirs()
            # What was sent before may still count for the hour, and what was forgotten shows now
            await asyncio.sleep(self.draw.choice([3590.0, 3600.5, 60.0]))
            await asyncio.gather(*(self._send(one, self.draw.randrange(3, 15)) for one in (*left, *heirs)))
        if self.harm.told or (held is not None and left):
            assert self.heard or self.refusals, "nobody heard of it"
        await self._let_go([*left, *heirs], first)

    async def _other_account(self) -> None:
        """Leave the ledger of another account beside it, which has sent less."""
        ledger = SqliteLedger(self.folder / OTHERS, RULES, clock=self.world.clock)
        for _ in range(2):
            ledger.take(WRITE, Priority.HIGH, 0)
        ledger.close()

    async def _join(self) -> Member:
        ledger = SqliteLedger(self.path, RULES, clock=self.world.clock, past=self._past)
        controller = self.world.controller(ledger)
        self.heard += controller.snapshot().notices
        controller.subscribe(self.heard.append)
        return Member(ledger, controller)

    async def _join_when_free(self) -> Member:
        """Join as `open_traffic` does, which waits for half a minute."""
        give_up_at = self.world.loop.time() + 30
        while True:
            try:
                return await self._join()
            except sqlite3.Error as error:
                if not is_busy(error) or self.world.loop.time() > give_up_at:
                    raise
            await asyncio.sleep(0.5)

    def _past(self, rule: str, since: float) -> Iterable[tuple[float, int]]:
        return [(at, cost) for at, cost in self.sent if at >= since] if rule == "sku_lines" else []

    async def _heirs(self) -> list[Member]:
        await asyncio.sleep(self.draw.choice([0.0, 0.0, 2.0, 9.0]))
        made = []
        for _ in range(self.draw.randrange(1, 3)):
            try:
                made.append(await self._join_when_free())
            except (LedgerUnusable, OSError, sqlite3.Error) as error:
                self.refusals.append(str(error))
        return made

    async def _send(self, member: Member, count: int) -> None:
        await asyncio.gather(*(self._one(member) for _ in range(count)), return_exceptions=False)

    async def _one(self, member: Member) -> None:
        costs = self.draw.choice([READ, READ, WRITE])
        slot = await member.controller.acquire(costs, self.draw.choice([Priority.CRITICAL, Priority.HIGH]))
        if id(member) in self.dead:
            return
        if costs is WRITE:
            self.sent.append((self.world.clock.utc(), 1))
        out, back = self.world.latency()
        # Bytes that left arrive, whatever becomes of their sender
        self.world.loop.call_later(out, lambda: self.world.oracle.arrive(costs, self.world.loop.time()))
        await asyncio.sleep(out + back)
        if id(member) not in self.dead:
            slot.answered()

    async def _end_some(self, members: list[Member]) -> list[Member]:
        """Kill or close some processes; what a killed one leaves is what was on the disk."""
        left = []
        fates = [self.draw.choice(["lives", "lives", "dies", "dies", "ends"]) for _ in members]
        if self.harm.at_rest:
            fates = ["dies"] * len(members)
        kept = self.folder / "kept"
        if set(fates) == {"dies"}:
            kept.mkdir()
            _apart(lambda: _copy_all(self.folder, kept))
        for member, fate in zip(members, fates, strict=True):
            if fate == "lives":
                left.append(member)
                continue
            self.dead.add(id(member))
            if fate == "dies":
                die(member.ledger)
            else:
                await member.controller.aclose()
        if kept.exists():
            # Closing tidied up, which a killed process cannot do
            for path in kept.iterdir():
                shutil.copyfile(path, self.folder / path.name)
        return left

    def _hold(self) -> Callable[[], None]:
        """Hold the ledger as a stopped process does in the midst of a change; returns its going on, or its death."""
        other = open_file(self.path)
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE meta SET last = last")

        def let_go() -> None:
            if "dies" not in self.harm.name:
                other.execute("COMMIT")
            other.close()

        return let_go

    async def _let_go(self, members: list[Member], tasks: list["asyncio.Task[None]"]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for member in members:
            await member.controller.aclose()
        await asyncio.sleep(GRACE)


class Clinic:
    """A home that was used, whose ledger is harmed again and again, and `doctor` asked what is wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.sound = folder / "sound"

    def look(self, harms: Sequence[Harm], seed: int) -> tuple[int, list[str]]:
        """Return how many looks were taken, and what was wrong."""
        with (
            running_in_thread(Options(seed=seed, orders=20, listings=5)) as shop,
            environment(account(shop, self.home)),
        ):
            assert call("sync", "orders").code == 0
            self.home.rename(self.sound)
            wrong = [f"doctor, {harm.name}: {what}" for harm in harms if (what := self._one(harm, seed))]
        return len(harms), wrong

    def _one(self, harm: Harm, seed: int) -> str | None:
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.sound, self.home)
        (path,) = (self.home / "state" / "ledger").glob("ledger-*.db")
        shutil.copyfile(path, path.with_name(OTHERS))
        with closing(plain_sqlite.connect(path.with_name(OTHERS))) as other:
            other.execute("PRAGMA user_version = 7")
        _apart(lambda: harm.do(path, random.Random(f"{seed}-{harm.name}")))
        path.with_name(OTHERS).unlink(missing_ok=True)
        if not harm.name.startswith("held"):
            return self._judged(harm, call("doctor", "--json"))
        holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            holder.send_signal(signal.SIGSTOP)
            ended = call("doctor", "--json")
        finally:
            holder.kill()
            holder.wait()
            holder.stdout.close()
        if f"kill -CONT {holder.pid}" not in ended.out and sys.platform == "linux":
            return "it does not name the stopped process"
        if call("doctor").code:
            return "it finds a fault although the holder is dead"
        return self._judged(harm, ended)

    def _judged(self, harm: Harm, ended: Ended) -> str | None:
        if ended.code not in (0, 1) or "Traceback" in ended.err or not ended.out:
            return f"it ended with {ended.code}: {ended.err[-300:]}"
        found = [one for one in json.loads(ended.out)["findings"] if one["check"] == "ledger"]
        if not found:
            return "it says nothing of the ledger"
        if must_be_told := [one for one in found if one["level"] != "ok" and not one["hint"]]:
            return f"it has no way out: {must_be_told}"
        must = harm.told or harm.found or harm.refused or harm.name.startswith("held")
        if must and all(one["level"] == "ok" for one in found):
            return f"it finds nothing wrong: {found}"
        if harm.told or harm.found:
            call("sync", "orders")
            again = json.loads(call("doctor", "--json").out)
            if not any("moved aside" in one["message"] for one in again["findings"]):
                return "it does not say that the damaged one was moved aside"
        return None


def run(task: Task) -> Outcome:
    """Carry out so many cases, each harm in turn; a long run also has `doctor` look at each harm."""
    outcome = Outcome()
    told: Counter[str] = Counter()
    for number in range(task.count):
        harm = HARMS[number % len(HARMS)]
        folder = task.folder / str(number)
        folder.mkdir(mode=0o700)
        case = Case(folder, f"{task.seed}-{number}", harm)
        outcome.wrong += case.run()
        told.update(
            {kind for kind in {notice.kind for notice in case.heard}} | ({"refused"} if case.refusals else set())
        )
        shutil.rmtree(folder)
        outcome.done += 1
        if outcome.done % 10 == 0:
            task.tell(f"{outcome.done} of {task.count}, {len(outcome.wrong)} wrong")
    outcome.figures = {f"cases {kind}": count for kind, count in sorted(told.items())}
    if task.count >= _ENOUGH_FOR_DOCTOR:
        looks, wrong = Clinic(task.folder).look(HARMS, task.seed)
        outcome.wrong += wrong
        outcome.figures["looks of doctor"] = looks
    return outcome


ROW = Row(
    id="S5",
    what="the ledger and its locks: garbage, truncated, another's, another version, held",
    unit="cases",
    long=1000,
    short=20,
    passes="never above N in a window, and told by doctor",
    run=run,
)
