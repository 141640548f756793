"""The engine's timers through a day in virtual time: the machine sleeps, its clock is set, the engine starts anew."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from bmconsole.engine import Engine, Job
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import Connection, connect, immediate, migrate
from tests.traffic.virtual import VirtualLoop, run

T = TypeVar("T")

HOUR = 3_600.0
DAY = 24 * HOUR
JOBS = {"orders": 900.0, "listings": HOUR, "backbox": HOUR, "watch": 60.0, "upkeep": DAY}
TAKES = {"orders": 40.0, "listings": 300.0, "backbox": 1_500.0, "watch": 0.5, "upkeep": 20.0}
LATE = 3.0
"""Seconds that a run may begin after its time: as long may the machine sleep without being noticed."""
LOOKS = 30.0
"""Seconds between two looks at whether the machine slept: fewer than in truth, for each writes a file."""
NOTICED = LOOKS + LATE


@pytest.fixture(autouse=True)
def _fewer_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bmconsole.engine._BEAT_SECONDS", LOOKS)


class InLine:
    """The mirror without its threads, which live in real time."""

    def __init__(self, path: Path) -> None:
        migrate(path, MIRROR)
        self.connection = connect(path)

    async def read(self, work: Callable[[Connection], T]) -> T:
        return work(self.connection)

    async def write(self, work: Callable[[Connection], T]) -> T:
        with immediate(self.connection):
            return work(self.connection)


@dataclass
class Machine:
    """Clocks as a machine has them: one that stands still in sleep, one that goes on, and one that people set."""

    loop: VirtualLoop
    folder: Path
    mirror: InLine
    slept: float = 0.0
    wall: float = 1_790_000_000.0
    runs: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {name: [] for name in JOBS})
    inside: set[str] = field(default_factory=set)
    away: list[tuple[float, float]] = field(default_factory=list)
    """When the machine slept or the engine was not there, from and until."""

    def boot(self) -> float:
        return self.loop.time() + self.slept

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall + self.boot(), UTC)

    def sleep(self, seconds: float) -> None:
        """The lid is closed, and opened again after so many seconds."""
        self.away.append((self.boot(), self.boot() + seconds))
        self.slept += seconds

    def job(self, name: str, interval: float) -> Job:
        async def work() -> str:
            assert name not in self.inside, f"{name} runs twice at once"
            self.inside.add(name)
            began = self.boot()
            try:
                await asyncio.sleep(TAKES[name])
                self.runs[name].append((began, self.boot()))
            finally:
                self.inside.discard(name)
            return ""

        return Job(name, interval, work)

    @asynccontextmanager
    async def engine(self, seed: int) -> AsyncIterator[Engine]:
        async def say(level: str, source: str, message: str, ref: str | None = None) -> None:
            assert level != "error", message

        engine = Engine(
            [self.job(name, interval) for name, interval in JOBS.items()],
            lock=self.folder / "engine.lock",
            heartbeat=self.folder / "engine.json",
            mirror=self.mirror,
            say=say,
            now=self.now,
            program="run",
            monotonic=self.boot,
            chance=random.Random(seed).random,
        )
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()

    def missed_or_doubled(self, name: str) -> list[str]:
        """Return every run that began neither at its time nor as soon as somebody was there to begin it."""
        interval = JOBS[name]
        wrong = []
        ends = [*self.runs[name][1:], (self.boot(), self.boot())]
        for (began, ended), (following, _) in zip(self.runs[name], ends, strict=True):
            is_last = following == self.boot()
            earliest = began + interval - min(interval * 0.05, 60.0)
            latest = max(began + interval, ended) + LATE
            for start, end in self.away:
                if start <= max(following, latest) and end + NOTICED >= earliest:
                    latest = max(latest, end + NOTICED)
            if following > latest + (TAKES[name] if is_last else 0.0) or (following < earliest and not is_last):
                wrong.append(f"{name}: after {began:.1f} came {following:.1f}, not {earliest:.1f} to {latest:.1f}")
        return wrong


def through(tmp_path: Path, day: Callable[[Machine], Coroutine[None, None, None]]) -> Machine:
    """Let an asynchronous function have its day, in virtual time."""
    loop = VirtualLoop()
    mirror = InLine(tmp_path / "mirror.db")
    machine = Machine(loop, tmp_path, mirror)
    with closing(mirror.connection):
        run(loop, day(machine))
    return machine


def events(machine: Machine, dice: random.Random) -> list[Callable[[], Awaitable[None] | None]]:
    def set_clock() -> None:
        machine.wall += dice.choice((-1, 1)) * dice.choice((1.5, 90.0, HOUR, 40 * HOUR))

    return [
        set_clock,
        lambda: machine.sleep(dice.choice((3.0, 50.0, 20 * 60.0, 2 * HOUR, 5 * HOUR))),
        lambda: machine.sleep(dice.uniform(0.0, 100.0)),
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_with_sleep_and_clocks_that_are_set_has_no_missed_doubled_or_overlapping_run(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)

    async def day(machine: Machine) -> None:
        async with machine.engine(seed):
            while machine.boot() < 1000.0 + DAY:
                await asyncio.sleep(dice.uniform(60.0, 1.5 * HOUR))
                dice.choice(events(machine, dice))()

    machine = through(tmp_path, day)
    assert [each for name in JOBS for each in machine.missed_or_doubled(name)] == []
    assert machine.away, "the machine never slept: this day proves little"
    awake = machine.loop.time() - 1000.0
    assert len(machine.runs["watch"]) >= awake / 60.0 - 1
    assert len(machine.runs["watch"]) <= awake / 57.0 + len(machine.away) + 1, "what was missed in sleep runs once"


def test_a_day_of_an_engine_that_is_ended_and_started_anew(tmp_path: Path) -> None:
    dice = random.Random(5)

    async def day(machine: Machine) -> None:
        while machine.boot() < 1000.0 + DAY:
            async with machine.engine(dice.randrange(1000)):
                await asyncio.sleep(dice.uniform(60.0, 4 * HOUR))
            ended = machine.boot()
            await asyncio.sleep(dice.choice((0.0, 30.0, 2 * HOUR)))
            machine.away.append((ended, machine.boot()))

    machine = through(tmp_path, day)
    assert [each for name in JOBS for each in machine.missed_or_doubled(name)] == []
    assert len(machine.runs["upkeep"]) >= 1


def test_a_day_without_anything_runs_everything_as_often_as_it_should(tmp_path: Path) -> None:
    async def day(machine: Machine) -> None:
        async with machine.engine(9):
            await asyncio.sleep(DAY)

    machine = through(tmp_path, day)
    for name, interval in JOBS.items():
        assert DAY // interval <= len(machine.runs[name]) <= DAY / (interval * 0.95) + 1
    starts = {name: runs[1][0] % 60.0 for name, runs in machine.runs.items() if len(runs) > 1}
    assert len(set(starts.values())) == len(starts), "timers that began together have parted"
