"""`bmconsole backup`, `restore` and `purge`: copies of what cannot be fetched again, and buyers taken out of orders."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_facts, print_json
from bmconsole.domain.text import clean
from bmconsole.domain.times import parse_duration
from bmconsole.errors import Guarded, NotFound, Partial, UsageError

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace

_FILE = click.Path(dir_okay=False, path_type=Path, resolve_path=True)
_NAMED = 5


@click.command(cls=Command)
@click.option("--to", "target", type=_FILE, required=True, help="A file that does not exist yet.")
@click.pass_obj
def backup(call: Call, target: Path) -> int:
    """Copy everything that cannot be fetched again: writes with their audit, history, settings; never the token.

    A file that ends in .db gets the journal of writes alone, as the daily copies have it.
    """
    name = call.settings().layers.name
    from bmconsole.keeping import copy_all, copy_journal

    if target.suffix == ".db":
        _tell(call, {"journal": str(copy_journal(name, call.paths, target))})
    else:
        _tell(call, {"files": copy_all(name, call.paths, target), "backup": str(target)})
    return 0


@click.command(cls=Command)
@click.option("--from", "source", type=_FILE, help="A copy.  [default: the newest of the daily ones of the journal]")
@click.option("--yes", is_flag=True, help="Do it without being asked.")
@click.pass_obj
def restore(call: Call, source: Path | None, yes: bool) -> int:
    """Put a copy in the place of what is there, which is kept beside it.

    Settings files that exist are left as they are. Where none is left: BMCONSOLE_ACCESS=admin.
    """
    settings = call.settings()
    settings.need("admin", "restore a copy")
    _confirm(call, yes, "Writes since that copy will be unknown. Restore it?")
    from bmconsole.keeping import restore as put_back

    done = put_back(settings.layers.name, call.paths, source)
    journal = done.former.get("journal.db")
    _tell(
        call,
        {
            "restored": str(done.source),
            "files": done.files,
            "former": None if journal is None else str(journal),
            "left_alone": done.kept,
        },
    )
    if "config.toml" in done.files:
        call.say("The token is in no copy: run “bmconsole auth set”, then “bmconsole sync”.")
    return 0


@click.command(cls=Command)
@click.option(
    "--days", type=click.IntRange(min=0), help="How long orders must have been final.  [default: privacy_days]"
)
@click.option("--older-than", metavar="TIME", help="The same as a duration, such as 60d or 12h.")
@click.option("--buyer", metavar="WHO", help="One buyer, by whole name or an order's number, however long ago.")
@click.option("--yes", is_flag=True, help="Do it without being asked.")
@click.pass_obj
def purge(call: Call, days: int | None, older_than: str | None, buyer: str | None, yes: bool) -> int:
    """Take the buyer out of final orders, here, not at Back Market.

    Open orders keep theirs: they have to be shipped.
    """
    if sum(given is not None for given in (days, older_than, buyer)) > 1:
        raise UsageError("--days, --older-than and --buyer exclude each other.", field="days")
    seconds = _seconds(older_than)

    async def work(workspace: "Workspace") -> int:
        if buyer is not None:
            return await _purge_buyer(call, workspace, buyer, yes=yes)
        kept = workspace.profile.privacy_days if days is None else days
        told = older_than or f"{kept} days"
        if workspace.profile.access == "admin":
            _confirm(call, yes, f"Take the buyer out of orders that have been final for {told}?")
        done = await workspace.purge(days=days, seconds=seconds)
        _tell(call, {"orders": done.orders, "quarantined": done.quarantined, "files": done.files})
        _finish(done.gone)
        return 0

    return call.run(work, auth="skip")


async def _purge_buyer(call: Call, workspace: "Workspace", who: str, *, yes: bool) -> int:
    if workspace.profile.access == "admin":
        _confirm(call, yes, "Take this buyer out of all final orders, and the notes on them?")
    done, still_open = await workspace.purge_buyer(who)
    if not done.orders and not still_open:
        raise NotFound(
            "No order has this buyer.",
            field="buyer",
            value=clean(who, limit=80),
            hint="Give the whole name as “orders show” has it, or an order's number.",
        )
    _tell(call, {"orders": done.orders, "still_open": still_open})
    if still_open:
        named = ", ".join(map(str, still_open[:_NAMED])) + (" …" if len(still_open) > _NAMED else "")
        raise Partial(
            f"{len(still_open)} orders of this buyer are open and keep the address: {named}.",
            hint="Run it again when they are final.",
        )
    _finish(done.gone)
    return 0


def _finish(gone: bool) -> None:
    if not gone:
        raise Partial(
            "A process that was reading kept former texts in the log of the mirror.",
            hint="Run it again when nothing else reads.",
        )


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise UsageError(f"--older-than: {error}.", field="older_than", value=text, hint="Write 60d or 12h.") from None


def _confirm(call: Call, yes: bool, question: str) -> None:
    if yes:
        return
    if not call.may_ask() or call.json:
        raise Guarded("Nothing was done: it was not confirmed.", field="confirm", hint="--yes does it unasked.")
    if not click.confirm(question, err=True):
        raise Guarded("Nothing was done: it was declined.", field="confirm")


def _tell(call: Call, facts: dict[str, object]) -> None:
    if call.json:
        print_json(facts)
    else:
        print_facts(facts)
