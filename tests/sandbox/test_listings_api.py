"""Listings and the backbox over HTTP: markets, filters, the real-time update and everything that it refuses."""

import httpx
import pytest

from bmconsole.sandbox import ManualClock, Options, RunningSandbox, running
from bmconsole.sandbox.backbox import Backbox
from bmconsole.sandbox.listings import ONLINE, Listing

Json = dict[str, object]
DE, GB = {"Accept-Language": "de-de"}, {"Accept-Language": "en-gb"}


def online(sandbox: RunningSandbox, *, floor: bool = False) -> Listing:
    """Return a listing that is online in every market, competes, and has a floor in France or not."""
    listings = sandbox.shop.listings
    for index in range(listings.count):
        listing = listings.get(index)
        everywhere = all(listings.publication_state(listing, market) == ONLINE for market in listings.markets)
        has_floor = listings.offer(listing, "fr-fr").min_price is not None
        if everywhere and has_floor == floor and sandbox.shop.backbox.competes(listing):
            return listing
    raise AssertionError("the shop has no such listing")


async def update(client: httpx.AsyncClient, listing: Listing, body: object, **headers: str) -> httpx.Response:
    return await client.post(f"/ws/listings/{listing.id}", json=body, headers=headers)


# -- reading -----------------------------------------------------------------------------------------------------


