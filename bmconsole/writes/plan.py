"""Turns what an operator typed into a plan: validated values, a diff, and intents that are not saved yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from bmconsole.domain.carriers import shipper_named
from bmconsole.domain.intents import LISTING, Change, Intent, IntentState, Values
from bmconsole.domain.listings import Listing, Offer
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import exact
from bmconsole.domain.text import clean
from bmconsole.domain.views import WritePlan
from bmconsole.errors import NotFound, UsageError
from bmconsole.writes.amounts import plain_amount

PRICES = ("price", "min_price")
_PLACES = (1, 2, 3)
_SHIPPING = tuple(f"{name}_{place}" for place in _PLACES for name in ("shipper", "shipping_delay", "shipping_price"))
FIELDS = (*PRICES, "quantity", "comment", "warranty_delay", *_SHIPPING)
"""What can be set of a listing."""
_MOST_COMMENT = 500
_LEAST_WARRANTY = 12
_MOST_UNITS = 100_000
_MOST_HOURS = 24 * 30


@dataclass(frozen=True, slots=True)
class Shipping:
    """One way of shipping that a listing offers: hours of delay, the price as text in major units."""

    FIELDS: ClassVar[tuple[str, str, str]] = ("shipper", "shipping_delay", "shipping_price")

    shipper: str | None
    delay: int | None
    price: str | None


def shippings_in(record: Mapping[str, object]) -> tuple[Shipping, ...]:
    """Return the ways of shipping in a listing as the API gives it; what cannot be read is None."""
    found = record.get("shippings")
    return tuple(
        Shipping(
            str(item["shipper"]) if item.get("shipper") else None,
            _whole(item.get("shipping_delay")),
            _amount(item.get("shipping_price")),
        )
        for item in (found if isinstance(found, list) else [])
        if isinstance(item, dict)
    )


def _whole(value: object) -> int | None:
    return int(str(value)) if str(value).isdecimal() else None


def _amount(value: object) -> str | None:
    return None if value is None else str(value)


def plan_listing(
    listing: Listing,
    market: str,
    typed: Mapping[str, str],
    *,
    origin: str,
    now: datetime,
    shippings: Sequence[Shipping] = (),
    run: str | None = None,
) -> WritePlan:
    """Plan changes of one listing in one market; fields that already have the wanted value are left out.

    Args:
        listing: As the cache has it.
        market: Whose prices and texts.
        typed: Values as typed by field: `price` and `min_price` in major units of the market's currency (a currency
            behind the number must be the market's), `quantity` as a count or as `+n` / `-n` relative to the live
            stock, `comment`, `warranty_delay` in months, `shipper_1` to `shipper_3` with `shipping_delay_1` in hours
            and `shipping_price_1`; an empty shipper takes the way of shipping away.
        origin: Who wants it: `operator`, `import`, `rule`.
        now: The server's clock.
        shippings: The ways of shipping that the listing has in this market.
        run: What joins the intents of one bulk.

    Raises:
        UsageError: A field or value that cannot be; it names both and the way out.
        NotFound: The listing is not known in that market.
    """
    offer = listing.offers.get(market)
    if offer is None:
        raise NotFound(
            f"Listing {listing.sku} is not known in {market}.",
            field="market",
            value=market,
            hint="Sync the listings first, or check the configured markets.",
        )
    base: dict[str, str | int | None] = {}
    want: dict[str, str | int | None] = {}
    for name, text in typed.items():
        new = _value(name, text, market)
        old = current(listing, offer, name, shippings)
        if name == "quantity" and isinstance(new, str) and isinstance(old, int) and old + int(new) < 0:
            raise UsageError(
                f"A stock of {old} {new} would be negative.",
                field=name,
                value=new,
                hint="Give the count itself, such as 0.",
            )
        if new != old:
            base[name], want[name] = old, new
    _check_together(offer, want)
    if not want:
        return WritePlan((), ())
    changes = tuple(
        Change(listing.id, listing.sku, market, name, base[name], want[name], _note(name, base[name], want[name]))
        for name in want
    )
    _check_shippings(want, shippings)
    intent = Intent(0, LISTING, listing.id, market, base, want, IntentState.PENDING, origin, now, now, run=run)
    notes = ("The stock is shared by all markets.",) if "quantity" in want and len(MARKETS) > 1 else ()
    return WritePlan(changes, (intent,), notes)


def current(listing: Listing, offer: Offer, name: str, shippings: Sequence[Shipping] = ()) -> str | int | None:
    """Return a field's value in the form that intents keep: prices as text in major units."""
    if name in PRICES:
        money = offer.price if name == "price" else offer.min_price
        return None if money is None else money.text()
    if name == "quantity":
        return listing.quantity
    if name in _SHIPPING:
        field, _, place = name.rpartition("_")
        if int(place) > len(shippings):
            return None
        shipping = shippings[int(place) - 1]
        if field == "shipping_price":
            return _same_amount(shipping.price, offer.currency)
        return shipping.shipper if field == "shipper" else shipping.delay
    return offer.comment or "" if name == "comment" else offer.warranty_delay


def _same_amount(text: str | None, currency: str) -> str | None:
    try:
        return None if text is None else exact(text, currency).text()
    except ValueError:
        return text


def resolve(base: Values, want: Values, live: Values) -> dict[str, str | int | None]:
    """Return `want` with a relative quantity applied to the live one; never under 0."""
    resolved = dict(want)
    quantity = want.get("quantity")
    if isinstance(quantity, str):
        held = live.get("quantity")
        resolved["quantity"] = max(0, (held if isinstance(held, int) else 0) + int(quantity))
    return resolved


