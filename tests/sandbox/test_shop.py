"""The invented shop: the same arguments give the same data, and the data looks like a seller's."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from bmconsole.sandbox import ManualClock, Options
from bmconsole.sandbox.listings import ONLINE
from bmconsole.sandbox.order_json import moment, order_json
from bmconsole.sandbox.orders import Order
from bmconsole.sandbox.shop import Shop

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def shop(**changes: object) -> Shop:
    arguments: dict[str, object] = {
        "seed": 7,
        "orders": 3000,
        "listings": 2000,
        "clock": ManualClock(MONDAY),
        **changes,
    }
    return Shop(Options(**arguments))  # type: ignore[arg-type]  # a test's shorthand


def orders_of(a_shop: Shop) -> list[Order]:
    return [a_shop.orders.get(index) for index in range(len(a_shop.orders))]


def test_same_arguments_give_the_same_bytes() -> None:
    one, other = shop(), shop()
    for index in (0, 17, 2999):
        assert one.order_bytes(index) == other.order_bytes(index)
    assert one.listing_bytes(1999, "fr-fr") == other.listing_bytes(1999, "fr-fr")
    assert one.order_bytes(17) != shop(seed=8).order_bytes(17)


def test_identity_does_not_depend_on_the_time() -> None:
    early, late = shop(now=MONDAY), shop(now=MONDAY + timedelta(days=400))
    for index in range(0, 3000, 97):
        one, other = early.orders.get(index), late.orders.get(index)
        assert (one.id, one.market, one.lines[0].listing, one.lines[0].price) == (
            other.id,
            other.market,
            other.lines[0].listing,
            other.lines[0].price,
        )
        assert other.created - one.created == 400 * 86_400 * 1_000_000
    assert early.listing_bytes(5, "fr-fr") == late.listing_bytes(5, "fr-fr")


@pytest.mark.parametrize("listed", [0, 1, 5, 20, 21, 44, 45, 300, 1000])
def test_a_list_shows_as_many_orders_as_asked_for(listed: int) -> None:
    found = shop(orders=listed).orders
    assert len(found.select()) == listed
    assert len(found) - listed == sum(state in {0, 8} for state in found.states)


def test_the_history_ends_before_now_and_reaches_back() -> None:
    found = orders_of(shop())
    assert all(
        order.created <= order.modified < (MONDAY - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
        for order in found
    )
    assert MONDAY - moment(found[-1].created) < timedelta(minutes=30)
    assert MONDAY - moment(found[0].created) > timedelta(days=29)
    assert [order.created for order in found] == sorted(order.created for order in found)


def test_every_kind_of_order_is_there() -> None:
    found = orders_of(shop(orders=300))
    now = int(MONDAY.timestamp() * 1_000_000)
    states = Counter(order.state for order in found)
    lines = Counter(line.state for order in found for line in order.lines)
    assert min(states[state] for state in (0, 1, 3, 8, 9, 10)) >= 1
    assert min(lines[state] for state in (0, 1, 2, 3, 4, 5, 6, 7, 8)) >= 1
    assert sum(order.state in {1, 3} and order.due is not None and order.due < now for order in found) >= 2
    assert any(len(order.lines) > len({line.listing for line in order.lines}) for order in found)
    assert any(line.quantity == 2 for order in found for line in order.lines)
    assert any({line.state for line in order.lines} == {1, 2} for order in found)


def test_the_past_is_distributed_as_counted_in_the_field() -> None:
    a_shop = shop(orders=6000, markets=("fr-fr", "de-de", "es-es"))
    found = [order for order in orders_of(a_shop) if order.state == 9 and a_shop.orders.history.rank(order.index) > 900]
    lines = Counter(order.lines[0].state for order in found)
    assert 0.86 < lines[3] / len(found) < 0.90
    assert 0.055 < lines[6] / len(found) < 0.085
    assert 0.03 < lines[4] / len(found) < 0.05
    main = sum(order.market == "fr-fr" for order in found) / len(found)
    assert 0.90 < main < 0.94
    hours = sorted((order.shipped - order.paid) / 3_600_000_000 for order in found if order.shipped and order.paid)
    assert 20 < hours[len(hours) // 2] < 26
    assert 60 < hours[len(hours) * 9 // 10] < 80
    delays = Counter(line.shipping_delay for order in found for line in order.lines)
    assert 0.72 < delays[24] / sum(delays.values()) < 0.80


def test_no_order_has_the_id_of_a_line() -> None:
    found = orders_of(shop())
    ids = {order.id for order in found}
    lines = {line.id for order in found for line in order.lines}
    assert len(ids) == len(found)
    assert len(lines) == sum(len(order.lines) for order in found)
    assert not ids & lines


def test_lines_refer_to_listings_that_exist() -> None:
    a_shop = shop()
    for order in orders_of(a_shop)[::53]:
        shown = order_json(order, a_shop.listings)
        for line in shown["orderlines"]:  # type: ignore[attr-defined]  # a list by construction
            index = a_shop.listings.find_sku(line["listing"])
            assert index is not None
            assert a_shop.listings.get(index).listing_id == line["listing_id"]


def test_listings_are_found_by_uuid_integer_and_sku() -> None:
    listings = shop().listings
    seen = set()
    for index in range(0, 2000, 7):
        listing = listings.get(index)
        assert listings.find(listing.id) == listings.find(listing.id.upper()) == index
        assert listings.find(str(listing.listing_id)) == index
        assert listings.find_sku(listing.sku) == listings.find_sku(listing.sku.lower()) == index
        assert len(listing.sku) <= 50
        assert len(listing.variant.title) <= 108
        seen |= {listing.id, listing.sku, str(listing.listing_id)}
    assert len(seen) == 3 * len(range(0, 2000, 7))
    assert listings.find("00000000-0000-4000-8000-000000000000") is None
    assert listings.find("1400000000") is None
    assert listings.find_sku("nope-9999999") is None


def test_offers_are_distributed_as_counted_in_the_field() -> None:
    listings = shop(listings=4000).listings
    offers = [listings.offer(listings.get(index), "fr-fr") for index in range(4000)]
    assert 0.66 < sum(offer.min_price is None for offer in offers) / 4000 < 0.74
    assert 0.045 < sum(offer.max_price is not None and offer.price > offer.max_price for offer in offers) / 4000 < 0.075
    assert all(offer.min_price is None or offer.min_price <= offer.price <= offer.min_price * 1.08 for offer in offers)
    assert len(list(listings.online("fr-fr"))) > 2000
    assert any(listings.get(index).quantity == -1 for index in range(4000))
    assert {listings.publication_state(listings.get(index), "fr-fr") for index in range(4000)} == {0, 1, 2, 3, 4}


def test_filters_agree_with_what_is_shown() -> None:
    listings = shop(markets=("fr-fr", "de-de")).listings
    changed = listings.change(3)
    changed.quantity = 555
    listings.changed(changed)
    for market in ("fr-fr", "de-de"):
        shown = [listings.publication_state(listings.get(index), market) for index in range(2000)]
        for state in range(5):
            found = list(listings.select(market, state, None, None))
            assert found == [index for index in range(2000) if shown[index] == state]
    stocks = [listings.get(index).quantity for index in range(2000)]
    assert list(listings.select("fr-fr", None, 5, 600)) == [index for index in range(2000) if 5 <= stocks[index] <= 600]
    assert stocks[3] == 555


def test_what_is_dearer_than_allowed_is_offline() -> None:
    listings = shop().listings
    for index in range(2000):
        listing = listings.get(index)
        offer = listings.offer(listing, "fr-fr")
        if offer.max_price is not None and offer.price > offer.max_price:
            assert listings.publication_state(listing, "fr-fr") != ONLINE


def test_buyers_of_each_market_write_in_their_script() -> None:
    for market, sample in (("el-gr", "Α"), ("fr-fr", "é")):
        a_shop = shop(markets=(market,), orders=200)
        text = b"".join(map(a_shop.order_bytes, range(200))).decode()
        assert sample in text
    japan = shop(markets=("ja-jp",), orders=50)
    text = b"".join(map(japan.order_bytes, range(50))).decode()
    assert "last_name_pronunciation" in text
    assert '"currency":"JPY","price":"' in text
    assert ".00" not in text.split('"price":"')[1].split('"')[0]


def test_a_purchase_adds_an_order_and_lowers_the_stock() -> None:
    a_shop = shop()
    listing = a_shop.listings.change(next(a_shop.listings.online("fr-fr")))
    before, count = listing.quantity, len(a_shop.orders.select())
    order = a_shop.place_order(listing, "fr-fr")
    assert a_shop.listings.get(listing.index).quantity == before - 1
    assert len(a_shop.orders.select()) == count + 1
    assert a_shop.orders.select()[0] == order.index
    assert a_shop.orders.find(order.id) == order.index
    assert order.lines[0].listing == listing.index


@pytest.mark.parametrize(
    "wrong",
    [
        {"markets": ()},
        {"markets": ("fr-xx",)},
        {"markets": ("fr-fr", "fr-fr")},
        {"markets": ("fr-fr", "en-us")},
        {"orders": -1},
        {"orders": 1, "listings": 0},
        {"ordering": "price"},
        {"seed": -1},
    ],
)
def test_impossible_shops_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Options(**wrong)  # type: ignore[arg-type]  # wrong on purpose
