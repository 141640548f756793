"""What changes listings: `bmconsole listings set|import`, and the export that an import takes back."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from bmconsole.cli.carry import accepting, carry, carry_file, content_of, hand_out
from bmconsole.cli.frame import Call, Command
from bmconsole.domain.views import Query
from bmconsole.errors import UsageError

if TYPE_CHECKING:
    from bmconsole.cache import Cache
    from bmconsole.workspace import Workspace

_Decorator = Callable[[Any], Any]


def _shipping_options(command: Any) -> Any:  # click's decorators take and give anything
    for place in (3, 2, 1):
        options: list[_Decorator] = [
            click.option(f"--shipper-{place}", metavar="NAME", help=f"Way of shipping {place}; empty takes it away."),
            click.option(f"--shipping-delay-{place}", metavar="HOURS", help=f"Of way {place}."),
            click.option(f"--shipping-price-{place}", metavar="AMOUNT", help=f"Of way {place}, for the buyer."),
        ]
        for option in reversed(options):
            command = option(command)
    return command


@click.command("set", cls=Command)
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@click.option("--market", metavar="CODE", help="Whose price and texts.  [default: the main one]")
@click.option("--price", metavar="AMOUNT", help="In the market's currency: 231.50, or a step: -5%")
@click.option("--min-price", metavar="AMOUNT", help="The least that BackPricer may ask.")
@click.option("--quantity", metavar="N", help="A count; +2 or -1 change the live one. 0 takes it offline.")
@click.option("--comment", metavar="TEXT", help="At most 500 characters.")
@click.option("--warranty-delay", metavar="MONTHS", help="12 or more.")
@_shipping_options
@accepting
@click.pass_obj
def set_(
    call: Call, /, refs: tuple[str, ...], market: str | None, yes: bool, confirmed: int | None, **typed: str | None
) -> int:
    """Change a listing, or several alike.

    Shows the difference, asks, writes, and reads back what came of it.
    """
    fields = {name: value for name, value in typed.items() if value is not None}
    if not fields:
        raise UsageError("Nothing to set was given.", hint="For instance: --price 231.50")

    async def work(workspace: "Workspace") -> int:
        if len(refs) == 1:
            plan = await workspace.plan_listing(refs[0], market, fields)
        else:
            plan = await workspace.plan_listings(refs, market, fields)
        return await carry(call, workspace, plan, yes=yes, confirmed=confirmed)

    return call.run(work)


@click.command("import", cls=Command)
@click.argument("file", metavar="FILE")
@click.option("--skip-invalid", is_flag=True, help="Write the valid lines although others are wrong.")
@accepting
@click.pass_obj
def import_(call: Call, file: str, skip_invalid: bool, yes: bool, confirmed: int | None) -> int:
    """Change listings as a file says.

    CSV with ; or , or tabs and the columns in any order, or JSON with one object a line: id, listing_id or sku;
    market (default: the main one); and what to set: price, min_price, quantity, comment, warranty_delay,
    shipper_1, shipping_delay_1, shipping_price_1 and so on. Empty cells change nothing. Without --skip-invalid
    nothing is written unless every line is valid.
    """
    content = content_of(file, "file")

    async def work(workspace: "Workspace") -> int:
        prepared = await workspace.plan_import(content)
        call.say(f"{prepared.lines} lines; {len(prepared.plan.intents)} writes.")
        return await carry_file(call, workspace, prepared, skip_invalid=skip_invalid, yes=yes, confirmed=confirmed)

    return call.run(work)


@click.command("export", cls=Command)
@click.option("--where", default="", metavar="FILTER", help="Which: stock<2 grade:GOOD …")
@click.option("--sort", default="", metavar="[-]FIELD", help="By what; - for descending.")
@click.option("--market", "markets", multiple=True, metavar="CODE", help="Only this market; may be repeated.")
@click.option("--separator", type=click.Choice([",", ";"]), default=",", help="Between cells.  [default: ,]")
@click.option("--output", "-o", metavar="FILE", help="Instead of standard output.")
@click.pass_obj
def export(call: Call, where: str, sort: str, markets: tuple[str, ...], separator: str, output: str | None) -> int:
    """Write listings as CSV, or with --json as one object a line: a line for each listing and market.

    An import takes both back. Cells that a spreadsheet would take for a formula begin with '.
    """

    async def work(cache: "Cache") -> int:
        chosen = [cache.check_market(market) for market in markets] or list(cache.profile.markets)
        rows = await listing_rows(cache, Query(where=where, sort=sort, limit=0), chosen)
        return hand_out(call, rows, separator, output)

    from bmconsole.exports import listing_rows

    return call.read(work)
