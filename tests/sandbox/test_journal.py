"""The journal: exact windows, counts, writes in order, and what other editors do through the control endpoints."""

import random

import httpx
import pytest

from bmconsole.sandbox import ManualClock, RunningSandbox
from bmconsole.sandbox.gate import route_of
from bmconsole.sandbox.journal import MOST_WRITES, Journal, Seen
from bmconsole.sandbox.limits import Charge


def journal_of(*arrivals: tuple[float, int]) -> Journal:
    journal = Journal()
    for at, cost in arrivals:
        journal.arrived("t", [Charge("edge"), Charge("sku_lines", cost)], at)
    return journal


def test_windows_are_exact() -> None:
    chance = random.Random(3)
    at, arrivals = 0.0, []
    for _ in range(400):
        at += chance.choice((0.0, 0.01, 0.3, 1.0, 4.0))
        arrivals.append((at, chance.randint(1, 5)))
    journal = journal_of(*arrivals)
    for seconds in (0.5, 1, 10):
        counted = max(sum(start - seconds < other <= start for other, _ in arrivals) for start, _ in arrivals)
        lines = max(sum(cost for other, cost in arrivals if start - seconds < other <= start) for start, _ in arrivals)
        assert journal.most_within("edge", seconds) == counted
        assert journal.most_within("sku_lines", seconds) == lines


def test_a_window_does_not_hold_both_of_its_ends() -> None:
    assert journal_of((0.0, 1), (10.0, 1)).most_within("edge", 10) == 1
    assert journal_of((0.0, 1), (9.999, 1)).most_within("edge", 10) == 2
    assert Journal().most_within("edge", 10) == 0


def test_tokens_are_counted_apart() -> None:
    journal = Journal()
    for token in ("a", "a", "b"):
        journal.arrived(token, [Charge("edge")], 1.0)
    assert (journal.most_within("edge", 10), journal.arrivals("edge")) == (2, 3)


def test_writes_are_bounded_and_numbered() -> None:
    journal = Journal()
    for number in range(MOST_WRITES + 5):
        journal.answered(Seen(float(number), "POST", "/ws/orders/1", "", "fr-fr", 200), "/ws/orders/{id}")
    assert len(journal.writes) == MOST_WRITES
    assert journal.writes[-1].number == MOST_WRITES + 5
    assert journal.count("POST") == MOST_WRITES + 5


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/ws/orders", "/ws/orders"),
        ("/ws/orders/123/invoice", "/ws/orders/{id}/invoice"),
        ("/ws/backbox/v1/competitors/7e1f4a8d-b1bb-47aa-9f77-2cca759eb41b", "/ws/backbox/v1/competitors/{id}"),
        ("/ws/listings/detail", "/ws/listings/detail"),
    ],
)
def test_ids_are_left_out_of_routes(path: str, route: str) -> None:
    assert route_of(path) == route


