import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmconsole.domain.filters import Filter, Table, Text
from bmconsole.domain.listings import Listing, Offer
from bmconsole.domain.orders import Address, Order, Orderline
from bmconsole.domain.views import Query
from bmconsole.store import listings, orders, search
from bmconsole.store.listings import ListingRecord
from bmconsole.store.orders import OrderRecord
from bmconsole.store.pages import listings_page, orders_count, orders_page
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import Connection, connect, immediate, migrate

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ANDREA = Order(
    order_id=57_301_234,
    state=9,
    date_creation=NOW,
    date_modification=NOW,
    tracking_number="1Z999AA10123456784",
    shipping_address=Address(first_name="Andréa", last_name="Grünwald", city="Łódź"),
    orderlines=(
        Orderline(1, 3, sku="IP13-128-BLK", product="iPhone 13 128GB", imei="356938035643809"),
        Orderline(2, 3, sku="ÉTUI-1", product="Étui “cuir”"),
    ),
)
BOB = Order(order_id=57_301_235, state=1, billing_address=Address(last_name='O\'Neill "Bob"'), date_creation=NOW)
WIDGET = Listing("11111111-aaaa-4bbb-8ccc-dddddddddddd", 42, "S_1%", "Galaxy S22 ✨ Über")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    migrate(tmp_path / "mirror.db", MIRROR)
    return tmp_path / "mirror.db"


@pytest.fixture
def db(path: Path) -> Iterator[Connection]:
    connection = connect(path)
    yield connection
    connection.close()


def put(db: Connection, *several: Order) -> None:
    with immediate(db):
        orders.store(db, [OrderRecord(order, json.dumps(repr(order))) for order in several], fetched_at=NOW)


def found(db: Connection, text: str) -> list[int]:
    query = Query(where=str(Filter(Table.ORDERS, (Text(text),))))
    rows = orders_page(db, query, now=NOW, zone=UTC, currency="EUR", pending=())
    assert len(rows) == orders_count(db, query, now=NOW, zone=UTC, currency="EUR")
    return [row.order_id for row in rows]


@pytest.mark.parametrize(
    "text",
    [
        "57301234",
        "301234",
        "128-bl",
        "iphone 13",
        "ANDREA",
        "andréa g",
        "GRUN",
        "łód",
        "9aa1",
        "8035643",
        "étui",
        "“cu",
    ],
)
def test_an_order_is_found_by_a_part_of_whatever_it_has(db: Connection, text: str) -> None:
    put(db, ANDREA, BOB)
    assert found(db, text) == [ANDREA.order_id]


@pytest.mark.parametrize("text", ["57301234 iphone", "809\nETUI", "andrea lodz", "356938035643808", "%", "___", "*"])
def test_what_no_field_has_in_one_piece_finds_nothing(db: Connection, text: str) -> None:
    put(db, ANDREA, BOB)
    assert found(db, text) == []


def test_two_letters_are_the_beginning_of_a_sku_or_a_whole_id(db: Connection) -> None:
    put(db, ANDREA, BOB, replace(BOB, order_id=13))
    assert found(db, "ip") == found(db, "I") == found(db, "ét") == [ANDREA.order_id]
    assert found(db, "13") == [13]
    assert found(db, "12") == found(db, "bo") == []


def test_a_listing_is_found_by_both_ids_its_sku_and_its_title(db: Connection) -> None:
    offer = Offer("fr-fr", "EUR")
    with immediate(db):
        record = ListingRecord(replace(WIDGET, offers={"fr-fr": offer}), "fr-fr", "{}")
        listings.store(db, [record], fetched_at=NOW)
    for text in ("11111111", "aaaa-4bbb", "42", "s_1", "S_", "s22", "uber", "✨ Ü"):
        query = Query(where=str(Filter(Table.LISTINGS, (Text(text),))))
        assert [row.id for row in listings_page(db, query, market="fr-fr", currency="EUR", pending={})] == [WIDGET.id]


