"""The backbox: one item for each market, picked by market and never by place."""

import logging
from datetime import UTC, datetime

import pytest

from bmconsole.backmarket import backbox
from bmconsole.backmarket.failures import UnexpectedAnswer
from bmconsole.domain.listings import Backbox
from bmconsole.domain.money import Money
from bmconsole.domain.priority import Priority
from bmconsole.errors import RateLimited
from tests.backmarket.scripted import answer, client_for, scripted

UUID = "7e1f4a8d-b1bb-47aa-9f77-2cca759eb41b"
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def item(market: str, price: str, *, winning: bool = False, currency: str = "EUR") -> dict[str, object]:
    amount = {"amount": price, "currency": currency}
    return {
        "listing_id": UUID,
        "product_id": "6d4ad966-db97-4d88-b409-b28cc2a0f8c9",
        "market": market,
        "price": amount,
        "min_price": None,
        "price_to_win": amount,
        "winner_price": amount,
        "is_winning": winning,
    }


async def test_the_market_picks_the_item() -> None:
    body = [item("DE", "99.00"), item("FR", "42.00", winning=True), item("GB", "38.5", currency="GBP")]
    async with scripted(answer(body)) as server, client_for(server.url) as client:
        boxes = await backbox.competitors(client, UUID, priority=Priority.LOW, deadline=None)
    assert server.requests[0].target == f"/ws/backbox/v1/competitors/{UUID}"
    french = backbox.pick(boxes, "fr-fr")
    assert french is not None
    price = Money(4200, "EUR")
    assert french.to_backbox("fr-fr", NOW) == Backbox(price, price, price, True, NOW, NOW)
    british = backbox.pick(boxes, "en-gb")
    assert british is not None
    assert british.to_backbox("en-gb", NOW).price == Money(3850, "GBP")
    assert backbox.pick(boxes, "es-es") is None
    assert backbox.pick(boxes, "en-au") is None
    assert backbox.pick(boxes, "xx-xx") is None


async def test_nothing_is_known_where_the_listing_competes_nowhere() -> None:
    async with scripted(answer({}, 404), answer([])) as server, client_for(server.url) as client:
        assert await backbox.competitors(client, UUID, priority=Priority.LOW) == []
        assert await backbox.competitors(client, UUID, priority=Priority.LOW) == []


async def test_prices_may_be_null_or_absent() -> None:
    body = [{"market": "FR", "price": None, "price_to_win": {"amount": None, "currency": None}, "is_winning": None}]
    async with scripted(answer(body)) as server, client_for(server.url) as client:
        (box,) = await backbox.competitors(client, UUID, priority=Priority.LOW)
    assert box.to_backbox("fr-fr", NOW) == Backbox(None, None, None, None, NOW, NOW)


async def test_a_bad_item_or_one_about_another_listing_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    other = item("IT", "1.00") | {"listing_id": "6d4ad966-db97-4d88-b409-b28cc2a0f8c9"}
    bad = item("DE", "cheap")
    async with (
        scripted(answer([None, bad, other, item("FR", "42.00"), "x"])) as server,
        client_for(server.url) as client,
    ):
        boxes = await backbox.competitors(client, UUID, priority=Priority.LOW)
    assert [box.market for box in boxes] == ["FR"]
    assert "price.amount: not an amount" in caplog.text
    assert "another listing" in caplog.text


async def test_two_items_that_disagree_are_none() -> None:
    same = [item("FR", "42.00"), item("FR", "42.00")]
    async with scripted(answer(same), answer([*same, item("FR", "1.00")])) as server, client_for(server.url) as client:
        assert backbox.pick(await backbox.competitors(client, UUID, priority=Priority.LOW), "fr-fr") is not None
        assert backbox.pick(await backbox.competitors(client, UUID, priority=Priority.LOW), "fr-fr") is None


async def test_other_failures_are_not_taken_for_no_data() -> None:
    async with scripted(answer({}, 429), answer({"results": []})) as server, client_for(server.url) as client:
        with pytest.raises(RateLimited):
            await backbox.competitors(client, UUID, priority=Priority.LOW)
        with pytest.raises(UnexpectedAnswer):
            await backbox.competitors(client, UUID, priority=Priority.LOW)


def test_unknown_fields_are_listed() -> None:
    record = item("FR", "1.00") | {"rank": 3, "price": {"amount": "1", "vat": "0.2"}}
    assert backbox.unknown_fields(record) == {"rank": 3, "price.vat": "0.2"}
