"""`bmconsole backup`, `restore` and `purge`: copies of the journal, and buyers taken out of old orders."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_facts, print_json
from bmconsole.errors import Guarded, Partial

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace

_FILE = click.Path(dir_okay=False, path_type=Path, resolve_path=True)


@click.command(cls=Command)
@click.option("--to", "target", type=_FILE, required=True, help="A file that does not exist yet.")
@click.pass_obj
def backup(call: Call, target: Path) -> int:
    """Copy the journal of writes, whole and checked."""
    profile = call.profile("skip")
    from bmconsole.upkeep import copy_journal

    made = copy_journal(profile, call.paths, target)
    _tell(call, {"journal": str(made)})
    return 0


@click.command(cls=Command)
@click.option("--from", "source", type=_FILE, help="A copy of the journal.  [default: the newest of the daily ones]")
@click.option("--yes", is_flag=True, help="Do it without being asked.")
@click.pass_obj
def restore(call: Call, source: Path | None, yes: bool) -> int:
    """Put a copy in the place of the journal of writes; the former one is kept beside it."""
    profile = call.profile("skip")
    if profile.access == "admin":
        _confirm(call, yes, "Writes since that copy will be unknown. Restore it?")
    from bmconsole.upkeep import restore_journal

    used, former = restore_journal(profile, call.paths, source)
    _tell(call, {"restored": str(used), "former": None if former is None else str(former)})
    return 0


@click.command(cls=Command)
@click.option(
    "--days", type=click.IntRange(min=0), help="How long orders must have been final.  [default: privacy_days]"
)
@click.option("--yes", is_flag=True, help="Do it without being asked.")
@click.pass_obj
def purge(call: Call, days: int | None, yes: bool) -> int:
    """Take the buyer out of orders that have been final for long, here, not at Back Market."""

    async def work(workspace: "Workspace") -> int:
        kept = workspace.profile.privacy_days if days is None else days
        if workspace.profile.access == "admin":
            _confirm(call, yes, f"Take the buyer out of orders that have been final for {kept} days?")
        done = await workspace.purge(days=days)
        _tell(call, {"orders": done.orders, "quarantined": done.quarantined, "files": done.files})
        if not done.gone:
            raise Partial(
                "A process that was reading kept former texts in the log of the mirror.",
                hint="Run it again when nothing else reads.",
            )
        return 0

    return call.run(work, auth="skip")


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
