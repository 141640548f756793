"""What the operator is told, by which way, and how often."""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiolimiter import AsyncLimiter

from bmconsole.domain.views import Event
from bmconsole.paths import Paths
from bmconsole.profile import Notify
from bmconsole.running import herald
from bmconsole.running.logfile import KEPT, LogFile
from bmconsole.running.notices import Notifier
from bmconsole.sandbox import RunningSandbox
from bmconsole.store.happenings import Happening
from bmconsole.workspace import Workspace
from tests.conftest import profile_for

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
LATE = [Happening(7, "7", "due 2026-11-22", "Wilhelmine Zwickelbauer"), Happening(8, "8", "due 2026-11-23", None)]


def command_that_keeps(file: Path) -> str:
    """Return a command that appends what it is given to `file`."""
    keep = file.with_suffix(".py")
    keep.write_text(
        "import os, sys\n"
        f"with open({str(file)!r}, 'a') as out:\n"
        "    out.write(sys.stdin.read())\n"
        "sys.exit('BMCONSOLE_TOKEN' in os.environ)\n"
    )
    return f"{sys.executable} {keep}"


def told(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


class Desk:
    """A notifier with a command that keeps what it was told, and the lines that it logged."""

    def __init__(self, folder: Path, **wanted: object) -> None:
        self.file = folder / "told.jsonl"
        self.lines: list[str] = []
        values: dict[str, object] = {"command": command_that_keeps(self.file)}
        self.notifier = Notifier(
            Notify.model_validate(values | wanted), "default", self.say, limiter=AsyncLimiter(2, 3600)
        )

    async def say(self, level: str, source: str, message: str) -> None:
        self.lines.append(message)


async def test_a_command_gets_json_without_the_buyer_and_without_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BMCONSOLE_TOKEN", "top-secret")
    desk = Desk(tmp_path)
    desk.notifier.gather("late", LATE)
    assert await desk.notifier.tell(NOW) == 1
    (notice,) = told(desk.file)
    assert notice == {
        "event": "late",
        "profile": "default",
        "at": "2026-11-23T08:00:00.000Z",
        "count": 2,
        "message": "2 orders are late",
        "things": [{"ref": "7", "detail": "due 2026-11-22"}, {"ref": "8", "detail": "due 2026-11-23"}],
    }
    assert desk.lines == []


async def test_the_buyer_is_told_where_that_was_asked_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path, buyer=True)
    desk.notifier.gather("late", LATE)
    await desk.notifier.tell(NOW)
    assert [thing["buyer"] for thing in told(desk.file)[0]["things"]] == ["Wilhelmine Zwickelbauer", None]


async def test_what_is_too_much_is_gathered_into_the_next_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for number in range(30):
        desk.notifier.gather("new-order", [Happening(number, str(number), "to-accept")])
        await desk.notifier.tell(NOW)
    assert [notice["count"] for notice in told(desk.file)] == [1, 1]
    desk.notifier._limiter = AsyncLimiter(2, 3600)
    await desk.notifier.tell(NOW)
    last = told(desk.file)[-1]
    assert (last["count"], len(last["things"])) == (28, 20)


async def test_there_are_as_many_a_minute_as_the_settings_say(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    wanted = Notify.model_validate({"command": command_that_keeps(desk.file), "per_minute": 1})
    notifier = Notifier(wanted, "default", desk.say)
    for kind in ("late", "guard"):
        notifier.gather(kind, LATE)
        await notifier.tell(NOW)
    assert [notice["event"] for notice in told(desk.file)] == ["late"]


async def test_what_is_not_wanted_is_not_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path, events="guard")
    desk.notifier.gather("late", LATE)
    assert await desk.notifier.tell(NOW) == 0


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/there/is/no/such", "cannot be run"),
        (f"{sys.executable} -c 'raise SystemExit(3)'", "ended with status 3"),
        ("a 'b", "cannot be split"),
    ],
)
async def test_a_command_that_does_not_work_is_said_once(tmp_path: Path, command: str, why: str) -> None:
    desk = Desk(tmp_path, command=command)
    for _ in range(2):
        desk.notifier.gather("late", LATE)
        await desk.notifier.tell(NOW)
    (line,) = desk.lines
    assert why in line


