"""M1: the state machine of writes, many examples of fifty steps each, over as many processes as there are processors.

A child of it is `python -m tests.fire.state_machine EXAMPLES SEED FILE`: it adds how far it is to the file, in JSON
lines. What it prints is Hypothesis's: the steps of a failure.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.fire.rows import Outcome, Row, Task
from tests.writes.test_machine import STEP_COUNT, Shopkeeping

_EVERY = 5
"""Examples between two lines of a child."""
_MEMORY = Path("/dev/shm")  # noqa: S108 - only its being there is asked; folders in it are the child's own
_MOST_TOLD = 6_000


class Counted(Shopkeeping):
    """The machine, counting what it did in all its lives."""

    inline = True
    examples: ClassVar[int] = 0
    steps: ClassVar[int] = 0
    told: ClassVar[Path]

    @invariant()
    def every_step_counts(self) -> None:
        Counted.steps += 1

    def teardown(self) -> None:
        super().teardown()
        Counted.examples += 1
        if Counted.examples % _EVERY == 0:
            tell()


def tell(failed: str | None = None) -> None:
    """Add how far this child is to its file."""
    line = json.dumps({"examples": Counted.examples, "steps": Counted.steps, "failed": failed})
    with Counted.told.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def child(examples: int, number: int) -> None:
    """Run so many examples from a seed; a failure is told with the shortest program that shows it."""
    machine = seed(number)(Counted)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEP_COUNT,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=chosen)
    except BaseException:  # told by the parent, whatever it is
        tell(traceback.format_exc()[-_MOST_TOLD:])
    else:
        tell()


def state_machine(task: Task) -> Outcome:
    """Run `count` examples."""
    processes = min(os.cpu_count() or 1, task.count)
    parts = [task.count // processes + (number < task.count % processes) for number in range(processes)]
    # The files of an example are worth nothing once it ended: where there is a file system in memory it takes them.
    folder = {"TMPDIR": str(_MEMORY)} if _MEMORY.is_dir() else {}
    children = []
    for number, part in enumerate(parts):
        path = task.folder / f"child-{number}"
        path.touch()
        arguments = ["-m", "tests.fire.state_machine", str(part), str(task.seed * 1_000 + number), str(path)]
        with (task.folder / f"steps-{number}").open("wb") as printed:
            environment = {**os.environ, **folder}
            children.append(subprocess.Popen([sys.executable, *arguments], stdout=printed, env=environment))
    began = time.monotonic()
    try:
        while any(one.poll() is None for one in children):
            task.tell(f"{sum(one['examples'] for one in _told(task.folder)):,} examples")
            time.sleep(0.2)
    finally:
        for one in children:
            one.kill()
            one.wait()
    outcome = Outcome()
    seconds = time.monotonic() - began
    told = _told(task.folder)
    # More begin than were asked for: those that ask for too much randomness are cut off and do not count
    outcome.done = min(task.count, sum(one["examples"] for one in told))
    for number, share in enumerate(told):
        if share["failed"]:
            steps = (task.folder / f"steps-{number}").read_text(encoding="utf-8", errors="replace")
            outcome.wrong.append(f"share {number}: {share['failed']}\n{steps[-_MOST_TOLD:]}")
    outcome.wrong += [f"a child ended with {one.returncode}" for one in children if one.returncode]
    outcome.figures = {
        "steps": sum(one["steps"] for one in told),
        "processes": processes,
        "seconds an example": round(seconds * processes / max(1, outcome.done), 2),
    }
    return outcome


def _told(folder: Path) -> list[dict[str, Any]]:
    """Return the last whole line of each child."""
    found = []
    for path in sorted(folder.glob("child-*")):
        lines = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        found.append(json.loads(lines[-1]) if lines else {"examples": 0, "steps": 0, "failed": None})
    return found


ROW = Row(
    id="M1",
    what="the state machine of writes, 50 steps an example",
    unit="examples",
    long=2_000,
    short=0,
    short_version="tests/writes/test_machine.py::test_what_always_holds_while_a_shop_is_kept",
    passes="the invariants hold after every step",
    run=state_machine,
)

if __name__ == "__main__":
    Counted.told = Path(sys.argv[3])
    child(int(sys.argv[1]), int(sys.argv[2]))
