from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bmconsole.domain.money import Money
from bmconsole.domain.orders import Address, Order, Orderline
from bmconsole.store import orders, passes, quarantine
from bmconsole.store.orders import OrderRecord
from bmconsole.store.passes import Pass, PassPage
from bmconsole.store.quarantine import Rejected, Stored
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


def put(mirror: Connection, *records: OrderRecord, at: datetime = NOW) -> Stored[OrderRecord]:
    return orders.store(mirror, records, fetched_at=at)


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


def test_an_order_without_a_date_of_change_is_stored_and_gives_way_to_what_was_asked_later(mirror: Connection) -> None:
    undated = replace(ORDER, date_modification=None)
    assert put(mirror, OrderRecord(undated, '{"a":1}'), at=NOW).changed == 1
    assert put(mirror, OrderRecord(undated, '{"a":2}'), at=NOW + timedelta(minutes=1)).changed == 1
    assert put(mirror, OrderRecord(undated, '{"a":1}'), at=NOW).changed == 0, "a slow answer from before"
    assert orders.raw(mirror, 1001) == '{"a":2}'


def test_a_status_that_changed_without_its_date_is_taken_from_the_later_answer(mirror: Connection) -> None:
    shipped = replace(ORDER, orderlines=(replace(ORDER.orderlines[0], state=3),))
    put(mirror, OrderRecord(ORDER, '{"a":1}'), at=NOW)
    assert put(mirror, OrderRecord(shipped, '{"a":2}'), at=NOW + timedelta(minutes=1)).changed == 1
    assert put(mirror, OrderRecord(ORDER, '{"a":1}'), at=NOW).changed == 0
    assert mirror.execute("SELECT status FROM orders").fetchone()["status"] == "shipped"


def test_a_second_look_within_the_grain_of_the_clock_counts(mirror: Connection) -> None:
    put(mirror, OrderRecord(ORDER, '{"a":1}'), at=NOW + timedelta(seconds=1))
    assert put(mirror, OrderRecord(ORDER, '{"a":2}'), at=NOW).changed == 1


def test_an_order_seen_unchanged_counts_as_read_just_now(mirror: Connection) -> None:
    put(mirror, OrderRecord(ORDER, "{}"), at=NOW)
    put(mirror, OrderRecord(replace(ORDER, order_id=1002, state=9), "{}"), at=NOW)
    later = NOW + timedelta(hours=25)
    assert orders.not_fetched_since(mirror, later, 10) == [1001], "only what is open"
    assert put(mirror, OrderRecord(ORDER, "{}"), at=later).changed == 0
    assert orders.not_fetched_since(mirror, later, 10) == []


def test_a_record_that_cannot_be_written_takes_no_other_with_it(mirror: Connection) -> None:
    good = [OrderRecord(replace(ORDER, order_id=1100 + number), "{}") for number in range(4)]
    huge = OrderRecord(replace(ORDER, order_id=1104, price=Money(2**63, "EUR")), "{}")
    torn = OrderRecord(replace(ORDER, order_id=1105, shipping_address=Address(city="\ud800")), "{}")
    stored = put(mirror, *good[:2], huge, torn, *good[2:])
    assert stored.changed == 4
    assert [record.order.order_id for record in stored.new] == [1100, 1101, 1102, 1103]
    assert [(record.order.order_id, error) for record, error in stored.refused] == [
        (1104, "cannot be stored: OverflowError"),
        (1105, "cannot be stored: UnicodeEncodeError"),
    ]
    assert mirror.execute("SELECT count(*) FROM orders").fetchone()[0] == 4
    assert mirror.execute("SELECT count(*) FROM orderlines").fetchone()[0] == 4
    assert mirror.execute("SELECT count(*) FROM order_texts").fetchone()[0] == 4


def begin(mirror: Connection, kind: str = "backfill", since: datetime | None = None) -> Pass:
    return passes.begin(mirror, "orders", kind, since, NOW, local=NOW)


@pytest.mark.parametrize(
    ("counts", "pages", "clean"),
    [
        ([51, 51], [range(50), [50]], True),
        ([51, 52], [range(50), [50]], False),
        ([51, 51], [range(50), [49]], False),
        ([51, 51], [range(50), []], False),
        ([51, None], [range(50), []], False),
        ([None], [[1]], False),
        ([0], [[]], True),
        ([50], [range(50)], True),
        ([51], [range(50)], False),
        ([25, 25, 25], [range(10), range(10, 20), range(20, 25)], True),
        ([2, 2], [[1], [2]], True),
        ([1], [[1, 1]], False),
    ],
)
def test_a_pass_is_clean_only_when_everything_adds_up(
    mirror: Connection, counts: list[int | None], pages: list[Sequence[int]], clean: bool
) -> None:
    state = begin(mirror)
    for number, (count, keys) in enumerate(zip(counts, pages, strict=True), start=1):
        passes.keep_page(mirror, state.pass_id, PassPage(number, count, [str(key) for key in keys], server_date=NOW))
    assert passes.judge(mirror, state.pass_id).clean is clean