def test_a_changed_text_is_found_by_the_new_one_only(db: Connection) -> None:
    put(db, ANDREA, BOB)
    moved = replace(ANDREA, tracking_number="QX77", shipping_address=Address(last_name="Weiss"), state=3)
    put(db, moved)
    assert found(db, "qx77") == found(db, "weiss") == found(db, "iphone") == [ANDREA.order_id]
    assert found(db, "grunwald") == found(db, "1Z999AA") == []


def test_nothing_is_written_where_no_text_changed(db: Connection) -> None:
    put(db, ANDREA, BOB)

    def index() -> list[tuple[object, ...]]:
        return [tuple(row) for row in db.execute("SELECT id, block FROM orders_search_data ORDER BY id")]

    before = index()
    put(db, replace(ANDREA, state=3, payment_method="CARD"))
    assert db.execute("SELECT state FROM orders WHERE order_id = ?", (ANDREA.order_id,)).fetchone()[0] == 3
    assert index() == before


@settings(deadline=None, max_examples=200)
@given(needle=st.text(max_size=12), hay=st.text(max_size=40))
def test_any_text_may_be_searched_for_and_any_may_be_stored(needle: str, hay: str) -> None:
    connection = _memory()
    for place, text in enumerate((hay, needle, hay + needle, needle + hay, hay + "\n" + needle)):
        search.keep(connection, Table.ORDERS, {place: search.fold(text)})
        connection.execute("INSERT INTO orders (order_id) VALUES (?)", (place,))
    sql, params = search.condition(Table.ORDERS, needle)
    hits = {row[0] for row in connection.execute(f"SELECT order_id FROM orders WHERE {sql}", params)}  # noqa: S608 - from the code under test
    if len(search.fold(needle)) >= 3:
        assert {1, 2, 3, 4} <= hits
        assert (0 in hits) == (search.fold(needle) in search.fold(hay))
    connection.close()


def _memory() -> Connection:
    from bmconsole.store.sqlite import sqlite3

    connection: Connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in search.SCHEMA:
        connection.execute(statement)
    connection.execute("CREATE TABLE orders (order_id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE orderlines (order_id INTEGER, sku TEXT)")
    return connection


@pytest.mark.parametrize("sort", ["", "created", "-price", "buyer"])
def test_few_and_many_matches_give_the_same_pages(db: Connection, monkeypatch: pytest.MonkeyPatch, sort: str) -> None:
    many = [
        replace(
            ANDREA if number % 3 else BOB,
            order_id=number,
            date_creation=NOW.replace(hour=number * 7 % 24),
            shipping_address=Address(last_name=f"buyer {number % 5}"),
        )
        for number in range(1_000, 1_060)
    ]
    put(db, *many)

    def pages(where: str) -> list[list[int]]:
        read = []
        query = Query(where=where, sort=sort, limit=7)
        while rows := orders_page(db, query, now=NOW, zone=UTC, currency="EUR", pending=()):
            read.append([row.order_id for row in rows])
            query = replace(query, after=str(rows[-1].order_id))
        assert sum(map(len, read)) == orders_count(db, Query(where=where), now=NOW, zone=UTC, currency="EUR")
        return read

    wheres = ("iphone", 'iphone "buyer 1"', 'iphone ip "buyer 2"', "buyer status:shipped", "nobody")
    few = [pages(where) for where in wheres]
    monkeypatch.setattr(search, "FEW", 3)
    assert [pages(where) for where in wheres] == few
    assert [sum(map(len, read)) for read in few] == [40, 8, 8, 40, 0]


