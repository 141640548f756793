"""The one line that explains a decision: what changes, why, from which floor, and what the guards said."""

from collections.abc import Sequence

from bmconsole.domain.decisions import Check
from bmconsole.domain.money import Money
from bmconsole.pricing.floors import Figures, percent
from bmconsole.pricing.guards import signed, tenths
from bmconsole.pricing.values import Facts, Limits


def line(
    facts: Facts,
    figures: Figures | None,
    why: str,
    *,
    target: Money | None = None,
    wanted: Money | None = None,
    min_price: Money | None = None,
    checks: Sequence[Check] = (),
    limits: Limits | None = None,
) -> str:
    """Return the line, such as
    `449.00 → 431.00 · win: price to win 431.00 GB, 40 s old · floor 402.17 (cost 310.00, fee 10 %, margin VAT 20 %,
    margin 15 %) · step −4.0 % ≤ 5 % · cool-down ok`.
    """
    old = facts.price
    parts = [_change(old, target, wanted), why]
    if min_price is not None and min_price != facts.min_price:
        before = "none" if facts.min_price is None else facts.min_price.text()
        parts.append(f"min_price {before} → {min_price.text()}")
    if figures is not None:
        parts.append(_floor(figures))
    for check in checks:
        if check.effect == "flag" and figures is not None and target is not None:
            parts.append(f"{check.guard}: margin {tenths(figures.margin(target.minor))} %")
        elif check.hit:
            parts.append(f"{check.guard}: {check.detail}")
        elif check.guard == "cool-down":
            parts.append("cool-down ok")
        elif check.guard == "step" and limits is not None and old is not None and target is not None and old != target:
            change = target.minor - old.minor
            share = signed(change, old.minor)
            within = abs(change) <= old.minor * limits.step
            parts.append(f"step {share} ≤ {percent(limits.step)}" if within else f"step {share} within the amount")
    return " · ".join(parts)


def _change(old: Money | None, target: Money | None, wanted: Money | None) -> str:
    if old is None:
        return "no price"
    if target is not None and target != old:
        return f"{old.text()} → {target.text()}"
    if wanted is not None and wanted != old:
        return f"{old.text()} stays ({wanted.text()} wanted)"
    return f"{old.text()} stays"


def _floor(figures: Figures) -> str:
    said = f"floor {Money(figures.floor, figures.currency).text()} (cost {figures.total}, fee {percent(figures.fee)}"
    said += ", no VAT" if figures.vat.kind == "none" else f", {figures.vat.kind} VAT {percent(figures.vat.rate)}"
    if figures.target_margin:
        said += f", margin {percent(figures.target_margin)}"
    if figures.min_profit:
        said += f", profit {figures.min_profit}"
    if figures.manual_min is not None:
        said += f", minimum {figures.manual_min}"
    return said + ")"
