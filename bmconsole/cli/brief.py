"""`bmconsole brief`: the morning's text, for a terminal, cron or a pipe."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_json
from bmconsole.domain.text import clean

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace


@click.command(cls=Command)
@click.option("--hours", default=14.0, type=click.FloatRange(min=0.1, max=24 * 31), help="How far back.  [default: 14]")
@click.pass_obj
def brief(call: Call, hours: float) -> int:
    """Tell what a morning begins with: orders, lost backboxes, what repricing did, how old the data is.

    From what is on this machine; no request is made.
    """

    async def work(workspace: "Workspace") -> int:
        told = await workspace.brief(night=timedelta(hours=hours))
        if call.json:
            print_json(told)
            return 0
        for line in told.lines():
            click.echo(clean(line))
        return 0

    return call.run(work, auth="skip")
