"""A state machine of edits, bulks, syncs, crashes, foreign edits, lost answers, undos and jumps of the clock.

`BMCONSOLE_EXAMPLES=2000 pytest tests/writes/test_machine.py` runs more of it than a normal run does.
"""

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bmconsole.domain.intents import Intent, IntentState
from bmconsole.domain.views import Query, WritePlan
from bmconsole.errors import BmError, Conflict
from bmconsole.store.intents import audit_broken_at
from bmconsole.writes.crashpoints import STEPS
from tests.writes.world import LISTINGS, MARKETS, World

EXAMPLES = int(os.environ.get("BMCONSOLE_EXAMPLES", "25"))
STEP_COUNT = 50

numbers = st.integers(0, LISTINGS - 1)
markets = st.sampled_from(MARKETS)
prices = st.integers(20_000, 30_000).map(lambda cents: f"{cents / 100:.2f}")
stocks = st.integers(0, 40).map(str) | st.sampled_from(["+1", "+3", "-1", "-2"])
fields = st.fixed_dictionaries({}, optional={"price": prices, "quantity": stocks}).filter(bool)
crashes = st.sampled_from([step for step in STEPS if step != "before-plan-commit"])


class Shopkeeping(RuleBasedStateMachine):
    """The model is the shop itself: what it must never show, and what the journal must never claim."""

    inline: ClassVar[bool] = False
    """Whether the databases do without threads: faster, and there are others who test those."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self._folder.name), inline=self.inline)
        self.foreign: dict[tuple[int, str], str] = {}

    def teardown(self) -> None:
        world = self.world
        if world.dead:
            world.restart()
        self.settle()
        broken = world.run(world.workspace._journal.read(audit_broken_at))
        world.close()
        self._folder.cleanup()
        assert broken is None

    @initialize()
    def first_sync(self) -> None:
        self.world.run(self.world.workspace.sync(["listings"]))

    # What the operator does

    @rule(number=numbers, market=markets, typed=fields)
    def edit(self, number: int, market: str, typed: dict[str, str]) -> None:
        self.write([number], market, typed)

    @rule(chosen=st.sets(numbers, min_size=2), market=markets, typed=fields)
    def bulk(self, chosen: set[int], market: str, typed: dict[str, str]) -> None:
        self.write(sorted(chosen), market, typed)

    @rule(
        number=numbers, market=markets, typed=fields, at=st.sampled_from(["before", "after"]), times=st.integers(1, 3)
    )
    def edit_with_losses(self, number: int, market: str, typed: dict[str, str], at: str, times: int) -> None:
        self.world.lose(at, times)
        self.write([number], market, typed)
        self.world.faults.set()

    @rule(number=numbers, market=markets, typed=fields, foreign=prices)
    def edit_too_late(self, number: int, market: str, typed: dict[str, str], foreign: str) -> None:
        """Somebody else is faster than the confirmation of the diff."""
        plan = self.plan([number], market, typed)
        if plan is None:
            return
        self.world.foreign(number, market, price=foreign)
        for intent in self.world.apply(plan) or []:
            if "price" in intent.want and foreign not in (intent.base["price"], intent.want["price"]):
                assert intent.state is IntentState.CONFLICT
                assert self.world.live(intent.target, market)["price"] == foreign, "nobody is overwritten"

    @rule(number=numbers, market=markets, typed=fields, step=crashes)
    def crash(self, number: int, market: str, typed: dict[str, str], step: str) -> None:
        world = self.world
        plan = self.plan([number], market, typed)
        if plan is None or not plan.intents:
            return
        world.die_at = step
        world.apply(plan)
        world.restart()

    @precondition(lambda self: self.world.unfinished())
    @rule()
    def settle(self) -> None:
        """The next process takes up what is left; nothing it can settle stays open."""
        settled = self.world.run(self.world.workspace.settle_left_behind())
        last = {intent.target: intent for intent in settled}
        for intent in last.values():
            self.check(intent)
        assert all(left.attempts >= 3 or left.acked for left in self.world.unfinished())

    @rule()
    def undo(self) -> None:
        world = self.world
        newest = next((one for one in world.intents() if one.state is IntentState.CONFIRMED), None)
        if newest is None:
            return
        live = world.live(newest.target, newest.market or "")
        try:
            plan, _ = world.run(world.workspace.plan_undo(intent_id=newest.id))
        except Conflict:
            moved = any(live[name] != value for name, value in newest.want.items())
            assert moved or newest.undone_by is not None or not newest.attempts
            return
        for intent in world.apply(plan) or []:
            self.check(intent)
            if intent.state is IntentState.CONFIRMED:
                now = world.live(newest.target, newest.market or "")
                assert all(now[name] == (newest.before or {})[name] for name in intent.want)

    # What others do

    @rule(number=numbers, market=markets, price=prices)
    def foreign_edit(self, number: int, market: str, price: str) -> None:
        self.world.foreign(number, market, price=price)

    @rule(number=numbers, stock=st.integers(-1, 30))
    def foreign_stock(self, number: int, stock: int) -> None:
        self.world.foreign(number, MARKETS[0], quantity=stock)

    @rule()
    def sync(self) -> None:
        self.world.run(self.world.workspace.sync(["listings"]))

    @rule(seconds=st.sampled_from([1.0, 60.0, 3_600.0, 86_400.0]))
    def jump(self, seconds: float) -> None:
        self.world.jump(seconds)

    # What always holds

    @invariant()
    def the_tables_show_what_is_pending(self) -> None:
        world = self.world
        wanted: dict[str, set[str]] = {}
        for intent in world.unfinished():
            names = {name for name in intent.want if intent.market == MARKETS[0] or name == "quantity"}
            wanted.setdefault(intent.target, set()).update(names)
        rows = world.run(world.workspace.listings_page(Query(limit=0)))
        assert all(set(row.pending) == wanted.get(row.id, set()) for row in rows)

    # Helpers

    def plan(self, chosen: list[int], market: str, typed: dict[str, str]) -> WritePlan | None:
        world = self.world
        refs = [world.ids[number] for number in chosen]
        try:
            if len(refs) == 1:
                return world.run(world.workspace.plan_listing(refs[0], market, typed))
            return world.run(world.workspace.plan_listings(refs, market, typed))
        except BmError:
            return None  # a stock that would be negative

    def write(self, chosen: list[int], market: str, typed: dict[str, str]) -> None:
        plan = self.plan(chosen, market, typed)
        if plan is None or not plan.intents:
            return
        before = {intent.target: self.world.live(intent.target, market) for intent in plan.intents}
        for intent in self.world.apply(plan) or []:
            self.check(intent)
            if intent.state is IntentState.CONFLICT and "price" in intent.want:
                kept = self.world.live(intent.target, market)["price"]
                assert kept == before[intent.target]["price"], "what somebody else wrote stays"

    def check(self, intent: Intent) -> None:
        """What is called done is so at this moment, and nothing went out twice without a read between."""
        if intent.state is IntentState.CONFIRMED:
            live = self.world.live(intent.target, intent.market or "")
            # What was acknowledged and sold or counted since is done, with a note
            moved = {"quantity"} if intent.acked and "moved after the write" in (intent.note or "") else set()
            assert all(live[name] == intent.want[name] for name in intent.want.keys() - moved), (intent, live)
        path = f"/ws/listings/{intent.target}"
        methods = [seen.method for seen in self.world.journal.seen if seen.path == path]
        assert all(pair != ("POST", "POST") for pair in pairwise(methods))


def test_what_always_holds_while_a_shop_is_kept() -> None:
    run_state_machine_as_test(
        Shopkeeping,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEP_COUNT,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
