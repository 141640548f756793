"""M3: days of the engine in virtual time whose clocks are set, change over, start at 1970 and stand still in sleep."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.fire.rows import Outcome, Row, Task
from tests.virtual_day import BEGIN, DAY, HOUR, JOBS, Machine, fewer_looks, through

KINDS = ("all", "an hour on or back", "summer begins", "summer ends", "1970", "2099", "suspend")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = datetime(2099, 12, 31, 20, tzinfo=UTC)
_ZONES = {
    "Europe/Paris": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Sydney": (datetime(2026, 10, 3, 16, tzinfo=UTC), datetime(2026, 4, 4, 16, tzinfo=UTC)),
}
"""When summer time begins and ends where the machine stands."""
_RESTART = 0.25
_SLEEPS = (3.0, 50.0, 20 * 60.0, 2 * HOUR, 5 * HOUR, 10 * HOUR)


@contextmanager
def local_zone(name: str) -> Iterator[None]:
    """Have the process believe that it stands in a zone, where that can be changed."""
    former = os.environ.get("TZ")
    os.environ["TZ"] = name
    if hasattr(time, "tzset"):
        time.tzset()
    try:
        yield
    finally:
        if former is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = former
        if hasattr(time, "tzset"):
            time.tzset()


class Case:
    """One day: what kind of trouble the clocks make, and when."""

    def __init__(self, kind: str, seed: int) -> None:
        self.dice = random.Random(seed)
        self.kind = kind
        self.zone = self.dice.choice(list(_ZONES))
        begins, ends = _ZONES[self.zone]
        change = {"summer begins": begins, "summer ends": ends}.get(kind, self.dice.choice((begins, ends)))
        # The change comes in the middle of the day
        self.start = change - timedelta(seconds=self.dice.uniform(0.2, 0.8) * DAY)
        self.happened: Counter[str] = Counter()

    async def live(self, machine: Machine) -> None:
        """Have the day, in as many lives of the engine as it takes."""
        self.put_right(machine)
        machine.sets.clear()
        while machine.boot() < BEGIN + DAY:
            async with machine.engine(self.dice.randrange(1_000)):
                while machine.boot() < BEGIN + DAY and self.dice.random() > _RESTART:
                    await asyncio.sleep(self.dice.uniform(60.0, 1.5 * HOUR))
                    self.trouble(machine)
            ended = machine.boot()
            await asyncio.sleep(self.dice.choice((0.0, 30.0, 0.5 * HOUR)))
            if self.dice.random() < 0.5:
                self.trouble(machine)
            machine.away.append((ended, machine.boot()))
            self.happened["restarts"] += 1

    def put_right(self, machine: Machine) -> None:
        """Have the clock show what it would if nobody had touched it."""
        machine.set_clock(self.start + timedelta(seconds=machine.boot() - BEGIN))

    def trouble(self, machine: Machine) -> None:
        """Let happen what happens on such a day."""
        kind = self.dice.choice(KINDS[1:]) if self.kind == "all" else self.kind
        self.happened[kind] += 1
        match kind:
            case "suspend":
                machine.sleep(self.dice.choice(_SLEEPS) if self.dice.random() < 0.7 else self.dice.uniform(0.0, 100.0))
            case "an hour on or back":
                machine.set_clock(self.dice.choice((-HOUR, HOUR)))
            case "1970" | "2099":
                if self.dice.random() < 0.5:
                    self.put_right(machine)
                else:
                    machine.set_clock(_EPOCH if kind == "1970" else _FAR)
            case _:
                # The change comes by itself; some set their clock by hand all the same
                if self.dice.random() < 0.2:
                    machine.set_clock(self.dice.choice((-HOUR, HOUR)))


def clocks(task: Task) -> Outcome:
    """Live through `count` days."""
    outcome = Outcome()
    dice = random.Random(task.seed)
    happened: Counter[str] = Counter()
    runs = 0
    with fewer_looks():
        while outcome.done < task.count:
            kind, seed = KINDS[outcome.done % len(KINDS)], dice.randrange(2**32)
            case = Case(kind, seed)
            folder = task.folder / f"day-{outcome.done}"
            folder.mkdir()
            try:
                with local_zone(case.zone):
                    machine = through(folder, case.live)
            except Exception as error:  # whatever it is, it must not happen
                outcome.wrong.append(f"{kind}, seed {seed}: {type(error).__name__}: {error}")
            else:
                wrong = [each for name in JOBS for each in machine.missed_or_doubled(name)]
                outcome.wrong += [f"{kind}, seed {seed}: {each}" for each in wrong]
                runs += sum(map(len, machine.runs.values()))
            happened += case.happened
            outcome.done += 1
            task.tell(f"{outcome.done} days")
    outcome.figures = {"runs": runs, **happened}
    return outcome


ROW = Row(
    id="M3",
    what="clocks: an hour on and back, summer time, 1970, 2099, suspend",
    unit="days",
    long=50,
    short=2,
    passes="no run missed, doubled or beside itself",
    run=clocks,
)
