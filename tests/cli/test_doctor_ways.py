"""Set-ups that are broken on purpose: `doctor` finds each, and its way out works when it is followed.

A case breaks a sound set-up, and gives back what its owner does after reading the hint. Where the hint is a command
line, that line itself is run.
"""

import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bmconsole.doctor.account import clock
from bmconsole.doctor.finding import Level
from bmconsole.doctor.machine import Terminal, room, terminal
from bmconsole.sandbox import Options, RunningSandbox, SystemClock
from bmconsole.sandbox.server import running_in_thread
from tests.cli.conftest import MARKETS, Run
from tests.traffic.test_processes import HOLD

if sys.platform == "win32":
    pytest.skip("modes, signals and terminals are other things there", allow_module_level=True)

import pty

FOLDER = Path("data") / "profiles" / "default"
PATIENCE = 30.0

Follow = Callable[[str], object]
"""What the owner does, given the hint."""


@dataclass
class Setting:
    """A sound set-up: a home with a settings file and a token file, nothing in the environment but where it is."""

    home: Path
    shop: RunningSandbox
    run: Run
    children: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.home / "config" / "config.toml"

    def examine(self) -> dict[str, dict[str, Any]]:
        """Return doctor's findings by check, the worst of each."""
        (answer,) = self.run("doctor", "--json").rows
        return worst(answer["findings"])


def worst(findings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    order = [level.value for level in Level]
    return {finding["check"]: finding for finding in sorted(findings, key=lambda each: order.index(each["level"]))}


@pytest.fixture
def setting(home: Path, shop: RunningSandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    for name in [name for name in os.environ if name.startswith("BMCONSOLE_") and name != "BMCONSOLE_HOME"]:
        monkeypatch.delenv(name)
    made = Setting(home, shop, run)
    made.config.parent.mkdir(mode=0o700, exist_ok=True)
    made.config.write_text(
        f'[profile.default]\nbase_url = "{shop.url}"\nmarkets = "{",".join(MARKETS)}"\naccess = "admin"\n'
    )
    made.config.chmod(0o600)
    assert run("auth", "set", stdin=shop.token).code == 0
    yield made
    for child in made.children:
        child.kill()
        child.wait()


def obey(hint: str) -> None:
    """Run the command line that a hint gives."""
    words = shlex.split(hint.removeprefix("Run: "))
    assert words[0] == "chmod", hint
    subprocess.run(words, check=True)


def wrong_token(setting: Setting) -> Follow:
    setting.run("auth", "set", stdin="wrong-token")

    def follow(hint: str) -> None:
        assert "bmconsole auth set" in hint
        assert setting.run("auth", "set", stdin=setting.shop.token).code == 0

    return follow


def token_for_all(setting: Setting) -> Follow:
    (setting.home / "config" / "tokens" / "default").chmod(0o644)
    return obey


def mirror_for_all(setting: Setting) -> Follow:
    (setting.home / FOLDER / "mirror.db").chmod(0o644)
    return obey


def broken_settings(setting: Setting) -> Follow:
    good = setting.config.read_text()
    setting.config.write_text(good.replace('"admin"', '"boss"'))

    def follow(hint: str) -> None:
        setting.config.write_text(good)

    return follow


def no_toml(setting: Setting) -> Follow:
    good = setting.config.read_text()
    setting.config.write_text(good + "markets = fr-fr\n")

    def follow(hint: str) -> None:
        assert "quotes" in hint
        setting.config.write_text(good)

    return follow


def corrupt_mirror(setting: Setting) -> Follow:
    mirror = setting.home / FOLDER / "mirror.db"
    with mirror.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 5)

    def follow(hint: str) -> None:
        assert hint.startswith("Move mirror.db away and run “bmconsole sync”")
        mirror.rename(setting.home / "mirror-aside.db")
        assert setting.run("sync").code == 0

    return follow


def damaged_journal(setting: Setting) -> Follow:
    copies = setting.home / FOLDER / "backups"
    made = setting.home / "copy.db"
    assert setting.run("backup", "--to", str(made)).code == 0
    copies.mkdir(mode=0o700, exist_ok=True)
    shutil.move(made, copies / "journal-2026-11-22.db")
    (setting.home / FOLDER / "journal.db").write_text("no database " * 400)

    def follow(hint: str) -> None:
        assert "bmconsole restore" in hint
        assert setting.run("restore", "--yes").code == 0

    return follow


def unreachable(setting: Setting) -> Follow:
    good = setting.config.read_text()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    setting.config.write_text(good.replace(setting.shop.url, f"http://127.0.0.1:{port}"))

    def follow(hint: str) -> None:
        assert "base_url" in hint
        setting.config.write_text(good)

    return follow


def stopped_holder(setting: Setting) -> Follow:
    child = subprocess.Popen(
        [sys.executable, "-m", "bmconsole", "run"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )
    setting.children.append(child)
    processes = setting.home / "state" / "ledger" / "processes"
    until(lambda: any('"here"' in path.read_text() for path in processes.glob("*.json")))
    child.send_signal(signal.SIGSTOP)
    until(lambda: stopped(child.pid))

    def follow(hint: str) -> None:
        command = re.search(r"kill -CONT (\d+)", hint)
        assert command is not None
        assert int(command[1]) == child.pid
        os.kill(child.pid, signal.SIGCONT)

    return follow


def stopped_writer(setting: Setting) -> Follow:
    (ledger,) = (setting.home / "state" / "ledger").glob("ledger-*.db")
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(ledger)], stdout=subprocess.PIPE, text=True)
    setting.children.append(child)
    assert child.stdout is not None
    with child.stdout as told:
        assert told.readline() == "held\n"
    child.send_signal(signal.SIGSTOP)
    until(lambda: stopped(child.pid))

    def follow(hint: str) -> None:
        assert f"kill -CONT {child.pid}" in hint
        child.kill()
        child.wait()

    return follow


