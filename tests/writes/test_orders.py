"""Orders: each legal move is made and read back, each illegal one refused with its own message before any request."""

import re

import pytest

from bmconsole.domain.intents import IntentState
from bmconsole.domain.views import WritePlan
from bmconsole.errors import BmError, Guarded, NotFound, UsageError
from bmconsole.planning import Device
from tests.writes.conftest import Desk

IMEI, OTHER_IMEI = "490154203237518", "356938035643809"
TRACKING = "6A12345678901"


async def test_an_order_is_accepted_once_for_each_sku(desk: Desk) -> None:
    order = next(desk.orders(2))
    await desk.put_order(order, [1, 1])
    intents = await desk.apply(await desk.workspace.plan_orders([order], "accept"))
    assert [intent.state for intent in intents] == [IntentState.CONFIRMED] * 2
    assert [line["state"] for line in (await desk.order(order))["orderlines"]] == [2, 2]
    bodies = [write.body for write in desk.sandbox.journal.writes]
    assert len({body["sku"] for body in bodies if isinstance(body, dict)}) == len(bodies) == 2
    assert (await desk.workspace.order(order)).status == "to-ship"


async def test_an_order_of_one_device_is_shipped_with_its_imei_in_one_request(desk: Desk) -> None:
    order = next(desk.orders(1))
    await desk.put_order(order, [2])
    plan = await desk.workspace.plan_ship(order, " 6A 1234 5678\t901 ", devices=[Device(imei="49-015420-323751-8")])
    assert plan.confirm == 1
    assert "cannot be corrected" in plan.why_confirm
    (intent,) = await desk.apply(plan)
    assert intent.state is IntentState.CONFIRMED
    now = await desk.order(order)
    assert (now["tracking_number"], now["orderlines"][0]["state"]) == (TRACKING, 3)
    assert (now["orderlines"][0]["imei"], now["shipper_display"]) == (IMEI, "Colissimo")
    assert desk.writes == 1


async def test_devices_of_several_lines_are_registered_one_by_one_after_shipping(desk: Desk) -> None:
    order = next(desk.orders(2))
    await desk.put_order(order, [2, 2])
    first, second = desk.lines(order)
    devices = [Device(imei=IMEI, line=str(first)), Device(serial_number="C02XK1", line=str(second))]
    intents = await desk.apply(await desk.workspace.plan_ship(order, "1Z999AA10123456784", devices=devices))
    assert [(intent.kind, intent.state) for intent in intents] == [
        ("ship", IntentState.CONFIRMED),
        ("serial", IntentState.CONFIRMED),
        ("serial", IntentState.CONFIRMED),
    ]
    lines = (await desk.order(order))["orderlines"]
    assert [(line["imei"], line["serial_number"]) for line in lines] == [(IMEI, None), (None, "C02XK1")]
    assert [write.method for write in desk.sandbox.journal.writes] == ["POST", "PATCH", "PATCH"]


async def test_a_device_is_not_registered_when_the_shipping_was_refused(desk: Desk) -> None:
    order = next(desk.orders(2))
    await desk.put_order(order, [2, 2])
    devices = [Device(imei=IMEI, line=str(desk.lines(order)[0]))]
    plan = await desk.workspace.plan_ship(order, TRACKING, devices=devices)
    await desk.fault({"kind": "answer", "status": 400, "body": "no", "methods": ["POST"], "path": "/ws/orders"})
    intents = await desk.apply(plan)
    assert [intent.state for intent in intents] == [IntentState.REJECTED, IntentState.DROPPED]
    assert (await desk.order(order))["orderlines"][0]["imei"] is None