async def test_accept_language_picks_the_market(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = online(sandbox)
    path = f"/ws/listings/{listing.id}"
    french = (await client.get(path)).json()
    british = (await client.get(path, headers=GB)).json()
    assert (french["currency"], british["currency"]) == ("EUR", "GBP")
    assert french["price"] != british["price"]
    assert french["comment"] != british["comment"]
    assert french["quantity"] == british["quantity"]
    for unknown in ("es-es", "nonsense", ""):
        assert (await client.get(path, headers={"Accept-Language": unknown})).json() == french
    listed = (await client.get("/ws/listings", headers=GB)).json()["results"]
    assert {row["currency"] for row in listed} == {"GBP"}


async def test_both_ids_and_the_sku_answer_the_same(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    for listing in map(sandbox.shop.listings.get, range(40)):
        answer = (await client.get(f"/ws/listings/{listing.id}")).json()
        assert answer["statuscode"] == 200
        assert (await client.get(f"/ws/listings/{listing.listing_id}")).json() == answer
        assert (await client.get("/ws/listings/detail", params={"sku": listing.sku})).json() == answer
        assert (await client.get("/ws/listings/detail", params={"listing_id": listing.listing_id})).json() == answer


async def test_prices_come_as_in_the_field(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/ws/listings?page-size=50")).json()["results"]
    for row in rows:
        assert isinstance(row["price"], str)
        assert row["min_price"] is None or isinstance(row["min_price"], str)
        assert isinstance(row["max_price"], int | float)
        assert isinstance(row["snowden"], bool)


async def test_filters_of_state_and_stock(client: httpx.AsyncClient) -> None:
    total = 0
    for state in range(5):
        page = (await client.get(f"/ws/listings?page-size=50&publication_state={state}")).json()
        assert {row["publication_state"] for row in page["results"]} <= {state}
        total += page["count"]
    assert total == 120
    page = (await client.get("/ws/listings?page-size=50&min_quantity=1&max_quantity=3")).json()
    assert {row["quantity"] for row in page["results"]} == {1, 2, 3}
    assert (await client.get("/ws/listings?max_quantity=-1")).json()["count"] <= 2
    assert (await client.get("/ws/listings?publication_state=5")).status_code == 400


async def test_filters_follow_a_change(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    before = (await client.get("/ws/listings?publication_state=2")).json()["count"]
    german = (await client.get("/ws/listings?publication_state=2", headers=DE)).json()["count"]
    await update(client, online(sandbox), {"quantity": 0})
    assert (await client.get("/ws/listings?publication_state=2")).json()["count"] == before - 1
    assert (await client.get("/ws/listings?publication_state=2", headers=DE)).json()["count"] == german - 1


async def test_unknown_listings_are_404_in_the_first_shape(client: httpx.AsyncClient) -> None:
    for path in ("00000000-0000-4000-8000-000000000000", "12", "nonsense", "detail?sku=nonsense", "detail?id=12"):
        answer = await client.get(f"/ws/listings/{path}")
        assert answer.status_code == 404
        assert set(answer.json()) == {"error", "requestId"}
    assert (await client.get("/ws/listings/detail")).status_code == 400
    assert (await client.post("/ws/listings/12", json={"quantity": 1})).status_code == 404


# -- writing -----------------------------------------------------------------------------------------------------


async def test_an_update_answers_the_listing_with_statuscode(
    client: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    listing = online(sandbox)
    body = {
        "price": "200.00",
        "min_price": 190.5,
        "currency": "EUR",
        "quantity": "9",
        "comment": "né",
        "warranty_delay": 24,
    }
    answer = (await update(client, listing, body)).json()
    assert answer["statuscode"] == 200
    kept = {name: answer[name] for name in ("price", "min_price", "quantity", "comment", "warranty_delay")}
    assert kept == {"price": "200.00", "min_price": "190.50", "quantity": 9, "comment": "né", "warranty_delay": 24}
    read = (await client.get(f"/ws/listings/{listing.listing_id}")).json()
    assert set(read) ^ set(answer) == {"shippings_response", "new_battery"}
    assert {name: read[name] for name in read if name in answer} == {
        name: answer[name] for name in answer if name in read
    }


async def test_absent_fields_stay(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = online(sandbox)
    path = f"/ws/listings/{listing.id}"
    before = (await client.get(path)).json()
    await update(client, listing, {"quantity": before["quantity"] + 1, "nonsense": 1})
    assert (await client.get(path)).json() == {**before, "quantity": before["quantity"] + 1}


async def test_the_integer_id_writes_too(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = online(sandbox)
    answer = await client.post(f"/ws/listings/{listing.listing_id}", json={"quantity": 3})
    assert answer.json()["quantity"] == 3


async def test_stock_is_shared_and_prices_are_not(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = online(sandbox)
    path = f"/ws/listings/{listing.id}"
    french = (await client.get(path)).json()
    body = {"price": "99.99", "min_price": "95.00", "currency": "GBP", "quantity": 77}
    assert (await client.post(path, json=body, headers=GB)).status_code == 200
    assert (await client.get(path, headers=GB)).json()["price"] == "99.99"
    assert (await client.get(path)).json() == {**french, "quantity": 77}


async def test_quantity_0_takes_it_offline_everywhere_and_back(
    client: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    listing = online(sandbox)
    assert (await update(client, listing, {"quantity": 0})).json()["publication_state"] == 3
    assert (await client.get(f"/ws/listings/{listing.id}", headers=DE)).json()["publication_state"] == 3
    assert (await update(client, listing, {"quantity": 1})).json()["publication_state"] == 2


async def test_above_max_price_it_is_stored_and_goes_offline(
    client: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    answer = (await update(client, online(sandbox), {"price": "9999.00"})).json()
    assert (answer["price"], answer["publication_state"]) == ("9999.00", 3)


async def test_currency_is_required_where_it_is_not_the_platforms(
    client: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    listing = online(sandbox)
    assert (await update(client, listing, {"price": "200"})).status_code == 200
    answer = await client.post(f"/ws/listings/{listing.id}", json={"price": "200"}, headers=GB)
    assert (answer.status_code, answer.json()) == (400, "currency: required for the market en-gb")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"price": "200", "currency": "GBP"}, "currency"),
        ({"price": "200.123", "currency": "EUR"}, "decimal places"),
        ({"price": 200.123}, "decimal places"),
        ({"price": "0"}, "greater than 0"),
        ({"price": "-1"}, "greater than 0"),
        ({"price": "abc"}, "valid number"),
        ({"price": "NaN"}, "valid number"),
        ({"price": None}, "valid number"),
        ({"price": True}, "valid number"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": "1.5"}, "valid integer"),
        ({"quantity": None}, "valid integer"),
        ({"comment": "x" * 501}, "500"),
        ({"comment": 5}, "comment"),
        ({"warranty_delay": 11}, "warranty_delay"),
        ({"min_price": "1000000", "price": "200"}, "min_price"),
        ({"price": "108.01", "min_price": "100"}, "too far"),
        ({"shipper_1": 5}, "shipper_1"),
        ({"shipper_1": "UPS", "shipping_price_1": "-1"}, "shipping_price_1"),
        ([], "JSON"),
    ],
)
async def test_refusals_are_bare_strings_and_change_nothing(
    client: httpx.AsyncClient, sandbox: RunningSandbox, body: object, says: str
) -> None:
    listing = online(sandbox)
    before = (await client.get(f"/ws/listings/{listing.id}")).content
    answer = await update(client, listing, body)
    assert answer.status_code == 400
    assert isinstance(answer.json(), str)
    assert says in answer.json()
    assert (await client.get(f"/ws/listings/{listing.id}")).content == before


async def test_a_body_that_is_no_json_is_refused(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    answer = await client.post(f"/ws/listings/{online(sandbox).id}", content=b"{")
    assert (answer.status_code, answer.json()) == (400, "invalid JSON body")


async def test_the_floor_bounds_a_price_of_its_own(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = online(sandbox, floor=True)
    assert (await update(client, listing, {"price": "108.00", "min_price": "100.00"})).status_code == 200
    assert "too far" in (await update(client, listing, {"price": "108.01"})).json()
    assert "min_price" in (await update(client, listing, {"price": "99.99"})).json()


async def test_yen_have_no_decimals(clock: ManualClock) -> None:
    headers = {"User-Agent": "BM-Example-Tests;tests@seller.example", "Authorization": "Basic t"}
    async with (
        running(Options(markets=("ja-jp",), orders=0, listings=5, token="t", clock=clock)) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, headers=headers) as client,
    ):
        path = f"/ws/listings/{sandbox.shop.listings.get(0).id}"
        body = {"price": "20000", "min_price": "19000", "currency": "JPY"}
        assert (await client.post(path, json=body)).json()["price"] == "20000"
        assert "decimal" in (await client.post(path, json={**body, "price": "20000.5"})).json()


async def test_shippings_are_set_and_removed(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = online(sandbox)
    body = {"shipper_1": "UPS", "shipping_delay_1": 24, "shipping_price_1": "3.90"}
    answer = (await update(client, listing, body)).json()
    assert answer["shippings"][0] == {
        "country_code": "fr-fr",
        "shipper": "UPS",
        "shipper_display": "UPS",
        "shipping_delay": 24,
        "shipping_price": "3.90",
    }
    assert answer["shippings_response"] == ["Shipping method 1 (UPS) updated"]
    assert (await update(client, listing, {"shipper_1": None})).json()["shippings"] == []


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
async def test_other_methods_answer_405(client: httpx.AsyncClient, sandbox: RunningSandbox, method: str) -> None:
    answer = await client.request(method, f"/ws/listings/{online(sandbox).id}", json={"quantity": 1})
    assert answer.status_code == 405


# -- the backbox -------------------------------------------------------------------------------------------------


async def competitors(client: httpx.AsyncClient, clock: ManualClock, listing: Listing) -> list[Json]:
    clock.advance(1)
    answer = await client.get(f"/ws/backbox/v1/competitors/{listing.id}")
    assert answer.status_code == 200
    found: list[Json] = answer.json()
    return found


async def test_a_backbox_has_an_element_for_each_market(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    listing = online(sandbox)
    found = await competitors(client, clock, listing)
    assert [element["market"] for element in found] == ["FR", "DE", "GB"]
    assert {element["listing_id"] for element in found} == {listing.id}


async def test_winning_echoes_our_price_and_losing_asks_for_less(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    listing = online(sandbox)
    price = sandbox.shop.listings.offer(listing, "fr-fr").price
    backbox: Backbox = sandbox.shop.backbox
    backbox.set_rival(listing, "fr-fr", price)
    won = (await competitors(client, clock, listing))[0]
    assert won["is_winning"] is True
    assert won["price_to_win"] == won["price"] == won["winner_price"]
    backbox.set_rival(listing, "fr-fr", price - 500)
    lost = (await competitors(client, clock, listing))[0]
    assert lost["is_winning"] is False
    amounts = [float(lost[name]["amount"]) for name in ("price_to_win", "winner_price", "price")]  # type: ignore[index]
    assert amounts == sorted(set(amounts))
    backbox.set_rival(listing, "fr-fr", None)
    assert (await competitors(client, clock, listing))[0]["is_winning"] is True


async def test_a_price_change_takes_a_while_to_settle(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    listing = online(sandbox)
    sandbox.shop.backbox.set_rival(listing, "fr-fr", 20_000)
    await update(client, listing, {"price": "250.00"})
    clock.advance(200)
    assert (await competitors(client, clock, listing))[0]["is_winning"] is False
    await update(client, listing, {"price": "199.00"})
    assert (await competitors(client, clock, listing))[0]["is_winning"] is False
    clock.advance(180)
    settled = (await competitors(client, clock, listing))[0]
    assert (settled["is_winning"], settled["price"]) == (True, {"amount": "199.00", "currency": "EUR"})


async def test_what_competes_nowhere_is_404(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    listings = sandbox.shop.listings
    alone = next(listing for listing in map(listings.get, range(120)) if not sandbox.shop.backbox.competes(listing))
    answer = await client.get(f"/ws/backbox/v1/competitors/{alone.id}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance", "errors"}
    assert answer.json()["type"].startswith("/")
    listing = online(sandbox)
    await update(client, listing, {"quantity": 0})
    clock.advance(1)
    assert (await client.get(f"/ws/backbox/v1/competitors/{listing.id}")).status_code == 404


async def test_the_backbox_wants_a_uuid(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    answer = await client.get(f"/ws/backbox/v1/competitors/{online(sandbox).listing_id}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["target"] == "listingId"
    assert answer.json()["status"] == 422


def test_the_share_that_competes_is_settable() -> None:
    from bmconsole.sandbox.shop import Shop

    for share in (0.12, 0.5):
        shop = Shop(Options(orders=0, listings=2000, backbox_share=share, clock=ManualClock()))
        found = sum(shop.backbox.competes(shop.listings.get(index)) for index in range(2000)) / 2000
        assert abs(found - share) < 0.04
