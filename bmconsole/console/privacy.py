"""What is shown of a buyer while others look at the screen: that there is something, and nothing of it."""

import re
from dataclasses import replace

from bmconsole.console.facts import Fact, Section
from bmconsole.console.look import MASK, hidden

_ADDRESSES = ("shipping_address", "billing_address")
_BUYER_KEYS = re.compile(
    r"address|name|phone|email|mail|city|street|postal|company|customer|buyer|message|tracking", re.I
)


def sections(found: list[Section]) -> list[Section]:
    """Return the sections of an order with the buyer's data hidden."""
    return [
        section
        if section.path not in _ADDRESSES
        else replace(section, facts=tuple(_hidden(fact) for fact in section.facts))
        for section in (replace(each, facts=tuple(map(_told, each.facts))) for each in found)
    ]


def raw(value: object) -> object:
    """Return a JSON value in which everything that may tell of a buyer is hidden, by the names of its fields."""
    if isinstance(value, dict):
        return {
            name: MASK if _BUYER_KEYS.search(str(name)) and inner not in (None, "", {}, []) else raw(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [raw(each) for each in value]
    return value


def may_tell(name: str) -> bool:
    """Return whether a field of this name may hold a buyer's data."""
    return bool(_BUYER_KEYS.search(name))


def _hidden(fact: Fact) -> Fact:
    return replace(fact, cached=hidden(fact.cached), live=hidden(fact.live))


def _told(fact: Fact) -> Fact:
    # A carrier's page shows where a parcel goes; a delivery note has the whole address.
    last = fact.path.rpartition(".")[2]
    return _hidden(fact) if last in ("tracking_number", "tracking_url", "delivery_note", "return_message") else fact
