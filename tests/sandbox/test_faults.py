"""Faults: where they strike, how often, and what has happened by then."""

import asyncio

import httpx
import pytest

from bmconsole.sandbox import ManualClock, RunningSandbox
from bmconsole.sandbox.faults import (
    Answer,
    Drop,
    Fault,
    Faults,
    Firewall,
    Latency,
    Redirect,
    ServerError,
    Shuffle,
    Slow,
    Truncate,
    WrongPage,
    fault_from,
)
from bmconsole.sandbox.listings import Listing


def listing_of(sandbox: RunningSandbox) -> Listing:
    return sandbox.shop.listings.get(0)


async def write(client: httpx.AsyncClient, sandbox: RunningSandbox) -> httpx.Response:
    return await client.post(f"/ws/listings/{listing_of(sandbox).id}", json={"quantity": 41})


# -- where and how often -----------------------------------------------------------------------------------------


def test_a_prefix_and_methods_pick_the_requests() -> None:
    fault = Drop(path="/ws/orders", methods=["POST"])
    assert fault.strikes("POST", "/ws/orders/5")
    assert not fault.strikes("GET", "/ws/orders/5")
    assert not fault.strikes("POST", "/ws/listings/5")


def test_the_same_seed_strikes_the_same_requests() -> None:
    def strikes(seed: int) -> list[bool]:
        fault = ServerError(probability=0.3, seed=seed)
        return [fault.strikes("GET", "/ws/orders") for _ in range(400)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert 80 < sum(strikes(1)) < 160


def test_it_ends_after_so_many_strikes() -> None:
    fault = Firewall(times=2)
    assert [fault.strikes("GET", "/ws/orders") for _ in range(4)] == [True, True, False, False]


def test_control_endpoints_are_never_struck() -> None:
    faults = Faults()
    faults.set(Drop(path="/ws/"))
    assert faults.striking("GET", "/ws/orders")
    assert not faults.striking("GET", "/_sandbox/faults")


# -- latency -----------------------------------------------------------------------------------------------------


async def test_arrival_latency_moves_the_stamp(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    sandbox.faults.set(Latency(at="arrival", seconds=2.5))
    answer = asyncio.ensure_future(client.get("/ws/orders"))
    await asyncio.wait_for(clock.wait_for_sleepers(1), 5)
    assert sandbox.journal.arrivals("edge") == 0
    clock.advance(2.5)
    assert (await answer).status_code == 200
    assert sandbox.journal.first == 2.5


async def test_service_latency_comes_after_the_change(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    sandbox.faults.set(Latency(at="service", seconds=2.5))
    answer = asyncio.ensure_future(write(client, sandbox))
    await asyncio.wait_for(clock.wait_for_sleepers(1), 5)
    assert listing_of(sandbox).quantity == 41
    clock.advance(2.5)
    assert (await answer).status_code == 200
    assert sandbox.journal.first == 0.0


def test_latencies_follow_their_distribution() -> None:
    uniform = [Latency(uniform=[0.1, 0.3]).draw() for _ in range(1)] + [Latency(uniform=[0.1, 0.3], seed=4).draw()]
    assert all(0.1 <= seconds <= 0.3 for seconds in uniform)
    spread = Latency(lognormal=[0.1, 1.0], most=8.0)
    drawn = sorted(spread.draw() for _ in range(4000))
    assert 0.09 < drawn[2000] < 0.11
    assert 0.7 < drawn[3960] < 1.4
    assert drawn[-1] <= 8.0


# -- broken answers ----------------------------------------------------------------------------------------------


async def test_an_error_before_changes_nothing(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    before = listing_of(sandbox).quantity
    sandbox.faults.set(ServerError(status=502, html=True))
    answer = await write(client, sandbox)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=UTF-8")
    assert listing_of(sandbox).quantity == before
    assert (sandbox.journal.writes[0].status, sandbox.journal.writes[0].executed) == (502, None)


async def test_an_error_after_hides_a_change(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.faults.set(ServerError(at="after", times=1))
    assert (await write(client, sandbox)).status_code == 503
    assert listing_of(sandbox).quantity == 41
    assert (sandbox.journal.writes[0].status, sandbox.journal.writes[0].executed) == (503, 200)
    assert (await write(client, sandbox)).status_code == 200


async def test_a_drop_before_loses_the_request(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    before = listing_of(sandbox).quantity
    sandbox.faults.set(Drop(at="before"))
    with pytest.raises(httpx.TransportError):
        await write(client, sandbox)
    assert listing_of(sandbox).quantity == before
    assert (sandbox.journal.writes[0].status, sandbox.journal.writes[0].executed) == (0, None)
    assert sandbox.journal.arrivals("edge") == 1


async def test_a_drop_after_loses_the_answer(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.faults.set(Drop(times=1))
    with pytest.raises(httpx.TransportError):
        await write(client, sandbox)
    assert listing_of(sandbox).quantity == 41
    assert (sandbox.journal.writes[0].status, sandbox.journal.writes[0].executed) == (0, 200)
    assert (await client.get("/ws/orders")).status_code == 200


@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_reset_comes_before_or_after_the_change(
    client: httpx.AsyncClient, sandbox: RunningSandbox, at: str
) -> None:
    before = listing_of(sandbox).quantity
    sandbox.faults.set(Drop(at=at, reset=True, times=1))
    with pytest.raises(httpx.ReadError) as broken:
        await write(client, sandbox)
    reasons = []
    cause: BaseException | None = broken.value
    while cause is not None:
        reasons.append(type(cause))
        cause = cause.__cause__ or cause.__context__
    assert ConnectionResetError in reasons
    assert listing_of(sandbox).quantity == (41 if at == "after" else before)
    assert (sandbox.journal.writes[0].status, sandbox.journal.writes[0].executed) == (0, 200 if at == "after" else None)
    assert (await write(client, sandbox)).status_code == 200


async def test_a_drop_breaks_its_own_connection_only(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.faults.set(Drop(path="/ws/orders"))
    answers = await asyncio.gather(
        client.get("/ws/orders"), *(client.get("/ws/listings") for _ in range(5)), return_exceptions=True
    )
    assert isinstance(answers[0], httpx.TransportError)
    assert [answer.status_code for answer in answers[1:] if isinstance(answer, httpx.Response)] == [200] * 5


async def test_a_truncated_answer_breaks_in_the_middle(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.faults.set(Truncate())
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/ws/orders")
    sandbox.faults.set(Truncate(whole=True))
    answer = await client.get("/ws/orders")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"\w"):
        answer.json()


async def test_the_firewall_strikes_legal_requests_too(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.faults.set(Firewall(times=1))
    page = await client.get("/ws/orders")
    assert (page.status_code, page.headers["content-type"][:9]) == (403, "text/html")
    assert page.headers["cf-ray"]
    sandbox.faults.set(Firewall(json=True))
    challenge = await client.get("/ws/orders")
    assert challenge.json()["errors"][0]["code"] == "bot-need-challenge"
    assert challenge.headers["cf-ray"]


async def test_any_answer_can_take_the_apis_place(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.faults.set(Answer(status=418, body={"errors": []}))
    answer = await client.get("/ws/orders")
    assert (answer.status_code, answer.json()) == (418, {"errors": []})


async def test_a_redirect_leads_elsewhere(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.faults.set(Redirect(status=307))
    answer = await client.get("/ws/orders")
    assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:9/elsewhere")
    with pytest.raises(ValueError, match="300 to 399"):
        Redirect(status=200)


async def test_a_slow_body_comes_bit_by_bit_and_whole(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    quick = await client.get("/ws/orders")
    sandbox.faults.set(Slow(parts=3, seconds=2.0))
    asked = asyncio.ensure_future(client.get("/ws/orders"))
    for _ in range(3):
        await asyncio.wait_for(clock.wait_for_sleepers(1), 5)
        assert not asked.done()
        clock.advance(2.0)
    answer = await asyncio.wait_for(asked, 5)
    assert answer.json() == quick.json()
    with pytest.raises(ValueError, match="parts must be"):
        Slow(parts=0)


async def test_a_page_can_be_the_one_before(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    async def page(number: int) -> list[int]:
        answer = await client.get("/ws/orders", params={"page": number, "page-size": 10})
        return [order["order_id"] for order in answer.json()["results"]]

    first, second = await page(1), await page(2)
    sandbox.faults.set(WrongPage())
    assert (await page(1), await page(2), await page(3)) == (first, first, second)


async def test_a_page_can_be_in_any_order(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    page = (await client.get("/ws/orders")).json()
    sandbox.faults.set(Shuffle(seed=1))
    shuffled = (await client.get("/ws/orders")).json()
    assert shuffled["results"] != page["results"]
    assert sorted(shuffled["results"], key=lambda order: order["order_id"]) == sorted(
        page["results"], key=lambda order: order["order_id"]
    )


async def test_rate_rules_come_before_faults(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.limiter.configure({"edge": "1/10"})
    sandbox.faults.set(ServerError())
    assert [(await client.get("/ws/orders")).status_code for _ in range(2)] == [503, 429]


# -- settings ----------------------------------------------------------------------------------------------------


def test_settings_make_faults_and_come_back() -> None:
    made: list[Fault] = [
        fault_from({"kind": "latency", "at": "arrival", "uniform": [0, 1], "path": "/ws/orders", "probability": 0.5}),
        fault_from({"kind": "error", "status": 500, "times": 3}),
        fault_from({"kind": "drop", "at": "before", "seed": 9}),
    ]
    assert [fault_from(fault.as_json()).as_json() for fault in made] == [fault.as_json() for fault in made]


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {"kind": "nope"},
        {"kind": "drop", "at": "later"},
        {"kind": "drop", "speed": 1},
        {"kind": "error", "status": 404},
        {"kind": "latency", "uniform": [2, 1]},
        {"kind": "latency", "lognormal": [0, 1]},
        {"kind": "latency", "at": "noon"},
        {"kind": "firewall", "probability": 2},
        {"kind": "firewall", "probability": "often"},
    ],
)
def test_wrong_settings_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        fault_from(wrong)
