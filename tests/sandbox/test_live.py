"""A shop that lives: what happens in it keeps to the rules, shows in the API, and can be turned off."""

import asyncio
import json
import math
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from bmconsole.sandbox import ManualClock, Options, RunningSandbox, running
from bmconsole.sandbox.faults import MUTATIONS, Malformed, fault_from
from bmconsole.sandbox.live import Live
from bmconsole.sandbox.shop import Shop


@pytest.fixture
def options(clock: ManualClock) -> Options:
    return Options(seed=7, orders=300, listings=120, markets=("fr-fr", "de-de"), clock=clock, backbox_settle=(0, 0))


def shop_of(**changes: object) -> Shop:
    return Shop(Options(**{"seed": 3, "orders": 200, "listings": 80, "clock": ManualClock()} | changes))  # type: ignore[arg-type]  # its own arguments


def test_everything_happens_and_keeps_the_shop_whole() -> None:
    shop = shop_of()
    live = Live(shop, 1.0)
    orders = len(shop.orders)
    before = [shop.listings.get(index).quantity for index in range(80)]
    states = list(shop.orders.states)
    for _ in range(600):
        live.step()
    placed = len(shop.orders) - orders
    assert 180 < placed < 300
    assert live.happened > 500
    assert [shop.listings.get(index).quantity for index in range(80)] != before
    moved = [index for index in range(orders) if shop.orders.states[index] != states[index]]
    assert moved, "old orders advance too"
    for index in range(len(shop.orders)):
        order = shop.orders.get(index)
        assert order.state in {0, 1, 3, 8, 9, 10}
        assert shop.orders.states[index] == order.state
        json.loads(shop.order_bytes(index))
    shipped = [shop.orders.get(index).tracking_number or "" for index in range(orders, len(shop.orders))]
    assert any(number.startswith("LIVE") for number in shipped)


def test_buying_takes_one_from_the_stock() -> None:
    shop = shop_of()
    stock = sum(shop.listings.get(index).quantity for index in range(80))
    assert Live(shop, 1.0).buy()
    assert sum(shop.listings.get(index).quantity for index in range(80)) == stock - 1


def test_the_same_seed_lives_the_same_life() -> None:
    def life(seed: int) -> list[bytes]:
        shop = shop_of(seed=seed)
        live = Live(shop, 1.0)
        for _ in range(100):
            live.step()
        return [shop.order_bytes(index) for index in range(len(shop.orders))]

    assert life(3) == life(3) != life(4)


def test_an_empty_shop_stands_still() -> None:
    live = Live(shop_of(orders=0, listings=0), 1.0)
    assert not any(live.step() for _ in range(50))


