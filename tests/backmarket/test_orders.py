"""Orders as the documents and the field have them, and as nobody should send them."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.backmarket import orders, wirejson
from bmconsole.backmarket.failures import UnexpectedAnswer
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.domain.money import Money
from bmconsole.domain.orders import Address, Order, Status
from bmconsole.domain.priority import Priority
from bmconsole.domain.times import stamp
from bmconsole.errors import NotFound
from tests.backmarket.scripted import answer, client_for, scripted

PARIS = ZoneInfo("Europe/Paris")


def a_record() -> dict[str, object]:
    return {
        "order_id": 41200001,
        "state": 3,
        "country_code": "fr-fr",
        "currency": "EUR",
        "price": "229.0",
        "shipping_price": "5.99",
        "sales_taxes": None,
        "date_creation": "2026-04-29T09:35:24.123456Z",
        "date_modification": "2026-04-29T11:35:24+02:00",
        "date_payment": "2026-04-29T09:36:00+00:00",
        "date_shipping": None,
        "expected_dispatch_date": "2026-04-30T15:00:00",
        "shipper_display": "Colissimo",
        "is_backship": False,
        "shipping_address": {
            "first_name": "Ana",
            "last_name": "Lima",
            "street": "1 rue X",
            "street2": "",
            "postal_code": "75003",
            "city": "Paris",
            "country": "FR",
            "phone": "+33600000000",
            "email": "ana@example.com",
        },
        "billing_address": {
            "firstName": "Ana",
            "lastName": "Lima",
            "postalCode": "75003",
            "phoneNumber": "+33600000000",
        },
        "orderlines": [
            {
                "id": 52300007,
                "state": 2,
                "listing": "IPHONE-1",
                "listing_id": 142,
                "product": "iPhone",
                "product_id": 141,
                "quantity": 1,
                "price": "229.0",
                "orderline_fee": "22.905",
                "currency": "EUR",
                "condition": 10,
                "shipping_delay": 24,
                "imei": "",
                "backcare": True,
                "backcare_price": 500,
                "return_reason": 0,
            }
        ],
    }


def test_an_order_of_the_field() -> None:
    order = orders.parse_order(a_record(), PARIS)
    assert order.order_id == 41200001
    assert order.status is Status.TO_SHIP
    assert order.price == Money(22900, "EUR")
    assert order.sales_taxes is None
    assert order.date_creation == datetime(2026, 4, 29, 9, 35, 24, 123456, tzinfo=UTC)
    assert order.date_modification == datetime(2026, 4, 29, 9, 35, 24, tzinfo=UTC)
    assert order.expected_dispatch_date == datetime(2026, 4, 30, 13, 0, tzinfo=UTC)
    assert order.shipping_address.name == "Ana Lima"
    assert order.shipping_address.street2 is None
    assert order.billing_address == Address(
        first_name="Ana", last_name="Lima", postal_code="75003", phone="+33600000000"
    )
    (line,) = order.orderlines
    assert (line.id, line.sku, line.product_id, line.imei, line.backcare) == (52300007, "IPHONE-1", "141", None, True)
    assert line.fee == Money(2291, "EUR")


def test_a_time_without_an_offset_is_meant_in_the_platforms_zone() -> None:
    in_tokyo = orders.parse_order(a_record(), ZoneInfo("Asia/Tokyo"))
    assert in_tokyo.expected_dispatch_date == datetime(2026, 4, 30, 6, 0, tzinfo=UTC)


def test_an_id_is_enough() -> None:
    order = orders.parse_order({"order_id": 5}, PARIS)
    assert order == Order(order_id=5, state=orders.UNKNOWN_STATE)
    assert order.status is Status.UNKNOWN


@pytest.mark.parametrize("field", sorted(a_record().keys() - {"order_id"}))
def test_any_field_may_be_null_or_absent(field: str) -> None:
    absent = a_record()
    del absent[field]
    assert orders.parse_order(a_record() | {field: None}, PARIS) == orders.parse_order(absent, PARIS)


def test_numbers_and_texts_stand_in_for_each_other() -> None:
    record = a_record() | {"order_id": "41200001", "state": "3", "price": Decimal("229.0"), "shipping_price": 5.99}
    assert orders.parse_order(record, PARIS) == orders.parse_order(a_record(), PARIS)


def test_unknown_states_are_kept() -> None:
    record = a_record() | {"state": 77, "orderlines": [{"id": 1, "state": 42}]}
    order = orders.parse_order(record, PARIS)
    assert (order.state, order.orderlines[0].state, order.status) == (77, 42, Status.UNKNOWN)


def test_the_spelling_that_holds_something_wins() -> None:
    record = a_record() | {
        "shipping_address": {"first_name": None, "firstName": "Ana", "city": "Paris", "cityName": "P"}
    }
    assert orders.parse_order(record, PARIS).shipping_address == Address(first_name="Ana", city="Paris")
    assert orders.unknown_fields(record) == {"shipping_address.cityName": "P"}


def test_the_currency_of_an_order_that_names_none_is_its_markets() -> None:
    order = orders.parse_order({"order_id": 5, "country_code": "ja-jp", "price": "12000"}, PARIS)
    assert order.price == Money(12000, "JPY")


def test_unknown_fields_are_listed_by_path_and_spoil_nothing() -> None:
    record = a_record()
    assert orders.unknown_fields(record) == {}
    record["loyalty"] = {"deep": [1]}
    record["orderlines"] = [{"id": 1, "foo": 1}, {"id": 2, "foo": 2, "bar": None}, "not an object"]
    record["shipping_address"] = {"city": "Paris", "door\x1b[31m": "4"}
    assert orders.unknown_fields(record) == {
        "loyalty": {"deep": [1]},
        "orderlines[].foo": 1,
        "orderlines[].bar": None,
        "shipping_address.door\ufffd[31m": "4",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order_id": None}, "order_id: missing"),
        ({"order_id": True}, "order_id: not a whole number"),
        ({"order_id": 2**63}, "order_id: not a whole number"),
        ({"order_id": "1" * 5000}, "order_id: not a whole number"),
        ({"state": "new"}, "state: not a whole number"),
        ({"price": "NaN"}, "price: not an amount"),
        ({"price": "1e999999999"}, "price: not an amount"),
        ({"price": [1]}, "price: not an amount"),
        ({"currency": "euros"}, "currency: not a currency"),
        ({"date_creation": "soon"}, "date_creation: not a time"),
        ({"date_creation": "0001-01-01T00:00:00Z"}, "date_creation: not a time"),
        ({"date_payment": 1_700_000_000}, "date_payment: not a time"),
        ({"tracking_number": {"a": 1}}, "tracking_number: not a text"),
        ({"tracking_number": "x" * 10_000_000}, "tracking_number: too long"),
        ({"is_backship": "perhaps"}, "is_backship: neither true nor false"),
        ({"orderlines": [{"id": None}]}, "orderlines.id: missing"),
        ({"orderlines": [{"id": 1}, {"id": 1}]}, "orderlines.id: the same twice"),
        ({"orderlines": [{"id": 1, "shipping_delay": 10**12}]}, "orderlines.shipping_delay: out of range"),
        ({"orderlines": [{"id": 1, "price": "x"}]}, "orderlines.0.price: not an amount"),
    ],
)
def test_a_fault_is_told_by_field_and_kind(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        orders.parse_order(a_record() | change, PARIS)
    assert str(caught.value) == message


@pytest.mark.parametrize("record", [None, [], "order", 5, {"record": None}])
def test_what_is_no_order_at_all_is_a_fault(record: object) -> None:
    with pytest.raises(InvalidRecord):
        orders.parse_order(record, PARIS)


def test_a_fault_never_shows_a_buyer() -> None:
    record = a_record() | {"shipping_address": {"first_name": ["Secret Name"], "email": {"a": "secret@example.com"}}}
    with pytest.raises(InvalidRecord) as caught:
        orders.parse_order(record, PARIS)
    assert "ecret" not in repr(caught.value)
    assert caught.value.__context__ is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**4000, max_value=10**4000 + 9)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(
        ["", "NaN", "1e999999999", "9999-12-31T23:59:59-14:00", "2026-02-30", "\ud800", "\x00", "EUR", "-1"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
LINE_FIELDS = sorted(orders.WireOrderline.model_fields)


@given(st.data())
def test_any_value_anywhere_is_understood_or_a_fault_and_what_is_understood_can_be_stored(data: st.DataObject) -> None:
    record = a_record()
    for field in data.draw(st.lists(st.sampled_from([*record, "new_field"]), max_size=3)):
        record[field] = data.draw(JSON)
    if data.draw(st.booleans()):
        record["orderlines"] = [{"id": 1, data.draw(st.sampled_from(LINE_FIELDS)): data.draw(JSON)}]
    orders.unknown_fields(record)
    try:
        order = orders.parse_order(record, PARIS)
    except InvalidRecord:
        return
    moments = (order.date_creation, order.date_modification, order.due)
    assert all(len(stamp(moment)) == 24 for moment in moments if moment is not None)
    repr(order).encode("utf-8")
    assert all(abs(price.minor) < 2**63 for price in (order.price, order.shipping_price) if price is not None)


@given(st.dictionaries(st.text(), JSON))
def test_a_record_keeps_every_value_through_its_compact_form(record: dict[str, object]) -> None:
    body = wirejson.dumps(_without_floats(record)).encode("ascii")
    again = wirejson.loads(body)
    assert wirejson.dumps(again).encode("ascii") == body


def _without_floats(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_floats(item) for item in value]
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > 10**50):
        return None
    return value


@pytest.fixture
def page_body() -> dict[str, object]:
    return {
        "count": 51,
        "next": "https://evil.example/ws/orders?page=2",
        "previous": None,
        "results": [a_record(), None],
    }


async def test_a_page_is_asked_by_number_and_its_next_is_only_a_yes_or_no(page_body: dict[str, object]) -> None:
    since = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
    async with scripted(answer(page_body)) as server, client_for(server.url) as client:
        page = await orders.page(
            client, number=2, size=500, modified_since=since, created_since=since, state=1, priority=Priority.NORMAL
        )
    assert page.count == 51
    assert page.has_next
    assert page.records == [a_record(), {"record": None}]
    assert page.server_date == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert server.requests[0].target == (
        "/ws/orders?date_modification=2026-01-31T08%3A00%3A00Z&date_creation=2026-01-31T08%3A00%3A00Z"
        "&state=1&page=2&page-size=50"
    )


async def test_past_the_end_is_an_empty_page_but_a_missing_first_page_is_none() -> None:
    async with scripted(answer({"detail": "Invalid page."}, 404)) as server, client_for(server.url) as client:
        page = await orders.page(client, number=3, priority=Priority.NORMAL)
        assert (page.count, page.has_next, page.records) == (None, False, [])
        with pytest.raises(NotFound):
            await orders.page(client, number=1, priority=Priority.NORMAL)


@pytest.mark.parametrize("body", [[], "x", {}, {"count": 1, "results": None}, {"count": 1, "results": {"a": 1}}, None])
async def test_what_is_no_page_is_an_error(body: object) -> None:
    async with scripted(answer(body)) as server, client_for(server.url) as client:
        with pytest.raises(UnexpectedAnswer):
            await orders.page(client, number=1, priority=Priority.NORMAL)


async def test_one_order_comes_as_it_is() -> None:
    async with scripted(answer(a_record()), answer([])) as server, client_for(server.url) as client:
        assert await orders.one(client, 41200001, priority=Priority.HIGH) == a_record()
        with pytest.raises(UnexpectedAnswer):
            await orders.one(client, 41200001, priority=Priority.HIGH)
    assert server.requests[0].target == "/ws/orders/41200001"


async def test_moving_lines_says_only_what_is_meant() -> None:
    async with scripted(answer(a_record())) as server, client_for(server.url) as client:
        await orders.advance(client, 5, new_state=2, sku="A B", priority=Priority.HIGH)
        await orders.advance(
            client,
            5,
            new_state=3,
            tracking_number=" 6A 123\t456 ",
            date_shipping=datetime(2026, 5, 1, 10, 0, tzinfo=PARIS),
            priority=Priority.HIGH,
        )
        await orders.set_serial(client, 7, imei="356938035643809", priority=Priority.HIGH)
        with pytest.raises(ValueError, match="needed"):
            await orders.set_serial(client, 7, priority=Priority.HIGH)
    assert [(request.method, request.target, request.json()) for request in server.requests] == [
        ("POST", "/ws/orders/5", {"order_id": 5, "new_state": 2, "sku": "A B"}),
        (
            "POST",
            "/ws/orders/5",
            {"order_id": 5, "new_state": 3, "tracking_number": "6A123456", "date_shipping": "2026-05-01T08:00:00Z"},
        ),
        ("PATCH", "/ws/orderlines/7", {"imei": "356938035643809"}),
    ]


async def test_an_invoice_goes_as_a_form_with_its_file() -> None:
    async with scripted(answer({})) as server, client_for(server.url) as client:
        await orders.upload_invoice(
            client, 5, name="invoice 5.pdf", content=b"%PDF-1.7\r\n\x00", priority=Priority.HIGH
        )
    (request,) = server.requests
    kind, _, boundary = request.headers["content-type"].partition("; boundary=")
    assert (request.method, request.target, kind) == ("POST", "/ws/orders/5/invoice", "multipart/form-data")
    first, part, last = request.body.split(b"--" + boundary.encode())
    assert (first, last.strip()) == (b"", b"--")
    assert b'name="invoice"; filename="invoice 5.pdf"' in part
    assert b"Content-Type: application/pdf" in part
    assert b"\r\n\r\n%PDF-1.7\r\n\x00\r\n" in part


def test_nesting_deeper_than_the_interpreter_follows_is_cut_off() -> None:
    deep: object = "bottom"
    for _ in range(5_000):
        deep = [deep]
    assert wirejson.loads(wirejson.dumps({"a": deep, "b": Decimal("1.50")}).encode()) is not None
    assert '"b":1.50' in wirejson.dumps({"a": deep, "b": Decimal("1.50")})
