"""S1: a token and buyers whose names are nowhere else, crashes at random points, and a search through all that is left.

A crash is an exception, with token and buyer in its message, at a random call of our code within a random command (a
fork each), or in a tab of the console on a terminal. The token may be nowhere; a buyer only in the mirror.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tarfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import FrameType
from unittest.mock import patch

from bmconsole.exports import BUYER_COLUMNS
from bmconsole.paths import Paths
from bmconsole.sandbox import Options
from bmconsole.sandbox.server import running_in_thread
from bmconsole.settings import load_profile
from bmconsole.workspace import Workspace
from tests.fire.hostile_text import Pty, Replace, rewriting
from tests.fire.program import account, call, environment
from tests.fire.rows import Outcome, Row, Task

TOKEN = "qztoken7f3a91c4e5"
BUYER = "qzbuyer"
"""The stem of everything that is a buyer's."""
_NAMES = ("first_name", "last_name", "street", "street2", "company", "city", "postal_code", "email", "phone")
_OURS = str(Path(sys.modules["bmconsole"].__file__ or "").parent)
_TELLS = ("cli/main.py", "crash.py", "errors.py", "faults.py", "sandbox/", "__main__.py")
"""What tells of a crash is not where one is provoked: nothing would be left to judge."""
_PATIENCE = 60.0
_CONSOLE_SHARE = 25
"""One of so many crashes is the console's, which takes seconds."""
_TABS = ("orders", "listings", "inspect", "edit", "log", "writes", "pricing", "overview")
_KINDS = ("message", "worker", "render", "drawn")


_BY_SETTINGS: Sequence[tuple[str, ...]] = (
    ("sync",),
    ("config", "show"),
    ("config", "check"),
    ("status", "--json"),
    ("doctor", "--json"),
    ("auth", "status"),
)


class Provoked(Exception):
    """What nobody foresaw."""


_TYPES: tuple[type[Exception], ...] = (Provoked, LookupError, RuntimeError, KeyError, AttributeError, TypeError)


