import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.backmarket.orders import parse_order
from bmconsole.backmarket.wirejson import dumps, loads
from bmconsole.cache import Files
from bmconsole.domain.orders import Status
from bmconsole.domain.views import Query
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.store import health, orders, purge, quarantine
from bmconsole.store.orders import OrderRecord
from bmconsole.store.pages import orders_page
from bmconsole.store.quarantine import Rejected
from bmconsole.store.sqlite import Connection, connect, whole
from bmconsole.upkeep import once_a_day, purge_buyers

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
OLD, NEW = NOW - timedelta(days=200), NOW - timedelta(days=10)
BEFORE = NOW - timedelta(days=90)
PROFILE = Profile.model_validate({"name": "default", "base_url": "http://127.0.0.1:9", "markets": ("fr-fr",)})
SECRETS = ("Wilhelmine", "Zwickelbauer", "Rosengartenweg", "Kuckucksheim", "0166699977", "zwickel@example.org", "75999")
KEPT = ("IP13-128-BLK", "356938035643809", "1Z999AA10123456784", "449.90", "de-de")


def record(number: int, modified: datetime, line_state: int = 3, padding: str = "") -> OrderRecord:
    address = {
        "first_name": f"Wilhelmine{padding}",
        "last_name": f"Zwickelbauer{number}",
        "company": None,
        "street": "Rosengartenweg 7",
        "street2": "",
        "postal_code": "75999",
        "city": "Kuckucksheim",
        "country": "DE",
        "phone": "0166699977",
        "email": "zwickel@example.org",
    }
    answer: dict[str, object] = {
        "order_id": number,
        "state": 9,
        "country_code": "de-de",
        "currency": "EUR",
        "price": "449.90",
        "date_creation": modified.isoformat(),
        "date_modification": modified.isoformat(),
        "tracking_number": "1Z999AA10123456784",
        "tracking_url": "https://carrier.example/?zip=75999",
        "delivery_note": "https://documents.example/Zwickelbauer.pdf",
        "shipping_address": address,
        "billing_address": {**address, "country": "AT"},
        "gift_card_for": {"name": "Wilhelmine Zwickelbauer"},
        "orderlines": [
            {
                "id": number * 10,
                "state": line_state,
                "listing": "IP13-128-BLK",
                "product": "iPhone 13",
                "imei": "356938035643809",
                "price": 449.9,
                "return_message": "Dear Wilhelmine",
                "engraving": "Zwickelbauer",
            }
        ],
    }
    return OrderRecord(parse_order(answer, UTC), dumps(loads(json.dumps(answer).encode())))


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    opened = Files(PROFILE.name, Paths.under(tmp_path))
    yield opened
    await asyncio.to_thread(opened.close)


def traces(folder: Path, secrets: tuple[str, ...] = SECRETS) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield from (f"{secret} in {path.name}" for secret in secrets if secret.lower().encode() in content.lower())


def put(records: list[OrderRecord], keep_buyers: timedelta | None = None) -> Callable[[Connection], object]:
    return lambda connection: orders.store(connection, records, fetched_at=NOW, keep_buyers=keep_buyers)


async def test_after_a_purge_no_file_has_the_buyer(files: Files) -> None:
    folder = files.mirror.path.parent
    for version in range(3):
        moment = OLD + timedelta(days=version)
        for first in range(0, 900, 50):
            batch = [
                record(number, moment, padding="x" * (number * 37 * (version + 1) % 700))
                for number in range(first, first + 50)
            ]
            await files.mirror.write(put(batch))
    await files.mirror.write(
        lambda connection: quarantine.put(
            connection,
            "orders",
            [
                Rejected("77", record(77, OLD).raw.replace('"order_id":77', '"order_id":"?"'), "order_id: missing"),
                Rejected("78", 'cut off {"last_name": "Zwickelbauer', "not an object"),
            ],
            pass_id=1,
            now=OLD,
        )
    )
    former = folder / "mirror.corrupt-20260101T000000-000000.db"
    former.write_text("Zwickelbauer")
    assert len(set(traces(folder))) > len(SECRETS)
    async with asyncio.timeout(20):
        done = await purge_buyers(files, before=BEFORE, now=NOW)
    assert (done.orders, done.quarantined, done.files, done.gone) == (900, 2, 1, True)
    assert list(traces(folder)) == []
    kept = [next(traces(folder, (text,)), None) for text in KEPT]
    assert None not in kept
    assert (await purge_buyers(files, before=BEFORE, now=NOW)).orders == 0
    await asyncio.to_thread(files.close)
    assert list(traces(folder)) == []
    assert whole(files.mirror.path, thorough=True)