async def test_it_lives_at_its_rate_and_stops(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    assert (await client.get("/_sandbox/live")).json() == {
        "rate": 0.0,
        "rival_moves": 1.0,
        "editor": 0.0,
        "happened": 0,
        "moved": 0,
        "edited": 0,
    }
    assert (await client.put("/_sandbox/live", json={"rate": 10})).json()["rate"] == 10.0
    orders = len(sandbox.shop.orders)
    for _ in range(100):
        await asyncio.wait_for(clock.wait_for_sleepers(1), 5)
        clock.advance(0.5)
        await asyncio.sleep(0)
    happened = sandbox.live.happened
    assert happened >= 50
    assert len(sandbox.shop.orders) > orders
    await client.put("/_sandbox/live", json={"rate": 0})
    clock.advance(100)
    await client.get("/_sandbox/counts")
    assert sandbox.live.happened == happened


@pytest.mark.parametrize("body", [{}, {"rate": -1}, {"rate": "fast"}, {"rate": True}, {"rate": 1001}, [], None])
async def test_a_rate_that_cannot_be_is_refused(client: httpx.AsyncClient, body: object) -> None:
    assert (await client.put("/_sandbox/live", json=body)).status_code == 400


async def test_new_orders_and_moved_rivals_show_in_the_api(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    count = (await client.get("/ws/orders")).json()["count"]
    assert sandbox.live.buy()
    answer = (await client.get("/ws/orders", params={"page-size": 50})).json()
    assert answer["count"] == count + 1
    for _ in range(200):
        sandbox.live.reprice()
    boxes = [
        (await client.get(f"/ws/backbox/v1/competitors/{sandbox.shop.listings.get(index).id}")).json()
        for index in range(2)
    ]
    assert boxes


async def test_it_runs_by_itself_on_the_machines_clock() -> None:
    async with running(Options(seed=3, orders=50, listings=40, live=200.0)) as sandbox:
        deadline = asyncio.get_running_loop().time() + 20
        while sandbox.live.happened < 20:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)
    happened = sandbox.live.happened
    await asyncio.sleep(0)
    assert sandbox.live.happened == happened


def test_the_command_takes_a_rate_and_an_ordering() -> None:
    given = (*(sys.executable, "-m", "bmconsole.sandbox", "--orders", "5", "--listings", "5", "--until-stdin-closes"),)
    with subprocess.Popen(
        [*given, "--live", "2.5", "--speed", "20", "--ordering", "date_creation"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        announced = json.loads(child.stdout.readline())
        assert httpx.get(f"{announced['url']}/_sandbox/live", trust_env=False).json()["rate"] == 2.5
        assert httpx.get(f"{announced['url']}/_sandbox/market", trust_env=False).json()["speed"] == 20
        child.communicate(timeout=20)
    assert child.returncode == 0
    with pytest.raises(ValueError, match="live"):
        Options(live=-1)


# -- malformed records -------------------------------------------------------------------------------------------


async def page_with(client: httpx.AsyncClient, sandbox: RunningSandbox, fault: Malformed) -> str:
    sandbox.faults.set(fault)
    return (await client.get("/ws/orders", params={"page-size": 20})).text


@pytest.mark.parametrize("how", [*MUTATIONS, "double"])
async def test_each_kind_of_damage(client: httpx.AsyncClient, sandbox: RunningSandbox, how: str) -> None:
    whole = json.loads((await client.get("/ws/orders", params={"page-size": 20})).text)
    text = await page_with(client, sandbox, Malformed(how=how, share=1.0, field="country_code"))
    if how == "nest":
        assert "[" * 3_000 in text
        return
    if how == "huge":
        assert "1" + "0" * 400 in text
        return
    found = json.loads(text)
    assert found["count"] == whole["count"]
    records = found["results"]
    assert len(records) == (40 if how == "double" else 20)
    first, before = records[0], whole["results"][0]
    assert (first == before) is (how == "double")
    expected: dict[str, Callable[[], bool]] = {
        "drop": lambda: "country_code" not in first,
        "rename": lambda: first["country_code_renamed"] == before["country_code"],
        "retype": lambda: not isinstance(first["country_code"], str),
        "null": lambda: first["country_code"] is None,
        "nan": lambda: math.isnan(first["country_code"]),
        "surrogate": lambda: first["country_code"] == "\ud800",
        "double": lambda: records[1] == first,
    }
    assert expected[how]()


async def test_a_share_of_the_records_is_damaged(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    whole = json.loads((await client.get("/ws/orders", params={"page-size": 20})).text)["results"]
    found = json.loads(await page_with(client, sandbox, Malformed(how="rename", share=0.3, seed=1)))["results"]
    assert 0 < sum(a != b for a, b in zip(found, whole, strict=True)) < 15


def test_damage_that_does_not_exist_is_refused() -> None:
    assert fault_from({"kind": "malformed", "how": "nan", "share": 0.5}).as_json()["share"] == 0.5
    for settings in ({"how": "melt"}, {"share": 2}):
        with pytest.raises(ValueError, match="must be"):
            fault_from({"kind": "malformed", **settings})
