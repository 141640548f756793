"""What can be wrong with the ledgers of requests, which all processes of a token share."""

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from bmconsole.doctor.finding import Finding, Level
from bmconsole.doctor.machine import is_stopped
from bmconsole.paths import Paths
from bmconsole.traffic.errors import LedgerUnusable
from bmconsole.traffic.holder import holder_of
from bmconsole.traffic.ledger_file import fault_of, is_held

_HELD_SECONDS = 0.5
"""A change takes milliseconds."""
_LOOK_SECONDS = 0.02


def ledgers(paths: Paths) -> Iterator[Finding]:
    """Look at the ledgers; nothing is written to them."""
    found = sorted(path for path in paths.ledger.glob("ledger-*.db"))
    wrong = [finding for path in found if (finding := _ledger(path)) is not None]
    yield from wrong
    if not wrong:
        told = "The ledger of requests is whole." if found else "There is no ledger of requests yet."
        yield Finding("ledger", Level.OK, told)
    if aside := sorted(path for path in paths.ledger.glob("ledger-*.db.damaged-*") if path.suffix[-1].isdigit()):
        # Every number stands for a file with, perhaps, its log beside it
        names = shlex.join(f"{path}*" for path in aside).replace("*'", "'*")
        yield Finding(
            "ledger",
            Level.NOTE,
            f"Damaged ledgers of requests were moved aside: {', '.join(path.name for path in aside)}. No limit was "
            "overrun: what they knew counted as full.",
            f"They are of no more use: rm {names}",
        )


def _ledger(path: Path) -> Finding | None:
    try:
        if (fault := fault_of(path)) is not None:
            return Finding(
                "ledger",
                Level.FAULT,
                f"{path.name} is damaged: {fault}.",
                "The next request moves it aside; until what it knew is over, at most 15 s, nothing is sent.",
            )
    except LedgerUnusable as error:
        return Finding("ledger", Level.FAULT, error.message, error.hint or "")
    return _held(path)


def _held(path: Path) -> Finding | None:
    give_up_at = time.monotonic() + _HELD_SECONDS
    while is_held(path):
        if time.monotonic() > give_up_at:
            return _holder(holder_of(path))
        time.sleep(_LOOK_SECONDS)
    return None


def _holder(pid: int | None) -> Finding:
    if pid is None:
        return Finding(
            "ledger",
            Level.FAULT,
            "The ledger of requests is held by another program: nothing can be sent.",
            "End every bmconsole that uses this token, then start again.",
        )
    stopped = is_stopped(pid)
    go_on = f"Let it go on: kill -CONT {pid}. Or end it" if stopped else "End it"
    return Finding(
        "ledger",
        Level.FAULT,
        f"The ledger of requests is held by process {pid}{', which is stopped' if stopped else ''}: nothing can be "
        "sent.",
        f"{go_on}: kill -9 {pid}. The others go on at once; nothing is lost.",
    )
