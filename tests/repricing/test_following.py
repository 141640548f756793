"""What came of a change: looked at in time, cut short by the next change, told by rule; and what the views show."""

from datetime import timedelta

from bmconsole.domain.decisions import Standing
from bmconsole.domain.pricing_views import PricingQuery
from bmconsole.domain.times import stamp
from bmconsole.store.outcomes import STEPS

from .conftest import Market


async def due_now(market: Market, *steps: timedelta) -> None:
    """Let the looks after these steps be due."""
    at = stamp(market.workspace.now())
    await market.workspace._history.write(
        lambda connection: connection.executemany(
            "UPDATE outcomes SET due = ? WHERE step = ?", [(at, int(step.total_seconds())) for step in steps]
        )
    )


async def test_a_change_is_looked_at_three_times(market: Market) -> None:
    (listing,) = await market.losing(1)
    result = await market.workspace.apply_repricing(await market.workspace.plan_repricing(approved=True))
    (intent,) = result.intents
    assert await market.workspace.follow_up() == 0
    await due_now(market, *STEPS[:1])
    assert await market.workspace.follow_up() == 1
    view = await market.workspace.decision_of(listing)
    assert [look.step for look in view.outcomes] == [300, 3600, 86400]
    first = view.outcomes[0]
    assert (first.intent, first.won_before, first.winning, first.sold) == (intent.id, False, True, 0)
    assert view.outcomes[1].seen is None
    net = await market.workspace._history.read(
        lambda connection: connection.execute("SELECT net FROM outcomes LIMIT 1").fetchone()[0]
    )
    price, cost = market.price(listing), (await market.workspace.price_history(listing)).cost
    assert cost is not None
    purchase = int(cost.purchase * 100)
    # 10 % commission, and a sixth of the margin as VAT
    assert net == round(price - purchase - price / 10 - (price - purchase) / 6)
    (score,) = await market.workspace.scores()
    assert (score.rule, score.changes, score.followed, score.gained, score.lost) == ("default", 1, 1, 1, 0)
    kept = await market.workspace._history.read(
        lambda connection: connection.execute("SELECT DISTINCT new, net FROM outcomes").fetchall()
    )
    decision = result.decisions[0].decision
    assert decision.margin is not None
    assert [(row["new"], row["net"]) for row in kept] == [
        (decision.target and decision.target.minor, round(row["new"] * decision.margin)) for row in kept
    ]


async def test_a_box_that_was_not_won_is_no_gain(market: Market) -> None:
    (listing,) = await market.losing(1)
    await market.workspace.apply_repricing(await market.workspace.plan_repricing(approved=True))
    market.rival(listing, 100)
    await due_now(market, *STEPS)
    assert await market.workspace.follow_up() == 3
    (score,) = await market.workspace.scores()
    assert (score.gained, score.lost, score.followed) == (0, 0, 1)


async def test_the_next_change_ends_the_looks_at_the_one_before(market: Market) -> None:
    (listing,) = await market.losing(1)
    workspace = market.workspace
    market.rules('[guards]\nsettle = "1s"\nafter_cut = "1s"\n[[rule]]\nname = "w"\nstrategy = ["hold", "win"]\n')
    first = await workspace.apply_repricing(await workspace.plan_repricing(approved=True))
    assert first.states == {"written": 1}
    market.rival(listing, int(market.price(listing) * 0.98))
    # Our change has to lie further back than a second, by the server's clock
    await workspace._journal.write(
        lambda connection: connection.execute(
            "UPDATE intents SET updated = ?", (stamp(workspace.now() - timedelta(minutes=9)),)
        )
    )
    await market.observe()
    second = await workspace.apply_repricing(await workspace.plan_repricing(approved=True))
    assert second.states == {"written": 1}, second.decisions
    rows = await workspace._history.read(
        lambda connection: connection.execute("SELECT intent, seen, cut_short FROM outcomes ORDER BY id").fetchall()
    )
    assert [(row["cut_short"], row["seen"] is None) for row in rows] == [(1, False)] * 3 + [(0, True)] * 3
    (score,) = await workspace.scores()
    assert (score.changes, score.followed) == (2, 1)


