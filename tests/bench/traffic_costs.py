"""What a limiter costs: an acquire alone and behind a crowd, wake-ups while idle, slots leaked by cancelling."""

import asyncio
import selectors
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import httpx

from bmconsole.domain.priority import Priority
from bmconsole.traffic import LimitedTransport, MemoryLedger, Outcome, Rule, TrafficController
from bmconsole.traffic.clock import SystemClock
from bmconsole.traffic.ledger import Granted
from bmconsole.traffic.sqlite_ledger import SqliteLedger
from tests.bench.traffic_rivals import EDGE, RIVALS, Rival
from tests.traffic.loopback import StrictServer

T = TypeVar("T")
_GRANTS_A_SECOND = 4000


class CountingSelector(selectors.DefaultSelector):
    """Counts how often the event loop wakes up."""

    wake_ups = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.wake_ups += 1
        return super().select(timeout)


def in_a_loop(work: Callable[[CountingSelector], Coroutine[None, None, T]]) -> T:
    """Run `work` in a loop whose wake-ups are counted."""
    selector = CountingSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        return runner.run(work(selector))


def alone(name: str) -> float:
    """Return the µs of an acquire and its answer when there is room and nobody waits; the best of five."""

    async def work(_: CountingSelector) -> float:
        with tempfile.TemporaryDirectory() as folder:
            rival = RIVALS[name](1_000_000, 1.0, Path(folder))
            best = float("inf")
            for _round in range(5):
                began = time.process_time()
                for _request in range(2000):
                    (await rival.acquire(Priority.HIGH))()
                best = min(best, time.process_time() - began)
            await rival.aclose()
            return best / 2000 * 1e6

    return in_a_loop(work)


def behind_a_crowd(name: str, waiters: int) -> float:
    """Return the CPU µs a grant costs, tasks included, when so many background requests wait."""

    async def work(_: CountingSelector) -> float:
        with tempfile.TemporaryDirectory() as folder:
            rival = _paced(name, folder)

            async def one() -> None:
                (await rival.acquire(Priority.LOW))()

            began = time.process_time()
            tasks = [asyncio.create_task(one()) for _ in range(waiters)]
            await asyncio.wait(tasks, timeout=30.0)
            spent = time.process_time() - began
            served = sum(task.done() for task in tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await rival.aclose()
            return spent / max(1, served) * 1e6

    return in_a_loop(work)


def _paced(name: str, folder: str) -> Rival:
    if name == "aiolimiter, README":
        from tests.bench.traffic_rivals import AiolimiterReadme

        return AiolimiterReadme(10, 10 / _GRANTS_A_SECOND)
    return RIVALS[name](_GRANTS_A_SECOND, 1.0, Path(folder))


def idle_wake_ups(name: str) -> float:
    """Return wake-ups a second while 1,000 requests wait for a window that is full."""

    async def work(selector: CountingSelector) -> float:
        with tempfile.TemporaryDirectory() as folder:
            rival = RIVALS[name](10, 60.0, Path(folder))
            tasks = [asyncio.create_task(rival.acquire(Priority.CRITICAL)) for _ in range(1000)]
            await asyncio.sleep(1.0)
            before = selector.wake_ups
            await asyncio.sleep(3.0)
            woken = selector.wake_ups - before - 2  # the sleep of this function itself: its timer, its task
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await rival.aclose()
            return woken / 3.0

    return in_a_loop(work)


def leaked_slots() -> int:
    """Return how many of 10 slots are gone after ten requests were cancelled in the moment of their grant."""

    async def work(_: CountingSelector) -> int:
        rules = (Rule("edge", 10, 60.0),)
        controller = TrafficController(rules, MemoryLedger(rules))
        slots = [await controller.acquire(EDGE, Priority.CRITICAL) for _ in range(10)]
        tasks = [asyncio.create_task(controller.acquire(EDGE, Priority.CRITICAL)) for _ in range(10)]
        await asyncio.sleep(0)
        for slot in slots:
            slot.refund()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        used = controller.snapshot().rule("edge").used
        await controller.aclose()
        return used

    return in_a_loop(work)


def grant_from_the_file() -> tuple[float, float]:
    """Return the µs of one grant from the file and of one with the answer before it noted too (medians)."""

    async def work(_: CountingSelector) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            rules = (Rule("edge", 1_000_000, 10.0),)
            ledger = SqliteLedger(Path(folder) / "ledger-bench.db", rules, clock=SystemClock())
            grants, both = [], []
            for _request in range(1500):
                ledger.flush()
                began = time.perf_counter()
                answer = ledger.take(EDGE, Priority.HIGH, 0)
                grants.append(time.perf_counter() - began)
                assert isinstance(answer, Granted)
                ledger.settle(answer.ticket, Outcome.OK, "")
                began = time.perf_counter()
                answer = ledger.take(EDGE, Priority.HIGH, 0)
                both.append(time.perf_counter() - began)
                assert isinstance(answer, Granted)
                ledger.settle(answer.ticket, Outcome.OK, "")
                if _request % 100 == 0:
                    await asyncio.sleep(0)
            ledger.close()
            return statistics.median(grants) * 1e6, statistics.median(both) * 1e6

    return in_a_loop(work)


def request_itself(limited: bool) -> float:
    """Return the CPU µs of one GET with httpx over loopback, the server's included, with or without the limiter."""

    async def work(_: CountingSelector) -> float:
        async with StrictServer() as server:
            rules = (Rule("edge", 1_000_000, 10.0),)
            controller = TrafficController(rules, MemoryLedger(rules))
            inner = httpx.AsyncHTTPTransport()
            transport = LimitedTransport(inner, controller) if limited else inner
            async with httpx.AsyncClient(transport=transport, base_url=server.url) as client:
                await client.get("/ws/orders")
                began = time.process_time()
                for _request in range(500):
                    await client.get("/ws/orders", extensions={"priority": Priority.HIGH})
                spent = time.process_time() - began
            await controller.aclose()
            return spent / 500 * 1e6

    return in_a_loop(work)
