"""`bmconsole orders`: the cached orders, one of them live; what changes them is in `order_writes`."""

import sys
from datetime import tzinfo
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, LazyGroup
from bmconsole.cli.output import jsonable, print_facts, print_json, print_table
from bmconsole.cli.shapes import order_json
from bmconsole.domain.orders import CONDITIONS, LINE_STATES, ORDER_STATES, Address, Order
from bmconsole.domain.rows import Query
from bmconsole.domain.text import clean

if TYPE_CHECKING:
    from bmconsole.cache import Cache
    from bmconsole.domain.views import OrderInspection
    from bmconsole.workspace import Workspace


_WRITES = ("accept", "ship", "cancel", "refund", "invoice", "note")


@click.group(cls=LazyGroup, lazy={name: f"bmconsole.cli.order_writes:{name}" for name in _WRITES})
def orders() -> None:
    """Look at orders and move them on."""


@orders.command("list")
@click.option("--limit", default=50, type=click.IntRange(min=0), help="How many (0: all).  [default: 50]")
@click.option("--after", type=int, metavar="ID", help="Only the rows behind this order.")
@click.option("--where", default="", metavar="FILTER", help="Which: status:to-ship price>400 late …")
@click.option("--sort", default="", metavar="[-]FIELD", help="By what; - for descending.")
@click.pass_obj
def list_(call: Call, limit: int, after: int | None, where: str, sort: str) -> int:
    """List orders from the cache, newest first."""
    query = Query(where=where, sort=sort, after=None if after is None else str(after), limit=limit)

    async def work(cache: "Cache") -> int:
        rows = await cache.orders_page(query)
        if call.json:
            pending = {row.order_id for row in rows if row.pending}
            async for order in cache.orders([row.order_id for row in rows]):
                print_json(order_json(order, cache.now(), pending=order.order_id in pending))
            return 0
        if not rows:
            call.say("No orders. “bmconsole sync” fetches them." if not where else "No order fits.")
            return 0
        print_table(
            ("ORDER", "STATUS", "DUE", "PRICE", "COUNTRY", "BUYER", "SKU", "CREATED"),
            [
                (
                    row.order_id,
                    f"{row.status}{' (late)' if row.late else ''}{' *' if row.pending else ''}",
                    row.due,
                    row.price,
                    row.country_code,
                    row.buyer,
                    row.skus,
                    row.created,
                )
                for row in rows
            ],
            zone=cache.zone,
            right=("ORDER", "PRICE"),
        )
        return 0

    return call.read(work)


@orders.command("show")
@click.argument("order_id", metavar="ID", type=int)
@click.option("--live", is_flag=True, help="Ask Back Market now, and say what differs from the cache.")
@click.pass_obj
def show(call: Call, order_id: int, live: bool) -> int:
    """Show one order."""

    async def look(cache: "Cache") -> int:
        order = await cache.order(order_id)
        if call.json:
            print_json(order_json(order, cache.now()))
        else:
            _print_order(order, cache.zone)
        return 0

    async def inspect(workspace: "Workspace") -> int:
        _print_inspection(call, await workspace.inspect_order(order_id), workspace.zone)
        return 0

    return call.run(inspect) if live else call.read(look)


@orders.command("delivery-note")
@click.argument("order_id", metavar="ID", type=int)
@click.pass_obj
def delivery_note(call: Call, order_id: int) -> int:
    """Print the address of an order's delivery note: a PDF that opens without the token."""
    from bmconsole.exports import note_address

    async def work(cache: "Cache") -> int:
        address = note_address(await cache.order(order_id))
        if call.json:
            print_json({"order_id": order_id, "delivery_note": address})
        else:
            sys.stdout.write(f"{address}\n")
        return 0

    return call.read(work)


@orders.command("export")
@click.option("--where", default="", metavar="FILTER", help="Which: status:to-ship late …")
@click.option("--sort", default="", metavar="[-]FIELD", help="By what; - for descending.")
@click.option("--columns", metavar="NAMES", help="With commas.  [default: those of a pick list]")
@click.option("--separator", type=click.Choice([",", ";"]), default=",", help="Between cells.  [default: ,]")
@click.option("--output", "-o", metavar="FILE", help="Instead of standard output.")
@click.pass_obj
def export(call: Call, where: str, sort: str, columns: str | None, separator: str, output: str | None) -> int:
    """Write orders as CSV, or with --json as one object a line: a line for each orderline, as for a pick list."""
    from bmconsole.exports import USUAL_ORDER_COLUMNS, check_order_columns, order_rows

    names = (
        USUAL_ORDER_COLUMNS if columns is None else tuple(name.strip() for name in columns.split(",") if name.strip())
    )

    async def work(cache: "Cache") -> int:
        check_order_columns(names, cache.profile.access)
        rows = [row async for row in order_rows(cache, Query(where=where, sort=sort, limit=0), names)]
        from bmconsole.cli.carry import hand_out  # the writing commands' own, and slow to import

        return hand_out(call, rows, separator, output)

    return call.read(work)


def _print_inspection(call: Call, inspection: "OrderInspection", zone: tzinfo) -> None:
    if call.json:
        shape = order_json(inspection.live, inspection.fetched_at)
        shape["differing"] = list(inspection.differing)
        shape["unknown"] = jsonable(inspection.unknown)
        shape["cached"] = inspection.cached is not None
        shape["fetched_at"] = jsonable(inspection.fetched_at)
        print_json(shape)
        return
    _print_order(inspection.live, zone)
    if inspection.cached is None:
        call.say("The cache did not have it.")
    elif inspection.differing:
        call.say(f"Differs from the cache in: {', '.join(inspection.differing)}.")
    else:
        call.say("The cache said the same.")
    if inspection.unknown:
        call.say(f"Fields that this version does not know: {', '.join(inspection.unknown)}.")


def _print_order(order: Order, zone: tzinfo) -> None:
    print_facts(
        {
            "order": order.order_id,
            "status": order.status,
            "state": f"{order.state} ({ORDER_STATES.get(order.state, 'unknown')})",
            "due": order.due,
            "price": order.price,
            "shipping": order.shipping_price,
            "country": order.country_code,
            "created": order.date_creation,
            "modified": order.date_modification,
            "paid": order.date_payment,
            "shipped": order.date_shipping,
            "shipper": order.shipper_display,
            "tracking": order.tracking_number,
            "payment": order.payment_method,
            "backship": order.is_backship,
            "ship to": _address(order.shipping_address),
            "bill to": _address(order.billing_address),
        },
        zone=zone,
    )
    print_table(
        ("LINE", "STATE", "SKU", "PRODUCT", "CONDITION", "QTY", "PRICE", "FEE", "IMEI / SERIAL"),
        [
            (
                line.id,
                f"{line.state} ({LINE_STATES.get(line.state, 'unknown')})",
                line.sku,
                line.product,
                CONDITIONS.get(line.condition, str(line.condition)) if line.condition is not None else None,
                line.quantity,
                line.price,
                line.fee,
                line.imei or line.serial_number,
            )
            for line in order.orderlines
        ],
        zone=zone,
        right=("LINE", "QTY", "PRICE", "FEE"),
    )


def _address(address: Address) -> str:
    town = " ".join(part for part in (address.postal_code, address.city) if part)
    parts = (address.name, address.company, address.street, address.street2, town, address.country, address.phone)
    return clean(", ".join(part for part in parts if part))