def test_few_matches_are_looked_up_and_not_searched_for(db: Connection) -> None:
    put(db, *(replace(ANDREA, order_id=number) for number in range(9)))
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    orders_page(db, Query(where="iphone status:shipped"), now=NOW, zone=UTC, currency="EUR", pending=())
    db.set_trace_callback(None)
    (page,) = [sql for sql in statements if "FROM orders NOT INDEXED" in sql]
    plan = " ".join(row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {page}"))
    assert "SEARCH orders USING INTEGER PRIMARY KEY" in plan


def test_rows_from_before_there_was_a_search_are_found(path: Path, db: Connection) -> None:
    put(db, ANDREA, BOB)
    with immediate(db):
        listings.store(
            db, [ListingRecord(replace(WIDGET, offers={"fr-fr": Offer("fr-fr", "EUR")}), "fr-fr", "{}")], fetched_at=NOW
        )
        texts = [tuple(row) for row in db.execute("SELECT * FROM order_texts")]
        for names in ("orders_search", "listings_search", "order_texts", "listing_texts"):
            db.execute(f"DROP TABLE {names}")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm010_search'")
    db.execute(f"PRAGMA user_version = {MIRROR.version - 1}")
    migrate(path, MIRROR)
    assert [tuple(row) for row in db.execute("SELECT * FROM order_texts")] == texts
    assert found(db, "grunwald") == [ANDREA.order_id]
    assert db.execute("SELECT count(*) FROM listing_texts").fetchone()[0] == 1


def test_merging_takes_replaced_texts_out_of_the_index(db: Connection) -> None:
    for version in range(20):
        put(db, replace(ANDREA, state=version, shipping_address=Address(last_name=f"Xyzzy{version:03d}")))
    put(db, replace(ANDREA, shipping_address=Address()))

    def traces() -> bool:
        # The first of the trigrams with one beginning is written out, so that some of these would show.
        data = b"".join(row[0] for row in db.execute("SELECT block FROM orders_search_data"))
        return any(trigram in data for trigram in (b"xyz", b"yzz", b"zzy"))

    assert traces()
    while search.tidy(db, pages=100):
        pass
    assert not traces()
    assert found(db, "iphone") == [ANDREA.order_id]
    db.execute("INSERT INTO orders_search (orders_search, rank) VALUES ('integrity-check', 1)")


OTHER_LIBRARY = """
import json, sqlite3, sys
path, work = sys.argv[1], json.loads(sys.argv[2])
db = sqlite3.connect(path)
rows = [sorted(row[0] for row in db.execute(sql, params)) for sql, params in work["reads"]]
with db:
    for sql, params in work["writes"]:
        db.execute(sql, params)
again = [sorted(row[0] for row in db.execute(sql, params)) for sql, params in work["reads"]]
db.execute("INSERT INTO orders_search (orders_search) VALUES ('integrity-check')")
check = [row[0] for row in db.execute("PRAGMA integrity_check")]
print(json.dumps({"version": sqlite3.sqlite_version, "rows": rows, "again": again, "check": check}))
"""


def test_the_standard_librarys_sqlite_reads_and_writes_the_same_file(path: Path, db: Connection) -> None:
    put(db, ANDREA, BOB)
    conditions = [search.condition(Table.ORDERS, text) for text in ("andrea", "0'neill", "o'neill \"", "ip", "1Z999")]
    reads = [(f"SELECT order_id FROM orders WHERE {sql}", params) for sql, params in conditions]  # noqa: S608 - from the code under test
    ours = [sorted(row[0] for row in db.execute(*read)) for read in reads]
    assert ours == [[ANDREA.order_id], [], [BOB.order_id], [ANDREA.order_id], [ANDREA.order_id]]
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    with immediate(db):
        search.keep(db, Table.ORDERS, {BOB.order_id: "andrea bob"})
        db.set_trace_callback(None)
        writes: list[tuple[str, list[str]]] = [
            (sql, []) for sql in statements if sql.startswith(("INSERT INTO order_texts", "INSERT INTO orders_s"))
        ]
        undone = search.order_texts(db, [BOB.order_id])
        search.keep(db, Table.ORDERS, undone)
    assert len(writes) == 3
    done = subprocess.run(
        [sys.executable, "-c", OTHER_LIBRARY, str(path), json.dumps({"reads": reads, "writes": writes})],
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout)
    assert told["rows"] == ours, told["version"]
    assert told["again"] == [[ANDREA.order_id, BOB.order_id], [], [], [ANDREA.order_id], [ANDREA.order_id]]
    assert told["check"] == ["ok"]
    assert found(db, "andrea bob") == [BOB.order_id]
