"""What takes hours, in virtual time: windows under odd latencies, starvation in a storm, a stranger on the token."""

import asyncio
from itertools import pairwise

from bmconsole.domain.priority import Priority
from bmconsole.traffic import Outcome, Rule
from tests.traffic.world import EDGE, Latency, World, uniform

RULES = (Rule("edge", 200, 10.0, reserve=4),)


def fullest_window(hours: float, latency: Latency) -> tuple[int, float]:
    """Return the most in a server window, and the share of the limit, of so many saturated hours."""
    world = World(RULES, latency=latency)
    seconds = hours * 3600

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(
            world.saturate(controller, Priority.LOW, seconds, backlog=80),
            world.now_and_then(controller, Priority.HIGH, seconds, rate=0.1, most=6),
        )
        await controller.aclose()

    world.run(scenario)
    return world.oracle.fullest("edge"), len(world.oracle.arrivals["edge"]) / (20 * seconds)


def longest_gap_in_a_storm(seconds: float = 300.0) -> float:
    """Return the longest time in which LOW got nothing while HIGH asked for twice the limit."""
    world = World(RULES, latency=uniform(0.2))

    async def scenario() -> None:
        controller = world.controller()
        backlog = asyncio.create_task(world.saturate(controller, Priority.LOW, seconds, backlog=100))
        flood = []
        for _ in range(int(seconds * 40)):
            await asyncio.sleep(1 / 40)
            flood.append(asyncio.create_task(world.request(controller, Priority.HIGH)))
        await backlog
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        await controller.aclose()

    world.run(scenario)
    return max(later - earlier for earlier, later in pairwise(world.grants[Priority.LOW]))


def beside_a_stranger(hours: float, a_second: float = 2.0) -> tuple[float, float]:
    """Return our share of what a stranger leaves, and blocks an hour, at a server that blocks for ten seconds."""
    world = World(RULES)
    window: list[float] = []
    ours = blocks = 0
    blocked_until = 0.0
    seconds = hours * 3600

    def serve(own: bool) -> bool:
        nonlocal ours, blocks, blocked_until
        now = world.loop.time()
        if now < blocked_until:
            return False
        while window and window[0] <= now - 10:
            del window[0]
        if len(window) >= 200:
            blocks += 1
            blocked_until = now + 10
            return False
        window.append(now)
        ours += own
        return True

    async def scenario() -> None:
        controller = world.controller()
        end = world.loop.time() + seconds
        latency = uniform(0.2)

        async def worker() -> None:
            while world.loop.time() < end:
                slot = await controller.acquire(EDGE, Priority.LOW)
                out, back = latency()
                await asyncio.sleep(out)
                served = serve(own=True)
                await asyncio.sleep(back)
                slot.answered(Outcome.OK if served else Outcome.THROTTLED)

        workers = [asyncio.create_task(worker()) for _ in range(40)]
        while world.loop.time() < end:
            await asyncio.sleep(1 / a_second)
            serve(own=False)
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await controller.aclose()

    world.run(scenario)
    return ours / ((20 - a_second) * seconds), blocks / hours
