"""The pictures of repricing: a month in which rivals moved, prices followed, and the next changes wait for approval."""

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from bmconsole.console.app import ConsoleApp
from bmconsole.console.screens.approve import ApproveScreen
from bmconsole.console.screens.decision import DecisionScreen
from bmconsole.console.screens.history import HistoryScreen
from bmconsole.domain.costs import Cost
from bmconsole.domain.pricing_views import DecisionRow, PricingQuery
from bmconsole.domain.times import stamp
from bmconsole.domain.views import Query
from bmconsole.store.sqlite import Connection
from bmconsole.workspace import Workspace
from tests.console.waiting import until

if TYPE_CHECKING:
    from tests.screenshots import Scene

_WITH_A_PAST = 40
"""How many offers, those with most at stake, are given a month of looks and prices."""
_SHARES = ("0.55", "0.62", "0.70", "0.78", "0.95")


async def fill(workspace: Workspace) -> None:
    """Give most listings a cost, decide, and give those with most at stake a past."""
    dice = random.Random(2)
    costs = [
        Cost(
            sku=row.sku,
            currency="EUR",
            purchase=(row.price.amount * Decimal(dice.choice(_SHARES))).quantize(Decimal("0.01")),
            target_margin=Decimal("0.05"),
        )
        for row in await workspace.listings_page(Query(limit=0))
        if row.price is not None and dice.random() < 0.9
    ]
    await workspace.keep_costs(costs)
    # One request, so that the workspace knows the shop's time.
    await workspace.inspect_order((await workspace.orders_page(Query(limit=1)))[0].order_id)
    await workspace.reprice_now()
    for row in await _dearest(workspace):
        await workspace._history.write(lambda connection, row=row: _remember(connection, row, workspace))  # type: ignore[misc]  # the row of this round


async def _dearest(workspace: Workspace) -> list[DecisionRow]:
    return await workspace.pricing_page(PricingQuery(standing="WINNABLE", state="waiting", limit=_WITH_A_PAST))


async def in_several_grades(workspace: Workspace) -> str:
    """Return the SKU of a listing with a past whose product is sold in other grades as well."""
    for row in await _dearest(workspace):
        if row.decision.market == "fr-fr" and (await workspace.listing_page(f"sku:{row.decision.sku}", "fr-fr")).ladder:
            return row.decision.sku
    raise LookupError("no listing has a past and other grades")


def _remember(connection: Connection, row: DecisionRow, workspace: Workspace) -> None:
    """Put a month of looks and prices before what is known of an offer."""
    decision, box, now = row.decision, row.box, workspace.now()
    if decision.old is None or box is None or box.winner_price is None:
        return
    place, dice = (decision.listing, decision.market), random.Random(decision.sku)
    for table in ("observations", "prices"):
        connection.execute(f"DELETE FROM {table} WHERE listing = ? AND market = ?", place)  # noqa: S608 - fixed names
    ours, rival = decision.old.minor * 104 // 100, decision.old.minor * 103 // 100
    at, before = now - timedelta(days=30), 0
    while at < now:
        until_then = min(now, at + timedelta(hours=2))
        lowest = box.winner_price.minor if now - at < timedelta(hours=30) else decision.old.minor + 1
        rival = max(lowest, min(rival + dice.choice((0, 0, 0, -700, 250, -350, 300, -900, 100)), ours * 103 // 100))
        if until_then == now:
            ours, rival = decision.old.minor, box.winner_price.minor
        wins = ours <= rival
        values = (ours, ours if wins else rival - 1, ours if wins else rival, int(wins))
        seen = (stamp(at), stamp(until_then - timedelta(minutes=5)))
        connection.execute(
            """INSERT INTO observations (listing, market, currency, price, price_to_win, winner_price, winning,
            first_seen, last_seen) VALUES (?, ?, 'EUR', ?, ?, ?, ?, ?, ?)""",
            (*place, *values, *seen),
        )
        if ours != before:
            connection.execute(
                """INSERT INTO prices (listing, market, currency, price, first_seen, last_seen)
                VALUES (?, ?, 'EUR', ?, ?, ?)""",
                (*place, ours, *seen),
            )
            before = ours
        if not wins and rival - 1 >= decision.old.minor and dice.random() < 0.4:
            ours = rival - 1
        elif wins and dice.random() < 0.06:
            ours += 300
        at = until_then


async def page(scene: "Scene") -> None:
    """What surrounds a listing, in place of its form where that is narrow."""
    app = scene.pilot.app
    assert isinstance(app, ConsoleApp)
    await scene.pilot.press("2")
    await scene.search(f"sku:{scene.several}", "listings-table")
    await scene.pilot.press("enter")
    await until(lambda: app.edit.page is not None)
    await scene.pilot.press("escape", "a")


async def pricing(scene: "Scene") -> None:
    """Every price by what is at stake, the reason and the past of one."""
    await scene.pilot.press("7")
    app = scene.pilot.app
    assert isinstance(app, ConsoleApp)
    await until(lambda: bool(scene.table("pricing-table").row_count) and app.pricing.counts is not None)
    app.pricing.filter("winnable waiting")
    await until(lambda: app.pricing.where == "winnable waiting" and app.pricing.table.cursor_key is not None)
    await scene.pilot.press("space", "space", "k", "k")
    await scene.pilot.pause(0.5)


async def price_history(scene: "Scene") -> None:
    """One price over a month."""
    await pricing(scene)
    await scene.pilot.press("h")
    await until(lambda: isinstance(scene.pilot.app.screen, HistoryScreen))
    await scene.pilot.press("right")
    await scene.pilot.pause(0.5)


async def approval(scene: "Scene") -> None:
    """The review before prices are written."""
    await pricing(scene)
    await scene.pilot.press("a")
    await until(lambda: isinstance(scene.pilot.app.screen, ApproveScreen))
    await scene.pilot.pause(0.3)


async def decision(scene: "Scene") -> None:
    """One decision in full."""
    await pricing(scene)
    await scene.pilot.press("enter")
    await until(lambda: isinstance(scene.pilot.app.screen, DecisionScreen))
    await scene.pilot.pause(0.3)


PRICED: dict[str, Callable[["Scene"], Awaitable[None]]] = {
    "listing-page": page,
    "pricing": pricing,
    "price-history": price_history,
    "approve-prices": approval,
    "decision": decision,
}
"""The scenes that need costs and decisions: `fill` makes them."""
