"""Pages read from the end, positions and membership: what a table needs to go anywhere in a long list."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmconsole.domain.views import Query
from bmconsole.store.pages import (
    listings_page,
    listings_passing,
    listings_position,
    orders_page,
    orders_passing,
    orders_position,
    sorts_for,
)
from bmconsole.store.sqlite import Connection
from tests.store.mirror import (
    NOW,
    ZONE,
    Record,
    holding_listings,
    holding_orders,
    listings,
    mirror,
    orders,
)

__all__ = ["mirror"]

OFFERS = {"market": "fr-fr", "currency": "EUR"}


def order_ids(connection: Connection, query: Query, *, backward: bool = False) -> list[str]:
    rows = orders_page(connection, query, now=NOW, zone=ZONE, currency="EUR", pending=(), backward=backward)
    return [str(row.order_id) for row in rows]


def listing_ids(connection: Connection, query: Query, *, backward: bool = False) -> list[str]:
    rows = listings_page(connection, query, market="fr-fr", currency="EUR", pending={}, backward=backward)
    return [row.id for row in rows]


@pytest.mark.parametrize("sort", [sign + name for name in sorts_for("orders") for sign in ("", "-")])
@settings(max_examples=20, deadline=None)
@given(records=orders, limit=st.integers(1, 5), where=st.sampled_from(["", "!status:shipped"]))
def test_orders_read_from_the_end_are_the_same_list(
    mirror: Connection, sort: str, records: list[tuple[Record, list[Record]]], limit: int, where: str
) -> None:
    query = Query(where, sort=sort, limit=limit)
    with holding_orders(mirror, records):
        full = order_ids(mirror, replace(query, limit=0))
        places = [
            orders_position(mirror, query, key, now=NOW, zone=ZONE, currency="EUR")
            for key in [str(1 + max(map(int, full), default=0)), *full]
        ]
        every = orders_passing(mirror, Query(), [int(key) for key in full], now=NOW, zone=ZONE, currency="EUR")
        last = order_ids(mirror, replace(query, offset=1), backward=True)
        found: list[str] = []
        while page := order_ids(mirror, query, backward=True):
            found = page + found
            query = replace(query, after=page[0])
    assert found == full
    assert last == full[:-1][-limit:]
    assert places == [None, *range(len(full))]
    assert every == set(full)


@pytest.mark.parametrize("sort", [sign + name for name in sorts_for("listings") for sign in ("", "-")])
@settings(max_examples=20, deadline=None)
@given(records=listings, limit=st.integers(1, 5), where=st.sampled_from(["", "!winning", "market:fr-fr"]))
def test_listings_read_from_the_end_are_the_same_list(
    mirror: Connection, sort: str, records: list[tuple[Record, list[Record]]], limit: int, where: str
) -> None:
    query = Query(where, sort=sort, limit=limit)
    with holding_listings(mirror, records):
        everything = listing_ids(mirror, Query(sort=sort, limit=0))
        full = listing_ids(mirror, replace(query, limit=0))
        places = [listings_position(mirror, query, key, pending=(), **OFFERS) for key in full]
        passing = listings_passing(mirror, Query(where), everything, pending=(), **OFFERS)
        found: list[str] = []
        while page := listing_ids(mirror, query, backward=True):
            found = page + found
            query = replace(query, after=page[0])
    assert found == full
    assert places == list(range(len(full)))
    assert passing == set(full)
