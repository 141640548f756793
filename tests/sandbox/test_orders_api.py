"""Orders over HTTP: lists and their filters, the legal transitions, and what is refused."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bmconsole.sandbox import ManualClock, Options, RunningSandbox, running
from bmconsole.sandbox.history import (
    HALF_ACCEPTED,
    ONE_LINE_CANCELLED,
    QUANTITY_TWO_TO_SHIP,
    SHARED_SKU_TO_ACCEPT,
    TWO_LINES_TO_ACCEPT,
)
from bmconsole.sandbox.orders import Order

Json = dict[str, object]


def by_role(sandbox: RunningSandbox, role: int) -> Order:
    orders = sandbox.shop.orders
    return orders.get(orders.history.total - 1 - role)


def one_line(sandbox: RunningSandbox, line_state: int) -> Order:
    """Return an order of one line with quantity 1, its line in this state."""
    orders = sandbox.shop.orders
    return next(
        order
        for order in map(orders.get, reversed(range(len(orders))))
        if [(line.state, line.quantity) for line in order.lines] == [(line_state, 1)]
    )


def skus(sandbox: RunningSandbox, order: Order) -> list[str]:
    return [sandbox.shop.listings.get(line.listing).sku for line in order.lines]


async def move(client: httpx.AsyncClient, order: Order, **body: object) -> httpx.Response:
    return await client.post(f"/ws/orders/{order.id}", json={"order_id": order.id, **body})


def states(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [line["state"] for line in answer.json()["orderlines"]]


def refused(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    message: str = answer.json()["error"]["message"]
    assert answer.json()["requestId"]
    return message


# -- lists -------------------------------------------------------------------------------------------------------


async def test_a_page_has_ten_orders_at_most_fifty_and_page_size_needs_its_hyphen(client: httpx.AsyncClient) -> None:
    sizes = {"": 10, "page-size=7": 7, "page-size=50": 50, "page-size=500": 50, "page_size=50": 10, "page-size=0": 10}
    for query, size in sizes.items():
        page = (await client.get(f"/ws/orders?{query}")).json()
        assert len(page["results"]) == size
        assert page["count"] == 300
        assert set(page) == {"count", "next", "previous", "results"}


async def test_next_is_a_full_url_that_leads_to_the_next_page(
    client: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    first = (await client.get("/ws/orders?page-size=50&country_code=fr-fr")).json()
    assert first["next"].startswith(f"{sandbox.url}/ws/orders?")
    assert first["previous"] is None
    second = (await client.get(first["next"])).json()
    assert second["previous"].startswith(sandbox.url)
    assert not {order["order_id"] for order in first["results"]} & {order["order_id"] for order in second["results"]}


async def test_a_walk_sees_every_order_once_and_ends_with_404(client: httpx.AsyncClient) -> None:
    seen, page = [], 1
    while True:
        answer = await client.get("/ws/orders", params={"page": page, "page-size": 50})
        if answer.status_code == 404:
            break
        seen += [order["order_id"] for order in answer.json()["results"]]
        assert (answer.json()["next"] is None) == (page == 6)
        page += 1
    assert page == 7
    assert len(seen) == len(set(seen)) == 300
    assert answer.json()["error"]["code"] == "not_found"


async def test_an_empty_list_has_a_first_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ws/orders?date_creation=2030-01-01T00:00:00Z")
    assert answer.json() == {"count": 0, "next": None, "previous": None, "results": []}


async def test_the_page_behind_the_last_can_be_empty_instead(clock: ManualClock) -> None:
    async with (
        running(Options(orders=5, listings=5, clock=clock, empty_past_the_end=True)) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, headers={"Authorization": f"Basic {sandbox.token}"}) as client,
    ):
        client.headers["User-Agent"] = "BM-Example-Tests;tests@seller.example"
        answer = await client.get("/ws/orders?page=2")
        assert (answer.status_code, answer.json()["results"]) == (200, [])


async def test_states_0_and_8_exist_but_no_list_shows_them(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    assert {0, 8} <= set(sandbox.shop.orders.states)
    shown = set()
    for page in range(1, 7):
        results = (await client.get(f"/ws/orders?page-size=50&page={page}")).json()["results"]
        shown |= {order["state"] for order in results}
    assert shown == {1, 3, 9, 10}
    for state in (0, 8):
        assert (await client.get(f"/ws/orders?state={state}")).json()["count"] == 0
    assert (await client.get("/ws/orders?state=3")).json()["count"] == sandbox.shop.orders.states.count(3)


async def test_the_dates_are_lower_bounds(client: httpx.AsyncClient, clock: ManualClock) -> None:
    for name in ("date_modification", "date_creation"):
        since = clock.now() - timedelta(days=3)
        for text in (
            since.isoformat().replace("+00:00", "Z"),
            (since + timedelta(hours=1)).isoformat().replace("+00:00", "+01:00"),
        ):
            page = (await client.get("/ws/orders", params={name: text, "page-size": 50})).json()
            assert 0 < page["count"] < 300
            for order in page["results"]:
                assert datetime.fromisoformat(order[name]) >= since - timedelta(seconds=1)
        unescaped = (await client.get(f"/ws/orders?{name}={text}")).json()
        assert unescaped["count"] == page["count"]


async def test_country_code_filters(client: httpx.AsyncClient) -> None:
    counts = {}
    for market in ("fr-fr", "de-de", "en-gb", "es-es"):
        page = (await client.get(f"/ws/orders?country_code={market}&page-size=50")).json()
        counts[market] = page["count"]
        assert {order["country_code"] for order in page["results"]} <= {market}
    assert sum(counts.values()) == 300
    assert counts["fr-fr"] > 250
    assert counts["es-es"] == 0


@pytest.mark.parametrize("query", ["state=7", "state=x", "date_creation=yesterday", "country_code=fr", "page=x"])
async def test_wrong_filters_are_refused(client: httpx.AsyncClient, query: str) -> None:
    assert refused(await client.get(f"/ws/orders?{query}"))


async def test_the_newest_change_comes_first(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    results = (await client.get("/ws/orders?page-size=50")).json()["results"]
    times = [datetime.fromisoformat(order["date_modification"]).replace(microsecond=0) for order in results]
    assert times == sorted(times, reverse=True)
    order = one_line(sandbox, 1)
    await move(client, order, new_state=2, sku=skus(sandbox, order)[0])
    assert (await client.get("/ws/orders")).json()["results"][0]["order_id"] == order.id


@pytest.mark.parametrize("ordering", ["date_modification", "-date_creation", "date_creation"])
async def test_the_sequence_can_be_another(clock: ManualClock, ordering: str) -> None:
    async with running(Options(orders=60, listings=5, clock=clock, ordering=ordering)) as sandbox:
        rows = sandbox.shop.select_orders(None, None, None, None)
        kept = sandbox.shop.orders.modified if "modification" in ordering else sandbox.shop.orders.created
        assert [kept[row] for row in rows] == sorted((kept[row] for row in rows), reverse=ordering.startswith("-"))


async def test_timestamps_are_written_in_several_ways(client: httpx.AsyncClient) -> None:
    creations, expected = [], []
    for page in range(1, 7):
        for order in (await client.get(f"/ws/orders?page-size=50&page={page}")).json()["results"]:
            creations.append(order["date_creation"])
            expected.append(order["expected_dispatch_date"])
    assert any(text.endswith("Z") for text in creations)
    assert any(text.endswith("+01:00") for text in creations)
    assert any("." in text for text in creations)
    assert any(text is None for text in expected)
    due = [text for text in expected if text]
    assert any(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text) for text in due)
    assert any(text.endswith("Z") for text in due)


async def test_one_order_is_the_one_of_the_list(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/ws/orders")).json()["results"][3]
    assert (await client.get(f"/ws/orders/{listed['order_id']}")).json() == listed
    assert set(listed["shipping_address"]) >= {"first_name", "last_name", "postal_code", "phone", "email", "street2"}


async def test_unknown_orders(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ws/orders/1")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "E009"
    assert (await client.get("/ws/orders/x")).status_code == 400


# -- transitions -------------------------------------------------------------------------------------------------


async def test_accept_goes_sku_by_sku(client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock) -> None:
    order = by_role(sandbox, TWO_LINES_TO_ACCEPT)
    first, second = skus(sandbox, order)
    before = order.modified
    clock.advance(60)
    answer = await move(client, order, new_state=2, sku=first)
    assert (states(answer), answer.json()["state"]) == ([2, 1], 1)
    answer = await move(client, order, new_state=2, sku=second.lower())
    assert (states(answer), answer.json()["state"]) == ([2, 2], 3)
    assert sandbox.shop.orders.get(order.index).modified > before
    assert datetime.fromisoformat(answer.json()["date_modification"]) <= clock.now()


async def test_accept_takes_every_line_of_the_sku(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    order = by_role(sandbox, SHARED_SKU_TO_ACCEPT)
    first, second, third = skus(sandbox, order)
    assert first == third != second
    assert states(await move(client, order, new_state=2, sku=first)) == [2, 1, 2]


async def test_the_sku_is_needed_but_for_shipping(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    to_accept, shipped = one_line(sandbox, 1), one_line(sandbox, 3)
    for order, state in ((to_accept, 2), (to_accept, 4), (shipped, 6)):
        assert refused(await move(client, order, new_state=state)) == "sku not found"
        assert refused(await move(client, order, new_state=state, sku="another")) == "sku not found"
    assert sandbox.shop.orders.get(to_accept.index).lines[0].state == 1


@pytest.mark.parametrize(
    ("line_state", "legal"),
    [(1, {2, 4}), (2, {3, 5}), (3, {6}), (4, set()), (5, set()), (6, set()), (8, set()), (9, set())],
)
async def test_only_legal_transitions(
    client: httpx.AsyncClient, sandbox: RunningSandbox, line_state: int, legal: set[int]
) -> None:
    order = one_line(sandbox, line_state)
    sku = skus(sandbox, order)[0]
    more = {"sku": sku, "tracking_number": "8R1", "return_reason": 25}
    for state in {2, 3, 4, 5, 6} - legal:
        refused(await move(client, order, new_state=state, **more))
        assert sandbox.shop.orders.get(order.index).lines[0].state == line_state
    for nonsense in (0, 1, 7, 8, 9, "x", None, True):
        refused(await move(client, order, new_state=nonsense, **more))
    if legal:
        assert states(await move(client, order, new_state=min(legal), **more)) == [min(legal)]


async def test_a_repeated_accept_is_refused(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    order = one_line(sandbox, 1)
    sku = skus(sandbox, order)[0]
    assert states(await move(client, order, new_state=2, sku=sku)) == [2]
    assert "cannot move" in refused(await move(client, order, new_state=2, sku=sku))


async def test_ship_moves_all_accepted_lines_at_once(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    order = by_role(sandbox, ONE_LINE_CANCELLED)
    answer = await move(
        client,
        order,
        new_state=3,
        tracking_number="8R00000001",
        tracking_url="https://tracking.example/8R00000001",
        shipper="Colissimo",
        date_shipping="2026-03-02T10:00:00+01:00",
    )
    assert states(answer) == [3, 4]
    shown = answer.json()
    assert (shown["state"], shown["tracking_number"], shown["shipper_display"]) == (9, "8R00000001", "Colissimo")
    assert datetime.fromisoformat(shown["date_shipping"]) == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    assert shown["expected_dispatch_date"] is None


async def test_ship_waits_for_lines_that_are_not_accepted(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    order = by_role(sandbox, HALF_ACCEPTED)
    assert "accepted or cancelled" in refused(await move(client, order, new_state=3, tracking_number="8R1"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "tracking_number is required"),
        ({"tracking_number": ""}, "tracking_number is required"),
        ({"tracking_number": "8R 1"}, "spaces"),
        ({"tracking_number": "8" * 201}, "200"),
        ({"tracking_number": "8R1", "tracking_url": "not a url"}, "tracking_url"),
        ({"tracking_number": "8R1", "date_shipping": "soon"}, "date_shipping"),
        ({"tracking_number": "8R1", "imei": "123"}, "15 digits"),
        ({"tracking_number": "8R1", "serial_number": "x" * 51}, "serial_number"),
        ({"tracking_number": "8R1", "vat_type": "NONE"}, "vat_type"),
    ],
)
async def test_wrong_shipments_change_nothing(
    client: httpx.AsyncClient, sandbox: RunningSandbox, body: Json, reason: str
) -> None:
    order = one_line(sandbox, 2)
    before = sandbox.shop.order_bytes(order.index)
    assert reason in refused(await move(client, order, new_state=3, **body))
    assert (await client.get(f"/ws/orders/{order.id}")).content == before


async def test_ship_registers_the_imei_of_a_single_piece(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    order = one_line(sandbox, 2)
    answer = await move(
        client,
        order,
        new_state=3,
        tracking_number="8R1",
        imei="490154203237518",
        serial_number="SN1",
        vat_type="MARGINAL",
    )
    assert states(answer) == [3]
    assert answer.json()["orderlines"][0]["imei"] == "490154203237518"
    assert answer.json()["orderlines"][0]["serial_number"] == "SN1"


@pytest.mark.parametrize("role", [QUANTITY_TWO_TO_SHIP, ONE_LINE_CANCELLED])
async def test_an_imei_of_several_pieces_is_refused(
    client: httpx.AsyncClient, sandbox: RunningSandbox, role: int
) -> None:
    order = by_role(sandbox, role)
    answer = await move(client, order, new_state=3, tracking_number="8R1", imei="490154203237518")
    assert "quantity 1" in refused(answer)


async def test_refund_after_shipping_needs_a_reason(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    order = one_line(sandbox, 3)
    sku = skus(sandbox, order)[0]
    assert "return_reason" in refused(await move(client, order, new_state=6, sku=sku))
    assert "return_reason" in refused(await move(client, order, new_state=6, sku=sku, return_reason=2))
    long = await move(client, order, new_state=6, sku=sku, return_reason=21, return_message="x" * 501)
    assert "500" in refused(long)
    answer = await move(client, order, new_state=6, sku=sku, return_reason=21, return_message="Désolés")
    assert states(answer) == [6]
    line = answer.json()["orderlines"][0]
    assert (line["return_reason"], line["return_message"]) == (21, "Désolés")
    assert answer.json()["state"] == 9


async def test_the_body_names_the_order_by_either_key(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    order = one_line(sandbox, 1)
    path, sku = f"/ws/orders/{order.id}", skus(sandbox, order)[0]
    assert "order_id" in refused(await client.post(path, json={"new_state": 2, "sku": sku}))
    assert "order_id" in refused(await client.post(path, json={"order_id": 1, "new_state": 2, "sku": sku}))
    assert refused(await client.post(path, content=b"{")) == "the body must be a JSON object"
    assert states(await client.post(path, json={"id": order.id, "new_state": 2, "sku": sku})) == [2]


# -- orderlines and invoices -------------------------------------------------------------------------------------


async def test_an_imei_is_registered_once(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    line = one_line(sandbox, 2).lines[0]
    path = f"/ws/orderlines/{line.id}"
    answer = await client.patch(path, json={"imei": "490154203237518"})
    assert (answer.status_code, answer.json()) == (200, {"imei": "490154203237518"})
    assert (await client.patch(path, json={"imei": "490154203237518", "serial_number": "SN1"})).status_code == 200
    again = await client.patch(path, json={"imei": "356938035643809"})
    assert again.status_code == 422
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["errors"] == [{"target": "imei", "message": "a registered value cannot be corrected"}]
    assert again.json()["instance"] == path


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ([], 400), ({"imei": "12"}, 422), ({"imei": None}, 422), ({"serial_number": "x" * 51}, 422)],
)
async def test_wrong_identifiers_are_refused(
    client: httpx.AsyncClient, sandbox: RunningSandbox, body: object, status: int
) -> None:
    line = one_line(sandbox, 2).lines[0]
    assert (await client.patch(f"/ws/orderlines/{line.id}", json=body)).status_code == status


async def test_an_unknown_orderline_is_a_404_without_a_body(client: httpx.AsyncClient) -> None:
    answer = await client.patch("/ws/orderlines/1", json={"imei": "490154203237518"})
    assert (answer.status_code, answer.content) == (404, b"")


async def test_an_invoice_is_a_file(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    order = one_line(sandbox, 3)
    path = f"/ws/orders/{order.id}/invoice"
    assert (await client.post(path, json={})).status_code == 400
    answer = await client.post(path, files={"invoice": ("i.pdf", b"%PDF-1.7", "application/pdf")})
    assert (answer.status_code, answer.content) == (200, b"")
    assert sandbox.shop.orders.get(order.index).invoices == 1
    assert (await client.post("/ws/orders/1/invoice", files={"invoice": b""})).status_code == 404