async def test_an_order_keeps_everything_but_its_buyer(files: Files) -> None:
    await files.mirror.write(put([record(1, OLD)]))
    before = parse_order(loads(record(1, OLD).raw.encode()), UTC)
    await purge_buyers(files, before=BEFORE, now=NOW)
    raw = await files.mirror.read(lambda connection: orders.raw(connection, 1))
    assert raw is not None
    after = parse_order(loads(raw.encode()), UTC)
    assert after == purge.without_buyer(before)
    assert (after.shipping_address.country, after.billing_address.country) == ("DE", "AT")
    assert after.orderlines[0].price == before.orderlines[0].price

    def page(connection: Connection, where: str) -> list[int]:
        rows = orders_page(connection, Query(where), now=NOW, zone=UTC, currency="EUR", pending=())
        assert all(row.buyer is None and row.city is None for row in rows)
        return [row.order_id for row in rows]

    for text in ("wilhelmine", "kuckucksheim", "buyer~zwick"):
        assert await files.mirror.read(lambda connection, text=text: page(connection, text)) == []  # type: ignore[misc]
    for text in ("iphone", "356938035643809", "1Z999", "IP"):
        assert await files.mirror.read(lambda connection, text=text: page(connection, text)) == [1]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("modified", "line_state", "gone"),
    [
        (OLD, 3, True),
        (OLD, 5, True),
        (OLD, 6, True),
        (OLD, 4, True),
        (OLD, 7, True),
        (OLD, 1, False),
        (OLD, 2, False),
        (OLD, 0, False),
        (NEW, 3, False),
        (BEFORE, 3, False),
        (BEFORE - timedelta(seconds=1), 3, True),
    ],
)
async def test_only_what_has_been_final_for_long_loses_its_buyer(
    files: Files, modified: datetime, line_state: int, gone: bool
) -> None:
    await files.mirror.write(put([record(1, modified, line_state)]))
    assert (await purge_buyers(files, before=BEFORE, now=NOW)).orders == int(gone)
    row = await files.mirror.read(lambda connection: connection.execute("SELECT buyer FROM orders").fetchone())
    assert (row["buyer"] is None) is gone
    await files.mirror.write(put([record(2, modified, line_state)], keep_buyers=NOW - BEFORE))
    row = await files.mirror.read(
        lambda connection: connection.execute("SELECT buyer, raw, purged FROM orders WHERE order_id = 2").fetchone()
    )
    assert (row["buyer"] is None) is ("Zwickelbauer" not in row["raw"]) is (row["purged"] is not None) is gone


async def test_an_order_without_any_date_of_modification_goes_by_its_other_dates(files: Files) -> None:
    raw = record(1, OLD).raw.replace('"date_modification":', '"date_of_no_use":')
    await files.mirror.write(put([OrderRecord(parse_order(loads(raw.encode()), UTC), raw)]))
    assert (await purge_buyers(files, before=BEFORE, now=NOW)).orders == 1


async def test_what_was_purged_is_not_fetched_into_the_file_again(files: Files) -> None:
    await files.mirror.write(put([record(1, OLD)]))
    await purge_buyers(files, before=BEFORE, now=NOW)
    stored = await files.mirror.write(
        lambda connection: orders.store(connection, [record(1, OLD)], fetched_at=NOW, keep_buyers=NOW - BEFORE)
    )
    assert stored.changed == 0
    assert list(traces(files.mirror.path.parent)) == []
    changed = record(1, NOW, 6)
    await files.mirror.write(put([changed], keep_buyers=NOW - BEFORE))
    row = await files.mirror.read(lambda connection: connection.execute("SELECT * FROM orders").fetchone())
    assert (row["buyer"], row["purged"], row["status"]) == ("Wilhelmine Zwickelbauer1", None, Status.REFUNDED)


async def test_what_is_in_quarantine_goes_by_its_own_date(files: Files) -> None:
    late, early = record(1, NEW).raw, record(2, OLD).raw
    await files.mirror.write(
        lambda connection: quarantine.put(
            connection, "orders", [Rejected("1", late, "x"), Rejected("2", early, "x")], pass_id=None, now=NOW
        )
    )
    assert (await purge_buyers(files, before=BEFORE, now=NOW)).quarantined == 1
    raws = await files.mirror.read(
        lambda connection: [row["raw"] for row in connection.execute("SELECT raw FROM quarantine ORDER BY key")]
    )
    assert raws[0] == late
    assert json.loads(raws[1])["order_id"] == 2
    assert "Zwickelbauer" not in raws[1]


async def test_a_reader_of_another_process_is_told_of(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bmconsole.store.database.BUSY_SECONDS", 0.05)
    await files.mirror.write(put([record(number, OLD) for number in range(1, 4)]))
    with closing(connect(files.mirror.path, readonly=True)) as reader:
        rows = reader.execute("SELECT * FROM orders")
        rows.fetchone()
        done = await purge_buyers(files, before=BEFORE, now=NOW)
        assert (done.orders, done.gone) == (3, False)
        rows.close()
    assert (await purge_buyers(files, before=BEFORE, now=NOW)).gone
    assert list(traces(files.mirror.path.parent)) == []


async def test_once_a_day_the_journal_is_copied_and_old_buyers_go(files: Files) -> None:
    await files.mirror.write(put([record(1, OLD), record(2, NEW)]))
    told = await once_a_day(files, keep_buyers=timedelta(days=90), now=NOW)
    assert told == "copied the journal to journal-2026-11-23.db; took the buyer out of 1 orders"
    assert await once_a_day(files, keep_buyers=timedelta(days=90), now=NOW) == ""
    assert [path.name for path in files.backups.iterdir()] == ["journal-2026-11-23.db"]
    with files.mirror.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_960)
    with pytest.raises(health.Damaged):
        await once_a_day(files, keep_buyers=timedelta(days=90), now=NOW)
    assert await once_a_day(files, keep_buyers=timedelta(days=90), now=NOW) == ""
    assert health.moved_aside(files.mirror.path) == []


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_fields = st.sampled_from(["order_id", "price", "shipping_address", "billing_address", "orderlines", "state", "buyer"])


@given(st.dictionaries(_fields, _json) | _json, st.text(max_size=20))
def test_any_text_loses_what_is_not_known(value: object, other: str) -> None:
    for raw in (json.dumps(value), other):
        rest = json.loads(purge.raw_without_buyer(raw))
        assert set(rest) <= {"order_id", "price", "state", "shipping_address", "billing_address", "orderlines"}
        assert purge.raw_without_buyer(json.dumps(rest)) == json.dumps(rest, separators=(",", ":"))


def test_json_that_nests_without_end_is_no_order() -> None:
    assert purge.raw_without_buyer("[" * 100_000) == "{}"
    assert purge.raw_without_buyer('{"order_id":1,"price":12.10,"x":NaN}') == '{"order_id":1,"price":"12.10"}'
