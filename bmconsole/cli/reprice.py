"""`bmconsole reprice`: what repricing would do, from what was last observed; it changes nothing."""

from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_json, print_table

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace


@click.command(cls=Command)
@click.pass_obj
def reprice(call: Call) -> int:
    """Say what repricing would do, and why.

    From what was last observed; nothing is written.
    """

    async def work(workspace: "Workspace") -> int:
        decisions = await workspace.reprice()
        if call.json:
            for decision in decisions:
                print_json(decision.as_json())
        elif decisions:
            print_table(
                ("SKU", "MARKET", "DECISION", "PRICE", "TARGET", "REASON"),
                [
                    (
                        decision.sku,
                        decision.market,
                        decision.decision,
                        decision.old,
                        decision.target,
                        decision.reason,
                    )
                    for decision in decisions
                ],
                right=("PRICE", "TARGET"),
            )
        else:
            call.say("Nothing is online. “bmconsole sync listings backbox” observes.")
        return 0

    return call.run(work, auth="skip")
