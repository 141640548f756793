"""What dead processes left: too old to be sent still, or not."""

from pathlib import Path

from bmconsole.domain.intents import IntentState
from tests.writes.world import MARKETS, World


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