def test_nothing_is_told_unless_a_way_is_chosen() -> None:
    async def say(*_: str) -> None: ...

    assert not Notifier(Notify(), "default", say).is_on


def event(number: int, message: str) -> Event:
    return Event(number, NOW, "info", "sync", message, None)


def test_the_log_file_turns_over_and_keeps_a_few(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "default.log", largest=1_000)
    for number in range(100):
        log.add([event(number, "x" * 60)])
    files = sorted(tmp_path.glob("logs/*"))
    assert [path.name for path in files] == ["default.log", *(f"default.log.{n}" for n in range(1, KEPT + 1))]
    assert all(path.stat().st_size <= 1_000 and path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert json.loads(files[0].read_text().splitlines()[-1])["id"] == 99


def test_the_log_file_holds_nothing_secret(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "default.log", ["tok3n-value"])
    log.add([event(1, "sent Basic abc, mail a.b@c.example, token=xyz and tok3n-value")])
    text = (tmp_path / "default.log").read_text()
    assert not any(word in text for word in ("abc", "a.b@c.example", "xyz", "tok3n-value"))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is in a file
            await asyncio.sleep(0.05)


async def test_an_order_that_comes_in_is_told_once_and_what_was_there_is_not(
    sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(herald, "LOOK_SECONDS", 0.05)
    file = tmp_path / "told.jsonl"
    paths = Paths.under(tmp_path / "home")
    profile = profile_for(sandbox, notify={"command": command_that_keeps(file), "events": "new-order,sync-broken"})
    marks = paths.ledger / "herald-default.json"
    async with await Workspace.open(profile, paths) as workspace:
        await workspace.sync(["orders"])
        await workspace.engine.start()
        await until(lambda: marks.exists() and json.loads(marks.read_text())["order"] is not None)
        assert told(file) == []
        async with httpx.AsyncClient(base_url=sandbox.url) as http:
            (
                await http.post("/_sandbox/orders", json={"listing": str(sandbox.shop.listings.get(2).id)})
            ).raise_for_status()
        await workspace.sync(["orders"])
        await until(lambda: len(told(file)) == 1)
    (notice,) = told(file)
    assert (notice["event"], notice["count"]) == ("new-order", 1)
    assert "buyer" not in notice["things"][0]
    log = (paths.logs / "default.log").read_text()
    assert "130 seen" in log
    assert sandbox.token not in log
    async with await Workspace.open(profile, paths) as again:
        await again.engine.start()
        await again.note("info", "test", "the next process goes on")
        await until(lambda: "the next process goes on" in (paths.logs / "default.log").read_text())
    lines = [json.loads(line)["id"] for line in (paths.logs / "default.log").read_text().splitlines()]
    assert lines == sorted(set(lines)), "each event is in the file once"
    assert len(told(file)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="another program there")
async def test_the_desktop_gets_a_title_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/shown\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    # Whoever passes by sees it: it names no buyer, even where the command is told one.
    desk = Desk(tmp_path, command=None, desktop=True, buyer=True)
    desk.notifier.gather("late", LATE[:1])
    await desk.notifier.tell(NOW)
    assert (tmp_path / "shown").read_text().splitlines()[-1] == "1 order is late: 7"
    desk.notifier._limiter = AsyncLimiter(2, 3600)
    desk.notifier.gather("sync-broken", [Happening(1, "orders", "Back Market cannot be reached.")])
    await desk.notifier.tell(NOW)
    assert (tmp_path / "shown").read_text().splitlines() == [
        "--app-name=bmconsole", "--", "bmconsole default", "1 stream cannot be synchronised: orders"
    ]  # fmt: skip
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    desk.notifier.gather("sync-broken", [Happening(1, "orders", "")])
    await desk.notifier.tell(NOW)
    assert desk.lines == ["desktop: there is no program notify-send"]