def _value(name: str, text: str, market: str) -> str | int | None:
    text = text.strip()
    if name in PRICES:
        return _price(name, text, market)
    if name in _SHIPPING:
        return _shipping(name, text, market)
    if name == "quantity":
        return _quantity(text)
    if name == "comment":
        if len(text) > _MOST_COMMENT:
            raise UsageError(
                f"The comment has {len(text)} characters.",
                field=name,
                value=clean(text, limit=40),
                hint=f"At most {_MOST_COMMENT} are allowed.",
            )
        return text
    if name == "warranty_delay":
        if not text.isdecimal() or not _LEAST_WARRANTY <= int(text) <= 120:
            raise UsageError(
                f"{clean(text, limit=40)!r} is no warranty.", field=name, value=text, hint="Give 12 to 120 months."
            )
        return int(text)
    raise UsageError(
        f"A listing has no field {clean(name, limit=40)!r} to set.",
        field="field",
        value=clean(name, limit=40),
        hint=f"One of: {', '.join(FIELDS)}.",
    )


def _shipping(name: str, text: str, market: str) -> str | int | None:
    if name.startswith("shipping_price"):
        return _price(name, text, market, least=0)
    if name.startswith("shipping_delay"):
        if not text.isdecimal() or not text.isascii() or not 1 <= int(text) <= _MOST_HOURS:
            raise UsageError(
                f"{clean(text, limit=40)!r} is no shipping delay.",
                field=name,
                value=clean(text, limit=40),
                hint=f"Give hours, 1 to {_MOST_HOURS}.",
            )
        return int(text)
    if not text:
        return None
    try:
        return shipper_named(text)
    except ValueError as error:
        raise UsageError(
            f"{name}: {error}.", field=name, value=clean(text, limit=40), hint="Name one of them."
        ) from None


def _check_shippings(want: Values, shippings: Sequence[Shipping]) -> None:
    for place in _PLACES:
        shipper, delay, price = (f"{name}_{place}" for name in Shipping.FIELDS)
        if not {shipper, delay, price} & want.keys():
            continue
        present = shippings[place - 1].shipper if place <= len(shippings) else None
        if want.get(shipper, present) is None:
            if {delay, price} & want.keys():
                raise UsageError(f"{delay}: there is no shipper {place}.", field=delay, hint=f"Give {shipper} with it.")
            if place < len(shippings):
                raise UsageError(
                    f"{shipper} cannot be taken away while there is a shipper {place + 1}.",
                    field=shipper,
                    hint="Take the last one away first.",
                )
        elif place > len(shippings) + 1 and f"shipper_{place - 1}" not in want:
            raise UsageError(
                f"{shipper} leaves a gap: there is no shipper {place - 1}.",
                field=shipper,
                hint="Fill the places in turn.",
            )


def _price(name: str, text: str, market: str, *, least: int = 1) -> str:
    currency = MARKETS[market].currency
    number, given = _split_currency(text)
    if given.strip() and given.strip().upper() != currency:
        raise UsageError(
            f"{market} sells in {currency}, not in {clean(given, limit=12)}.",
            field=name,
            value=clean(text, limit=40),
            hint=f"Give the amount in {currency}.",
        )
    try:
        money = exact(plain_amount(number, currency), currency)
    except ValueError as error:
        raise UsageError(
            f"{clean(error, limit=120)}.",
            field=name,
            value=clean(text, limit=40),
            hint=f"Give an amount like {'12000' if currency == 'JPY' else '231.50'}.",
        ) from None
    if money.minor < least:
        raise UsageError(
            f"{name} {clean(number, limit=40)} is {'not above' if least else 'under'} 0.",
            field=name,
            value=clean(text, limit=40),
            hint="To take a listing offline, set its quantity to 0." if least else "Free shipping is 0.",
        )
    return money.text()


def _split_currency(text: str) -> tuple[str, str]:
    """Return an amount and the currency behind it, empty where none is given; `€` and such count."""
    number = text.rstrip("€$£¥ \u00a0\u202f")
    sign = text[len(number) :].strip()
    if sign:
        return number, {"€": "EUR", "£": "GBP", "¥": "JPY"}.get(sign, "" if sign == "$" else sign)
    head, _, tail = number.rpartition(" ")
    return (head, tail) if head and tail.isalpha() else (number, "")


def _quantity(text: str) -> str | int:
    sign, digits = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if not digits.isdecimal() or not digits.isascii() or int(digits) > _MOST_UNITS:
        raise UsageError(
            f"{clean(text, limit=40)!r} is no quantity.",
            field="quantity",
            value=clean(text, limit=40),
            hint="Give a count like 5, or +2 / -2 to change the live one.",
        )
    return f"{sign}{int(digits)}" if sign else int(digits)


def _check_together(offer: Offer, want: Values) -> None:
    price = want.get("price", None if offer.price is None else offer.price.text())
    least = want.get("min_price", None if offer.min_price is None else offer.min_price.text())
    if ("price" in want or "min_price" in want) and price and least and Decimal(least) > Decimal(price):
        raise UsageError(
            f"min_price {least} would be above price {price}.",
            field="min_price",
            value=str(least),
            hint="Change both together.",
        )


def _note(name: str, old: str | int | None, new: str | int | None) -> str | None:
    if name in PRICES and isinstance(old, str) and isinstance(new, str) and Decimal(old) > 0:
        share = (Decimal(new) - Decimal(old)) / Decimal(old) * 100
        return f"{share:+.1f} %"
    if name == "quantity" and new == 0:
        return "takes the listing offline"
    if name == "quantity" and isinstance(new, str):
        return "relative to the live stock"
    return None
