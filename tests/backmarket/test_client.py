"""The client against a server that says anything: what is sent, what is accepted, what is refused."""

import asyncio
import gzip
import logging
import traceback
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from bmconsole.backmarket.client import Client, GuardTransport, network_transport
from bmconsole.backmarket.failures import NoAnswer, UnexpectedAnswer
from bmconsole.domain.priority import Priority
from bmconsole.errors import BmError, NotFound, RateLimited, Refused, SettingsError, Unauthorised, Unreachable
from tests.backmarket.scripted import TOKEN, USER_AGENT, Request, answer, client_for, scripted

JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


async def drop(request: Request, writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""


async def test_every_request_carries_the_headers_that_back_market_requires() -> None:
    async with scripted(answer({"ok": True})) as server, client_for(server.url) as client:
        await client.get_json("/ws/orders", params={"page": 2, "page-size": 50})
        await client.post_json("/ws/orders/5", {"new_state": 2}, market="de-de", priority=Priority.HIGH)
        await client.patch_json("/ws/orderlines/7", {"imei": "353"}, priority=Priority.HIGH)
    get, post, patch = server.requests
    for request in (get, post, patch):
        assert request.headers["authorization"] == f"Basic {TOKEN}"
        assert request.headers["user-agent"] == USER_AGENT
        assert request.headers["accept"] == "application/json"
        assert request.headers["content-type"] == "application/json"
    assert (get.method, get.target, get.headers["accept-language"]) == (
        "GET",
        "/ws/orders?page=2&page-size=50",
        "fr-fr",
    )
    assert (post.method, post.json(), post.headers["accept-language"]) == ("POST", {"new_state": 2}, "de-de")
    assert (patch.method, patch.target, patch.json()) == ("PATCH", "/ws/orderlines/7", {"imei": "353"})


async def test_fractions_are_exact_and_the_date_is_the_servers() -> None:
    body = b'{"max_price": 199.90, "count": 3}'
    async with scripted(answer(raw=body)) as server, client_for(server.url) as client:
        got = await client.get_json("/ws/orders")
    assert got.data == {"max_price": Decimal("199.90"), "count": 3}
    assert got.server_date == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert got.status == 200


async def test_the_servers_clock_runs_on_by_the_monotonic_timer() -> None:
    now = [100.0]
    local = datetime(2020, 1, 1, tzinfo=UTC)
    async with (
        scripted(answer({})) as server,
        Client(
            base_url=server.url,
            token=TOKEN,
            user_agent=USER_AGENT,
            market="fr-fr",
            transport=network_transport(base_url=server.url, token=TOKEN, user_agent=USER_AGENT),
            monotonic=lambda: now[0],
            wall=lambda: local,
        ) as client,
    ):
        assert client.server_now() == local
        await client.get_json("/ws/orders")
        now[0] += 90
        assert client.server_now() == datetime(2026, 11, 23, 8, tzinfo=UTC) + timedelta(seconds=90)


async def test_a_date_that_is_none_leaves_the_clock_alone() -> None:
    async with (
        scripted(answer({}), answer({}, headers={"Date": "yesterday"})) as server,
        client_for(server.url) as client,
    ):
        await client.get_json("/ws/orders")
        before = client.server_now()
        assert (await client.get_json("/ws/orders")).server_date is None
        assert client.server_now() >= before


@pytest.mark.parametrize(
    "fault", [drop, answer({}, 500), answer({}, 503), answer(raw=b"<html>", status=502, kind="text/html")]
)
async def test_a_read_is_tried_again(fault: bytes) -> None:
    async with scripted(fault, fault, answer({"ok": 1})) as server, client_for(server.url) as client:
        assert (await client.get_json("/ws/orders")).data == {"ok": 1}
    assert len(server.requests) == 3


async def test_a_retry_is_noted_but_does_not_warn(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with scripted(answer({}, 503), answer({})) as server, client_for(server.url) as client:
        await client.get_json("/ws/orders")
    assert "tried again" in caplog.text
    assert max(record.levelno for record in caplog.records) == logging.INFO


async def test_a_read_gives_up_after_three_tries() -> None:
    async with (
        scripted(answer({"error": {"code": "x", "message": "down"}}, 500)) as server,
        client_for(server.url) as client,
    ):
        with pytest.raises(NoAnswer, match="down") as caught:
            await client.get_json("/ws/orders")
    assert len(server.requests) == 3
    assert caught.value.exit == 4
    assert caught.value.sent
    assert not caught.value.maybe_applied


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (400, Refused), (404, NotFound), (401, Unauthorised)])
async def test_what_the_server_decided_is_not_tried_again(status: int, kind: type[BmError]) -> None:
    async with scripted(answer({}, status)) as server, client_for(server.url) as client:
        with pytest.raises(kind):
            await client.get_json("/ws/orders")
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [drop, answer({}, 500), answer({}, 504)])
async def test_a_write_is_sent_once_and_may_have_been_applied(fault: bytes) -> None:
    async with scripted(fault) as server, client_for(server.url) as client:
        with pytest.raises(Unreachable) as caught:
            await client.post_json("/ws/listings/5", {"price": "1.00"}, priority=Priority.HIGH, sku_lines=1)
        with pytest.raises(Unreachable) as patched:
            await client.patch_json("/ws/orderlines/5", {"imei": "1"}, priority=Priority.HIGH)
    assert len(server.requests) == 2
    assert caught.value.sent
    assert caught.value.maybe_applied
    assert patched.value.maybe_applied


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
async def test_a_refused_write_was_not_applied(status: int) -> None:
    async with scripted(answer("no", status)) as server, client_for(server.url) as client:
        with pytest.raises(BmError) as caught:
            await client.post_json("/ws/listings/5", {"price": "1.00"}, priority=Priority.HIGH)
    assert not getattr(caught.value, "maybe_applied", False)
    assert len(server.requests) == 1