async def test_it_tells_what_a_client_did(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    listing = sandbox.shop.listings.get(0)
    await client.get("/ws/orders?page=1")
    clock.advance(5)
    await client.post(f"/ws/listings/{listing.id}", json={"quantity": 3}, headers={"Accept-Language": "de-de"})
    await client.post(f"/ws/listings/{listing.listing_id}", json={"quantity": -3})
    await client.get("/ws/orders", headers={"Authorization": "Basic x"})

    journal = sandbox.journal
    assert journal.count() == journal.total == 4
    assert journal.count("GET", "/ws/orders") == 2
    assert journal.count("GET", "/ws/orders", 401) == 1
    assert (journal.first, journal.last) == (0.0, 5.0)
    first = journal.seen[0]
    assert (first.method, first.path, first.query) == ("GET", "/ws/orders", "page=1")
    assert [(write.body, write.market, write.status) for write in journal.writes] == [
        ({"quantity": 3}, "de-de", 200),
        ({"quantity": -3}, "fr-fr", 400),
    ]

    shown = (await client.get("/_sandbox/journal?seen=1")).json()
    assert shown["requests"] == 4
    assert shown["rules"]["sensitive"] == {
        "arrived": 2,
        "most_in_window": 2,
        "limit": 20,
        "seconds": 10,
        "refused": 0,
    }
    assert shown["writes"][1]["body"] == {"quantity": -3}
    assert [one["status"] for one in shown["seen"]] == [401]
    assert sandbox.token not in str(shown)

    assert (await client.delete("/_sandbox/journal")).status_code == 204
    assert (await client.get("/_sandbox/journal")).json()["requests"] == 0


async def test_limits_and_faults_can_be_changed_from_outside(client: httpx.AsyncClient) -> None:
    changed = await client.put("/_sandbox/limits", json={"edge": "1/10", "competitors": None})
    assert changed.json()["rules"]["edge"]["requests"] == 1
    assert changed.json()["rules"]["competitors"]["enabled"] is False
    assert [(await client.get("/ws/orders")).status_code for _ in range(2)] == [200, 429]
    await client.put("/_sandbox/limits", json={"enabled": False})
    assert (await client.get("/ws/orders")).status_code == 200
    assert (await client.put("/_sandbox/limits", json={"nope": 1})).status_code == 400
    assert (await client.put("/_sandbox/limits", json=[])).status_code == 400

    await client.put("/_sandbox/faults", json=[{"kind": "error", "status": 500}])
    assert (await client.get("/ws/orders")).status_code == 500
    assert (await client.get("/_sandbox/faults")).json()[0]["struck"] == 1
    assert (await client.put("/_sandbox/faults", json=[{"kind": "nope"}])).status_code == 400
    assert (await client.put("/_sandbox/faults", json={})).status_code == 400
    await client.put("/_sandbox/faults", json=[])
    assert (await client.get("/ws/orders")).status_code == 200


async def test_another_editor_changes_a_listing(client: httpx.AsyncClient, clock: ManualClock) -> None:
    row = (await client.get("/ws/listings?publication_state=2")).json()["results"][0]
    edit = f"/_sandbox/edit/listings/{row['id']}"
    before = (await client.get(f"/_sandbox/state/listings/{row['listing_id']}")).json()
    assert set(before["markets"]) == {"fr-fr", "de-de", "en-gb"}
    changes = {"market": "de-de", "price": 99.5, "min_price": None, "quantity": -1, "extra": {"novelty": True}}
    assert (await client.post(edit, json=changes)).status_code == 204
    state = (await client.get(f"/_sandbox/state/listings/{row['id']}")).json()["markets"]
    assert (state["de-de"]["price"], state["de-de"]["min_price"], state["de-de"]["quantity"]) == ("99.50", None, -1)
    assert state["fr-fr"]["price"] == row["price"]
    assert (await client.get(f"/ws/listings/{row['id']}")).json()["novelty"] is True

    await client.put(edit, json={"removed": True})
    assert (await client.get(f"/ws/listings/{row['id']}")).status_code == 404
    assert (await client.get("/ws/listings")).json()["count"] == 119
    assert row["id"] not in {one["id"] for one in (await client.get("/ws/listings")).json()["results"]}
    assert (await client.get(f"/_sandbox/state/listings/{row['id']}")).json()["removed"] is True
    await client.put(edit, json={"removed": False, "hold": 4, "rival_price": "80.00"})
    answer = (await client.get(f"/ws/listings/{row['id']}")).json()
    assert answer["publication_state"] == 4
    impossible: list[object] = [{"nope": 1}, {"market": "xx"}, {"price": "cheap"}, {"quantity": "x"}, []]
    for wrong in impossible:
        assert (await client.post(edit, json=wrong)).status_code == 400
    assert (await client.get("/_sandbox/state/listings/12")).status_code == 404


async def test_the_platform_changes_an_order(client: httpx.AsyncClient, clock: ManualClock) -> None:
    order = (await client.get("/ws/orders?state=1")).json()["results"][-1]
    edit, line = f"/_sandbox/edit/orders/{order['order_id']}", order["orderlines"][0]["id"]
    clock.advance(5)
    change = {"lines": {str(line): {"state": 4, "extra": {"odd": 1}}}, "touch": False, "extra": {"price": "not money"}}
    assert (await client.post(edit, json=change)).status_code == 204
    changed = (await client.get(f"/ws/orders/{order['order_id']}")).json()
    assert changed["orderlines"][0]["state"] == 4
    assert changed["date_modification"] == order["date_modification"]
    assert (changed["price"], changed["orderlines"][0]["odd"]) == ("not money", 1)
    await client.put(edit, json={"state": 9, "tracking_number": "8R1"})
    assert (await client.get("/ws/orders")).json()["results"][0]["order_id"] == order["order_id"]
    state = (await client.get(f"/_sandbox/state/orders/{order['order_id']}")).json()
    assert (state["tracking_number"], state["invoices"]) == ("8R1", 0)
    impossible: list[object] = [{"nope": 1}, {"lines": {"1": {}}}, {"lines": []}, {"state": "x"}]
    for wrong in impossible:
        assert (await client.post(edit, json=wrong)).status_code == 400
    assert (await client.get("/_sandbox/state/orders/1")).status_code == 404


async def test_somebody_buys(client: httpx.AsyncClient) -> None:
    row = (await client.get("/ws/listings?publication_state=2&min_quantity=2")).json()["results"][0]
    before = (await client.get("/_sandbox/counts")).json()
    placed = await client.post("/_sandbox/orders", json={"listing": row["id"], "market": "de-de", "quantity": 2})
    assert placed.status_code == 201
    assert (await client.get("/ws/orders")).json()["results"][0] == placed.json()
    assert (placed.json()["state"], placed.json()["orderlines"][0]["listing"]) == (1, row["sku"])
    assert (await client.get(f"/ws/listings/{row['id']}")).json()["quantity"] == row["quantity"] - 2
    after = (await client.get("/_sandbox/counts")).json()
    assert after["orders"]["1"] == before["orders"]["1"] + 1
    assert (await client.post("/_sandbox/orders", json={"listing": "nope"})).status_code == 400


async def test_control_requests_need_no_token_and_leave_no_trace(sandbox: RunningSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url) as stranger:
        assert (await stranger.get("/_sandbox/counts")).status_code == 200
    assert sandbox.journal.total == 0
