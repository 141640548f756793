"""Listings on the wire: reading them for a market, updating one."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from bmconsole.backmarket.failures import from_answer, unexpected
from bmconsole.backmarket.paging import LARGEST_PAGE, Page, page_of, record_at
from bmconsole.backmarket.wire import (
    Amount,
    Currency,
    InvalidRecord,
    KeptText,
    Record,
    Text,
    Whole,
    WireModel,
    money,
    parse,
    unknown_in,
)
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain import markets
from bmconsole.domain.listings import GRADES_BY_STATE, Listing, Offer
from bmconsole.domain.priority import Priority
from bmconsole.errors import UsageError

if TYPE_CHECKING:
    # At run time it comes with the call; who only reads records needs no HTTP
    from bmconsole.backmarket.client import Client

ListingsPage = Page
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class WireShipping(WireModel):
    """One way of shipping that is set on a listing."""

    country_code: object = None
    shipper: object = None
    shipper_display: object = None
    shipping_delay: object = None
    shipping_price: object = None


class WireListing(WireModel):
    """A listing as one market's answer gives it; only `id` has to be there."""

    PARTS: ClassVar[Mapping[str, type[WireModel]]] = {"shippings": WireShipping}

    id: Text = None
    listing_id: Whole = None
    sku: KeptText = None
    title: KeptText = None
    product_id: Text = None
    backmarket_id: Whole = None
    grade: Text = None
    state: Whole = None
    publication_state: Whole = None
    quantity: Whole = None
    currency: Currency = None
    price: Amount = None
    min_price: Amount = None
    max_price: Amount = None
    comment: KeptText = None
    warranty_delay: Whole = None
    shippings: object = None
    new_battery: object = None
    snowden: object = None
    statuscode: object = None
    shippings_response: object = None

    def to_listing(self, market: str) -> Listing:
        """Return the listing with its offer in `market`, whose currency is meant where none is named.

        Raises:
            InvalidRecord: It has no usable id.
        """
        if self.id is None or not _ID.fullmatch(self.id):
            raise InvalidRecord("id: missing" if self.id is None else "id: not an id")
        currency = self.currency or currency_of(market)
        grade = (
            self.grade.strip().upper() if self.grade else GRADES_BY_STATE.get(-1 if self.state is None else self.state)
        )
        return Listing(
            id=self.id,
            listing_id=self.listing_id,
            sku=self.sku or "",
            title=self.title or "",
            product_id=self.product_id,
            backmarket_id=self.backmarket_id,
            grade=grade,
            quantity=self.quantity,
            offers={
                market: Offer(
                    market=market,
                    currency=currency,
                    price=money(self.price, currency),
                    min_price=money(self.min_price, currency),
                    max_price=money(self.max_price, currency),
                    publication_state=self.publication_state,
                    comment=self.comment,
                    warranty_delay=self.warranty_delay,
                )
            },
        )


def parse_listing(record: object, market: str) -> Listing:
    """Return a record that was read for `market` as a listing with that one offer.

    Raises:
        InvalidRecord: It cannot be understood; the message names the field and the kind of fault, never a value.
    """
    return parse(WireListing, record).to_listing(market)


def unknown_fields(record: Mapping[str, object]) -> dict[str, object]:
    """Return the fields that no model knows, by path (`shippings[].foo`), with the first value of each."""
    return unknown_in(WireListing, record)


def currency_of(market: str) -> str:
    """Return the currency of a market's prices; EUR for a market that is newer than this program."""
    known = markets.MARKETS.get(market.lower())
    return known.currency if known else "EUR"


async def page(
    client: "Client",
    *,
    market: str,
    number: int,
    size: int = LARGEST_PAGE,
    publication_state: int | None = None,
    priority: Priority,
) -> ListingsPage:
    """Return page `number` (from 1) of the listings with their prices and states in `market`.

    Raises:
        BmError: No usable answer.
    """
    filters = {"publication_state": publication_state}
    return await page_of(client, "/ws/listings", filters, number=number, size=size, market=market, priority=priority)


async def one(client: "Client", ref: str | int, *, market: str, priority: Priority) -> Record:
    """Return one listing by its UUID or its integer, as it came, with price and state in `market`.

    Raises:
        UsageError: `ref` is neither.
        BmError: No usable answer; NotFound where there is no such listing.
    """
    record, _ = await record_at(client, f"/ws/listings/{listing_segment(ref)}", {}, market=market, priority=priority)
    return record


async def by_sku(client: "Client", sku: str, *, market: str, priority: Priority) -> Record:
    """Return one listing by its SKU, as it came, with price and state in `market`.

    Raises:
        BmError: No usable answer; NotFound where there is no such listing.
    """
    record, _ = await record_at(client, "/ws/listings/detail", {"sku": sku}, market=market, priority=priority)
    return record


async def update(
    client: "Client",
    listing_id: str | int,
    fields: Mapping[str, str | int | None],
    *,
    market: str,
    priority: Priority,
    deadline: float | None = None,
) -> Record | None:
    """Change `fields` of a listing in `market` and return it as the server then has it, None if it does not say.

    The market's currency always goes along, so that a price is never taken for one in another. After `deadline`
    (seconds on the event loop's clock) it is no longer sent.

    Raises:
        UsageError: `listing_id` is neither a UUID nor an integer.
        BmError: Refused or no usable answer; `maybe_applied` tells that only a read can say what happened.
    """
    path = f"/ws/listings/{listing_segment(listing_id)}"
    body = {**fields, "currency": currency_of(market)}
    answer = await client.post_json(path, body, market=market, priority=priority, sku_lines=1, deadline=deadline)
    data = answer.data
    if data is None:
        return None
    if not isinstance(data, dict):
        raise unexpected(f"Back Market answered POST {path} with something that is no listing.", {}, writes=True)
    inner = data.get("statuscode")
    if isinstance(inner, int) and inner >= 400:
        raise from_answer(inner, {}, dumps(data).encode("ascii"), where=f"POST {path}", writes=True)
    return data


def listing_segment(ref: str | int) -> str:
    """Return a listing's id as a part of a path.

    Raises:
        UsageError: It is neither a UUID nor an integer.
    """
    text = str(ref)
    if not _ID.fullmatch(text):
        raise UsageError("A listing is named by its UUID or its integer.", field="listing", value=ascii(text[:80]))
    return text
