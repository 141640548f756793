"""The listing's page below its form: stock against open orders, what the rules say, its grades, its past."""

import textwrap
from datetime import datetime, tzinfo

from bmconsole.console import look
from bmconsole.console.look import NOTHING, Cell, Tone
from bmconsole.console.widgets.pricegraph import price_graph
from bmconsole.domain.listing_page import ListingPage, Rung, inversions
from bmconsole.domain.text import clean

GRAPH = 13


def lines(page: ListingPage, width: int, now: datetime, zone: tzinfo) -> list[Cell]:
    """Return the page in lines of at most `width` cells."""
    found = [*_stock(page, now), (), *_rules(page, width)]
    if page.ladder:
        found += [(), *_ladder(page)]
    found += [(), ((f"Thirty days in {page.market}", Tone.STRONG),)]
    if page.history is None:
        found.append(((" nothing is known yet", Tone.DIM),))
    else:
        found += price_graph(page.history, width, GRAPH, zone)
    return found


def _stock(page: ListingPage, now: datetime) -> list[Cell]:
    sold: Cell = (
        ("Stock  ", Tone.STRONG),
        ("–" if page.stock is None else str(page.stock), Tone.PLAIN),
        ("   sold and not sent  ", Tone.DIM),
        (str(page.open_units), Tone.PLAIN),
    )
    if page.short_of:
        sold += ((f"   ! oversold by {page.short_of}", Tone.BAD),)
    elif page.stock is not None and page.open_units:
        sold += (("   ✓ enough for what is sold", Tone.GOOD),)
    found = [sold]
    for row in page.open_orders:
        due = look.due(row.due, row.late, True, now)
        found.append(
            (
                (f"  {row.order_id:<10}", Tone.PLAIN),
                *_wide(look.status(row.status), 13),
                *_wide(due, 13),
                *look.money(row.price),
            )
        )
    return found


def _rules(page: ListingPage, width: int) -> list[Cell]:
    title: Cell = (("What the rules say", Tone.STRONG), (f"   {page.market}", Tone.DIM))
    if page.decision is None:
        return [title, (("  nothing was decided yet", Tone.DIM),)]
    row = page.decision.row
    decision = row.decision
    said: Cell = (
        (f"  {decision.standing.value.replace('-', ' ')}", Tone.KEY),
        (f"   {decision.decision.value}", Tone.PLAIN),
    )
    if decision.target is not None and decision.target != decision.old:
        said += (("   → ", Tone.DIM), *look.money(decision.target, Tone.STRONG))
    bounds: Cell = ()
    for name, amount in (("floor", decision.floor), ("ceiling", decision.ceiling)):
        if amount is not None:
            bounds += ((f"  {name} ", Tone.DIM), (amount.text(), Tone.PLAIN))
    if decision.margin is not None:
        bounds += (("  margin ", Tone.DIM), (f"{decision.margin:.1%}", Tone.PLAIN))
    rule = clean(decision.rule or "no rule", limit=60)
    strategy = clean(decision.strategy or "", limit=40)
    reason = textwrap.wrap(clean(decision.reason, limit=600), max(20, width - 2))
    return [
        title,
        said,
        *([bounds] if bounds else []),
        *(((f"  {line}", Tone.PLAIN),) for line in reason),
        ((f"  {rule}{', ' + strategy if strategy else ''}, mode {decision.mode.value}", Tone.DIM),),
    ]


def _ladder(page: ListingPage) -> list[Cell]:
    wrong = inversions(page.ladder)
    title: Cell = (("Grades of this product", Tone.STRONG), (f"   {page.market}", Tone.DIM))
    return [title, *(_rung(rung, wrong.get(rung.id, "")) for rung in page.ladder)]


def _rung(rung: Rung, under: str) -> Cell:
    grade = _grade(rung.grade)
    tone = Tone.STRONG if rung.own else Tone.PLAIN
    won: Cell = (
        NOTHING if rung.winning is None else ((("✓ won", Tone.GOOD),) if rung.winning else (("○ lost", Tone.WARN),))
    )
    found: Cell = (
        ("▸ " if rung.own else "  ", Tone.KEY),
        (f"{grade:<11}", tone),
        (f"{rung.price.text():>9}", tone),
        (f" {clean(rung.price.currency)}  ", Tone.DIM),
        *_wide(won, 8),
        (f"stock {'–' if rung.quantity is None else rung.quantity:<5}", Tone.DIM),
    )
    return (*found, (f"! not dearer than {_grade(under)}", Tone.WARN)) if under else found


def _grade(name: str | None) -> str:
    return clean(name or "–", limit=20).replace("_", " ").lower()


def _wide(cell: Cell, width: int) -> Cell:
    return tuple(look.fit(cell, width))