def no_terminal(setting: Setting) -> Follow:
    def follow(hint: str) -> None:
        assert hint.startswith("Open a terminal")

    return follow


def stopped(pid: int) -> bool:
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return told.strip().startswith("T")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("harm", "check", "words"),
    [
        (wrong_token, "token", "does not know the token"),
        (token_for_all, "token", "Other accounts may read the token"),
        (mirror_for_all, "modes", "Other accounts of this machine may read"),
        (broken_settings, "settings", "line 4: access: “boss” is none of viewer, operator, admin."),
        (no_toml, "settings", "line 5: not TOML at “markets”"),
        (corrupt_mirror, "mirror", "mirror.db is damaged"),
        (damaged_journal, "journal", "journal.db is damaged"),
        (unreachable, "host", "cannot be reached"),
        pytest.param(
            *(stopped_writer, "ledger", "which is stopped: nothing can be sent"),
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock"),
        ),
        (stopped_holder, "processes", "is stopped. It holds the engine"),
    ],
)
def test_each_is_found_and_its_way_out_works(
    setting: Setting, harm: Callable[[Setting], Follow], check: str, words: str
) -> None:
    sound = setting.examine()
    assert [each for each in sound.values() if each["level"] == "fault"] == []
    follow = harm(setting)
    (answer,) = (told := setting.run("doctor", "--json")).rows
    assert told.code == 1
    found = worst(answer["findings"])[check]
    assert found["level"] == "fault"
    assert words in found["message"]
    assert found["hint"]
    follow(found["hint"])
    assert setting.run("doctor").code == 0
    assert setting.examine()[check]["level"] == "ok"


class ShiftedClock(SystemClock):
    """The machine's clock, off by some minutes."""

    def __init__(self) -> None:
        self.off = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.off


def test_a_clock_that_is_off_is_found_until_it_is_set(setting: Setting) -> None:
    ours = ShiftedClock()
    with running_in_thread(Options(seed=3, orders=5, listings=5, markets=MARKETS, clock=ours, limits=False)) as shop:
        setting.config.write_text(setting.config.read_text().replace(setting.shop.url, shop.url))
        setting.run("auth", "set", stdin=shop.token)
        ours.off = timedelta(minutes=10)
        found = setting.examine()["clock"]
        assert found["level"] == "fault"
        assert "s behind the server's" in found["message"]
        assert found["hint"].startswith("Set this machine's clock")
        ours.off = timedelta()
        assert setting.examine()["clock"]["level"] == "ok"


