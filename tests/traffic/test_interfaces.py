import asyncio

import pytest

from bmconsole.domain.priority import Priority
from bmconsole.errors import SettingsError
from bmconsole.traffic import (
    CostTooLarge,
    DeadlineExpired,
    Rule,
    TrafficController,
    costs_of,
    default_rules,
    parse_limit,
    route_name,
    rules_from_settings,
)
from tests.traffic.virtual import VirtualLoop
from tests.traffic.world import EDGE, World

SMALL = (Rule("edge", 5, 1.0), Rule("sku_lines", 100, 3600.0))


def test_a_limit_is_requests_over_seconds() -> None:
    assert parse_limit("200/10") == (200, 10.0)
    assert parse_limit("2/0.5") == (2, 0.5)


@pytest.mark.parametrize("text", ["", "200", "0/10", "-1/10", "200/0", "200/-3", "a/b", "200/inf", "200/nan", "1.5/10"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_limit(text)


def test_settings_replace_documented_limits() -> None:
    rules = {rule.name: rule for rule in rules_from_settings({"edge": "150/10", "care": "60/60"})}
    assert (rules["edge"].limit, rules["edge"].window) == (150, 10.0)
    assert (rules["care"].limit, rules["care"].window) == (60, 60.0)
    assert (rules["sensitive"].limit, rules["sensitive"].window) == (20, 10.0)
    assert rules.keys() == {rule.name for rule in default_rules()}


def test_an_unknown_limit_is_refused() -> None:
    with pytest.raises(SettingsError, match="egde"):
        rules_from_settings({"egde": "200/10"})


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/ws/orders", (("edge", 1),)),
        ("GET", "/ws/orders/123", (("edge", 1),)),
        ("GET", "/ws/listings", (("edge", 1),)),
        ("GET", "/ws/listings/0f9ad1b8-6d3a-4a51-9d5c-7a4f1a2b3c4d", (("edge", 1),)),
        ("POST", "/ws/listings", (("edge", 1), ("sensitive", 1), ("sku_lines", 7))),
        ("post", "/ws/listings/12", (("edge", 1), ("sensitive", 1), ("sku_lines", 7))),
        ("GET", "/ws/category/tree", (("edge", 1), ("sensitive", 1))),
        ("GET", "/ws/category/tree/2/", (("edge", 1), ("sensitive", 1))),
        ("GET", "/ws/backbox/v1/competitors/0f9a", (("edge", 1), ("competitors", 1))),
        ("GET", "/ws/listings_bi", (("edge", 1), ("listings_bi:AT", 1))),
        ("GET", "/ws/sav", (("edge", 1), ("care", 1), ("care_day", 1))),
        ("GET", "/ws/sav/5", (("edge", 1), ("care_folder", 1), ("care_folder_day", 1))),
        ("POST", "/ws/sav/refund", (("edge", 1), ("care_refund_day", 1))),
        ("POST", "/ws/sav/5/msg", (("edge", 1), ("care_message", 1), ("care_message_day", 1))),
        ("GET", "/ws/unheard-of", (("edge", 1),)),
    ],
)
def test_a_route_takes_its_rules(method: str, path: str, expected: tuple[tuple[str, int], ...]) -> None:
    assert costs_of(method, path, sku_lines=7, market="de-at") == expected


def test_every_rule_of_every_route_exists() -> None:
    known = {rule.name for rule in default_rules()}
    named = {
        name.partition(":")[0]
        for method in ("GET", "POST")
        for path in (
            "/ws/listings",
            "/ws/category/tree",
            "/ws/backbox/v1/competitors/1",
            "/ws/listings_bi",
            "/ws/sav",
            "/ws/sav/1",
            "/ws/sav/refund",
            "/ws/sav/1/msg",
            "/ws/sav/1/problem",
            "/ws/sav/1/item-transfer",
        )
        for name, _ in costs_of(method, path)
    }
    assert named == known


def test_a_route_is_named_without_ids() -> None:
    assert route_name("get", "/ws/orders/123456") == "GET /ws/orders/{id}"
    assert route_name("POST", "/ws/listings/0f9ad1b8-6d3a-4a51-9d5c-7a4f1a2b3c4d") == "POST /ws/listings/{id}"
    assert route_name("GET", "/ws/backbox/v1/competitors/1/") == "GET /ws/backbox/v1/competitors/{id}"


def test_the_rest_waits_until_the_window_has_passed() -> None:
    world = World(SMALL)

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(12)))
        await controller.aclose()

    world.run(scenario)
    times = sorted(world.grants[Priority.CRITICAL])
    assert len(times) == 12
    assert times[4] == times[0]
    assert times[5] - times[0] >= 1.0
    assert world.oracle.fullest("edge") == 5


def test_higher_priorities_go_first() -> None:
    world = World(SMALL)
    order: list[Priority] = []

    async def one(controller: TrafficController, priority: Priority) -> None:
        await world.request(controller, priority)
        order.append(priority)

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(5)))
        tasks = [
            asyncio.create_task(one(controller, priority)) for priority in (*reversed(Priority), *reversed(Priority))
        ]
        await asyncio.gather(*tasks)
        await controller.aclose()

    world.run(scenario)
    assert order == sorted(order)


def test_more_than_a_rule_ever_allows_is_refused_at_once() -> None:
    world = World(SMALL)

    async def scenario() -> None:
        controller = world.controller()
        with pytest.raises(CostTooLarge):
            await controller.acquire((("edge", 1), ("sku_lines", 101)), Priority.HIGH)
        with pytest.raises(CostTooLarge):
            await controller.acquire((("edge", 1), ("sku_lines", 81)), Priority.NORMAL)
        await world.request(controller, Priority.HIGH, (("edge", 1), ("sku_lines", 100)))
        await controller.aclose()

    world.run(scenario)


def test_a_request_past_its_deadline_is_not_sent() -> None:
    world = World(SMALL)

    async def scenario() -> None:
        controller = world.controller()
        await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(5)))
        began = world.loop.time()
        with pytest.raises(DeadlineExpired):
            await controller.acquire(EDGE, Priority.LOW, began + 0.5)
        assert world.loop.time() <= began + 0.5 + 1e-6
        assert controller.snapshot().priority(Priority.LOW).expired == 1
        assert controller.snapshot().rule("edge").used == 5
        await controller.aclose()

    world.run(scenario)


def test_a_lost_wake_up_is_noticed_by_the_virtual_loop() -> None:
    loop = VirtualLoop()

    async def never() -> None:
        await loop.create_future()

    with pytest.raises(RuntimeError, match="lost"):
        loop.run_until_complete(never())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