def test_a_page_that_is_read_again_takes_its_former_place(mirror: Connection) -> None:
    state = begin(mirror)
    for _ in range(2):
        passes.keep_page(mirror, state.pass_id, PassPage(1, 51, [str(key) for key in range(50)], changed=50))
        passes.keep_page(mirror, state.pass_id, PassPage(2, 51, ["50"], changed=1))
    verdict = passes.judge(mirror, state.pass_id)
    assert (verdict.seen, verdict.dups, verdict.changed, verdict.clean) == (51, 0, 51, True)
    assert passes.stored(mirror, state.pass_id) == {1: (51, 50), 2: (51, 1)}


def test_a_pass_that_was_cut_off_is_taken_up_and_an_ended_one_is_not(mirror: Connection) -> None:
    state = begin(mirror)
    taken_up = passes.resumable(mirror, "orders", "backfill", None)
    assert taken_up is not None
    assert taken_up.pass_id == state.pass_id
    assert passes.resumable(mirror, "orders", "incremental", None) is None
    assert passes.resumable(mirror, "orders", "backfill", NOW) is None, "another lower bound is another list"
    passes.finish(mirror, state.pass_id, passes.judge(mirror, state.pass_id), now=NOW)
    assert passes.resumable(mirror, "orders", "backfill", None) is None


def test_what_pages_held_is_forgotten_with_the_next_pass(mirror: Connection) -> None:
    state = begin(mirror)
    passes.keep_page(mirror, state.pass_id, PassPage(1, 1, ["1"]))
    begin(mirror)
    assert passes.stored(mirror, state.pass_id) == {}
    for _ in range(60):
        begin(mirror)
    assert mirror.execute("SELECT count(*) FROM passes").fetchone()[0] == 51


def test_the_watermark_never_goes_back(mirror: Connection) -> None:
    passes.set_clean(mirror, "orders", watermark=NOW, at=NOW)
    passes.set_clean(mirror, "orders", watermark=NOW.replace(hour=7), at=NOW)
    assert passes.stream(mirror, "orders").watermark == NOW
    passes.set_clean(mirror, "orders", watermark=None, at=NOW)
    passes.start_at(mirror, "orders", NOW.replace(hour=6))
    assert passes.stream(mirror, "orders").watermark == NOW


def test_quarantine_holds_a_record_once_and_lets_it_go(mirror: Connection) -> None:
    bad = Rejected("1002", "{}", "price: not an amount")
    quarantine.put(mirror, "orders", [bad, bad], pass_id=1, now=NOW)
    assert quarantine.count(mirror) == 1
    quarantine.release(mirror, "orders", ["1002"])
    assert quarantine.count(mirror) == 0


def test_quarantine_forgets_what_a_later_complete_pass_did_not_meet(mirror: Connection) -> None:
    old, new = Rejected("?1f", "{}", "not an object"), Rejected("1003", "{}", "price: not an amount")
    quarantine.put(mirror, "orders", [old], pass_id=1, now=NOW)
    quarantine.put(mirror, "orders", [new], pass_id=2, now=NOW)
    quarantine.expire(mirror, "orders", 2)
    assert [row["key"] for row in mirror.execute("SELECT key FROM quarantine")] == ["1003"]


def test_new_fields_are_told_once(mirror: Connection) -> None:
    assert quarantine.learn_unknown(mirror, "orders", {"b", "a"}) == ["a", "b"]
    assert quarantine.learn_unknown(mirror, "orders", {"b", "c"}) == ["c"]


def test_fields_that_vanish_are_told_once(mirror: Connection) -> None:
    def learn(always: str, ever: str, *, whole: bool = True) -> list[str]:
        return quarantine.learn_usual(mirror, "orders", always=frozenset(always), ever=frozenset(ever), whole=whole)

    assert learn("ab", "abc") == []
    assert learn("a", "ab") == [], "in some records it is there still"
    assert learn("b", "b", whole=False) == ["a"]
    assert learn("b", "b") == []
    assert learn("ab", "ab") == []
    assert learn("b", "b") == ["a"], "it came back and went again"
