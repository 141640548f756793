"""How writes are told: as rows, as JSON, and as the error of those that were not confirmed."""

from collections.abc import Iterable, Mapping
from datetime import tzinfo

from bmconsole.cli.frame import Call
from bmconsole.cli.output import print_json, print_table
from bmconsole.cli.shapes import intent_json
from bmconsole.domain.intents import Intent, IntentState
from bmconsole.errors import BmError, Conflict, Partial, Refused, Unreachable, combined_exit

_COLUMNS = ("ID", "STATE", "KIND", "TARGET", "MARKET", "CHANGE", "ORIGIN", "WHEN", "WHY")


def print_intents(call: Call, intents: Iterable[Intent], zone: tzinfo) -> None:
    """Print intents as JSON lines, or as a table."""
    if call.json:
        for intent in intents:
            print_json(intent_json(intent))
        return
    rows = [
        (
            intent.id,
            intent.state,
            intent.kind,
            intent.target,
            intent.market,
            change(intent),
            intent.origin,
            intent.updated,
            intent.error or intent.note or "",
        )
        for intent in intents
    ]
    if rows:
        print_table(_COLUMNS, rows, zone=zone, right=("ID",))
    else:
        call.say("No writes.")


def change(intent: Intent) -> str:
    """Return what an intent changes: `price 240.00 → 231.50`."""
    return ", ".join(f"{name} {_value(intent.base.get(name))} → {_value(new)}" for name, new in intent.want.items())


def values(fields: Mapping[str, object]) -> str:
    """Return fields with their values on one line."""
    return ", ".join(f"{name} {_value(value)}" for name, value in fields.items()) or "–"


def outcome(intents: Iterable[Intent]) -> BmError | None:
    """Return the error that tells of the writes that were not confirmed, the weightiest one; None where all were."""
    faults = [fault for fault in map(_fault, intents) if fault is not None]
    if not faults:
        return None
    weightiest = combined_exit(fault.exit for fault in faults)
    return next(fault for fault in faults if fault.exit == weightiest)


def _fault(intent: Intent) -> BmError | None:
    why = f": {intent.error}" if intent.error else ""
    match intent.state:
        case IntentState.CONFIRMED:
            return None
        case IntentState.REJECTED:
            return Refused(f"Write {intent.id} was refused{why}", field="write", value=str(intent.id))
        case IntentState.CONFLICT:
            seen = f" There is now: {values(intent.readback)}." if intent.readback else ""
            return Conflict(f"Write {intent.id} was not done{why}.{seen}", field="write", value=str(intent.id))
        case IntentState.DROPPED:
            return Unreachable(f"Write {intent.id} was not sent{why}", field="write", value=str(intent.id))
    return Partial(
        f"How write {intent.id} ended is not known yet{why}",
        field="write",
        value=str(intent.id),
        hint=f"See: bmconsole writes show {intent.id}",
    )


def _value(value: object) -> str:
    return "–" if value is None or value == "" else str(value)
