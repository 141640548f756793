"""A machine in virtual time that runs the engine: it sleeps, its clock is set, the engine ends and starts anew."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
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
BEGIN = 1_000.0
"""What the machine's clock shows when it is switched on."""


@contextmanager
def fewer_looks() -> Iterator[None]:
    """Have the engine look at the clocks every `LOOKS` seconds only."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr("bmconsole.engine._BEAT_SECONDS", LOOKS)
        yield


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
    starts: list[float] = field(default_factory=list)
    """When an engine began."""
    sets: list[float] = field(default_factory=list)
    """When the clock that people set was set."""

    def boot(self) -> float:
        return self.loop.time() + self.slept

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall + self.boot(), UTC)

    def sleep(self, seconds: float) -> None:
        """The lid is closed, and opened again after so many seconds."""
        self.away.append((self.boot(), self.boot() + seconds))
        self.slept += seconds

    def set_clock(self, now: datetime | float) -> None:
        """Set the time of day: to a moment, or by so many seconds."""
        self.sets.append(self.boot())
        if isinstance(now, datetime):
            self.wall = now.timestamp() - self.boot()
        else:
            self.wall += now

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
        self.starts.append(self.boot())
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()

    def missed_or_doubled(self, name: str) -> list[str]:
        """Return every run that began neither at its time nor as soon as somebody was there to begin it.

        An engine that starts knows of the last run only what the clock said then: where that was set since, the next
        run comes at once or within one interval.
        """
        interval = JOBS[name]
        wrong = []
        ends = [*self.runs[name][1:], (self.boot(), self.boot())]
        for (began, ended), (following, _) in zip(self.runs[name], ends, strict=True):
            is_last = following == self.boot()
            earliest = began + interval - min(interval * 0.05, 60.0)
            latest = max(began + interval, ended) + LATE
            for start in self.starts:
                if began < start <= following and any(began <= at <= start for at in self.sets):
                    earliest, latest = start, max(latest, start + interval + LATE)
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
