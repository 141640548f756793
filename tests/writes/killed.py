"""A process that carries out one write and dies at a named step of it; started from a server that has all imports."""

import asyncio
import multiprocessing
import os
from pathlib import Path

from bmconsole.domain.intents import Intent
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.sandbox import RunningSandbox
from bmconsole.workspace import Workspace
from bmconsole.writes.crashpoints import VARIABLE
from tests.conftest import profile_for

KILLED = -9
FAST = {"edge": "100000/1", "sensitive": "100000/1", "sku_lines": "1000000/1"}

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.writes.killed", "bmconsole.sandbox.server"])


def fast_profile(sandbox: RunningSandbox, **changes: object) -> Profile:
    """Return a profile whose limits are out of the way, for a sandbox without any."""
    return profile_for(sandbox, limits=FAST, **changes)


async def write(workspace: Workspace, kind: str, target: str, value: str) -> list[Intent]:
    """Carry out the one write that these tests know of each kind."""
    match kind:
        case "listing":
            plan = await workspace.plan_listing(target, "de-de", {"price": value, "quantity": "7"})
        case "stock":
            plan = await workspace.plan_listing(target, "de-de", {"quantity": value})
        case "invoice":
            plan = await workspace.plan_invoice(int(target), value.encode())
        case _:
            plan = await workspace.plan_ship(int(target), value)
    return await workspace.apply(plan, files=[value.encode()] if kind == "invoice" else [])


def _main(profile: Profile, home: str, step: str, kind: str, target: str, value: str) -> None:
    os.environ[VARIABLE] = step

    async def work() -> None:
        async with await Workspace.open(profile, Paths.under(Path(home))) as workspace:
            await write(workspace, kind, target, value)

    asyncio.run(work())


def dies(profile: Profile, home: Path, step: str, kind: str, target: str, value: str) -> bool:
    """Carry a write out in a process that dies at `step`; return whether it came that far."""
    process = _PROCESSES.Process(target=_main, args=(profile, str(home), step, kind, target, value))
    process.start()
    process.join(30)
    assert process.exitcode is not None, "it hangs"
    assert process.exitcode in (0, KILLED), process.exitcode
    return process.exitcode == KILLED
