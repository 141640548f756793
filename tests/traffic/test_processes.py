"""Real processes that share one token, some of them killed or stopped. They take seconds: processes do."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from bmconsole.domain.priority import Priority
from bmconsole.traffic import Notice, open_traffic
from tests.traffic.loopback import StrictServer
from tests.traffic.server import fullest
from tests.traffic.world import EDGE

LIMIT, WINDOW = 40, 1.0
HOLD = """
import sys, time
from pathlib import Path
from bmconsole.traffic.ledger_file import open_file
connection = open_file(Path(sys.argv[1]))
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(60)
"""


async def start(folder: Path, server: StrictServer, name: str, seconds: float) -> Process:
    arguments = [str(folder), server.url, f"{LIMIT}/{WINDOW}", name, str(seconds)]
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.traffic.child", *arguments)


async def heard_from(server: StrictServer, name: str, more: int) -> None:
    """Wait until a process has sent so many more."""

    def count() -> int:
        return sum(1 for arrival in server.arrivals if arrival.headers.get("x-child") == name)

    wanted = count() + more
    while count() < wanted:
        await server.arrived(len(server.arrivals) + 1)


def check(server: StrictServer) -> None:
    assert server.trips == 0
    assert {arrival.status for arrival in server.arrivals} <= {200, 0}
    assert fullest([(arrival.at, 1) for arrival in server.arrivals], WINDOW) <= LIMIT


async def test_four_processes_of_which_one_is_killed_and_one_stopped(tmp_path: Path) -> None:
    async with StrictServer(limit=LIMIT, window=WINDOW, jitter=0.1) as server:
        children = {name: await start(tmp_path, server, name, 60) for name in ("a", "b", "c", "d")}
        await asyncio.gather(*(heard_from(server, name, 10) for name in children))

        children["a"].kill()
        await children["a"].wait()
        children["a2"] = await start(tmp_path, server, "a2", 60)
        children["b"].send_signal(signal.SIGSTOP)
        await asyncio.gather(*(heard_from(server, name, 10) for name in ("a2", "c", "d")))

        children["b"].send_signal(signal.SIGCONT)
        await asyncio.gather(*(heard_from(server, name, 5) for name in ("a2", "b", "c", "d")))
        for child in children.values():
            if child.returncode is None:
                child.kill()
            await child.wait()
    check(server)


async def test_a_process_killed_in_flight_and_restarted_at_once_never_overruns(tmp_path: Path) -> None:
    async with StrictServer(limit=LIMIT, window=WINDOW, jitter=0.3, service=0.2) as server:
        steady = await start(tmp_path, server, "steady", 60)
        await heard_from(server, "steady", 5)
        for attempt in range(3):
            mortal = await start(tmp_path, server, f"mortal {attempt}", 60)
            await heard_from(server, f"mortal {attempt}", 5)
            mortal.kill()
            await mortal.wait()
        steady.kill()
        await steady.wait()
    check(server)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")
async def test_who_holds_the_ledger_is_named_and_its_death_frees_it(tmp_path: Path) -> None:
    controller = await open_traffic(folder=tmp_path, key="test")
    told: asyncio.Queue[Notice] = asyncio.Queue()
    controller.subscribe(told.put_nowait)
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(tmp_path / "ledger-test.db"), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    waiting = asyncio.create_task(controller.acquire(EDGE, Priority.HIGH))
    async with asyncio.timeout(20):
        notice = await told.get()
    assert notice.kind == "held"
    assert f"pid {holder.pid}" in notice.message
    assert not waiting.done()
    holder.kill()
    await holder.wait()
    async with asyncio.timeout(20):
        (await waiting).answered()
    await controller.aclose()
