"""Takes writes back: a new intent from what we wrote to what was there before, while ours is still what is there."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from bmconsole.domain.bulk import Refusal
from bmconsole.domain.intents import LISTING, Change, Intent, IntentState, Values
from bmconsole.domain.text import clean
from bmconsole.domain.views import WritePlan

_NEVER_EMPTY = ("price", "min_price", "warranty_delay", "quantity")
"""Fields that the API cannot take a value away from."""


def refusal(intent: Intent) -> str:
    """Return why a write cannot be taken back whatever is there now, empty where it may be."""
    if intent.is_order:
        return f"what was done to an order ({intent.kind}) cannot be taken back at Back Market"
    if intent.undone_by is not None:
        return f"it was undone by write {intent.undone_by}"
    if intent.state is not IntentState.CONFIRMED:
        return f"it is {intent.state}, and only a confirmed write can be taken back"
    if not intent.attempts:
        return "nothing was sent: it was already so"
    return "" if _former(intent) else "there is no former value to go back to"


def plan_undo(
    intents: Sequence[tuple[Intent, Values, str]], *, now: datetime, run: str | None = None
) -> tuple[WritePlan, list[Refusal]]:
    """Plan to take writes back.

    Args:
        intents: Writes, newest first, each with the live values of its fields and the listing's SKU.
        now: The server's clock.
        run: What joins the new intents.

    Returns:
        The plan, and what is left out with the reason.
    """
    changes: list[Change] = []
    made: list[Intent] = []
    notes: list[str] = []
    refused: list[Refusal] = []
    for intent, live, label in intents:
        why = refusal(intent)
        moved = [name for name, value in intent.want.items() if live.get(name) != value]
        if not why and moved:
            name = moved[0]
            why = f"{name} is {clean(live.get(name), limit=60)} now, not {clean(intent.want[name], limit=60)}"
        if why:
            refused.append(Refusal(intent.id, why))
            continue
        want = _former(intent)
        for name in intent.want.keys() - want.keys():
            notes.append(f"{label}: {name} had no value before, and stays {intent.want[name]}.")
        base = {name: intent.want[name] for name in want}
        changes += [
            Change(intent.target, label, intent.market, name, base[name], want[name], _note(base[name], want[name]))
            for name in want
        ]
        made.append(
            Intent(
                0, LISTING, intent.target, intent.market, base, want, IntentState.PENDING, "undo", now, now,
                run=run, undoes=intent.id,
            )
        )  # fmt: skip
    return WritePlan(tuple(changes), tuple(made), tuple(notes), run=run), refused


def overwrite_plan(intent: Intent, live: Values, label: str, now: datetime) -> WritePlan:
    """Plan to write ours over what somebody else wrote: the same want on the live values."""
    want = {name: value for name, value in intent.want.items() if live.get(name) != value}
    base = {name: live.get(name) for name in want}
    changes = tuple(
        Change(intent.target, label, intent.market, name, base[name], want[name], _note(base[name], want[name]))
        for name in want
    )
    made = Intent(
        0, intent.kind, intent.target, intent.market, base, want, IntentState.PENDING, "operator", now, now,
        run=intent.run, note=f"over write {intent.id}, which was a conflict",
    )  # fmt: skip
    return WritePlan(changes, (made,) if want else ())


def _former(intent: Intent) -> dict[str, str | int | None]:
    """Return the values right before the write; those that were only shown may have been old."""
    before = {**intent.base, **(intent.before or {})}
    return {
        name: before[name]
        for name in intent.want
        if name in before and (before[name] is not None or name not in _NEVER_EMPTY)
    }


def _note(old: str | int | None, new: str | int | None) -> str | None:
    if isinstance(old, str) and isinstance(new, str):
        try:
            share = (Decimal(new) - Decimal(old)) / Decimal(old) * 100
        except ArithmeticError:
            return None
        return f"{share:+.1f} %"
    return None
