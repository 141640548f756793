from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmconsole.domain.money import Money
from bmconsole.domain.orders import Status
from bmconsole.domain.views import ListingRow, OrderRow, Query
from bmconsole.errors import BmError, FilterError, NotFound, UsageError
from bmconsole.store.pages import listings_count, listings_page, orders_count, orders_page, sorts_for
from bmconsole.store.sqlite import Connection
from tests.store.mirror import (
    MOMENTS,
    NOW,
    ZONE,
    Cell,
    Record,
    holding_listings,
    holding_orders,
    listing_key,
    listings,
    mirror,
    order_key,
    orders,
)

__all__ = ["mirror"]


def order_rows(connection: Connection, query: Query) -> list[OrderRow]:
    return orders_page(connection, query, now=NOW, zone=ZONE, currency="EUR", pending={131})


def listing_rows(connection: Connection, query: Query) -> list[ListingRow]:
    pending: dict[str, dict[str, str | int | None]] = {listing_key(1): {"quantity": 3}}
    return listings_page(connection, query, market="fr-fr", currency="EUR", pending=pending)


def expected(keyed: list[tuple[Cell, int]], *, descending: bool) -> list[int]:
    """Order keys by value and then key, those without a value last."""
    present = sorted(((value, key) for value, key in keyed if value is not None), reverse=descending)
    missing = sorted((key for value, key in keyed if value is None), reverse=descending)
    return [key for _, key in present] + missing


def order_value(sort: str, index: int, order: Record) -> Cell:
    return order_key(index) if sort == "order_id" else order[{"market": "country_code"}.get(sort, sort)]


def listing_value(sort: str, listing: Record, offers: list[Record]) -> Cell:
    if sort in ("sku", "title"):
        return listing[sort]
    if sort == "stock":
        return listing["quantity"]
    if sort == "grade":
        return {"PREMIUM": 0, "EXCELLENT": 1, "FAIR": 4}.get(str(listing["grade"]))
    offer = next((offer for offer in offers if offer["market"] == "fr-fr"), None)
    if offer is None:
        return None
    if sort == "gap":
        price, ptw = offer["price"], offer["price_to_win"]
        return None if price is None or ptw is None else int(price) - int(ptw)
    names = {"publication": "publication_state", "min": "min_price", "max": "max_price", "ptw": "price_to_win"}
    return offer[names.get(sort, sort)]


@pytest.mark.parametrize("sort", [sign + name for name in sorts_for("orders") for sign in ("", "-")])
@settings(max_examples=25, deadline=None)
@given(records=orders, limit=st.integers(1, 5), where=st.sampled_from(["", "!status:shipped", "created>=-7d"]))
def test_pages_of_orders_behind_one_another_are_the_whole_list(
    mirror: Connection, sort: str, records: list[tuple[Record, list[Record]]], limit: int, where: str
) -> None:
    whole = Query(where, sort=sort, limit=0)
    with holding_orders(mirror, records):
        full = [row.order_id for row in order_rows(mirror, whole)]
        count = orders_count(mirror, whole, now=NOW, zone=ZONE, currency="EUR")
        by_key: list[int] = []
        query = replace(whole, limit=limit)
        while page := order_rows(mirror, query):
            assert len(page) <= limit
            by_key += [row.order_id for row in page]
            query = replace(query, after=str(by_key[-1]))
        by_offset = [
            row.order_id
            for offset in range(0, len(records), limit)
            for row in order_rows(mirror, replace(whole, limit=limit, offset=offset))
        ]
        rest = [row.order_id for row in order_rows(mirror, replace(whole, after=str(full[0])))] if full else []
    assert by_key == by_offset == full
    assert rest == full[1:]
    assert count == len(full)
    wanted = expected(
        [(order_value(sort.lstrip("-"), index, order), order_key(index)) for index, (order, _) in enumerate(records)],
        descending=sort.startswith("-"),
    )
    assert full == [key for key in wanted if key in set(full)]
    assert where or len(full) == len(records)


