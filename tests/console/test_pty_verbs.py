"""A session through everything that tables, filters, the command line and the log can do, over a shop that lives."""

import re
import sys
from pathlib import Path

import pytest

from bmconsole.sandbox import Options, running_in_thread
from tests.console.test_pty import Terminal, settings_for, terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")
WIDTH, HEIGHT = 190, 40
ESC, CTRL_P = "\x1b", "\x10"
ROW = re.compile(r"(\d{8})  [●▲✓○↩×?]")
FIRST = 3
"""The line of the first row: below the tabs, the filter and the titles."""


def cursor(console: Terminal) -> str:
    """Return the number of the order that the cursor is on, empty where none is."""
    line = next((line for line in console.screen.display if line.startswith("▌")), "")
    found = ROW.search(line)
    return found[1] if found else ""


def say(console: Terminal, line: str) -> None:
    """Give a command; returns when the command line is closed again."""
    console.type(":")
    console.wait(lambda text: "enter do it" in text)
    console.type(f"{line}\r")
    console.wait(lambda text: "enter do it" not in text)


def click(console: Terminal, column: int, line: int, times: int = 1) -> None:
    for _ in range(times):
        console.type(f"{ESC}[<0;{column + 1};{line + 1}M{ESC}[<0;{column + 1};{line + 1}m")


def test_everything_a_table_and_its_lines_can_do(tmp_path: Path) -> None:
    options = Options(seed=7, orders=130, listings=70, markets=("fr-fr", "de-de"), live=2.0, limits=False)
    settings = {"BMCONSOLE_SCHEDULE__ORDERS": "2s", "BMCONSOLE_SCHEDULE__WATCH": "off", "DISPLAY": ""}
    settings |= {"WAYLAND_DISPLAY": "", "TMUX": "", "SSH_TTY": ""}
    with running_in_thread(options) as sandbox:
        settings |= settings_for(sandbox.url, sandbox.token)
        with terminal(tmp_path, settings, WIDTH, HEIGHT) as console:
            console.wait(lambda text: ROW.search(text) and "SANDBOX" in text)
            began = orders(console)
            sort_and_choose_columns(console)
            mark_and_copy(console)
            filter_rows(console)
            take_a_view(console)
            use_the_mouse(console)
            drill_down_and_come_back(console)
            command(console)
            find_an_action(console)
            read_the_log(console)
            look_at_the_machine(console)
            leave_something(console)
            assert orders(console) > began
            console.type("q")
            assert console.ended() == 0
        with terminal(tmp_path, settings, WIDTH, HEIGHT) as again:
            again.wait(lambda text: " of 70 listings" in text and "grade:good" in text and "STOCK▼" in text)
            again.type("q")
            assert again.ended() == 0
        assert not sandbox.journal.refused


def orders(console: Terminal) -> int:
    """Return how many orders the tabs' titles tell."""
    found = re.search(r"Orders ([\d,]+)", console.wait(lambda text: re.search(r"Orders [\d,]+", text)))
    assert found is not None
    return int(found[1].replace(",", ""))


def sort_and_choose_columns(console: Terminal) -> None:
    console.wait(lambda text: "CREATED ▼" in text)
    console.type("s")
    console.wait(lambda text: "CHANGED ▲" in text)
    console.type("S")
    console.wait(lambda text: "CHANGED ▼" in text)
    console.type("o")
    console.wait(lambda text: "Sort by" in text and "by price" in text)
    console.type("3")
    console.wait(lambda text: "PRICE ▲" in text and "Sort by" not in text)
    console.type("c")
    console.wait(lambda text: "Columns" in text and "show or hide" in text)
    console.type("jjj \r")
    console.wait(lambda text: "PRICE" not in text and "Columns" not in text and "STATUS" in text)
    console.type("c")
    console.wait(lambda text: "Columns" in text)
    # What is hidden comes last.
    console.type("G \r")
    console.wait(lambda text: "PRICE ▲" in text and "Columns" not in text)
    say(console, "sort -created")
    console.wait(lambda text: "CREATED ▼" in text)


