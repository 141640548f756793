"""The limiter beside others at a strict server on loopback: `python -m tests.bench.traffic [--seconds 60 --hours 20]`.

200 requests in 10 s, the 201st starts a block of 10 s; arrival jitter up to 0.2 s; 10,000 background requests queued
and an interactive one three times a second, or page loads of one to six. Every limiter and every server is a process of
its own. Prints one table.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable
from pathlib import Path

import httpx

from bmconsole.domain.priority import Priority
from bmconsole.traffic.stats import percentile
from tests.bench import traffic_costs as costs
from tests.bench import traffic_virtual as virtual
from tests.bench.traffic_rivals import RIVALS, Ours
from tests.traffic.loopback import StrictServer
from tests.traffic.server import fullest
from tests.traffic.world import lognormal, uniform

LIMIT, WINDOW, JITTER, SERVICE = 200, 10.0, 0.2, 0.05
Figures = dict[str, float]


async def serve(seconds: float) -> None:
    """Be the server: print the address, then on a line from stdin what arrived in the seconds since the first."""
    async with StrictServer(limit=LIMIT, window=WINDOW, jitter=JITTER, service=SERVICE) as server:
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        first = server.arrivals[0].at
        accepted = [arrival.at for arrival in server.arrivals if arrival.status in (0, 200)]
        most = fullest(((at, 1) for at in accepted), WINDOW)
        inside = sum(1 for at in accepted if at < first + seconds)
        figures = {"accepted": inside, "most": most, "trips": server.trips, "refused": server.refused}
        print(json.dumps(figures), flush=True)


async def load(rival_name: str, url: str, seconds: float, folder: str, backlog: int, probes: str) -> None:
    """Be a client: print waits of the interactive requests, mean round trip and CPU."""
    rival = RIVALS[rival_name](LIMIT, WINDOW, Path(folder))
    if isinstance(rival, Ours) and probes == "pages":
        rival.controller.attach(True)  # pages are loaded by consoles
    waits: list[float] = []
    trips: list[float] = []
    loop = asyncio.get_running_loop()
    limits = httpx.Limits(max_connections=60, max_keepalive_connections=60)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:

        async def one(priority: Priority) -> None:
            asked = loop.time()
            try:
                answered = await rival.acquire(priority)
            finally:
                if priority is Priority.HIGH:
                    waits.append(loop.time() - asked)
            granted = loop.time()
            await client.get("/ws/orders")
            answered()
            trips.append(loop.time() - granted)

        tasks = [asyncio.create_task(one(Priority.LOW)) for _ in range(backlog)]
        rng = random.Random(11)
        began, cpu = loop.time(), time.process_time()
        while probes != "none" and loop.time() < began + seconds:
            await asyncio.sleep(rng.expovariate(3.0 if probes == "single" else 0.5))
            count = 1 if probes == "single" else rng.randint(1, 6)
            tasks += [asyncio.create_task(one(Priority.HIGH)) for _ in range(count)]
        await asyncio.sleep(max(0.0, began + seconds - loop.time()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        spent = time.process_time() - cpu
    await rival.aclose()
    figures = {"waits": sorted(waits), "round_trip": sum(trips) / max(1, len(trips)), "cpu": 100 * spent / seconds}
    print(json.dumps(figures), flush=True)


async def spawn(*arguments: object) -> Process:
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.traffic", *map(str, arguments)]
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=2**24)


async def line(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def run(seconds: float, clients: Iterable[tuple[str, int, str]]) -> Figures:
    """Run clients (rival, backlog, probes) of one token against one server; the probes' waits are the last client's."""
    with tempfile.TemporaryDirectory() as folder:
        server = await spawn("--serve", "--seconds", seconds)
        url = await line(server)
        processes = []
        for name, backlog, probes in clients:
            arguments = ["--load", name, "--url", url, "--seconds", seconds, "--folder", folder]
            processes.append(await spawn(*arguments, "--backlog", backlog, "--probes", probes))
        answers = [json.loads(await line(process)) for process in processes]
        assert server.stdin is not None
        server.stdin.write(b"\n")
        seen = json.loads(await line(server))
        for process in [*processes, server]:
            await process.wait()
    waits = answers[-1]["waits"]
    round_trip = max(answer["round_trip"] for answer in answers)
    share = seen["accepted"] / (LIMIT / WINDOW * seconds)
    return {
        "share": share,
        "of possible": share * (WINDOW + round_trip) / WINDOW,
        "trips": seen["trips"],
        "429s": seen["refused"],
        "most": seen["most"],
        "p50": percentile(waits, 0.5),
        "p99": percentile(waits, 0.99),
        "cpu": max(answer["cpu"] for answer in answers),
    }


async def over_http(seconds: float, matching: str) -> None:
    print(f"\nReal HTTP, {seconds:.0f} s, {LIMIT} in {WINDOW:.0f} s, jitter to {JITTER} s, 10,000 queued")
    head = ("share", "of W/(W+RTT)", "trips", "429s", "most", "p50 s", "p99 s", "CPU %")
    print(f"{'':48}" + "".join(f"{title:>14}" for title in head))
    file, memory = "here, ledger in a file", "here, ledger in memory"
    cases: list[tuple[str, list[tuple[str, int, str]]]] = [
        (f"{name}, 3 probes/s", [(name, 10_000, "single")]) for name in RIVALS
    ]
    cases += [
        (f"{memory}, page loads", [(memory, 10_000, "pages")]),
        (f"{file}, page loads", [(file, 10_000, "pages")]),
        ("here, backlog in another process, 3 probes/s", [(file, 10_000, "none"), (file, 0, "single")]),
        ("here, backlog in another process, page loads", [(file, 10_000, "none"), (file, 0, "pages")]),
        ("here, four processes saturating", [(file, 2_500, "none")] * 4),
    ]
    for title, clients in cases:
        if matching not in title:
            continue
        figures = await run(seconds, clients)
        numbers = (
            f"{figures['share']:14.4f}{figures['of possible']:14.4f}{figures['trips']:14.0f}{figures['429s']:14.0f}"
            f"{figures['most']:14.0f}{figures['p50']:14.3f}{figures['p99']:14.3f}{figures['cpu']:14.1f}"
        )
        print(f"{title:48}{numbers}", flush=True)


def print_costs() -> None:
    print("\nCosts, CPU µs (tasks included behind a crowd)")
    print(f"{'':48}{'alone':>14}{'1k waiters':>14}{'10k waiters':>14}{'idle wakes/s':>14}")
    for name in RIVALS:
        if name == "aiolimiter, safest + gate":
            continue
        values = (costs.alone(name), costs.behind_a_crowd(name, 1_000), costs.behind_a_crowd(name, 10_000))
        wakes = costs.idle_wake_ups(name)
        print(f"{name:48}" + "".join(f"{value:14.1f}" for value in (*values, wakes)), flush=True)
    plain, limited = costs.request_itself(limited=False), costs.request_itself(limited=True)
    grant, with_answer = costs.grant_from_the_file()
    print(f"one request with httpx {plain:.0f} µs, through the limiter {limited:.0f} µs (server included)")
    print(f"a grant from the file {grant:.0f} µs, with noting the answer before it {with_answer:.0f} µs")
    print(f"slots leaked by ten cancelled at their grant: {costs.leaked_slots()}", flush=True)


def print_virtual(hours: float) -> None:
    print(f"\nVirtual time, {hours:.0f} h")
    for title, latency in (("latency uniform to 2 s", uniform(2.0)), ("latency log-normal to 8 s", lognormal())):
        most, share = virtual.fullest_window(hours, latency)
        print(f"{title:48}most in a window {most}, share {share:.4f}", flush=True)
    print(f"{'LOW in a storm of HIGH at twice the limit':48}longest gap {virtual.longest_gap_in_a_storm():.2f} s")
    share, blocks = virtual.beside_a_stranger(min(hours, 8))
    print(f"{'beside a stranger who takes 10 %':48}share of the rest {share:.3f}, blocks an hour {blocks:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--hours", type=float, default=20.0)
    parser.add_argument("--only", choices=["http", "costs", "virtual"])
    parser.add_argument("--match", default="", help="only those cases over HTTP whose title contains this")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--load", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--backlog", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--probes", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.seconds))
    elif given.load:
        asyncio.run(load(given.load, given.url, given.seconds, given.folder, given.backlog, given.probes))
    else:
        if given.only in (None, "costs"):
            print_costs()
        if given.only in (None, "http"):
            asyncio.run(over_http(given.seconds, given.match))
        if given.only in (None, "virtual"):
            print_virtual(given.hours)


if __name__ == "__main__":
    main()
