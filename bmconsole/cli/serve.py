"""`bmconsole serve`: the console in a browser of this machine, so that a colleague can look."""

import asyncio
from contextlib import suppress

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_json
from bmconsole.cli.signals import leaving_on_sigterm
from bmconsole.faults import watched


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Where to listen (default: a free port).")
@click.option("--write", is_flag=True, help="Let the browser change things too; without it, it only looks.")
@click.pass_obj
def serve(call: Call, port: int, write: bool) -> int:
    """Show the console in a browser of this machine.

    It listens on loopback only, and lets in who has the address that it prints. Each page is a console of its own.
    """
    profile = call.profile("required")
    from bmconsole.console.web import Served, console_command

    command = console_command(profile.name, read_only=call.read_only or not write)
    served = Served(command, port, f"bmconsole {profile.name}")

    def ready() -> None:
        if call.json:
            print_json({"url": served.origin, "token": served.token, "address": served.address})
        else:
            click.echo(served.address)
        call.say("Whoever has this address sees what you see; Ctrl-C ends it.")

    with leaving_on_sigterm(), suppress(asyncio.CancelledError):
        asyncio.run(watched(served.run(ready)))
    return 0
