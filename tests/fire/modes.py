"""S4: nobody else on the machine reads our files: bad umasks, links, foreign owners, modes that were opened."""

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bmconsole import crash
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread
from tests.fire.program import account, call, environment
from tests.fire.rows import Outcome, Row, Task

FOREIGN = 12_345
"""A user that is neither root nor us."""
_START = 60.0


@dataclass
class Home:
    """A home of the case's own, at a shop."""

    path: Path
    shop: RunningSandbox
    draw: random.Random

    @property
    def config(self) -> Path:
        return self.path / "config" / "config.toml"

    @property
    def token(self) -> Path:
        return self.path / "config" / "tokens" / "default"

    def settings(self) -> dict[str, str]:
        values = account(self.shop, self.path, ACCESS="admin")
        return {name: value for name, value in values.items() if name not in _IN_FILES}

    def begin(self) -> None:
        """Make settings and token by the commands that make them."""
        _must("config", "init", "--base-url", self.shop.url, "--markets", "fr-fr")
        _must("auth", "set", stdin=self.shop.token)

    def live(self) -> None:
        """Do what writes each kind of file."""
        self.begin()
        _must("sync")
        order = json.loads(_must("orders", "list", "--limit", "1", "--json"))
        _must("orders", "note", str(order["order_id"]), "a note")
        listing = json.loads(_must("listings", "list", "--where", "publication:online", "--limit", "1", "--json"))
        _must("listings", "set", listing["id"], "--quantity", str(self.draw.randrange(1, 9)), "--yes")
        _must("orders", "export", "--output", str(self.path / "orders.csv"))
        _must("listings", "export", "--output", str(self.path / "listings.csv"))
        _must("backup", "--to", str(self.path / "copy.tar.gz"))
        _must("backup", "--to", str(self.path / "copy.db"))
        _must("limits")
        _must("log")
        crash.report(LookupError("x"), Paths.under(self.path))

    def run(self) -> None:
        """Have the daemon work for a moment: heartbeats, the log file, the daily copy of the journal."""
        child = subprocess.Popen(
            [sys.executable, "-m", "bmconsole", "run"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _until(lambda: any(self.path.rglob("*.log")) and any(self.path.rglob("journal-*.db")))
            child.send_signal(signal.SIGTERM)
            assert child.wait(_START) == 0
        finally:
            child.kill()
            child.wait()

    def console(self) -> None:
        """Have the console paint, and be left again; its memory of where it was is a file too."""
        from tests.console.test_pty import terminal

        settings = {name: value for name, value in os.environ.items() if name.startswith("BMCONSOLE_")}
        with terminal(self.path, settings, 100, 30) as console:
            console.wait(lambda text: "20 orders" in text)
            console.type("2")
            console.wait(lambda text: "listings" in text)
            console.type("q")
            assert console.ended() == 0

    def opened(self) -> list[str]:
        """Return what others may read, write or enter."""
        found = []
        for path in [self.path, *self.path.rglob("*")]:
            mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
            if mode & 0o077:
                found.append(f"{path.relative_to(self.path)} {mode:o}")
        return found


_IN_FILES = ("BMCONSOLE_TOKEN", "BMCONSOLE_BASE_URL", "BMCONSOLE_MARKETS", "BMCONSOLE_ACCESS")


def _must(*arguments: str, stdin: str = "") -> str:
    ended = call(*arguments, stdin=stdin)
    assert ended.code == 0, f"{' '.join(arguments)} ended with {ended.code}: {ended.err.strip()}"
    return ended.out


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _START
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _private(home: Home) -> list[str]:
    return [f"open to others: {', '.join(found)}"] if (found := home.opened()) else []


def _refused(home: Home, words: str, *arguments: str) -> list[str]:
    """Return what was wrong when the command was not refused, in one line with the way out."""
    before = home.shop.journal.count()
    ended = call(*(arguments or ("sync", "orders")))
    wrong = []
    if ended.code not in (1, 2) or words not in ended.err or len(ended.err.splitlines()) != 1:
        wrong.append(f"not refused: it ended with {ended.code}: {ended.err.strip()}")
    if home.shop.journal.count() != before:
        wrong.append("a request was sent all the same")
    return wrong


def _faulted(words: str) -> list[str]:
    """Return what was wrong when doctor does not find it, with its way out."""
    ended = call("doctor", "--json")
    faults: list[dict[str, Any]] = [one for one in json.loads(ended.out)["findings"] if one["level"] == "fault"]
    if ended.code != 1 or not any(words in one["message"] and one["hint"] for one in faults):
        return [f"doctor does not say it: {faults}"]
    return []


def _all_commands(mask: int) -> Callable[[Home], list[str]]:
    def case(home: Home) -> list[str]:
        with _umask(mask):
            home.live()
        return _private(home)

    return case


def _deep(home: Home) -> list[str]:
    deep = Home(home.path / "not" / "yet" / "there", home.shop, home.draw)
    with _umask(0), patch.dict(os.environ, {"BMCONSOLE_HOME": str(deep.path)}):
        deep.live()
    return _private(home)


def _system_folders(home: Home) -> list[str]:
    """Live where the system keeps such files, none of whose folders is there yet."""
    places = {name: str(home.path / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    kept = {name: value for name, value in os.environ.items() if name != "BMCONSOLE_HOME"}
    with _umask(0), patch.dict(os.environ, {**kept, **places, "HOME": str(home.path)}, clear=True):
        home.live()
    return _private(home)


def _daemon(home: Home) -> list[str]:
    with _umask(0):
        home.begin()
        home.run()
    return _private(home)


def _console(home: Home) -> list[str]:
    with _umask(0):
        home.begin()
        home.console()
    return _private(home)


def _demo(home: Home) -> list[str]:
    with _umask(0):
        done = subprocess.run(
            [sys.executable, "-m", "bmconsole", "demo", "--headless", "--keep", "--for", "3s"],
            env={**os.environ, "TMPDIR": str(home.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=_START,
        )
    assert done.returncode == 0, done.stderr
    return _private(home)


def _restored(home: Home) -> list[str]:
    with _umask(0):
        home.live()
        home.config.write_text(home.config.read_text() + 'access = "admin"\n')
        _must("restore", "--from", str(home.path / "copy.tar.gz"), "--yes")
        _must("purge", "--older-than", "1d", "--yes")
    return _private(home)


def _link(name: str, mode: int) -> Callable[[Home], list[str]]:
    """Put a link in the place of one of the folders, to one of another mode."""

    def case(home: Home) -> list[str]:
        there = home.path.with_name(f"{home.path.name}-elsewhere")
        there.mkdir(mode=0o700)
        there.chmod(mode)
        (home.path / name).symlink_to(there)
        with _umask(0):
            home.live()
        elsewhere = Home(there, home.shop, home.draw)
        wrong = [found for found in [*home.opened(), *elsewhere.opened()] if not found.startswith((". ", f"{name} "))]
        wrong = [f"open to others: {', '.join(wrong)}"] if wrong else []
        return wrong if mode == 0o700 or name == "config" else [*wrong, *_faulted("Other accounts of this machine may")]

    return case


def _dangling(home: Home) -> list[str]:
    (home.path / "data").symlink_to(home.path / "nowhere")
    with _umask(0):
        home.begin()
        return _refused(home, "Cannot make the folder", "sync", "orders")


def _token_mode(mode: int) -> Callable[[Home], list[str]]:
    def case(home: Home) -> list[str]:
        home.begin()
        home.token.chmod(mode)
        return _refused(home, "Other accounts may read the token")

    return case


def _linked_token(home: Home) -> list[str]:
    home.begin()
    there = home.path / "token"
    home.token.rename(there)
    there.chmod(0o644)
    home.token.symlink_to(there)
    return _refused(home, "Other accounts may read the token")


def _token_in_settings(home: Home) -> list[str]:
    home.begin()
    home.token.unlink()
    home.config.write_text(home.config.read_text() + f'token = "{home.shop.token}"\n')
    home.config.chmod(0o644)
    return _refused(home, "Other accounts may read the token")


def _settings_for_all(home: Home) -> list[str]:
    home.begin()
    ran = home.path / "ran"
    home.token.unlink()
    home.config.write_text(home.config.read_text() + f'token_command = "touch {ran}"\n')
    home.config.chmod(0o666)
    return _refused(home, "may write") + (["what it names was run"] if ran.exists() else [])


def _foreign_settings(home: Home) -> list[str]:
    home.begin()
    ran = home.path / "ran"
    home.token.unlink()
    home.config.write_text(home.config.read_text() + f'token_command = "touch {ran}"\n')
    os.chown(home.config, FOREIGN, FOREIGN)
    return _refused(home, "belongs to another account") + (["what it names was run"] if ran.exists() else [])


def _foreign_token(home: Home) -> list[str]:
    home.begin()
    os.chown(home.token, FOREIGN, FOREIGN)
    return _refused(home, "belongs to another account")


def _foreign_folder(home: Home) -> list[str]:
    """Use a folder of somebody else's: what is put there is ours alone."""
    (home.path / "data").mkdir(mode=0o700)
    os.chown(home.path / "data", FOREIGN, FOREIGN)
    with _umask(0):
        home.live()
    return _private(home)


def _opened_files(home: Home) -> list[str]:
    home.live()
    for path in (home.path / "data").rglob("*.db"):
        path.chmod(0o644)
    return _faulted("Other accounts of this machine may")


def _opened_folder(name: str) -> Callable[[Home], list[str]]:
    def case(home: Home) -> list[str]:
        home.live()
        (home.path / name).chmod(0o755)
        return _faulted("Other accounts of this machine may")

    return case


CASES: dict[str, Callable[[Home], list[str]]] = {
    "umask 000": _all_commands(0),
    "a world-readable token": _token_mode(0o604),
    "settings that everybody may write": _settings_for_all,
    "settings of another account": _foreign_settings,
    "umask 022": _all_commands(0o022),
    "umask 070": _all_commands(0o070),
    "a home whose parents are missing": _deep,
    "the system's folders": _system_folders,
    "the daemon": _daemon,
    "the console": _console,
    "a demo that is kept": _demo,
    "restored and purged": _restored,
    "a link to the data": _link("data", 0o700),
    "a link to the data, open": _link("data", 0o755),
    "a link to the settings": _link("config", 0o755),
    "a link to the state, open": _link("state", 0o777),
    "a link to the logs": _link("logs", 0o700),
    "a link to nothing": _dangling,
    "a token for the group": _token_mode(0o640),
    "a link to a world-readable token": _linked_token,
    "a token in world-readable settings": _token_in_settings,
    "a token of another account": _foreign_token,
    "a folder of another account": _foreign_folder,
    "files that were opened": _opened_files,
    "data that were opened": _opened_folder("data"),
    "a state folder that was opened": _opened_folder("state"),
}


def run(task: Task) -> Outcome:
    """Try so many cases, in order."""
    outcome = Outcome()
    without_root = 0
    with running_in_thread(Options(seed=task.seed, orders=20, listings=8, limits=False)) as shop:
        for number in range(task.count):
            name, case = list(CASES.items())[number % len(CASES)]
            outcome.done += 1
            if "another account" in name and os.geteuid():
                without_root += 1
                continue
            home = Home(task.folder / str(number), shop, random.Random(f"{task.seed}-{number}"))
            home.path.mkdir(mode=0o700)
            with environment(home.settings()):
                try:
                    wrong = case(home)
                except AssertionError as error:
                    wrong = [str(error)]
            outcome.wrong += [f"{name}: {what}" for what in wrong]
            task.tell(f"{outcome.done} of {task.count}, {len(outcome.wrong)} wrong")
    if without_root:
        outcome.figures["left out, for root only"] = without_root
    return outcome


ROW = Row(
    id="S4",
    what="umask 000, linked folders, foreign owners, files that were opened",
    unit="cases",
    long=len(CASES),
    short=4,
    passes="0600 and 0700, or a refusal; what was opened later is told by doctor",
    run=run,
    unable=lambda: None if os.name == "posix" else "modes are another thing there",
)