def mark_and_copy(console: Terminal) -> None:
    console.type("g  ")
    console.wait(lambda text: "2 marked" in text)
    console.type("vjjv")
    console.wait(lambda text: "5 marked" in text and "range ·" not in text)
    # Orders that came in meanwhile may have moved the first ones over the edge
    console.type("g")
    console.wait(lambda text: sum("◆" in line for line in text.splitlines()) == 5)
    console.type("y")
    console.wait(lambda text: "5 orders handed to the terminal" in text)


def filter_rows(console: Terminal) -> None:
    console.type("/stat\t")
    console.wait(lambda text: "status:" in text)
    console.type("refu\t\r")
    console.wait(lambda text: re.search(r"5 marked, \d hidden · [\d,]+ of [\d,]+ orders", text))
    console.type("/")
    console.wait(lambda text: "esc cancel" in text)
    console.type(" colour:red\r")
    console.wait(lambda text: "There is no field colour" in text)
    console.type(f"{ESC}")
    console.wait(lambda text: "There is no field" not in text and "w view" in text)
    console.type(ESC)
    console.wait(lambda text: re.search(r"5 marked · [\d,]+ orders", text))
    console.type(f"/{ESC}[A{ESC}[A")
    console.wait(lambda text: "status:refunded" in text and "esc cancel" in text)
    # Typed without a pause: each key counts where the one before it led.
    console.type(f"{ESC}M")
    console.wait(lambda text: "marked" not in text and "w view" in text)
    console.type(f"/{ESC}[A{ESC}[A\r")
    console.wait(lambda text: re.search(r"\d+ of [\d,]+ orders", text))
    console.type("g v")
    console.wait(lambda text: re.search(r"range · 1 marked · \d+ of [\d,]+ orders", text))
    console.type(f"{ESC}M{ESC}")
    console.wait(lambda text: "marked" not in text and " of " not in text)
    console.type(":orders status:refunded\r")
    console.wait(lambda text: re.search(r"\d+ of [\d,]+ orders", text))
    console.type("g v")
    console.wait(lambda text: re.search(r"range · 1 marked · \d+ of [\d,]+ orders", text))
    console.type(f"{ESC}M:nonsense\rx")
    console.wait(lambda text: "nonsensex" in text and "There is no command" not in text)
    console.type(f"{ESC}{ESC}/colour:red\r")
    console.wait(lambda text: "There is no field colour" in text)
    console.type(f"{ESC}{ESC}")
    console.wait(lambda text: re.search(r" [\d,]+ orders", text) and "There is no field" not in text)


def take_a_view(console: Terminal) -> None:
    console.type("w")
    console.wait(lambda text: "Views" in text and "unfinished writes" in text)
    console.type("3")
    console.wait(
        lambda text: "status:to-ship" in text and "Views" not in text and re.search(r"\d+ of [\d,]+ ord", text)
    )
    console.type(ESC)
    console.wait(lambda text: "status:to-ship" not in text)


def use_the_mouse(console: Terminal) -> None:
    console.type("g")
    lines = console.wait(lambda text: len(ROW.findall(text)) > 20).splitlines()
    found = ROW.search(lines[FIRST + 4])
    assert found is not None
    click(console, 20, FIRST + 4)
    # The shop goes on meanwhile: whatever line it is on now, the cursor is on the order that was clicked.
    console.wait(lambda text: cursor(console) not in ("", ROW.findall(text)[0]))
    click(console, lines[2].index("STATUS"), 2)
    console.wait(lambda text: "STATUS ▲" in text)
    say(console, "sort -created")
    console.wait(lambda text: "CREATED ▼" in text)


