"""Listings and orders as rows for a file; as CSV no cell is a formula, and an import takes listings back."""

import csv
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from io import StringIO
from urllib.parse import urlsplit

from bmconsole.cache import Cache
from bmconsole.domain.listings import Listing
from bmconsole.domain.money import Money
from bmconsole.domain.orders import Order, Orderline
from bmconsole.domain.text import clean
from bmconsole.domain.times import rfc3339
from bmconsole.domain.views import Query
from bmconsole.errors import Guarded, NotAllowed, NotFound, UsageError
from bmconsole.store import bulk
from bmconsole.writes.csvfile import inert
from bmconsole.writes.plan import FIELDS, Shipping, current, shippings_in

Row = Mapping[str, object]

_SHIPPING = tuple(name for name in FIELDS if name.startswith("ship"))
BUYER_COLUMNS = ("buyer", "company", "street", "street2", "postal_code", "city", "phone", "email")
ORDER_COLUMNS = (
    *("order_id", "status", "state", "created", "due", "late", "country_code", "currency", "price", "shipping_price"),
    *("shipper", "tracking", "payment_method", "orderline", "line_state", "sku", "product", "brand", "condition"),
    *("quantity", "line_price", "fee", "imei", "serial", *BUYER_COLUMNS),
)
"""What an export of orders can have, a row for each line of an order."""
_ADDRESS = re.compile(r"[!-~]{1,2000}")
USUAL_ORDER_COLUMNS = ("order_id", "status", "due", "sku", "product", "quantity", "orderline", "imei", "serial")


async def listing_rows(cache: Cache, query: Query, markets: Sequence[str], ids: Sequence[str] = ()) -> list[Row]:
    """Return a row for each listing that `query` finds (or each of `ids`) and each of `markets` that offers it."""
    ids = list(ids) or [row.id for row in await cache.listings_page(query)]
    raws = await cache.read_mirror(
        lambda connection: bulk.records(connection, ((number, market) for number in ids for market in markets))
    )
    return [
        _listing_row(listing, market, shippings_in(raws.get((listing.id, market), {})))
        async for listing in cache.listings(ids)
        for market in markets
        if market in listing.offers
    ]


def _listing_row(listing: Listing, market: str, shippings: tuple[Shipping, ...]) -> Row:
    offer = listing.offers[market]
    return {
        "id": listing.id,
        "listing_id": listing.listing_id,
        "sku": listing.sku,
        "title": listing.title,
        "grade": listing.grade,
        "market": market,
        "publication_state": offer.publication_state,
        "quantity": listing.quantity,
        "price": offer.price,
        "min_price": offer.min_price,
        "max_price": offer.max_price,
        "currency": offer.currency,
        "comment": offer.comment,
        "warranty_delay": offer.warranty_delay,
        **{name: current(listing, offer, name, shippings) for name in _SHIPPING},
    }


def check_order_columns(names: Sequence[str], access: str) -> None:
    """Check the columns of an export of orders.

    Raises:
        UsageError: One does not exist.
        NotAllowed: One is the buyer's, and the access is a viewer's.
    """
    for name in names:
        if name not in ORDER_COLUMNS:
            raise UsageError(
                f"There is no column {clean(name, limit=40)!r}.",
                field="columns",
                value=clean(name, limit=40),
                hint=f"One of: {', '.join(ORDER_COLUMNS)}.",
            )
        if access == "viewer" and name in BUYER_COLUMNS:
            raise NotAllowed(f"This profile's access is viewer: it may not export {name}.", field="columns", value=name)


async def order_rows(cache: Cache, query: Query, columns: Sequence[str], ids: Sequence[int] = ()) -> AsyncIterator[Row]:
    """Yield a row for each line of the orders that `query` finds (or of `ids`), with the named columns."""
    numbers = list(ids) or [row.order_id for row in await cache.orders_page(query)]
    now = cache.now()
    async for order in cache.orders(numbers):
        for line in order.orderlines:
            values = _order_row(order, line, now)
            yield {name: values[name] for name in columns}


def _order_row(order: Order, line: Orderline, now: datetime) -> dict[str, object]:
    address = order.shipping_address
    return {
        "order_id": order.order_id,
        "status": str(order.status),
        "state": order.state,
        "created": order.date_creation,
        "due": order.due,
        "late": order.late(now),
        "country_code": order.country_code,
        "currency": order.currency,
        "price": order.price,
        "shipping_price": order.shipping_price,
        "shipper": order.shipper_display,
        "tracking": order.tracking_number,
        "payment_method": order.payment_method,
        "orderline": line.id,
        "line_state": line.state,
        "sku": line.sku,
        "product": line.product,
        "brand": line.brand,
        "condition": line.condition,
        "quantity": line.quantity,
        "line_price": line.price,
        "fee": line.fee,
        "imei": line.imei,
        "serial": line.serial_number,
        "buyer": address.name,
        "company": address.company,
        "street": address.street,
        "street2": address.street2,
        "postal_code": address.postal_code,
        "city": address.city,
        "phone": address.phone,
        "email": address.email,
    }


def note_address(order: Order) -> str:
    """Return the address of an order's delivery note: https, with nothing in it that signs anybody in.

    Raises:
        NotFound: It has none.
        Guarded: The address is another kind of thing than the link to a document.
    """
    if not order.delivery_note:
        raise NotFound(
            f"Order {order.order_id} has no delivery note yet.",
            field="delivery_note",
            hint="Back Market makes it once the order is paid.",
        )
    text = order.delivery_note.strip()
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.username or not _ADDRESS.fullmatch(text):
        raise Guarded(
            f"The delivery note of order {order.order_id} is not at an https address; it is not opened.",
            field="delivery_note",
            value=clean(text, limit=80),
        )
    return text


def as_csv(rows: Sequence[Row], *, separator: str = ",") -> str:
    """Return rows as CSV with a header; texts that a spreadsheet would take for formulas begin with `'`."""
    if not rows:
        return ""
    out = StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Money():
            return value.text()
        case datetime():
            return rfc3339(value)
        case int():
            return str(value)
    return inert(clean(value))
