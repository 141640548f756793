"""`POST /ws/listings/{id}`: the real-time update of one listing, with every rule that the platform is known to hold."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from .answers import Refusal, bare
from .listings import JsonObject, Listing, Offer
from .markets import MARKETS, Market, decimal_text
from .shop import Shop

# The repricer's bounds: a price further above its floor is refused. Sources differ between 1.08 and 1/0.92.
FLOOR_RATIO = Decimal("1.08")
LONGEST_COMMENT = 500
SHORTEST_WARRANTY = 12


def _refuse(message: str) -> Refusal:
    return Refusal(bare(message))


def minor_units(value: object, market: Market, name: str) -> int:
    """Return an amount of the API (a string or a number) in minor units.

    Raises:
        Refusal: It is no amount, not positive, or has more decimals than the currency.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise InvalidOperation
        amount = Decimal(value)
    except InvalidOperation:
        raise _refuse(f"{name}: a valid number is required") from None
    if not amount.is_finite() or abs(amount) >= 10**8:
        raise _refuse(f"{name}: a valid number is required")
    minor = amount.scaleb(market.exponent)
    if minor != minor.to_integral_value():
        raise _refuse(f"{name}: ensure that there are no more than {market.exponent} decimal places")
    return int(minor)


def _price(body: Mapping[str, object], name: str, market: Market) -> int:
    minor = minor_units(body[name], market, name)
    if minor <= 0:
        raise _refuse(f"{name}: ensure this value is greater than 0")
    return minor


def _whole(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.removeprefix("-").isascii() and value.removeprefix("-").isdigit():
        return int(value)
    raise _refuse(f"{name}: a valid integer is required")


def update_listing(shop: Shop, listing: Listing, market_code: str, body: object) -> JsonObject:
    """Change the fields that the body names, in the market of the request; absent ones stay.

    Returns:
        The listing as the API answers it, with `statuscode`.

    Raises:
        Refusal: Some field is not legal; nothing has changed then.
    """
    if not isinstance(body, dict):
        raise _refuse("invalid JSON body")
    market = MARKETS[market_code]
    offer = shop.listings.offer(listing, market_code)
    _check_currency(body, market)
    price = _price(body, "price", market) if "price" in body else offer.price
    min_price = _price(body, "min_price", market) if "min_price" in body else offer.min_price
    if min_price is not None and ("price" in body or "min_price" in body):
        _check_floor(price, min_price, market)
    quantity = listing.quantity
    if "quantity" in body:
        quantity = _whole(body["quantity"], "quantity")
        if quantity < 0:
            raise _refuse("quantity: ensure this value is greater than or equal to 0")
    comment = offer.comment
    if "comment" in body:
        given = body["comment"]
        if given is not None and not isinstance(given, str):
            raise _refuse("comment: not a valid string")
        if given is not None and len(given) > LONGEST_COMMENT:
            raise _refuse(f"comment: ensure this field has no more than {LONGEST_COMMENT} characters")
        comment = given
    warranty = offer.warranty_delay
    if "warranty_delay" in body:
        warranty = _whole(body["warranty_delay"], "warranty_delay")
        if warranty < SHORTEST_WARRANTY:
            raise _refuse(f"warranty_delay: ensure this value is greater than or equal to {SHORTEST_WARRANTY}")
    shippings, said = _shippings(body, offer, market)

    if price != offer.price or min_price != offer.min_price:
        shop.backbox.price_changed(listing, market_code, offer.price, offer.min_price)
    offer.price, offer.min_price, offer.comment, offer.warranty_delay = price, min_price, comment, warranty
    offer.shippings = shippings
    listing.quantity = quantity
    listing.offers[market_code] = offer
    shop.listing_changed(listing)
    answer = {**shop.listings.as_json(listing, market_code), "shippings_response": said, "statuscode": 200}
    # Reading a listing shows the battery, the documented answer to a write doesn't.
    del answer["new_battery"]
    return answer


def _check_currency(body: Mapping[str, object], market: Market) -> None:
    currency = body.get("currency")
    if currency is None:
        if ("price" in body or "min_price" in body) and not market.is_default_currency:
            raise _refuse(f"currency: required for the market {market.code}")
    elif currency != market.currency:
        raise _refuse(f"currency: {market.code} sells in {market.currency}")


def _check_floor(price: int, min_price: int, market: Market) -> None:
    if min_price > price:
        raise _refuse("min_price: must not be above price")
    if price > FLOOR_RATIO * min_price:
        highest = decimal_text(int(FLOOR_RATIO * min_price), market.exponent)
        raise _refuse(f"price: too far from min_price, at most {highest}")


def _shippings(body: Mapping[str, object], offer: Offer, market: Market) -> tuple[list[JsonObject], list[str]]:
    shippings, said = list(offer.shippings), []
    for place in (1, 2, 3):
        shipper = body.get(f"shipper_{place}")
        if f"shipper_{place}" not in body:
            continue
        if shipper is None:
            if len(shippings) >= place:
                del shippings[place - 1]
            said.append(f"Shipping method {place} removed")
            continue
        if not isinstance(shipper, str):
            raise _refuse(f"shipper_{place}: not a valid string")
        delay = _whole(body.get(f"shipping_delay_{place}", 48), f"shipping_delay_{place}")
        price = minor_units(body.get(f"shipping_price_{place}", 0), market, f"shipping_price_{place}")
        if delay <= 0 or price < 0:
            raise _refuse(f"shipping_price_{place}: ensure this value is greater than or equal to 0")
        shipping: JsonObject = {
            "country_code": market.code,
            "shipper": shipper,
            "shipper_display": body.get(f"shipper_display_{place}") or shipper,
            "shipping_delay": delay,
            "shipping_price": decimal_text(price, market.exponent),
        }
        shippings[place - 1 : place] = [shipping]
        said.append(f"Shipping method {place} ({shipper}) updated")
    return shippings, said
