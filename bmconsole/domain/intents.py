"""Intents: what we mean to change at Back Market, written down before the first byte leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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

    `target` is the listing's UUID or the order id, as text; `base` what the operator was shown, `want` what is to be,
    `readback` what the server said afterwards.
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
