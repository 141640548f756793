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

if sys.platform == "win32":
    pytest.skip("signals are other things there", allow_module_level=True)

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