async def test_cancel_and_refund_ask_again_and_move_the_line(desk: Desk) -> None:
    order = next(desk.orders(1))
    for before, act, after, reason in ((1, "cancel", 4, None), (2, "refund", 5, None), (3, "refund", 6, 22)):
        await desk.put_order(order, [before])
        plan = await desk.workspace.plan_orders([order], act, reason=reason, message="Desolee" if reason else None)
        assert plan.confirm == 1
        (intent,) = await desk.apply(plan)
        assert intent.state is IntentState.CONFIRMED
        line = (await desk.order(order))["orderlines"][0]
        assert line["state"] == after
    assert (line["return_reason"], line["return_message"]) == (22, "Desolee")
    assert intent.want["return_message"] == "(7 characters)", "what was said to a buyer is not kept"


async def test_more_than_fifty_orders_are_confirmed_by_their_number(desk: Desk) -> None:
    orders = [order for order, _ in zip(desk.orders(1), range(51), strict=False)]
    orders += [next(desk.orders(2))] if len(orders) < 51 else []
    for order in orders:
        await desk.put_order(order, [1] * len(desk.lines(order)))
    plan = await desk.workspace.plan_orders(orders, "accept")
    assert plan.confirm == (len(orders) if len(orders) > 50 else 0)
    assert (await desk.workspace.plan_orders(orders[:50], "accept")).confirm == 0


_STATES = {
    0: "new",
    1: "to be accepted",
    2: "accepted and to be shipped",
    3: "shipped",
    4: "cancelled",
    5: "refunded before shipping",
    6: "refunded after shipping",
    7: "not paid",
    8: "pending payment",
    9: "on hold",
}
_LEGAL = {"accept": {1}, "cancel": {1}, "ship": {2}, "refund": {2, 3}}
_SAYS = {
    "accept": "Only a line that is to accept can be accepted",
    "cancel": "Only a line that is to accept can be cancelled; an accepted one can be refunded",
    "ship": "Only an accepted order can be shipped",
    "refund": "Only an accepted line can be refunded before shipping, only a shipped one after it",
}


async def plan(desk: Desk, act: str, order: int) -> WritePlan:
    if act == "ship":
        return await desk.workspace.plan_ship(order, TRACKING)
    return await desk.workspace.plan_orders([order], act, reason=25)


@pytest.mark.parametrize("act", list(_LEGAL))
async def test_every_illegal_transition_is_refused_with_its_own_message(desk: Desk, act: str) -> None:
    order = next(desk.orders(1))
    messages = set()
    for state, told in _STATES.items():
        if state in _LEGAL[act]:
            continue
        await desk.put_order(order, [state])
        with pytest.raises(Guarded) as refused:
            await plan(desk, act, order)
        message = refused.value.message
        assert f"is {told}." in message
        if act == "ship" and state == 1:
            assert "Every line must be accepted or cancelled before the order is shipped" in message
        elif act == "ship" and state in (0, 8, 9):
            assert "must not be shipped before it is paid" in message
        else:
            assert _SAYS[act] in message
        messages.add(message)
    assert len(messages) == len(_STATES) - len(_LEGAL[act])
    assert desk.writes == 0


@pytest.mark.parametrize("act", list(_LEGAL))
async def test_what_became_illegal_meanwhile_is_refused_after_the_read_that_comes_before_the_write(
    desk: Desk, act: str
) -> None:
    order = next(desk.orders(1))
    first = min(_LEGAL[act])
    for state in set(_STATES) - _LEGAL[act]:
        await desk.put_order(order, [first])
        planned = await plan(desk, act, order)
        wanted = next(value for name, value in planned.intents[0].want.items() if name.endswith(".state"))
        (line,) = desk.lines(order)
        await desk.call("POST", f"/edit/orders/{order}", {"lines": {str(line): {"state": state}}})
        (intent,) = await desk.apply(planned)
        if (wanted, state) in {(2, 2), (2, 3), (2, 5), (2, 6), (4, 4), (5, 5), (3, 3), (3, 6)} and act != "ship":
            assert intent.state is IntentState.CONFIRMED, "it is where it was to be, or further"
        else:
            assert intent.state is IntentState.CONFLICT, (state, intent)
            assert _STATES[state] in (intent.error or "")
    assert desk.writes == 0


