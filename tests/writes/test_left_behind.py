"""What dead processes left: too old to be sent still, or not."""

from pathlib import Path

import pytest

from bmconsole.domain.intents import Intent, IntentState
from bmconsole.domain.views import WritePlan
from bmconsole.sandbox.faults import Drop
from tests.writes.world import MARKETS, World


def applied(world: World, plan: WritePlan) -> list[Intent]:
    done = world.apply(plan)
    assert done is not None
    return done


def test_what_waits_behind_something_too_old_is_taken_up_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.run(world.workspace.sync(["listings"]))
        for market, seconds in ((MARKETS[0], 3_600.0), (MARKETS[1], 0.0)):
            plan = world.run(world.workspace.plan_listing(world.ids[0], market, {"price": "239.00"}))
            world.die_at = "after-plan-commit"
            world.apply(plan)
            world.jump(seconds)
            world.restart()
            world.run(world.workspace.sync(["orders"]))
        settled = world.run(world.workspace.settle_left_behind())
        assert not world.unfinished()
        assert [intent.state for intent in settled] == [IntentState.CONFIRMED]
        assert {intent.market: intent.state for intent in world.intents()} == {
            MARKETS[0]: IntentState.DROPPED,
            MARKETS[1]: IntentState.CONFIRMED,
        }
    finally:
        world.close()


def test_what_is_added_to_the_stock_comes_on_top_of_what_a_dead_process_was_adding(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.run(world.workspace.sync(["listings"]))
        listing = world.ids[0]
        world.foreign(0, MARKETS[0], quantity=5)
        world.run(world.workspace.sync(["listings"]))
        world.die_at = "after-sent-commit"
        world.apply(world.run(world.workspace.plan_listing(listing, MARKETS[0], {"quantity": "+1"})))
        world.restart()
        world.apply(world.run(world.workspace.plan_listing(listing, MARKETS[0], {"quantity": "+2"})))
        assert world.live(listing, MARKETS[0])["quantity"] == 8
        assert {intent.state for intent in world.intents()} == {IntentState.CONFIRMED}
    finally:
        world.close()


def test_what_a_dead_process_was_writing_is_no_change_of_somebody_else(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.run(world.workspace.sync(["listings"]))
        listing = world.ids[0]
        for later in ("200.00", "210.00"):
            world.foreign(0, MARKETS[0], price="249.00", quantity=9)
            world.run(world.workspace.sync(["listings"]))
            world.die_at = "after-sent-commit"
            world.apply(
                world.run(world.workspace.plan_listing(listing, MARKETS[0], {"price": "200.00", "quantity": "0"}))
            )
            world.restart()
            typed = {"price": later, "quantity": "+1"}
            (done,) = applied(world, world.run(world.workspace.plan_listing(listing, MARKETS[0], typed)))
            assert done.state is IntentState.CONFIRMED, done
            assert done.base == {"price": "200.00", "quantity": 0}
            assert world.live(listing, MARKETS[0]) == {"price": later, "quantity": 1}
    finally:
        world.close()


def test_a_price_that_somebody_made_what_it_should_become_holds_nothing_up(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.run(world.workspace.sync(["listings"]))
        typed = {"price": "239.00", "quantity": "4"}
        plan = world.run(world.workspace.plan_listing(world.ids[0], MARKETS[0], typed))
        world.foreign(0, MARKETS[0], price="239.00")
        (done,) = applied(world, plan)
        assert done.state is IntentState.CONFIRMED
        assert world.live(world.ids[0], MARKETS[0]) == {"price": "239.00", "quantity": 4}
    finally:
        world.close()


@pytest.mark.parametrize("market", MARKETS)
def test_nothing_is_added_to_the_stock_while_it_is_unknown_whether_something_was(tmp_path: Path, market: str) -> None:
    """By the stock that both look at, nobody could tell afterwards which of them arrived."""
    world = World(tmp_path)
    try:
        world.run(world.workspace.sync(["listings"]))
        listing = world.ids[0]
        world.lose("before", 3)
        (unknown,) = applied(world, world.run(world.workspace.plan_listing(listing, MARKETS[0], {"quantity": "-1"})))
        world.faults.set()
        assert unknown.state is IntentState.UNKNOWN
        (given_up,) = applied(world, world.run(world.workspace.plan_listing(listing, market, {"quantity": "-1"})))
        assert given_up.state is IntentState.DROPPED
        assert given_up.error == f"write {unknown.id} of the same target is not settled yet"
        assert world.live(listing, MARKETS[0])["quantity"] == 9
        # A count does not depend on what was added before
        (counted,) = applied(world, world.run(world.workspace.plan_listing(listing, market, {"quantity": "5"})))
        assert counted.state is IntentState.CONFIRMED
        assert not world.unfinished()
    finally:
        world.close()


def test_what_is_added_waits_until_what_was_added_before_can_be_read_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.run(world.workspace.sync(["listings"]))
        listing = world.ids[0]
        world.die_at = "after-answer"
        world.apply(world.run(world.workspace.plan_listing(listing, MARKETS[0], {"quantity": "-1"})))
        world.restart()
        world.faults.set(Drop(at="before", methods=("GET",), times=3))
        (done,) = applied(world, world.run(world.workspace.plan_listing(listing, MARKETS[0], {"quantity": "-1"})))
        assert done.state is IntentState.CONFIRMED
        assert world.live(listing, MARKETS[0])["quantity"] == 7
        assert {intent.state for intent in world.intents()} == {IntentState.CONFIRMED}
    finally:
        world.close()
