"""The program as a process: signals, pipes, terminals, children, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from .conftest import Run

if sys.platform == "win32":
    pytest.skip("signals and terminals are other things there", allow_module_level=True)

import pty

PATIENCE = 30.0
"""Seconds after which a process that should have done something has failed to."""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the program as a child; what still runs at the end is killed."""
    children: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **streams: Any) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-m", "bmconsole", *arguments],
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams,
            text=True,
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                stream.close()


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def end(child: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, float]:
    """Signal a child and return its exit code and how many seconds it took to end."""
    child.send_signal(number)
    began = time.monotonic()
    return child.wait(PATIENCE), time.monotonic() - began


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def test_version() -> None:
    done = subprocess.run([sys.executable, "-m", "bmconsole", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("bmconsole ")
    assert done.stderr == ""


def test_run_logs_to_stderr_and_ends_on_sigterm(start: Start, home: Path) -> None:
    child = start("run")
    assert "runs here" in line(child.stderr)
    code, took = end(child, signal.SIGTERM)
    assert code == 0
    assert took < PATIENCE
    assert child.stdout is not None
    assert child.stdout.read() == ""


def test_the_sandbox_says_where_it_is_and_ends_on_sigterm(start: Start) -> None:
    child = start("sandbox", "--orders", "5", "--listings", "5", "--seed", "3")
    announced = json.loads(line(child.stdout))
    assert set(announced) == {"url", "token", "pid"}
    assert announced["pid"] == child.pid
    answer = httpx.get(
        announced["url"] + "/ws/orders",
        headers={"Authorization": f"Basic {announced['token']}", "User-Agent": "BM-Acme-Test;it@acme.example"},
        trust_env=False,
    )
    assert answer.json()["count"] == 5
    assert end(child, signal.SIGTERM)[0] == 0


def test_the_headless_demo_lives_in_its_own_folder_and_takes_its_child_along(
    start: Start, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The account's settings are there, and wrong; the demo must not care
    monkeypatch.setenv("BMCONSOLE_MARKETS", "nowhere")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = sorted(home.rglob("*"))
    child = start("demo", "--headless")
    announced = json.loads(line(child.stdout))
    assert set(announced) == {"url", "token", "pid", "home"}
    folder = Path(announced["home"])
    assert folder.is_relative_to(tmp_path)
    assert alive(announced["pid"])
    said = ""
    while "orders:" not in said:
        said = line(child.stderr)
        assert said, "the engine ended before its first pass"

    own = {name: value for name, value in os.environ.items() if not name.startswith("BMCONSOLE_")}
    listed = subprocess.run(
        [sys.executable, "-m", "bmconsole", "orders", "list", "--json", "--limit", "3"],
        env=own | {"BMCONSOLE_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert len(listed.stdout.splitlines()) == 3
    assert end(child, signal.SIGTERM)[0] == 0
    assert gone(announced["pid"])
    assert not folder.exists()
    assert sorted(home.rglob("*")) == before


def test_a_demo_that_is_told_to_end_at_once_cleans_up(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    child = start("demo", "--headless")
    announced = json.loads(line(child.stdout))
    assert end(child, signal.SIGTERM)[0] == 0
    assert gone(announced["pid"])
    assert not Path(announced["home"]).exists()


def test_a_demo_that_is_killed_takes_its_sandbox_along(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    child = start("demo", "--headless")
    announced = json.loads(line(child.stdout))
    end(child, signal.SIGKILL)
    assert gone(announced["pid"])


def test_a_demo_for_a_while_that_is_kept(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    child = start("demo", "--headless", "--for", "1s", "--keep")
    announced = json.loads(line(child.stdout))
    assert child.wait(PATIENCE) == 0
    folder = Path(announced["home"])
    assert (folder / "config" / "config.toml").exists()
    assert announced["token"] not in (folder / "config" / "config.toml").read_text(encoding="utf-8")
    assert child.stderr is not None
    assert str(folder) in child.stderr.read()


def test_a_reader_that_goes_away_is_no_error(start: Start, home: Path) -> None:
    child = start("orders", "list", "--json", "--limit", "0")
    assert json.loads(line(child.stdout))["order_id"]
    assert child.stdout is not None
    child.stdout.close()
    assert child.wait(PATIENCE) == 0
    assert child.stderr is not None
    assert child.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_is_one_line(start: Start, home: Path) -> None:
    with open("/dev/full", "w") as full:
        child = start("orders", "list", stdout=full)
        assert child.wait(PATIENCE) == 1
    assert child.stderr is not None
    told = child.stderr.read()
    assert len(told.splitlines()) == 1
    assert told.startswith("bmconsole: ")


def test_an_interrupted_command_ends_with_130(start: Start, home: Path) -> None:
    child = start("log", "--follow", "--limit", "1")
    assert line(child.stdout)
    assert end(child, signal.SIGINT)[0] == 130
    assert child.stderr is not None
    assert "Traceback" not in child.stderr.read()


@pytest.mark.parametrize(("typed", "code", "written"), [("n\n", 5, 0), ("y\n", 0, 1)])
def test_on_a_terminal_the_operator_is_asked(
    start: Start, run: Run, home: Path, typed: str, code: int, written: int
) -> None:
    listing = run("listings", "list", "--json", "--limit", "1").rows[0]["id"]
    ours, theirs = pty.openpty()
    try:
        child = start("listings", "set", listing, "--quantity", "+1", stdin=theirs, stderr=theirs)
        os.write(ours, typed.encode())
        assert child.wait(PATIENCE) == code
        told = os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Write this?" in told
    assert "→ +1" in told
    assert len(run("writes", "list", "--json").rows) == written
