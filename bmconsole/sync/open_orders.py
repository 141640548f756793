"""The net under the orders: open ones are read by id now and then, since a status can change without its date."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from bmconsole.backmarket import orders as api
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.errors import NotFound
from bmconsole.store import orders as rows
from bmconsole.store import quarantine
from bmconsole.store.orders import OrderRecord
from bmconsole.store.quarantine import Rejected
from bmconsole.store.sqlite import Connection
from bmconsole.sync import Sources

OLD = timedelta(hours=24)
"""An open order that was not read for so long is read by itself."""
MOST = 100
"""So many are read at most each time."""
MOST_ASIDE = 20
"""So many of those that were put aside are tried at most each time."""
_IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class Reread:
    """What reading single orders did: how many had changed, how many cannot be understood."""

    changed: int
    bad: int


async def reread(sources: Sources, *, began: datetime, priority: Priority = Priority.LOW) -> Reread:
    """Read open orders (states 1 and 3) that no pass met for a day, and those put aside before `began`.

    An order that came damaged once would otherwise be missing until it changes: the watermark is past it.
    """
    before = sources.now() - OLD

    def due(connection: Connection) -> list[int]:
        aside = quarantine.tried_before(connection, "orders", began, MOST_ASIDE)
        wanted = [int(key) for key in aside if key.isdecimal()]
        return list(dict.fromkeys([*wanted, *rows.not_fetched_since(connection, before, MOST)]))

    wanted = iter(await sources.mirror.read(due))
    changed = bad = 0

    async def take_all() -> None:
        nonlocal changed, bad
        for order_id in wanted:
            differs = await _reread_one(sources, order_id, priority)
            if differs is None:
                bad += 1
            else:
                changed += differs

    async with asyncio.TaskGroup() as group:
        for _ in range(_IN_FLIGHT):
            group.create_task(take_all())
    return Reread(changed, bad)


def _keep(connection: Connection, found: OrderRecord, at: datetime, keep_buyers: timedelta | None) -> int:
    changed = rows.store(connection, [found], fetched_at=at, keep_buyers=keep_buyers).changed
    _let_rest(connection, found.order.order_id, at)
    return changed


def _let_rest(connection: Connection, order_id: int, at: datetime) -> None:
    """Take note that an order was read, or that there is nothing to read."""
    rows.mark_fetched(connection, order_id, at)
    quarantine.release(connection, "orders", [str(order_id)])


async def _reread_one(sources: Sources, order_id: int, priority: Priority) -> int | None:
    """Return whether an order had changed, None where it cannot be understood."""
    at = sources.now()
    try:
        record = await api.one(sources.client, order_id, priority=priority)
    except NotFound:
        await sources.mirror.write(lambda connection: _let_rest(connection, order_id, at))
        await sources.note("warning", "sync", f"Back Market no longer knows order {order_id}", f"order:{order_id}")
        return 0
    raw = dumps(record)
    try:
        found = OrderRecord(api.parse_order(record, sources.zone), raw)
    except InvalidRecord as error:
        fault = Rejected(str(order_id), raw, clean(error, limit=400))
    else:
        if found.order.order_id == order_id:
            return await sources.mirror.write(lambda connection: _keep(connection, found, at, sources.keep_buyers))
        fault = Rejected(str(order_id), raw, "order_id: another order was answered")

    def put_aside(connection: Connection) -> None:
        rows.mark_fetched(connection, order_id, at)
        quarantine.put(connection, "orders", [fault], pass_id=None, now=at)

    await sources.mirror.write(put_aside)
    return None
