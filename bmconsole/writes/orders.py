"""Plans what is done to orders: which lines move where, what goes along, and what has to be confirmed twice."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

from bmconsole.domain import transitions
from bmconsole.domain.carriers import guess_shipper, shipper_named, tracking_number
from bmconsole.domain.imei import Device, imei, serial_number
from bmconsole.domain.intents import Change, Intent, IntentState, Values
from bmconsole.domain.orders import LINE_STATES, Order, Orderline
from bmconsole.domain.text import clean
from bmconsole.domain.transitions import CANCEL, INVOICE, REFUND, SERIAL, SHIP
from bmconsole.domain.views import WritePlan
from bmconsole.errors import Guarded, UsageError
from bmconsole.writes.order_way import line_field

_LONGEST_URL = 300
_MOST_BYTES = 10 * 1024 * 1024
_WHY = {
    CANCEL: "a cancelled order cannot be brought back, and cancelling counts against you",
    REFUND: "a refund cannot be taken back",
    SHIP: "an IMEI or serial number cannot be corrected once it is registered",
}


def plan_move(
    order: Order,
    act: str,
    *,
    now: datetime,
    skus: Sequence[str] = (),
    reason: int | None = None,
    message: str | None = None,
    run: str | None = None,
) -> WritePlan:
    """Plan to accept, cancel or refund an order's lines: one write for each distinct SKU and state.

    Raises:
        Guarded: The act is not legal for the order as the cache has it.
        UsageError: A reason or message that cannot be.
    """
    try:
        lines = transitions.lines_for(order, act, skus)
    except ValueError as error:
        raise _illegal(error, order) from None
    said = _reason(act, lines, reason, message)
    changes: list[Change] = []
    intents: list[Intent] = []
    for sku, state in dict.fromkeys((line.sku, line.state) for line in lines):
        group = [line for line in lines if (line.sku, line.state) == (sku, state)]
        new = transitions.TO[act][state]
        base = {line_field(line.id, "state"): state for line in group}
        want: dict[str, str | int | None] = {line_field(line.id, "state"): new for line in group}
        if new == 6 and reason is not None:
            want |= {line_field(line.id, "return_reason"): reason for line in group}
        intents.append(_intent(order, act, base, {**want, **said}, now, run))
        changes += [_moved(order, line, new) for line in group]
    changes += [Change(str(order.order_id), _label(order), None, name, None, value) for name, value in said.items()]
    irrevocable = act in (CANCEL, REFUND)
    return WritePlan(tuple(changes), tuple(intents), (), int(irrevocable), _WHY[act] if irrevocable else "")


def plan_ship(
    order: Order,
    tracking: str,
    *,
    now: datetime,
    shipper: str | None = None,
    url: str | None = None,
    devices: Sequence[Device] = (),
    registered: Mapping[str, Sequence[int]] | None = None,
    run: str | None = None,
) -> WritePlan:
    """Plan to ship an order: one write for all of it, and one for each device where it has several lines or units.

    Args:
        order: As the cache has it.
        tracking: As typed; white space is taken out.
        now: The server's clock.
        shipper: As typed; guessed from the number where it is not given.
        url: Where the parcel can be followed.
        devices: What identifies the devices.
        registered: The orders that known devices are registered with, by number.
        run: What joins the intents of one bulk.

    Raises:
        Guarded: The order cannot be shipped as the cache has it, or a device belongs to another order.
        UsageError: A value that cannot be; `field` names it.
    """
    try:
        lines = transitions.lines_for(order, SHIP)
    except ValueError as error:
        raise _illegal(error, order) from None
    number = checked("tracking", tracking, tracking_number)
    given = checked("shipper", shipper, shipper_named) if shipper else None
    carrier = given or guess_shipper(number, order.country_code)
    base: dict[str, str | int | None] = {line_field(line.id, "state"): line.state for line in lines}
    want: dict[str, str | int | None] = {line_field(line.id, "state"): 3 for line in lines}
    want["tracking_number"] = number
    if carrier:
        want["shipper"] = carrier
    if url:
        want["tracking_url"] = _url(url)
    found = _devices(order, lines, devices, registered or {})
    alone = len(order.orderlines) == 1 and lines[0].quantity == 1
    changes = [_moved(order, line, 3) for line in lines]
    changes.append(_change(order, "tracking_number", order.tracking_number, number))
    note = None if given else "guessed from the number" if carrier else None
    if carrier:
        changes.append(replace(_change(order, "shipper", order.shipper_display, carrier), note=note))
    if url:
        changes.append(_change(order, "tracking_url", order.tracking_url, url))
    serials: list[Intent] = []
    for line, field, value in found:
        changes.append(
            Change(str(order.order_id), f"{_label(order)} {line.sku or line.id}", None, field, None, value, "for good")
        )
        if alone:
            want[line_field(line.id, field)] = value
            base[line_field(line.id, field)] = None
        else:
            field_name = line_field(line.id, field)
            serials.append(_intent(order, SERIAL, {field_name: None}, {field_name: value}, now, run))
    intents = (_intent(order, SHIP, base, want, now, run), *serials)
    notes = () if carrier else (f"{_label(order)}: no shipper is given, and the number does not tell one.",)
    return WritePlan(tuple(changes), intents, notes, int(bool(found)), _WHY[SHIP] if found else "")


def check_device(order: Order, device: Device, registered: Mapping[str, Sequence[int]]) -> None:
    """Make sure that an order may be shipped with a device.

    Raises:
        Guarded: The order cannot be shipped, or the device belongs to another one.
        UsageError: It is no IMEI or serial number; `field` names which.
    """
    try:
        lines = transitions.lines_for(order, SHIP)
    except ValueError as error:
        raise _illegal(error, order) from None
    _devices(order, lines, [device], registered)


def plan_invoice(order: Order, content: bytes, *, now: datetime) -> WritePlan:
    """Plan to hand an order's invoice in. The journal keeps the file's hash and size, nothing of what is in it.

    Raises:
        UsageError: It is no PDF, or too large.
    """
    if not content.startswith(b"%PDF-"):
        raise UsageError("The invoice is no PDF.", field="file", hint="Hand in the PDF itself.")
    if len(content) > _MOST_BYTES:
        raise UsageError(
            f"The invoice has {len(content) // 1024**2} MiB.",
            field="file",
            hint=f"At most {_MOST_BYTES // 1024**2} are taken.",
        )
    want = invoice_want(content)
    change = _change(order, "invoice", None, f"PDF, {len(content) // 1024 + 1} KiB")
    return WritePlan((change,), (_intent(order, INVOICE, {}, want, now, None),), ("It cannot be read back.",))


def invoice_want(content: bytes) -> dict[str, str | int | None]:
    """Return what the journal keeps of an invoice."""
    return {"invoice": blake2b(content, digest_size=16).hexdigest(), "bytes": len(content)}


def checked(field: str, text: str, check: Callable[[str], str]) -> str:
    """Return `check(text)`; its ValueError becomes a UsageError of `field`."""
    try:
        return check(text)
    except ValueError as error:
        message = str(error)
        raise UsageError(
            f"{message[:1].upper()}{message[1:]}.", field=field, value=clean(text, limit=60), hint=_HINTS.get(field)
        ) from None


_HINTS = {"shipper": "Leave it out to have it guessed from the number."}


def _devices(
    order: Order, lines: Sequence[Orderline], devices: Sequence[Device], registered: Mapping[str, Sequence[int]]
) -> list[tuple[Orderline, str, str]]:
    found: list[tuple[Orderline, str, str]] = []
    for device in devices:
        line = _line_of(order, lines, device)
        for field, text, check in (
            ("imei", device.imei, imei),
            ("serial_number", device.serial_number, serial_number),
        ):
            if text is None:
                continue
            value = checked(field, text, check)
            present = line.imei if field == "imei" else line.serial_number
            others = [number for number in registered.get(value, ()) if number != order.order_id]
            if others:
                raise Guarded(
                    f"This {_NAMES[field]} is registered with order {others[0]} already.",
                    field=field,
                    value=value,
                    hint="Scan the device again; the same one never leaves with two orders.",
                )
            if present is not None and present != value:
                raise Guarded(
                    f"Line {line.id} has another {_NAMES[field]} already, and it cannot be corrected.",
                    field=field,
                    value=value,
                )
            if any(value == other for _, _, other in found):
                raise Guarded(f"The same {_NAMES[field]} is given twice.", field=field, value=value)
            if any(line.id == other.id and field == name for other, name, _ in found):
                raise UsageError(f"Line {line.id} is given two of them.", field=field, hint="Name a line for each.")
            if present is None:
                found.append((line, field, value))
    return found


_NAMES = {"imei": "IMEI", "serial_number": "serial number"}


def _line_of(order: Order, lines: Sequence[Orderline], device: Device) -> Orderline:
    if device.line is None:
        if len(lines) == 1:
            return lines[0]
        known = ", ".join(f"{line.id} ({line.sku})" for line in lines)
        raise UsageError(
            f"Order {order.order_id} has {len(lines)} lines to ship: say which one the device is for.",
            field="orderline",
            hint=f"Its lines are {known}.",
        )
    named = [line for line in lines if device.line in (str(line.id), line.sku)]
    if len(named) == 1:
        return named[0]
    raise UsageError(
        f"{clean(device.line, limit=60)} names {'several' if named else 'no'} lines to ship of {_label(order)}.",
        field="orderline",
        value=clean(device.line, limit=60),
        hint=f"Its lines are {', '.join(str(line.id) for line in lines)}.",
    )


def _reason(
    act: str, lines: Sequence[Orderline], reason: int | None, message: str | None
) -> dict[str, str | int | None]:
    if act != REFUND:
        return {}
    if reason is not None and reason not in transitions.RETURN_REASONS:
        raise UsageError(f"There is no reason {reason}.", field="reason", value=str(reason), hint=_reasons())
    if reason is None and any(line.state == 3 for line in lines):
        raise UsageError("A refund after shipping needs a reason.", field="reason", hint=_reasons())
    if message is not None and len(message) > transitions.LONGEST_MESSAGE:
        raise UsageError(
            f"The message has {len(message)} characters.",
            field="message",
            hint=f"At most {transitions.LONGEST_MESSAGE} are taken.",
        )
    said: dict[str, str | int | None] = {"return_reason": reason, "return_message": message or None}
    return {name: value for name, value in said.items() if value is not None}


def _reasons() -> str:
    return "; ".join(f"{number} {text}" for number, text in transitions.RETURN_REASONS.items())


def _url(text: str) -> str:
    if len(text) > _LONGEST_URL or not re.fullmatch(r"https?://[!-~]+", text):
        raise UsageError(
            "That is no address of a web page.",
            field="tracking_url",
            value=clean(text, limit=60),
            hint="Begin with https://",
        )
    return text


def _intent(order: Order, act: str, base: Values, want: Values, now: datetime, run: str | None) -> Intent:
    return Intent(0, act, str(order.order_id), None, base, want, IntentState.PENDING, "operator", now, now, run=run)


def _illegal(error: ValueError, order: Order) -> Guarded:
    message = str(error)
    return Guarded(
        f"{message[:1].upper()}{message[1:].rstrip('.')}.",
        field="order_id",
        value=str(order.order_id),
        hint=f"Look at it live: bmconsole orders show {order.order_id} --live",
    )


def _label(order: Order) -> str:
    return f"order {order.order_id}"


def _change(order: Order, field: str, old: str | None, new: str) -> Change:
    return Change(str(order.order_id), _label(order), None, field, old, new)


def _moved(order: Order, line: Orderline, new: int) -> Change:
    label = f"{_label(order)} {line.sku or line.id}"
    return Change(
        str(order.order_id), label, None, "state", LINE_STATES.get(line.state, str(line.state)), LINE_STATES[new]
    )
