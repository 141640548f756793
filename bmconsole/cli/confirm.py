"""Before a write: what would change, on stderr, and whether the operator means it."""

import click

from bmconsole.cli.frame import Call
from bmconsole.domain.text import clean
from bmconsole.domain.views import WritePlan
from bmconsole.errors import Guarded

_MOST_CHANGES = 100
_FIRST_CHANGES = 40


def show_diff(call: Call, plan: WritePlan) -> None:
    """Tell the changes of the plan on stderr, one a line and the first of very many, then its notes."""
    many = len(plan.changes) > _MOST_CHANGES
    for change in plan.changes[: _FIRST_CHANGES if many else None]:
        old, new = ("–" if value is None or value == "" else value for value in (change.old, change.new))
        place = f" {change.market}" if change.market else ""
        note = f"  ({change.note})" if change.note else ""
        call.say(f"{change.label}{place}: {change.field} {old} → {new}{note}")
    if many:
        call.say(f"… and {len(plan.changes) - _FIRST_CHANGES} more changes.")
    for note in plan.notes:
        call.say(note)


def confirm(call: Call, plan: WritePlan, *, yes: bool, confirmed: int | None) -> None:
    """Make sure that the operator accepts the diff, and confirms what has to be confirmed besides.

    Raises:
        Guarded: It was declined, or nobody can be asked and the option is missing.
    """
    why = (clean(plan.why_confirm) or f"{plan.confirm} rows change") if plan.confirm else ""
    make_sure(call, "Write this?", plan.confirm, why, yes=yes, confirmed=confirmed)


def make_sure(call: Call, question: str, rows: int, why: str, *, yes: bool, confirmed: int | None) -> None:
    """Ask a question, and for the number of rows besides where there is a `why`.

    Raises:
        Guarded: It was declined, or nobody can be asked and the option is missing.
    """
    ask = call.may_ask() and not call.json
    if not yes and not (ask and click.confirm(question, err=True)):
        raise _declined(ask, "--yes", "shows and accepts the diff")
    if not why or confirmed == rows:
        return
    if confirmed is None and ask:
        call.say(f"{why}.")
        if click.prompt("Type the number of rows", err=True, type=int) == rows:
            return
    raise _declined(ask and confirmed is None, f"--confirm {rows}", f"is needed besides: {why}")


def _declined(asked: bool, option: str, what: str) -> Guarded:
    if asked:
        return Guarded("Not confirmed; nothing was written.", field="confirm")
    return Guarded("Nothing was written: it was not confirmed.", field="confirm", hint=f"{option} {what}.")
