"""Whatever a client sends is answered or refused; no body makes the sandbox itself fail."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bmconsole.sandbox import ManualClock, Options
from bmconsole.sandbox.answers import Refusal, as_bytes
from bmconsole.sandbox.listing_update import update_listing
from bmconsole.sandbox.order_update import update_order, update_orderline
from bmconsole.sandbox.shop import Shop

SHOP = Shop(Options(seed=2, orders=100, listings=20, markets=("fr-fr", "en-gb"), clock=ManualClock()))

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["108.00", "1e999999", "NaN", "-0", "2026-03-02T10:00:00Z", "https://x.example", Decimal("3.9")])
)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=3), scalars, max_size=2)


def bodies(*names: str) -> st.SearchStrategy[object]:
    return st.dictionaries(st.sampled_from(names), values, max_size=5) | values


@settings(deadline=None)
@given(
    body=bodies(
        "price", "min_price", "currency", "quantity", "comment", "warranty_delay", "shipper_1", "shipping_delay_1",
        "shipping_price_1", "shipper_3",
    ),
    market=st.sampled_from(["fr-fr", "en-gb"]),
)  # fmt: skip
def test_listing_updates(body: object, market: str) -> None:
    listing = SHOP.listings.change(4)
    before = SHOP.listing_bytes(4, market)
    try:
        answer = update_listing(SHOP, listing, market, body)
    except Refusal as refusal:
        status, answer = refusal.response.status_code, {}
    else:
        status = 200
    assert (status == 200) == (answer.get("statuscode") == 200)
    assert as_bytes(answer)
    assert status == 200 or (status == 400 and SHOP.listing_bytes(4, market) == before)


@settings(deadline=None)
@given(
    body=st.dictionaries(
        st.sampled_from(
            ["sku", "tracking_number", "tracking_url", "shipper", "date_shipping", "imei", "serial_number",
             "return_reason", "return_message", "vat_type"]
        ),
        values,
        max_size=5,
    ),
    state=st.sampled_from([2, 3, 4, 5, 6]) | values,
    index=st.integers(0, 99),
)  # fmt: skip
def test_order_updates(body: dict[str, object], state: object, index: int) -> None:
    order = SHOP.orders.change(index)
    before = SHOP.order_bytes(index)
    try:
        update_order(SHOP, order, {**body, "order_id": order.id, "new_state": state})
    except Refusal as refusal:
        status = refusal.response.status_code
    else:
        status = 200
    assert status in {200, 400}
    assert (SHOP.order_bytes(index) == before) == (status == 400)


@settings(deadline=None)
@given(body=bodies("imei", "serial_number"))
def test_orderline_updates(body: object) -> None:
    order = SHOP.orders.change(7)
    status = 200
    try:
        update_orderline(SHOP, order, order.lines[0], body, "/ws/orderlines/1")
    except Refusal as refusal:
        status = refusal.response.status_code
    assert status in {200, 400, 422}