async def test_a_write_that_found_nobody_was_not_sent() -> None:
    async with scripted(answer({})) as server:
        url = server.url
    async with client_for(url) as client:
        with pytest.raises(Unreachable) as caught:
            await client.post_json("/ws/listings/5", {"price": "1.00"}, priority=Priority.HIGH)
    assert not caught.value.sent
    assert not caught.value.maybe_applied


async def test_a_write_may_be_answered_without_a_body() -> None:
    async with scripted(answer(raw=b"", kind=None)) as server, client_for(server.url) as client:
        got = await client.post_json("/ws/orders/5", {"new_state": 2}, priority=Priority.HIGH)
        assert got.data is None
        with pytest.raises(UnexpectedAnswer):
            await client.get_json("/ws/orders/5")


async def test_an_unreadable_answer_to_a_write_may_mean_that_it_was_applied() -> None:
    async with scripted(answer(raw=b"{", kind="application/json")) as server, client_for(server.url) as client:
        with pytest.raises(UnexpectedAnswer) as caught:
            await client.post_json("/ws/orders/5", {"new_state": 2}, priority=Priority.HIGH)
    assert caught.value.maybe_applied


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_error_and_the_token_does_not_follow_it(status: int) -> None:
    async with scripted(answer({"stolen": True})) as other:
        elsewhere = answer(None, status, headers={"Location": f"{other.url}/ws/orders"})
        async with scripted(elsewhere) as server, client_for(server.url) as client:
            with pytest.raises(UnexpectedAnswer, match="redirect") as caught:
                await client.get_json("/ws/orders")
            with pytest.raises(UnexpectedAnswer):
                await client.post_json("/ws/orders/5", {"new_state": 2}, priority=Priority.HIGH)
        assert other.connections == 0
    assert caught.value.exit == 4


async def test_a_token_that_is_sent_back_is_kept_nowhere() -> None:
    record = {"results": [{"order_id": 1, "note": f"Basic {TOKEN}"}]}
    echo = {"cf-ray": f"ray {TOKEN}"}
    async with (
        scripted(answer(record), answer(raw=b"{", headers=echo), answer({}, 400, headers=echo)) as server,
        client_for(server.url) as client,
    ):
        assert (await client.get_json("/ws/orders")).data == {"results": [{"order_id": 1, "note": "Basic "}]}
        for _ in range(2):
            with pytest.raises(BmError) as caught:
                await client.get_json("/ws/orders")
            assert TOKEN not in caught.value.line()
            assert caught.value.cf_ray == "ray …"


