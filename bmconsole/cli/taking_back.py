"""`bmconsole writes undo|resolve`: take writes back, decide about conflicts and about what ended unknown."""

from typing import TYPE_CHECKING

import click

from bmconsole.cli.carry import accepting, ask, carry, content_of, tell
from bmconsole.cli.frame import Call, Command
from bmconsole.errors import Partial, UsageError

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace


@click.command("undo", cls=Command)
@click.argument("intent_id", metavar="[ID]", type=int, required=False)
@click.option("--run", metavar="RUN", help="Everything of one bulk, newest first.")
@accepting
@click.pass_obj
def undo(call: Call, intent_id: int | None, run: str | None, yes: bool, confirmed: int | None) -> int:
    """Take a write back, or a whole run: a new write to what was there before.

    Only while what we wrote is still what is there.
    """
    if (intent_id is None) == (run is None):
        raise UsageError("Give the ID of a write, or --run.", field="id")

    async def work(workspace: "Workspace") -> int:
        plan, refused = await workspace.plan_undo(intent_id=intent_id, run=run)
        for refusal in refused:
            call.say(f"Write {refusal.intent} stays: {refusal.why}.")
        await carry(call, workspace, plan, yes=yes, confirmed=confirmed)
        if refused:
            first = refused[0]
            raise Partial(
                f"{len(refused)} of {len(refused) + len(plan.intents)} writes cannot be undone: "
                f"write {first.intent}, because {first.why}.",
                field="run",
                value=run,
            )
        return 0

    return call.run(work)


@click.command("resolve", cls=Command)
@click.argument("intent_id", metavar="ID", type=int)
@click.option("--keep", "how", flag_value="keep", help="Leave what is there, and let the write be.")
@click.option("--overwrite", "how", flag_value="overwrite", help="Write ours over what somebody else wrote.")
@click.option("--resend", "how", flag_value="resend", help="Send again what ended unknown.")
@click.option("--file", "file", metavar="PDF", help="The invoice, to resend one.")
@accepting
@click.pass_obj
def resolve(call: Call, intent_id: int, how: str | None, file: str | None, yes: bool, confirmed: int | None) -> int:
    """Decide about a conflict, or about a write whose end is not known."""
    if how is None:
        raise UsageError("Say --keep, --overwrite or --resend.", field="how")
    content = None if file is None else content_of(file, "file")

    async def work(workspace: "Workspace") -> int:
        plan = None
        if how == "overwrite":
            plan = await workspace.plan_overwrite(intent_id)
            if plan.intents:
                ask(call, workspace, plan, yes=yes, confirmed=confirmed)
        ended = await workspace.resolve(intent_id, how, plan=plan, content=content)
        closed = ended[:1] if how != "resend" else []
        tell(call, workspace, ended, but=closed)
        return 0

    return call.run(work)
