"""Rows of the mirror made up for tests of reading: few distinct values, so that ties and missing ones are frequent."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from bmconsole.domain.times import stamp
from bmconsole.store import search
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import Connection, connect, migrate

ZONE = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 10, 25, 11, 30, tzinfo=UTC)
"""On the day on which Paris goes back to winter time, which has 25 hours."""

Cell = str | int | None
Record = Mapping[str, Cell]

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


_TIMES = (None, *MOMENTS)
_MINOR = (None, -100, 0, 39_900, 40_000, 40_001, 44_990)
_LINE: Mapping[str, Sequence[Cell]] = {
    "sku": (None, *SKUS),
    "product": (None, *TEXTS),
    "imei": (None, "356938035643809", "13", "late"),
}
_ORDER: Mapping[str, Sequence[Cell]] = {
    "state": (1, 3, 9),
    "status": ("to-accept", "to-ship", "shipped", "refunded"),
    "country_code": (None, *MARKETS, "FR-fr"),
    "currency": (None, *CURRENCIES),
    "price": _MINOR,
    "created": _TIMES,
    "modified": _TIMES,
    "paid": _TIMES,
    "due": _TIMES,
    "buyer": (None, *TEXTS),
    "city": (None, "Lyon", "13", "100%"),
    "tracking": (None, "1Z999", "1z999", "13"),
    "is_backship": (0, 1),
}
_OFFER: Mapping[str, Sequence[Cell]] = {
    "market": MARKETS,
    "currency": CURRENCIES,
    "price": _MINOR,
    "min_price": _MINOR,
    "max_price": _MINOR,
    "publication_state": (None, 0, 2, 3, 7),
    "price_to_win": _MINOR,
    "winning": (None, 0, 1),
}
_LISTING: Mapping[str, Sequence[Cell]] = {
    "listing_id": (None, 13, 1300, 7),
    "sku": SKUS,
    "title": TEXTS,
    "grade": (None, "PREMIUM", "EXCELLENT", "FAIR", "SOMETHING_NEW"),
    "quantity": (None, -1, 0, 1, 5),
    "deleted_at": (None, None, None, MOMENTS[0]),
}


def _drawn(cells: Mapping[str, Sequence[Cell]]) -> st.SearchStrategy[Record]:
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in cells.items()})


def _picked(cells: Mapping[str, Sequence[Cell]], random: Random) -> Record:
    return {name: random.choice(values) for name, values in cells.items()}


orders = st.lists(st.tuples(_drawn(_ORDER), st.lists(_drawn(_LINE), max_size=3)), max_size=12)
"""Orders with their lines; see `order_key` for their ids."""

listings = st.lists(
    st.tuples(_drawn(_LISTING), st.lists(_drawn(_OFFER), max_size=3, unique_by=lambda offer: offer["market"])),
    max_size=12,
)
"""Listings with their offers; see `listing_key` for their UUIDs."""


def many_orders(count: int) -> list[tuple[Record, list[Record]]]:
    """Return always the same orders, enough for each filter of one term to tell some of them from others."""
    random = Random(13)
    return [
        (_picked(_ORDER, random), [_picked(_LINE, random) for _ in range(random.randrange(3))]) for _ in range(count)
    ]


def many_listings(count: int) -> list[tuple[Record, list[Record]]]:
    """Return always the same listings, likewise."""
    random = Random(13)
    return [
        (
            _picked(_LISTING, random),
            [{**_picked(_OFFER, random), "market": name} for name in random.sample(MARKETS, random.randrange(4))],
        )
        for _ in range(count)
    ]


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
def holding_orders(connection: Connection, records: Sequence[tuple[Record, Sequence[Record]]]) -> Iterator[None]:
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
        search.fill(connection)
        yield
    finally:
        connection.execute("ROLLBACK")


@contextmanager
def holding_listings(connection: Connection, records: Sequence[tuple[Record, Sequence[Record]]]) -> Iterator[None]:
    """Have these listings in the mirror, and nothing of them afterwards."""
    connection.execute("BEGIN")
    try:
        for index, (listing, offers) in enumerate(records):
            seen = {"first_seen": MOMENTS[0], "fetched_at": MOMENTS[0]}
            _insert(connection, "listings", {**listing, "id": listing_key(index), **seen})
            for offer in offers:
                _insert(connection, "offers", {**offer, "listing": listing_key(index), **_FETCHED})
        search.fill(connection)
        yield
    finally:
        connection.execute("ROLLBACK")
