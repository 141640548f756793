"""Processes see what the others do."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from bmconsole.paths import Paths
from bmconsole.running.presence import Doing, Presence
from bmconsole.sandbox import RunningSandbox
from bmconsole.store.alive import Life
from bmconsole.workspace import Workspace
from tests.conftest import OFF, profile_for


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is in a file of another task
            await asyncio.sleep(0.02)


async def test_each_process_is_seen_with_what_it_does(tmp_path: Path) -> None:
    doing = Doing("run", "default", "here", ("orders",), {"low": 3, "high": 0}, None)
    ours, theirs = Life(tmp_path / "lives"), Life(tmp_path / "lives")
    seen, looking = Presence(tmp_path, ours, lambda: doing), Presence(tmp_path, theirs, lambda: doing)
    assert looking.everyone() == []
    seen.start()
    await until(lambda: len(looking.everyone()) == 1)
    (process,) = looking.everyone()
    assert (process.name, process.engine, process.doing) == (f"run (pid {os.getpid()})", "here", ("orders",))
    assert process.waiting == {"low": 3}
    assert process.silent < 5.0
    doing = Doing("run", "default", "here", ("listings",), {}, "The disk is full.")
    await until(lambda: looking.everyone()[0].doing == ("listings",))
    assert looking.everyone()[0].trouble == "The disk is full."
    await seen.stop()
    assert looking.everyone() == []
    ours.end()
    theirs.end()


async def test_what_a_killed_process_said_is_cleared_away(tmp_path: Path) -> None:
    code = """if True:
        import asyncio, sys
        from pathlib import Path
        from bmconsole.running.presence import Doing, Presence
        from bmconsole.store.alive import Life
        async def main():
            folder = Path(sys.argv[1])
            presence = Presence(folder, Life(folder / "lives"), lambda: Doing("run", "x", "here", (), {}, None))
            presence.start()
            await asyncio.sleep(60)
        asyncio.run(main())"""
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])  # noqa: ASYNC220 - it starts at once
    life = Life(tmp_path / "lives")
    looking = Presence(tmp_path, life, lambda: Doing("command", "x", "stopped", (), {}, None))
    try:
        await until(lambda: len(looking.everyone()) == 1)
        assert looking.everyone()[0].pid == child.pid
    finally:
        child.kill()
        await asyncio.to_thread(child.wait)
    assert looking.everyone() == []
    assert list((tmp_path / "processes").iterdir()) == []
    life.end()


async def test_a_file_that_makes_no_sense_is_nobody(tmp_path: Path) -> None:
    ours = Life(tmp_path / "lives")
    presence = Presence(tmp_path, ours, lambda: Doing("run", "x", "here", (), {}, None))
    (tmp_path / "processes").mkdir()
    for text in ("", "[]", json.dumps({"pid": "x"}), '{"pid": 1}'):
        (tmp_path / "processes" / f"{ours.name}.json").write_text(text)
        assert presence.everyone() == []
    ours.end()


async def test_the_status_of_one_workspace_shows_another_at_work(sandbox: RunningSandbox, tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    async with (
        await Workspace.open(profile_for(sandbox), paths, console=True) as console,
        await Workspace.open(profile_for(sandbox), paths) as other,
    ):
        await console.engine.start()
        async with asyncio.timeout(10):
            while not (state := await other.status()).processes:  # noqa: ASYNC110 - it is in a file of another task
                await asyncio.sleep(0.05)
        (process,) = [each for each in state.processes if each.program == "console"]
        assert (process.engine, process.profile) == ("here", "default")
        assert (state.engine, state.engine_holder) == ("elsewhere", process.name)
        assert set(state.sizes) == {"mirror.db", "journal.db", "history.db"}
        assert state.free_bytes


async def test_a_page_that_is_on_its_way_is_stored_before_the_engine_leaves(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    profile = profile_for(sandbox, schedule=OFF | {"orders": "1h"})
    async with httpx.AsyncClient(base_url=sandbox.url) as http:
        slow = [{"kind": "latency", "seconds": 0.5, "path": "/ws/orders"}]
        (await http.put("/_sandbox/faults", json=slow)).raise_for_status()
    workspace = await Workspace.open(profile, Paths.under(tmp_path))
    await workspace.engine.start()
    async with asyncio.timeout(10):
        while not (workspace._remote._last and workspace._remote._last._flying):  # noqa: ASYNC110 - no event of ours
            await asyncio.sleep(0.005)
    await workspace.engine.stop()
    stored = await workspace.orders_count()
    await workspace.aclose()
    assert stored >= 50
    assert sandbox.journal.count("GET", status=200) == sandbox.journal.total
