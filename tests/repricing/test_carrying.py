"""From a plan to a price that was read back: dry, applied, approved, automatic; and what must stop it."""

import asyncio

import pytest

from bmconsole.domain.decisions import Standing, Verdict
from bmconsole.domain.intents import IntentState
from bmconsole.domain.pricing_views import PricingQuery, RepriceProgress
from bmconsole.errors import Guarded, NotAllowed
from bmconsole.store import leases
from bmconsole.store.decisions import fingerprint
from bmconsole.workspace import Workspace

from .conftest import Market, OpenMarket

EASY = """[guards]
margin_auto = 1
margin_flag = 1
margin_amount = "1.00 EUR"

[[rule]]
name = "all"
strategy = ["hold", "win"]
"""
"""Rules under which a thin margin does not hold back an automatic write."""


async def test_without_a_cost_no_price_is_changed(market: Market) -> None:
    await market.observe()
    plan = await market.workspace.plan_repricing(approved=True)
    assert {row.decision.standing for row in plan.decisions} == {Standing.NO_COST}
    assert plan.counts.get("write") is None
    result = await market.workspace.apply_repricing(plan)
    assert (result.intents, result.states) == ((), {})


async def test_a_winnable_box_is_won_by_apply(market: Market) -> None:
    (listing,) = await market.losing(1)
    before = market.price(listing)
    dry = await market.decide(listing)
    assert (dry.decision.standing, dry.decision.decision) == (Standing.WINNABLE, Verdict.SUGGEST)
    plan = await market.workspace.plan_repricing(approved=True)
    result = await market.workspace.apply_repricing(plan)
    assert result.states == {"written": 1}
    (intent,) = result.intents
    assert (intent.state, intent.origin, intent.run) == (IntentState.CONFIRMED, "rule", result.run)
    assert dry.decision.target is not None
    assert market.price(listing) == dry.decision.target.minor < before
    (row,) = result.decisions
    assert (row.state, row.decision.listing) == ("written", listing)


async def test_suggestions_wait_and_are_approved(market: Market) -> None:
    one, two = await market.losing(2)
    planned = await market.workspace.reprice_now()
    assert planned.counts["suggest"] == 2
    waiting = await market.workspace.waiting_rows()
    assert {row.decision.listing for row in waiting} == {one, two}
    assert {row.state for row in waiting} == {"waiting"}
    chosen = next(row for row in waiting if row.decision.listing == one)
    result = await market.workspace.approve([chosen.id])
    assert result.states == {"written": 1}
    assert [row.decision.listing for row in await market.workspace.waiting_rows()] == [two]
    view = await market.workspace.decision(chosen.id)
    assert (view.row.state, view.row.intent) == ("written", result.intents[0].id)
    assert [again.state for again in view.again] == ["written"]
    assert view.row.decision.made_from["facts"]


async def test_last_nights_suggestion_is_decided_again(market: Market) -> None:
    cheap, gone = await market.losing(2)
    await market.workspace.reprice_now()
    rows = {row.decision.listing: row for row in await market.workspace.waiting_rows()}
    market.rival(cheap, int(market.price(cheap) * 0.3))
    market.rival(gone, None)
    before = {listing: market.price(listing) for listing in (cheap, gone)}
    result = await market.workspace.approve([row.id for row in rows.values()])
    assert result.states == {"stopped": 2}
    assert {listing: market.price(listing) for listing in (cheap, gone)} == before
    told = {row.decision.listing: row.result for row in result.decisions}
    assert "winning" in (told[gone] or "")
    again = (await market.workspace.decision(rows[cheap].id)).again[0]
    assert again.decision.standing is Standing.BLOCKED


async def test_mode_auto_writes_and_the_others_do_not(open_market: OpenMarket) -> None:
    market: Market = await open_market(repricing_mode="auto")
    market.rules(EASY)
    one, two, three = await market.losing(3)
    done = await market.workspace.reprice_by_timer(3600.0)
    assert "3 written" in done
    page = await market.workspace.pricing_page(PricingQuery(state="written"))
    assert {row.decision.listing for row in page} == {one, two, three}
    assert (await market.workspace.runs())[0].counts["written"] == 3


