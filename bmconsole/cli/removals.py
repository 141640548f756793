"""`bmconsole listings removals`: listings that Back Market no longer shows, and the operator's word on them."""

from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_json, print_table
from bmconsole.errors import Guarded, UsageError

if TYPE_CHECKING:
    from bmconsole.cache import Cache
    from bmconsole.workspace import Workspace


@click.command("removals", cls=Command)
@click.argument("refs", metavar="[REF]...", nargs=-1)
@click.option("--gone", is_flag=True, help="Take them for gone, each after asking Back Market once more.")
@click.option("--keep", is_flag=True, help="Keep them, and do not ask until they were seen and missed anew.")
@click.option("--yes", is_flag=True, help="Do it without being asked.")
@click.pass_obj
def removals(call: Call, refs: tuple[str, ...], gone: bool, keep: bool, yes: bool) -> int:
    """List the listings that complete passes did not meet, or decide about them (default: about all that wait)."""
    if gone and keep:
        raise UsageError("Both --gone and --keep were given.", hint="Take one of them.")
    if not gone and not keep:
        if refs:
            raise UsageError("What to do with them was not given.", hint="Add --gone or --keep.")
        return call.read(lambda cache: _list(call, cache))

    async def work(workspace: "Workspace") -> int:
        named = {(await workspace.listing(ref)).id for ref in refs}
        waiting = [each for each in await workspace.removals() if not refs or each.id in named]
        if not waiting:
            call.say("No listing waits for your word.")
            return 0
        _confirm(call, len(waiting), yes, gone=gone)
        chosen = [each.id for each in waiting]
        if keep:
            for listing in await workspace.keep_removals(chosen):
                _tell(call, listing, "kept")
            return 0
        dead, alive = await workspace.confirm_removals(chosen)
        for listing in dead:
            _tell(call, listing, "gone")
        for listing in alive:
            _tell(call, listing, "lives")
        return 0

    return call.run(work, auth="required" if gone else "skip")


async def _list(call: Call, cache: "Cache") -> int:
    waiting = await cache.removals()
    if call.json:
        for each in waiting:
            print_json(
                {
                    "id": each.id,
                    "listing_id": each.listing_id,
                    "sku": each.sku,
                    "title": each.title,
                    "quantity": each.quantity,
                    "found": each.found,
                }
            )
        return 0
    if not waiting:
        call.say("No listing waits for your word.")
        return 0
    print_table(
        ("LISTING", "SKU", "TITLE", "QTY", "MISSED SINCE"),
        [(each.id, each.sku, each.title, each.quantity, each.found) for each in waiting],
        zone=cache.zone,
        right=("QTY",),
    )
    call.say("--gone takes them for gone, each after one more look at Back Market; --keep keeps them.")
    return 0


def _confirm(call: Call, count: int, yes: bool, *, gone: bool) -> None:
    if yes:
        return
    if not call.may_ask() or call.json:
        raise Guarded("Nothing was done: it was not confirmed.", field="confirm", hint="--yes does it unasked.")
    if not click.confirm(f"{'Take for gone' if gone else 'Keep'} {count} listings?", err=True):
        raise Guarded("Nothing was done: it was declined.", field="confirm")


def _tell(call: Call, listing: str, verdict: str) -> None:
    if call.json:
        print_json({"id": listing, "verdict": verdict})
    else:
        print(f"{listing} {verdict}")