@pytest.mark.parametrize("sort", [sign + name for name in sorts_for("listings") for sign in ("", "-")])
@settings(max_examples=25, deadline=None)
@given(records=listings, limit=st.integers(1, 5), where=st.sampled_from(["", "!winning", "market:fr-fr"]))
def test_pages_of_listings_behind_one_another_are_the_whole_list(
    mirror: Connection, sort: str, records: list[tuple[Record, list[Record]]], limit: int, where: str
) -> None:
    whole = Query(where, sort=sort, limit=0)
    with holding_listings(mirror, records):
        full = [row.id for row in listing_rows(mirror, whole)]
        count = listings_count(mirror, whole, market="fr-fr", currency="EUR", pending=())
        by_key: list[str] = []
        query = replace(whole, limit=limit)
        while page := listing_rows(mirror, query):
            by_key += [row.id for row in page]
            query = replace(query, after=by_key[-1])
        by_offset = [
            row.id
            for offset in range(0, len(records), limit)
            for row in listing_rows(mirror, replace(whole, limit=limit, offset=offset))
        ]
    assert by_key == by_offset == full
    assert count == len(full)
    keyed = [(listing_value(sort.lstrip("-"), *record), index) for index, record in enumerate(records)]
    wanted = [listing_key(index) for index in expected(keyed, descending=sort.startswith("-"))]
    assert full == [key for key in wanted if key in set(full)]
    alive = {listing_key(index) for index, (listing, _) in enumerate(records) if listing["deleted_at"] is None}
    assert set(full) <= alive
    assert where or set(full) == alive


ORDER: Record = {
    "state": 3,
    "status": "to-ship",
    "country_code": "fr-fr",
    "currency": "EUR",
    "price": 44_990,
    "created": MOMENTS[0],
    "modified": None,
    "paid": None,
    "due": "2026-10-25T11:29:59.999Z",
    "buyer": "Ada\x1b[31m\nLovelace",
    "city": "\u202eLyon",
    "tracking": None,
    "is_backship": 0,
}
LISTING: Record = {
    "listing_id": 7,
    "sku": "IP13",
    "title": "iPhone\x07",
    "grade": "GOOD",
    "quantity": 4,
    "deleted_at": None,
}
OFFER: Record = {
    "market": "fr-fr",
    "currency": "EUR",
    "price": 44_990,
    "min_price": None,
    "max_price": 50_000,
    "publication_state": 2,
    "price_to_win": 43_000,
    "winning": 0,
    "box_last": MOMENTS[1],
}


def test_an_order_row_tells_what_the_table_shows(mirror: Connection) -> None:
    lines: list[Record] = [{"sku": sku, "product": None, "imei": None} for sku in ("B", None, "A", "B")]
    strange: Record = {**ORDER, "status": "brand-new", "currency": None, "created": None}
    with holding_orders(mirror, [(ORDER, lines), (strange, [])]):
        first, second = order_rows(mirror, Query())
    assert first == OrderRow(
        order_id=130,
        state=3,
        status=Status.TO_SHIP,
        country_code="fr-fr",
        buyer="Ada\ufffd[31m Lovelace",
        city="\ufffdLyon",
        price=Money(44_990, "EUR"),
        n_lines=4,
        skus="B, A",
        tracking=None,
        created=datetime.fromisoformat(MOMENTS[0]),
        modified=None,
        due=datetime(2026, 10, 25, 11, 29, 59, 999_000, tzinfo=UTC),
        late=True,
        pending=False,
    )
    assert (second.status, second.price, second.skus, second.late, second.pending) == (
        Status.UNKNOWN,
        None,
        "",
        False,
        True,
    )


def test_a_listing_row_tells_what_the_table_shows(mirror: Connection) -> None:
    elsewhere: Record = {**OFFER, "market": "de-de"}
    with holding_listings(mirror, [(LISTING, [OFFER, elsewhere]), (LISTING, [elsewhere])]):
        first, second = listing_rows(mirror, Query())
    assert first == ListingRow(
        id=listing_key(0),
        listing_id=7,
        sku="IP13",
        title="iPhone\ufffd",
        grade="GOOD",
        quantity=4,
        market="fr-fr",
        price=Money(44_990, "EUR"),
        min_price=None,
        max_price=Money(50_000, "EUR"),
        publication_state=2,
        price_to_win=Money(43_000, "EUR"),
        winning=False,
        observed=datetime.fromisoformat(MOMENTS[1]),
    )
    assert second.quantity == 4
    assert (second.price, second.publication_state, second.winning, second.observed) == (None, None, None, None)
    assert second.pending == {"quantity": 3}


def test_lateness_shown_is_the_lateness_filtered_by(mirror: Connection) -> None:
    records: list[tuple[Record, list[Record]]] = [({**ORDER, "due": due}, []) for due in MOMENTS]
    with holding_orders(mirror, records):
        shown = {row.order_id for row in order_rows(mirror, Query(limit=0)) if row.late}
        filtered = {row.order_id for row in order_rows(mirror, Query("late", limit=0))}
    assert shown == filtered != set()