async def test_an_order_with_a_line_to_accept_is_not_shipped(desk: Desk) -> None:
    order = next(desk.orders(2))
    await desk.put_order(order, [2, 1])
    with pytest.raises(Guarded, match=r"Line \d+ of order .* is to be accepted\. Every line must be"):
        await desk.workspace.plan_ship(order, TRACKING)
    await desk.put_order(order, [2, 4])
    (intent,) = await desk.apply(await desk.workspace.plan_ship(order, TRACKING))
    assert intent.state is IntentState.CONFIRMED
    assert [line["state"] for line in (await desk.order(order))["orderlines"]] == [3, 4]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"tracking": "  "}, UsageError, "tracking number is empty"),
        ({"tracking": "6A_<script>"}, UsageError, "letters and digits only"),
        ({"tracking": "1" * 201}, UsageError, "201 characters"),
        ({"shipper": "Colisimo"}, UsageError, "no such shipper; Colissimo is near"),
        ({"shipper": "~"}, UsageError, "no such shipper; Other is for the rest"),
        ({"url": "ftp://x"}, UsageError, "no address of a web page"),
        ({"devices": [Device(imei="49015420323751")]}, UsageError, "14 digits: its check digit is missing"),
        ({"devices": [Device(imei="4901542032375180")]}, UsageError, "16 digits: that is an IMEISV"),
        ({"devices": [Device(imei="49015420323")]}, UsageError, "11 digits, not 15"),
        ({"devices": [Device(imei="490154203237519")]}, UsageError, "check digit is wrong"),
        ({"devices": [Device(imei="000000000000000")]}, UsageError, "check digit is wrong"),
        ({"devices": [Device(imei="C02XK1")]}, UsageError, "digits only; a serial number goes into its own field"),
        ({"devices": [Device(imei=" ")]}, UsageError, "IMEI is empty"),
        ({"devices": [Device(serial_number="x" * 51)]}, UsageError, "51 characters, at most 50"),
        ({"devices": [Device(serial_number="")]}, UsageError, "serial number is empty"),
        ({"devices": [Device(serial_number="é")]}, UsageError, "ASCII only"),
        ({"devices": [Device(imei=IMEI, line="17")]}, UsageError, "17 names no lines to ship"),
        ({"devices": [Device(imei=IMEI), Device(imei=IMEI)]}, Guarded, "The same IMEI is given twice"),
        ({"devices": [Device(imei=IMEI), Device(imei=OTHER_IMEI)]}, UsageError, "is given two of them"),
    ],
)
async def test_every_wrong_value_of_a_parcel_has_its_own_message(
    desk: Desk, change: dict[str, object], error: type[BmError], says: str
) -> None:
    order = next(desk.orders(1))
    await desk.put_order(order, [2])
    values: dict[str, object] = {"tracking": TRACKING, **change}
    tracking = values.pop("tracking")
    with pytest.raises(error, match=re.escape(says)):
        await desk.workspace.plan_ship(order, tracking, **values)  # type: ignore[arg-type]  # from the table
    assert desk.writes == 0


async def test_a_device_of_another_order_is_refused_whatever_its_state(desk: Desk) -> None:
    shipped, order = next(desk.orders(1)), list(desk.orders(1))[1]
    for state in (3, 6):
        await desk.put_order(shipped, [2])
        (line,) = desk.lines(shipped)
        await desk.call("POST", f"/edit/orders/{shipped}", {"lines": {str(line): {"imei": IMEI, "state": state}}})
        await desk.workspace.inspect_order(shipped)
        await desk.put_order(order, [2])
        with pytest.raises(Guarded, match=f"registered with order {shipped} already"):
            await desk.workspace.plan_ship(order, TRACKING, devices=[Device(imei=" 490154203237518 ")])


