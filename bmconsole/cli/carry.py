"""What every command that writes does: show the diff, ask, carry out and tell how far it is, print what ended how."""

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bmconsole.cli.confirm import confirm, show_diff
from bmconsole.cli.frame import Call
from bmconsole.cli.outcomes import outcome, print_intents
from bmconsole.cli.output import jsonable
from bmconsole.domain.bulk import LineFault, Prepared
from bmconsole.domain.intents import Intent
from bmconsole.domain.pricing_views import RepriceProgress
from bmconsole.domain.text import clean
from bmconsole.domain.views import WritePlan, WriteProgress
from bmconsole.errors import Partial, UsageError

if TYPE_CHECKING:
    from bmconsole.exports import Row
    from bmconsole.workspace import Workspace

_MOST_FAULTS = 50
_EVERY = 0.2
_EVERY_PLAIN = 10.0

F = TypeVar("F")


def accepting(command: F) -> F:
    """Add the options `--yes` and `--confirm` to a command."""
    add: Any = click.option(
        "--confirm", "confirmed", type=click.IntRange(min=1), metavar="N", help="How many rows change."
    )
    yes: Any = click.option("--yes", is_flag=True, help="Accept the diff without being asked.")
    command = yes(add(command))
    return command


async def carry(
    call: Call,
    workspace: "Workspace",
    plan: WritePlan,
    *,
    yes: bool,
    confirmed: int | None,
    files: Sequence[bytes] = (),
) -> int:
    """Show a plan, ask, write it, and print how each write ended.

    Raises:
        Guarded: It was not confirmed.
        BmError: Some write was not confirmed by Back Market; all are printed before.
    """
    if not plan.intents:
        call.say("Everything is already so.")
        return 0
    ask(call, workspace, plan, yes=yes, confirmed=confirmed)
    if plan.run:
        call.say(f"This is run {plan.run}.")
    told = ProgressLine(call)
    try:
        intents = await workspace.apply(plan, files=files, show=told.show)
    finally:
        told.end()
    tell(call, workspace, intents)
    return 0


async def carry_file(
    call: Call,
    workspace: "Workspace",
    prepared: Prepared,
    *,
    skip_invalid: bool,
    yes: bool,
    confirmed: int | None,
) -> int:
    """Tell the faults of a file, and carry out its plan if there are none or they are to be skipped.

    Raises:
        UsageError: A line is wrong; nothing was written.
        Partial: Everything was written but the lines that are wrong.
        BmError: As `carry`.
    """
    faults = prepared.faults
    tell_faults(call, faults, stops=not (skip_invalid and prepared.plan.intents), skipping=skip_invalid)
    await carry(call, workspace, prepared.plan, yes=yes, confirmed=confirmed)
    if faults:
        raise Partial(f"{len(faults)} of {prepared.lines} lines were left out: {faults[0]}", field="file")
    return 0


def tell_faults(call: Call, faults: Sequence[LineFault], *, stops: bool, skipping: bool) -> None:
    """Tell what is wrong with a file, the first of very many faults.

    Raises:
        UsageError: There are any and that `stops` everything.
    """
    for fault in faults[:_MOST_FAULTS]:
        call.say(str(fault))
    if len(faults) > _MOST_FAULTS:
        call.say(f"… and {len(faults) - _MOST_FAULTS} more.")
    if faults and stops:
        first = faults[0]
        more = f"; {len(faults) - 1} more lines are wrong" if len(faults) > 1 else ""
        raise UsageError(
            f"Nothing was written: {str(first).rstrip('.')}{more}.",
            field=first.column or "file",
            value=f"line {first.line}",
            hint=None if skipping else "--skip-invalid writes the others.",
        )


def ask(call: Call, workspace: "Workspace", plan: WritePlan, *, yes: bool, confirmed: int | None) -> None:
    """Show a plan and make sure that it is meant; a viewer is refused by the workspace, and need not be asked first."""
    if workspace.profile.access == "viewer":
        return
    show_diff(call, plan)
    confirm(call, plan, yes=yes, confirmed=confirmed)


def tell(call: Call, workspace: "Workspace", intents: Sequence[Intent], *, but: Sequence[Intent] = ()) -> None:
    """Print how writes ended; raises the weightiest error of those that were not confirmed, `but` some left aside."""
    print_intents(call, intents, workspace.zone)
    sys.stdout.flush()
    if (fault := outcome(intent for intent in intents if intent not in but)) is not None:
        raise fault


def content_of(path: str, field: str) -> bytes:
    """Return what a file holds.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        shown = clean(path, limit=200)
        raise UsageError(f"{shown} cannot be read: {error.strerror}.", field=field, value=shown) from None


def hand_out(call: Call, rows: "Sequence[Row]", separator: str, output: str | None) -> int:
    """Write exported rows to standard output or a file that only its owner can read: CSV, or JSON lines.

    Raises:
        UsageError: The file cannot be written.
    """
    from bmconsole.exports import as_csv

    text = "".join(f"{json.dumps(jsonable(row))}\n" for row in rows) if call.json else as_csv(rows, separator=separator)
    if output is None:
        sys.stdout.write(text)
        return 0
    shown = clean(output, limit=200)
    try:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{shown} cannot be written: {error.strerror}.", field="output", value=shown) from None
    call.say(f"{len(rows)} lines are in {shown}.")
    return 0


class ProgressLine:
    """How far the writes are, on stderr: one line that is painted over on a terminal, else one now and then."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic()
        self._open = False

    def show(self, progress: WriteProgress | RepriceProgress) -> None:
        """Tell it, unless it was told a moment ago."""
        now = time.monotonic()
        if self._call.json or now - self._last < (_EVERY if self._terminal else _EVERY_PLAIN):
            return
        self._last = now
        counts = ", ".join(f"{count} {state}" for state, count in progress.states.items())
        text = f"{progress.done} of {progress.total}: {counts}"
        if isinstance(progress, RepriceProgress) and progress.note:
            text += f" ({progress.note})"
        if not self._terminal:
            self._call.say(text)
            return
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
        self._open = True

    def end(self) -> None:
        """Take the line away."""
        if self._open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._open = False
