"""`bmconsole sandbox`: an invented Back Market shop on this machine, to try things out on."""

import json
import sys
from dataclasses import asdict

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.domain.text import clean
from bmconsole.errors import PortTaken, UsageError


@click.command(cls=Command)
@click.option("--port", default=0, type=click.IntRange(0, 65_535), help="Where to listen.  [default: a free port]")
@click.option("--seed", default=1, type=click.IntRange(min=0), help="Which world.  [default: 1]")
@click.option("--orders", default=500, type=click.IntRange(min=0), help="How many.  [default: 500]")
@click.option("--listings", default=200, type=click.IntRange(min=0), help="How many.  [default: 200]")
@click.option("--markets", default="fr-fr", help="Codes with commas, the main one first.  [default: fr-fr]")
@click.option(
    "--live",
    is_flag=False,
    flag_value=0.3,
    default=0.0,
    type=click.FloatRange(0, 1_000),
    metavar="[RATE]",
    help="Let people buy, stock fall and rivals move: so many orders a second.  [0.3 if none is named]",
)
@click.option(
    "--speed",
    default=1.0,
    type=click.FloatRange(0.01, 10_000),
    help="How many times faster the backbox settles and rivals move.  [default: 1]",
)
@click.option("--no-limits", is_flag=True, help="Switch every rate rule off.")
@click.pass_obj
def sandbox(
    call: Call,
    port: int,
    seed: int,
    orders: int,
    listings: int,
    markets: str,
    live: float,
    speed: float,
    no_limits: bool,
) -> int:
    """Serve an invented shop on 127.0.0.1.

    Prints one line {"url", "token", "pid"} when it is ready, and serves until SIGTERM or Ctrl-C.
    BMCONSOLE_SANDBOX_TOKEN sets the token.
    """
    import os

    from bmconsole.sandbox.__main__ import TOKEN_VARIABLE
    from bmconsole.sandbox.options import Options
    from bmconsole.sandbox.process import Announcement, PortInUse, serve

    def announce(announcement: Announcement) -> None:
        sys.stdout.write(json.dumps(asdict(announcement)) + "\n")
        sys.stdout.flush()

    try:
        options = Options(
            seed=seed,
            orders=orders,
            listings=listings,
            markets=tuple(code.strip().lower() for code in markets.split(",") if code.strip()),
            port=port,
            token=os.environ.get(TOKEN_VARIABLE),
            limits=not no_limits,
            live=live,
            speed=speed,
        )
    except ValueError as error:
        raise UsageError(f"The sandbox cannot be made so: {clean(error, limit=300)}.") from None
    call.say("The sandbox serves until it is interrupted.")
    try:
        serve(options, announce=announce)
    except PortInUse as error:
        raise PortTaken(
            f"Port {error.port} is in use.",
            field="port",
            value=str(error.port),
            hint="Take another, or 0 for a free one.",
        ) from None
    return 0
