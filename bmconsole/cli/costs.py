"""`bmconsole costs`: what units cost, without which no price is changed."""

from decimal import Decimal
from typing import TYPE_CHECKING

import click

from bmconsole.cli.carry import content_of, tell_faults
from bmconsole.cli.frame import Call, Group
from bmconsole.cli.output import jsonable, print_json, print_table
from bmconsole.domain.pricing_views import CostPlan, CostRow, Uncosted
from bmconsole.errors import Guarded, Partial

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace

_COLUMNS = (
    *("ID", "SKU", "MARKET", "GRADE", "COST", "PURCHASE", "FEE", "MARGIN", "VAT", "MIN", "MAX", "SINCE", "UNTIL"),
)
_MOST_SHOWN = 100
_FIRST_SHOWN = 40


@click.group(cls=Group)
def costs() -> None:
    """Keep what units cost; without a cost no price is changed."""


@costs.command("import")
@click.argument("file", metavar="FILE")
@click.option("--skip-invalid", is_flag=True, help="Keep the valid lines although others are wrong.")
@click.option("--yes", is_flag=True, help="Accept the differences without being asked.")
@click.pass_obj
def import_(call: Call, file: str, skip_invalid: bool, yes: bool) -> int:
    """Keep the costs in a file: CSV with ; or , or tabs, columns in any order, or JSON with one object a line.

    sku and purchase are enough. Also: market, grade, currency, parts, labour, shipping, fee, target_margin (both in
    per cent), min_profit, manual_min, manual_max, vat (none, regular 20, margin 20). A column that the file does not
    have leaves what is known as it is; an empty cell takes it away. Without --skip-invalid nothing is kept unless
    every line is valid. What held before stays in the history.
    """
    content = content_of(file, "file")

    async def work(workspace: "Workspace") -> int:
        plan = await workspace.plan_costs(content)
        tell_faults(call, plan.faults, stops=not (skip_invalid and plan.costs), skipping=skip_invalid)
        _show(call, plan)
        if plan.costs:
            _confirm(call, yes)
        kept = await workspace.keep_costs(plan.costs)
        if call.json:
            print_json({"kept": kept, "lines": plan.lines, "invalid": len(plan.faults)})
        call.say(f"{kept} costs are kept." if kept else "Everything is already so.")
        if plan.faults:
            raise Partial(f"{len(plan.faults)} of {plan.lines} lines were left out: {plan.faults[0]}", field="file")
        return 0

    return call.run(work, auth="skip")


@costs.command("list")
@click.option("--missing", is_flag=True, help="The listings that have no cost, those online first.")
@click.option("--sku", metavar="SKU", help="Of one SKU, with all that it ever was.")
@click.option("--limit", default=50, type=click.IntRange(min=0), help="How many (0: all).  [default: 50]")
@click.option("--after", type=int, default=0, metavar="ID", help="Only those behind this one.")
@click.pass_obj
def list_(call: Call, missing: bool, sku: str | None, limit: int, after: int) -> int:
    """List the costs that hold, or the listings that have none."""

    async def work(workspace: "Workspace") -> int:
        if missing:
            found = await workspace.uncosted()
            _print_missing(call, found[: limit or None])
            if limit and len(found) > limit:
                call.say(f"… and {len(found) - limit} more (--limit 0 shows all).")
            return 0
        if sku is not None:
            rows = await workspace.cost_history(sku)
        else:
            rows = await workspace.costs(after=after, limit=limit)
        _print_costs(call, rows, workspace)
        return 0

    return call.run(work, auth="skip")


def _show(call: Call, plan: CostPlan) -> None:
    many = len(plan.changes) > _MOST_SHOWN
    for change in plan.changes[: _FIRST_SHOWN if many else None]:
        call.say(change)
    if many:
        call.say(f"… and {len(plan.changes) - _FIRST_SHOWN} more.")
    for note in plan.notes:
        call.say(note)


def _confirm(call: Call, yes: bool) -> None:
    if yes:
        return
    if call.may_ask() and not call.json:
        if click.confirm("Keep these costs?", err=True):
            return
        raise Guarded("Not confirmed; nothing was kept.", field="confirm")
    raise Guarded(
        "Nothing was kept: it was not confirmed.", field="confirm", hint="--yes shows and accepts the differences."
    )


def _print_costs(call: Call, rows: list[CostRow], workspace: "Workspace") -> None:
    if call.json:
        for row in rows:
            print_json(cost_json(row))
    elif rows:
        print_table(
            (
                "ID",
                "SKU",
                "MARKET",
                "GRADE",
                "COST",
                "PURCHASE",
                "FEE",
                "MARGIN",
                "VAT",
                "MIN",
                "MAX",
                "SINCE",
                "UNTIL",
            ),
            [
                (
                    row.id,
                    row.cost.sku,
                    row.cost.market,
                    row.cost.grade,
                    f"{row.cost.total} {row.cost.currency}",
                    row.cost.purchase,
                    _percent(row.cost.fee),
                    _percent(row.cost.target_margin),
                    row.cost.vat,
                    row.cost.manual_min,
                    row.cost.manual_max,
                    row.valid_from,
                    row.superseded,
                )
                for row in rows
            ],
            zone=workspace.zone,
            right=("ID", "COST", "PURCHASE", "FEE", "MARGIN", "MIN", "MAX"),
        )
    else:
        call.say("No costs. “bmconsole costs import FILE” keeps them; sku;purchase is enough.")


def cost_json(row: CostRow) -> dict[str, object]:
    """Return a cost: amounts with their currency, shares as text."""
    cost = row.cost

    def money(value: object) -> object:
        return None if value is None else {"amount": f"{value:f}", "currency": cost.currency}

    amounts = ("purchase", "parts", "labour", "shipping", "min_profit", "manual_min", "manual_max")
    return {
        "id": row.id,
        "sku": cost.sku,
        "market": cost.market,
        "grade": cost.grade,
        "currency": cost.currency,
        **{name: money(getattr(cost, name)) for name in amounts},
        "fee": cost.fee,
        "target_margin": cost.target_margin,
        "vat": None if cost.vat is None else str(cost.vat),
        "valid_from": row.valid_from,
        "superseded": row.superseded,
    }


def _print_missing(call: Call, found: list[Uncosted]) -> None:
    if call.json:
        for each in found:
            print_json(jsonable(each))
    elif found:
        print_table(
            ("SKU", "TITLE", "MARKETS", "STOCK", "ONLINE", "WHY"),
            [(each.sku, each.title, each.markets, each.quantity, each.online, each.why) for each in found],
            right=("STOCK",),
        )
    else:
        call.say("Every listing has a cost.")


def _percent(share: Decimal | None) -> str | None:
    return None if share is None else f"{(share * 100).normalize():f} %"
