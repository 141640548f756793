"""What the files of a profile need once a day: a copy of the journal, a purge of old buyers, a look at the mirror."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from bmconsole.cache import Files
from bmconsole.store import backup, health, notes, purge, search
from bmconsole.store import decisions as decision_rows
from bmconsole.store import events as event_rows
from bmconsole.store import outcomes as outcome_rows

EVENTS_KEPT = timedelta(days=30)
HISTORY_KEPT = timedelta(days=400)
IDLE_KEPT = timedelta(days=7)
"""How long a decision is kept that changed nothing and gave way to another one."""
_MERGED_AT_ONCE = 200
_AT_ONCE = 50
_LARGE = 512 * 1024 * 1024
_BETWEEN_REWRITES = timedelta(days=7)
"""A large mirror is not written anew every day: no other process could write to it for many seconds."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge took the buyer out of, and how many damaged mirrors, which hold buyers too, it removed.

    `gone` tells that nothing of them is left in the mirror or its log; a reader in another process may keep the log.
    """

    orders: int
    quarantined: int
    files: int
    gone: bool


async def purge_buyers(files: Files, *, before: datetime, now: datetime, rewrite: bool = True) -> Purged:
    """Take the buyer out of orders that have been final since before `before`, in every file.

    Without `rewrite` the mirror is not written anew, and scattered copies may be left in it.

    Raises:
        DiskTrouble: A file cannot be written; what was purged stays purged.
    """
    orders = 0
    while batch := await files.mirror.write(lambda connection: purge.orders(connection, before=before, now=now)):
        orders += batch
    quarantined = await files.mirror.write(lambda connection: purge.quarantine(connection, before=before))
    return await _clear(files, orders, quarantined, now=now, rewrite=rewrite)


async def purge_buyer(files: Files, who: str, *, now: datetime) -> tuple[Purged, list[int]]:
    """Take one buyer out of final orders, however long ago they became so, and out of the notes on those.

    Args:
        files: Those of the profile.
        who: The number of an order, or the whole name of the buyer.
        now: The server's clock.

    Returns:
        What was done, and the orders of that buyer that are still open: they need the address.

    Raises:
        DiskTrouble: A file cannot be written; what was purged stays purged.
    """
    final, still_open = await files.mirror.read(lambda connection: purge.orders_of(connection, who))
    for start in range(0, len(final), _AT_ONCE):
        batch = final[start : start + _AT_ONCE]
        await files.mirror.write(partial(purge.erase, order_ids=batch, now=now))
        await files.journal.write(partial(notes.forget, order_ids=batch))
    if not final:
        return Purged(0, 0, 0, True), still_open
    return await _clear(files, len(final), 0, now=now, rewrite=True), still_open


async def _clear(files: Files, orders: int, quarantined: int, *, now: datetime, rewrite: bool) -> Purged:
    # What was replaced is still in the index until its parts are merged, a few pages in each transaction.
    while await files.mirror.write(lambda connection: search.tidy(connection, pages=_MERGED_AT_ONCE)):
        pass
    removed = 0
    for aside in health.moved_aside(files.mirror.path):
        aside.unlink(missing_ok=True)
        removed += 1
    if rewrite:
        await files.mirror.rewrite()
        await files.mirror.write(lambda connection: purge.set_rewritten(connection, now))
    return Purged(orders, quarantined, removed, await files.mirror.checkpoint() and rewrite)


async def once_a_day(files: Files, *, keep_buyers: timedelta, now: datetime) -> str:
    """Do what is due and return what was done in a line for the log; a damaged mirror starts anew.

    Raises:
        DiskTrouble: A file cannot be read or written.
    """
    await files.history.write(lambda connection: event_rows.prune(connection, now - EVENTS_KEPT))
    await files.history.write(
        lambda connection: decision_rows.prune(connection, idle=now - IDLE_KEPT, all_before=now - HISTORY_KEPT)
    )
    await files.history.write(lambda connection: outcome_rows.prune(connection, now - HISTORY_KEPT))
    await files.mirror.check()
    last = await files.mirror.read(purge.rewritten)
    large = files.mirror.path.stat().st_size > _LARGE
    rewrite = last is None or now - last >= (_BETWEEN_REWRITES if large else timedelta(hours=20))
    purged = await purge_buyers(files, before=now - keep_buyers, now=now, rewrite=rewrite)
    for file in files.all():
        await file.checkpoint(wait=False)
    await files.history.check()
    await files.journal.check()
    copied = await files.journal.read(lambda _: backup.daily(files.journal.path, files.backups, now))
    done = [f"copied the journal to {copied.name}"] if copied else []
    if purged.orders or purged.quarantined:
        done.append(f"took the buyer out of {purged.orders + purged.quarantined} orders")
    return "; ".join(done)
