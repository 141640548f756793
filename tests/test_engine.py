import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bmconsole.engine import Engine, Job
from bmconsole.errors import DiskTrouble, Unreachable
from bmconsole.store import passes
from bmconsole.store.database import Database
from bmconsole.store.schema import MIRROR

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


class Bench:
    """Engines on one profile's files, with a log that can be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mirror = Database(folder / "mirror.db", MIRROR)
        self.lines: list[tuple[str, str, str]] = []
        self.runs: list[str] = []

    async def say(self, level: str, source: str, message: str, ref: str | None = None) -> None:
        self.lines.append((level, source, message))

    def engine(self, *jobs: Job, program: str = "run") -> Engine:
        return Engine(
            jobs,
            lock=self.folder / "engine.lock",
            heartbeat=self.folder / "engine.json",
            mirror=self.mirror,
            say=self.say,
            now=lambda: NOW,
            program=program,
        )

    def job(self, name: str = "orders", interval: float | None = 3600.0, fault: Exception | None = None) -> Job:
        async def run() -> str:
            self.runs.append(name)
            if fault is not None:
                raise fault
            return f"{name}: done"

        return Job(name, interval, run)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is another task's state, not an event of ours
            await asyncio.sleep(0.005)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.mirror.aclose()


async def test_overdue_work_runs_once_at_the_start_and_is_remembered(bench: Bench) -> None:
    engine = bench.engine(bench.job())
    await engine.start()
    await until(lambda: engine.jobs()[0].last_result == "orders: done")
    assert bench.runs == ["orders"]
    next_run = engine.jobs()[0].next_run
    assert next_run is not None
    assert timedelta(minutes=59) < next_run - NOW <= timedelta(hours=1)
    await engine.stop()
    again = bench.engine(bench.job())
    await again.start()
    await until(lambda: again.jobs()[0].next_run is not None)
    assert bench.runs == ["orders"], "what ran a moment ago is not due again"
    await again.stop()


async def test_a_trigger_runs_a_job_whose_timer_is_off(bench: Bench) -> None:
    engine = bench.engine(bench.job(interval=None))
    await engine.start()
    await until(lambda: any("runs here" in line[2] for line in bench.lines))
    assert bench.runs == []
    engine.trigger("orders")
    await until(lambda: engine.jobs()[0].last_result is not None)
    assert bench.runs == ["orders"]
    await engine.stop()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Unreachable("Back Market cannot be reached."), "Back Market cannot be reached."),
        (ValueError("a buyer's name"), "unexpected ValueError in test_engine.py"),
    ],
)
async def test_a_job_that_fails_says_so_and_leaves_the_others_alone(bench: Bench, fault: Exception, told: str) -> None:
    engine = bench.engine(bench.job(fault=fault), bench.job("listings"))
    await engine.start()
    await until(lambda: all(job.last_run is not None for job in engine.jobs()))
    orders, listings = engine.jobs()
    assert told in (orders.last_error or "")
    assert "buyer" not in (orders.last_error or "")
    assert (listings.last_result, listings.last_error) == ("listings: done", None)
    await engine.stop()


async def test_a_second_engine_stands_by_and_takes_over(bench: Bench) -> None:
    first = bench.engine(bench.job(), program="run")
    second = bench.engine(bench.job(), program="console")
    await first.start()
    await until(lambda: bench.runs == ["orders"] and first.holder() is not None)
    await second.start()
    assert (first.role, second.role) == ("here", "elsewhere")
    assert (second.holder() or "").startswith("run (pid ")
    assert second.jobs()[0].next_run is None
    await first.stop()
    await until(lambda: second.role == "here")
    await second.stop()
    assert second.role == "stopped"


async def test_a_trigger_works_beside_an_engine_elsewhere(bench: Bench) -> None:
    first, second = bench.engine(bench.job(interval=None)), bench.engine(bench.job(interval=None))
    await first.start()
    await second.start()
    second.trigger("orders")
    await until(lambda: bench.runs == ["orders"])
    await until(lambda: second.jobs()[0].last_result is not None)
    stream = await bench.mirror.read(lambda connection: passes.stream(connection, "orders"))
    assert stream.last_run == NOW
    await first.stop()
    await second.stop()


async def test_work_on_what_another_job_brings_waits_for_its_first_run(bench: Bench) -> None:
    gate = asyncio.Event()

    async def listings() -> str:
        await gate.wait()
        bench.runs.append("listings")
        return ""

    later = replace(bench.job("backbox"), after="listings")
    engine = bench.engine(later, Job("listings", 3600.0, listings))
    await engine.start()
    await until(lambda: engine.jobs()[1].running)
    assert bench.runs == []
    gate.set()
    await until(lambda: bench.runs == ["listings", "backbox"])
    await engine.stop()


async def test_work_that_may_come_later_leaves_the_start_alone_unless_it_is_asked_for(bench: Bench) -> None:
    engine = bench.engine(replace(bench.job("upkeep"), later=30.0), bench.job())
    await engine.start()
    await until(lambda: bench.runs == ["orders"])
    upkeep = engine.jobs()[0].next_run
    assert upkeep is not None
    assert timedelta(seconds=25) < upkeep - NOW <= timedelta(seconds=30)
    engine.trigger("upkeep")
    await until(lambda: bench.runs == ["orders", "upkeep"])
    await engine.stop()


async def test_asked_for_by_hand_it_does_not_wait(bench: Bench) -> None:
    later = replace(bench.job("backbox"), after="listings")

    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    engine = bench.engine(later, Job("listings", 3600.0, never))
    await engine.start()
    await until(lambda: engine.jobs()[1].running)
    engine.trigger("backbox")
    await until(lambda: bench.runs == ["backbox"])
    await engine.stop()


async def test_a_full_disk_ends_no_timer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = bench.engine(bench.job(interval=1.0))
    full = DiskTrouble("The disk is full.")

    async def refuse(*_: object, **__: object) -> None:
        raise full

    monkeypatch.setattr(bench, "say", refuse)
    monkeypatch.setattr(bench.mirror, "write", refuse)
    engine = bench.engine(bench.job(interval=1.0))
    await engine.start()
    await until(lambda: len(bench.runs) >= 2)
    assert engine.trouble == "The disk is full."
    assert engine.role == "here"
    monkeypatch.undo()
    await until(lambda: engine.trouble is None)
    await engine.stop()


async def test_asking_twice_while_it_runs_makes_one_more_run_and_never_two_at_once(bench: Bench) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    inside = most = 0

    async def run() -> str:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await gates[len(bench.runs)].wait()
        bench.runs.append("orders")
        inside -= 1
        return ""

    engine = bench.engine(Job("orders", None, run))
    await engine.start()
    engine.trigger("orders")
    await until(lambda: inside == 1)
    engine.trigger("orders")
    engine.trigger("orders")
    gates[0].set()
    await until(lambda: len(bench.runs) == 1 and inside == 1)
    gates[1].set()
    await until(lambda: len(bench.runs) == 2 and not engine.jobs()[0].running)
    assert most == 1
    await engine.stop()


async def test_what_is_in_flight_is_let_finish_before_the_engine_ends(bench: Bench) -> None:
    sent, answer = asyncio.Event(), asyncio.Event()

    async def run() -> str:
        sent.set()
        await answer.wait()
        bench.runs.append("orders")
        return "done"

    async def finish() -> None:
        answer.set()

    engine = Engine(
        [Job("orders", 60.0, run)],
        lock=bench.folder / "engine.lock",
        heartbeat=bench.folder / "engine.json",
        mirror=bench.mirror,
        say=bench.say,
        now=lambda: NOW,
        program="run",
        finish=finish,
    )
    await engine.start()
    await sent.wait()
    await engine.stop()
    assert bench.runs == ["orders"]
    stream = await bench.mirror.read(lambda connection: passes.stream(connection, "orders"))
    assert stream.last_result == "done"
