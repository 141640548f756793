"""Takes buyers out of orders that have been final for long: out of columns, JSON texts, quarantine and search.

Of the JSON only what is known to say nothing about the buyer is kept, so that a field that Back Market adds goes too.
What an order is found and counted by stays: ids, states, dates, amounts, SKU, IMEI, tracking number, country.

SQLite overwrites what it deletes (`secure_delete`), but where it shifts rows between pages it leaves copies in their
gaps. Only a file that is written anew is free of them.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bmconsole.domain.filters import Table
from bmconsole.domain.orders import Address, Order, Status
from bmconsole.domain.times import stamp
from bmconsole.store import search
from bmconsole.store.sqlite import Connection

FINAL = (Status.SHIPPED, Status.REFUNDED, Status.CANCELLED, Status.UNPAID)
"""What an order does not leave by itself; how long ago it became so its last modification tells."""

_BATCH = 50
_DATES = ("date_modification", "date_shipping", "date_payment", "date_creation")
_ADDRESSES = ("billing_address", "shipping_address")
_ORDER_KEPT = frozenset(
    (
        *("order_id", "state", "country_code", "currency", "price", "shipping_price", "sales_taxes", *_DATES),
        *("expected_dispatch_date", "shipper", "shipper_display", "tracking_number", "payment_method"),
        *("installment_payment", "merchant_id", "is_backship"),
    )
)
_LINE_KEPT = frozenset(
    (
        *("id", "state", "date_creation", "listing", "listing_id", "product", "product_id", "brand", "condition"),
        *("quantity", "currency", "price", "shipping_price", "orderline_fee", "sales_taxes", "imei", "serial_number"),
        *("return_reason", "shipping_delay", "backcare", "backcare_price"),
    )
)


def is_due(order: Order, before: datetime) -> bool:
    """Return whether an order has been final since before `before`."""
    last = order.date_modification or order.date_shipping or order.date_payment or order.date_creation
    return order.status in FINAL and last is not None and last < before


def without_buyer(order: Order) -> Order:
    """Return an order that says nothing about its buyer but the country."""
    return replace(
        order,
        tracking_url=None,
        delivery_note=None,
        billing_address=Address(country=order.billing_address.country),
        shipping_address=Address(country=order.shipping_address.country),
        orderlines=tuple(replace(line, return_message=None) for line in order.orderlines),
    )


def raw_without_buyer(raw: str) -> str:
    """Return the JSON text of an order without its buyer; an empty object where it is no JSON of an order."""
    record = _read(raw)
    kept: dict[str, object] = {name: _scalar(value) for name, value in record.items() if name in _ORDER_KEPT}
    for name in _ADDRESSES:
        address = record.get(name)
        if isinstance(address, dict):
            kept[name] = {"country": _scalar(address.get("country"))}
    lines = record.get("orderlines")
    if isinstance(lines, list):
        kept["orderlines"] = [
            {name: _scalar(value) for name, value in line.items() if name in _LINE_KEPT}
            for line in lines
            if isinstance(line, dict)
        ]
    return json.dumps(kept, separators=(",", ":"))


def orders(connection: Connection, *, before: datetime, now: datetime) -> int:
    """Take the buyer out of up to 50 orders that have been final since before `before`; return how many those were."""
    finals = ", ".join("?" * len(FINAL))
    rows = connection.execute(
        f"""SELECT order_id FROM orders WHERE purged IS NULL AND modified < ? AND status IN ({finals})
        ORDER BY modified LIMIT {_BATCH}""",  # noqa: S608 - placeholders only
        (stamp(before), *FINAL),
    ).fetchall()
    if not rows:
        rows = connection.execute(
            f"""SELECT order_id FROM orders WHERE purged IS NULL AND modified IS NULL AND status IN ({finals})
            AND coalesce(shipped, paid, created, fetched_at) < ? LIMIT {_BATCH}""",  # noqa: S608 - placeholders only
            (*FINAL, stamp(before)),
        ).fetchall()
    return take_out(connection, [row["order_id"] for row in rows], now=now)


def orders_of(connection: Connection, who: str) -> tuple[list[int], list[int]]:
    """Return the orders of a buyer that still have one, final and open ones, by the buyer's name or an order's number.

    A number finds the buyer of that order, and with it the buyer's other orders.
    """
    name = who.strip()
    if name.isdecimal():
        row = connection.execute("SELECT buyer FROM orders WHERE order_id = ?", (int(name),)).fetchone()
        if row is None:
            return [], []
        name = row["buyer"] or ""
    wanted = " ".join(name.split()).casefold()
    final: list[int] = []
    still_open: list[int] = []
    rows = connection.execute("SELECT order_id, buyer, status FROM orders WHERE buyer IS NOT NULL AND purged IS NULL")
    for row in rows:
        if wanted and " ".join(row["buyer"].split()).casefold() == wanted:
            (final if row["status"] in FINAL else still_open).append(row["order_id"])
    return final, still_open


def erase(connection: Connection, order_ids: Sequence[int], *, now: datetime) -> int:
    """Take the buyer out of these orders for good: also when they change."""
    connection.executemany("UPDATE orders SET erased = 1 WHERE order_id = ?", [(order_id,) for order_id in order_ids])
    return take_out(connection, order_ids, now=now)


def take_out(connection: Connection, order_ids: Sequence[int], *, now: datetime) -> int:
    """Take the buyer out of these orders, at most a few hundred; return how many they are."""
    ids = list(order_ids)
    marks = ", ".join("?" * len(ids))
    rows = connection.execute(
        f"SELECT order_id, raw FROM orders WHERE order_id IN ({marks})",  # noqa: S608 - placeholders only
        ids,
    ).fetchall()
    connection.executemany(
        "UPDATE orders SET buyer = NULL, city = NULL, raw = ?, purged = ? WHERE order_id = ?",
        [(raw_without_buyer(row["raw"]), stamp(now), row["order_id"]) for row in rows],
    )
    connection.executemany(
        "UPDATE orderlines SET return_message = NULL WHERE order_id = ? AND return_message IS NOT NULL",
        [(order_id,) for order_id in ids],
    )
    search.keep(connection, Table.ORDERS, search.order_texts(connection, ids))
    return len(ids)


def quarantine(connection: Connection, *, before: datetime) -> int:
    """Take the buyer out of orders in quarantine that are older than `before`, as far as can be told; return how many.

    Nobody knows whether they are final: what cannot be read has no status.
    """
    purged = 0
    for row in connection.execute("SELECT id, raw, at FROM quarantine WHERE stream LIKE 'orders%'").fetchall():
        if (_last(row["raw"]) or datetime.fromisoformat(row["at"])) >= before:
            continue
        rest = raw_without_buyer(row["raw"])
        if rest != row["raw"]:
            connection.execute("UPDATE quarantine SET raw = ? WHERE id = ?", (rest, row["id"]))
            purged += 1
    return purged


def rewritten(connection: Connection) -> datetime | None:
    """Return when the file was last written anew, None for never."""
    row = connection.execute("SELECT at FROM rewritten").fetchone()
    return None if row is None else datetime.fromisoformat(row["at"])


def set_rewritten(connection: Connection, at: datetime) -> None:
    connection.execute(
        "INSERT INTO rewritten (row, at) VALUES (1, ?) ON CONFLICT (row) DO UPDATE SET at = excluded.at", (stamp(at),)
    )


def _last(raw: str) -> datetime | None:
    record = _read(raw)
    for name in _DATES:
        value = record.get(name)
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                continue
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _read(raw: str) -> dict[str, object]:
    """Return the object that a text writes, with fractions as the text that they are, so that they stay exact."""
    try:
        value = json.loads(raw, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _scalar(value: object) -> object:
    return value if isinstance(value, str | int | None) else None
