"""`bmconsole run`: the engine without a face, until it is told to end."""

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.log import line_of, new_events
from bmconsole.cli.output import jsonable
from bmconsole.cli.signals import leaving_on_sigterm, stopped_by_signals
from bmconsole.domain.views import Event

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace

_LOOK_SECONDS = 1.0


@click.command(cls=Command)
@click.option("--print-unit", is_flag=True, help="Print a systemd unit that starts it, and end.")
@click.option("--print-cron", is_flag=True, help="Print lines for a crontab, and end.")
@click.pass_obj
def run(call: Call, print_unit: bool, print_cron: bool) -> int:
    """Do the console's work without the console.

    Syncs on its timers, settles writes and logs to stderr, until SIGTERM or Ctrl-C.
    """
    if print_unit or print_cron:
        from bmconsole.cli.unit import cron, unit

        profile = call.profile("skip").name
        sys.stdout.write(unit(profile, call.paths) if print_unit else cron(profile))
        return 0
    with leaving_on_sigterm():
        return call.run(lambda workspace: serve(call, workspace))


async def serve(call: Call, workspace: "Workspace", *, seconds: float | None = None) -> int:
    """Run the engine until SIGTERM, SIGINT or the end of `seconds`, telling each event on stderr; return 0."""
    newest = await workspace.events(limit=1)
    last = newest[-1].id if newest else 0
    with stopped_by_signals() as stop:
        telling = asyncio.create_task(_tell(call, workspace, last))
        warning = asyncio.create_task(_tell_trouble(call, workspace))
        settling = asyncio.create_task(workspace.settle_left_behind())
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, stop.set)
        try:
            await workspace.engine.run_until(stop)
        finally:
            for task in (settling, telling, warning):
                task.cancel()
            await asyncio.gather(settling, telling, warning, return_exceptions=True)
    return 0


async def _tell(call: Call, workspace: "Workspace", last: int) -> None:
    async for event in new_events(workspace, after=last):
        _print(call, event, workspace)


async def _tell_trouble(call: Call, workspace: "Workspace") -> None:
    """Tell why nothing can be written down: not even the log, from which everything else is told, can say it then."""
    told: str | None = None
    while True:
        if (trouble := workspace.trouble) != told:
            level, text = (
                ("info", "what could not be written down can be again") if trouble is None else ("error", trouble)
            )
            _print(call, Event(0, workspace.now(), level, "files", text, None), workspace)
            told = trouble
        await asyncio.sleep(_LOOK_SECONDS)


def _print(call: Call, event: Event, workspace: "Workspace") -> None:
    import json

    line = json.dumps(jsonable(event)) if call.json else line_of(event, workspace.zone)
    with suppress(BrokenPipeError):  # the engine outlives whoever read its log
        print(line, file=sys.stderr, flush=True)
