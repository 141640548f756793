"""Rows of the mirror made up for tests of reading: few distinct values, so that ties and missing ones are frequent."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from bmconsole.domain.times import stamp
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import Connection, connect, migrate

ZONE = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 10, 25, 11, 30, tzinfo=UTC)
"""On the day on which Paris goes back to winter time, which has 25 hours."""

Cell = str | int | None
OrderRecord = Mapping[str, Cell]
OfferRecord = Mapping[str, Cell]

TEXTS = ("iPhone 13", "IPHONE 13", "100%", "1_0", "a\\b", 'say "hi"', "Élodie", "élodie", "late", "a,b", "13")
SKUS = ("IP13", "ip13", "IP13-2", "S_1", "%")
MARKETS = ("fr-fr", "de-de", "en-gb")
CURRENCIES = ("EUR", "EUR", "EUR", "GBP")
_MIDNIGHTS = [
    (datetime(2026, 10, 25, tzinfo=ZONE) + timedelta(days=day)).astimezone(UTC) for day in (-8, -7, -1, 0, 1, 2)
]
_AROUND = (timedelta(milliseconds=-1), timedelta(), timedelta(hours=11, minutes=30))
_NEAR_NOW = [NOW + timedelta(milliseconds=shift) for shift in (-1, 0, 1)]
MOMENTS = tuple(
    stamp(moment) for moment in [midnight + shift for midnight in _MIDNIGHTS for shift in _AROUND] + _NEAR_NOW
)
"""Just before and at the starts of days, within them, and around now."""


def maybe(values: Sequence[Cell]) -> st.SearchStrategy[Cell]:
    return st.sampled_from([None, *values])


_times = maybe(MOMENTS)
_minor = maybe((-100, 0, 39_900, 40_000, 40_001, 44_990))
_line: st.SearchStrategy[Mapping[str, Cell]] = st.fixed_dictionaries(
    {"sku": maybe(SKUS), "product": maybe(TEXTS), "imei": maybe(("356938035643809", "13", "late"))}
)
_order: st.SearchStrategy[OrderRecord] = st.fixed_dictionaries(
    {
        "state": st.sampled_from((1, 3, 9)),
        "status": st.sampled_from(("to-accept", "to-ship", "shipped", "refunded")),
        "country_code": maybe((*MARKETS, "FR-fr")),
        "currency": maybe(CURRENCIES),
        "price": _minor,
        "created": _times,
        "modified": _times,
        "paid": _times,
        "due": _times,
        "buyer": maybe(TEXTS),
        "city": maybe(("Lyon", "13", "100%")),
        "tracking": maybe(("1Z999", "1z999", "13")),
        "is_backship": st.sampled_from((0, 1)),
    }
)
orders = st.lists(st.tuples(_order, st.lists(_line, max_size=3)), max_size=12)
"""Orders with their lines; the id of the first is 130, of the next 131."""

_offer: st.SearchStrategy[OfferRecord] = st.fixed_dictionaries(
    {
        "market": st.sampled_from(MARKETS),
        "currency": st.sampled_from(CURRENCIES),
        "price": _minor,
        "min_price": _minor,
        "max_price": _minor,
        "publication_state": maybe((0, 2, 3, 7)),
        "price_to_win": _minor,
        "winning": maybe((0, 1)),
    }
)
_listing: st.SearchStrategy[Mapping[str, Cell]] = st.fixed_dictionaries(
    {
        "listing_id": maybe((13, 1300, 7)),
        "sku": st.sampled_from(SKUS),
        "title": st.sampled_from(TEXTS),
        "grade": maybe(("PREMIUM", "EXCELLENT", "FAIR", "SOMETHING_NEW")),
        "quantity": maybe((-1, 0, 1, 5)),
        "deleted_at": maybe((MOMENTS[0], None, None, None)),
    }
)
listings = st.lists(
    st.tuples(_listing, st.lists(_offer, max_size=3, unique_by=lambda offer: offer["market"])), max_size=12
)
"""Listings with their offers; see `listing_key` for their UUIDs."""


def order_key(index: int) -> int:
    return 130 + index


def listing_key(index: int) -> str:
    return f"{index:08x}-0013-4000-8000-00000000abcd"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    path: Path = tmp_path_factory.mktemp("mirror") / "mirror.db"
    migrate(path, MIRROR)
    connection = connect(path)
    yield connection
    connection.close()


_FETCHED: Mapping[str, Cell | bytes] = {"raw": "{}", "content_hash": b"", "fetched_at": MOMENTS[0]}


def _insert(connection: Connection, table: str, row: Mapping[str, Cell | bytes]) -> None:
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - names of this file


@contextmanager
def holding_orders(
    connection: Connection, records: Sequence[tuple[OrderRecord, Sequence[Mapping[str, Cell]]]]
) -> Iterator[None]:
    """Have these orders in the mirror, and nothing of them afterwards."""
    connection.execute("BEGIN")
    try:
        for index, (order, lines) in enumerate(records):
            counted = {"order_id": order_key(index), "n_lines": len(lines)}
            _insert(connection, "orders", {**order, **counted, **_FETCHED})
            for number, line in enumerate(lines):
                _insert(
                    connection,
                    "orderlines",
                    {**line, "order_id": order_key(index), "line_id": number, "state": 1, "quantity": 1},
                )
        yield
    finally:
        connection.execute("ROLLBACK")


@contextmanager
def holding_listings(
    connection: Connection, records: Sequence[tuple[Mapping[str, Cell], Sequence[OfferRecord]]]
) -> Iterator[None]:
    """Have these listings in the mirror, and nothing of them afterwards."""
    connection.execute("BEGIN")
    try:
        for index, (listing, offers) in enumerate(records):
            seen = {"first_seen": MOMENTS[0], "fetched_at": MOMENTS[0]}
            _insert(connection, "listings", {**listing, "id": listing_key(index), **seen})
            for offer in offers:
                _insert(connection, "offers", {**offer, "listing": listing_key(index), **_FETCHED})
        yield
    finally:
        connection.execute("ROLLBACK")
