"""Orders on the wire: reading lists and single orders, moving their lines, registering serial numbers."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BeforeValidator, model_validator

from bmconsole.backmarket.paging import LARGEST_PAGE, Page, page_of, record_at
from bmconsole.backmarket.wire import (
    Amount,
    Currency,
    InvalidRecord,
    Moment,
    Record,
    Text,
    Truth,
    Whole,
    WireModel,
    money,
    parse,
    unknown_in,
    utc,
)
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.orders import Address, Order, Orderline
from bmconsole.domain.priority import Priority
from bmconsole.domain.times import rfc3339

if TYPE_CHECKING:
    # At run time it comes with the call; who only reads records needs no HTTP
    from bmconsole.backmarket.client import Answer, Client

OrdersPage = Page
UNKNOWN_STATE = -1
"""The state of an order or line that came without one; no rule fits it."""
_LONGEST_DELAY = 24 * 365


class WireAddress(WireModel):
    """An address in the spelling of the field (snake_case); the schema's camelCase is taken as well."""

    SPELLINGS: ClassVar[Mapping[str, str]] = {
        "firstName": "first_name",
        "lastName": "last_name",
        "postalCode": "postal_code",
        "phoneNumber": "phone",
        "phone_number": "phone",
    }

    id: object = None
    first_name: Text = None
    last_name: Text = None
    first_name_pronunciation: Text = None
    last_name_pronunciation: Text = None
    company: Text = None
    street: Text = None
    street2: Text = None
    postal_code: Text = None
    city: Text = None
    state: Text = None
    country: Text = None
    phone: Text = None
    email: Text = None

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, data: object) -> object:
        if not isinstance(data, dict) or not cls.SPELLINGS.keys() & data.keys():
            return data
        fields = dict(data)
        for spelling, name in cls.SPELLINGS.items():
            value = fields.pop(spelling, None)
            if fields.get(name) in (None, ""):
                fields[name] = value
        return fields

    def to_address(self) -> Address:
        return Address(
            first_name=self.first_name,
            last_name=self.last_name,
            company=self.company,
            street=self.street,
            street2=self.street2,
            postal_code=self.postal_code,
            city=self.city,
            state=self.state,
            country=self.country,
            phone=self.phone,
            email=self.email,
        )


class WireOrderline(WireModel):
    """One line of an order; `listing` is the SKU."""

    id: Whole = None
    state: Whole = None
    date_creation: Moment = None
    listing: Text = None
    listing_id: Whole = None
    product: Text = None
    product_id: Text = None
    brand: Text = None
    condition: Whole = None
    quantity: Whole = None
    currency: Currency = None
    price: Amount = None
    shipping_price: Amount = None
    orderline_fee: Amount = None
    sales_taxes: Amount = None
    imei: Text = None
    serial_number: Text = None
    return_reason: Whole = None
    return_message: Text = None
    shipping_delay: Whole = None
    backcare: Truth = None
    backcare_price: object = None

    def to_orderline(self, currency: str | None, zone: tzinfo) -> Orderline:
        """Return the line, in `currency` unless it has its own.

        Raises:
            InvalidRecord: It has no id, or its delay is no length of time.
        """
        if self.id is None:
            raise InvalidRecord("orderlines.id: missing")
        if self.shipping_delay is not None and not 0 <= self.shipping_delay <= _LONGEST_DELAY:
            raise InvalidRecord("orderlines.shipping_delay: out of range")
        own = self.currency or currency
        return Orderline(
            id=self.id,
            state=UNKNOWN_STATE if self.state is None else self.state,
            sku=self.listing,
            listing_id=self.listing_id,
            product=self.product,
            product_id=self.product_id,
            brand=self.brand,
            condition=self.condition,
            quantity=1 if self.quantity is None else self.quantity,
            price=money(self.price, own),
            shipping_price=money(self.shipping_price, own),
            fee=money(self.orderline_fee, own),
            sales_taxes=money(self.sales_taxes, own),
            imei=self.imei,
            serial_number=self.serial_number,
            return_reason=self.return_reason,
            return_message=self.return_message,
            shipping_delay=self.shipping_delay,
            backcare=self.backcare,
            date_creation=utc(self.date_creation, zone),
        )


def _none_as_empty(value: object) -> object:
    return () if value is None else value


def _none_as_blank(value: object) -> object:
    return {} if value is None else value


AddressField = Annotated[WireAddress, BeforeValidator(_none_as_blank)]


