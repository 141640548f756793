"""What a list shows: a query, and rows of orders and listings; apart from the other views, which it has no use for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bmconsole.domain.money import Money
from bmconsole.domain.orders import Status


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows of a table, in which order.

    `where` is a filter expression, `sort` a field name with `-` in front for descending (empty: the table's own order),
    `after` the key of the row before the page (keyset), `offset` how many rows to pass over instead, `limit` 0 = all.
    """

    where: str = ""
    sort: str = ""
    after: str | None = None
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in a table."""

    order_id: int
    state: int
    status: Status
    country_code: str | None
    buyer: str | None
    city: str | None
    price: Money | None
    n_lines: int
    skus: str
    tracking: str | None
    created: datetime | None
    modified: datetime | None
    due: datetime | None
    late: bool
    pending: bool
    """Whether an unfinished intent is about this order."""


@dataclass(frozen=True, slots=True)
class ListingRow:
    """A listing in a table, with the offer of the chosen market (None where that market has none)."""

    id: str
    listing_id: int | None
    sku: str
    title: str
    grade: str | None
    quantity: int | None
    market: str
    price: Money | None
    min_price: Money | None
    max_price: Money | None
    publication_state: int | None
    price_to_win: Money | None
    winning: bool | None
    observed: datetime | None
    pending: Mapping[str, str | int | None] = field(default_factory=dict)
    """Fields that an unfinished intent wants to change in this market, with the wanted values."""
