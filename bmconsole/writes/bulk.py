"""Many writes as one plan: what has to be confirmed besides, what it comes to, how long it takes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from bmconsole.domain.bulk import BIG_JUMP, MANY_ROWS
from bmconsole.domain.intents import LISTING, Change, Intent
from bmconsole.domain.views import WritePlan

_READS_A_WRITE = 2
_LIMITS = {"edge": "200/10", "sensitive": "20/10", "sku_lines": "2000/3600"}
_NAMES = {"price": "prices", "min_price": "least prices", "quantity": "stocks", "comment": "comments"}


def together(plans: Iterable[WritePlan], *, rows: int | None = None) -> WritePlan:
    """Return several plans as one; `rows` is how many the operator confirms (default: the number of plans)."""
    parts = [plan for plan in plans if plan.intents]
    whys = list(dict.fromkeys(plan.why_confirm for plan in parts if plan.why_confirm))
    count = len(parts) if rows is None else rows
    if count > MANY_ROWS:
        whys.insert(0, f"{count} rows change")
    return WritePlan(
        tuple(change for plan in parts for change in plan.changes),
        tuple(intent for plan in parts for intent in plan.intents),
        tuple(dict.fromkeys(note for plan in parts for note in plan.notes)),
        count if whys else 0,
        "; ".join(whys),
    )


def in_run(plan: WritePlan, run: str, origin: str | None = None) -> WritePlan:
    """Return a plan whose intents belong to `run`."""
    return replace(
        plan,
        intents=tuple(replace(intent, run=run, origin=origin or intent.origin) for intent in plan.intents),
        run=run,
    )


def also_confirm(plan: WritePlan, rows: int, why: str) -> WritePlan:
    """Return a plan for which `rows` has to be confirmed besides, for one more reason."""
    return replace(plan, confirm=rows, why_confirm="; ".join(part for part in (plan.why_confirm, why) if part))


def jumps(changes: Sequence[Change]) -> list[Change]:
    """Return the changes of prices by more than `BIG_JUMP` per cent."""
    found = []
    for change in changes:
        if change.field in ("price", "min_price") and isinstance(change.old, str) and isinstance(change.new, str):
            old = Decimal(change.old)
            if old > 0 and abs(Decimal(change.new) - old) / old * 100 > BIG_JUMP:
                found.append(change)
    return found


def summary(changes: Sequence[Change], currencies: Mapping[str, str]) -> tuple[str, ...]:
    """Return what changes of listings come to, a line for each kind: counts, and sums by currency.

    Args:
        changes: The changes.
        currencies: The currency of each market.
    """
    lines = []
    for field, count in Counter(change.field for change in changes).items():
        line = f"{count} {_NAMES.get(field, field)}"
        chosen = [change for change in changes if change.field == field]
        if field in ("price", "min_price"):
            sums: Counter[str] = Counter()
            for change in chosen:
                difference = Decimal(str(change.new)) - Decimal(str(change.old or 0))
                sums[currencies.get(change.market or "", "")] += difference  # type: ignore[assignment]  # a Counter of Decimals
            line += ", in all " + ", ".join(f"{total:+} {currency}" for currency, total in sums.items())
        elif field == "quantity":
            pieces = sum(map(_pieces, chosen))
            offline = sum(change.new == 0 for change in chosen)
            line += f", in all {pieces:+} pieces" + (f"; {offline} go offline" if offline else "")
        lines.append(line + ".")
    return tuple(lines)


def _pieces(change: Change) -> int:
    """Return by how much a stock moves; what was typed as `+2` is that, whatever the live stock is."""
    if isinstance(change.new, str):
        return int(change.new)
    return change.new - change.old if isinstance(change.new, int) and isinstance(change.old, int) else 0


def seconds_for(intents: Sequence[Intent], limits: Mapping[str, str]) -> float:
    """Return how many seconds a plan takes at least under the limits (`requests/seconds` by name), reads included."""
    listings = sum(intent.kind == LISTING for intent in intents)
    needs = {
        "edge": len(intents) * (1 + _READS_A_WRITE),
        "sensitive": listings,
        "sku_lines": listings,
    }
    longest = 0.0
    for name, needed in needs.items():
        most, _, window = limits.get(name, _LIMITS[name]).partition("/")
        # What fits into the first window goes at once
        longest = max(longest, max(0, -(-needed // max(1, int(most))) - 1) * float(window))
    return longest


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 1:
        return "a moment"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5_400 else f"about {seconds / 3_600:.1f} h"
