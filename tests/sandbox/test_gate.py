"""What every request passes: the firewall, the token, the rate rules; and what every answer carries."""

from email.utils import parsedate_to_datetime

import httpx
import pytest

from bmconsole.sandbox import ManualClock, Options, RunningSandbox, running
from bmconsole.sandbox.limits import RULES, Limiter, charges

from .conftest import USER_AGENT


async def spend(client: httpx.AsyncClient, path: str, times: int, method: str = "GET") -> list[int]:
    return [(await client.request(method, path)).status_code for _ in range(times)]


# -- firewall and token ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "agent",
    [
        "python-httpx/0.28.1",
        "python-requests/2.32",
        "curl/8.5",
        "",
        "Mozilla/5.0",
        "BM-Company",
        "BM-Company-App;nobody",
    ],
)
async def test_library_user_agents_meet_the_firewall(client: httpx.AsyncClient, agent: str) -> None:
    answer = await client.get("/ws/orders", headers={"User-Agent": agent})
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cf-ray"].endswith("-CDG")
    assert answer.headers["cf-ray"] in answer.text


@pytest.mark.parametrize("token", ["Basic wrong", "Bearer sandbox-token-7", "sandbox-token-7", ""])
async def test_the_token_is_taken_as_it_is(client: httpx.AsyncClient, token: str) -> None:
    answer = await client.get("/ws/orders", headers={"Authorization": token})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"
    assert answer.json()["requestId"]


async def test_every_answer_has_the_clocks_date(client: httpx.AsyncClient, clock: ManualClock) -> None:
    clock.advance(3723)
    for path, agent in (
        ("/ws/orders", USER_AGENT),
        ("/ws/nope", USER_AGENT),
        ("/ws/orders", ""),
        ("/_sandbox/counts", ""),
    ):
        answer = await client.get(path, headers={"User-Agent": agent})
        assert answer.headers.get_list("date") == [answer.headers["date"]]
        assert parsedate_to_datetime(answer.headers["date"]) == clock.now()


