"""A fault of the console in each of its tabs: the terminal comes back, what to do is told, and no value is anywhere."""

import re
import sys
from pathlib import Path

import pytest

from bmconsole import crash
from bmconsole.console.app import FAULTY
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, running_in_thread
from tests.console.test_pty import settings_for, terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")

TOKEN = "canary-token-7f3a91"
BUYER = "Canaria Testbuyer"
TABS = ("orders", "listings", "inspect", "edit", "log", "writes", "pricing", "overview")
KINDS = {
    "orders": "message",
    "listings": "worker",
    "inspect": "render",
    "edit": "drawn",
    "log": "message",
    "writes": "worker",
    "pricing": "render",
    "overview": "drawn",
}
"""Where the fault happens: each way that Textual has of ending an app is taken at least once."""

CONSOLE = """
import sys
from textual.worker import Worker
from bmconsole.__main__ import main
from bmconsole.console.frame import Frame

kind, token, buyer = sys.argv.pop(), sys.argv.pop(), sys.argv.pop()

class Drawn(Exception):
    def __rich__(self):
        return f"{self} drawn"

def fail(kind_of=LookupError):
    held = {"token": token, "buyer": buyer}
    raise kind_of(f"{held} in {token} of {buyer}")

async def work():
    fail()

def crash(self):
    if kind == "worker":
        self.current.run_worker(work)
    elif kind == "render":
        type(self.top_bar).render_line = lambda bar, y: fail()
        self.top_bar.refresh()
    elif kind == "drawn":
        self.current.call_later(fail, Drawn)
    else:
        self.current.call_later(fail)

Frame.action_limits = crash
raise SystemExit(main([]))
"""


@pytest.mark.parametrize("tab", TABS)
def test_a_fault_in_a_tab_shows_and_keeps_no_value(tmp_path: Path, tab: str) -> None:
    options = Options(seed=7, orders=20, listings=10, markets=("fr-fr", "de-de"), token=TOKEN)
    with running_in_thread(options) as sandbox:
        program = ("-c", CONSOLE, BUYER, TOKEN, KINDS[tab])
        with terminal(tmp_path, settings_for(sandbox.url, TOKEN), 100, 30, program) as console:
            console.wait(lambda text: "20 orders" in text and re.search(r"\d{8}  [●▲✓○]", text))
            console.type(str(TABS.index(tab) + 1))
            console.type("L")
            assert console.ended() == FAULTY
            console.wait(lambda text: "bmconsole doctor" in text)
            shown = console.text()
    (report,) = tmp_path.rglob("crashes/*.txt")
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text(encoding="utf-8")
    expected = "Drawn" if KINDS[tab] == "drawn" else "LookupError"
    assert expected in shown
    assert expected in text
    assert " in fail" in text
    assert "Traceback" not in shown
    assert report.name in shown.replace("\n", "").replace("│", "").replace(" ", "")
    for secret in (TOKEN, *BUYER.split()):
        assert secret not in shown
        assert secret not in text


def test_a_report_has_places_of_every_link_and_no_line_of_code(tmp_path: Path) -> None:
    def inner() -> None:
        raise ValueError(BUYER)

    try:
        try:
            inner()
        except ValueError as error:
            raise ExceptionGroup(TOKEN, [KeyError(TOKEN), error]) from error
    except ExceptionGroup as group:
        text = crash.report(group, Paths.under(tmp_path)).read_text(encoding="utf-8")
    assert re.search(r"console/test_crash\.py:\d+ in inner", text)
    assert "which led to" in text
    assert "part 2 of 2" in text
    assert "textual " in text
    assert "raise ValueError" not in text
    assert str(Path.home()) not in text
    for secret in (TOKEN, BUYER):
        assert secret not in text


BACKGROUND = """
import asyncio, sys, threading
from bmconsole.__main__ import main
from bmconsole.console.frame import Frame

token, buyer = sys.argv.pop(), sys.argv.pop()

def fail():
    held = {"token": token, "buyer": buyer}
    raise LookupError(f"{held} in {token} of {buyer}")

async def task():
    fail()

class Cleaned:
    def __del__(self):
        fail()

def crash(self):
    threading.Thread(target=fail, name=token).start()
    self.lost = asyncio.get_running_loop().create_task(task(), name=buyer)
    self.lost.add_done_callback(lambda lost: delattr(self, "lost"))
    Cleaned()

Frame.action_limits = crash
raise SystemExit(main([]))
"""


def test_a_fault_that_nobody_waits_for_is_told_and_the_console_goes_on(tmp_path: Path) -> None:
    options = Options(seed=7, orders=20, listings=10, markets=("fr-fr", "de-de"), token=TOKEN)
    with running_in_thread(options) as sandbox:
        program = ("-c", BACKGROUND, BUYER, TOKEN)
        with terminal(tmp_path, settings_for(sandbox.url, TOKEN), 100, 40, program) as console:
            console.wait(lambda text: "20 orders" in text and re.search(r"\d{8}  [●▲✓○]", text))
            console.type("L")
            seen = console.wait(lambda text: len(re.findall(r"Something went wrong in", text)) == 3)
            for place in ("a thread", "a task", "cleaning up"):
                assert f"Something went wrong in {place}" in " ".join(seen.replace("▌", "").split())
            console.type("2")
            console.wait(lambda text: "10 listings" in text)
            console.type("q")
            assert console.ended() == 0
            seen += console.text()
    reports = list(tmp_path.rglob("crashes/*.txt"))
    assert len(reports) == 3
    for file in reports:
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.read_text(encoding="utf-8")
        assert "LookupError" in text
        assert " in fail" in text
        for secret in (TOKEN, *BUYER.split()):
            assert secret not in text + seen
    log = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.log"))
    assert not any(secret in log for secret in (TOKEN, *BUYER.split()))
