"""The httpx transport against a server on loopback."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from bmconsole.domain.priority import Priority
from bmconsole.traffic import DeadlineExpired, LimitedTransport, MemoryLedger, Rule, TrafficController
from tests.traffic.loopback import Arrival, Reply, StrictServer
from tests.traffic.server import fullest

RULES = (
    Rule("edge", 50, 0.2),
    Rule("sensitive", 10, 0.2),
    Rule("sku_lines", 100, 3600.0),
    Rule("listings_bi", 2, 3600.0, scoped=True),
)


@asynccontextmanager
async def client_of(
    server: StrictServer, rules: tuple[Rule, ...] = RULES, *, timeout: float = 5.0
) -> AsyncIterator[tuple[httpx.AsyncClient, TrafficController]]:
    controller = TrafficController(rules, MemoryLedger(rules))
    transport = LimitedTransport(httpx.AsyncHTTPTransport(), controller)
    async with httpx.AsyncClient(transport=transport, base_url=server.url, timeout=timeout) as client:
        yield client, controller
    await controller.aclose()


def replies(*given: Reply) -> Callable[[Arrival], Reply | None]:
    """Answer with each of these in turn, then with 200."""
    left = list(given)
    return lambda _: left.pop(0) if left else None


async def test_every_request_takes_its_slots() -> None:
    async with StrictServer() as server, client_of(server) as (client, controller):
        response = await client.post(
            "/ws/listings", json={"catalog": "x"}, extensions={"priority": Priority.HIGH, "sku_lines": 40}
        )
        assert response.json() == {}
        await client.get("/ws/listings_bi", headers={"accept-language": "de-de"})
        snapshot = controller.snapshot()
        assert snapshot.rule("edge").used == 2
        assert snapshot.rule("sensitive").used == 1
        assert snapshot.rule("sku_lines").used == 40
        assert snapshot.rule("listings_bi:DE").used == 1
        assert snapshot.in_flight == 0
        assert snapshot.priority(Priority.HIGH).grants == 1
        assert snapshot.priority(Priority.NORMAL).grants == 1
        assert [arrival.path for arrival in server.arrivals] == ["/ws/listings", "/ws/listings_bi"]


async def test_a_strict_server_never_answers_429() -> None:
    async with StrictServer(limit=50, window=0.2, jitter=0.05) as server, client_of(server) as (client, _):
        answers = await asyncio.gather(
            *(client.get("/ws/orders", extensions={"priority": priority}) for priority in Priority for _ in range(40))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert server.trips == 0
        assert fullest([(arrival.at, 1) for arrival in server.arrivals], 0.2) <= 50


async def test_a_redirect_takes_a_slot_of_its_own() -> None:
    redirect = replies((302, {"location": "/ws/orders/2"}, b""))
    async with StrictServer(script=redirect) as server, client_of(server) as (client, controller):
        await client.get("/ws/orders/1", follow_redirects=True)
        assert controller.snapshot().rule("edge").used == 2


async def test_what_was_answered_429_goes_again_with_its_body() -> None:
    twice = replies((429, {}, b"{}"), (429, {}, b"{}"))
    rules = (Rule("edge", 50, 0.05), *RULES[1:])
    async with StrictServer(script=twice) as server, client_of(server, rules) as (client, controller):
        waiting = asyncio.create_task(client.post("/ws/orders/1", json={"new_state": 2}))
        for seen in (1, 2):
            await server.arrived(seen)
            await asyncio.sleep(0.1)
            controller.reset()  # the pause would be a minute after the second 429
        response = await waiting
        assert response.status_code == 200
        assert [json.loads(arrival.body) for arrival in server.arrivals] == [{"new_state": 2}] * 3
        assert controller.snapshot().trips == 2


async def test_the_last_429_is_the_callers() -> None:
    async with StrictServer(script=lambda _: (429, {}, b'{"error": {}}')) as server:
        controller = TrafficController(RULES, MemoryLedger(RULES))
        transport = LimitedTransport(httpx.AsyncHTTPTransport(), controller, resends=0)
        async with httpx.AsyncClient(transport=transport, base_url=server.url) as client:
            response = await client.get("/ws/orders")
        assert response.status_code == 429
        assert response.json() == {"error": {}}
        await controller.aclose()


async def test_a_stale_request_is_dropped_not_sent() -> None:
    async with StrictServer() as server, client_of(server, (Rule("edge", 1, 30.0),)) as (client, _):
        await client.get("/ws/orders")
        deadline = asyncio.get_running_loop().time() + 0.1
        with pytest.raises(DeadlineExpired):
            await client.get("/ws/orders", extensions={"deadline": deadline, "priority": Priority.LOW})
        assert len(server.arrivals) == 1


@pytest.mark.parametrize("what", ["timeout", "reset", "cancelled"])
async def test_a_request_without_an_answer_keeps_its_slot(what: str) -> None:
    closing = StrictServer(service=0 if what == "reset" else 30.0, script=lambda _: (0, {}, b""))
    timeout = 0.1 if what == "timeout" else 5.0
    async with closing as server, client_of(server, timeout=timeout) as (client, controller):
        task = asyncio.create_task(client.post("/ws/orders/1", json={}))
        if what == "cancelled":
            await server.arrived(1)
            task.cancel()
        with pytest.raises((httpx.TransportError, asyncio.CancelledError)):
            await task
        snapshot = controller.snapshot()
        assert snapshot.rule("edge").used == 1
        assert snapshot.in_flight == 0
        await asyncio.sleep(0.5)  # longer than the window, shorter than the grace
        assert controller.snapshot().rule("edge").used == 1
        assert len(server.arrivals) == 1  # a write is never repeated here


async def test_nobody_listening_is_an_error_that_keeps_its_slot() -> None:
    async with StrictServer() as server:
        url = server.url
    controller = TrafficController(RULES, MemoryLedger(RULES))
    transport = LimitedTransport(httpx.AsyncHTTPTransport(), controller)
    async with httpx.AsyncClient(transport=transport, base_url=url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/ws/orders")
    assert controller.snapshot().rule("edge").used == 1
    await controller.aclose()


@pytest.mark.parametrize(
    ("headers", "body", "paused"),
    [
        ({"content-type": "text/html", "cf-ray": "8a-CDG"}, b"<html>Sorry</html>", True),
        ({"cf-ray": "8a-CDG"}, b'{"errors": [{"code": "bot-need-challenge"}]}', True),
        ({"cf-ray": "8a-CDG"}, b'{"error": {"code": "forbidden"}}', False),
    ],
)
async def test_only_the_firewalls_403_pauses(headers: dict[str, str], body: bytes, paused: bool) -> None:
    async with StrictServer(script=replies((403, headers, body))) as server, client_of(server) as (client, controller):
        response = await client.get("/ws/orders")
        assert response.status_code == 403
        assert response.content == body
        assert (controller.snapshot().rule("edge").paused > 0) is paused
        assert len(server.arrivals) == 1


async def test_a_refusal_without_end_is_cut_off() -> None:
    headers, body = {"content-type": "text/html", "content-encoding": "gzip"}, gzip.compress(b"sorry " * 2_000_000)
    async with StrictServer(script=replies((403, headers, body))) as server, client_of(server) as (client, controller):
        response = await client.get("/ws/orders")
        assert (response.status_code, response.content[:5]) == (403, b"sorry")
        assert len(response.content) <= 256 * 1024
        assert controller.snapshot().rule("edge").paused > 0


async def test_repeated_server_errors_slow_down() -> None:
    async with StrictServer(script=lambda _: (503, {}, b"")) as server, client_of(server) as (client, controller):
        for _ in range(3):
            assert (await client.get("/ws/orders")).status_code == 503
        assert controller.snapshot().rule("edge").working_limit == pytest.approx(45)


async def test_a_streamed_answer_counts_from_its_headers() -> None:
    async with (
        StrictServer(script=lambda _: (200, {}, b"x" * 10_000)) as server,
        client_of(server) as (client, traffic),
        client.stream("GET", "/ws/orders") as response,
    ):
        assert traffic.snapshot().in_flight == 0
        assert len(await response.aread()) == 10_000
