"""The net under the orders: a status can change without its date, so open orders are read by id now and then."""

import asyncio
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
_IN_FLIGHT = 4


async def reread(sources: Sources, *, priority: Priority = Priority.LOW) -> int:
    """Read open orders (states 1 and 3) that no pass met for a day; return how many had changed."""
    before = sources.now() - OLD
    wanted = iter(await sources.mirror.read(lambda connection: rows.not_fetched_since(connection, before, MOST)))
    changed = 0

    async def take_all() -> None:
        nonlocal changed
        for order_id in wanted:
            differs = await _reread_one(sources, order_id, priority)
            changed += differs

    async with asyncio.TaskGroup() as group:
        for _ in range(_IN_FLIGHT):
            group.create_task(take_all())
    return changed


def _keep(connection: Connection, found: OrderRecord, at: datetime, keep_buyers: timedelta | None) -> int:
    changed = rows.store(connection, [found], fetched_at=at, keep_buyers=keep_buyers).changed
    rows.mark_fetched(connection, found.order.order_id, at)
    return changed


async def _reread_one(sources: Sources, order_id: int, priority: Priority) -> int:
    at = sources.now()
    try:
        record = await api.one(sources.client, order_id, priority=priority)
    except NotFound:
        await sources.mirror.write(lambda connection: rows.mark_fetched(connection, order_id, at))
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
    return 0