async def test_counts_pages_and_positions_agree(market: Market) -> None:
    chosen = await market.losing(5)
    market.rival(chosen[0], 100)
    await market.observe()
    workspace = market.workspace
    assert (await workspace.pricing_counts()).at is None
    planned = await workspace.reprice_now()
    counts = await workspace.pricing_counts()
    by_standing = {each.standing: each.count for each in counts.standings}
    assert by_standing[Standing.WINNABLE] == 4
    assert by_standing[Standing.BLOCKED] == 1
    assert sum(by_standing.values()) == len(planned.decisions) == await workspace.pricing_count(PricingQuery())
    assert (counts.waiting, counts.run, counts.mode) == (4, planned.run, "suggest")
    query = PricingQuery(standing=Standing.WINNABLE, sort="-money", limit=0)
    page = await workspace.pricing_page(query)
    assert {row.decision.listing for row in page} == set(chosen[1:])
    worths = [row.decision.worth.minor for row in page if row.decision.worth]
    assert worths == sorted(worths, reverse=True)
    for place, row in enumerate(page):
        assert await workspace.pricing_position(query, row.decision.listing, "fr-fr") == place
    assert await workspace.pricing_position(query, chosen[0], "fr-fr") is None
    sku = page[0].decision.sku
    assert [
        row.decision.sku for row in await workspace.pricing_page(PricingQuery(where=f"sku:{sku}", market="fr-fr"))
    ] == [sku]
    assert page[0].title
    assert page[0].box is not None


async def test_what_says_the_same_is_not_written_again(market: Market) -> None:
    await market.losing(3)
    await market.workspace.reprice_now()
    before = await market.workspace.pricing_page(PricingQuery(limit=0, sort="sku"))
    await market.workspace.reprice_now()
    after = await market.workspace.pricing_page(PricingQuery(limit=0, sort="sku"))
    assert [row.id for row in before] == [row.id for row in after]
    assert len(await market.workspace.runs()) == 2


async def test_floors_are_what_the_filters_of_listings_go_by(market: Market) -> None:
    low, high = await market.losing(2)
    market.rival(low, 100)
    await market.observe()
    await market.workspace.reprice_now()
    winnable = await market.workspace.listings_passing("winnable", [low, high], market="fr-fr")
    blocked = await market.workspace.listings_passing("blocked", [low, high], market="fr-fr")
    assert (winnable, blocked) == ({high}, {low})


async def test_the_history_of_a_price(market: Market) -> None:
    (listing,) = await market.losing(1)
    workspace = market.workspace
    await workspace.apply_repricing(await workspace.plan_repricing(approved=True))
    await market.observe()
    told = await workspace.price_history(listing)
    assert (told.market, told.currency) == ("fr-fr", "EUR")
    assert told.prices
    assert [each.winning for each in told.seen] == [False, True]
    assert [intent.origin for intent in told.changes] == ["rule"]
    assert told.floor is not None
    assert told.cost is not None


async def test_a_brief_tells_the_morning(market: Market) -> None:
    chosen = await market.losing(2)
    workspace = market.workspace
    await workspace.apply_repricing(await workspace.plan_repricing(approved=True))
    await workspace.pause(market="de-de")
    # What was seen of the boxes is taken back by a day, so that the night begins after it
    await market.observe()
    early = stamp(workspace.now() - timedelta(hours=20))
    await workspace._history.write(
        lambda connection: connection.execute("UPDATE observations SET first_seen = ?, last_seen = ?", (early, early))
    )
    for listing in chosen:
        market.rival(listing, 100)
    await market.observe()
    brief = await workspace.brief()
    assert brief.changes == {"written": 2}
    assert len(brief.lost) == 2
    assert brief.paused == ("de-de",)
    assert brief.to_accept == (await workspace.status()).statuses["to-accept"]
    text = "\n".join(brief.lines())
    assert "Repricing (suggest): 1 runs, 2 written; 0 wait for approval." in text
    assert "0 won and 2 lost overnight" in text
    assert "PAUSED: de-de" in text
