"""`bmconsole limits`: how much of each limit is used, by all processes that share the token."""

from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Group
from bmconsole.cli.output import print_json, print_table
from bmconsole.domain.views import Traffic

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def limits(context: click.Context) -> int:
    """Show how much of each limit is used.

    All processes of this machine that use the same token share them.
    """
    if context.invoked_subcommand is not None:
        return 0
    call = context.ensure_object(Call)

    async def work(workspace: "Workspace") -> int:
        _print(call, await workspace.limits())
        return 0

    return call.run(work)


@limits.command("reset")
@click.pass_obj
def reset(call: Call) -> int:
    """Forget pauses, lowered limits and learned routes; what was sent still counts."""

    async def work(workspace: "Workspace") -> int:
        await workspace.limits()
        workspace.reset_limits()
        _print(call, workspace.traffic())
        return 0

    return call.run(work)


def _print(call: Call, traffic: Traffic) -> None:
    if call.json:
        print_json(traffic)
        return
    print_table(
        ("LIMIT", "USED", "ALLOWED", "WORKING", "SECONDS", "PAUSED"),
        [
            (
                rule.name,
                rule.used,
                rule.limit,
                rule.working,
                f"{rule.window:g}",
                f"{rule.paused_for:.1f} s" if rule.paused_for else "",
            )
            for rule in traffic.rules
        ],
        right=("USED", "ALLOWED", "WORKING", "SECONDS"),
    )
    waiting = ", ".join(f"{count} {name}" for name, count in traffic.waiting.items() if count)
    call.say(f"429s: {traffic.trips}. Waiting: {waiting or 'none'}.")
