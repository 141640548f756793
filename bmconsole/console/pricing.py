"""How repricing reads on a screen: standings, decisions, reasons, guards, and what became of it all."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from bmconsole.console import look
from bmconsole.console.look import NOTHING, PENDING_GLYPH, Cell, Span, Tone, count
from bmconsole.domain.decisions import Check, Decision, Standing
from bmconsole.domain.money import Money, minor_digits
from bmconsole.domain.pricing_views import DecisionRow, PauseRow
from bmconsole.domain.text import clean

STANDING_LOOK: dict[Standing, tuple[str, Tone]] = {
    Standing.UNDER_FLOOR: ("▼", Tone.BAD),
    Standing.WINNABLE: ("●", Tone.WARN),
    Standing.BLOCKED: ("■", Tone.BAD),
    Standing.CONFLICT: ("!", Tone.BAD),
    Standing.NO_COST: ("?", Tone.WARN),
    Standing.STALE: ("~", Tone.DIM),
    Standing.NO_DATA: ("○", Tone.DIM),
    Standing.WIN: ("✓", Tone.GOOD),
}
STATE_LOOK: dict[str, tuple[str, str, Tone]] = {
    "waiting": ("●", "waits", Tone.WARN),
    "due": (PENDING_GLYPH, "is written", Tone.KEY),
    "written": ("✓", "written", Tone.GOOD),
    "stopped": ("■", "stopped", Tone.DIM),
    "failed": ("×", "failed", Tone.BAD),
    "lapsed": ("–", "lapsed", Tone.DIM),
}
"""Glyph, word and tone of what became of a decision."""


def standing(value: Standing) -> Cell:
    """Return a standing as glyph and word, short enough for a column."""
    glyph, tone = STANDING_LOOK[value]
    word = "BLOCKED" if value is Standing.BLOCKED else str(value)
    return ((f"{glyph} ", tone), (word, Tone.DIM if tone is Tone.DIM else Tone.PLAIN))


def state(row: DecisionRow) -> Cell:
    """Return what became of a decision; where nothing is to become of it, what it says."""
    if row.state not in STATE_LOOK:
        return ((str(row.decision.decision), Tone.DIM),)
    glyph, word, tone = STATE_LOOK[row.state]
    return ((f"{glyph} ", tone), (word, Tone.DIM if tone is Tone.DIM else Tone.PLAIN))


def percent(old: Money | None, new: Money | None) -> Decimal | None:
    """Return by how many per cent a price changes, to a tenth; None where that makes no sense."""
    if old is None or new is None or old.currency != new.currency or old.minor <= 0:
        return None
    change = Decimal(new.minor - old.minor) * 100 / old.minor
    return change.quantize(Decimal("0.1"), ROUND_HALF_UP)


def signed(value: Decimal) -> str:
    """Return a number with its sign, a real minus."""
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{abs(value):f}"


def target(decision: Decision) -> Cell:
    """Return the price that is to be; a wanted one that a guard stopped is set back."""
    if decision.target is not None:
        return look.money(decision.target, Tone.STRONG, currency=False)
    if decision.wanted is not None and decision.wanted != decision.old:
        return ((f"({decision.wanted.text()})", Tone.DIM),)
    return NOTHING


def change(decision: Decision) -> Cell:
    """Return by how much the price is to change: `−4.0 %`."""
    found = percent(decision.old, decision.target)
    if found is None:
        return NOTHING
    tone = Tone.WARN if abs(found) > 5 else Tone.PLAIN
    return ((f"{signed(found)} %", tone),)


def share(value: Decimal | None) -> Cell:
    """Return a share as a percentage; a loss stands out."""
    if value is None:
        return NOTHING
    shown = (value * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return ((f"{shown:f} %".replace("-", "−"), Tone.BAD if value < 0 else Tone.PLAIN),)


def short_money(values: Sequence[Money]) -> str:
    """Return sums without their minor units: `12,310 EUR`, the largest first where currencies differ."""
    if not values:
        return ""
    ordered = sorted(values, key=lambda money: -abs(money.amount))
    first = ordered[0]
    amount = Decimal(first.minor).scaleb(-minor_digits(first.currency)).quantize(Decimal(1), ROUND_HALF_UP)
    more = "+" if len(ordered) > 1 else ""
    return f"{amount:,} {clean(first.currency)}{more}".replace("-", "−")


def reason_lines(decision: Decision) -> list[Cell]:
    """Return the reason, part by part: the first says what, the others why."""
    parts = [part for part in clean(decision.reason, limit=2_000).split(" · ") if part]
    if not parts:
        return [NOTHING]
    return [((parts[0], Tone.STRONG),), *(((part, Tone.PLAIN),) for part in parts[1:])]


def reason(decision: Decision) -> Cell:
    """Return the reason as one line that may be wrapped."""
    spans: list[Span] = []
    for place, line in enumerate(reason_lines(decision)):
        if place:
            spans.append(("  ·  ", Tone.DIM))
        spans += line
    return tuple(spans)


def hit_guards(decision: Decision) -> list[Cell]:
    """Return the guards that had an effect, a line each."""
    return [guard(check) for check in decision.guards if check.hit]


def guard(check: Check) -> Cell:
    """Return one guard's word: passed, or what it did and why."""
    name = clean(check.guard, limit=40)
    if not check.hit:
        return (("✓ ", Tone.GOOD), (name, Tone.DIM))
    glyph, tone = ("·", Tone.DIM) if check.effect == "waived" else ("▲", Tone.WARN)
    if check.effect == "hold":
        glyph, tone = "!", Tone.BAD
    detail = f"  {clean(check.detail, limit=300)}" if check.detail else ""
    return ((f"{glyph} ", tone), (name, Tone.PLAIN), (f" {clean(check.effect, limit=20)}", tone), (detail, Tone.DIM))


def paused(pauses: Iterable[PauseRow], now: datetime) -> str:
    """Return what is paused, for a banner: `everything, for 12 min: a wrong cost file`; empty where nothing is."""
    rows = list(pauses)
    if not rows:
        return ""
    whole = next((row for row in rows if row.market is None and row.listing is None), None)
    if whole is None:
        names = [clean(row.sku or row.market or row.listing or "", limit=24) for row in rows[:3]]
        more = f" and {count(len(rows) - 3)} more" if len(rows) > 3 else ""
        return f"{', '.join(names)}{more}"
    why = f": {clean(whole.why, limit=80)}" if whole.why else ""
    return f"everything, for {look.span(now - whole.since)}{why}"


def stops_all(pauses: Iterable[PauseRow]) -> bool:
    """Whether repricing as a whole is paused."""
    return any(row.market is None and row.listing is None for row in pauses)