async def test_a_registered_device_cannot_be_corrected(desk: Desk) -> None:
    order = next(desk.orders(1))
    await desk.put_order(order, [2])
    (line,) = desk.lines(order)
    await desk.call("POST", f"/edit/orders/{order}", {"lines": {str(line): {"imei": IMEI}}})
    await desk.workspace.inspect_order(order)
    with pytest.raises(Guarded, match="has another IMEI already"):
        await desk.workspace.plan_ship(order, TRACKING, devices=[Device(imei=OTHER_IMEI)])


async def test_another_parcel_number_on_a_shipped_order_is_a_conflict(desk: Desk) -> None:
    order = next(desk.orders(1))
    await desk.put_order(order, [2])
    plan = await desk.workspace.plan_ship(order, TRACKING)
    (line,) = desk.lines(order)
    edit = {"lines": {str(line): {"state": 3}}, "tracking_number": "OTHER1"}
    await desk.call("POST", f"/edit/orders/{order}", edit)
    (intent,) = await desk.apply(plan)
    assert intent.state is IntentState.CONFLICT
    assert (intent.readback or {})["tracking_number"] == "OTHER1"
    assert desk.writes == 0


@pytest.mark.parametrize(
    ("skus", "reason", "message", "says"),
    [
        (["NO-SUCH"], 25, None, "has no line of SKU NO-SUCH"),
        ([], 7, None, "There is no reason 7"),
        ([], None, None, "A refund after shipping needs a reason"),
        ([], 25, "x" * 501, "501 characters"),
    ],
)
async def test_every_wrong_value_of_a_refund_has_its_own_message(
    desk: Desk, skus: list[str], reason: int | None, message: str | None, says: str
) -> None:
    order = next(desk.orders(1))
    await desk.put_order(order, [3])
    with pytest.raises((UsageError, Guarded), match=says):
        await desk.workspace.plan_orders([order], "refund", skus=skus, reason=reason, message=message)


async def test_an_invoice_is_done_when_it_is_acknowledged_and_else_stays_unknown(desk: Desk) -> None:
    order = next(desk.orders(1))
    pdf = b"%PDF-1.7 to Jane Doe"
    (intent,) = await desk.apply(await desk.workspace.plan_invoice(order, pdf), files=(pdf,))
    assert intent.state is IntentState.CONFIRMED
    assert "does not show invoices" in (intent.note or "")

    await desk.fault({"kind": "drop", "at": "after", "path": f"/ws/orders/{order}/invoice", "times": 1})
    (lost,) = await desk.apply(await desk.workspace.plan_invoice(order, pdf), files=(pdf,))
    assert lost.state is IntentState.UNKNOWN
    assert "only you can send it again" in (lost.error or "")
    assert await desk.workspace.settle_left_behind() == []
    assert (await desk.order(order))["invoices"] == 2

    with pytest.raises(UsageError, match="file is needed"):
        await desk.workspace.resolve(lost.id, "resend")
    with pytest.raises(UsageError, match="another file"):
        await desk.workspace.resolve(lost.id, "resend", content=b"%PDF-1.7 another")
    (sent,) = await desk.workspace.resolve(lost.id, "resend", content=pdf)
    assert (sent.id, sent.state) == (lost.id, IntentState.CONFIRMED)
    assert (await desk.order(order))["invoices"] == 3
    with pytest.raises(UsageError, match="no PDF"):
        await desk.workspace.plan_invoice(order, b"PK")


async def test_notes_stay_here(desk: Desk) -> None:
    order = next(desk.orders(1))
    await desk.workspace.add_note(order, "box is\x1b[31m dented")
    assert [note.text for note in await desk.workspace.order_notes(order)] == ["box is\ufffd[31m dented"]
    with pytest.raises(UsageError, match="empty"):
        await desk.workspace.add_note(order, " ")
    with pytest.raises(NotFound):
        await desk.workspace.add_note(1, "nobody's")
    assert desk.writes == 0
