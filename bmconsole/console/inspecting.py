"""What there is to say about an order besides its fields: what it leaves, whose parcel it is, what we did to it."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo

from bmconsole.console import intents as words
from bmconsole.console import look, privacy
from bmconsole.console.look import Cell, Tone
from bmconsole.domain.intents import Intent
from bmconsole.domain.money import Money
from bmconsole.domain.orders import OPEN, Order
from bmconsole.domain.text import clean
from bmconsole.domain.views import OrderNote


def clock(order: Order, now: datetime, zone: tzinfo) -> Cell:
    """Return until when an order must leave, and how long that is; empty where it waits for nobody."""
    if order.due is None or order.status not in OPEN:
        return ()
    left, at = order.due - now, look.moment(order.due, zone)
    if left < timedelta(0):
        return ((f"late {look.span(-left)}", Tone.BAD), (f", was due {at}", Tone.DIM))
    tone = Tone.BAD if left < timedelta(hours=2) else Tone.WARN if left < timedelta(hours=6) else Tone.PLAIN
    return ((f"in {look.span(left)}", tone), (f", by {at}", Tone.DIM))


def worth(order: Order) -> Cell:
    """Return the price, what Back Market takes of it, and what that leaves; empty where the price is not known."""
    price = order.price
    if price is None:
        return ()
    fees = [line.fee for line in order.orderlines if line.fee is not None]
    known = len(fees) == len(order.orderlines) and bool(fees)
    if not known or any(fee.currency != price.currency for fee in fees):
        return (*look.money(price, Tone.STRONG), ("   commission not told yet", Tone.DIM))
    fee = sum(each.minor for each in fees)
    share = f" ({fee / price.minor:.1%})" if price.minor else ""
    return (
        *look.money(price, Tone.STRONG),
        ("  −  ", Tone.DIM),
        *look.money(Money(fee, price.currency), currency=False),
        (f" commission{share}", Tone.DIM),
        ("  =  ", Tone.DIM),
        *look.money(Money(price.minor - fee, price.currency), Tone.STRONG),
    )


def other_name(order: Order) -> str:
    """Return what tells that buyer and recipient have different names, empty where they do not."""
    to, by = order.shipping_address, order.billing_address
    if not to.name or not by.name or _folded(to.name) == _folded(by.name):
        return ""
    return "not the buyer's name"


def _folded(name: str) -> str:
    return " ".join(sorted(name.casefold().split()))


def timeline(
    order: Order, intents: Iterable[Intent], notes: Iterable[OrderNote], zone: tzinfo, *, private: bool = False
) -> list[tuple[str, Cell, Cell]]:
    """Return what happened to an order and what we did to it, oldest first: when, what, what came of it.

    While the screen is `private`, notes are hidden and writes told by their kind: both may tell of the buyer.
    """
    told: list[tuple[datetime, Cell, Cell]] = []
    for at, what in (
        (order.date_creation, "made"),
        (order.date_payment, "paid"),
        (order.date_shipping, "shipped"),
    ):
        if at is not None:
            told.append((at, ((what, Tone.DIM),), ()))
    for intent in intents:
        by = "" if intent.origin == "operator" else f"   by {clean(intent.origin, limit=20)}"
        change: Cell = ((intent.kind, Tone.PLAIN),) if private else words.change(intent)
        ending = words.state(intent) if private else words.ending(intent)
        told.append((intent.created, change, (*ending, (by, Tone.DIM))))
    for note in notes:
        said = look.text(note.text)
        told.append((note.at, (("note", Tone.KEY),), look.hidden(said) if private else said))
    told.sort(key=lambda each: each[0])
    return [(look.moment(at, zone), what, ending) for at, what, ending in told]


def pretty(raw: str, *, private: bool) -> list[str]:
    """Return the answer of Back Market, indented, line by line, fit for a terminal."""
    value: object = json.loads(raw)
    shown = json.dumps(privacy.raw(value) if private else value, indent=2, ensure_ascii=False)
    lines = shown.split("\n")
    return [" " * (len(line) - len(line.lstrip(" "))) + clean(line.lstrip(" "), limit=2_000) for line in lines]


def age(fetched: datetime, now: datetime) -> str:
    """Return how old an answer is."""
    return "now" if now - fetched < timedelta(seconds=2) else f"{look.span(now - fetched)} ago"


def indented(lines: Sequence[str]) -> list[Cell]:
    """Return lines of JSON as cells: names set back."""
    found: list[Cell] = []
    for line in lines:
        name, colon, value = line.partition('": ')
        found.append(((name + '": ', Tone.DIM), (value, Tone.PLAIN)) if colon else ((line, Tone.DIM),))
    return found