async def test_unknown_paths_are_404_without_a_body(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ws/nope")
    assert (answer.status_code, answer.content) == (404, b"")


async def test_request_ids_differ(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/ws/listings/12")).json()["requestId"] for _ in range(3)}
    assert len(ids) == 3


# -- rate rules over HTTP ----------------------------------------------------------------------------------------


async def test_the_edge_admits_200_in_10_seconds_then_blocks_for_10(
    client: httpx.AsyncClient, clock: ManualClock, sandbox: RunningSandbox
) -> None:
    assert set(await spend(client, "/ws/orders/1", 200)) == {404}
    clock.advance(9.5)
    refused = await client.get("/ws/orders/1")
    assert refused.status_code == 429
    assert refused.json()["error"]["data"] == {"rule": "edge"}
    assert set(refused.json()) == {"error", "requestId"}
    assert "retry-after" not in refused.headers
    clock.advance(9.9)
    assert (await client.get("/ws/listings")).status_code == 429
    clock.advance(0.1)
    assert (await client.get("/ws/orders/1")).status_code == 404
    assert sandbox.journal.refused == {"edge": 2}


async def test_refusals_in_a_block_neither_count_nor_extend_it(client: httpx.AsyncClient, clock: ManualClock) -> None:
    await spend(client, "/ws/orders/1", 201)
    clock.advance(9)
    assert set(await spend(client, "/ws/orders/1", 30)) == {429}
    clock.advance(1)
    assert set(await spend(client, "/ws/orders/1", 200)) == {404}


async def test_listing_writes_are_sensitive_and_reads_are_not(
    client: httpx.AsyncClient, clock: ManualClock, sandbox: RunningSandbox
) -> None:
    path = f"/ws/listings/{sandbox.shop.listings.get(0).id}"
    assert set(await spend(client, path, 20, "POST")) == {400}
    assert await spend(client, path, 1, "POST") == [429]
    assert await spend(client, path, 5) == [200] * 5
    assert await spend(client, "/ws/orders", 1) == [200]
    clock.advance(10)
    assert await spend(client, path, 1, "POST") == [400]


async def test_competitors_twice_a_second(
    client: httpx.AsyncClient, clock: ManualClock, sandbox: RunningSandbox
) -> None:
    path = f"/ws/backbox/v1/competitors/{sandbox.shop.listings.get(0).id}"
    assert 429 not in await spend(client, path, 2)
    assert await spend(client, path, 2) == [429, 429]
    clock.advance(0.999)
    assert await spend(client, path, 1) == [429]
    clock.advance(0.001)
    assert 429 not in await spend(client, path, 2)


async def test_a_catalogue_costs_its_lines(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    catalogue = "sku,quantity\n" + "\n".join(f"S{number},1" for number in range(1990))
    answer = await client.post("/ws/listings", json={"catalog": catalogue})
    assert answer.status_code == 405
    assert sandbox.journal.arrivals("sku_lines") == 1990
    path = f"/ws/listings/{sandbox.shop.listings.get(0).id}"
    assert await spend(client, path, 11, "POST") == [400] * 10 + [429]


async def test_limits_are_for_each_token(client: httpx.AsyncClient) -> None:
    await spend(client, "/ws/orders/1", 201)
    assert (await client.get("/ws/orders/1", headers={"Authorization": "Basic other"})).status_code == 401


async def test_limits_can_be_off(clock: ManualClock) -> None:
    headers = {"Authorization": "Basic sandbox-token-1", "User-Agent": USER_AGENT}
    async with (
        running(Options(orders=0, listings=1, limits=False, clock=clock)) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, headers=headers) as client,
    ):
        assert set(await spend(client, "/ws/orders", 205)) == {200}
        assert sandbox.journal.most_within("edge", 10) == 205


# -- rate rules by themselves ------------------------------------------------------------------------------------


def admitted(limiter: Limiter, *times: float, seller: str = "t") -> list[bool]:
    return [limiter.admit(seller, charges("GET", "/ws/orders", "fr-fr", 1), at) is None for at in times]


def test_windows_are_half_open() -> None:
    limiter = Limiter({"edge": {"requests": 2, "seconds": 10, "block": 0}})
    assert admitted(limiter, 0.0, 5.0, 9.999, 10.0, 14.999, 15.0) == [True, True, False, True, False, True]


def test_a_block_outlasts_its_window() -> None:
    limiter = Limiter({"edge": {"requests": 1, "seconds": 1, "block": 10}})
    assert admitted(limiter, 0.0, 0.5, 10.4, 10.5) == [True, False, False, True]


def test_tokens_have_windows_of_their_own() -> None:
    limiter = Limiter({"edge": "1/10"})
    assert admitted(limiter, 0.0, seller="a") == admitted(limiter, 0.0, seller="b") == [True]
    assert admitted(limiter, 0.1, seller="a") == [False]


def test_a_request_takes_all_its_rules_or_none() -> None:
    limiter = Limiter({"sensitive": "1/10", "edge": "3/10"})
    write = charges("POST", "/ws/listings/1", "fr-fr", 1)
    assert limiter.admit("t", write, 0.0) is None
    assert [limiter.admit("t", write, 0.1) for _ in range(5)] == ["sensitive"] * 5
    assert admitted(limiter, 0.2, 0.3, 0.4) == [True, True, False]


def test_every_rule_of_the_documents_is_there() -> None:
    assert {name: (rule.requests, rule.seconds, rule.block) for name, rule in RULES.items()} == {
        "edge": (200, 10, 10),
        "sensitive": (20, 10, 10),
        "competitors": (2, 1, 0),
        "listings_bi": (2, 3600, 0),
        "sku_lines": (2000, 3600, 0),
        "care_list": (520, 60, 0),
        "care_list_day": (4000, 86_400, 0),
        "care": (600, 60, 0),
        "care_day": (40_000, 86_400, 0),
        "care_refund": (500, 86_400, 0),
        "care_message": (560, 60, 0),
    }


@pytest.mark.parametrize(
    ("method", "path", "rules"),
    [
        ("GET", "/ws/orders", ["edge"]),
        ("GET", "/ws/listings/1", ["edge"]),
        ("POST", "/ws/listings/1", ["edge", "sensitive", "sku_lines"]),
        ("POST", "/ws/listings/", ["edge", "sensitive", "sku_lines"]),
        ("GET", "/ws/category/tree", ["edge", "sensitive"]),
        ("GET", "/ws/backbox/v1/competitors/x", ["edge", "competitors"]),
        ("GET", "/ws/listings_bi", ["edge", "listings_bi"]),
        ("GET", "/ws/sav", ["edge", "care_list", "care_list_day"]),
        ("GET", "/ws/sav/5", ["edge", "care", "care_day"]),
        ("POST", "/ws/sav/5/msg", ["edge", "care_message"]),
        ("POST", "/ws/sav/refund", ["edge", "care_refund"]),
        ("POST", "/ws/orders/5", ["edge"]),
    ],
)
def test_which_rules_a_request_falls_under(method: str, path: str, rules: list[str]) -> None:
    assert [charge.rule for charge in charges(method, path, "fr-fr", 1)] == rules


def test_a_post_to_the_bulk_backbox_is_no_listing_write() -> None:
    assert [charge.rule for charge in charges("POST", "/ws/listings_bi", "fr-fr", 1)] == ["edge", "listings_bi"]
    german, french = (charges("GET", "/ws/listings_bi", market, 1)[1].scope for market in ("de-de", "fr-fr"))
    assert german != french


@pytest.mark.parametrize(
    "wrong", [{"nope": "1/1"}, {"edge": "x"}, {"edge": 5}, {"edge": "1/0"}, {"edge": {"per": 1}}, {"enabled": 1}]
)
def test_wrong_limits_are_refused_whole(wrong: dict[str, object]) -> None:
    limiter = Limiter()
    with pytest.raises(ValueError, match=r"\w"):
        limiter.configure({"competitors": None, **wrong})
    assert limiter.rules == RULES
