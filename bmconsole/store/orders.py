"""Rows of orders and their lines; what the server said, never what we mean to change."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from bmconsole.domain.filters import Table
from bmconsole.domain.orders import OPEN, Order, Orderline
from bmconsole.domain.times import stamp, unstamp
from bmconsole.store import purge, search
from bmconsole.store.quarantine import Stored, write_each
from bmconsole.store.sqlite import Connection, Row

_COLUMNS = (
    "order_id, state, status, country_code, currency, price, shipping_price, sales_taxes, created, modified, paid, "
    "shipped, expected, due, n_lines, buyer, city, tracking, shipper, payment_method, is_backship, raw, content_hash, "
    "fetched_at, purged"
)
_UPSERT = (
    f"INSERT INTO orders ({_COLUMNS}) VALUES ({', '.join('?' * 25)}) ON CONFLICT (order_id) DO UPDATE SET "  # noqa: S608 - fixed names
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])
)
_LINE = f"INSERT INTO orderlines VALUES ({', '.join('?' * 22)})"  # noqa: S608 - fixed names
Values = tuple[object, ...]
_CLOCK_GRAIN = timedelta(seconds=2)
"""How far two readings of the server's clock may lie apart although they mean the same moment: `Date` has seconds."""


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order with the JSON text that it was read from."""

    order: Order
    raw: str


_Differing = tuple[OrderRecord, bytes, str | None, str | None]
"""A record to write, its hash, when it was modified, and when its buyer was taken out."""


def store(
    connection: Connection,
    records: Sequence[OrderRecord],
    *,
    fetched_at: datetime,
    keep_buyers: timedelta | None = None,
) -> Stored[OrderRecord]:
    """Write orders that are new or differ; an older answer never replaces a newer row.

    Older is what has the earlier `date_modification`, and where that is equal or absent what was asked for earlier:
    a status may change without its date. `fetched_at` is when the server was asked. What has been final for longer
    than `keep_buyers` is written without its buyer; the hash stays that of what the server said.
    """
    no_buyers_before = None if keep_buyers is None else fetched_at - keep_buyers
    by_id = {record.order.order_id: record for record in records}
    at, later = stamp(fetched_at), stamp(fetched_at + _CLOCK_GRAIN)
    known = {
        row["order_id"]: row
        for row in connection.execute(
            f"SELECT order_id, modified, content_hash, fetched_at, erased FROM orders "  # noqa: S608 - placeholders only
            f"WHERE order_id IN ({', '.join('?' * len(by_id))})",
            list(by_id),
        )
    }
    differing: list[_Differing] = []
    same: list[tuple[str, int]] = []
    for order_id, record in sorted(by_id.items()):
        row = known.get(order_id)
        content_hash = blake2b(record.raw.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        modified = stamp(record.order.date_modification) if record.order.date_modification else None
        if row is not None and row["content_hash"] == content_hash:
            same.append((at, order_id))
        elif row is None or not _is_newer(row, modified, later):
            # Who was taken out by name does not come back with the order's next change
            purged = (row is not None and row["erased"] == 1) or (
                no_buyers_before is not None and purge.is_due(record.order, no_buyers_before)
            )
            if purged:
                record = OrderRecord(purge.without_buyer(record.order), purge.raw_without_buyer(record.raw))
            differing.append((record, content_hash, modified, at if purged else None))
    refused = write_each(connection, differing, lambda items: _write(connection, items, known, at))
    lost = {item[0].order.order_id for item, _ in refused}
    written = [record for record, *_ in differing if record.order.order_id not in lost]
    search.keep(connection, Table.ORDERS, {r.order.order_id: search.order_text(r.order) for r in written})
    connection.executemany("UPDATE orders SET fetched_at = max(fetched_at, ?) WHERE order_id = ?", same)
    return Stored(
        len(written),
        [record for record in written if record.order.order_id not in known],
        [(item[0], error) for item, error in refused],
    )


def _is_newer(row: Row, modified: str | None, later: str) -> bool:
    if row["modified"] is not None and modified is not None and row["modified"] != modified:
        return bool(row["modified"] > modified)
    return bool(row["fetched_at"] > later)


def not_fetched_since(connection: Connection, moment: datetime, limit: int) -> list[int]:
    """Return up to `limit` orders in the open states 1 and 3 that were last read before `moment`, oldest first."""
    rows = connection.execute(
        "SELECT order_id FROM orders WHERE state IN (1, 3) AND fetched_at < ? ORDER BY fetched_at LIMIT ?",
        (stamp(moment), limit),
    )
    return [row["order_id"] for row in rows]


def mark_fetched(connection: Connection, order_id: int, at: datetime) -> None:
    """Remember that an order was asked for although nothing of it could be stored."""
    connection.execute("UPDATE orders SET fetched_at = max(fetched_at, ?) WHERE order_id = ?", (stamp(at), order_id))


def listed(connection: Connection, at: datetime, now: datetime) -> int:
    """Return how many orders are known, in quarantine or not, that a list of all at `at` should have counted.

    Those that were placed between `at` and `now` are left out, and the states that lists never show.
    """
    return int(
        connection.execute(
            """SELECT (SELECT count(*) FROM orders WHERE state NOT IN (0, 8))
                - (SELECT count(*) FROM orders WHERE created > ? AND created <= ? AND state NOT IN (0, 8))
                + (SELECT count(*) FROM quarantine WHERE stream = 'orders' AND instr(key, '~') = 0
                    AND CAST(key AS INTEGER) NOT IN (SELECT order_id FROM orders))""",
            (stamp(at), stamp(now)),
        ).fetchone()[0]
    )


def raw(connection: Connection, order_id: int) -> str | None:
    """Return the JSON text of a cached order, None where it is not cached."""
    row = connection.execute("SELECT raw FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    return None if row is None else str(row["raw"])


def raws(connection: Connection, order_ids: Sequence[int]) -> dict[int, str]:
    """Return the JSON texts of those orders that are cached, by id; at most a few hundred at once."""
    marks = ", ".join("?" * len(order_ids))
    rows = connection.execute(f"SELECT order_id, raw FROM orders WHERE order_id IN ({marks})", list(order_ids))  # noqa: S608 - placeholders only
    return {row["order_id"]: row["raw"] for row in rows}


def oldest(connection: Connection, status: str) -> datetime | None:
    """Return when the oldest order in a status was made, UTC."""
    row = connection.execute("SELECT min(created) AS at FROM orders WHERE status = ?", (status,)).fetchone()
    return unstamp(row["at"])


def counts(connection: Connection, now: datetime) -> tuple[dict[str, int], int]:
    """Return how many orders have each status, and how many open ones are late at `now`."""
    by_status = {
        row["status"]: row["n"]
        for row in connection.execute("SELECT status, count(*) AS n FROM orders GROUP BY status")
    }
    late = connection.execute(
        "SELECT count(*) FROM orders WHERE status IN (?, ?) AND due < ?", (*OPEN, stamp(now))
    ).fetchone()[0]
    return by_status, int(late)


def _write(connection: Connection, items: Sequence[_Differing], known: Container[int], at: str) -> None:
    connection.executemany(_UPSERT, [_row(*item, at) for item in items])
    before = [(item[0].order.order_id,) for item in items if item[0].order.order_id in known]
    connection.executemany("DELETE FROM orderlines WHERE order_id = ?", before)
    connection.executemany(
        _LINE, [_line(item[0].order.order_id, line) for item in items for line in item[0].order.orderlines]
    )


def _row(record: OrderRecord, content_hash: bytes, modified: str | None, purged: str | None, at: str) -> Values:
    order = record.order
    address = order.shipping_address
    due = order.due
    expected = order.expected_dispatch_date and stamp(order.expected_dispatch_date)
    # `and`: neither an amount nor a time is ever false, and a page has a thousand of these.
    return (
        order.order_id,
        order.state,
        order.status,
        order.country_code,
        order.currency,
        order.price and order.price.minor,
        order.shipping_price and order.shipping_price.minor,
        order.sales_taxes and order.sales_taxes.minor,
        order.date_creation and stamp(order.date_creation),
        modified,
        order.date_payment and stamp(order.date_payment),
        order.date_shipping and stamp(order.date_shipping),
        expected,
        expected if due is order.expected_dispatch_date else due and stamp(due),
        len(order.orderlines),
        address.name or order.billing_address.name or None,
        address.city,
        order.tracking_number,
        order.shipper_display,
        order.payment_method,
        order.is_backship,
        record.raw,
        content_hash,
        at,
        purged,
    )


def _line(order_id: int, line: Orderline) -> Values:
    currency = line.price.currency if line.price else None
    return (
        order_id,
        line.id,
        line.state,
        line.sku,
        line.listing_id,
        line.product,
        line.product_id,
        line.brand,
        line.condition,
        line.quantity,
        currency,
        line.price and line.price.minor,
        line.shipping_price and line.shipping_price.minor,
        line.fee and line.fee.minor,
        line.sales_taxes and line.sales_taxes.minor,
        line.imei,
        line.serial_number,
        line.return_reason,
        line.return_message,
        line.shipping_delay,
        line.backcare,
        line.date_creation and stamp(line.date_creation),
    )
