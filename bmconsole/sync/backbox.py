"""Observes how our listings stand in the backbox of each market."""

from bmconsole.backmarket import backbox as api
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.priority import Priority
from bmconsole.domain.views import PassResult, Progress
from bmconsole.store import listings as rows
from bmconsole.store import passes
from bmconsole.store.listings import Observation
from bmconsole.store.sqlite import Connection
from bmconsole.sync import ShowProgress, Sources

STREAM = "backbox"


async def observe(sources: Sources, listing: str, *, priority: Priority = Priority.LOW) -> list[Observation]:
    """Look at one listing's backboxes and keep what is seen; an empty list where it competes nowhere."""
    answer = await api.competitors(sources.client, listing, priority=priority)
    at = sources.now()
    seen = []
    for market in sources.markets:
        item = api.pick(answer, market)
        if item is not None:
            box = item.to_backbox(market, at)
            currency = MARKETS[market].currency
            seen.append(Observation(market, currency, box.price, box.price_to_win, box.winner_price, box.winning, at))
    await sources.mirror.write(lambda connection: rows.observe(connection, listing, seen, at=at))
    if seen:

        def keep(connection: Connection) -> None:
            for observation in seen:
                rows.record_observation(connection, listing, observation)

        await sources.history.write(keep)
    return seen


async def sweep(sources: Sources, *, priority: Priority = Priority.LOW, show: ShowProgress | None = None) -> PassResult:
    """Observe every listing that is online somewhere, the longest unobserved first.

    `seen` counts listings that compete, `pages` the requests; a shop that competes nowhere is a clean sweep.
    """
    wanted = await sources.mirror.read(lambda connection: rows.to_observe(connection, sources.markets))
    competing = changed = 0
    for done, listing in enumerate(wanted, start=1):
        seen = await observe(sources, listing, priority=priority)
        competing += bool(seen)
        changed += len(seen)
        if show is not None:
            show(Progress(STREAM, done, done, len(wanted)))
    at = sources.now()
    await sources.mirror.write(lambda connection: passes.set_clean(connection, STREAM, watermark=None, at=at))
    return PassResult(STREAM, len(wanted), competing, changed, 0, True)
