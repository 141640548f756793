"""Orders as the API writes them, with the field's oddities (see `deviations`)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from .draw import Draw
from .listings import JsonObject, Listings
from .markets import MARKETS, PLATFORM_ZONE, decimal_text
from .orders import Line, Order
from .people import address

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(microseconds: int) -> datetime:
    """Return a time of the sandbox as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds(at: datetime) -> int:
    """Return an aware datetime as the sandbox keeps it: whole microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=2048)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).date().isoformat()


def _clock_time(seconds: int) -> str:
    day, rest = divmod(seconds, 86_400)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_day(day)}T{hour:02d}:{minute:02d}:{second:02d}"


def _written(at: int | None, style: int, *, fraction: bool) -> str | None:
    """Return a time in RFC 3339; three orders in ten write it with +01:00 instead of Z."""
    if at is None:
        return None
    seconds, rest = divmod(at, 1_000_000)
    tail = f".{rest:06d}" if fraction else ""
    if style % 10 < 7:
        return f"{_clock_time(seconds)}{tail}Z"
    return f"{_clock_time(seconds + 3600)}{tail}+01:00"


def _expected(order: Order) -> str | None:
    """Return the date to dispatch by; two orders in five write it without an offset, in the platform's zone."""
    if order.due is None:
        return None
    if order.style // 10 % 5 < 2:
        zone = PLATFORM_ZONE[MARKETS[order.market].region]
        return moment(order.due // 1_000_000 * 1_000_000).astimezone(zone).replace(tzinfo=None).isoformat()
    return _written(order.due, order.style, fraction=False)


def order_json(order: Order, listings: Listings) -> JsonObject:
    """Return an order as `GET /ws/orders/{id}` answers it and as it stands in a list."""
    style = order.style
    market = MARKETS[order.market]
    exponent = market.exponent
    draw = Draw(listings.seed, "buyer", order.index)
    shipping = address(draw, order.market)
    billing = address(draw, order.market) if draw.happens(0.05) else shipping
    lines = [line_json(line, order, listings) for line in order.lines]
    return {
        "order_id": order.id,
        "state": order.state,
        "country_code": order.market,
        "currency": market.currency,
        "price": decimal_text(sum(line.price for line in order.lines), exponent),
        "shipping_price": decimal_text(order.shipping_price, exponent),
        "sales_taxes": decimal_text(0, exponent),
        "date_creation": _written(order.created, style, fraction=style % 2 == 0),
        "date_modification": _written(order.modified, style, fraction=style % 3 == 0),
        "date_payment": _written(order.paid, style, fraction=style % 2 == 0),
        "date_shipping": _written(order.shipped, style, fraction=False),
        "expected_dispatch_date": _expected(order),
        "shipper_display": order.shipper,
        "tracking_number": order.tracking_number,
        "tracking_url": order.tracking_url,
        "delivery_note": f"https://documents.example/delivery_note/{order.id}.pdf" if order.paid else None,
        "payment_method": order.payment_method,
        "installment_payment": order.installments,
        "paypal_reference": f"PAY{order.index:014d}" if order.payment_method == "PAYPAL" else None,
        "is_backship": order.is_backship,
        "billing_address": billing,
        "shipping_address": shipping,
        "orderlines": lines,
        **order.extra,
    }


def line_json(line: Line, order: Order, listings: Listings) -> JsonObject:
    """Return an orderline as it stands in its order."""
    listing = listings.get(line.listing)
    market = MARKETS[order.market]
    exponent = market.exponent
    return {
        "id": line.id,
        "listing": listing.sku,
        "listing_id": listing.listing_id,
        "product": listing.variant.title,
        "product_id": 3_000 + listing.variant.number,
        "brand": listing.variant.brand,
        "condition": listing.grade.condition,
        "quantity": line.quantity,
        "price": decimal_text(line.price, exponent),
        "shipping_price": decimal_text(0, exponent),
        "orderline_fee": decimal_text(line.fee, exponent),
        "sales_taxes": decimal_text(0, exponent),
        "currency": market.currency,
        "state": line.state,
        "imei": line.imei,
        "serial_number": line.serial_number,
        "return_reason": line.return_reason,
        "return_message": line.return_message,
        "shipping_delay": line.shipping_delay,
        "backcare": line.backcare,
        "backcare_price": 500 if line.backcare else 0,
        "date_creation": _written(line.created, order.style, fraction=order.style % 2 == 0),
        **line.extra,
    }
