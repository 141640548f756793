"""Which devices left with which orders: an IMEI or serial number belongs to one order only."""

from collections.abc import Iterable

from bmconsole.store.sqlite import Connection


def orders_with(connection: Connection, numbers: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return the cached orders that each IMEI or serial number is registered with; numbers without one are left out."""
    found: dict[str, tuple[int, ...]] = {}
    for number in dict.fromkeys(numbers):
        rows = connection.execute(
            """SELECT order_id FROM orderlines WHERE imei = ?1
            UNION SELECT order_id FROM orderlines WHERE serial_number = ?1 ORDER BY order_id""",
            (number,),
        ).fetchall()
        if rows:
            found[number] = tuple(row["order_id"] for row in rows)
    return found
