"""The backbox on the wire: how one listing of ours stands in each market."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BeforeValidator

from bmconsole.backmarket.failures import unexpected
from bmconsole.backmarket.listings import currency_of, listing_segment
from bmconsole.backmarket.wire import Amount, Currency, InvalidRecord, Text, Truth, WireModel, money, parse, unknown_in
from bmconsole.domain.listings import Backbox
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import Money
from bmconsole.domain.priority import Priority
from bmconsole.errors import NotFound

if TYPE_CHECKING:
    # At run time it comes with the call; who only reads records needs no HTTP
    from bmconsole.backmarket.client import Client

_log = logging.getLogger(__name__)


class WireMoney(WireModel):
    """An amount with its currency."""

    amount: Amount = None
    currency: Currency = None

    def to_money(self, currency: str) -> Money | None:
        """Return the amount, in `currency` where it names none."""
        return money(self.amount, self.currency or currency)


def _none_as_blank(value: object) -> object:
    return {} if value is None else value


Price = Annotated[WireMoney, BeforeValidator(_none_as_blank)]


class WireBackbox(WireModel):
    """How our listing stands in the backbox of `market` (a country: `FR`)."""

    PARTS: ClassVar[Mapping[str, type[WireModel]]] = dict.fromkeys(
        ("price", "min_price", "price_to_win", "winner_price"), WireMoney
    )

    listing_id: Text = None
    product_id: Text = None
    market: Text = None
    price: Price = WireMoney()
    min_price: Price = WireMoney()
    price_to_win: Price = WireMoney()
    winner_price: Price = WireMoney()
    is_winning: Truth = None

    def to_backbox(self, market: str, seen: datetime) -> Backbox:
        """Return what was observed at `seen` in the market of code `market`."""
        currency = currency_of(market)
        return Backbox(
            price=self.price.to_money(currency),
            price_to_win=self.price_to_win.to_money(currency),
            winner_price=self.winner_price.to_money(currency),
            winning=self.is_winning,
            first_seen=seen,
            last_seen=seen,
        )


async def competitors(
    client: "Client", listing: str, *, priority: Priority, deadline: float | None = None
) -> list[WireBackbox]:
    """Return how the listing with the UUID `listing` stands, an item for each market; none where it competes nowhere.

    An item that cannot be understood, or that is about another listing, is left out and logged: no data means that
    nothing is done in that market.

    Raises:
        UsageError: `listing` is no id.
        BmError: No usable answer.
    """
    path = f"/ws/backbox/v1/competitors/{listing_segment(listing)}"
    try:
        answer = await client.get_json(path, priority=priority, deadline=deadline)
    except NotFound:
        return []
    if not isinstance(answer.data, list):
        raise unexpected(f"Back Market answered {path} with something that is no list.", {}, writes=False)
    found = []
    for item in answer.data:
        try:
            box = parse(WireBackbox, item)
        except InvalidRecord as fault:
            _log.warning("backbox of %s: an item was left out: %s", listing, fault)
            continue
        if box.listing_id is not None and box.listing_id.lower() != listing.lower():
            _log.warning("backbox of %s: an item about another listing was left out", listing)
            continue
        found.append(box)
    return found


def pick(boxes: Iterable[WireBackbox], market: str) -> WireBackbox | None:
    """Return the item of the market of code `market`; None where there is none, or where two of them disagree."""
    known = MARKETS.get(market.lower())
    if known is None or known.country is None:
        return None
    ours = [box for box in boxes if box.market is not None and box.market.strip().upper() == known.country]
    return ours[0] if ours and all(box == ours[0] for box in ours) else None


def unknown_fields(record: Mapping[str, object]) -> dict[str, object]:
    """Return the fields that no model knows, by path, with the first value of each."""
    return unknown_in(WireBackbox, record)
