"""An order as rows of facts, cached beside live: which fields there are, what people call them, how they read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bmconsole.console import look
from bmconsole.console.look import NOTHING, Cell, Tone
from bmconsole.domain.money import Money
from bmconsole.domain.orders import CONDITIONS, LINE_STATES, ORDER_STATES, Order


@dataclass(frozen=True, slots=True)
class Fact:
    """A field on both sides; `path` is the one that `OrderInspection.differing` uses."""

    path: str
    label: str
    cached: Cell
    live: Cell


@dataclass(frozen=True, slots=True)
class Section:
    """Facts about one thing. `path` is the thing's own, `note` says that one side lacks it."""

    title: str
    path: str
    facts: tuple[Fact, ...]
    note: str = ""


Show = Callable[[object], Cell]
Field = tuple[str, str, Show]


def sections(cached: Order | None, live: Order | None, zone: tzinfo) -> list[Section]:
    """Return what there is to say about an order; fields that are empty on both sides are left out."""
    found = [Section("Order", "", _facts("", cached, live, _order_fields(zone)))]
    old = {line.id: line for line in cached.orderlines} if cached else {}
    new = {line.id: line for line in live.orderlines} if live else {}
    for number in [*new, *(number for number in old if number not in new)]:
        path = f"orderlines.{number}"
        facts = _facts(f"{path}.", old.get(number), new.get(number), _LINE_FIELDS)
        note = ""
        if cached and live and number not in old:
            note = "not cached"
        elif cached and live and number not in new:
            note = "gone"
        found.append(Section(f"Line {number}", path, facts, note))
    for title, name in (("Ship to", "shipping_address"), ("Bill to", "billing_address")):
        sides = [getattr(order, name) if order else None for order in (cached, live)]
        found.append(Section(title, name, _facts(f"{name}.", sides[0], sides[1], _ADDRESS_FIELDS)))
    return [section for section in found if section.facts]


def _facts(prefix: str, cached: object, live: object, fields: Sequence[Field]) -> tuple[Fact, ...]:
    facts = []
    for path, label, show in fields:
        old = NOTHING if cached is None else show(getattr(cached, path))
        new = NOTHING if live is None else show(getattr(live, path))
        if old != NOTHING or new != NOTHING:
            facts.append(Fact(prefix + path, label, old, new))
    return tuple(facts)


def _money(value: object) -> Cell:
    return look.money(value) if isinstance(value, Money) else NOTHING


def _word(words: dict[int, str]) -> Show:
    """Return how to show a number that has a meaning: `3 to be shipped`."""

    def show(value: object) -> Cell:
        if not isinstance(value, int):
            return NOTHING
        return ((f"{value} ", Tone.DIM), (words.get(value, "unknown to this version"), Tone.PLAIN))

    return show


def _hours(value: object) -> Cell:
    return NOTHING if value is None else look.text(f"{value} h")


def _some(value: object) -> Cell:
    return look.text(value) if value else NOTHING


def _yes(value: object) -> Cell:
    return look.text("yes") if value else NOTHING


def _order_fields(zone: tzinfo) -> tuple[Field, ...]:
    def time(value: object) -> Cell:
        return look.text(look.full_moment(value, zone)) if isinstance(value, datetime) else NOTHING

    return (
        ("state", "state", _word(ORDER_STATES)),
        ("price", "price", _money),
        ("shipping_price", "shipping price", _money),
        ("sales_taxes", "sales taxes", _money),
        ("country_code", "country", look.text),
        ("date_creation", "created", time),
        ("date_payment", "paid", time),
        ("date_modification", "changed", time),
        ("expected_dispatch_date", "to leave by", time),
        ("date_shipping", "shipped", time),
        ("shipper_display", "shipper", look.text),
        ("tracking_number", "tracking number", look.text),
        ("tracking_url", "tracking link", look.text),
        ("delivery_note", "delivery note", look.text),
        ("payment_method", "payment", look.text),
        ("is_backship", "BackShip", _yes),
    )


_LINE_FIELDS: tuple[Field, ...] = (
    ("state", "state", _word(LINE_STATES)),
    ("sku", "SKU", look.text),
    ("product", "product", look.text),
    ("brand", "brand", look.text),
    ("condition", "condition", _word(CONDITIONS)),
    ("quantity", "quantity", look.text),
    ("price", "price", _money),
    ("fee", "commission", _money),
    ("shipping_price", "shipping price", _money),
    ("imei", "IMEI", look.text),
    ("serial_number", "serial number", look.text),
    ("shipping_delay", "to leave within", _hours),
    ("return_reason", "return reason", _some),
    ("return_message", "return message", look.text),
)
_ADDRESS_FIELDS: tuple[Field, ...] = (
    ("first_name", "first name", look.text),
    ("last_name", "last name", look.text),
    ("company", "company", look.text),
    ("street", "street", look.text),
    ("street2", "street 2", look.text),
    ("postal_code", "postal code", look.text),
    ("city", "city", look.text),
    ("state", "state", look.text),
    ("country", "country", look.text),
    ("phone", "phone", look.text),
    ("email", "mail", look.text),
)
