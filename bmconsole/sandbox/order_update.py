"""`POST /ws/orders/{id}` and `PATCH /ws/orderlines/{id}`: what a merchant may do to an order, and what is refused."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from .answers import Refusal, problem, v1
from .listings import JsonObject
from .order_json import microseconds
from .orders import Line, Order
from .shop import Shop

# From which orderline state a merchant may move to which.
ACCEPT, SHIP, CANCEL, REFUND_BEFORE, REFUND_AFTER = 2, 3, 4, 5, 6
FROM_STATE = {ACCEPT: 1, CANCEL: 1, SHIP: 2, REFUND_BEFORE: 2, REFUND_AFTER: 3}
RETURN_REASONS = frozenset({0, 1, 11, 12, 13, 21, 22, 23, 24, 25})
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.IGNORECASE)


def parsed_date(text: str) -> int:
    """Return an RFC 3339 date, or a plain day, in microseconds since 1970; without an offset it is UTC.

    Raises:
        ValueError: It is neither.
    """
    if not _DATE.fullmatch(text):
        raise ValueError(f"not a date: {text!r}")
    value = datetime.fromisoformat(text.upper())
    return microseconds(value.replace(tzinfo=UTC) if value.tzinfo is None else value)


def _refuse(code: str, message: str, target: str | None = None) -> Refusal:
    return Refusal(v1(400, code, message, target=target))


def _text(body: Mapping[str, object], name: str, longest: int) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise _refuse("invalid", f"{name} must be a string of at most {longest} characters", name)
    return value


def update_order(shop: Shop, order: Order, body: Mapping[str, object]) -> None:
    """Move orderlines of an order as the body asks.

    Raises:
        Refusal: The body or the transition is not legal; nothing has changed then.
    """
    named = body.get("order_id", body.get("id"))
    if named is None:
        raise _refuse("required", "order_id is required", "order_id")
    if str(named) != str(order.id):
        raise _refuse("E009", "order_id of the body is not the one of the address", "order_id")
    state = body.get("new_state")
    if isinstance(state, str) and state.isdigit():
        state = int(state)
    if not isinstance(state, int) or isinstance(state, bool) or state not in FROM_STATE:
        raise _refuse("invalid_state", "new_state must be one of 2, 3, 4, 5, 6", "new_state")
    vat_type = body.get("vat_type")
    if vat_type not in (None, "REGULAR", "MARGINAL"):
        raise _refuse("invalid", "vat_type must be REGULAR or MARGINAL", "vat_type")

    if state == SHIP:
        _ship(shop, order, body)
    else:
        _move(shop, order, body, state)
    order.state = order_state(order)
    shop.order_changed(order)


def order_state(order: Order) -> int:
    """Return the state that an order has by its lines: 1 to be accepted, 3 to be shipped, 9 processed."""
    states = {line.state for line in order.lines}
    if states & {0, 8, 9}:
        return order.state
    return 1 if 1 in states else 3 if ACCEPT in states else 9


def _move(shop: Shop, order: Order, body: Mapping[str, object], state: int) -> None:
    sku = body.get("sku")
    lines = [line for line in order.lines if isinstance(sku, str) and _sku(shop, line).lower() == sku.lower()]
    if not lines:
        raise _refuse("not_found", "sku not found", "sku")
    movable = [line for line in lines if line.state == FROM_STATE[state]]
    if not movable:
        raise _refuse("invalid_state", f"orderline in state {lines[0].state} cannot move to {state}", "new_state")
    reason = body.get("return_reason")
    if reason is None and state == REFUND_AFTER:
        raise _refuse("required", "return_reason is required", "return_reason")
    is_known = isinstance(reason, int) and not isinstance(reason, bool) and reason in RETURN_REASONS
    if reason is not None and not is_known:
        raise _refuse("invalid", "return_reason is not one of the known reasons", "return_reason")
    message = _text(body, "return_message", 500)
    for line in movable:
        line.state = state
        if state != ACCEPT and isinstance(reason, int):
            line.return_reason = reason
        if state == REFUND_AFTER:
            line.return_message = message


def _ship(shop: Shop, order: Order, body: Mapping[str, object]) -> None:
    if any(line.state == 1 for line in order.lines):
        raise _refuse("invalid_state", "every orderline must be accepted or cancelled before shipping", "new_state")
    lines = [line for line in order.lines if line.state == FROM_STATE[SHIP]]
    if not lines:
        raise _refuse("invalid_state", "no accepted orderline to ship", "new_state")
    tracking = _text(body, "tracking_number", 200)
    if tracking is None:
        raise _refuse("required", "tracking_number is required", "tracking_number")
    if any(character.isspace() for character in tracking):
        raise _refuse("invalid", "tracking_number must not hold spaces", "tracking_number")
    url = _text(body, "tracking_url", 300)
    if url is not None and not (urlsplit(url).scheme in {"http", "https"} and urlsplit(url).netloc):
        raise _refuse("invalid", "tracking_url is not a URL", "tracking_url")
    shipper = _text(body, "shipper", 200)
    shipped = shop.now()
    if (date := body.get("date_shipping")) is not None:
        try:
            shipped = parsed_date(str(date))
        except ValueError:
            raise _refuse("invalid", "date_shipping is not a date in RFC 3339", "date_shipping") from None
    imei, serial = _text(body, "imei", 15), _text(body, "serial_number", 50)
    if imei is not None or serial is not None:
        if len(order.lines) > 1 or order.lines[0].quantity != 1:
            raise _refuse("invalid", "imei and serial_number need an order of one orderline with quantity 1", "imei")
        if imei is not None and not _is_imei(imei):
            raise _refuse("invalid", "imei must have 15 digits", "imei")
        if _corrects(lines[0], imei, serial):
            raise _refuse("invalid", "a registered imei or serial_number cannot be corrected", "imei")
        lines[0].imei = imei or lines[0].imei
        lines[0].serial_number = serial or lines[0].serial_number
    for line in lines:
        line.state = SHIP
    order.tracking_number = tracking
    order.tracking_url = url
    order.shipper = shipper or order.shipper
    order.shipped = shipped
    order.due = None


def _sku(shop: Shop, line: Line) -> str:
    return shop.listings.get(line.listing).sku


def _is_imei(text: str) -> bool:
    return len(text) == 15 and text.isascii() and text.isdigit()


def _corrects(line: Line, imei: str | None, serial: str | None) -> bool:
    return any(
        new is not None and registered is not None and new != registered
        for new, registered in ((imei, line.imei), (serial, line.serial_number))
    )


def update_orderline(shop: Shop, order: Order, line: Line, body: object, path: str) -> JsonObject:
    """Register an orderline's IMEI or serial number; return what was registered.

    Raises:
        Refusal: The body is not legal, or a value is registered already and another one comes.
    """

    def refuse(status: int, detail: str, field: str) -> Refusal:
        return Refusal(problem(status, "/errors/validation", "Invalid input", detail, path, (field, detail)))

    if not isinstance(body, dict):
        raise refuse(400, "the body must be a JSON object", "")
    given = {name: body[name] for name in ("imei", "serial_number") if name in body}
    if not given:
        raise refuse(422, "at least one of imei and serial_number must be provided", "imei")
    imei, serial = given.get("imei"), given.get("serial_number")
    if "imei" in given and not (isinstance(imei, str) and _is_imei(imei)):
        raise refuse(422, "imei must have 15 digits", "imei")
    if "serial_number" in given and not (isinstance(serial, str) and 0 < len(serial) <= 50):
        raise refuse(422, "serial_number must have 1 to 50 characters", "serial_number")
    if _corrects(line, imei, serial):
        raise refuse(422, "a registered value cannot be corrected", "imei" if imei else "serial_number")
    line.imei = imei or line.imei
    line.serial_number = serial or line.serial_number
    shop.order_changed(order)
    return given
