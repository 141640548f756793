"""Notices where people see them: the bell of a terminal, and what `doctor` says of ways that cannot work."""

import shutil
import sys
from pathlib import Path

import httpx
import pyte
import pytest

from bmconsole.profile import Notify
from bmconsole.running.notices import lacking
from bmconsole.sandbox import Options, running_in_thread

from .conftest import Run

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are a Unix thing", allow_module_level=True)
from tests.console.test_pty import Terminal, settings_for, terminal

# The bell is rung at the terminal that the process belongs to, as one does that a shell started.
PROGRAM = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from bmconsole.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def listen(opened: Terminal) -> list[str]:
    """Return a list that grows whenever the terminal's bell rings."""
    rung: list[str] = []
    opened.screen.bell = lambda *_: rung.append("ding")  # type: ignore[method-assign]  # pyte's does nothing
    opened._stream = pyte.ByteStream(opened.screen)
    return rung


@pytest.mark.parametrize("arguments", [(), ("run",)], ids=["console", "run"])
def test_a_new_order_rings_the_bell_once(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    options = Options(seed=7, orders=20, listings=10, markets=("fr-fr", "de-de"))
    with running_in_thread(options) as sandbox, httpx.Client(base_url=sandbox.url, trust_env=False) as control:
        settings = settings_for(sandbox.url, sandbox.token) | {
            "BMCONSOLE_NOTIFY__BELL": "true",
            "BMCONSOLE_NOTIFY__EVENTS": "new-order",
            "BMCONSOLE_SCHEDULE__ORDERS": "2s",
            "BMCONSOLE_SCHEDULE__WATCH": "off",
        }
        with terminal(tmp_path, settings, 100, 30, ("-c", PROGRAM, *arguments)) as opened:
            rung = listen(opened)
            marks = tmp_path / "state" / "ledger" / "herald-default.json"
            opened.wait(lambda text: ("20 seen" if arguments else "20 orders") in text)
            # What was there before anybody looked is no news.
            opened.wait(lambda _: marks.exists() and '"order": null' not in marks.read_text())
            assert rung == []
            listing = sandbox.shop.listings.get(2).id
            control.post("/_sandbox/orders", json={"listing": str(listing)}).raise_for_status()
            opened.wait(lambda _: rung)
            if not arguments:
                opened.wait(lambda text: "21 orders" in text and "SANDBOX" in text)
                opened.type("q")
                assert opened.ended() == 0
            assert rung == ["ding"]


def findings(run: Run) -> list[dict[str, str]]:
    """Return what doctor found."""
    found: list[dict[str, str]] = run("doctor", "--json").rows[0]["findings"]
    return found


def test_doctor_says_which_ways_cannot_work_here(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "notices" not in {row["check"] for row in findings(run)}
    monkeypatch.setenv("BMCONSOLE_NOTIFY__DESKTOP", "true")
    monkeypatch.setenv("BMCONSOLE_NOTIFY__COMMAND", "tell-the-shop --now")
    monkeypatch.setenv("PATH", str(tmp_path))
    said = [row for row in findings(run) if row["check"] == "notices"]
    assert [row["level"] for row in said] == ["note", "note"]
    assert "desktop" in said[0]["message"]
    assert "no program tell-the-shop" in said[1]["message"]
    assert all(row["hint"] for row in said)
    for name in ("notify-send", "osascript", "tell-the-shop"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o700)
    assert "notices" not in {row["check"] for row in findings(run)}


def test_what_was_not_chosen_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert lacking(Notify(bell=True)) == []
    assert lacking(Notify(command="a 'b")) == []
    assert [way for way, _ in lacking(Notify(desktop=True, command="a b"))] == ["desktop", "command"]
