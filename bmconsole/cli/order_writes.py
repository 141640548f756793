"""What changes orders: `bmconsole orders accept|cancel|ship|refund|invoice|note`."""

from typing import TYPE_CHECKING

import click

from bmconsole.cli.carry import accepting, carry, carry_file, content_of
from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_json, print_table
from bmconsole.domain.transitions import ACCEPT, CANCEL, REFUND, RETURN_REASONS
from bmconsole.errors import UsageError

if TYPE_CHECKING:
    from bmconsole.planning import Device
    from bmconsole.workspace import Workspace

_SKU = click.option("--sku", "skus", multiple=True, metavar="SKU", help="Only the lines of this SKU; may be repeated.")


@click.command("accept", cls=Command)
@click.argument("order_ids", metavar="ID...", type=int, nargs=-1, required=True)
@_SKU
@accepting
@click.pass_obj
def accept(call: Call, order_ids: tuple[int, ...], skus: tuple[str, ...], yes: bool, confirmed: int | None) -> int:
    """Accept orders: every line that waits for it."""

    async def work(workspace: "Workspace") -> int:
        plan = await workspace.plan_orders(order_ids, ACCEPT, skus=skus)
        return await carry(call, workspace, plan, yes=yes, confirmed=confirmed)

    return call.run(work)


@click.command("cancel", cls=Command)
@click.argument("order_ids", metavar="ID...", type=int, nargs=-1, required=True)
@_SKU
@accepting
@click.pass_obj
def cancel(call: Call, order_ids: tuple[int, ...], skus: tuple[str, ...], yes: bool, confirmed: int | None) -> int:
    """Cancel orders that were not accepted yet. It counts against you."""

    async def work(workspace: "Workspace") -> int:
        plan = await workspace.plan_orders(order_ids, CANCEL, skus=skus)
        return await carry(call, workspace, plan, yes=yes, confirmed=confirmed)

    return call.run(work)


@click.command("refund", cls=Command)
@click.argument("order_id", metavar="ID", type=int)
@_SKU
@click.option("--reason", type=int, metavar="N", help="Needed after shipping; see below.")
@click.option("--message", metavar="TEXT", help="For the buyer, at most 500 characters.")
@accepting
@click.pass_obj
def refund(
    call: Call,
    order_id: int,
    skus: tuple[str, ...],
    reason: int | None,
    message: str | None,
    yes: bool,
    confirmed: int | None,
) -> int:
    """Refund an order, accepted or shipped.

    Reasons: 0 stock mistake, 1 withdrawal within 14 days, 11 not at the address, 12 parcel did not arrive, 13 lost,
    21 faulty on opening, 22 failed at first use, 23 failed in warranty, 24 not compliant, 25 other.
    """

    async def work(workspace: "Workspace") -> int:
        plan = await workspace.plan_orders([order_id], REFUND, skus=skus, reason=reason, message=message)
        if reason is not None and reason in RETURN_REASONS:
            call.say(f"Reason {reason}: {RETURN_REASONS[reason]}.")
        return await carry(call, workspace, plan, yes=yes, confirmed=confirmed)

    return call.run(work)


@click.command("ship", cls=Command)
@click.argument("order_id", metavar="[ID]", type=int, required=False)
@click.option("--tracking", metavar="NUMBER", help="Spaces are taken out.")
@click.option("--shipper", metavar="NAME", help="Guessed from the number where it is left out.")
@click.option("--tracking-url", metavar="URL", help="Where the parcel can be followed.")
@click.option("--imei", "imeis", multiple=True, metavar="[LINE=]IMEI", help="Of the device; for good.")
@click.option("--serial", "serials", multiple=True, metavar="[LINE=]SERIAL", help="Where there is no IMEI; for good.")
@click.option("--file", "file", metavar="CSV", help="Many at once: order_id, tracking, shipper, imei, serial.")
@click.option("--skip-invalid", is_flag=True, help="Ship the valid lines of the file although others are wrong.")
@accepting
@click.pass_obj
def ship(
    call: Call,
    order_id: int | None,
    tracking: str | None,
    shipper: str | None,
    tracking_url: str | None,
    imeis: tuple[str, ...],
    serials: tuple[str, ...],
    file: str | None,
    skip_invalid: bool,
    yes: bool,
    confirmed: int | None,
) -> int:
    """Tell Back Market that an order has left, or all those of a file.

    LINE is a line's id or SKU, where the order has several.
    """
    if file is not None:
        if order_id is not None or tracking or shipper or tracking_url or imeis or serials:
            raise UsageError("Give an order or a file, not both.", field="file")
        return _ship_file(call, file, skip_invalid=skip_invalid, yes=yes, confirmed=confirmed)
    if order_id is None:
        raise UsageError("Which order?", field="order_id", hint="Give its ID, or --file.")
    if not tracking:
        raise UsageError("The tracking number is missing.", field="tracking", hint="Give it with --tracking.")

    async def work(workspace: "Workspace") -> int:
        plan = await workspace.plan_ship(
            order_id, tracking or "", shipper=shipper, url=tracking_url, devices=_devices(imeis, serials)
        )
        return await carry(call, workspace, plan, yes=yes, confirmed=confirmed)

    return call.run(work)


def _devices(imeis: tuple[str, ...], serials: tuple[str, ...]) -> "list[Device]":
    from bmconsole.planning import Device

    def parts(text: str) -> tuple[str | None, str]:
        line, sign, number = text.partition("=")
        return (line.strip(), number) if sign else (None, text)

    found = [Device(imei=number, line=line) for line, number in map(parts, imeis)]
    return found + [Device(serial_number=number, line=line) for line, number in map(parts, serials)]


def _ship_file(call: Call, file: str, *, skip_invalid: bool, yes: bool, confirmed: int | None) -> int:
    content = content_of(file, "file")

    async def work(workspace: "Workspace") -> int:
        prepared = await workspace.plan_ship_file(content)
        return await carry_file(call, workspace, prepared, skip_invalid=skip_invalid, yes=yes, confirmed=confirmed)

    return call.run(work)


@click.command("invoice", cls=Command)
@click.argument("order_id", metavar="ID", type=int)
@click.argument("file", metavar="PDF")
@accepting
@click.pass_obj
def invoice(call: Call, order_id: int, file: str, yes: bool, confirmed: int | None) -> int:
    """Hand in the invoice of an order, a PDF.

    Back Market does not show invoices: what it answers is all there is to know.
    """
    content = content_of(file, "file")

    async def work(workspace: "Workspace") -> int:
        plan = await workspace.plan_invoice(order_id, content)
        return await carry(call, workspace, plan, yes=yes, confirmed=confirmed, files=(content,))

    return call.run(work)


@click.command("note", cls=Command)
@click.argument("order_id", metavar="ID", type=int)
@click.argument("text", metavar="[TEXT]", required=False)
@click.pass_obj
def note(call: Call, order_id: int, text: str | None) -> int:
    """Note something on an order, for yourself; without TEXT show what was noted."""

    async def work(workspace: "Workspace") -> int:
        if text is not None:
            await workspace.add_note(order_id, text)
        found = await workspace.order_notes(order_id)
        if call.json:
            for kept in found:
                print_json(kept)
        elif found:
            print_table(("WHEN", "NOTE"), [(kept.at, kept.text) for kept in found], zone=workspace.zone)
        else:
            call.say("Nothing was noted on this order.")
        return 0

    return call.run(work, auth="skip")
