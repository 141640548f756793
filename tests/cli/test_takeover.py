"""Who runs the engine when its holder dies or leaves: each step takes seconds, since it is the system that tells."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bmconsole.running.presence import everyone
from bmconsole.sandbox import RunningSandbox

from .conftest import account

if sys.platform == "win32":
    pytest.skip("signals are other things there", allow_module_level=True)
from tests.console.test_pty import terminal

TAKEOVER = 5.0
PATIENCE = 30.0

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    children: list[subprocess.Popen[bytes]] = []

    def begin() -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(
            [sys.executable, "-m", "bmconsole", "run"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        child.kill()
        child.wait()


def seconds_until(condition: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.02)
    return time.monotonic() - began


def test_another_takes_over_from_the_killed_and_a_new_one_from_who_leaves(start: Start, home: Path) -> None:
    ledger = home / "state" / "ledger"

    def roles() -> dict[int, str]:
        return {process.pid: process.engine for process in everyone(ledger)}

    first = start()
    seconds_until(lambda: roles().get(first.pid) == "here")
    second = start()
    seconds_until(lambda: roles().get(second.pid) == "elsewhere")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert seconds_until(lambda: roles() == {second.pid: "here"}) < TAKEOVER
    third = start()
    seconds_until(lambda: roles().get(third.pid) == "elsewhere")
    second.send_signal(signal.SIGTERM)
    assert second.wait(PATIENCE) == 0
    assert seconds_until(lambda: roles() == {third.pid: "here"}) < TAKEOVER
    os.kill(third.pid, signal.SIGTERM)
    assert third.wait(PATIENCE) == 0
    assert roles() == {}


def test_a_new_daemon_stands_by_while_the_console_works_and_takes_over_when_it_ends(
    start: Start, home: Path, shop: RunningSandbox
) -> None:
    ledger = home / "state" / "ledger"

    def roles() -> dict[int, str]:
        return {process.pid: process.engine for process in everyone(ledger)}

    daemon = start()
    seconds_until(lambda: roles().get(daemon.pid) == "here")
    with terminal(home, dict(account(shop, home)), 100, 30) as console:
        console.wait(lambda text: "SANDBOX" in text)
        seconds_until(lambda: roles().get(console.process.pid) == "elsewhere")
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        assert seconds_until(lambda: roles() == {console.process.pid: "here"}) < TAKEOVER
        another = start()
        seconds_until(lambda: roles().get(another.pid) == "elsewhere")
        # The console still works, and still is the one that does.
        console.type("2")
        console.wait(lambda text: "listings" in text and "STOCK" in text)
        assert roles() == {console.process.pid: "here", another.pid: "elsewhere"}
        console.type("q")
        assert console.ended() == 0
    assert seconds_until(lambda: roles() == {another.pid: "here"}) < TAKEOVER
    another.send_signal(signal.SIGTERM)
    assert another.wait(PATIENCE) == 0
