"""A stock import while the shop lives: orders take stock, other hands count, and nothing is called a conflict."""

from collections import Counter
from pathlib import Path

from bmconsole.domain.intents import IntentState
from bmconsole.domain.views import Query
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, running
from bmconsole.workspace import Workspace
from tests.conftest import MARKETS
from tests.writes.killed import fast_profile

ROWS = 100


async def imported(folder: Path, rows: int, *, rate: float) -> tuple[Counter[str], int, int]:
    """Import a stock for `rows` listings while orders come in at `rate` a second.

    Returns:
        How many writes ended in which state, how many of them carry a note, how many orders came in meanwhile.
    """
    options = Options(seed=7, orders=60, listings=rows + 20, markets=MARKETS, limits=False, backbox_settle=(0.0, 0.0))
    async with running(options) as sandbox, await Workspace.open(fast_profile(sandbox), Paths.under(folder)) as desk:
        await desk.sync()
        # The cache is old from here on: the shop lives on, and nothing is synced.
        sandbox.live.rate = rate
        listings = await desk.listings_page(Query(limit=rows))
        file = "id;quantity\n" + "".join(f"{row.id};{20 + place % 7}\n" for place, row in enumerate(listings))
        prepared = await desk.plan_import(file.encode())
        assert not prepared.faults
        before = len(sandbox.shop.orders)
        ended = await desk.apply(prepared.plan)
        sandbox.live.rate = 0
        came = len(sandbox.shop.orders) - before
        wrote = {write.path for write in sandbox.journal.writes}
        assert len(wrote) == sum(intent.attempts > 0 for intent in ended)
        for intent in ended:
            assert intent.attempts <= 1
        return Counter(intent.state.value for intent in ended), sum(bool(intent.note) for intent in ended), came


async def test_a_stock_import_meets_no_false_conflict_while_orders_come_in(tmp_path: Path) -> None:
    states, _, came = await imported(tmp_path, ROWS, rate=40.0)
    assert came > 10
    assert set(states) == {IntentState.CONFIRMED.value}
    assert states.total() > ROWS * 0.8
