"""Rows of orders and their lines; what the server said, never what we mean to change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from bmconsole.domain.filters import Table
from bmconsole.domain.money import Money
from bmconsole.domain.orders import OPEN, Order, Orderline
from bmconsole.domain.times import stamp
from bmconsole.store import search
from bmconsole.store.passes import PageTally
from bmconsole.store.sqlite import Connection

_COLUMNS = (
    "order_id, state, status, country_code, currency, price, shipping_price, sales_taxes, created, modified, paid, "
    "shipped, expected, due, n_lines, buyer, city, tracking, shipper, payment_method, is_backship, raw, content_hash, "
    "pass_id, pass_page, fetched_at"
)
_UPSERT = (
    f"INSERT INTO orders ({_COLUMNS}) VALUES ({', '.join('?' * 26)}) ON CONFLICT (order_id) DO UPDATE SET "  # noqa: S608 - fixed names
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])
)
_LINE = f"INSERT OR REPLACE INTO orderlines VALUES ({', '.join('?' * 22)})"  # noqa: S608 - fixed names


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order with the JSON text that it was read from."""

    order: Order
    raw: str


def store(
    connection: Connection,
    records: Sequence[OrderRecord],
    *,
    fetched_at: datetime,
    pass_id: int | None = None,
    page: int | None = None,
) -> PageTally:
    """Write orders that are new or differ; an older answer never replaces a newer row.

    `pass_id` and `page` mark the rows as seen, so that a pass knows an id that came twice on different pages.
    """
    by_id = {record.order.order_id: record for record in records}
    known = {
        row["order_id"]: row
        for row in connection.execute(
            f"SELECT order_id, modified, content_hash, pass_id, pass_page FROM orders "  # noqa: S608 - placeholders only
            f"WHERE order_id IN ({', '.join('?' * len(by_id))})",
            list(by_id),
        )
    }
    fresh = changed = 0
    dups = len(records) - len(by_id)
    same: list[int] = []
    texts: dict[int, str] = {}
    for order_id, record in by_id.items():
        row = known.get(order_id)
        if pass_id is not None and row is not None and row["pass_id"] == pass_id:
            dups += row["pass_page"] != page
        else:
            fresh += 1
        content_hash = blake2b(record.raw.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        modified = stamp(record.order.date_modification) if record.order.date_modification else None
        if row is not None and (row["content_hash"] == content_hash or (row["modified"] or "") > (modified or "9")):
            same.append(order_id)
            continue
        changed += 1
        _write(connection, record, content_hash, modified, stamp(fetched_at), pass_id, page)
        texts[order_id] = search.order_text(record.order)
    search.keep(connection, Table.ORDERS, texts)
    if same:
        connection.executemany(
            "UPDATE orders SET pass_id = coalesce(?, pass_id), pass_page = coalesce(?, pass_page) WHERE order_id = ?",
            [(pass_id, page, order_id) for order_id in same],
        )
    return PageTally(fresh, dups, changed, 0)


def raw(connection: Connection, order_id: int) -> str | None:
    """Return the JSON text of a cached order, None where it is not cached."""
    row = connection.execute("SELECT raw FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    return None if row is None else str(row["raw"])


def raws(connection: Connection, order_ids: Sequence[int]) -> dict[int, str]:
    """Return the JSON texts of those orders that are cached, by id; at most a few hundred at once."""
    marks = ", ".join("?" * len(order_ids))
    rows = connection.execute(f"SELECT order_id, raw FROM orders WHERE order_id IN ({marks})", list(order_ids))  # noqa: S608 - placeholders only
    return {row["order_id"]: row["raw"] for row in rows}


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


def _write(
    connection: Connection,
    record: OrderRecord,
    content_hash: bytes,
    modified: str | None,
    fetched_at: str,
    pass_id: int | None,
    page: int | None,
) -> None:
    order = record.order
    address = order.shipping_address
    connection.execute(
        _UPSERT,
        (
            order.order_id,
            order.state,
            order.status,
            order.country_code,
            order.currency,
            _minor(order.price),
            _minor(order.shipping_price),
            _minor(order.sales_taxes),
            _text(order.date_creation),
            modified,
            _text(order.date_payment),
            _text(order.date_shipping),
            _text(order.expected_dispatch_date),
            _text(order.due),
            len(order.orderlines),
            address.name or order.billing_address.name or None,
            address.city,
            order.tracking_number,
            order.shipper_display,
            order.payment_method,
            int(order.is_backship),
            record.raw,
            content_hash,
            pass_id,
            page,
            fetched_at,
        ),
    )
    connection.execute("DELETE FROM orderlines WHERE order_id = ?", (order.order_id,))
    connection.executemany(_LINE, [_line(order.order_id, line) for line in order.orderlines])


def _line(order_id: int, line: Orderline) -> tuple[object, ...]:
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
        _minor(line.price),
        _minor(line.shipping_price),
        _minor(line.fee),
        _minor(line.sales_taxes),
        line.imei,
        line.serial_number,
        line.return_reason,
        line.return_message,
        line.shipping_delay,
        None if line.backcare is None else int(line.backcare),
        _text(line.date_creation),
    )


def _minor(money: Money | None) -> int | None:
    return None if money is None else money.minor


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)
