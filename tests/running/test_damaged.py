"""Small files of processes that are damaged: nothing is taken from them, and nothing ends by them."""

import json
import time
from pathlib import Path

import pytest

from bmconsole.console.personal import State, read_state
from bmconsole.profile import Notify
from bmconsole.running.herald import Herald
from bmconsole.running.logfile import LogFile
from bmconsole.running.notices import Notifier
from bmconsole.running.presence import everyone
from bmconsole.store import events
from bmconsole.store.alive import Life
from bmconsole.store.database import Database
from bmconsole.store.schema import HISTORY, JOURNAL, MIRROR
from tests.store.test_health import NOW

HARMS = ["", "\0\0\0", "[" * 100_000, "[]", '"x"', "{}", '{"event": "x"}', '{"event": 1e999}']


@pytest.mark.parametrize("text", [*HARMS, '{"pid": 1e999, "beat": 1}'])
def test_a_damaged_presence_is_passed_over(tmp_path: Path, text: str) -> None:
    life = Life(tmp_path / "lives")
    (tmp_path / "processes").mkdir()
    told = {"pid": 1, "program": "run", "profile": "x", "engine": "here", "doing": [], "waiting": {}, "trouble": None}
    file = tmp_path / "processes" / f"{life.name}.json"
    file.write_text(json.dumps({**told, "started": time.time(), "beat": time.time()}))
    assert [process.program for process in everyone(tmp_path)] == ["run"]
    file.write_text(text)
    assert everyone(tmp_path) == []
    file.write_text(json.dumps({**told, "started": 1e30, "beat": 1}))
    assert everyone(tmp_path) == []
    life.end()


@pytest.mark.parametrize("text", [*HARMS, '{"event": 1, "late": [1e30]}', f'{{"event": {10**30}}}', '{"broken": [1]}'])
async def test_a_herald_with_damaged_marks_begins_with_what_is_there(tmp_path: Path, text: str) -> None:
    kinds = {"mirror": MIRROR, "journal": JOURNAL, "history": HISTORY}
    files = {name: Database(tmp_path / f"{name}.db", schema) for name, schema in kinds.items()}
    await files["history"].write(lambda connection: events.add(connection, NOW, "info", "test", "something", None))
    marks = tmp_path / "herald.json"
    marks.write_text(text)

    async def say(level: str, source: str, message: str) -> None:
        raise AssertionError(message)

    log = LogFile(tmp_path / "logs" / "x.log")
    notifier = Notifier(Notify(command="true"), "x", say)
    herald = Herald(**files, file=marks, log=log, notifier=notifier, now=lambda: NOW, holds_engine=lambda: True)
    await herald.look()
    assert json.loads(marks.read_text())["event"] == 1
    for file in files.values():
        await file.aclose()


@pytest.mark.parametrize("text", [*HARMS, '{"tab": 1}', '{"orders": {"where": []}}', '{"commands": [1]}'])
def test_a_console_that_finds_its_state_damaged_begins_with_a_new_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "console.json"
    file.write_text(text)
    assert read_state(file) == State()