def marked(value: object, name: str = "") -> object:
    """Return an answer of Back Market's in which every buyer is a canary."""
    if isinstance(value, dict):
        number = value.get("order_id", name)
        return {
            key: _canary(key, number) if key in _NAMES and item else marked(item, str(number))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [marked(item, name) for item in value]
    return value


def _canary(key: str, number: object) -> str:
    if key == "email":
        return f"{BUYER}{number}@{BUYER}.example"
    return f"+33 {BUYER}{number}" if key == "phone" else f"{BUYER.title()}{number}{key[:4]}"


@dataclass
class Search:
    """Looks for canaries in what was left, and notes where one is that must not be."""

    wrong: list[str] = field(default_factory=list)
    files: int = 0

    def text(self, where: str, text: str, *, buyers: bool = False) -> None:
        """Look through what was printed; `buyers` says whether it may name them."""
        self._data(where, text.encode("utf-8", "surrogateescape"), buyers=buyers)

    def home(self, where: str, home: Path) -> None:
        """Look through every file."""
        for path in home.rglob("*"):
            if not path.is_file():
                continue
            self.files += 1
            data = path.read_bytes()
            name = f"{where}: {path.relative_to(home)}"
            self._data(name, data, buyers=path.name.startswith("mirror.db"))
            if path.name.endswith(".tar.gz"):
                with suppress(tarfile.TarError, EOFError, OSError), tarfile.open(path) as packed:
                    for member in packed:
                        content = packed.extractfile(member)
                        if content is not None:
                            self._data(f"{name}: {member.name}", content.read(), buyers=False)

    def _data(self, where: str, data: bytes, *, buyers: bool) -> None:
        low = data.lower()
        for stem, allowed in ((TOKEN, False), (BUYER, buyers)):
            at = low.find(stem.encode())
            if at >= 0 and not allowed:
                self.wrong.append(f"{where}: {data[max(0, at - 60) : at + 40]!r}")


@contextmanager
def watched(search: Search) -> Iterator[None]:
    """Look at the arguments of every process of the machine all the while."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):  # it ended just now
                    search.text("arguments", path.read_bytes().decode("utf-8", "replace"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Charge:
    """Raises at one call of our code, counted over all threads; without a number it only counts."""

    def __init__(self, at: int | None, kind: type[Exception], buyer: str) -> None:
        self._at = at
        self._kind = kind
        self._message = f"{TOKEN} of {buyer}"
        self.calls = 0
        self.place = ""

    def __enter__(self) -> "Charge":
        threading.setprofile(self._called)
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _called(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(_OURS):
            return
        inside = frame.f_code.co_filename[len(_OURS) + 1 :]
        # Nothing catches what is raised while a module is imported or a class is made, nor would anything leak
        if inside.startswith(_TELLS) or frame.f_code.co_name.startswith("<"):
            return
        self.calls += 1
        if self.calls == self._at:
            self.place = f"{inside}:{frame.f_code.co_name}"
            raise self._kind(self._message)


@dataclass(frozen=True)
class Fell:
    """How a command ended that was made to crash."""

    code: int
    out: str
    err: str
    place: str
    calls: int


def fall(arguments: Sequence[str], at: int | None, kind: type[Exception], buyer: str, kept: Path) -> Fell | None:
    """Run a command in a fork that crashes at our call number `at`; None when it did not end in time."""
    sys.stdout.flush()
    with warnings.catch_warnings():
        # The child starts nothing that the threads here hold
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 99
        try:
            with Charge(at, kind, buyer) as charge:
                ended = call(*arguments)
            kept.write_text(json.dumps([ended.code, ended.out, ended.err, charge.place, charge.calls]))
            code = 0
        except BaseException as error:
            kept.write_text(json.dumps([98, "", f"Traceback: {type(error).__name__} {error}", "", 0]))
        finally:
            os._exit(code)
    deadline = time.monotonic() + _PATIENCE
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.01)
    return Fell(*json.loads(kept.read_text())) if kept.exists() else Fell(97, "", "Traceback: it ended at once", "", 0)


@dataclass
class Trial:
    """A home that was used once, the commands that are made to crash in copies of it, and the search."""

    task: Task
    search: Search
    outcome: Outcome
    used: Path
    order: str
    listing: str

    def __post_init__(self) -> None:
        self.draw = random.Random(self.task.seed)
        self.calls: dict[tuple[str, ...], int] = {}

    def commands(self) -> list[tuple[str, ...]]:
        """Return what is made to crash."""
        order, listing = self.order, self.listing
        return [
            ("sync",),
            ("sync", "orders", "--full", "--json"),
            ("orders", "list"),
            ("orders", "list", "--json", "--limit", "0"),
            ("orders", "list", "--where", f"buyer~{BUYER}"),
            ("orders", "show", order),
            ("orders", "show", order, "--live"),
            ("orders", "export", "--columns", "order_id," + ",".join(BUYER_COLUMNS)),
            ("orders", "note", order, "a note"),
            ("listings", "show", listing, "--live"),
            ("listings", "set", listing, "--quantity", "5", "--yes"),
            ("purge", "--older-than", "1d", "--yes"),
            ("backup", "--to", "copy.tar.gz"),
            ("auth", "status"),
            ("doctor",),
            ("status",),
            ("brief",),
            ("log",),
            ("writes", "list"),
            ("reprice",),
        ]

    def crash(self, number: int) -> None:
        """Make a command crash, and search what it leaves."""
        arguments = self.draw.choice(self.commands())
        home = self.task.folder / f"home-{number}"
        shutil.copytree(self.used, home)
        given = tuple(str(home / one) if one == "copy.tar.gz" else one for one in arguments)
        buyer = f"{BUYER.title()}{self.order}"
        with patch.dict(os.environ, {"BMCONSOLE_HOME": str(home)}):
            if arguments not in self.calls:
                sound = fall(given, None, Provoked, buyer, home / "ended")
                self.calls[arguments] = sound.calls if sound is not None else 0
                shutil.rmtree(home)
                shutil.copytree(self.used, home)
                given = tuple(str(home / one) if one == "copy.tar.gz" else one for one in arguments)
            at = self.draw.randrange(1, max(2, self.calls[arguments]))
            kind = self.draw.choice(_TYPES)
            fell = fall(given, at, kind, buyer, home / "ended")
        (home / "ended").unlink(missing_ok=True)
        where = f"{' '.join(arguments)[:40]}, {kind.__name__} at call {at}"
        if fell is None:
            self.outcome.wrong.append(f"{where}: it did not end")
        else:
            where = f"{where} ({fell.place})"
            self.search.text(f"{where}, stdout", fell.out, buyers=True)
            self.search.text(f"{where}, stderr", fell.err)
            if "Traceback" in fell.err:
                self.outcome.wrong.append(f"{where}: a traceback: {fell.err[-300:]}")
            if fell.place:
                self.outcome.done += 1
        self.search.home(where, home)
        shutil.rmtree(home)

    def console(self, number: int) -> None:
        """Make the console crash in one of its tabs."""
        from tests.console.test_crash import CONSOLE

        tab, kind = _TABS[number % len(_TABS)], _KINDS[(number + number // len(_TABS)) % len(_KINDS)]
        home = self.task.folder / f"home-console-{number}"
        shutil.copytree(self.used, home)
        # By the environment: arguments are what everybody sees
        program = CONSOLE.replace("sys.argv.pop(), sys.argv.pop(), sys.argv.pop()", "os.environ['PROVOKED'].split('|')")
        program = program.replace("import sys", "import os, sys", 1)
        more = {"PROVOKED": f"{kind}|{TOKEN}|{BUYER.title()}{self.order}", "BMCONSOLE_HOME": str(home)}
        with patch.dict(os.environ, more):
            window = Pty((), program=("-c", program))
        window.read(lambda: BUYER.title().encode() in window.data)
        window.type(str(number % len(_TABS) + 1))
        window.type("L")
        window.read(lambda: False)
        code = window.close()
        # Behind the last change of screens is what stays on the terminal
        left = bytes(window.data).rpartition(b"\x1b[?1049l")[2].decode("utf-8", "replace")
        self.search.text(f"the console in {tab}", left)
        if not code or "bmconsole doctor" not in left:
            self.outcome.wrong.append(f"the console in {tab} ({kind}) ended with {code}, and told {left[-300:]!r}")
        if not any(home.rglob("crashes/*.txt")):
            self.outcome.wrong.append(f"the console in {tab}: no report was left")
        self.search.home(f"the console in {tab}", home)
        self.outcome.done += 1
        shutil.rmtree(home)


@contextmanager
def _failing(answers: list[tuple[int, str, str]]) -> Iterator[Callable[[BaseHTTPRequestHandler], bytes | None]]:
    """Yield what answers a request instead of the shop: the first of `answers`, with what was sent in it."""

    def answer(handler: BaseHTTPRequestHandler) -> bytes | None:
        if not answers:
            return None
        status, kind, body = answers[0]
        text = body.replace("{sent}", handler.headers.get("authorization", "")).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(text)))
        handler.send_header("X-Request", handler.headers.get("authorization", ""))
        handler.send_header("cf-ray", handler.headers.get("authorization", ""))
        handler.end_headers()
        return text

    yield answer


def _failures(trial: Trial, answers: list[tuple[int, str, str]]) -> int:
    """Have commands fail in every foreseen way; return how many."""
    echo = '{"error": {"code": "x{sent}", "message": "you sent {sent}"}, "requestId": "{sent}"}'
    ways: list[tuple[int, str, str]] = [
        *((status, "application/json", echo) for status in (302, 400, 401, 403, 404, 409, 422, 503)),
        (200, "text/html", "<html>{sent}</html>"),
        (200, "{sent}", "{sent}"),
        (200, "application/json", '{"broken": "{sent}'),
        (403, "text/html", "<html>{sent}</html>"),
        (200, "application/json", '{"results": "{sent}"}'),
        (
            200,
            "application/json",
            '{"order_id": "{sent}", "count": 1, "results": [{"order_id": "{sent}", "state": "{sent}"}]}',
        ),
    ]
    asking: Sequence[tuple[str, ...]] = (
        ("sync", "orders"),
        ("orders", "show", trial.order, "--live", "--json"),
        ("auth", "status"),
    )
    done = 0
    for way in ways:
        answers[:] = [way]
        # A second refusal by the firewall would pause everything for a minute
        for arguments in asking[:1] if way[:2] == (403, "text/html") else asking:
            done += _judged(trial, f"{way[0]} {way[1]}", *arguments)
        if way[0] in (302, 400, 422):
            done += _judged(trial, f"{way[0]}", "listings", "set", trial.listing, "--quantity", "9", "--yes")
    answers.clear()
    wrong: list[Mapping[str, str]] = [
        {"BASE_URL": f"https://{TOKEN}@www.backmarket.fr"},
        {"BASE_URL": f"https://user:{TOKEN}@evil.example"},
        {"TOKEN": f"{TOKEN} {TOKEN}"},
        {"TOKEN": f"{TOKEN}\x1b"},
        {"BASE_URL": "http://127.0.0.1:9"},
        {"MARKETS": "xx-xx"},
    ]
    for values in wrong:
        with patch.dict(os.environ, {f"BMCONSOLE_{name}": value for name, value in values.items()}):
            for arguments in _BY_SETTINGS:
                done += _judged(trial, f"{next(iter(values))} wrong", *arguments)
    return done


async def _screenshots(trial: Trial) -> int:
    """Take a screenshot of each tab, and with buyers hidden another; return how many."""
    from bmconsole.console.app import ConsoleApp
    from tests.console.waiting import until

    paths = Paths.default()
    profile = load_profile(paths=paths, auth="required")

    async def opened() -> Workspace:
        return await Workspace.open(profile, paths, console=True)

    app = ConsoleApp(opened, engine=False)
    taken = 0
    async with app.run_test(size=(160, 45)) as pilot:
        await until(lambda: app.status is not None and app.orders.table.row_count > 0)
        shown = app.export_screenshot()
        assert BUYER in shown.lower(), "no buyer was on the screen, so none can be hidden"
        await pilot.press("enter")
        for hidden in (False, True):
            for number, tab in enumerate(_TABS, 1):
                await pilot.press("escape", str(number))
                await pilot.pause()
                trial.search.text(f"a screenshot of {tab}", app.export_screenshot(), buyers=not hidden)
                taken += 1
            await pilot.press("V")
    return taken


def _judged(trial: Trial, why: str, *arguments: str) -> int:
    ended = call(*arguments)
    trial.search.text(f"{why}: {' '.join(arguments)}, stderr", ended.err)
    trial.search.text(f"{why}: {' '.join(arguments)}, stdout", ended.out, buyers=arguments[0] == "orders")
    if "Traceback" in ended.err or "Something went wrong inside" in ended.err:
        trial.outcome.wrong.append(f"{why}: {' '.join(arguments)}: {ended.err[-300:]}")
    return 1


def _settings(trial: Trial, home: Path) -> None:
    """Search what commands print about a settings file that holds a token and is wrong."""
    lines = (f"token = {TOKEN}", f'token = "{TOKEN}" x', f'tokne = "{TOKEN}"', f'token = ["{TOKEN}"]', f"[{TOKEN}")
    kept = {name: value for name, value in os.environ.items() if name != "BMCONSOLE_TOKEN"}
    for line in lines:
        file = home / "config" / "config.toml"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(f"[profile.default]\n{line}\n")
        file.chmod(0o600)
        with patch.dict(os.environ, {**kept, "BMCONSOLE_HOME": str(home)}, clear=True):
            for arguments in _BY_SETTINGS:
                _judged(trial, f"a settings file with {line.replace(TOKEN, '…')!r}", *arguments)
        file.unlink()
    trial.search.home("a wrong settings file", home)


def _purged(trial: Trial, home: Path) -> None:
    """Purge one buyer: the files hold no byte of them, gaps and log included."""
    found = json.loads(call("orders", "show", trial.order, "--json").out)
    name = str(found["shipping_address"]["first_name"]) + " " + str(found["shipping_address"]["last_name"])
    assert BUYER in name.lower()
    ended = call("purge", "--buyer", trial.order, "--yes")
    trial.search.text("purge --buyer", ended.err)
    stem = f"{BUYER}{trial.order}".encode()
    left = [path.name for path in home.rglob("*") if path.is_file() and stem in path.read_bytes().lower()]
    if ended.code or left:
        trial.outcome.wrong.append(f"purge --buyer ended with {ended.code}, {left} hold the buyer: {ended.err}")


def run(task: Task) -> Outcome:
    """Provoke so many crashes."""
    outcome, search = Outcome(), Search()
    answers: list[tuple[int, str, str]] = []
    options = Options(seed=task.seed, orders=40, listings=10, token=TOKEN, limits=False)
    replace: Replace = lambda value, place: marked(value)  # noqa: E731  # one idea, two names
    with (
        running_in_thread(options) as shop,
        _failing(answers) as failing,
        rewriting(shop.url, replace, failing) as url,
        watched(search),
        environment(account(shop, task.folder / "used", BASE_URL=url, ACCESS="admin", PRIVACY_DAYS="3650")),
    ):
        home = task.folder / "used"
        assert call("sync").code == 0
        orders = [json.loads(line) for line in call("orders", "list", "--limit", "0", "--json").out.splitlines()]
        listing = json.loads(call("listings", "list", "--limit", "1", "--json").out)["id"]
        final = next(str(one["order_id"]) for one in orders if one["status"] == "shipped")
        assert b"qzbuyer" in (home / "data/profiles/default/mirror.db").read_bytes().lower(), "no canary came in"
        trial = Trial(task, search, outcome, home, final, listing)
        consoles = task.count // _CONSOLE_SHARE if task.count >= _CONSOLE_SHARE * 2 and sys.platform != "win32" else 0
        for number in range(consoles):
            trial.console(number)
            task.tell(f"{outcome.done} of {task.count}, the console, {len(search.wrong)} hits")
        number = 0
        while outcome.done < task.count and number < 3 * task.count:
            trial.crash(number)
            number += 1
            task.tell(f"{outcome.done} of {task.count}, {len(search.wrong)} hits")
        failures = shots = 0
        if consoles:
            shots = asyncio.run(_screenshots(trial))
            failures = _failures(trial, answers)
            _settings(trial, task.folder / "settings")
        assert call("backup", "--to", str(home / "copy.tar.gz")).code == 0
        search.home("the home", home)
        _purged(trial, home)
    outcome.wrong = sorted({*outcome.wrong, *search.wrong})
    outcome.figures = {
        "crashes of the console": consoles,
        "screenshots": shots,
        "foreseen failures": failures,
        "files searched": search.files,
        "hits": len(search.wrong),
    }
    return outcome


ROW = Row(
    id="S1",
    what="token and buyers in logs, crash reports, databases, backups, arguments, tracebacks",
    unit="provoked crashes",
    long=200,
    short=5,
    passes="0 hits",
    run=run,
    unable=lambda: None if hasattr(os, "fork") else "it takes forks",
)
