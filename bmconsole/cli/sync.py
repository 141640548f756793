"""`bmconsole sync`: pull what changed, once."""

import sys
import time
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_json, print_table
from bmconsole.domain.text import clean
from bmconsole.domain.views import PassResult, Progress
from bmconsole.errors import BmError, Partial

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace

_EVERY = 0.1


@click.command(cls=Command)
@click.argument("streams", nargs=-1, type=click.Choice(["orders", "listings", "backbox"]), metavar="[STREAM]...")
@click.option("--full", is_flag=True, help="Everything again, not only what changed.")
@click.pass_obj
def sync(call: Call, streams: tuple[str, ...], full: bool) -> int:
    """Pull what changed.

    STREAM is orders, listings or backbox; without one orders and listings are pulled.
    """

    async def work(workspace: "Workspace") -> dict[str, PassResult]:
        line = _ProgressLine(call)
        done: dict[str, PassResult] = {}
        try:
            for stream in dict.fromkeys(streams or ("orders", "listings")):
                done |= await workspace.sync([stream], full=full, progress=line.show)
        except BmError:
            line.end()
            _print(call, done)
            raise
        line.end()
        return done

    results = call.run(work)
    _print(call, results)
    if trouble := [result for result in results.values() if not result.clean or result.quarantined]:
        told = "; ".join(
            f"{result.stream}: {'' if result.clean else 'not clean, '}{result.quarantined} in quarantine"
            for result in trouble
        )
        raise Partial(f"Synced in part. {told}.", hint="What was read is kept; “bmconsole log” tells why.")
    return 0


def _print(call: Call, results: dict[str, PassResult]) -> None:
    if call.json:
        if results:
            print_json({name: result.as_json() for name, result in results.items()})
    elif results:
        print_table(
            ("STREAM", "PAGES", "SEEN", "CHANGED", "QUARANTINED", "CLEAN"),
            [
                (result.stream, result.pages, result.seen, result.changed, result.quarantined, result.clean)
                for result in results.values()
            ],
            right=("PAGES", "SEEN", "CHANGED", "QUARANTINED"),
        )
    sys.stdout.flush()


class _ProgressLine:
    """One line on the terminal that says how far a pass is; nothing where stderr is no terminal."""

    def __init__(self, call: Call) -> None:
        self._shown = not call.json and sys.stderr.isatty()
        self._last = 0.0
        self._open = False

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if not self._shown or now - self._last < _EVERY:
            return
        self._last = now
        total = "" if progress.total is None else f" of {progress.total}"
        note = f", {clean(progress.note, limit=40)}" if progress.note else ""
        sys.stderr.write(f"\r\x1b[K{progress.stream}: {progress.done}{total}, {progress.pages} pages{note}")
        sys.stderr.flush()
        self._open = True

    def end(self) -> None:
        if self._open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._open = False
