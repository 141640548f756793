"""`python -m bmconsole.sandbox`: a preprod in a box."""

import argparse
import json
import os
import sys
from dataclasses import asdict

from .live import USUAL_RATE
from .options import ORDERINGS, Options
from .process import Announcement, PortInUse, serve

TOKEN_VARIABLE = "BMCONSOLE_SANDBOX_TOKEN"


def parser() -> argparse.ArgumentParser:
    """Return the arguments of the command."""
    usual = Options()
    found = argparse.ArgumentParser(
        prog="python -m bmconsole.sandbox",
        description="Serve an invented Back Market shop on 127.0.0.1 and print a JSON line {url, token, pid}.",
    )
    found.add_argument("--port", type=int, default=0, help="where to listen (default: a free port)")
    found.add_argument("--seed", type=int, default=usual.seed, help="the world (default: %(default)s)")
    found.add_argument("--orders", type=int, default=usual.orders, help="how many orders (default: %(default)s)")
    found.add_argument("--listings", type=int, default=usual.listings, help="how many listings (default: %(default)s)")
    found.add_argument("--markets", default=",".join(usual.markets), help="the main one first (default: %(default)s)")
    found.add_argument("--token", help=f"what requests must carry; better in {TOKEN_VARIABLE}, as others can read argv")
    found.add_argument("--no-limits", action="store_true", help="switch every rate rule off")
    found.add_argument(
        "--live", type=float, nargs="?", const=USUAL_RATE, default=0.0, metavar="RATE",
        help="let people buy, stock fall and rivals move: RATE orders a second (default: %(const)s)",
    )  # fmt: skip
    found.add_argument(
        "--speed", type=float, default=usual.speed,
        help="how many times faster the backbox settles and rivals move (default: %(default)s)",
    )  # fmt: skip
    found.add_argument(
        "--ordering", choices=ORDERINGS, default=usual.ordering, help="how orders are listed (default: %(default)s)"
    )
    found.add_argument("--warm", action="store_true", help="write all JSON before listening, for benchmarks")
    found.add_argument("--until-stdin-closes", action="store_true", help="end when standard input does")
    return found


def announce(announcement: Announcement) -> None:
    """Print the line that says where the sandbox listens."""
    print(json.dumps(asdict(announcement)), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Serve; return 0 after SIGTERM, 1 when the port is taken, 2 for arguments that can't be."""
    given = parser().parse_args(arguments)
    try:
        options = Options(
            seed=given.seed,
            orders=given.orders,
            listings=given.listings,
            markets=tuple(market.strip() for market in given.markets.split(",")),
            port=given.port,
            token=given.token or os.environ.get(TOKEN_VARIABLE),
            limits=not given.no_limits,
            warm=given.warm,
            live=given.live,
            speed=given.speed,
            ordering=given.ordering,
        )
    except ValueError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    try:
        serve(options, announce=announce, until_stdin_closes=given.until_stdin_closes)
    except PortInUse as error:
        print(f"sandbox: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
