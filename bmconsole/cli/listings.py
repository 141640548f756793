"""`bmconsole listings`: the cached listings, one of them live; what changes them is in `listing_writes`."""

from datetime import tzinfo
from typing import TYPE_CHECKING

import click

from bmconsole.cli import listing_writes
from bmconsole.cli.frame import Call, Group
from bmconsole.cli.outcomes import change
from bmconsole.cli.output import print_facts, print_json, print_table
from bmconsole.cli.removals import removals
from bmconsole.cli.shapes import intent_json, listing_json
from bmconsole.domain.intents import Intent
from bmconsole.domain.listings import PUBLICATION_STATES, Listing
from bmconsole.domain.rows import Query

if TYPE_CHECKING:
    from bmconsole.cache import Cache
    from bmconsole.workspace import Workspace


@click.group(cls=Group)
def listings() -> None:
    """Look at listings and change them.

    REF is a listing's UUID, its integer or sku:…
    """


@listings.command("list")
@click.option("--limit", default=50, type=click.IntRange(min=0), help="How many (0: all).  [default: 50]")
@click.option("--after", metavar="REF", help="Only the rows behind this listing.")
@click.option("--where", default="", metavar="FILTER", help="Which: stock<2 grade:GOOD winnable …")
@click.option("--sort", default="", metavar="[-]FIELD", help="By what; - for descending.")
@click.option("--market", metavar="CODE", help="The market of prices and states.  [default: the main one]")
@click.pass_obj
def list_(call: Call, limit: int, after: str | None, where: str, sort: str, market: str | None) -> int:
    """List listings from the cache."""
    query = Query(where=where, sort=sort, after=after, limit=limit)

    async def work(cache: "Cache") -> int:
        rows = await cache.listings_page(query, market=market)
        if call.json:
            pending = {row.id: row.pending for row in rows}
            async for listing in cache.listings([row.id for row in rows]):
                print_json(listing_json(listing, pending=pending[listing.id]))
            return 0
        if not rows:
            call.say("No listings. “bmconsole sync” fetches them." if not where else "No listing fits.")
            return 0
        print_table(
            ("SKU", "TITLE", "GRADE", "QTY", "PRICE", "MIN", "TO WIN", "STATE", "PENDING"),
            [
                (
                    row.sku,
                    row.title,
                    row.grade,
                    row.quantity,
                    row.price,
                    row.min_price,
                    row.price_to_win,
                    _publication(row.publication_state),
                    ", ".join(f"{name} → {value}" for name, value in row.pending.items()),
                )
                for row in rows
            ],
            right=("QTY", "PRICE", "MIN", "TO WIN"),
        )
        return 0

    return call.read(work)


@listings.command("show")
@click.argument("ref")
@click.option("--live", is_flag=True, help="Ask Back Market now, in every market of the profile.")
@click.pass_obj
def show(call: Call, ref: str, live: bool) -> int:
    """Show one listing with its offer in each market."""

    async def look(cache: "Cache") -> int:
        view = await cache.listing_view(ref)
        unfinished = [intent for intent in view.intents if intent.state.unfinished]
        if call.json:
            print_json(listing_json(view.listing) | {"writes": [intent_json(intent) for intent in unfinished]})
        else:
            _print_listing(view.listing, unfinished, cache.zone)
        return 0

    async def refresh(workspace: "Workspace") -> int:
        await workspace.refresh_listing(ref)
        return await look(workspace)

    return call.run(refresh) if live else call.read(look)


for _command in (listing_writes.set_, listing_writes.import_, listing_writes.export, removals):
    listings.add_command(_command)


def _print_listing(listing: Listing, unfinished: list[Intent], zone: tzinfo) -> None:
    facts: dict[str, object] = {
        "listing": listing.id,
        "number": listing.listing_id,
        "sku": listing.sku,
        "title": listing.title,
        "grade": listing.grade,
        "quantity": listing.quantity,
        "fetched": listing.fetched_at,
    }
    if listing.deleted_at is not None:
        facts["gone since"] = listing.deleted_at
    for intent in unfinished:
        facts[f"write {intent.id}"] = f"{intent.state}: {intent.market or ''} {change(intent)}"
    print_facts(facts, zone=zone)
    print_table(
        ("MARKET", "PRICE", "MIN", "MAX", "STATE", "TO WIN", "WINNING", "OBSERVED", "WARRANTY", "COMMENT"),
        [
            (
                offer.market,
                offer.price,
                offer.min_price,
                offer.max_price,
                _publication(offer.publication_state),
                offer.backbox and offer.backbox.price_to_win,
                offer.backbox and offer.backbox.winning,
                offer.backbox and offer.backbox.last_seen,
                offer.warranty_delay,
                offer.comment,
            )
            for offer in listing.offers.values()
        ],
        zone=zone,
        right=("PRICE", "MIN", "MAX", "TO WIN", "WARRANTY"),
    )


def _publication(state: int | None) -> str | None:
    return None if state is None else PUBLICATION_STATES.get(state, str(state))