async def auto(open_market: OpenMarket, **profile: object) -> Market:
    """Open a market in mode `auto` whose guards let thin margins pass."""
    market: Market = await open_market(repricing_mode="auto", **profile)
    market.rules(EASY)
    return market


async def test_a_listing_and_a_rule_have_modes_of_their_own(open_market: OpenMarket) -> None:
    market = await auto(open_market, access="admin")
    one, two, three = await market.losing(3)
    sku = (await market.workspace.listing(three)).sku
    never = f'[[rule]]\nname = "never"\nsku = "{sku}"\nmode = "off"\nstrategy = "win"\n\n[[rule]]'
    market.rules(EASY.replace("[[rule]]", never))
    await market.workspace.give_mode([two], "suggest")
    await market.workspace.reprice_now()
    page = await market.workspace.pricing_page(PricingQuery(market="fr-fr", limit=0))
    rows = {row.decision.listing: row for row in page}
    assert [rows[each].state for each in (one, two, three)] == ["written", "waiting", ""]
    assert (rows[three].decision.decision, rows[three].decision.mode) == (Verdict.OFF, "off")
    await market.workspace.give_mode([two], None)
    await market.workspace.reprice_now()
    assert (await market.workspace.decision_of(two)).row.state == "written"


async def test_the_kill_switch_stops_a_run_in_another_process(open_market: OpenMarket) -> None:
    market = await auto(open_market)
    await market.losing(18)
    async with await Workspace.open(market.workspace.profile, market.workspace.paths) as other:
        plan = await market.workspace.plan_repricing(approved=True)
        paused: list[asyncio.Task[bool]] = []

        def stop(progress: RepriceProgress) -> None:
            if not paused:
                paused.append(asyncio.create_task(other.pause(why="look at it")))

        result = await market.workspace.apply_repricing(plan, show=stop)
        assert await paused[0]
    assert result.stopped == "pause: everything is stopped"
    assert 1 <= len(result.decisions) < 18
    again = await market.workspace.plan_repricing(approved=True)
    assert again.counts.get("write") is None
    assert {row.decision.decision for row in again.decisions if row.decision.floor} <= {Verdict.SKIP, Verdict.HOLD}


async def test_pauses_of_a_market_and_of_a_listing_skip_only_those(open_market: OpenMarket) -> None:
    market = await auto(open_market, access="admin")
    one, two = await market.losing(2)
    workspace = market.workspace
    assert await workspace.pause(listing=one)
    assert not await workspace.pause(listing=one)
    row = await market.decide(one)
    assert (row.decision.decision, row.decision.guards[0].guard) == (Verdict.SKIP, "pause")
    assert (await market.decide(two)).decision.decision is Verdict.WRITE
    assert await workspace.pause(market="fr-fr")
    assert (await market.decide(two)).decision.decision is Verdict.SKIP
    assert [(pause.market, pause.listing) for pause in await workspace.pauses()] == [(None, one), ("fr-fr", None)]
    assert await workspace.resume(market="fr-fr")
    assert (await market.decide(two)).decision.decision is Verdict.WRITE


async def test_what_the_operator_is_about_is_left_alone(open_market: OpenMarket) -> None:
    market = await auto(open_market)
    one, two = await market.losing(2)
    workspace = market.workspace
    before = market.price(one)
    plan = await workspace.plan_repricing(approved=True)
    mine = await workspace.plan_listing(one, "de-de", {"price": "250.00"})
    await workspace._journal.write(
        lambda connection: leases.save(connection, mine.intents, owner="another process", now=workspace.now())
    )
    result = await workspace.apply_repricing(plan)
    states = {row.decision.listing: row.state for row in result.decisions}
    assert states == {one: "stopped", two: "written"}
    assert market.price(one) == before


