"""The operator's notes on orders: only here, never sent anywhere."""

from collections.abc import Sequence
from datetime import datetime

from bmconsole.domain.times import stamp
from bmconsole.domain.views import OrderNote
from bmconsole.store.sqlite import Connection


def add(connection: Connection, order_id: int, text: str, *, now: datetime) -> None:
    """Write a note down."""
    connection.execute("INSERT INTO notes (order_id, at, text) VALUES (?, ?, ?)", (order_id, stamp(now), text))


def forget(connection: Connection, order_ids: Sequence[int]) -> None:
    """Take away the notes on orders."""
    connection.executemany("DELETE FROM notes WHERE order_id = ?", [(order_id,) for order_id in order_ids])


def of_order(connection: Connection, order_id: int) -> list[OrderNote]:
    """Return an order's notes, oldest first."""
    rows = connection.execute("SELECT at, text FROM notes WHERE order_id = ? ORDER BY id", (order_id,))
    return [OrderNote(order_id, datetime.fromisoformat(row["at"]), row["text"]) for row in rows]
