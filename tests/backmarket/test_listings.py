"""Listings: what they look like in a market, and how one is changed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.backmarket import listings
from bmconsole.backmarket.failures import UnexpectedAnswer
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.domain.listings import Listing, Offer
from bmconsole.domain.money import Money
from bmconsole.domain.priority import Priority
from bmconsole.errors import NotFound, Refused, UsageError
from tests.backmarket.scripted import answer, client_for, scripted
from tests.backmarket.test_orders import JSON

UUID = "7a97a1b6-547e-4718-bc72-5b84aca91b09"


def a_record() -> dict[str, object]:
    return {
        "id": UUID,
        "listing_id": 4567,
        "product_id": "6d4ad966-db97-4d88-b409-b28cc2a0f8c9",
        "backmarket_id": 42,
        "sku": "IPHONE_6S  64",
        "title": "iPhone 6S - 64Go",
        "grade": "EXCELLENT",
        "state": 0,
        "publication_state": 2,
        "quantity": -1,
        "currency": "EUR",
        "price": "160.99",
        "min_price": None,
        "max_price": Decimal("199.90"),
        "comment": "",
        "warranty_delay": 24,
        "shippings": [{"shipper": "UPS", "shipping_delay": 24, "colour": "brown"}],
        "new_battery": False,
        "snowden": True,
        "statuscode": 200,
    }


def test_a_listing_of_the_field() -> None:
    assert listings.parse_listing(a_record(), "fr-fr") == Listing(
        id=UUID,
        listing_id=4567,
        sku="IPHONE_6S  64",
        title="iPhone 6S - 64Go",
        product_id="6d4ad966-db97-4d88-b409-b28cc2a0f8c9",
        backmarket_id=42,
        grade="EXCELLENT",
        quantity=-1,
        offers={
            "fr-fr": Offer(
                market="fr-fr",
                currency="EUR",
                price=Money(16099, "EUR"),
                min_price=None,
                max_price=Money(19990, "EUR"),
                publication_state=2,
                comment="",
                warranty_delay=24,
            )
        },
    )
    assert listings.unknown_fields(a_record()) == {"shippings[].colour": "brown"}


def test_an_id_is_enough_and_the_market_gives_the_currency() -> None:
    listing = listings.parse_listing({"id": UUID, "price": "12000", "state": 1}, "ja-jp")
    assert (listing.sku, listing.title, listing.quantity, listing.grade) == ("", "", None, "VERY_GOOD")
    assert listing.offers["ja-jp"].price == Money(12000, "JPY")


@pytest.mark.parametrize("field", sorted(a_record().keys() - {"id"}))
def test_any_field_may_be_null_or_absent(field: str) -> None:
    absent = a_record()
    del absent[field]
    assert listings.parse_listing(a_record() | {field: None}, "fr-fr") == listings.parse_listing(absent, "fr-fr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "id: missing"),
        ({"id": "../orders"}, "id: not an id"),
        ({"quantity": 1.5}, "quantity: not a whole number"),
        ({"price": "free"}, "price: not an amount"),
        ({"sku": ["x"]}, "sku: not a text"),
    ],
)
def test_a_fault_is_told_by_field_and_kind(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        listings.parse_listing(a_record() | change, "fr-fr")
    assert str(caught.value) == message


@given(st.data())
def test_any_value_anywhere_is_understood_or_a_fault(data: st.DataObject) -> None:
    record = a_record()
    for field in data.draw(st.lists(st.sampled_from([*record, "new_field"]), max_size=3)):
        record[field] = data.draw(JSON)
    listings.unknown_fields(record)
    try:
        listing = listings.parse_listing(record, data.draw(st.sampled_from(["fr-fr", "ja-jp", "xx-xx"])))
    except InvalidRecord:
        return
    repr(listing).encode("utf-8")


async def test_reading_asks_for_the_market() -> None:
    record = a_record() | {"max_price": 199}
    body = {"count": 1, "next": None, "previous": None, "results": [record]}
    async with scripted(answer(body), answer(body), answer(record)) as server, client_for(server.url) as client:
        page = await listings.page(client, market="de-de", number=1, publication_state=2, priority=Priority.NORMAL)
        await listings.page(client, market="de-de", number=2, priority=Priority.NORMAL)
        for ref in (UUID, 4567, "4567"):
            assert await listings.one(client, ref, market="en-gb", priority=Priority.HIGH) == record
        await listings.by_sku(client, "A B/ü&x=1", market="en-gb", priority=Priority.HIGH)
    assert (page.count, page.has_next, len(page.records)) == (1, False, 1)
    assert [(request.headers["accept-language"], request.target) for request in server.requests] == [
        ("de-de", "/ws/listings?publication_state=2&page=1&page-size=50"),
        ("de-de", "/ws/listings?page=2&page-size=50"),
        ("en-gb", f"/ws/listings/{UUID}"),
        ("en-gb", "/ws/listings/4567"),
        ("en-gb", "/ws/listings/4567"),
        ("en-gb", "/ws/listings/detail?sku=A+B%2F%C3%BC%26x%3D1"),
    ]


@pytest.mark.parametrize("ref", ["", "../orders", "a/b", "x?y", "ü", "a" * 65])
async def test_only_an_id_becomes_part_of_a_path(ref: str) -> None:
    async with scripted(answer({})) as server, client_for(server.url) as client:
        with pytest.raises(UsageError):
            await listings.one(client, ref, market="fr-fr", priority=Priority.HIGH)
        with pytest.raises(UsageError):
            await listings.update(client, ref, {"quantity": 1}, market="fr-fr", priority=Priority.HIGH)
        assert server.connections == 0


@pytest.mark.parametrize(
    ("market", "currency"), [("fr-fr", "EUR"), ("en-gb", "GBP"), ("ja-jp", "JPY"), ("sv-se", "SEK")]
)
async def test_an_update_names_the_currency_of_its_market(market: str, currency: str) -> None:
    async with scripted(answer(a_record() | {"max_price": 199})) as server, client_for(server.url) as client:
        fields = {"price": "150.00", "min_price": None, "quantity": 3}
        record = await listings.update(client, UUID, fields, market=market, priority=Priority.HIGH)
    (request,) = server.requests
    assert record is not None
    assert record["id"] == UUID
    assert (request.method, request.target) == ("POST", f"/ws/listings/{UUID}")
    assert request.headers["accept-language"] == market
    assert request.json() == {"price": "150.00", "min_price": None, "quantity": 3, "currency": currency}


async def test_what_an_update_may_answer_besides_the_listing() -> None:
    refused = answer({"statuscode": 400, "message": "price too low"})
    answers = (answer(raw=b"", status=204), refused, answer("ok"), answer("too low", 400), answer({}, 404))
    async with scripted(*answers) as server, client_for(server.url) as client:

        async def update() -> object:
            return await listings.update(client, UUID, {"price": "1.00"}, market="fr-fr", priority=Priority.HIGH)

        assert await update() is None
        with pytest.raises(Refused, match="price too low"):
            await update()
        with pytest.raises(UnexpectedAnswer) as caught:
            await update()
        assert caught.value.maybe_applied
        with pytest.raises(Refused, match="too low"):
            await update()
        with pytest.raises(NotFound):
            await update()
    assert len(server.requests) == 5