@pytest.mark.parametrize(
    ("minutes", "level"), [(-6, Level.FAULT), (-1, Level.NOTE), (0, Level.OK), (1, Level.NOTE), (6, Level.FAULT)]
)
def test_a_clock_is_judged_by_how_far_it_is_off(minutes: int, level: Level) -> None:
    assert clock(timedelta(minutes=minutes)).level is level


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    try_it = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]
    return subprocess.run(try_it, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="this account may not mount a small disk of its own")
def test_a_full_disk_is_found_until_there_is_room(setting: Setting, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    doctor = f"{shlex.quote(sys.executable)} -m bmconsole doctor --json 2>/dev/null"
    script = f"""
        mount -t tmpfs -o size=60m,mode=700 none {small} && cp -a {setting.home}/. {small} || exit 9
        export BMCONSOLE_HOME={small}
        head -c 100m /dev/zero > {small}/ballast 2>/dev/null
        {doctor}; echo "ended $?"; rm {small}/ballast; {doctor}; echo "ended $?"
    """
    told = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=True)
    full, first, roomy, second = told.stdout.splitlines()
    assert (first, second) == ("ended 1", "ended 0"), told.stdout
    found = worst(json.loads(full)["findings"])["disk"]
    assert found["level"] == "fault"
    assert "No space left" in found["message"]
    assert found["hint"].startswith("Make room on that disk")
    assert worst(json.loads(roomy)["findings"])["disk"]["level"] != "fault"


@pytest.mark.parametrize(("megabytes", "level"), [(3, Level.FAULT), (100, Level.NOTE), (5_000, Level.OK)])
def test_room_on_a_disk_is_judged_by_what_is_free(megabytes: int, level: Level) -> None:
    finding = room(megabytes * 1024 * 1024, Path("/data"))
    assert finding.level is level
    assert bool(finding.hint) is (level is not Level.OK)


def test_without_a_terminal_it_says_so_and_in_one_it_is_content(setting: Setting) -> None:
    found = setting.examine()["terminal"]
    assert (found["level"], found["message"][:26]) == ("note", "There is no terminal here:")
    ours, theirs = pty.openpty()
    try:
        child = subprocess.Popen(
            ["sh", "-c", f"stty rows 40 cols 120; exec {shlex.quote(sys.executable)} -m bmconsole doctor --json"],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            # Who runs the tests may have named a size, which would count before the terminal's
            env={name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
            | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"},
            text=True,
        )
        setting.children.append(child)
        told = b""
        while not told.rstrip().endswith(b"}]}"):
            assert select.select([ours], [], [], PATIENCE)[0], told
            told += os.read(ours, 65_536)
        child.wait(PATIENCE)
    finally:
        os.close(ours)
        os.close(theirs)
    inside = worst(json.loads(told)["findings"])["terminal"]
    assert (inside["level"], inside["message"]) == ("ok", "xterm-256color, 120 × 40, 16 million colours.")


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (Terminal(True, "utf-8", 120, 40, {"TERM": "dumb"}), "export TERM=xterm-256color"),
        (Terminal(True, "ascii", 120, 40, {"TERM": "xterm"}), "export LC_ALL=C.UTF-8"),
        (Terminal(True, "utf-8", 60, 20, {"TERM": "xterm"}), "80 × 24"),
    ],
)
def test_a_terminal_that_cannot_show_it_is_noted(there: Terminal, words: str) -> None:
    (finding,) = terminal(there)
    assert finding.level is Level.NOTE
    assert words in finding.hint


@pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import pysqlite3"], capture_output=True, check=False).returncode != 0,
    reason="there is only one SQLite here",
)
def test_an_affected_sqlite_is_found_until_another_is_installed(setting: Setting) -> None:
    affected = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['pysqlite3'] = None; "
            "from bmconsole.__main__ import main; main(['doctor', '--json'])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = worst(json.loads(affected.stdout)["findings"])["sqlite"]
    import sqlite3

    if sqlite3.sqlite_version_info >= (3, 51, 3):
        pytest.skip("this Python's own SQLite is not affected")
    assert found["level"] == "note"
    assert sqlite3.sqlite_version in found["message"]
    assert "pysqlite3" in found["hint"]
    assert setting.examine()["sqlite"]["level"] == "ok"
