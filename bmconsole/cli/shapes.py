"""The JSON of orders, listings and intents: the API's own field names, ours beside them."""

from collections.abc import Mapping
from datetime import datetime

from bmconsole.cli.output import Jsonable, jsonable
from bmconsole.domain.intents import Intent
from bmconsole.domain.listings import Listing, Offer
from bmconsole.domain.orders import Order, Orderline

INTENT_FIELDS = ("id", "kind", "target", "market", "base", "want", "state", "origin", "run", "undoes", "undone_by")


def order_json(order: Order, now: datetime, *, pending: bool | None = None) -> dict[str, Jsonable]:
    """Return an order; `now` is the server's time, by which it is late or not."""
    shape = _fields(order)
    shape["orderlines"] = [orderline_json(line) for line in order.orderlines]
    shape["status"] = str(order.status)
    shape["due"] = jsonable(order.due)
    shape["late"] = order.late(now)
    if pending is not None:
        shape["pending"] = pending
    return shape


def orderline_json(line: Orderline) -> dict[str, Jsonable]:
    """Return a line; the API calls the SKU `listing` and the commission `orderline_fee`."""
    shape = _fields(line)
    shape["listing"] = shape["sku"]
    shape["orderline_fee"] = shape.pop("fee")
    return shape


def listing_json(listing: Listing, *, pending: Mapping[str, str | int | None] | None = None) -> dict[str, Jsonable]:
    """Return a listing with its offers under `markets`."""
    shape = _fields(listing)
    del shape["offers"]
    shape["markets"] = {market: offer_json(offer) for market, offer in listing.offers.items()}
    if pending is not None:
        shape["pending"] = jsonable(pending)
    return shape


def offer_json(offer: Offer) -> dict[str, Jsonable]:
    """Return what one market shows of a listing."""
    shape = _fields(offer)
    del shape["market"]
    shape["above_max"] = offer.above_max
    return shape


def intent_json(intent: Intent) -> dict[str, Jsonable]:
    """Return an intent, its fixed fields first."""
    shape = _fields(intent)
    return {name: shape[name] for name in (*INTENT_FIELDS, *(name for name in shape if name not in INTENT_FIELDS))}


def _fields(value: object) -> dict[str, Jsonable]:
    shape = jsonable(value)
    assert isinstance(shape, dict)  # noqa: S101  # dataclasses become objects
    return shape
