"""`bmconsole log`: what happened, and what happens now."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import tzinfo
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_json
from bmconsole.domain.text import clean
from bmconsole.domain.views import Event

if TYPE_CHECKING:
    from bmconsole.cache import Cache

LOOK_EVERY = 0.25
"""Seconds between two looks at whether the files changed."""

_AT_ONCE = 1_000


@click.command(cls=Command)
@click.option("--limit", default=50, type=click.IntRange(min=1), help="How many of the newest.  [default: 50]")
@click.option("--level", help="This level or worse: debug, info, warning, error.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens, until interrupted.")
@click.pass_obj
def log(call: Call, limit: int, level: str | None, follow: bool) -> int:
    """Show the log, oldest first."""

    async def work(cache: "Cache") -> int:
        last = 0
        for event in await cache.events(limit=limit, level=level):
            _print(call, event, cache.zone)
            last = event.id
        sys.stdout.flush()
        if follow:
            async for event in new_events(cache, after=last, level=level):
                _print(call, event, cache.zone)
                sys.stdout.flush()
        return 0

    return call.read(work)


async def new_events(cache: "Cache", *, after: int, level: str | None = None) -> AsyncIterator[Event]:
    """Give the events behind `after` as they come, for ever."""
    while True:
        if await cache.changed():
            for event in await cache.events(after=after, limit=_AT_ONCE, level=level):
                after = event.id
                yield event
        await asyncio.sleep(LOOK_EVERY)


def line_of(event: Event, zone: tzinfo) -> str:
    """Return an event as one line for people."""
    ref = f" [{event.ref}]" if event.ref else ""
    return clean(f"{event.at.astimezone(zone):%Y-%m-%d %H:%M:%S} {event.level} {event.source}: {event.message}{ref}")


def _print(call: Call, event: Event, zone: tzinfo) -> None:
    if call.json:
        print_json(event)
    else:
        print(line_of(event, zone))
