"""A fault of the console in each of its tabs: the terminal comes back, what to do is told, and no value is anywhere."""

import asyncio
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


async def test_a_fault_in_the_background_is_reported_and_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = asyncio.get_running_loop()
    before, watch = loop.get_exception_handler(), crash.Watch(Paths.under(tmp_path))
    loop.set_exception_handler(watch)
    try:
        loop.call_soon(_fail)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(before)
    (file,) = watch.reports
    assert "RuntimeError" in file.read_text(encoding="utf-8")
    told = capsys.readouterr()
    assert TOKEN not in file.read_text(encoding="utf-8") + told.out + told.err


def _fail() -> None:
    raise RuntimeError(TOKEN)