async def test_a_conflict_is_never_overridden(open_market: OpenMarket) -> None:
    market = await auto(open_market)
    (one,) = await market.losing(1)
    workspace = market.workspace
    mine = await workspace.plan_listing(one, None, {"price": "333.00"})
    await market.edit(one, market="fr-fr", price="321.00")
    (intent,) = await workspace.apply(mine)
    assert intent.state is IntentState.CONFLICT
    await market.observe()
    row = await market.decide(one, approved=True)
    assert row.decision.decision is Verdict.SKIP
    assert f"write {intent.id} is conflict" in row.decision.reason


async def test_five_failures_in_a_row_end_the_run(open_market: OpenMarket) -> None:
    market = await auto(open_market, listings=60)
    await market.losing(9)
    await market.call("PUT", "/faults", [{"kind": "answer", "status": 400, "body": "no", "methods": ["POST"]}])
    plan = await market.workspace.plan_repricing(approved=True)
    result = await market.workspace.apply_repricing(plan)
    assert result.stopped is not None
    assert "failure-breaker: 5 writes in a row failed" in result.stopped
    assert 5 <= result.states["failed"] < 9


async def test_the_run_breaker_makes_suggestions(open_market: OpenMarket) -> None:
    market = await auto(open_market, listings=60)
    chosen = await market.losing(25)
    prices = {listing: market.price(listing) for listing in chosen}
    market.rules(EASY.replace("margin_auto", "run_count = 10\nrun_share = 5\nmargin_auto"))
    planned = await market.workspace.reprice_now(cause="engine")
    assert planned.breaker is not None
    assert {listing: market.price(listing) for listing in chosen} == prices
    assert len(await market.workspace.waiting_rows()) == 25
    notices = [event.message for event in await market.workspace.events() if event.level == "warning"]
    assert len(notices) == 1
    assert "run-breaker" in notices[0]
    with pytest.raises(Guarded, match="Nothing was written"):
        await market.workspace.apply_repricing(await market.workspace.plan_repricing(approved=True))
    few = [row.id for row in (await market.workspace.waiting_rows())[:3]]
    assert (await market.workspace.approve(few)).states == {"written": 3}


async def test_a_whole_run_is_undone_but_for_what_moved_on(open_market: OpenMarket) -> None:
    market = await auto(open_market)
    chosen = await market.losing(4)
    before = {listing: market.price(listing) for listing in chosen}
    result = await market.workspace.apply_repricing(await market.workspace.plan_repricing(approved=True))
    assert result.states == {"written": 4}
    await market.edit(chosen[0], market="fr-fr", price="199.99")
    plan, refused = await market.workspace.plan_undo(run=result.run)
    assert len(plan.intents) == 3
    (left,) = refused
    assert "price is 199.99 now" in left.why
    await market.workspace.apply(plan)
    assert market.price(chosen[0]) == 19999
    assert {listing: market.price(listing) for listing in chosen[1:]} == {each: before[each] for each in chosen[1:]}


async def test_a_dry_run_and_a_live_run_decide_the_same(open_market: OpenMarket) -> None:
    market = await auto(open_market)
    await market.losing(5)
    dry = await market.workspace.plan_repricing()
    live = await market.workspace.reprice_now()
    pairs = zip(dry.decisions, live.decisions, strict=True)
    assert all(fingerprint(one.decision) == fingerprint(other.decision) for one, other in pairs)
    assert live.counts["written"] == 5


async def test_a_viewer_may_look_and_nothing_else(open_market: OpenMarket) -> None:
    market: Market = await open_market(access="viewer", repricing_mode="auto")
    workspace = market.workspace
    plan = await workspace.plan_repricing()
    for act in (workspace.pause(), workspace.resume(), workspace.apply_repricing(plan), workspace.approve([])):
        with pytest.raises(NotAllowed):
            await act
    assert await workspace.reprice_by_timer(60.0) == ""
