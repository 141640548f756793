"""The client against the sandbox, which shares no code with it: what one writes the other must read."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bmconsole.backmarket import backbox, listings, orders
from bmconsole.backmarket.client import Client
from bmconsole.domain import markets
from bmconsole.domain.listings import ONLINE, Offer
from bmconsole.domain.money import Money
from bmconsole.domain.orders import Status
from bmconsole.domain.priority import Priority
from bmconsole.errors import FirewallBlocked, NotFound, RateLimited, Refused, Unauthorised, Unreachable
from bmconsole.sandbox import Options, RunningSandbox, running
from bmconsole.sandbox.faults import Drop, Firewall, ServerError, Truncate
from tests.backmarket.scripted import client_for

PARIS = markets.market("fr-fr").zone
ORDERS = 120
LISTINGS = 60


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    options = Options(seed=11, orders=ORDERS, listings=LISTINGS, markets=("fr-fr", "en-gb"), limits=False)
    async with running(options) as ready:
        yield ready


@pytest.fixture
async def client(sandbox: RunningSandbox) -> AsyncIterator[Client]:
    async with client_for(sandbox.url, token=sandbox.token) as ready:
        yield ready


async def all_orders(client: Client) -> list[dict[str, object]]:
    found, number, more = [], 1, True
    while more:
        page = await orders.page(client, number=number, priority=Priority.NORMAL)
        assert page.count == ORDERS
        found += page.records
        number, more = number + 1, page.has_next
    return found


async def test_every_order_is_understood(client: Client) -> None:
    records = await all_orders(client)
    parsed = [orders.parse_order(record, PARIS) for record in records]
    assert len({order.order_id for order in parsed}) == ORDERS
    assert {path for record in records for path in orders.unknown_fields(record)} == set()
    assert Status.UNKNOWN not in {order.status for order in parsed}
    assert all(order.price and order.date_creation and order.date_modification for order in parsed)
    assert all(order.shipping_address.name and order.shipping_address.postal_code for order in parsed)
    again = await orders.one(client, parsed[0].order_id, priority=Priority.HIGH)
    assert orders.parse_order(again, PARIS) == parsed[0]


async def test_the_end_of_the_list_and_its_filters(client: Client) -> None:
    past = await orders.page(client, number=99, priority=Priority.NORMAL)
    assert (past.records, past.has_next) == ([], False)
    since = (client.server_now() - timedelta(days=3)).replace(microsecond=0)
    fresh = await orders.page(client, number=1, modified_since=since, priority=Priority.NORMAL)
    changed = [orders.parse_order(record, PARIS).date_modification for record in fresh.records]
    assert 0 < (fresh.count or 0) < ORDERS
    assert all(moment is not None and moment >= since for moment in changed)
    with pytest.raises(NotFound):
        await orders.one(client, 1, priority=Priority.HIGH)


async def test_every_listing_is_understood_in_each_market(client: Client) -> None:
    for market, currency in (("fr-fr", "EUR"), ("en-gb", "GBP")):
        first = await listings.page(client, market=market, number=1, priority=Priority.NORMAL)
        second = await listings.page(client, market=market, number=2, priority=Priority.NORMAL)
        parsed = [listings.parse_listing(record, market) for record in first.records + second.records]
        assert len({listing.id for listing in parsed}) == LISTINGS
        assert {path for record in first.records for path in listings.unknown_fields(record)} == set()
        assert {listing.offers[market].currency for listing in parsed} == {currency}
        assert all(listing.sku and listing.title and listing.grade for listing in parsed)
    chosen = parsed[0]
    for ref in (chosen.id, chosen.listing_id or 0):
        record = await listings.one(client, ref, market="en-gb", priority=Priority.HIGH)
        assert listings.parse_listing(record, "en-gb") == chosen
    record = await listings.by_sku(client, chosen.sku, market="en-gb", priority=Priority.HIGH)
    assert listings.parse_listing(record, "en-gb") == chosen


async def test_a_price_is_changed_in_one_market_only(client: Client) -> None:
    async def offer(market: str) -> Offer:
        record = await listings.one(client, chosen.id, market=market, priority=Priority.HIGH)
        return listings.parse_listing(record, market).offers[market]

    page = await listings.page(client, market="en-gb", number=1, publication_state=ONLINE, priority=Priority.NORMAL)
    parsed = [listings.parse_listing(record, "en-gb") for record in page.records]
    chosen = next(listing for listing in parsed if listing.offers["en-gb"].min_price is None)
    former, elsewhere = chosen.offers["en-gb"].price, (await offer("fr-fr")).price
    assert former is not None
    wanted = Money(former.minor - 100, "GBP")
    fields = {"price": wanted.text()}
    said = await listings.update(client, chosen.id, fields, market="en-gb", priority=Priority.HIGH)
    assert listings.parse_listing(said, "en-gb").offers["en-gb"].price == wanted
    assert (await offer("en-gb")).price == wanted
    assert (await offer("fr-fr")).price == elsewhere
    with pytest.raises(Refused) as caught:
        await listings.update(client, chosen.id, {"price": "-5"}, market="en-gb", priority=Priority.HIGH)
    assert "price" in caught.value.message
    assert (await offer("en-gb")).price == wanted


async def test_an_order_is_accepted_and_shipped(client: Client) -> None:
    parsed = [orders.parse_order(record, PARIS) for record in await all_orders(client)]
    order = next(order for order in parsed if order.status is Status.TO_ACCEPT and len(order.orderlines) == 1)
    with pytest.raises(Refused):
        await orders.advance(client, order.order_id, new_state=2, priority=Priority.HIGH)
    await orders.advance(client, order.order_id, new_state=2, sku=order.orderlines[0].sku, priority=Priority.HIGH)
    accepted = orders.parse_order(await orders.one(client, order.order_id, priority=Priority.HIGH), PARIS)
    assert accepted.status is Status.TO_SHIP
    await orders.advance(client, order.order_id, new_state=3, tracking_number="6A 1234", priority=Priority.HIGH)
    shipped = orders.parse_order(await orders.one(client, order.order_id, priority=Priority.HIGH), PARIS)
    assert (shipped.status, shipped.tracking_number) == (Status.SHIPPED, "6A1234")
    done = await orders.upload_invoice(
        client, order.order_id, name="i.pdf", content=b"%PDF-1.7", priority=Priority.HIGH
    )
    assert done.status in (200, 201, 204)


async def test_the_backbox_of_a_listing_is_understood(client: Client) -> None:
    page = await listings.page(client, market="fr-fr", number=1, priority=Priority.NORMAL)
    seen = 0
    for record in page.records:
        listing = listings.parse_listing(record, "fr-fr")
        boxes = await backbox.competitors(client, listing.id, priority=Priority.LOW)
        if (box := backbox.pick(boxes, "fr-fr")) is not None:
            observed = box.to_backbox("fr-fr", client.server_now())
            assert observed.winning is not None
            assert observed.price is not None
            seen += 1
    assert 0 < seen < LISTINGS


async def test_reads_survive_passing_faults_and_writes_tell_what_may_have_happened(
    sandbox: RunningSandbox, client: Client
) -> None:
    sandbox.faults.set(ServerError(times=1), Drop(times=1, at="before"))
    assert len((await orders.page(client, number=1, priority=Priority.NORMAL)).records) == 50
    sandbox.faults.set(Truncate(times=1))
    assert len((await orders.page(client, number=1, priority=Priority.NORMAL)).records) == 50
    sandbox.faults.set(ServerError(html=True))
    with pytest.raises(Unreachable):
        await orders.page(client, number=1, priority=Priority.NORMAL)
    listing_id = sandbox.shop.listings.get(0).id
    for wanted, fault in ((31, Drop(at="after")), (32, ServerError(at="after", status=504))):
        sandbox.faults.set(fault)
        with pytest.raises(Unreachable) as caught:
            await listings.update(client, listing_id, {"quantity": wanted}, market="fr-fr", priority=Priority.HIGH)
        assert caught.value.maybe_applied
        assert sandbox.shop.listings.get(0).quantity == wanted
    for firewall in (Firewall(), Firewall(json=True)):
        sandbox.faults.set(firewall)
        with pytest.raises(FirewallBlocked) as blocked:
            await orders.page(client, number=1, priority=Priority.NORMAL)
        assert blocked.value.cf_ray


async def test_a_wrong_token_and_too_many_requests() -> None:
    async with running(Options(orders=5, listings=5, limits={"edge": "2/10"})) as sandbox:
        async with client_for(sandbox.url, token="somebody-else") as stranger:
            with pytest.raises(Unauthorised):
                await orders.page(stranger, number=1, priority=Priority.NORMAL)
        async with client_for(sandbox.url, token=sandbox.token) as client:
            for _ in range(2):
                await orders.page(client, number=1, priority=Priority.NORMAL)
            with pytest.raises(RateLimited):
                await orders.page(client, number=1, priority=Priority.NORMAL)
