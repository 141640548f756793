"""The status line: what waits for the operator, and how the machine is."""

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.reactive import reactive

from bmconsole.console.look import PENDING_GLYPH, Tone, count, gauge, span
from bmconsole.console.widgets.bars import Piece, spread
from bmconsole.console.widgets.toned import LineBar
from bmconsole.domain.orders import Status
from bmconsole.domain.text import clean

if TYPE_CHECKING:
    from bmconsole.domain.views import JobState, Progress, RuleState, WorkspaceStatus

SHOWN_JOBS = ("orders", "listings")
LIMITS = "app.perform('app.limits')"
SEPARATOR: Piece = ("  │  ", Tone.DIM, "")


class StatusLine(LineBar):
    """One line from a `WorkspaceStatus` and the progress of what was asked for by hand."""

    status: "reactive[WorkspaceStatus | None]" = reactive(None, repaint=False)
    progress: "reactive[Progress | None]" = reactive(None, repaint=False)
    _begun = (0.0, 0)
    """When the progress of the present stream was first seen (monotonic seconds), and how far it was."""

    def watch_progress(self, before: "Progress | None", now: "Progress | None") -> None:
        if now is not None and (before is None or before.stream != now.stream):
            self._begun = (time.monotonic(), now.done)
        self.renew()

    def watch_status(self) -> None:
        self.renew()

    def line(self, width: int) -> list[Piece]:
        """Return the groups that fit: counts on the left stay, the least urgent group on the right goes first."""
        status = self.status
        if status is None:
            return [(" opening the workspace…", Tone.DIM, "")]
        work, *machine = self._work(status), *self._machine(status)
        left: list[Piece] = [(" ", Tone.DIM, ""), *work]
        room = width - _length(left) - 1
        groups: list[list[Piece]] = []
        for group in machine:
            length = _length(group) + cell_len(SEPARATOR[0])
            if length <= room:
                groups.append(group)
                room -= length
        right: list[Piece] = []
        for group in groups:
            right += [*([SEPARATOR] if right else []), *group]
        return spread(left, [*right, (" ", Tone.DIM, "")], width)

    def _work(self, status: "WorkspaceStatus") -> list[Piece]:
        accept = status.statuses.get(Status.TO_ACCEPT, 0)
        pieces: list[Piece] = [
            (count(accept), Tone.WARN if accept else Tone.DIM, ""),
            (" to accept", Tone.PLAIN if accept else Tone.DIM, ""),
            ("  ", Tone.DIM, ""),
        ]
        if status.late:
            pieces.append((f"! {count(status.late)} late", Tone.BAD, ""))
        else:
            pieces.append(("none late", Tone.DIM, ""))
        if status.unfinished_writes:
            pieces += [("  ", Tone.DIM, ""), (f"{PENDING_GLYPH} {status.unfinished_writes} unfinished", Tone.WARN, "")]
        return pieces

    def _machine(self, status: "WorkspaceStatus") -> list[list[Piece]]:
        """The groups on the right, the most urgent first."""
        groups = [self._connection(status.online)]
        if self.progress is not None:
            seconds, first = time.monotonic() - self._begun[0], self._begun[1]
            groups.append(_progress(self.progress, (self.progress.done - first) / seconds if seconds > 0.5 else 0.0))
        edge = next((rule for rule in status.traffic.rules if rule.name == "edge"), None)
        if edge is not None:
            groups.append(_budget(edge))
        groups.append(self._queue(status))
        if status.engine == "here":
            groups.append(_timers(status.jobs, status.server_now))
        else:
            words = {"elsewhere": "timers run in another process", "stopped": "timers stopped"}
            groups.append([(words.get(status.engine, clean(status.engine)), Tone.DIM, "")])
        if status.quarantined:
            groups.append([(f"{count(status.quarantined)} in quarantine", Tone.WARN, "")])
        return groups

    def _connection(self, online: bool | None) -> list[Piece]:
        if online is None:
            return [("○ no request yet", Tone.DIM, "")]
        return [("● ", Tone.GOOD, ""), ("online", Tone.DIM, "")] if online else [("× offline", Tone.BAD, "")]

    def _queue(self, status: "WorkspaceStatus") -> list[Piece]:
        waiting = {name: number for name, number in status.traffic.waiting.items() if number}
        if not waiting:
            return [("queue empty", Tone.DIM, "")]
        words = ", ".join(f"{count(number)} {clean(name).lower()}" for name, number in waiting.items())
        return [("queue ", Tone.DIM, ""), (words, Tone.PLAIN, "")]


def _length(pieces: list[Piece]) -> int:
    return sum(cell_len(piece[0]) for piece in pieces)


def _budget(rule: "RuleState") -> list[Piece]:
    limit = min(rule.limit, rule.working)
    full, empty = gauge(rule.used, limit)
    tone = Tone.WARN if rule.used * 10 >= limit * 8 else Tone.KEY
    pieces: list[Piece] = [
        ("budget ", Tone.DIM, LIMITS),
        (full, tone, LIMITS),
        (empty, Tone.DIM, LIMITS),
        (f" {rule.used}/{limit}", Tone.DIM, LIMITS),
    ]
    if rule.paused_for > 0:
        pieces.append((f" paused {round(rule.paused_for)} s", Tone.WARN, ""))
    return pieces


def _progress(progress: "Progress", per_second: float) -> list[Piece]:
    pieces: list[Piece] = [(f"{PENDING_GLYPH} {clean(progress.stream)} ", Tone.KEY, "")]
    if progress.total:
        full, empty = gauge(progress.done, progress.total, 10)
        pieces += [(full, Tone.KEY, ""), (empty, Tone.DIM, "")]
        pieces.append((f" {count(progress.done)}/{count(progress.total)}", Tone.DIM, ""))
        if per_second > 0 and progress.done < progress.total:
            left = span(timedelta(seconds=(progress.total - progress.done) / per_second))
            pieces.append((f" {count(round(per_second))}/s, {left} left", Tone.DIM, ""))
    else:
        pieces.append((f"{count(progress.done)} so far", Tone.DIM, ""))
    return pieces


def _timers(jobs: "tuple[JobState, ...]", now: datetime) -> list[Piece]:
    pieces: list[Piece] = []
    for job in jobs:
        if job.name not in SHOWN_JOBS:
            continue
        if job.next_run is None and job.interval is not None and not job.running:
            continue
        if pieces:
            pieces.append(("  ", Tone.DIM, ""))
        if job.running:
            pieces.append((f"{PENDING_GLYPH} {job.name} syncing", Tone.KEY, ""))
        elif job.next_run is None:
            pieces.append((f"{job.name} off", Tone.DIM, ""))
        else:
            failed: Piece = (" failed,", Tone.BAD, "")
            pieces += [(job.name, Tone.DIM, ""), *([failed] if job.last_error else [])]
            pieces.append((f" in {span(job.next_run - now)}", Tone.DIM, ""))
    return pieces