@pytest.mark.parametrize("location", ["https:evil.example/ws", "https://[::1", "https://user@:x/", "\u00ff"])
async def test_a_redirect_to_no_address_is_the_same_error(location: str) -> None:
    async with (
        scripted(answer(None, 302, headers={"Location": location})) as server,
        client_for(server.url) as client,
    ):
        with pytest.raises(UnexpectedAnswer, match="redirect"):
            await client.get_json("/ws/orders")
        with pytest.raises(UnexpectedAnswer, match="redirect"):
            await client.post_json("/ws/orders/5", {"new_state": 2}, priority=Priority.HIGH)
    assert len(server.requests) == 2


@pytest.mark.parametrize("path", ["{other}/ws/orders", "{renamed}/ws/orders", "http://user:pw@{mine}/ws/orders"])
async def test_no_address_but_the_configured_one_gets_a_byte(path: str) -> None:
    async with scripted(answer({})) as other, scripted(answer({})) as server, client_for(server.url) as client:
        renamed = server.url.replace("127.0.0.1", "localhost")
        place = path.format(other=other.url, renamed=renamed, mine=server.url[7:])
        with pytest.raises(SettingsError, match="not sent"):
            await client.get_json(place)
        assert other.connections == server.connections == 0


async def test_a_forged_host_header_is_stopped() -> None:
    async with scripted(answer({})) as server:
        transport = network_transport(base_url=server.url, token=TOKEN, user_agent=USER_AGENT)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as raw:
            with pytest.raises(SettingsError):
                await raw.get(f"{server.url}/ws/orders", headers={"Host": "evil.example"})
        assert server.connections == 0


@pytest.mark.parametrize("kind", ["text/html", "text/plain", None, "application/javascript"])
async def test_an_answer_of_another_kind_is_not_decoded(kind: str | None) -> None:
    page = answer({"results": []}, kind=kind, headers={"cf-ray": "8f00-CDG"})
    async with scripted(page) as server, client_for(server.url) as client:
        with pytest.raises(UnexpectedAnswer) as caught:
            await client.get_json("/ws/orders")
    assert caught.value.cf_ray == "8f00-CDG"
    assert len(server.requests) == 1


