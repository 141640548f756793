"""What can be wrong with the machine: the disk, processes that hold what others need, the terminal."""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bmconsole.doctor.finding import Finding, Level
from bmconsole.domain.health import SILENT_SECONDS
from bmconsole.domain.views import ProcessState
from bmconsole.paths import Paths
from bmconsole.running.presence import everyone

_FEW = 20 * 1024 * 1024
_SCARCE = 500 * 1024 * 1024
_SAMPLE = 64 * 1024
_COLUMNS, _ROWS = 80, 24
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Terminal:
    """What the standard streams are connected to."""

    is_terminal: bool
    encoding: str
    columns: int
    rows: int
    environ: Mapping[str, str]


def disk(paths: Paths) -> Iterator[Finding]:
    """Look whether something can still be written in each of our folders, and how much room there is."""
    least: tuple[int, Path] | None = None
    for folder in dict.fromkeys((paths.config, paths.data, paths.state, paths.logs)):
        there = next(place for place in (folder, *folder.parents) if place.exists())
        if why := _refusal(folder) if folder.exists() else None:
            full = why.errno in (errno.ENOSPC, errno.EDQUOT)
            hint = (
                "Make room on that disk, then run doctor again; nothing that was written is lost."
                if full
                else f"Look at the owner and mode of {folder}, and whether its disk is mounted for reading only."
            )
            yield Finding("disk", Level.FAULT, f"Nothing can be written in {folder}: {why.strerror}.", hint)
            return
        free = shutil.disk_usage(there).free
        least = min(least or (free, there), (free, there), key=lambda pair: pair[0])
    assert least is not None  # noqa: S101  # there are always folders
    yield room(*least)


def room(free: int, place: Path) -> Finding:
    """Judge how many bytes are free."""
    told = f"{free // _MEGABYTE} MB are free under {place}."
    if free < _FEW:
        return Finding("disk", Level.FAULT, f"The disk is nearly full: {told}", "Make room on that disk.")
    if free < _SCARCE:
        return Finding("disk", Level.NOTE, f"The disk fills up: {told}", "A purge and a large shop need more.")
    return Finding("disk", Level.OK, told)


def processes(paths: Paths) -> Iterator[Finding]:
    """Look for processes that hold a lock and do nothing."""
    seen = everyone(paths.ledger)
    hung = [process for process in seen if process.silent > SILENT_SECONDS or is_stopped(process.pid)]
    for process in hung:
        yield _hung(process)
    if not hung:
        names = ", ".join(f"{process.name} for {process.profile}" for process in seen)
        yield Finding("processes", Level.OK, f"Running: {names}." if names else "No console and no “run” is running.")


def is_stopped(pid: int) -> bool:
    """Return whether a process was stopped by a signal; only Linux tells."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    # The name in brackets may hold anything; the state is behind it
    return told.rpartition(")")[2].split()[0] in ("T", "t")


def terminal(found: Terminal) -> Iterator[Finding]:
    """Judge whether the console can be shown well where this was called."""
    kind = found.environ.get("TERM", "")
    if not found.is_terminal:
        yield Finding(
            "terminal",
            Level.NOTE,
            "There is no terminal here: the console cannot be shown.",
            "Open a terminal (over ssh: ssh -t) and run “bmconsole” in it; “bmconsole run” needs none.",
        )
        return
    if kind in ("", "dumb", "unknown") and os.name == "posix":
        yield Finding(
            "terminal",
            Level.NOTE,
            f"TERM is “{kind}”: the terminal does not say what it can do.",
            "Set TERM, for instance: export TERM=xterm-256color",
        )
        return
    if "utf" not in found.encoding.lower():
        yield Finding(
            "terminal",
            Level.NOTE,
            f"The terminal's encoding is {found.encoding}: names and signs will be wrong.",
            "Set a UTF-8 locale, for instance: export LC_ALL=C.UTF-8",
        )
        return
    size = f"{found.columns} × {found.rows}"
    if found.columns < _COLUMNS or found.rows < _ROWS:
        yield Finding(
            "terminal", Level.NOTE, f"The terminal is small: {size}.", f"Make it {_COLUMNS} × {_ROWS} or larger."
        )
        return
    true = found.environ.get("COLORTERM", "") in ("truecolor", "24bit")
    colours = "16 million colours" if true else "256 colours" if "256" in kind else "few colours"
    yield Finding("terminal", Level.OK, f"{kind or 'A terminal'}, {size}, {colours}.")


def _hung(process: ProcessState) -> Finding:
    holds = " It holds the engine: nothing is synchronised." if process.engine == "here" else ""
    stopped = is_stopped(process.pid)
    how = "is stopped" if stopped else f"has said nothing for {process.silent:.0f} s"
    on = f"Let it go on: kill -CONT {process.pid}. Or end it" if stopped else "End it"
    return Finding(
        "processes",
        Level.FAULT,
        f"{process.name}, of profile {process.profile}, {how}.{holds}",
        f"{on}: kill -9 {process.pid}. Another console or “bmconsole run” takes over within 5 s; nothing is lost.",
    )


def _refusal(folder: Path) -> OSError | None:
    probe = folder / f".doctor-{os.getpid()}"
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if os.write(descriptor, b"\0" * _SAMPLE) < _SAMPLE:
                # A disk takes what still fits, and refuses the next byte
                return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            probe.unlink()
    except OSError as error:
        return error
    return None
