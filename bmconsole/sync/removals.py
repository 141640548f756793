"""Listings that a complete pass did not meet: gone only when Back Market says so about each, and only if they are few.

A list that is short for another reason (a fault of the server, a wrong account) must not empty the shop on the screen.
"""

import asyncio
from collections.abc import Sequence

from bmconsole.backmarket import listings as api
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain.priority import Priority
from bmconsole.errors import NotFound
from bmconsole.store import listings as rows
from bmconsole.store import removals
from bmconsole.store.listings import ListingRecord
from bmconsole.store.sqlite import Connection
from bmconsole.sync import Sources

MOST = 50
"""So many listings are looked at one by one after a pass."""
SHARE = 0.05
"""The share of all listings that may go without the operator's word."""
_IN_FLIGHT = 4


async def settle(sources: Sources, pass_ids: Sequence[int], *, priority: Priority = Priority.NORMAL) -> int:
    """After clean passes over all markets: find out about the listings that none of them met; return how many are gone.

    More than 50, or more than 5 % of all, wait for the operator.
    """
    missed = await sources.mirror.read(lambda connection: removals.missing(connection, pass_ids))
    known = await sources.mirror.read(rows.count)
    gone = await _gone(sources, missed, priority) if len(missed) <= MOST else missed
    at = sources.now()
    if len(gone) <= min(MOST, SHARE * known):

        def bury(connection: Connection) -> None:
            removals.wait(connection, [], at)
            removals.bury(connection, gone, at)

        await sources.mirror.write(bury)
        for listing in gone:
            await sources.note("info", "sync", "listing is gone from Back Market", f"listing:{listing}")
        return len(gone)
    if await sources.mirror.write(lambda connection: removals.wait(connection, gone, at)):
        await sources.note(
            "warning",
            "sync",
            f"{len(gone)} of {known} listings are not shown by Back Market any more; they stay until you confirm: "
            "bmconsole listings removals",
        )
    return 0


async def confirm(
    sources: Sources, listings: Sequence[str], *, priority: Priority = Priority.NORMAL
) -> tuple[list[str], list[str]]:
    """Take listings that wait for gone, each after asking Back Market; return those that are gone, and those that live.

    What lives is renewed in the mirror.
    """
    waiting = {removal.id for removal in await sources.mirror.read(removals.waiting)}
    asked = [listing for listing in listings if listing in waiting]
    gone = await _gone(sources, asked, priority)
    at = sources.now()
    await sources.mirror.write(lambda connection: removals.bury(connection, gone, at))
    dead = set(gone)
    return gone, [listing for listing in asked if listing not in dead]


async def _gone(sources: Sources, listings: Sequence[str], priority: Priority) -> list[str]:
    """Ask for each listing; return those that Back Market does not know, and renew the others."""
    gone: list[str] = []
    wanted = iter(listings)

    async def take_all() -> None:
        for listing in wanted:
            if not await _lives(sources, listing, priority):
                gone.append(listing)

    async with asyncio.TaskGroup() as group:
        for _ in range(_IN_FLIGHT):
            group.create_task(take_all())
    return sorted(gone)


async def _lives(sources: Sources, listing: str, priority: Priority) -> bool:
    market, at = sources.markets[0], sources.now()
    try:
        record = await api.one(sources.client, listing, market=market, priority=priority)
    except NotFound:
        return False
    try:
        found = ListingRecord(api.parse_listing(record, market), market, dumps(record))
    except InvalidRecord:
        # It answers, so it lives; what is wrong with it is the next pass's to say.
        return True
    await sources.mirror.write(lambda connection: rows.store(connection, [found], fetched_at=at))
    return True
