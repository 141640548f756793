"""The fields and flags by which orders and listings are filtered: names, types, operators, one line of help each."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from bmconsole.domain.listings import GRADES, PUBLICATION_STATES
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.orders import Status


class Table(StrEnum):
    """What a filter is about."""

    ORDERS = "orders"
    LISTINGS = "listings"


class FieldType(StrEnum):
    """What values a field takes; decides which operators it has."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    ENUM = "enum"


class Op(StrEnum):
    """How a field is compared: `:` equals any of, `~` contains any of (ASCII case ignored), `!=` equals none of."""

    EQUALS = ":"
    CONTAINS = "~"
    DIFFERS = "!="
    OVER = ">"
    AT_LEAST = ">="
    UNDER = "<"
    AT_MOST = "<="


_ORDERED = (Op.EQUALS, Op.DIFFERS, Op.OVER, Op.AT_LEAST, Op.UNDER, Op.AT_MOST)
OPERATORS: dict[FieldType, tuple[Op, ...]] = {
    FieldType.TEXT: (Op.EQUALS, Op.CONTAINS, Op.DIFFERS),
    FieldType.NUMBER: _ORDERED,
    FieldType.MONEY: _ORDERED,
    FieldType.DATE: _ORDERED,
    FieldType.ENUM: (Op.EQUALS, Op.DIFFERS),
}
"""The operators that a field of each type has."""


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field, for help and completion; `values` are the names that an enum field takes."""

    name: str
    type: FieldType
    help: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlagInfo:
    """A flag, for help and completion."""

    name: str
    help: str


PUBLICATIONS = {name: state for state, name in PUBLICATION_STATES.items()}
_MARKET = FieldInfo("market", FieldType.ENUM, "market by its code", tuple(MARKETS))

FIELDS: dict[Table, dict[str, FieldInfo]] = {
    Table.ORDERS: {
        info.name: info
        for info in (
            FieldInfo("status", FieldType.ENUM, "what the order waits for", tuple(Status)),
            FieldInfo("state", FieldType.NUMBER, "the API's number of the order's state"),
            FieldInfo(_MARKET.name, _MARKET.type, "market that the order came from", _MARKET.values),
            FieldInfo("sku", FieldType.TEXT, "SKU of any line, in its own case"),
            FieldInfo("imei", FieldType.TEXT, "IMEI of any line"),
            FieldInfo("tracking", FieldType.TEXT, "tracking number"),
            FieldInfo("buyer", FieldType.TEXT, "name of the buyer"),
            FieldInfo("created", FieldType.DATE, "when the order was made"),
            FieldInfo("modified", FieldType.DATE, "when Back Market last changed it"),
            FieldInfo("paid", FieldType.DATE, "when it was paid"),
            FieldInfo("due", FieldType.DATE, "when it must have left"),
            FieldInfo("price", FieldType.MONEY, "price, for orders in the chosen market's currency"),
        )
    },
    Table.LISTINGS: {
        info.name: info
        for info in (
            FieldInfo("sku", FieldType.TEXT, "SKU, in its own case"),
            FieldInfo("title", FieldType.TEXT, "title"),
            FieldInfo("grade", FieldType.ENUM, "grade", GRADES),
            FieldInfo("publication", FieldType.ENUM, "publication in the chosen market", tuple(PUBLICATIONS)),
            FieldInfo("stock", FieldType.NUMBER, "units in stock, shared by all markets"),
            FieldInfo("price", FieldType.MONEY, "price in the chosen market"),
            FieldInfo("min", FieldType.MONEY, "lowest price that you allow Back Market in the chosen market"),
            FieldInfo("max", FieldType.MONEY, "highest price that Back Market allows in the chosen market"),
            FieldInfo("ptw", FieldType.MONEY, "price to win the backbox of the chosen market"),
            FieldInfo("gap", FieldType.MONEY, "price minus price to win"),
            FieldInfo(_MARKET.name, _MARKET.type, "market that has an offer of the listing", _MARKET.values),
        )
    },
}
FLAGS: dict[Table, dict[str, FlagInfo]] = {
    Table.ORDERS: {
        info.name: info
        for info in (
            FlagInfo("late", "to accept or to ship, and past due"),
            FlagInfo("due-today", "to accept or to ship, and due today"),
            FlagInfo("backship", "sent with BackShip"),
            FlagInfo("pending", "a write is not finished"),
        )
    },
    Table.LISTINGS: {
        info.name: info
        for info in (
            FlagInfo("winning", "wins the backbox of the chosen market"),
            FlagInfo("winnable", "does not win, but could at or over its floor (or minimum price)"),
            FlagInfo("blocked", "does not win, and could only under its floor (or minimum price)"),
            FlagInfo("above-max", "price over what Back Market allows"),
            FlagInfo("out-of-stock", "no units in stock"),
            FlagInfo("no-cost", "its SKU has no cost"),
            FlagInfo("pending", "a change is not finished"),
        )
    },
}
FLAG_NAMES = frozenset(name for flags in FLAGS.values() for name in flags)


def fields_for(table: Table | str) -> tuple[FieldInfo, ...]:
    """Return the fields of `orders` or `listings`."""
    return tuple(FIELDS[Table(table)].values())


def flags_for(table: Table | str) -> tuple[FlagInfo, ...]:
    """Return the flags of `orders` or `listings`."""
    return tuple(FLAGS[Table(table)].values())


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return which of `names` `name` was probably meant to be."""
    found = get_close_matches(name.lower(), list(names), 1, 0.5)
    return found[0] if found else None
