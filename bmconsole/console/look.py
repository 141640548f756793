"""How values read on a screen: tones, glyphs, and texts of fixed meaning for money, states and times."""

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from rich.cells import cell_len, set_cell_size

from bmconsole.domain.intents import IntentState
from bmconsole.domain.listings import ONLINE, PUBLICATION_STATES
from bmconsole.domain.money import Money
from bmconsole.domain.orders import Status
from bmconsole.domain.text import clean


class Tone(StrEnum):
    """What a piece of text means; the theme decides how that looks."""

    PLAIN = "plain"
    DIM = "dim"
    STRONG = "strong"
    KEY = "key"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    BADGE_GOOD = "badge-good"
    BADGE_WARN = "badge-warn"
    BADGE_BAD = "badge-bad"
    MARK_RED = "mark-red"
    MARK_ORANGE = "mark-orange"
    MARK_YELLOW = "mark-yellow"
    MARK_GREEN = "mark-green"
    MARK_CYAN = "mark-cyan"
    MARK_BLUE = "mark-blue"
    MARK_MAGENTA = "mark-magenta"


Span = tuple[str, Tone]
Cell = tuple[Span, ...]
"""One line of text in tones; its strings are already fit for a terminal."""

NOTHING: Cell = (("–", Tone.DIM),)
BLANK: Cell = ((" ", Tone.PLAIN),)
MASK = "•••••"
PENDING_GLYPH = "↻"
DIFFERS_GLYPH = "≠"

STATUS_LOOK: dict[Status, tuple[str, Tone]] = {
    Status.PENDING: ("○", Tone.DIM),
    Status.UNPAID: ("○", Tone.DIM),
    Status.TO_ACCEPT: ("●", Tone.WARN),
    Status.TO_SHIP: ("▲", Tone.KEY),
    Status.SHIPPED: ("✓", Tone.GOOD),
    Status.REFUNDED: ("↩", Tone.DIM),
    Status.CANCELLED: ("×", Tone.DIM),
    Status.UNKNOWN: ("?", Tone.BAD),
}
INTENT_LOOK: dict[IntentState, tuple[str, Tone]] = {
    IntentState.PENDING: (PENDING_GLYPH, Tone.WARN),
    IntentState.SENT: (PENDING_GLYPH, Tone.WARN),
    IntentState.CONFIRMED: ("✓", Tone.GOOD),
    IntentState.REJECTED: ("×", Tone.BAD),
    IntentState.CONFLICT: ("!", Tone.BAD),
    IntentState.UNKNOWN: ("?", Tone.BAD),
    IntentState.DROPPED: ("–", Tone.DIM),
}
LEVEL_LOOK: dict[str, tuple[str, Tone]] = {
    "debug": ("·", Tone.DIM),
    "info": ("•", Tone.KEY),
    "warning": ("▲", Tone.WARN),
    "error": ("×", Tone.BAD),
}
ENVIRONMENT_BADGE = {
    "production": Tone.BADGE_BAD,
    "preprod": Tone.BADGE_WARN,
    "sandbox": Tone.BADGE_GOOD,
}


def text(value: object | None, tone: Tone = Tone.PLAIN) -> Cell:
    """Return a cell of one tone; None and empty text read as a dash. Remote text is made safe here."""
    shown = "" if value is None else clean(value)
    return ((shown, tone),) if shown else NOTHING


def buyer(value: object | None, tone: Tone = Tone.PLAIN, *, private: bool) -> Cell:
    """Return a buyer's data as a cell; while the screen is `private` only whether there is any, not even how long."""
    return text(value, tone) if not private else hidden(text(value, tone))


def hidden(cell: Cell) -> Cell:
    """Return a cell that only tells whether there is something."""
    return cell if cell == NOTHING else ((MASK, Tone.DIM),)


def money(value: Money | None, tone: Tone = Tone.PLAIN, *, currency: bool = True) -> Cell:
    """Return an amount, with its currency set back."""
    if value is None:
        return NOTHING
    amount = (value.text(), tone)
    return (amount, (f" {clean(value.currency)}", Tone.DIM)) if currency else (amount,)


def status(value: Status) -> Cell:
    """Return an order's status as glyph and word."""
    glyph, tone = STATUS_LOOK[value]
    word_tone = Tone.DIM if tone is Tone.DIM else Tone.PLAIN
    return ((f"{glyph} ", tone), (value.value.replace("-", " "), word_tone))


def publication(state: int | None) -> Cell:
    """Return a publication state as a word; the number where it has none."""
    if state is None:
        return NOTHING
    word = PUBLICATION_STATES.get(state, f"state {state}")
    return ((word, Tone.PLAIN if state == ONLINE else Tone.DIM),)


def due(moment: datetime | None, late: bool, open_: bool, now: datetime) -> Cell:
    """Return the time left until an order must leave, or how late it is; a dash where nothing is due."""
    if moment is None or not open_:
        return NOTHING
    left = moment - now
    if late:
        return ((f"late {span(-left)}", Tone.BAD),)
    return ((f"in {span(left)}", Tone.WARN if left < timedelta(hours=6) else Tone.PLAIN),)


def span(length: timedelta) -> str:
    """Return a length of time in a few characters: `40 s`, `12 min`, `5 h`, `3 d`."""
    seconds = max(0, int(length.total_seconds()))
    for limit, unit, name in ((90, 1, "s"), (5_400, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds // unit} {name}"
    return f"{seconds // 86_400} d"


def moment(value: datetime | None, zone: tzinfo, *, seconds: bool = False) -> str:
    """Return a time in the display zone: `23 Nov 08:12`; empty for None."""
    if value is None:
        return ""
    return value.astimezone(zone).strftime("%d %b %H:%M:%S" if seconds else "%d %b %H:%M")


def full_moment(value: datetime | None, zone: tzinfo) -> str:
    """Return a time in the display zone with its year and zone: `2026-11-23 08:12 CET`; empty for None."""
    return "" if value is None else value.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def count(number: int) -> str:
    """Return a number with thousands set apart: `12,345`."""
    return f"{number:,}"


def gauge(used: int, limit: int, width: int = 8) -> tuple[str, str]:
    """Return a small bar as its filled and its empty part; anything used shows at least one step."""
    if limit <= 0:
        return "", "─" * width
    filled = min(width, -(-used * width // limit))
    return "━" * filled, "─" * (width - filled)


def plain(cell: Iterable[Span]) -> str:
    """Return the text of a cell."""
    return "".join(part for part, _ in cell)


def fit(cell: Cell, width: int, *, right: bool = False) -> list[Span]:
    """Return `cell` cut or padded to exactly `width` terminal cells; what is cut ends in an ellipsis."""
    if width <= 0:
        return []
    length = sum(cell_len(part) for part, _ in cell)
    if length <= width:
        padding: Span = (" " * (width - length), Tone.PLAIN)
        return [padding, *cell] if right else [*cell, padding]
    left = width - 1
    spans: list[Span] = []
    for part, tone in cell:
        taken = cell_len(part)
        if taken > left:
            spans.append((set_cell_size(part, left).rstrip() if left else "", tone))
            missing = left - cell_len(spans[-1][0])
            spans.append(("…" + " " * missing, Tone.DIM))
            break
        spans.append((part, tone))
        left -= taken
    return spans
