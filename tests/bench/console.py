"""The console beside bare Textual apps in one run: `python -m tests.bench.console [--rows 100000 --keys 300]`.

A mirror of invented orders and listings is made, then everything is driven through a pseudo-terminal: processes take
turns, and a frame counts only when it shows the key of the row that was gone to. Prints one table. Linux only.
"""

import argparse
import json
import os
import pty
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fcntl import ioctl
from pathlib import Path
from random import Random

from bmconsole.domain.times import stamp
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import Connection, connect, migrate
from bmconsole.traffic.stats import percentile

COLUMNS, LINES = 140, 40
BASE = 700_000_000
NOW = datetime.now(UTC)
BUYERS_KEPT = timedelta(days=90)
ASK, ANSWER, END = b"\x1b[?2026$p", b"\x1b[?2026;2$y", b"\x1b[?2026l"
DEADLINE = 15.0
Figures = list[float]


class Session:
    """A program behind a pseudo-terminal that answers as terminals do that know synchronized frames."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self._master = master
        self._since = b""

    def type(self, keys: str) -> float:
        """Send keys; return when (seconds of the performance counter)."""
        self.drain()
        self._since = b""
        at = time.perf_counter()
        os.write(self._master, keys.encode())
        return at

    def wait(self, text: str, *, framed: bool = True) -> float:
        """Return when a whole frame has shown `text` since the last keys."""
        wanted, deadline = text.encode(), time.perf_counter() + DEADLINE
        while True:
            place = self._since.find(wanted)
            if place >= 0 and (not framed or END in self._since[place:]):
                return time.perf_counter()
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{text!r} was not painted: {self._since[-600:]!r}")
            self._read(1.0)

    def drain(self, seconds: float = 0.0) -> None:
        """Read what comes within `seconds`."""
        deadline = time.perf_counter() + seconds
        while self._read(max(0.0, deadline - time.perf_counter())):
            if seconds and time.perf_counter() > deadline:
                break

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        data = os.read(self._master, 1 << 16)
        if ASK in data:
            os.write(self._master, ANSWER)
        self._since += data
        return True

    def memory(self) -> float:
        """Return the resident memory in MiB."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def processor(self) -> float:
        """Return the processor time used so far, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@contextmanager
def session(command: list[str], environment: dict[str, str]) -> Iterator[Session]:
    opened = Session(command, environment)
    try:
        yield opened
    finally:
        opened.close()


def fill(home: Path, rows: int) -> None:
    """Make the mirror of a profile with `rows` orders and as many listings."""
    path = home / "data" / "profiles" / "default" / "mirror.db"
    path.parent.mkdir(parents=True, mode=0o700)
    migrate(path, MIRROR)
    connection = connect(path)
    random, at = Random(7), stamp(NOW)
    try:
        connection.execute("BEGIN")
        _many(connection, "orders", (_order(number, rows, random, at) for number in range(rows)))
        _many(connection, "orderlines", (_line(number, rows, random) for number in range(rows)))
        _many(connection, "listings", (_listing(number, at) for number in range(rows)))
        _many(connection, "offers", (_offer(number, random, at) for number in range(rows)))
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
    finally:
        connection.close()


def _many(connection: Connection, table: str, rows: Iterable[dict[str, object]]) -> None:
    rows = iter(rows)
    first = next(rows)
    sql = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({', '.join('?' * len(first))})"  # noqa: S608 - names of this file
    connection.execute(sql, tuple(first.values()))
    connection.executemany(sql, (tuple(row.values()) for row in rows))


def _order(number: int, rows: int, random: Random, at: str) -> dict[str, object]:
    age = timedelta(minutes=(rows - number) * 12)
    made = stamp(NOW - age)
    # As in a mirror that has been in use: else the console would begin by taking out the buyers of almost all
    kept = age < BUYERS_KEPT - timedelta(days=1)
    status, state = ("refunded", 9) if number % 1_000 == 500 and number < 50_000 else ("shipped", 9)
    return {
        "order_id": BASE + number, "state": state, "status": status, "country_code": "fr-fr", "currency": "EUR",
        "price": random.randrange(9_000, 90_000), "created": made, "modified": made, "paid": made, "n_lines": 1,
        "buyer": f"Buyer {number % 977}" if kept else None, "city": "Lyon" if kept else None,
        "purged": None if kept else at, "tracking": f"6A{number:011}", "is_backship": 0,
        "raw": "{}", "content_hash": b"", "fetched_at": at,
    }  # fmt: skip


def _line(number: int, rows: int, random: Random) -> dict[str, object]:
    return {
        "order_id": BASE + number, "line_id": number, "state": 3, "sku": f"SKU-{random.randrange(rows):06}",
        "quantity": 1, "product": "Phone 128GB - Black - Unlocked",
    }  # fmt: skip


def _listing(number: int, at: str) -> dict[str, object]:
    return {
        "id": f"{number:08x}-0013-4000-8000-00000000abcd", "listing_id": number, "sku": f"SKU-{number:06}",
        "title": f"Phone {number} 128GB - Black - Unlocked", "grade": "GOOD", "quantity": number % 9,
        "first_seen": at, "fetched_at": at,
    }  # fmt: skip


def _offer(number: int, random: Random, at: str) -> dict[str, object]:
    return {
        "listing": f"{number:08x}-0013-4000-8000-00000000abcd", "market": "fr-fr", "currency": "EUR",
        "price": random.randrange(9_000, 90_000), "publication_state": 2, "raw": "{}", "content_hash": b"",
        "fetched_at": at,
    }  # fmt: skip


def environment(home: Path, url: str, token: str) -> dict[str, str]:
    off = {f"BMCONSOLE_SCHEDULE__{name}": "off" for name in ("ORDERS", "LISTINGS", "BACKBOX", "REPRICING", "WATCH")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BMCONSOLE_")}
    # As after an installation, which compiles what it installs: a checkout may be told to keep no bytecode
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {
        **kept, **off, "BMCONSOLE_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor",
        "LANG": "C.UTF-8", "BMCONSOLE_BASE_URL": url, "BMCONSOLE_TOKEN": token, "BMCONSOLE_MARKETS": "fr-fr",
        "PYTHONPYCACHEPREFIX": str(home / "bytecode"),
    }  # fmt: skip


def app(name: str) -> list[str]:
    return (
        [sys.executable, "-m", "bmconsole"]
        if name == "here"
        else [sys.executable, "-m", "tests.bench.console_bare", name]
    )


def starts(environ: dict[str, str], rows: int, rounds: int) -> tuple[dict[str, Figures], dict[str, Figures]]:
    """Return the times from exec to the first useful paint in ms, and the memory two seconds later in MiB."""
    first = {"here": str(BASE + rows - 1), "bare": "bare"}
    times: dict[str, Figures] = {"bare": [], "here": []}
    memory: dict[str, Figures] = {"bare": [], "here": []}
    for _ in range(rounds):
        for name in times:
            with session(app(name), environ) as opened:
                times[name].append((opened.wait(first[name]) - opened.began) * 1e3)
                opened.drain(2.0)
                memory[name].append(opened.memory())
    return times, memory


def keys(opened: Session, first: int, step: int, count: int, random: Random) -> Figures:
    """Return the times from `j` to the frame with the next row, in ms, at random phases."""
    times = []
    for number in range(1, count + 1):
        time.sleep(random.uniform(0.005, 0.045))
        at = opened.type("j")
        times.append((opened.wait(str(first + step * number)) - at) * 1e3)
    return times


def timed(opened: Session, typed: str, then: str, before: Callable[[], None] | None = None) -> float:
    """Return the time in ms from the last of `typed` to a frame with `then`."""
    if before:
        before()
    opened.drain(0.4)
    at = opened.type(typed)
    return (opened.wait(then) - at) * 1e3


def far(opened: Session, rows: int) -> dict[str, float]:
    """Return the times of going to the end, sorting, and filtering in the console."""
    newest, oldest = str(BASE + rows - 1), str(BASE)
    found = {"end": timed(opened, "G", oldest)}
    timed(opened, "g", newest)
    found["sort"] = timed(opened, "S", oldest)
    timed(opened, "S", newest)
    opened.type("/status:refunded")
    found["filter"] = timed(opened, "\r", str(BASE + min(rows, 50_000) - 500))
    timed(opened, "\x1b", newest)
    return found


def near(opened: Session) -> dict[str, float]:
    """Return the same of a DataTable of 100 rows."""
    found = {"end": timed(opened, "G", "row-99")}
    timed(opened, "g", "row-0 ")
    found["sort"] = timed(opened, "S", "row-99")
    timed(opened, "S", "row-0 ")
    found["filter"] = timed(opened, "f", "row-50")
    timed(opened, "f", "row-0 ")
    return found


def idle(opened: Session, seconds: float) -> float:
    """Return the share of a processor that is used while nothing happens, in percent."""
    opened.drain(1.0)
    before = opened.processor()
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        opened.drain(deadline - time.perf_counter())
    return (opened.processor() - before) / seconds * 100


def whole(environ: dict[str, str], rounds: int) -> dict[str, float]:
    """Return the median times of whole processes in ms, taken in turns."""
    commands = {
        "pass": [sys.executable, "-c", "pass"],
        "--version": [sys.executable, "-m", "bmconsole", "--version"],
        "orders list --limit 20": [sys.executable, "-m", "bmconsole", "orders", "list", "--limit", "20"],
    }
    times: dict[str, Figures] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            at = time.perf_counter()
            subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=True)
            times[name].append((time.perf_counter() - at) * 1e3)
    return {name: statistics.median(found) for name, found in times.items()}


@contextmanager
def sandbox(orders: int) -> Iterator[tuple[str, str]]:
    command = [sys.executable, "-m", "bmconsole", "sandbox", "--orders", str(orders), "--no-limits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield ready["url"], ready["token"]
        finally:
            process.terminate()


def line(what: str, bare: str, here: str, ratio: float | None, bar: str) -> None:
    print(f"{what:<44} {bare:>16} {here:>16} {'' if ratio is None else f'{ratio:.2f} ×':>8}   {bar}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--idle", type=float, default=20.0)
    asked = parser.parse_args()
    random = Random(11)
    with tempfile.TemporaryDirectory() as folder, sandbox(60_000) as (url, token):
        environ = environment(Path(folder), url, token)
        fill(Path(folder), asked.rows)
        line("", "bare", "here", None, "wanted")
        times, memory = starts(environ, asked.rows, asked.rounds)
        bare, here = (statistics.median(times[name]) for name in ("bare", "here"))
        line("exec to first paint", f"{bare:.0f} ms", f"{here:.0f} ms", here / bare, "≤ 2.4 ×")
        bare, here = (statistics.median(memory[name]) for name in ("bare", "here"))
        line("memory after start", f"{bare:.0f} MiB", f"{here:.0f} MiB", here / bare, "≤ 2 ×")
        newest = BASE + asked.rows - 1
        with session(app("list"), environ) as plain, session(app("here"), environ) as console:
            plain.wait("row-0 ")
            console.wait(str(newest))
            console.drain(2.0)
            quick: Figures = []
            ours: Figures = []
            for part in range(0, asked.keys, 50):
                quick += keys(plain, 10_000_000 + part, 1, 50, random)
                ours += keys(console, newest - part, -1, 50, random)
            for share, bar in ((0.5, "≤ 2 ×"), (0.95, "≤ 1.3 ×")):
                one, two = (percentile(sorted(found), share) for found in (quick, ours))
                line(f"key to repaint, p{share * 100:.0f}", f"{one:.1f} ms", f"{two:.1f} ms", two / one, bar)
            line("idle processor", "", f"{idle(console, asked.idle):.2f} %", None, "≤ 0.5 %")
            timed(console, "g", str(newest))
            with session(app("table"), environ) as table:
                table.wait("row-0 ")
                theirs, found = near(table), far(console, asked.rows)
            for name, ms in found.items():
                line(f"{name}, first page", f"{theirs[name]:.1f} ms", f"{ms:.1f} ms", ms / theirs[name], "≤ 1 ×")
            console.type(":sync orders\r")
            console.drain(1.5)
            # Counted, it is in force; its first row may have been on screen before
            timed(console, ":orders buyer~Buyer\r", " of ")
            console.drain(1.0)
            busy = keys(console, newest, -1, min(asked.keys, 300), random)
            still = "syncing" if b"left" in console._since or b"sync" in console._since else "ended"
            for share, bar in ((0.5, ""), (0.95, "≤ 1.3 ×")):
                one, two = (percentile(sorted(each), share) for each in (ours, busy))
                line(
                    f"key to repaint while a sync runs, p{share * 100:.0f}",
                    f"{one:.1f} ms",
                    f"{two:.1f} ms",
                    two / one,
                    bar,
                )
            print(f"  (the sync had {still} when the last key was typed)")
        processes = whole(environ, 15)
        for name, bar in (("--version", "≤ 7 ×"), ("orders list --limit 20", "≤ 22 ×")):
            ratio = processes[name] / processes["pass"]
            line(name, f"{processes['pass']:.0f} ms", f"{processes[name]:.0f} ms", ratio, bar)


if __name__ == "__main__":
    main()
