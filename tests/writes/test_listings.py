"""Listings: fields, markets, stock that moves by itself, writes that meet, taking back and deciding."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bmconsole.domain.intents import Intent, IntentState
from bmconsole.domain.views import WriteProgress
from bmconsole.errors import Conflict, Guarded, NotAllowed, NotFound, Partial, UsageError
from bmconsole.paths import Paths
from bmconsole.store import leases
from bmconsole.workspace import Workspace
from tests.writes.conftest import Desk
from tests.writes.killed import fast_profile


@pytest.fixture
async def ware(desk: Desk) -> str:
    """A listing with prices far from every edge."""
    listing: str = desk.sandbox.shop.listings.get(4).id
    for market in ("fr-fr", "de-de"):
        await desk.edit_listing(listing, market=market, price="249.00", min_price=None, quantity=5)
    await desk.workspace.refresh_listing(listing)
    return listing


async def change(desk: Desk, ware: str, market: str = "fr-fr", **fields: str) -> Intent:
    (intent,) = await desk.apply(await desk.workspace.plan_listing(ware, market, fields))
    return intent


async def test_several_fields_go_in_one_request_with_the_currency_of_the_market(desk: Desk, ware: str) -> None:
    intent = await change(
        desk,
        ware,
        price="231,50",
        min_price="220",
        quantity="4",
        comment="wie neu",
        warranty_delay="24",
        shipper_1="dhl express",
        shipping_delay_1="24",
        shipping_price_1="3.9",
    )
    assert intent.state is IntentState.CONFIRMED
    (write,) = desk.sandbox.journal.writes
    assert isinstance(write.body, dict)
    assert write.body["currency"] == "EUR"
    now = await desk.offer(ware)
    assert (now["price"], now["min_price"], now["quantity"]) == ("231.50", "220.00", 4)
    assert (now["comment"], now["warranty_delay"]) == ("wie neu", 24)
    (shipping,) = now["shippings"]
    assert (shipping["shipper"], shipping["shipping_delay"], shipping["shipping_price"]) == ("DHL Express", 24, "3.90")

    delay = await change(desk, ware, shipping_delay_1="48")
    assert delay.state is IntentState.CONFIRMED
    (shipping,) = (await desk.offer(ware))["shippings"]
    assert (shipping["shipper"], shipping["shipping_delay"], shipping["shipping_price"]) == ("DHL Express", 48, "3.90")
    assert (await change(desk, ware, shipper_1="")).state is IntentState.CONFIRMED
    assert (await desk.offer(ware))["shippings"] == []


async def test_offline_by_stock_and_the_former_stock_is_offered(desk: Desk, ware: str) -> None:
    assert await desk.workspace.former_stock(ware) is None
    assert (await change(desk, ware, quantity="0")).state is IntentState.CONFIRMED
    assert (await desk.offer(ware))["publication_state"] == 3
    assert await desk.workspace.former_stock(ware) == 5


async def test_a_piece_sold_right_after_the_write_is_a_note(desk: Desk, ware: str) -> None:
    plan = await desk.workspace.plan_listing(ware, None, {"quantity": "9"})
    await desk.fault({"kind": "latency", "seconds": 0.3, "path": f"/ws/listings/{ware}", "methods": ["POST"]})
    writing = asyncio.create_task(desk.apply(plan))
    await desk.until_stock_is(ware, 9)
    await desk.call("POST", "/orders", {"listing": ware, "market": "fr-fr", "quantity": 2})
    (intent,) = await writing
    assert intent.state is IntentState.CONFIRMED
    assert "the stock is 7 by now" in (intent.note or "")
    assert desk.writes == 1


async def test_a_relative_stock_whose_answer_was_lost_is_not_applied_twice(desk: Desk, ware: str) -> None:
    plan = await desk.workspace.plan_listing(ware, None, {"quantity": "+4"})
    path = f"/ws/listings/{ware}"
    await desk.fault(
        {"kind": "latency", "seconds": 0.3, "path": path, "methods": ["POST"]},
        {"kind": "drop", "at": "after", "path": path, "methods": ["POST"], "times": 1},
    )
    writing = asyncio.create_task(desk.apply(plan))
    await desk.until_stock_is(ware, 9)
    await desk.call("POST", "/orders", {"listing": ware, "market": "fr-fr", "quantity": 1})
    (intent,) = await writing
    assert intent.state is IntentState.CONFLICT, "only the operator can tell whether the four are in the eight"
    assert (desk.writes, (await desk.offer(ware))["quantity"]) == (1, 8)


async def test_what_waits_too_long_for_its_turn_is_read_again(
    desk: Desk, ware: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    profile = fast_profile(desk.sandbox).model_copy(update={"limits": {"edge": "1000/1", "sensitive": "1/4"}})
    async with await Workspace.open(profile, Paths.under(tmp_path_factory.mktemp("slow"))) as slow:
        await slow.refresh_listing(ware)
        for price in ("240.00", "230.00"):
            (intent,) = await slow.apply(await slow.plan_listing(ware, "fr-fr", {"price": price}))
            assert intent.state is IntentState.CONFIRMED
        steps = await slow._journal.read(
            lambda connection: [row["step"] for row in connection.execute("SELECT step FROM attempts WHERE intent = 2")]
        )
    assert steps.count("read") >= 2
    assert (steps.count("answer"), steps[-1]) == (1, "readback")
    assert desk.writes == 2


async def test_pending_changes_of_a_listing_in_a_market_become_one(desk: Desk, ware: str) -> None:
    workspace = desk.workspace
    first = await workspace.plan_listing(ware, "fr-fr", {"price": "240", "quantity": "+2"})
    elsewhere = await workspace.plan_listing(ware, "de-de", {"price": "199"})
    held = await workspace._journal.write(
        lambda connection: leases.save(
            connection, (*first.intents, *elsewhere.intents), owner="4711-gone", now=workspace.now()
        )
    )
    later = await workspace.plan_listing(ware, "fr-fr", {"price": "235", "quantity": "+3", "comment": "neu"})
    (intent,) = await desk.apply(later)
    assert intent.state is IntentState.CONFIRMED
    assert dict(intent.want) == {"price": "235.00", "quantity": 10, "comment": "neu"}
    assert (intent.base["price"], intent.typed) == ("249.00", {"quantity": "+5"})
    taken = await workspace.intent(held[0].intent.id)
    assert (taken.state, taken.error) == (IntentState.DROPPED, f"write {intent.id} takes it in")
    assert (await workspace.intent(held[1].intent.id)).state is IntentState.CONFIRMED, "the order of a target is kept"
    assert (await desk.offer(ware, "de-de"))["price"] == "199.00"
    with pytest.raises(leases.LeaseLost):
        await workspace._journal.write(
            lambda connection: leases.move(connection, held[0], IntentState.SENT, now=workspace.now())
        )


async def test_a_process_that_was_taken_for_dead_changes_nothing_any_more(desk: Desk, ware: str) -> None:
    workspace = desk.workspace
    plan = await workspace.plan_listing(ware, "fr-fr", {"price": "240"})
    now = workspace.now()
    (old,) = await workspace._journal.write(
        lambda connection: leases.save(connection, plan.intents, owner="4711-gone", now=now)
    )
    (settled,) = await workspace.settle_left_behind()
    assert settled.state is IntentState.CONFIRMED
    for act in (
        lambda connection: leases.move(connection, old, IntentState.SENT, now=now),
        lambda connection: leases.acknowledge(connection, old, now=now),
        lambda connection: leases.unsend(connection, old, now=now),
        lambda connection: leases.allow_again(connection, old),
    ):
        with pytest.raises(leases.LeaseLost):
            await workspace._journal.write(act)
    assert await workspace.intent(settled.id) == settled


async def test_what_was_left_too_long_ago_is_dropped(desk: Desk, ware: str) -> None:
    workspace = desk.workspace
    plan = await workspace.plan_listing(ware, "fr-fr", {"price": "240"})
    await workspace._journal.write(
        lambda connection: (
            leases.save(connection, plan.intents, owner="4711-gone", now=workspace.now()),
            connection.execute("UPDATE intents SET created = '2020-01-01T00:00:00.000Z'"),
        )
    )
    assert await workspace.settle_left_behind() == []
    (intent,) = await workspace.intents()
    assert intent.state is IntentState.DROPPED
    assert "expired" in (intent.error or "")
    assert desk.writes == 0


async def test_a_sync_settles_by_reading_only(desk: Desk, ware: str) -> None:
    workspace = desk.workspace
    plan = await workspace.plan_listing(ware, "fr-fr", {"price": "240"})

    async def left_behind() -> int:
        now = workspace.now()
        (held,) = await workspace._journal.write(
            lambda connection: leases.save(connection, plan.intents, owner="4711-gone", now=now)
        )
        await workspace._journal.write(lambda connection: leases.move(connection, held, IntentState.SENT, now=now))
        return held.intent.id

    number = await left_behind()
    await workspace.sync(["listings"])
    assert (await workspace.intent(number)).state is IntentState.SENT
    assert desk.writes == 0
    await desk.edit_listing(ware, price="240.00")
    await workspace.sync(["listings"])
    assert (await workspace.intent(number)).state is IntentState.CONFIRMED
    assert desk.writes == 0


async def test_a_write_is_taken_back_once_and_only_while_it_stands(desk: Desk, ware: str) -> None:
    workspace = desk.workspace
    intent = await change(desk, ware, price="240", quantity="9")
    plan, _ = await workspace.plan_undo(intent_id=intent.id)
    (undo,) = await desk.apply(plan)
    assert (undo.state, undo.origin, undo.undoes) == (IntentState.CONFIRMED, "undo", intent.id)
    assert (await workspace.intent(intent.id)).undone_by == undo.id
    now = await desk.offer(ware)
    assert (now["price"], now["quantity"]) == ("249.00", 5)
    with pytest.raises(Conflict, match=f"undone by write {undo.id}"):
        await workspace.plan_undo(intent_id=intent.id)
    again, _ = await workspace.plan_undo(intent_id=undo.id)
    assert (await desk.apply(again))[0].state is IntentState.CONFIRMED, "an undo can be undone"


@pytest.mark.parametrize(("field", "typed", "foreign"), [("price", "240", "230.00"), ("quantity", "9", 8)])
async def test_what_moved_on_is_not_taken_back(
    desk: Desk, ware: str, field: str, typed: str, foreign: str | int
) -> None:
    intent = await change(desk, ware, **{field: typed})
    plan, _ = await desk.workspace.plan_undo(intent_id=intent.id)
    await desk.edit_listing(ware, **{field: foreign})
    with pytest.raises(Conflict, match=f"{field} is {foreign} now, not"):
        await desk.workspace.plan_undo(intent_id=intent.id)
    (late,) = await desk.apply(plan)
    assert late.state is IntentState.CONFLICT
    assert (await desk.offer(ware))[field] == foreign
    assert (await desk.workspace.intent(intent.id)).undone_by is None


async def test_what_cannot_be_taken_back_says_why(desk: Desk, ware: str) -> None:
    workspace = desk.workspace
    order = next(desk.orders(1))
    await desk.put_order(order, [1])
    (accepted,) = await desk.apply(await workspace.plan_orders([order], "accept"))
    with pytest.raises(Conflict, match=r"done to an order \(accept\)"):
        await workspace.plan_undo(intent_id=accepted.id)
    await desk.fault({"kind": "answer", "status": 400, "body": "no", "methods": ["POST"]})
    refused = await change(desk, ware, price="240")
    await desk.fault()
    with pytest.raises(Conflict, match="only a confirmed write"):
        await workspace.plan_undo(intent_id=refused.id)
    least = await change(desk, ware, min_price="240")
    with pytest.raises(Conflict, match="no former value"):
        await workspace.plan_undo(intent_id=least.id)
    with pytest.raises(NotFound, match="no run"):
        await workspace.plan_undo(run="bulk-7")
    with pytest.raises(NotFound):
        await workspace.plan_undo(intent_id=999)


async def conflict(desk: Desk, ware: str) -> Intent:
    plan = await desk.workspace.plan_listing(ware, "fr-fr", {"price": "240"})
    await desk.edit_listing(ware, price="245.00")
    (intent,) = await desk.apply(plan)
    assert intent.state is IntentState.CONFLICT
    assert "price is 245.00" in (intent.error or "")
    return intent


async def test_a_conflict_is_kept_or_written_over(desk: Desk, ware: str) -> None:
    workspace = desk.workspace
    intent = await conflict(desk, ware)
    with pytest.raises(Guarded, match="keep or overwrite"):
        await workspace.resolve(intent.id, "resend")
    plan = await workspace.plan_overwrite(intent.id)
    assert [(change.old, change.new) for change in plan.changes] == [("245.00", "240.00")]
    closed, written = await workspace.resolve(intent.id, "overwrite", plan=plan)
    assert (closed.id, closed.state, written.state) == (intent.id, IntentState.DROPPED, IntentState.CONFIRMED)
    assert (await desk.offer(ware))["price"] == "240.00"
    with pytest.raises(Guarded, match="nothing to decide"):
        await workspace.resolve(intent.id, "keep")

    await desk.edit_listing(ware, price="249.00")
    await workspace.refresh_listing(ware)
    intent = await conflict(desk, ware)
    (kept,) = await workspace.resolve(intent.id, "keep")
    assert (kept.state, (await desk.offer(ware))["price"]) == (IntentState.DROPPED, "245.00")
    assert await workspace.intents(unfinished=True) == []


async def test_an_overwrite_is_based_on_what_its_diff_showed(desk: Desk, ware: str) -> None:
    intent = await conflict(desk, ware)
    plan = await desk.workspace.plan_overwrite(intent.id)
    await desk.edit_listing(ware, price="230.00")
    _, written = await desk.workspace.resolve(intent.id, "overwrite", plan=plan)
    assert written.state is IntentState.CONFLICT
    assert (await desk.offer(ware))["price"] == "230.00"


async def test_what_ended_unknown_is_sent_again_when_asked(desk: Desk, ware: str) -> None:
    await desk.fault({"kind": "drop", "at": "before", "methods": ["POST"]})
    intent = await change(desk, ware, price="240")
    assert (intent.state, intent.attempts) == (IntentState.UNKNOWN, 3)
    await desk.fault()
    assert await desk.workspace.settle_left_behind() == [], "not by itself, so soon"
    (sent,) = await desk.workspace.resolve(intent.id, "resend")
    assert (sent.state, (await desk.offer(ware))["price"]) == (IntentState.CONFIRMED, "240.00")


async def test_a_later_write_takes_the_place_of_one_that_ended_unknown(desk: Desk, ware: str) -> None:
    await desk.fault({"kind": "drop", "at": "before", "methods": ["POST"]})
    lost = await change(desk, ware, price="240")
    await desk.fault()
    intent = await change(desk, ware, price="235")
    assert intent.state is IntentState.CONFIRMED
    taken = await desk.workspace.intent(lost.id)
    assert (taken.state, taken.error) == (IntentState.DROPPED, f"write {intent.id} takes its place")
    assert (await desk.offer(ware))["price"] == "235.00"


@pytest.mark.parametrize("how", ["apply", "undo", "resolve", "note", "overwrite"])
async def test_a_viewer_plans_and_reads_and_writes_nothing(desk: Desk, ware: str, how: str, tmp_path: Path) -> None:
    intent = await change(desk, ware, price="240")
    before, count = desk.writes, len(await desk.workspace.intents())
    viewer = desk.workspace.profile.model_copy(update={"access": "viewer"})
    async with await Workspace.open(viewer, desk.workspace.paths) as watching:
        acts: dict[str, Any] = {
            "apply": lambda: _apply(watching, ware),
            "undo": lambda: watching.plan_undo(intent_id=intent.id),
            "resolve": lambda: watching.resolve(intent.id, "keep"),
            "overwrite": lambda: watching.plan_overwrite(intent.id),
            "note": lambda: watching.add_note(next(desk.orders(1)), "x"),
        }
        with pytest.raises(NotAllowed, match="viewer"):
            await acts[how]()
    assert (desk.writes, len(await desk.workspace.intents())) == (before, count)


async def _apply(workspace: Workspace, ware: str) -> None:
    await workspace.apply(await workspace.plan_listing(ware, None, {"price": "230"}))


async def test_a_bulk_of_listings_is_one_run_and_zero_asks_again(desk: Desk, ware: str) -> None:
    other = desk.sandbox.shop.listings.get(5).id
    plan = await desk.workspace.plan_listings([ware, other], None, {"quantity": "0"})
    assert plan.confirm == len(plan.intents) == 2
    assert {intent.run for intent in plan.intents} == {plan.run}
    with pytest.raises(UsageError, match="leaves a gap"):
        await desk.workspace.plan_listing(ware, None, {"shipper_3": "DHL"})


async def test_stocks_are_imported_while_orders_come_in(desk: Desk) -> None:
    shop = desk.sandbox.shop
    rows = [f'"{shop.listings.get(number).sku}";{17 + number % 5}' for number in range(len(shop.listings))]
    plan = (await desk.workspace.plan_import("\n".join(["sku;quantity", *rows]).encode())).plan
    done = asyncio.Event()

    async def buyers() -> int:
        sold = 0
        while not done.is_set():
            listing = shop.listings.get(sold * 7 % len(shop.listings)).id
            await desk.call("POST", "/orders", {"listing": listing, "market": "fr-fr", "quantity": 1})
            sold += 1
        return sold

    selling = asyncio.create_task(buyers())
    ended = await desk.apply(plan)
    done.set()
    assert await selling > 10
    assert {intent.state for intent in ended} == {IntentState.CONFIRMED}
    assert len(ended) == desk.writes


async def test_a_cancelled_bulk_drops_what_was_not_begun_and_ends_what_was(desk: Desk) -> None:
    rows = [f'"{desk.sandbox.shop.listings.get(number).sku}";{20 + number}' for number in range(30)]
    plan = (await desk.workspace.plan_import("\n".join(["sku;quantity", *rows]).encode())).plan
    seen: list[WriteProgress] = []
    begun = asyncio.Event()

    def show(progress: WriteProgress) -> None:
        seen.append(progress)
        begun.set()

    bulk = asyncio.create_task(desk.workspace.apply(plan, show=show))
    await begun.wait()
    bulk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bulk
    async with asyncio.timeout(20):
        while seen[-1].done < seen[-1].total:
            begun.clear()
            await begun.wait()
    intents = await desk.workspace.intents(limit=0)
    assert len(intents) == 30
    assert {intent.state for intent in intents} == {IntentState.CONFIRMED, IntentState.DROPPED}
    assert desk.writes == sum(intent.state is IntentState.CONFIRMED for intent in intents) < 30


async def test_an_operator_does_not_wait_behind_a_bulk(desk: Desk, ware: str) -> None:
    await desk.fault({"kind": "latency", "seconds": 0.2, "path": "/ws/listings", "methods": ["POST"]})
    others = [desk.sandbox.shop.listings.get(number) for number in range(5, 35)]
    rows = [f'"{listing.sku}";{50 + number}' for number, listing in enumerate(others)]
    plan = (await desk.workspace.plan_import("\n".join(["sku;quantity", *rows]).encode())).plan
    bulk = asyncio.create_task(desk.workspace.apply(plan))
    (intent,) = await desk.apply(await desk.workspace.plan_listing(ware, None, {"price": "240"}))
    assert intent.state is IntentState.CONFIRMED
    assert not bulk.done()
    await bulk


async def test_a_process_that_ends_leaves_the_rest_to_the_next(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    paths = Paths.under(tmp_path_factory.mktemp("ends"))
    async with await Workspace.open(fast_profile(desk.sandbox), paths) as first:
        await first.sync(["listings"])
        rows = [f'"{desk.sandbox.shop.listings.get(number).sku}";{20 + number}' for number in range(30)]
        plan = (await first.plan_import("\n".join(["sku;quantity", *rows]).encode())).plan
        begun = asyncio.Event()
        bulk = asyncio.create_task(first.apply(plan, show=lambda _: begun.set()))
        await begun.wait()
    with pytest.raises(Partial, match="were not begun"):
        await bulk
    async with await Workspace.open(fast_profile(desk.sandbox), paths) as second:
        assert await second.intents(unfinished=True, limit=0)
        await second.settle_left_behind()
        assert {intent.state for intent in await second.intents(limit=0)} == {IntentState.CONFIRMED}
    assert desk.writes == 30


async def test_a_change_behind_one_that_is_on_its_way_builds_on_it(desk: Desk, ware: str) -> None:
    plans = [await desk.workspace.plan_listing(ware, "fr-fr", {"price": price}) for price in ("239.00", "229.00")]
    await desk.fault({"kind": "latency", "path": f"/ws/listings/{ware}", "methods": ["POST"], "times": 1, "seconds": 1})
    first = asyncio.ensure_future(desk.apply(plans[0]))
    async with asyncio.timeout(10):
        while (await desk.offer(ware))["price"] != "239.00":
            pass
    (second,) = await desk.apply(plans[1])
    assert second.state is IntentState.CONFIRMED
    assert second.base == {"price": "239.00"}
    assert [intent.state for intent in await first] == [IntentState.CONFIRMED]
    assert (await desk.offer(ware))["price"] == "229.00"