def test_without_a_sort_orders_come_newest_first_and_listings_by_title(mirror: Connection) -> None:
    created = [MOMENTS[3], None, MOMENTS[9], MOMENTS[3]]
    with holding_orders(mirror, [({**ORDER, "created": moment}, []) for moment in created]):
        assert [row.order_id for row in order_rows(mirror, Query())] == [132, 133, 130, 131]
    with holding_listings(mirror, [({**LISTING, "title": title}, []) for title in ("b", "a", "b")]):
        assert [row.id[:8] for row in listing_rows(mirror, Query())] == ["00000001", "00000000", "00000002"]


def test_a_deleted_listing_is_hidden_but_still_a_place_to_go_on_from(mirror: Connection) -> None:
    gone = {**LISTING, "deleted_at": MOMENTS[0]}
    with holding_listings(mirror, [(LISTING, []), (gone, []), (LISTING, [])]):
        assert [row.id for row in listing_rows(mirror, Query())] == [listing_key(0), listing_key(2)]
        after = listing_rows(mirror, Query(after=listing_key(1).upper()))
    assert [row.id for row in after] == [listing_key(2)]


@pytest.mark.parametrize(
    ("query", "error", "field", "hint"),
    [
        (Query(sort="crated"), UsageError, "sort", "created"),
        (Query(sort="-prise"), UsageError, "sort", "price"),
        (Query(sort="zzzz"), UsageError, "sort", "order_id"),
        (Query(after="129"), NotFound, "after", None),
        (Query(after="abc"), NotFound, "after", None),
        (Query(after="-1"), NotFound, "after", None),
        (Query(after=""), NotFound, "after", None),
        (Query(after="9" * 40), NotFound, "after", None),
        (Query(after="130", offset=1), UsageError, "offset", None),
        (Query(limit=-1), UsageError, "limit", None),
        (Query(offset=-1), UsageError, "offset", None),
        (Query(where="status:x"), FilterError, "where", None),
    ],
)
def test_queries_that_make_no_sense(
    mirror: Connection, query: Query, error: type[BmError], field: str, hint: str | None
) -> None:
    with holding_orders(mirror, [(ORDER, [])]), pytest.raises(error) as caught:
        order_rows(mirror, query)
    assert caught.value.field == field
    assert hint is None or hint in (caught.value.hint or "")


def test_a_listing_that_is_not_there_is_no_place_to_go_on_from(mirror: Connection) -> None:
    with pytest.raises(NotFound):
        listing_rows(mirror, Query(after=listing_key(99)))


def plans(connection: Connection, read: Callable[[], object]) -> list[str]:
    """Return, each as one line, the plans of the statements that `read` takes its rows with."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    try:
        read()
    finally:
        connection.set_trace_callback(None)
    return [
        "; ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
        for sql in statements
        if "LIMIT" in sql
    ]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (Query(), "orders_created"),
        (Query(sort="created"), "orders_created"),
        (Query(after="132"), "orders_created"),
        (Query(sort="created", after="132"), "orders_created"),
        (Query("created>=-7d"), "orders_created"),
        (Query("status:to-ship"), "orders_status"),
        (Query("status:to-ship", after="132"), "orders_status"),
        (Query(sort="-modified"), "orders_modified"),
        (Query(sort="-modified", after="132"), "orders_modified"),
    ],
)
def test_frequent_pages_are_ranges_of_an_index(mirror: Connection, query: Query, index: str) -> None:
    records: list[tuple[Record, list[Record]]] = [({**ORDER, "created": moment}, []) for moment in MOMENTS]
    with holding_orders(mirror, records):
        found = plans(mirror, lambda: order_rows(mirror, query))
    assert found
    for plan in found:
        assert f"USING INDEX {index}" in plan
        assert "TEMP B-TREE" not in plan
        assert query.after is None or plan.startswith("SEARCH orders")


@pytest.mark.parametrize("after", [None, listing_key(1)])
def test_listings_by_title_are_a_range_of_an_index(mirror: Connection, after: str | None) -> None:
    with holding_listings(mirror, [(LISTING, [OFFER]) for _ in range(9)]):
        found = plans(mirror, lambda: listing_rows(mirror, Query(after=after)))
    assert len(found) == 1
    assert "USING INDEX listings_title" in found[0]
    assert "TEMP B-TREE" not in found[0]
    assert after is None or found[0].startswith("SEARCH listings")


def test_an_order_is_found_by_sku_through_the_index_of_its_lines(mirror: Connection) -> None:
    (plan,) = plans(mirror, lambda: order_rows(mirror, Query("sku:IP13")))
    assert "orderlines_sku" in plan
    assert "SCAN orders" not in plan
