"""Intents: what we mean to change at Back Market, written down before the first byte leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LISTING = "listing"
"""The kind of an intent that changes a listing; all others are about an order."""

RULE = "rule"
"""The origin of what repricing writes; all other origins are people."""

Values = Mapping[str, str | int | None]
"""Fields of the API with their values; prices as text in major units (`231.50`)."""


class IntentState(StrEnum):
    """Where an intent stands; `unfinished` ones are overlaid on the tables."""

    PENDING = "pending"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    DROPPED = "dropped"

    @property
    def unfinished(self) -> bool:
        return self in (IntentState.PENDING, IntentState.SENT, IntentState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Intent:
    """One change of one target, with what it was based on and what came of it.

    `kind` is `listing`, or what is done to an order: `accept`, `cancel`, `ship`, `refund`, `serial`, `invoice`.
    `target` is the listing's UUID or the order id, as text; `base` what the operator was shown, `want` what is to be,
    `before` what the server said right before the write was sent, `readback` what it said afterwards. Lines of an order
    are named by path: `orderlines.900000010.state`.
    """

    id: int
    kind: str
    target: str
    market: str | None
    base: Values
    want: Values
    state: IntentState
    origin: str
    created: datetime
    updated: datetime
    attempts: int = 0
    readback: Values | None = None
    error: str | None = None
    run: str | None = None
    undoes: int | None = None
    undone_by: int | None = None
    before: Values | None = None
    typed: Values | None = None
    """What was typed where it is not absolute: `{"quantity": "+2"}`."""
    note: str | None = None
    """What the operator should know although nothing failed."""
    acked: bool = False
    """Whether the server acknowledged the last send."""

    @property
    def is_order(self) -> bool:
        return self.kind != LISTING


@dataclass(frozen=True, slots=True)
class IntentQuery:
    """Which intents: each part that is given must fit. `states` are names of states, `target` as intents keep it."""

    states: tuple[str, ...] = ()
    kind: str | None = None
    target: str | None = None
    market: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one target in a diff: `old` is what the operator was shown, `new` what is wanted."""

    target: str
    label: str
    market: str | None
    field: str
    old: str | int | None
    new: str | int | None
    note: str | None = None


def raw_want(intent: Intent) -> dict[str, str | int | None]:
    """Return what is wanted as it was typed: a relative quantity stays relative, although it was resolved once."""
    return {**intent.want, **(intent.typed or {})}


def merged(earlier: Intent, later: Intent) -> tuple[dict[str, str | int | None], dict[str, str | int | None]]:
    """Return base and want of two changes of one listing in one market as one: the first base, the last want.

    A relative quantity adds up with the one before it.
    """
    first, last = raw_want(earlier), raw_want(later)
    want = {**first, **last}
    before, after = first.get("quantity"), last.get("quantity")
    if isinstance(after, str) and before is not None:
        want["quantity"] = (
            f"{int(before) + int(after):+d}" if isinstance(before, str) else max(0, int(before) + int(after))
        )
    return {**later.base, **earlier.base}, want
