"""How writes read on a screen: what they change, how they stand, what came of them."""

from collections.abc import Mapping

from bmconsole.console.look import INTENT_LOOK, Cell, Tone
from bmconsole.domain.intents import LISTING, Intent, IntentState
from bmconsole.domain.orders import LINE_STATES
from bmconsole.domain.text import clean
from bmconsole.domain.transitions import INVOICE, RETURN_REASONS

FIELDS = {
    "quantity": "stock",
    "min_price": "min price",
    "warranty_delay": "warranty",
    "tracking_number": "tracking",
    "tracking_url": "link",
    "return_reason": "reason",
    "return_message": "message",
    "serial_number": "serial",
    "imei": "IMEI",
}
"""What people call fields of the API whose names they need not know."""

_DONE = {
    IntentState.CONFIRMED: "confirmed",
    IntentState.REJECTED: "refused",
    IntentState.CONFLICT: "conflict",
    IntentState.UNKNOWN: "unknown",
    IntentState.PENDING: "pending",
    IntentState.SENT: "sent",
    IntentState.DROPPED: "dropped",
}


def field_name(field: str) -> str:
    """Return what people call a field; of a line's path the last part: `orderlines.900.imei` is `IMEI`."""
    last = field.rpartition(".")[2]
    return FIELDS.get(last, last.replace("_", " "))


def value_of(field: str, value: object) -> str:
    """Return a value as people read it: states of lines and reasons in words, a dash for none."""
    if value is None or value == "":
        return "–"
    last = field.rpartition(".")[2]
    if last == "state" and isinstance(value, int):
        return LINE_STATES.get(value, str(value))
    if last == "return_reason" and isinstance(value, int):
        return RETURN_REASONS.get(value, str(value))
    return clean(value, limit=60)


def state(intent: Intent) -> Cell:
    """Return how a write stands: a glyph and a word."""
    glyph, tone = INTENT_LOOK[intent.state]
    word = "undone" if intent.undone_by is not None else _DONE[intent.state]
    return ((f"{glyph} ", tone), (word, Tone.PLAIN if tone is Tone.GOOD else tone))


def change(intent: Intent) -> Cell:
    """Return what a write changes: `price 240.00 → 231.50`, `ship  6A123…  Colissimo`."""
    if intent.kind == LISTING:
        parts: list[tuple[str, Tone]] = []
        for name, new in intent.want.items():
            parts += [
                (("   " if parts else "") + f"{field_name(name)} ", Tone.DIM),
                (value_of(name, intent.base.get(name)), Tone.DIM),
                (" → ", Tone.DIM),
                (value_of(name, new), Tone.PLAIN),
            ]
        return tuple(parts)
    shown: Cell = ((intent.kind, Tone.PLAIN),)
    if intent.kind == INVOICE:
        return shown
    lines = sum(name.endswith(".state") for name in intent.want)
    if lines > 1:
        shown += ((f" {lines} lines", Tone.DIM),)
    for name, new in intent.want.items():
        if not name.endswith(".state"):
            shown += ((f"  {field_name(name)} ", Tone.DIM), (value_of(name, new), Tone.PLAIN))
    return shown


def read_back(intent: Intent) -> str:
    """Return what Back Market said after the write: `price 231.50`, `shipped, tracking 6A123`."""
    found: Mapping[str, object] = intent.readback if intent.readback is not None else {}
    words: dict[str, None] = {}
    for name in intent.want:
        if name in found:
            shown = value_of(name, found[name])
            words[shown if name.endswith(".state") else f"{field_name(name)} {shown}"] = None
    return ", ".join(words)


def ending(intent: Intent) -> Cell:
    """Return what came of a write, in words: done only where it was read back."""
    glyph, tone = INTENT_LOOK[intent.state]
    why = clean(intent.error) if intent.error else ""
    note = clean(intent.note) if intent.note else ""
    found = read_back(intent)
    match intent.state:
        case IntentState.CONFIRMED:
            words = f"read back: {found}" if found else note or "confirmed"
            if found and note:
                words += f" ({note})"
        case IntentState.REJECTED:
            words = f"refused by Back Market: {why or 'no reason given'}"
        case IntentState.CONFLICT:
            words = f"not written: {why}" if why else f"not written: there is now {found or 'another value'}"
        case IntentState.UNKNOWN:
            words = f"nobody knows yet whether it arrived. {why}"
        case IntentState.DROPPED:
            words = why or "dropped before it was sent"
        case IntentState.SENT:
            words = "sent, not read back yet"
        case _:
            words = "written down, not sent yet"
    return ((f"{glyph} ", tone), (words.strip(), Tone.PLAIN if tone in (Tone.GOOD, Tone.DIM) else tone))