class WireOrder(WireModel):
    """An order as it comes; only `order_id` has to be there."""

    PARTS: ClassVar[Mapping[str, type[WireModel]]] = {
        "orderlines": WireOrderline,
        "billing_address": WireAddress,
        "shipping_address": WireAddress,
    }

    order_id: Whole = None
    state: Whole = None
    country_code: Text = None
    currency: Currency = None
    price: Amount = None
    shipping_price: Amount = None
    sales_taxes: Amount = None
    date_creation: Moment = None
    date_modification: Moment = None
    date_payment: Moment = None
    date_shipping: Moment = None
    expected_dispatch_date: Moment = None
    shipper: Text = None
    shipper_display: Text = None
    tracking_number: Text = None
    tracking_url: Text = None
    delivery_note: Text = None
    payment_method: Text = None
    installment_payment: object = None
    paypal_reference: object = None
    merchant_id: object = None
    is_backship: Truth = None
    billing_address: AddressField = WireAddress()
    shipping_address: AddressField = WireAddress()
    orderlines: Annotated[tuple[WireOrderline, ...], BeforeValidator(_none_as_empty)] = ()

    def to_order(self, zone: tzinfo) -> Order:
        """Return the order; times without an offset are meant in `zone`, the platform's.

        Raises:
            InvalidRecord: It has no id, or its lines have none of their own.
        """
        if self.order_id is None:
            raise InvalidRecord("order_id: missing")
        country = self.country_code.strip().lower() if self.country_code else None
        currency = self.currency
        if currency is None and country in MARKETS:
            currency = MARKETS[country].currency
        lines = tuple(line.to_orderline(currency, zone) for line in self.orderlines)
        if len({line.id for line in lines}) < len(lines):
            raise InvalidRecord("orderlines.id: the same twice")
        return Order(
            order_id=self.order_id,
            state=UNKNOWN_STATE if self.state is None else self.state,
            country_code=country,
            currency=currency,
            price=money(self.price, currency),
            shipping_price=money(self.shipping_price, currency),
            sales_taxes=money(self.sales_taxes, currency),
            date_creation=utc(self.date_creation, zone),
            date_modification=utc(self.date_modification, zone),
            date_payment=utc(self.date_payment, zone),
            date_shipping=utc(self.date_shipping, zone),
            expected_dispatch_date=utc(self.expected_dispatch_date, zone),
            shipper_display=self.shipper_display or self.shipper,
            tracking_number=self.tracking_number,
            tracking_url=self.tracking_url,
            delivery_note=self.delivery_note,
            payment_method=self.payment_method,
            is_backship=bool(self.is_backship),
            billing_address=self.billing_address.to_address(),
            shipping_address=self.shipping_address.to_address(),
            orderlines=lines,
        )


def parse_order(record: object, zone: tzinfo) -> Order:
    """Return a record of the API as an order; times without an offset are meant in `zone`, the platform's.

    Raises:
        InvalidRecord: It cannot be understood; the message names the field and the kind of fault, never a value.
    """
    return parse(WireOrder, record).to_order(zone)


def unknown_fields(record: Mapping[str, object]) -> dict[str, object]:
    """Return the fields that no model knows, by path (`orderlines[].foo`), with the first value of each."""
    return unknown_in(WireOrder, record)


async def page(
    client: "Client",
    *,
    number: int,
    size: int = LARGEST_PAGE,
    modified_since: datetime | None = None,
    created_since: datetime | None = None,
    state: int | None = None,
    priority: Priority,
) -> OrdersPage:
    """Return page `number` (from 1) of the orders, with the filters' lower bounds to the second.

    Raises:
        BmError: No usable answer.
    """
    filters: dict[str, str | int | None] = {
        "date_modification": rfc3339(modified_since) if modified_since else None,
        "date_creation": rfc3339(created_since) if created_since else None,
        "state": state,
    }
    return await page_of(client, "/ws/orders", filters, number=number, size=size, priority=priority)


async def one(client: "Client", order_id: int, *, priority: Priority) -> Record:
    """Return one order as it came.

    Raises:
        BmError: No usable answer; NotFound where there is no such order.
    """
    record, _ = await record_at(client, f"/ws/orders/{int(order_id)}", {}, priority=priority)
    return record


async def advance(
    client: "Client",
    order_id: int,
    *,
    new_state: int,
    sku: str | None = None,
    tracking_number: str | None = None,
    tracking_url: str | None = None,
    shipper: str | None = None,
    date_shipping: datetime | None = None,
    imei: str | None = None,
    serial_number: str | None = None,
    return_reason: int | None = None,
    return_message: str | None = None,
    vat_type: str | None = None,
    priority: Priority,
    deadline: float | None = None,
) -> "Answer":
    """Move the line of `sku` to `new_state` (2, 4, 5, 6), or every line at once (3, with a tracking number).

    Spaces are taken out of the tracking number, as Back Market wants it without. After `deadline` (seconds on the
    event loop's clock) nothing is sent any more.

    Raises:
        BmError: Refused or no usable answer; `maybe_applied` tells that only a read can say what happened.
    """
    body: dict[str, object] = {
        "order_id": order_id,
        "new_state": new_state,
        "sku": sku,
        "tracking_number": "".join(tracking_number.split()) if tracking_number else None,
        "tracking_url": tracking_url,
        "shipper": shipper,
        "date_shipping": rfc3339(date_shipping) if date_shipping else None,
        "imei": imei,
        "serial_number": serial_number,
        "return_reason": return_reason,
        "return_message": return_message,
        "vat_type": vat_type,
    }
    said = {name: value for name, value in body.items() if value is not None}
    return await client.post_json(f"/ws/orders/{int(order_id)}", said, priority=priority, deadline=deadline)


async def set_serial(
    client: "Client",
    orderline_id: int,
    *,
    imei: str | None = None,
    serial_number: str | None = None,
    priority: Priority,
    deadline: float | None = None,
) -> "Answer":
    """Register the device that a line was shipped with. It cannot be corrected afterwards.

    Raises:
        ValueError: Neither number is given.
        BmError: As `advance`.
    """
    body = {name: value for name, value in (("imei", imei), ("serial_number", serial_number)) if value}
    if not body:
        raise ValueError("an IMEI or a serial number is needed")
    path = f"/ws/orderlines/{int(orderline_id)}"
    return await client.patch_json(path, body, priority=priority, deadline=deadline)


async def upload_invoice(
    client: "Client", order_id: int, *, name: str, content: bytes, kind: str = "application/pdf", priority: Priority
) -> "Answer":
    """Hand in the invoice of an order: a file called `name`. It cannot be read back.

    Raises:
        BmError: As `advance`.
    """
    path = f"/ws/orders/{int(order_id)}/invoice"
    return await client.post_file(path, "invoice", name=name, content=content, kind=kind, priority=priority)
