"""The engine's timers through a day in virtual time: the machine sleeps, its clock is set, the engine starts anew."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.virtual_day import BEGIN, DAY, HOUR, JOBS, Machine, fewer_looks, through


@pytest.fixture(autouse=True)
def _fewer_looks() -> Iterator[None]:
    with fewer_looks():
        yield


def events(machine: Machine, dice: random.Random) -> list[Callable[[], Awaitable[None] | None]]:
    return [
        lambda: machine.set_clock(dice.choice((-1, 1)) * dice.choice((1.5, 90.0, HOUR, 40 * HOUR))),
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
            while machine.boot() < BEGIN + DAY:
                await asyncio.sleep(dice.uniform(60.0, 1.5 * HOUR))
                dice.choice(events(machine, dice))()

    machine = through(tmp_path, day)
    assert [each for name in JOBS for each in machine.missed_or_doubled(name)] == []
    assert machine.away, "the machine never slept: this day proves little"
    awake = machine.loop.time() - BEGIN
    assert len(machine.runs["watch"]) >= awake / 60.0 - 1
    assert len(machine.runs["watch"]) <= awake / 57.0 + len(machine.away) + 1, "what was missed in sleep runs once"


def test_a_day_of_an_engine_that_is_ended_and_started_anew(tmp_path: Path) -> None:
    dice = random.Random(5)

    async def day(machine: Machine) -> None:
        while machine.boot() < BEGIN + DAY:
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
