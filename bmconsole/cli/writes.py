"""`bmconsole writes`: what we changed at Back Market, and what came of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from bmconsole.cli import taking_back
from bmconsole.cli.frame import Call, Group
from bmconsole.cli.outcomes import print_intents, values
from bmconsole.cli.output import print_facts, print_json
from bmconsole.cli.shapes import intent_json
from bmconsole.domain.intents import LISTING, IntentQuery, IntentState
from bmconsole.domain.transitions import ACCEPT, CANCEL, INVOICE, REFUND, SERIAL, SHIP

if TYPE_CHECKING:
    from bmconsole.cache import Cache

_STATES = tuple(state.value for state in IntentState)
_KINDS = (LISTING, ACCEPT, CANCEL, SHIP, REFUND, SERIAL, INVOICE)


@click.group(cls=Group)
def writes() -> None:
    """Show the journal of writes, take them back, decide about conflicts."""


for _command in (taking_back.undo, taking_back.resolve):
    writes.add_command(_command)


@writes.command("list")
@click.option("--limit", default=50, type=click.IntRange(min=0), help="How many (0: all).  [default: 50]")
@click.option("--after", type=int, metavar="ID", help="Only those behind this one, newest first.")
@click.option("--unfinished", is_flag=True, help="Only those whose end is not known yet.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), metavar="STATE", help="May be repeated.")
@click.option("--kind", type=click.Choice(_KINDS), metavar="KIND", help=f"One of {', '.join(_KINDS)}.")
@click.option("--target", metavar="ID", help="Of one order, or of one listing (its UUID).")
@click.option("--market", metavar="CODE", help="Of one market.")
@click.option("--run", metavar="RUN", help="Of one bulk.")
@click.pass_obj
def list_(
    call: Call,
    limit: int,
    after: int | None,
    unfinished: bool,
    states: tuple[str, ...],
    kind: str | None,
    target: str | None,
    market: str | None,
    run: str | None,
) -> int:
    """List writes, newest first."""
    query = IntentQuery(states, kind, target, market, run)

    async def work(cache: "Cache") -> int:
        found = await cache.intents(limit=limit, after=after, unfinished=unfinished, query=query)
        print_intents(call, found, cache.zone)
        return 0

    return call.read(work)


@writes.command("show")
@click.argument("intent_id", metavar="ID", type=int)
@click.pass_obj
def show(call: Call, intent_id: int) -> int:
    """Show one write."""

    async def work(cache: "Cache") -> int:
        intent = await cache.intent(intent_id)
        if call.json:
            print_json(intent_json(intent))
        else:
            shape = intent_json(intent) | {"created": intent.created, "updated": intent.updated}
            print_facts(
                {name: values(value) if isinstance(value, Mapping) else value for name, value in shape.items()},
                zone=cache.zone,
            )
        return 0

    return call.read(work)
