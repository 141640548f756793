"""Files of a home that are damaged in every way that disks and people have, and what is told and saved then.

After each harm the commands, the engine and the console meet it; then its owner does what `doctor` says.
"""

import asyncio
import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from filelock import FileLock

from bmconsole.__main__ import main
from bmconsole.cache import Files
from bmconsole.console.app import ConsoleApp
from bmconsole.console.personal import Personal
from bmconsole.errors import BmError
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread
from bmconsole.settings import Settings
from bmconsole.store import backup, health
from bmconsole.store.schema import HISTORY, JOURNAL
from bmconsole.store.sqlite import connect, sqlite3
from bmconsole.workspace import Workspace
from tests.console.waiting import until
from tests.fire.rows import Outcome, Row, Task

MARKETS = ("fr-fr", "de-de")
FOLDER = Path("data") / "profiles" / "default"
CONFIG = Path("config")
LEDGER = Path("state") / "ledger"
PRESENCE = LEDGER / "processes" / "1-living.json"
_PAGE = 4096
_RUN_SECONDS = 0.5
_WAYS_OUT = 5
_COPY = "journal-2026-11-22.db"

_JPEG = bytes.fromhex("ffd8ffe000104a46494600010101006000600000ffdb004300")

Harm = Callable[[Path, random.Random], None]


# What happens to a file


def header(path: Path, dice: random.Random) -> None:
    _put(path, 0, dice.randbytes(100))


def header_bit(path: Path, dice: random.Random) -> None:
    _flip(path, dice, 1, 100)


