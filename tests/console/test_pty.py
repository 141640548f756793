"""The console as a process on a terminal: what a person would see and type."""

import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from fcntl import ioctl
from pathlib import Path
from subprocess import Popen

import httpx
import pyte
import pytest

from bmconsole.console.hangup import HUNG_UP
from bmconsole.sandbox import Options, running_in_thread

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")
DEADLINE = 20.0


class Terminal:
    """A process behind a pseudo-terminal, with pyte as the screen."""

    def __init__(self, command: list[str], environment: dict[str, str], columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True)
        os.close(slave)

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait(self, condition: Callable[[str], object]) -> str:
        """Read the screen until `condition` holds for its text; fail after the deadline, showing the screen."""
        deadline = time.monotonic() + DEADLINE
        while not condition(self.text()):
            left = deadline - time.monotonic()
            assert left > 0, f"not on the screen in time:\n{self.text()}"
            if not self._read(left) and self.process.poll() is not None:
                pytest.fail(f"the console ended with {self.process.returncode}:\n{self.text()}")
        return self.text()

    def ended(self) -> int:
        """Wait for the process to end; return its exit code."""
        deadline = time.monotonic() + DEADLINE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still running:\n{self.text()}"
            self._read(0.1)
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        # pyte draws the private sequences that it does not know as text.
        self._stream.feed(re.sub(rb"\x1b\[[<>=?][0-9;]*[up]|\x1b\[\?[0-9;]*\$p", b"", data))
        return bool(data)

    def hang_up(self) -> None:
        """Close the terminal, as a closed window or a broken connection does."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._master >= 0:
            os.close(self._master)


@contextmanager
def terminal(
    home: Path, settings: dict[str, str], columns: int, rows: int, program: Sequence[str] = ("-m", "bmconsole")
) -> Iterator[Terminal]:
    environment = {
        # A size that is named would count before the terminal's
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith("BMCONSOLE_") and name not in ("COLUMNS", "LINES")
        },
        "BMCONSOLE_HOME": str(home),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        **settings,
    }
    opened = Terminal([sys.executable, *program], environment, columns, rows)
    try:
        yield opened
    finally:
        opened.close()


def settings_for(url: str, token: str) -> dict[str, str]:
    return {
        "BMCONSOLE_BASE_URL": url,
        "BMCONSOLE_TOKEN": token,
        "BMCONSOLE_MARKETS": "fr-fr,de-de",
        "BMCONSOLE_SCHEDULE__BACKBOX": "off",
        "BMCONSOLE_SCHEDULE__REPRICING": "off",
    }


def test_an_operator_finds_rows_and_changes_a_price_by_keyboard_alone_at_80_by_24(tmp_path: Path) -> None:
    options = Options(seed=7, orders=130, listings=70, markets=("fr-fr", "de-de"))
    with running_in_thread(options) as sandbox, httpx.Client(base_url=sandbox.url, trust_env=False) as control:
        listing = sandbox.shop.listings.get(5)
        before = control.get(f"/_sandbox/state/listings/{listing.id}").json()["markets"]
        with terminal(tmp_path, settings_for(sandbox.url, sandbox.token), 80, 24) as console:
            console.wait(lambda text: "130 orders" in text and re.search(r"\d{8}  [●▲✓○]", text))
            # Typed ahead: each key works where the ones before it have led, whether that is painted yet or not.
            console.type(f'2/sku:"{listing.sku}"\r')
            console.wait(lambda text: "1 of 70 listings" in text and listing.sku[:12] in text)
            console.type("e")
            console.wait(lambda text: "Offer in fr-fr" in text and "Price" in text)
            # Near the price that is there: a far one is asked back.
            wanted = str(Decimal(before["fr-fr"]["price"]) - Decimal("1.50"))
            console.type(f"{wanted}\r")
            console.wait(lambda text: "Write to Back Market" in text and wanted in text)
            # A price that moves by more than 20 % asks for its number.
            console.type("1\r" if "Type 1" in console.text() else "y")
            console.wait(lambda text: f"confirmed, read back: price {wanted}" in text)
            markets = control.get(f"/_sandbox/state/listings/{listing.id}").json()["markets"]
            assert markets["fr-fr"]["price"] == wanted
            assert markets["de-de"]["price"] == before["de-de"]["price"]
            console.type("\x1b")
            console.wait(lambda text: "? help" in text)
            console.type("q")
            assert console.ended() == 0
        assert not sandbox.journal.refused


def test_a_server_that_is_not_there_is_told_and_the_token_is_not_shown(tmp_path: Path) -> None:
    with terminal(tmp_path, settings_for("http://127.0.0.1:9", "token-that-stays-secret"), 80, 24) as console:
        console.wait(lambda text: "No orders yet" in text)
        console.wait(lambda text: "offline" in text or "failed" in text)
        assert "token-that-stays-secret" not in console.text()
        console.type("q")
        assert console.ended() == 0


def test_a_view_that_cannot_be_kept_is_told_after_a_good_end(tmp_path: Path) -> None:
    with terminal(tmp_path, settings_for("http://127.0.0.1:9", "token"), 80, 24) as console:
        console.wait(lambda text: "offline" in text or "failed" in text)
        (tmp_path / "state" / "console-default.json").mkdir(parents=True)
        console.type("q")
        assert console.ended() == 0
        # The terminal breaks the lines wherever they are too long for it.
        console.wait(lambda text: "The next start shows the tabs as they came." in text.replace("\n", ""))


FAULTY = """
from bmconsole.__main__ import main
from bmconsole.console.frame import Frame

