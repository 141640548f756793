"""What a merchant may do to an order: from which line states to which, and why not where not."""

from collections.abc import Sequence

from bmconsole.domain.orders import LINE_STATES, Order, Orderline

ACCEPT, CANCEL, SHIP, REFUND, SERIAL, INVOICE = "accept", "cancel", "ship", "refund", "serial", "invoice"

FROM = {ACCEPT: (1,), CANCEL: (1,), SHIP: (2,), REFUND: (2, 3)}
"""The line states that each act starts from."""
TO = {ACCEPT: {1: 2}, CANCEL: {1: 4}, SHIP: {2: 3}, REFUND: {2: 5, 3: 6}}
"""The line state that each act leads to, by the one that it starts from."""
BEYOND = {2: (2, 3, 5, 6), 3: (3, 6), 4: (4,), 5: (5,), 6: (6,)}
"""The states that a line is in once it has been in a state: that one, and where it goes from there."""
WAITING = (0, 8, 9)

RETURN_REASONS = {
    0: "stock mistake",
    1: "withdrawal within 14 days",
    11: "not at the address",
    12: "parcel did not arrive",
    13: "lost",
    21: "faulty on opening",
    22: "failed at first use",
    23: "failed in warranty",
    24: "not compliant",
    25: "other",
}
"""Back Market's reasons for a refund."""
LONGEST_MESSAGE = 500

_ONLY = {
    ACCEPT: "Only a line that is to accept can be accepted.",
    CANCEL: "Only a line that is to accept can be cancelled; an accepted one can be refunded.",
    SHIP: "Only an accepted order can be shipped.",
    REFUND: "Only an accepted line can be refunded before shipping, only a shipped one after it.",
}


def lines_for(order: Order, act: str, skus: Sequence[str] = ()) -> tuple[Orderline, ...]:
    """Return the lines that `act` moves: all that may, or those of the named SKUs.

    Raises:
        ValueError: The act is not legal now; the message says why, and what would be.
    """
    unknown = [sku for sku in skus if not any(_is(line, sku) for line in order.orderlines)]
    if unknown:
        known = ", ".join(dict.fromkeys(line.sku or "–" for line in order.orderlines))
        raise ValueError(f"order {order.order_id} has no line of SKU {unknown[0]}; it has {known}")
    named = [line for line in order.orderlines if not skus or any(_is(line, sku) for sku in skus)]
    if act == SHIP:
        return _to_ship(order)
    movable = tuple(line for line in named if line.state in FROM[act])
    stuck = [line for line in named if line.state not in FROM[act]]
    if not movable or (skus and stuck):
        raise ValueError(f"{_told(order, stuck or order.orderlines)}. {_ONLY[act]}")
    if any(line.sku is None for line in movable):
        raise ValueError(f"order {order.order_id} has a line without a SKU, and Back Market moves lines by their SKU")
    return movable


def _to_ship(order: Order) -> tuple[Orderline, ...]:
    lines = order.orderlines
    if not_yet := [line for line in lines if line.state == 1]:
        raise ValueError(
            f"{_told(order, not_yet)}. Every line must be accepted or cancelled before the order is shipped"
        )
    if waiting := [line for line in lines if line.state in WAITING]:
        raise ValueError(f"{_told(order, waiting)}. It must not be shipped before it is paid")
    movable = tuple(line for line in lines if line.state == 2)
    if not movable:
        raise ValueError(f"{_told(order, lines)}. {_ONLY[SHIP]}")
    return movable


def why_not(order: Order, act: str, lines: Sequence[int]) -> str:
    """Return why `act` cannot be done to the lines of these ids any more, empty where it can."""
    present = {line.id: line for line in order.orderlines}
    if gone := [number for number in lines if number not in present]:
        return f"order {order.order_id} has no line {gone[0]} any more"
    if act == SERIAL:
        early = [line for line in map(present.__getitem__, lines) if line.state not in (3, 6)]
        return f"{_told(order, early)}. A device is registered once the order is shipped" if early else ""
    if act == SHIP:
        try:
            _to_ship(order)
        except ValueError as error:
            return str(error)
    stuck = [present[number] for number in lines if present[number].state not in FROM[act]]
    return f"{_told(order, stuck)}. {_ONLY[act]}" if stuck else ""


def _is(line: Orderline, sku: str) -> bool:
    return (line.sku or "").casefold() == sku.casefold()


def _told(order: Order, lines: Sequence[Orderline]) -> str:
    if not lines:
        return f"order {order.order_id} has no lines"
    one = lines[0]
    state = LINE_STATES.get(one.state, f"in state {one.state}")
    if len({line.state for line in order.orderlines}) == 1:
        return f"order {order.order_id} is {_reads(state)}"
    return f"line {one.id} of order {order.order_id} ({one.sku or 'without a SKU'}) is {_reads(state)}"


def _reads(state: str) -> str:
    return {"to accept": "to be accepted", "to ship": "accepted and to be shipped"}.get(state, state)
