"""What a test under fire is: a row of the table that `python -m tests.fire` prints."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

ORDER = ["K1", "K2", "K3", "K4", "K5", "K6", "A1", "A4", "A5", "M1", "M2", "M3", "S1", "S2", "S3", "S4", "S5", "L1"]


@dataclass(frozen=True)
class Task:
    """What a row is asked to do."""

    count: int
    """How many cycles, cuts, pages or seconds, in the row's own unit."""
    seed: int
    folder: Path
    """Empty, and taken away afterwards."""
    tell: Callable[[str], None]
    """Shows how far it is; one short line, overwritten by the next."""


@dataclass
class Outcome:
    """What was done and seen."""

    done: int = 0
    """How many of the row's unit were really done."""
    figures: dict[str, int | float | str] = field(default_factory=dict)
    """What is worth a look beside the verdict, by a short name."""
    wrong: list[str] = field(default_factory=list)
    """Each promise that did not hold, with the seed or the case that repeats it."""


@dataclass(frozen=True)
class Row:
    """A promise that is tested in bad weather."""

    id: str
    what: str
    unit: str
    long: int
    short: int
    """How many of the unit a run of the test suite does; 0 where `short_version` names tests that do it already."""
    passes: str
    """What has to hold, in words."""
    run: Callable[[Task], Outcome]
    unable: Callable[[], str | None] = lambda: None
    """Why this machine cannot run it, if so."""
    short_version: str = ""
    """The tests, as pytest names them, that are the short version where `short` is 0."""


@dataclass(frozen=True)
class Done:
    """A row that was run, or the reason why not."""

    row: Row
    seed: int
    seconds: float
    outcome: Outcome
    skipped: str | None = None


def rows() -> Mapping[str, Row]:
    """Return the rows that the modules of this folder name `ROW`, by id, in the order of the table."""
    names = [path.stem for path in Path(__file__).parent.glob("[!_]*.py") if not path.stem.startswith("test_")]
    modules = [import_module(f"tests.fire.{name}") for name in names]
    found: list[Row] = [module.ROW for module in modules if hasattr(module, "ROW")]
    return {row.id: row for row in sorted(found, key=lambda row: ORDER.index(row.id))}


def carry_out(row: Row, count: int, seed: int, tell: Callable[[str], None]) -> Done:
    """Run a row `count` units long in a folder of its own."""
    began = time.monotonic()
    why = row.unable()
    if why is not None:
        return Done(row, seed, 0.0, Outcome(), why)
    with tempfile.TemporaryDirectory(prefix="fire-") as folder:
        outcome = row.run(Task(count, seed, Path(folder), tell))
    if outcome.done < count:
        outcome.wrong.append(f"only {outcome.done} of {count} {row.unit} were done")
    return Done(row, seed, time.monotonic() - began, outcome)