async def test_a_body_that_breaks_off_is_tried_again_and_then_an_error() -> None:
    torn = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"results": ['

    async def tear(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(torn)
        await writer.drain()

    async with scripted(tear, answer({"ok": 1})) as server, client_for(server.url) as client:
        assert (await client.get_json("/ws/orders")).data == {"ok": 1}
        server.play(tear)
        with pytest.raises(NoAnswer):
            await client.get_json("/ws/orders")
        with pytest.raises(NoAnswer) as caught:
            await client.post_json("/ws/orders/5", {}, priority=Priority.HIGH)
    assert caught.value.maybe_applied


@pytest.mark.parametrize("body", [b"{", b"", b"{'a': 1}", b"[" * 100_000, b"nonsense"])
async def test_broken_json_is_an_error(body: bytes) -> None:
    async with scripted(answer(raw=body)) as server, client_for(server.url) as client:
        with pytest.raises(UnexpectedAnswer):
            await client.get_json("/ws/orders")


async def test_numbers_that_are_none_stay_text_and_spoil_nothing_else() -> None:
    body = b"[NaN, Infinity, -Infinity, 1e999999999, 1" + b"0" * 5000 + b', 1.5, "\xff"]'
    async with scripted(answer(raw=body)) as server, client_for(server.url) as client:
        data = (await client.get_json("/ws/orders")).data
    assert data == ["NaN", "Infinity", "-Infinity", "1e999999999", "1" + "0" * 5000, Decimal("1.5"), "\ufffd"]


async def test_a_huge_body_is_cut_off() -> None:
    async def flood(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        for _ in range(80):
            writer.write(b" " * 2**20)
            await writer.drain()

    async with scripted(flood) as server, client_for(server.url) as client:
        with pytest.raises(UnexpectedAnswer, match="32 MiB"):
            await client.get_json("/ws/orders")
    assert len(server.requests) == 1


async def test_packed_answers_are_unpacked_and_broken_packing_is_an_error() -> None:
    good = answer(raw=gzip.compress(b'{"ok": 1}'), headers={"Content-Encoding": "gzip"})
    bad = answer(raw=b"not gzip at all", headers={"Content-Encoding": "gzip"})
    async with scripted(good, bad) as server, client_for(server.url) as client:
        assert (await client.get_json("/ws/orders")).data == {"ok": 1}
        with pytest.raises(UnexpectedAnswer):
            await client.get_json("/ws/orders")


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"]
)
async def test_a_server_that_stops_talking_is_given_up(head: bytes) -> None:
    gone = asyncio.Event()

    async def stall(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await writer.drain()
        await gone.wait()

    async with scripted(stall) as server, client_for(server.url, timeout=0.5) as client:
        with pytest.raises(NoAnswer, match="in time") as caught:
            await client.post_json("/ws/orders/5", {}, priority=Priority.HIGH)
        gone.set()
    assert caught.value.maybe_applied


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n["]
)
async def test_a_server_that_drips_is_given_up(head: bytes) -> None:
    done = asyncio.Event()

    async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not done.is_set():
            writer.write(b"1")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with scripted(drip) as server, client_for(server.url, timeout=0.2) as client:
        with pytest.raises(NoAnswer, match="in time"):
            await client.post_json("/ws/orders/5", {}, priority=Priority.HIGH)
        done.set()


async def test_what_a_transport_decides_passes_through() -> None:
    seen: list[httpx.Request] = []

    class Closed(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request)
            raise RateLimited("no slot in time")

    async with Client(
        base_url="https://www.backmarket.fr", token=TOKEN, user_agent=USER_AGENT, market="fr-fr", transport=Closed()
    ) as client:
        with pytest.raises(RateLimited) as caught:
            await client.post_json("/ws/listings/5", {}, priority=Priority.CRITICAL, sku_lines=1)
        with pytest.raises(RateLimited):
            await client.get_json("/ws/orders", deadline=12.5)
    write, read = seen
    assert not caught.value.maybe_applied
    assert (write.extensions["priority"], write.extensions["sku_lines"]) == (Priority.CRITICAL, 1)
    assert "deadline" not in write.extensions
    assert (read.extensions["priority"], read.extensions["deadline"]) == (Priority.NORMAL, 12.5)
    assert "authorization" not in write.headers


async def test_the_token_is_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = answer({"error": {"code": "bad", "message": f"header was Basic {TOKEN}"}}, 400)
    texts = []
    async with scripted(echo, drop) as server:
        transport = network_transport(base_url=server.url, token=TOKEN, user_agent=USER_AGENT)
        texts.append(repr(transport))
        async with client_for(server.url) as client:
            texts += [repr(client), repr(vars(client)), repr(vars(transport))]
            for _ in range(2):
                with pytest.raises(BmError) as caught:
                    await client.post_json("/ws/orders/5", {"new_state": 2}, priority=Priority.HIGH)
                error = caught.value
                texts += [str(error), error.line(), repr(error.as_json())]
            # The last one failed on the connection; not even the variables of the frames on its way may show it.
            chain: BaseException | None = error
            while chain is not None:
                frames = traceback.StackSummary.extract(traceback.walk_tb(chain.__traceback__), capture_locals=True)
                texts += [repr(frame.locals) for frame in frames if frame.filename != __file__]
                chain = chain.__cause__ or chain.__context__
        await transport.aclose()
    assert len(server.requests) == 2
    assert all(TOKEN in request.headers["authorization"] for request in server.requests)
    assert TOKEN not in "".join(texts)
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("token", ["", "a b\nc", "tok\u00e9n", " padded"])
def test_a_token_that_no_header_can_carry_is_refused_unseen(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        GuardTransport(httpx.AsyncHTTPTransport(), "https://www.backmarket.fr", token, USER_AGENT)
    assert not token or token not in caught.value.line()


@pytest.mark.parametrize("user_agent", ["", "BM\r\nX: y", "Bück"])
def test_a_user_agent_that_no_header_can_carry_is_refused(user_agent: str) -> None:
    with pytest.raises(SettingsError) as caught:
        GuardTransport(httpx.AsyncHTTPTransport(), "https://www.backmarket.fr", TOKEN, user_agent)
    assert caught.value.field == "user_agent"


async def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(answer({"ok": 1})) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        async with client_for(server.url) as client:
            assert (await client.get_json("/ws/orders")).data == {"ok": 1}