def random_pages(path: Path, dice: random.Random) -> None:
    pages = max(1, path.stat().st_size // _PAGE)
    for page in dice.sample(range(1, max(2, pages)), min(3, max(1, pages - 1))):
        _put(path, page * _PAGE, dice.randbytes(_PAGE))


def flipped_bits(path: Path, dice: random.Random) -> None:
    _flip(path, dice, 200, path.stat().st_size)


def half(path: Path, _: random.Random) -> None:
    os.truncate(path, path.stat().st_size // 2)


def stump(path: Path, _: random.Random) -> None:
    os.truncate(path, 60)


def empty(path: Path, _: random.Random) -> None:
    os.truncate(path, 0)


def gone(path: Path, _: random.Random) -> None:
    path.unlink()


def jpeg(path: Path, dice: random.Random) -> None:
    path.write_bytes(_JPEG + dice.randbytes(20_000))


def nothing_but_zeros(path: Path, _: random.Random) -> None:
    path.write_bytes(b"\0" * max(_PAGE, path.stat().st_size))


def folder(path: Path, _: random.Random) -> None:
    path.unlink()
    path.mkdir()


def nested(path: Path, _: random.Random) -> None:
    path.write_text("x = " * path.suffix.endswith("toml") + "[" * 100_000)


def other_values(path: Path, _: random.Random) -> None:
    """Keep the names of what is written in it, but nothing of the kind that it was."""
    path.write_text(
        re.sub(r"(?<=[=:] )[^\[{\n,}]+", '["x", 1e999]' if path.suffix == ".toml" else "1e999", path.read_text())
    )


def foreign_database(path: Path, _: random.Random) -> None:
    _gone_with_log(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 42")
        connection.execute("CREATE TABLE orders (id INTEGER)")


def nameless_database(path: Path, _: random.Random) -> None:
    _gone_with_log(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")


def another_of_ours(path: Path, _: random.Random) -> None:
    other = path.with_name("history.db" if path.name != "history.db" else "mirror.db")
    _gone_with_log(path)
    shutil.copy(other, path)


def newer(path: Path, _: random.Random) -> None:
    with closing(connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + 1}")


def log_cut(path: Path, dice: random.Random) -> None:
    log = _log(path)
    os.truncate(log, dice.randrange(40, log.stat().st_size))


def log_torn(path: Path, dice: random.Random) -> None:
    log = _log(path)
    _put(log, dice.randrange(32, log.stat().st_size - 200), dice.randbytes(200))


def log_foreign(path: Path, dice: random.Random) -> None:
    jpeg(_log(path), dice)


def log_gone(path: Path, _: random.Random) -> None:
    _log(path).unlink()


def index_gone(path: Path, _: random.Random) -> None:
    path.with_name(f"{path.name}-shm").unlink()


def index_foreign(path: Path, dice: random.Random) -> None:
    path.with_name(f"{path.name}-shm").write_bytes(dice.randbytes(32_768))


_DATABASES = ("mirror.db", "journal.db", "history.db")
_TO_DATABASES: tuple[Harm, ...] = (
    *(header, header_bit, random_pages, flipped_bits, half, stump, empty, jpeg, nothing_but_zeros),
    *(foreign_database, nameless_database, another_of_ours, newer, log_cut, log_torn, log_foreign, log_gone),
    *(index_gone, index_foreign),
)
_TO_TEXTS: tuple[Harm, ...] = (
    *(flipped_bits, half, empty, gone, jpeg, nothing_but_zeros, nested, other_values, folder),
)
_TEXTS = (
    *(CONFIG / f"{name}.toml" for name in ("config", "rules", "views", "keys")),
    CONFIG / "tokens" / "default",
    Path("state") / "console-default.json",
    *(LEDGER / name for name in ("engine-default.json", "herald-default.json")),
    PRESENCE,
)


@dataclass(frozen=True)
class Case:
    """A harm to a file, named from the home on; a ledger is named by `*`."""

    file: Path
    harm: Harm

    def __str__(self) -> str:
        return f"{self.file.name}: {self.harm.__name__}"


def _square(files: Sequence[Path], harms: Sequence[Harm]) -> list[Case]:
    """Return every harm to every file, each harm to another file before one comes again."""
    turns = range(len(files))
    return [Case(files[(at + turn) % len(files)], harm) for turn in turns for at, harm in enumerate(harms)]


def cases() -> list[Case]:
    """Return every case, so that any beginning of the list has something of each kind of file."""
    kinds = [
        # Without a journal one begins anew: that is the operator's way to have it so
        _square([FOLDER / name for name in _DATABASES], _TO_DATABASES)
        + [Case(FOLDER / name, gone) for name in ("mirror.db", "history.db")],
        _square(_TEXTS, _TO_TEXTS),
        [Case(LEDGER / "ledger-*.db", harm) for harm in _TO_DATABASES[:10]],
    ]
    found: list[Case] = []
    while any(kinds):
        found += [kind.pop(0) for kind in kinds if kind]
    return found


# The home


@dataclass(frozen=True)
class Told:
    """What a command left behind."""

    words: Sequence[str]
    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    def wrong(self) -> str | None:
        """Return what it should not have done, whatever the file was like."""
        said = f"{' '.join(self.words)} ended with {self.code}: {self.err.strip()[-600:]}"
        for word in ("Traceback", "Something went wrong inside", "unexpected ", "never retrieved"):
            if word in self.out + self.err:
                return said
        if self.code not in (0, 1, 2, 3, 4, 5, 6) or (self.code and not (self.out + self.err).strip()):
            return said
        return None


class Home:
    """A home whose files are harmed, and the commands on it."""

    def __init__(self, folder: Path, shop: RunningSandbox) -> None:
        self.folder = folder
        self.shop = shop

    def call(self, *words: str, stdin: str = "") -> Told:
        """Call the program in this process."""
        out, err, before = StringIO(), StringIO(), sys.stdin
        sys.stdin = StringIO(stdin)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = main(list(words))
        finally:
            sys.stdin = before
        return Told(words, code, out.getvalue(), err.getvalue())

    def run(self) -> Told:
        """Let the engine run for a moment."""
        ended = threading.Event()

        def end() -> None:
            if not ended.wait(_RUN_SECONDS):
                os.kill(os.getpid(), signal.SIGTERM)

        former = signal.signal(signal.SIGTERM, lambda *_: None)
        timer = threading.Thread(target=end)
        timer.start()
        try:
            return self.call("run")
        finally:
            ended.set()
            timer.join()
            signal.signal(signal.SIGTERM, former)

    def console(self) -> Told:
        """Open the console without a terminal, go through its tabs and leave it."""
        err, code = StringIO(), 0
        try:
            with redirect_stderr(err):
                fault = asyncio.run(self._console())
        except Exception as error:
            fault = error
        if fault is not None:
            code = 1
            name = "" if isinstance(fault, BmError) else f"Something went wrong inside ({type(fault).__name__}): "
            err.write(name + (fault.line() if isinstance(fault, BmError) else str(fault)))
        return Told(["the console"], code, "", err.getvalue())

    async def _console(self) -> BaseException | None:
        paths = Paths.default()
        profile = Settings.read(None, paths=paths).profile(auth="required")
        personal = Personal.read(paths, profile.name)

        async def open_workspace() -> Workspace:
            return await Workspace.open(profile, paths, console=True)

        app = ConsoleApp(open_workspace, personal=personal, paths=paths)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: app.fault is not None or (app.status is not None and app.current.ready))
            for key in ("2", "4", "5", "1", "j"):
                if app.fault is None:
                    await pilot.press(key)
        return app.fault

    def orders(self) -> list[int]:
        return sorted(row["order_id"] for row in self.call("orders", "list", "--limit", "0", "--json").rows())

    def writes(self) -> list[int]:
        return sorted(row["id"] for row in self.call("writes", "list", "--limit", "0", "--json").rows())

    def move_away(self, stem: str) -> None:
        away = self.folder / "away"
        away.mkdir(exist_ok=True)
        for path in (self.folder / FOLDER).glob(f"{stem}.db*"):
            shutil.move(path, away / f"{len(list(away.iterdir()))}-{path.name}")


@dataclass(frozen=True)
class Sound:
    """The home before anything happened to it."""

    folder: Path
    orders: list[int]
    writes: list[int]
    copied: list[int]
    """The writes in the copy of the journal."""


@contextmanager
def home_of(folder: Path) -> Iterator[None]:
    """Have commands work on the home in `folder`, with no other settings than its files."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("BMCONSOLE_")}
    os.environ["BMCONSOLE_HOME"] = str(folder)
    try:
        yield
    finally:
        del os.environ["BMCONSOLE_HOME"]
        os.environ.update(before)


def make(folder: Path, shop: RunningSandbox) -> Sound:
    """Make a home with something in every file, as it is while a process has it open: with logs beside the files."""
    home = Home(folder / "lived-in", shop)
    texts: Mapping[Path, str] = {
        CONFIG / "config.toml": f'[profile.default]\nbase_url = "{shop.url}"\nmarkets = "{",".join(MARKETS)}"\n'
        'access = "admin"\n[profile.default.schedule]\norders = "1s"\nwatch = "1s"\n',
        CONFIG / "rules.toml": '[defaults]\nvat = "none"\nfee = 10\n\n[[rule]]\nname = "phones"\nstrategy = ["hold"]\n',
        CONFIG / "views.toml": '[orders.mine]\nwhere = "late"\nsort = "due"\n',
        CONFIG / "keys.toml": '"rows.sort" = "f9"\n',
    }
    _write(home.folder, texts)
    with home_of(home.folder):
        _must(home.call("auth", "set", stdin=shop.token))
        _must(home.call("sync", "orders", "listings", "backbox"))
        listings = [row["id"] for row in home.call("listings", "list", "--json").rows()]
        _must(home.call("listings", "set", listings[0], "--quantity", "+1", "--yes"))
        backups = home.folder / FOLDER / "backups"
        backups.mkdir(mode=0o700, exist_ok=True)
        _must(home.call("backup", "--to", str(backups / _COPY)))
        copied = home.writes()
        profile = Settings.read(None, paths=Paths.default()).profile(auth="skip")
        files = Files(profile.name, Paths.default())
        try:
            for file in files.all():
                file.write_now(lambda connection: connection.execute("SELECT 1"))
            _must(home.run())
            _must(home.call("sync"))
            # Last, so that it is still in the log, and not there where the log is cut or gone
            _must(home.call("listings", "set", listings[1], "--quantity", "+1", "--yes"))
            orders, writes = home.orders(), home.writes()
            shutil.copytree(home.folder, folder / "sound")
        finally:
            files.close()
    return Sound(folder / "sound", orders, writes, copied)


def _write(folder: Path, texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        (folder / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / path).write_text(text)
        (folder / path).chmod(0o600)


def _left() -> Mapping[Path, str]:
    """Return what consoles and engines leave in small files, as they are while a process lives."""
    orders = {"where": "late", "sort": "due", "columns": ["order_id", "status"], "cursor": "1", "past": ["late"]}
    state = {"tab": "listings", "theme": "textual-light", "market": "de-de", "commands": ["late"], "orders": orders}
    now = time.time()
    process = {"pid": os.getpid(), "program": "run", "profile": "default", "engine": "elsewhere", "doing": ["orders"]}
    marks = {"event": 3, "order": 2, "observation": 1, "run": None, "late": [1], "broken": ["orders"], "stuck": [1]}
    return {
        Path("state") / "console-default.json": json.dumps(state),
        LEDGER / "engine-default.json": json.dumps({"program": "run", "pid": 1, "beat": now}),
        LEDGER / "herald-default.json": json.dumps(marks),
        PRESENCE: json.dumps(
            {**process, "waiting": {"low": 1}, "trouble": "The disk is full.", "started": now, "beat": now + 600}
        ),
    }


def _must(told: Told) -> None:
    assert told.code == 0, told


# One case


def suffer(case: Case, sound: Sound, place: Path, shop: RunningSandbox, dice: random.Random) -> list[str]:
    """Harm a copy of the home, meet the harm with everything, and follow the way out; return what was wrong."""
    shutil.copytree(sound.folder, place)
    _write(place, _left())
    home = Home(place, shop)
    (target,) = place.glob(str(case.file))
    case.harm(target, dice)
    with home_of(place), _living(place):
        refused = _is_refused(target)
        before = target.read_bytes() if target.is_file() else b""
        wrong = [fault for told in _meet(home, dice) if (fault := told.wrong())]
        if refused and (target.read_bytes() if target.is_file() else b"") != before:
            wrong.append(f"{target.name} was refused, and changed all the same")
        wrong += _way_out(home, case, sound)
        wrong += _after(home, case, sound)
    if reports := list((place / "state").glob("crashes/*")):
        wrong.append(f"a crash was reported: {reports[0].read_text()[-500:]}")
    return wrong


@contextmanager
def _living(place: Path) -> Iterator[None]:
    """Have the process that left its file in the home be alive: what the dead leave is taken away unread."""
    lives = place / LEDGER / "lives"
    lives.mkdir(exist_ok=True)
    with FileLock(str(lives / f"{PRESENCE.stem}.life")):
        yield


def _meet(home: Home, dice: random.Random) -> Iterator[Told]:
    commands = [
        *(("status",), ("orders", "list"), ("listings", "list"), ("writes", "list"), ("doctor",), ("log",), ("brief",)),
        *(("limits",), ("costs", "list"), ("reprice", "rules"), ("reprice", "runs"), ("config", "check")),
        *(("reprice",), ("auth", "status")),
    ]
    dice.shuffle(commands)
    for words in commands:
        as_json = dice.random() < 0.5
        told = home.call(*words, *(["--json"] if as_json else []))
        if as_json and told.code and told.err:
            json.loads(told.err)
        yield told
    more: list[Callable[[], Told]] = [home.run, home.console, lambda: home.call("sync")]
    dice.shuffle(more)
    for work in more:
        yield work()


def _is_refused(path: Path) -> bool:
    """Return whether it is a file that cannot be fetched again, and whose damage is seen before it is opened."""
    schema = {"journal.db": JOURNAL, "history.db": HISTORY}.get(path.name)
    if schema is None or not path.is_file():
        return False
    emptied = schema is JOURNAL and backup.is_emptied(path, path.parent / "backups")
    return emptied or health.damage(path, schema.application_id) is not None


def _way_out(home: Home, case: Case, sound: Sound) -> list[str]:
    """Do what `doctor` says until it finds no fault."""
    told = home.call("doctor", "--json")
    for _ in range(_WAYS_OUT):
        if told.code == 0:
            return []
        faults = [finding for finding in told.rows()[0]["findings"] if finding["level"] == "fault"]
        for finding in faults:
            if not finding["hint"]:
                return [f"doctor knows no way out of {finding['message']}"]
            _follow(home, case, sound, finding)
        told = home.call("doctor", "--json")
    return [f"doctor's ways out lead nowhere: {told.out} {told.err}"]


def _follow(home: Home, case: Case, sound: Sound, finding: Mapping[str, str]) -> None:
    hint = finding["hint"]
    if "Update bmconsole" in hint:
        shutil.copy(sound.folder / case.file, home.folder / case.file)
    elif hint.startswith("Move mirror.db away"):
        home.move_away("mirror")
        _must(home.call("sync"))
    elif "bmconsole restore" in hint:
        _must(home.call("restore", "--yes"))
    elif hint.startswith("Move it away"):
        home.move_away(finding["check"])
    else:
        # What people typed themselves they correct themselves
        _put_back(home, case, sound)


def _put_back(home: Home, case: Case, sound: Sound) -> None:
    path = home.folder / case.file
    if "*" in case.file.name:
        return
    if path.is_dir():
        path.rmdir()
    shutil.copy(sound.folder / case.file, path)
    path.chmod(0o600)


def _after(home: Home, case: Case, sound: Sound) -> list[str]:
    """Return what does not hold when everything was done: everything is there again."""
    wrong = []
    if case.file.suffix == ".toml" or case.file.parent.name == "tokens":
        _put_back(home, case, sound)
    synced = home.call("sync")
    if synced.code:
        wrong.append(f"sync ended with {synced.code} at the end: {synced.err}")
    for told in (home.call("status"), home.call("orders", "list"), home.console()):
        if (fault := told.wrong()) or (told.code and told.words != ("status",)):
            wrong.append(fault or f"{' '.join(told.words)} ended with {told.code} at the end: {told.err}")
    if (orders := home.orders()) != sound.orders:
        wrong.append(f"{len(orders)} orders of {len(sound.orders)} came back")
    writes = home.writes()
    allowed = [sound.writes, *([sound.copied] if case.file.name == "journal.db" else [])]
    if writes not in allowed:
        wrong.append(f"the journal has the writes {writes} of {sound.writes}")
    if home.call("doctor").code:
        wrong.append(f"doctor still finds a fault: {home.call('doctor').out}")
    return wrong


def run(task: Task) -> Outcome:
    outcome = Outcome()
    there = cases()
    dice = random.Random(task.seed)
    with running_in_thread(Options(seed=task.seed, orders=40, listings=15, markets=MARKETS, limits=False)) as shop:
        sound = make(task.folder, shop)
        for number in range(task.count):
            case = there[number % len(there)]
            place = task.folder / "home"
            wrong = suffer(case, sound, place, shop, random.Random(dice.getrandbits(32)))
            outcome.wrong += [f"case {number + 1}, {case}: {what}" for what in wrong]
            outcome.done += 1
            shutil.rmtree(place)
            task.tell(f"{outcome.done} cases, {len(outcome.wrong)} wrong; {case}")
    outcome.figures = {"kinds of cases": min(task.count, len(there)), "of": len(there)}
    return outcome


def _put(path: Path, at: int, what: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(what)


def _flip(path: Path, dice: random.Random, times: int, within: int) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(times):
        content[dice.randrange(min(within, len(content)))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def _log(path: Path) -> Path:
    log = path.with_name(f"{path.name}-wal")
    assert log.stat().st_size > _PAGE, "there is nothing in it"
    return log


def _gone_with_log(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


ROW = Row(
    "K5",
    "damaged files of a home",
    "cases",
    long=len(cases()),
    short=0,
    short_version="tests/store/test_health.py::test_a_mirror_that_was_damaged_between_two_runs_starts_anew",
    passes="never a traceback; the mirror comes back, the journal is kept or restored",
    run=run,
)
