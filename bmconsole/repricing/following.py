"""The part of a workspace that follows up what repricing changed: did it win, did it sell, what did it leave."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bmconsole.domain.listings import Backbox
from bmconsole.domain.pricing_views import OutcomeRow
from bmconsole.domain.priority import Priority
from bmconsole.errors import BmError, NotAllowed
from bmconsole.repricing.deciding import Deciding
from bmconsole.repricing.gathering import market_of
from bmconsole.store import facts as fact_rows
from bmconsole.store import outcomes as outcome_rows
from bmconsole.store.observations import Observation
from bmconsole.store.outcomes import Changed, Looked
from bmconsole.store.sqlite import Connection
from bmconsole.sync import backbox as backbox_sync


class Following(Deciding):
    """Looks again at changes at +5 min, +1 h and +24 h; the wishes to look are kept in the history."""

    async def follow_up(self) -> int:
        """Look at the changes whose time has come; return how many looks were noted.

        One that Back Market does not answer stays due.
        """
        now = self.now()
        due = await self._history.read(lambda connection: outcome_rows.due(connection, now))
        by_listing: dict[str, list[OutcomeRow]] = {}
        for row in due:
            by_listing.setdefault(row.listing, []).append(row)
        noted = 0
        for listing, rows in by_listing.items():
            try:
                async with self._connected():
                    seen = await backbox_sync.observe(await self._sources(), listing, priority=Priority.NORMAL)
            except NotAllowed:
                raise
            except BmError as error:
                await self.note("warning", "repricing", f"outcome: {error.line()}", f"listing:{listing}")
                continue
            await self._note(rows, {look.market: look for look in seen}, cut_short=False)
            noted += len(rows)
        return noted

    async def _cut_short(self, change: Changed, box: Backbox | None) -> None:
        """End the looks at earlier changes of the same offer: what comes now is not their doing.

        What was observed right before this change is the last that can be said of them.
        """
        rows = await self._history.read(
            lambda connection: outcome_rows.open_of(connection, change.listing, change.market, before=change.intent)
        )
        if rows:
            await self._note(rows, {} if box is None else {change.market: box}, cut_short=True)

    async def _note(
        self, rows: Sequence[OutcomeRow], seen: Mapping[str, Observation | Backbox], *, cut_short: bool
    ) -> None:
        at = self.now()
        sold = await self._sold_since(rows, at)
        looks = []
        for row in rows:
            look = seen.get(row.market)
            looks.append(
                Looked(
                    row.id,
                    at,
                    None if look is None else look.winning,
                    None if look is None else look.price,
                    None if look is None else look.price_to_win,
                    sold[row.id],
                    cut_short,
                )
            )
        await self._history.write(lambda connection: outcome_rows.note(connection, looks))

    async def _sold_since(self, rows: Sequence[OutcomeRow], until: datetime) -> dict[int, int]:
        """Return by row how many units were sold since its change."""

        def count(connection: Connection) -> dict[int, int]:
            found = {}
            for row in rows:
                found[row.id] = sum(
                    line.quantity
                    for line in fact_rows.sold(connection, row.changed, sku=row.sku)
                    if market_of(line.country) == row.market and datetime.fromisoformat(line.created) <= until
                )
            return found

        return await self._mirror.read(count)