def drill_down_and_come_back(console: Terminal) -> None:
    console.type("jj\r")
    shown = console.wait(lambda text: re.search(r"Order \d{8}", text) and "r refresh" in text)
    found = re.search(r"Order (\d{8})", shown)
    assert found is not None
    number = found[1]
    console.type(ESC)
    console.wait(lambda text: "w view" in text and cursor(console) == number)
    console.type("[")
    console.wait(lambda text: f"Order {number}" in text)
    console.type("[")
    console.wait(lambda text: "w view" in text)
    console.type("]")
    console.wait(lambda text: f"Order {number}" in text)
    console.type("1")
    console.wait(lambda text: "w view" in text)


def command(console: Terminal) -> None:
    say(console, "orders late")
    console.wait(lambda text: re.search(r"[\d,]+ of [\d,]+ orders", text))
    console.type(":nonsense\r")
    console.wait(lambda text: "There is no command nonsense." in text)
    console.type(ESC)
    console.wait(lambda text: "There is no command" not in text and "w view" in text)
    for line in ("theme nord", "theme bmconsole", "sync listings"):
        say(console, line)
    console.wait(lambda text: "listings seen" in text)
    console.type("2")
    # One of digits alone would be taken for a listing's number.
    named = re.compile(r"^.{1,8}([A-Z][A-Z0-9]*-[A-Z0-9-]+) ", re.MULTILINE)
    found = named.search(console.wait(lambda text: "SKU ▲" in text and named.search(text)))
    assert found is not None
    sku = found[1]
    say(console, f"listing {sku}")
    console.wait(lambda text: "Offer in fr-fr" in text and sku[:10] in text)
    console.type(ESC)
    console.wait(lambda text: "e edit" in text)
    console.type("1")
    console.wait(lambda text: "w view" in text)


def find_an_action(console: Terminal) -> None:
    console.type(CTRL_P)
    console.wait(lambda text: "Search" in text)
    console.type("Go to Log")
    console.wait(lambda text: "Go to Log" in text.replace("Go to Log", "", 1))
    console.type("\r")
    console.wait(lambda text: "following" in text)


def read_the_log(console: Terminal) -> None:
    console.type("f")
    console.wait(lambda text: "not following" in text)
    console.type("f")
    console.wait(lambda text: "● following" in text)
    console.type("s")
    console.wait(lambda text: re.search(r"\d of [\d,]+ lines", text))
    console.type(ESC)
    console.wait(lambda text: re.search(r"\d lines", text) and not re.search(r"\d of [\d,]+ lines", text))
    console.type("l")
    console.wait(lambda text: "warning and above" in text)
    console.type("/zzz\r")
    console.wait(lambda text: "No line passes this filter" in text and "/ filter" in text)
    console.type(ESC)
    console.wait(lambda text: "No line passes this filter" not in text)
    console.type("lll")
    console.wait(lambda text: "info and above" in text)


def look_at_the_machine(console: Terminal) -> None:
    shown = console.wait(lambda text: "budget" in text and "queue" in text and "online" in text)
    for word in ("SANDBOX", "default", "operator", "fr-fr"):
        assert word in shown
    console.type("m")
    console.wait(lambda text: "de-de" in text.splitlines()[0])
    console.type("m")
    console.wait(lambda text: "fr-fr" in text.splitlines()[0])
    console.type("L")
    console.wait(lambda text: "Limits, queue, timers" in text and "edge" in text)
    console.type(ESC)
    console.wait(lambda text: "Limits, queue" not in text)
    console.type("?")
    console.wait(lambda text: "Everywhere" in text and "Go to Orders" in text)
    console.type(ESC)
    console.wait(lambda text: "Everywhere" not in text)
    console.type("T")


def leave_something(console: Terminal) -> None:
    console.type("2")
    console.wait(lambda text: "70 listings" in text)
    console.type("/grade:good\r")
    console.wait(lambda text: "of 70 listings" in text)
    say(console, "sort -stock")
    console.wait(lambda text: "STOCK▼" in text)
