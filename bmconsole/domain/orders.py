"""Orders as the seller sees them: lines, states, the status derived from the lines, the time it is due."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bmconsole.domain.money import Money


class Status(StrEnum):
    """What an order is waiting for, derived from its lines because the order's own state does not tell."""

    PENDING = "pending"
    UNPAID = "unpaid"
    TO_ACCEPT = "to-accept"
    TO_SHIP = "to-ship"
    SHIPPED = "shipped"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


OPEN = (Status.TO_ACCEPT, Status.TO_SHIP)

ORDER_STATES = {
    0: "new, payment being validated",
    1: "paid, to be accepted",
    3: "to be shipped",
    8: "not paid",
    9: "processed",
    10: "pending payment",
}
LINE_STATES = {
    0: "new",
    1: "to accept",
    2: "to ship",
    3: "shipped",
    4: "cancelled",
    5: "refunded before shipping",
    6: "refunded after shipping",
    7: "not paid",
    8: "pending payment",
    9: "on hold",
}
CONDITIONS = {9: "premium", 10: "excellent", 11: "good", 12: "fair"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where an order is sent or billed to; any part may be missing. Buyer data: never in a log."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    street: str | None = None
    street2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    phone: str | None = None
    email: str | None = None

    @property
    def name(self) -> str:
        """First and last name, or what there is of them."""
        if self.first_name and self.last_name:
            return f"{self.first_name} {self.last_name}"
        return self.first_name or self.last_name or ""


@dataclass(frozen=True, slots=True)
class Orderline:
    """One line of an order. `price` is the line's, not one unit's; `sku` is what the API calls `listing`."""

    id: int
    state: int
    sku: str | None = None
    listing_id: int | None = None
    product: str | None = None
    product_id: str | None = None
    brand: str | None = None
    condition: int | None = None
    quantity: int = 1
    price: Money | None = None
    shipping_price: Money | None = None
    fee: Money | None = None
    sales_taxes: Money | None = None
    imei: str | None = None
    serial_number: str | None = None
    return_reason: int | None = None
    return_message: str | None = None
    shipping_delay: int | None = None
    """Hours that the seller promised for this line."""
    backcare: bool | None = None
    date_creation: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order; times in UTC, `modified` None where the API gave none."""

    order_id: int
    state: int
    country_code: str | None = None
    currency: str | None = None
    price: Money | None = None
    shipping_price: Money | None = None
    sales_taxes: Money | None = None
    date_creation: datetime | None = None
    date_modification: datetime | None = None
    date_payment: datetime | None = None
    date_shipping: datetime | None = None
    expected_dispatch_date: datetime | None = None
    shipper_display: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    delivery_note: str | None = None
    payment_method: str | None = None
    is_backship: bool = False
    billing_address: Address = Address()
    shipping_address: Address = Address()
    orderlines: tuple[Orderline, ...] = ()

    @property
    def status(self) -> Status:
        return status_of(self.state, [line.state for line in self.orderlines])

    @property
    def due(self) -> datetime | None:
        """When the order must have left, in UTC."""
        return due_at(self.expected_dispatch_date, self.date_payment, self.orderlines)

    def late(self, now: datetime) -> bool:
        """Whether the order still waits for the seller at `now` (the server's) although it was due."""
        due = self.due
        return self.status in OPEN and due is not None and now > due


_PENDING = frozenset({0, 8, 9})
_UNPAID = frozenset({7})
_BY_LINE = (
    (1, Status.TO_ACCEPT),
    (2, Status.TO_SHIP),
    (3, Status.SHIPPED),
    (5, Status.REFUNDED),
    (6, Status.REFUNDED),
    (4, Status.CANCELLED),
)


def status_of(state: int, lines: Sequence[int]) -> Status:
    """Return the status of an order from its own state and those of its lines; the first rule that fits."""
    present = set(lines)
    if state in (0, 10) or not present.isdisjoint(_PENDING):
        return Status.PENDING
    if state == 8 or present == _UNPAID:
        return Status.UNPAID
    for line_state, status in _BY_LINE:
        if line_state in present:
            return status
    return Status.UNKNOWN


def due_at(expected: datetime | None, paid: datetime | None, lines: Iterable[Orderline]) -> datetime | None:
    """Return when an order must have left: the date that Back Market gave, else payment + the longest open delay."""
    if expected is not None:
        return expected
    delays = [line.shipping_delay for line in lines if line.state in (1, 2) and line.shipping_delay is not None]
    if paid is None or not delays:
        return None
    return paid + timedelta(hours=max(delays))
