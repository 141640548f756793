from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bmconsole.domain.money import Money
from bmconsole.domain.orders import Address, Order, Orderline
from bmconsole.store import orders, passes
from bmconsole.store.orders import OrderRecord
from bmconsole.store.passes import PageTally, Rejected
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import Connection, connect, migrate

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
ORDER = Order(
    order_id=1001,
    state=1,
    currency="EUR",
    price=Money(44900, "EUR"),
    date_creation=NOW,
    date_modification=NOW,
    shipping_address=Address(first_name="Ada", last_name="Example", city="Lyon"),
    orderlines=(Orderline(77, 1, sku="IP13-128", price=Money(44900, "EUR"), shipping_delay=24),),
)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Connection]:
    migrate(tmp_path / "mirror.db", MIRROR)
    connection = connect(tmp_path / "mirror.db")
    yield connection
    connection.close()


def put(mirror: Connection, *records: OrderRecord, pass_id: int | None = None, page: int | None = None) -> PageTally:
    return orders.store(mirror, records, fetched_at=NOW, pass_id=pass_id, page=page)


def test_an_order_that_comes_again_unchanged_is_not_written(mirror: Connection) -> None:
    record = OrderRecord(ORDER, '{"a":1}')
    assert put(mirror, record).changed == 1
    assert put(mirror, record).changed == 0
    row = mirror.execute("SELECT status, buyer, price, due FROM orders").fetchone()
    assert tuple(row) == ("to-accept", "Ada Example", 44900, None)


def test_an_older_answer_never_replaces_a_newer_row(mirror: Connection) -> None:
    newer = replace(ORDER, state=3, date_modification=NOW.replace(hour=9))
    put(mirror, OrderRecord(newer, '{"a":2}'))
    assert put(mirror, OrderRecord(ORDER, '{"a":1}')).changed == 0
    assert orders.raw(mirror, 1001) == '{"a":2}'


def test_lines_that_are_gone_go(mirror: Connection) -> None:
    two = replace(ORDER, orderlines=(*ORDER.orderlines, Orderline(78, 1, sku="OTHER")))
    put(mirror, OrderRecord(two, "{}"))
    put(mirror, OrderRecord(ORDER, '{"b":1}'))
    assert [row["line_id"] for row in mirror.execute("SELECT line_id FROM orderlines")] == [77]


def test_an_id_that_comes_on_two_pages_makes_a_pass_unclean(mirror: Connection) -> None:
    state = passes.begin(mirror, "orders", "backfill", None, NOW)
    tally = put(mirror, OrderRecord(ORDER, "{}"), pass_id=state.pass_id, page=1)
    assert (tally.fresh, tally.dups) == (1, 0)
    again = put(mirror, OrderRecord(ORDER, "{}"), pass_id=state.pass_id, page=1)
    assert (again.fresh, again.dups) == (0, 0), "a page that is read again after a kill is no duplicate"
    other = put(mirror, OrderRecord(ORDER, "{}"), pass_id=state.pass_id, page=2)
    assert (other.fresh, other.dups) == (0, 1)


@pytest.mark.parametrize(
    ("counts", "seen", "dups", "clean"),
    [
        ([51, 51], [50, 1], 0, True),
        ([51, 52], [50, 1], 0, False),
        ([51, 51], [50, 0], 1, False),
        ([51, 51], [50, 0], 0, False),
        ([0], [0], 0, True),
        ([50], [50], 0, True),
        ([51], [50], 0, False),
    ],
)
def test_a_pass_is_clean_only_when_everything_adds_up(
    mirror: Connection, counts: list[int], seen: list[int], dups: int, clean: bool
) -> None:
    state = passes.begin(mirror, "orders", "backfill", None, NOW)
    for page, (count, fresh) in enumerate(zip(counts, seen, strict=True), start=1):
        tally = PageTally(fresh, dups if page == len(counts) else 0, 0, 0)
        state = passes.advance(
            mirror, state.pass_id, page=page, next_page=page + 1, count=count, server_date=NOW, tally=tally
        )
    assert state.clean is clean


def test_a_pass_that_was_cut_off_is_taken_up_and_an_ended_one_is_not(mirror: Connection) -> None:
    state = passes.begin(mirror, "orders", "backfill", None, NOW)
    taken_up = passes.resumable(mirror, "orders", "backfill")
    assert taken_up is not None
    assert taken_up.pass_id == state.pass_id
    assert passes.resumable(mirror, "orders", "incremental") is None
    passes.finish(mirror, state.pass_id, clean=True, now=NOW)
    assert passes.resumable(mirror, "orders", "backfill") is None


def test_the_watermark_never_goes_back(mirror: Connection) -> None:
    passes.set_clean(mirror, "orders", watermark=NOW, at=NOW)
    passes.set_clean(mirror, "orders", watermark=NOW.replace(hour=7), at=NOW)
    assert passes.stream(mirror, "orders").watermark == NOW
    passes.set_clean(mirror, "orders", watermark=None, at=NOW)
    assert passes.stream(mirror, "orders").watermark == NOW


def test_quarantine_holds_a_record_once_and_lets_it_go(mirror: Connection) -> None:
    bad = Rejected("1002", "{}", "price: not an amount")
    assert passes.quarantine(mirror, "orders", [bad, bad], pass_id=1, now=NOW) == (1, 1)
    assert passes.quarantined(mirror) == 1
    passes.release(mirror, "orders", ["1002"])
    assert passes.quarantined(mirror) == 0


def test_new_fields_are_told_once(mirror: Connection) -> None:
    assert passes.learn_paths(mirror, "orders", {"b", "a"}) == ["a", "b"]
    assert passes.learn_paths(mirror, "orders", {"b", "c"}) == ["c"]