def fail(self):
    buyer = "Jean Dupont"
    raise LookupError(f"no help for {buyer}")

Frame.action_help = fail
raise SystemExit(main())
"""


def test_a_fault_of_the_console_prints_one_line_and_keeps_no_values(tmp_path: Path) -> None:
    settings = settings_for("http://127.0.0.1:9", "token-that-stays-secret")
    with terminal(tmp_path, settings, 80, 24, ("-c", FAULTY)) as console:
        console.wait(lambda text: "No orders yet" in text)
        console.type("?")
        assert console.ended() == 1
        shown = console.text()
        assert "LookupError" in shown
        assert "Traceback" not in shown
    (report,) = tmp_path.rglob("crashes/*.txt")
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert "LookupError" in text
    for secret in ("Dupont", "token-that-stays-secret"):
        assert secret not in shown + text


def test_a_console_whose_terminal_is_closed_ends(tmp_path: Path) -> None:
    with terminal(tmp_path, settings_for("http://127.0.0.1:9", "token"), 80, 24) as console:
        console.wait(lambda text: "No orders yet" in text)
        console.hang_up()
        assert console.process.wait(DEADLINE) in (HUNG_UP, -signal.SIGHUP)


def test_a_console_whose_terminal_is_closed_while_it_starts_ends(tmp_path: Path) -> None:
    with terminal(tmp_path, settings_for("http://127.0.0.1:9", "token"), 80, 24) as console:
        console.wait(str.strip)
        console.hang_up()
        assert console.process.wait(DEADLINE) in (HUNG_UP, -signal.SIGHUP)


def test_a_demo_whose_terminal_is_closed_leaves_no_folder(tmp_path: Path) -> None:
    with terminal(tmp_path / "unused", {"TMPDIR": str(tmp_path)}, 80, 24, ("-m", "bmconsole", "demo")) as console:
        console.wait(lambda text: re.search(r"\d{8}  [●▲✓○]", text))
        assert list(tmp_path.glob("bmconsole-demo-*"))
        console.hang_up()
        assert console.process.wait(DEADLINE) == HUNG_UP
    assert not list(tmp_path.glob("bmconsole-demo-*"))
