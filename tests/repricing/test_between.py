"""Between the decision and the send: what must keep a price of repricing from being sent after all."""

import asyncio
from datetime import timedelta

import pytest

from bmconsole.domain.intents import IntentState
from bmconsole.domain.pricing_views import RepriceProgress
from bmconsole.domain.times import stamp
from bmconsole.domain.views import WritePlan
from bmconsole.errors import Conflict
from bmconsole.store import leases
from bmconsole.store.sqlite import Connection
from bmconsole.workspace import Workspace
from bmconsole.writes.execute import DECIDED
from bmconsole.writes.plan import plan_listing

from .conftest import LIMITS, Market, OpenMarket


async def ruled(market: Market, listing: str, price: str) -> WritePlan:
    """Return what repricing would write."""
    workspace = market.workspace
    return plan_listing(
        await workspace.listing(listing), "fr-fr", {"price": price}, origin="rule", now=workspace.now(), run="rule-x"
    )


async def test_what_is_paused_is_not_sent(market: Market) -> None:
    (listing, *_) = await market.online()
    before = market.price(listing)
    plan = await ruled(market, listing, "123.45")
    await market.workspace.pause(listing=listing)
    (intent,) = await market.workspace.apply(plan)
    assert (intent.state, intent.error) == (IntentState.DROPPED, "not sent: repricing is paused")
    assert market.price(listing) == before


async def test_what_was_decided_too_long_ago_is_not_sent_by_the_next_process(market: Market) -> None:
    (listing, *_) = await market.online()
    workspace, before = market.workspace, market.price(listing)
    plan = await ruled(market, listing, "123.45")
    long_ago = stamp(workspace.now() - DECIDED - timedelta(seconds=1))

    def left(connection: Connection) -> None:
        leases.save(connection, plan.intents, owner="9:9", now=workspace.now())
        connection.execute("UPDATE intents SET owner = NULL, created = ?", (long_ago,))

    await workspace._journal.write(left)
    (intent,) = await workspace.settle_left_behind()
    assert (intent.state, intent.error) == (IntentState.DROPPED, "not sent: it was decided too long ago")
    assert market.price(listing) == before


async def test_an_operators_write_comes_before_and_after(market: Market) -> None:
    (listing, *_) = await market.online()
    workspace = market.workspace
    mine = await workspace.plan_listing(listing, "fr-fr", {"quantity": "4"})
    theirs = await ruled(market, listing, "123.45")
    await workspace._journal.write(
        lambda connection: leases.save(connection, mine.intents, owner="another", now=workspace.now())
    )
    with pytest.raises(Conflict, match="repricing leaves it alone"):
        await workspace.apply(theirs)
    assert [intent.origin for intent in await workspace.intents(limit=0)] == ["operator"]


async def test_two_runs_do_not_write_the_same_price_twice(market: Market) -> None:
    (listing,) = await market.losing(1)
    plan = await market.workspace.plan_repricing(approved=True)
    async with await Workspace.open(market.workspace.profile, market.workspace.paths) as other:
        results = await asyncio.gather(market.workspace.apply_repricing(plan), other.apply_repricing(plan))
    states = sorted(row.state for result in results for row in result.decisions)
    assert states == ["stopped", "written"]
    assert [intent.state for intent in await market.workspace.intents(limit=0)] == [IntentState.CONFIRMED]
    assert market.price(listing) == plan.decisions[0].decision.target.minor  # type: ignore[union-attr]  # it has one


async def test_the_operator_has_lines_left_when_repricing_has_used_its_share(open_market: OpenMarket) -> None:
    market: Market = await open_market(limits=LIMITS | {"sku_lines": "10/3600"})
    chosen = await market.losing(10)
    plan = await market.workspace.plan_repricing(approved=True)
    waits = asyncio.Event()

    def look(progress: RepriceProgress) -> None:
        if progress.note:
            waits.set()

    run = asyncio.create_task(market.workspace.apply_repricing(plan, show=look))
    async with asyncio.timeout(30):
        await waits.wait()
    zero = await market.workspace.plan_listing(chosen[0], None, {"quantity": "0"})
    async with asyncio.timeout(5):
        (intent,) = await market.workspace.apply(zero)
    assert intent.state is IntentState.CONFIRMED
    assert not run.done()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    prices = [each for each in await market.workspace.intents(limit=0) if each.origin == "rule"]
    assert 1 <= len(prices) <= 8
