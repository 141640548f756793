"""The part of a workspace that holds repricing's reins: rules, modes, and the pause that stops every process."""

import asyncio
from collections.abc import Sequence
from functools import partial

from bmconsole.domain.costs import Vat
from bmconsole.domain.decisions import Mode
from bmconsole.domain.pricing_views import PauseRow
from bmconsole.domain.text import clean
from bmconsole.errors import UsageError
from bmconsole.pricing.rules import parse
from bmconsole.pricing.values import Rules, Terms
from bmconsole.repricing.costing import Costing
from bmconsole.repricing.rulesfile import read_rules, rules_path
from bmconsole.store import modes as mode_rows
from bmconsole.store import pauses as pause_rows
from bmconsole.store.intents import audit
from bmconsole.store.pauses import Pause
from bmconsole.store.sqlite import Connection


class Control(Costing):
    """Reads the rules, pauses and resumes, and gives listings modes of their own."""

    async def rules(self, text: str | None = None, name: str | None = None) -> Rules:
        """Return the rules of `rules.toml`, or of `text`; the built-in ones where there is no file.

        Raises:
            SettingsError: The file cannot be read, or says something that cannot be: with file and line.
        """
        if text is None:
            return await asyncio.to_thread(read_rules, self.paths)
        return await asyncio.to_thread(partial(parse, text, name=name or str(rules_path(self.paths))))

    async def pause(self, *, market: str | None = None, listing: str | None = None, why: str | None = None) -> bool:
        """Stop repricing at once, in every process of the profile: all of it, or of a market or a listing.

        Returns:
            Whether that is new.

        Raises:
            NotAllowed: The access does not allow it.
            UsageError, NotFound: There is no such market or listing.
        """
        self._need("operator", "pause repricing")
        place, target = await self._paused_place(market, listing)
        now, said = self.now(), clean(why, limit=200) if why else None

        def begin(connection: Connection) -> bool:
            new = pause_rows.begin(connection, market=place, listing=target, why=said, now=now)
            if new:
                audit(connection, now, "operator", {"event": "pause", "market": place, "listing": target})
            return new

        new = await self._journal.write(begin)
        if new:
            await self.note("warning", "repricing", f"paused: {await self._named(place, target)}")
        return new

    async def resume(self, *, market: str | None = None, listing: str | None = None) -> bool:
        """End a pause; return whether there was one. Narrower pauses stay.

        Raises:
            NotAllowed: The access does not allow it.
            UsageError, NotFound: There is no such market or listing.
        """
        self._need("admin", "resume repricing")
        place, target = await self._paused_place(market, listing)
        now = self.now()

        def end(connection: Connection) -> bool:
            ended = pause_rows.end(connection, market=place, listing=target, now=now)
            if ended:
                audit(connection, now, "operator", {"event": "resume", "market": place, "listing": target})
            return ended

        ended = await self._journal.write(end)
        if ended:
            await self.note("info", "repricing", f"resumed: {await self._named(place, target)}")
        return ended

    async def pauses(self) -> list[PauseRow]:
        """Return what is paused, oldest first."""
        held = await self._journal.read(pause_rows.held)
        skus = {listing.id: listing.sku async for listing in self.listings([p.listing for p in held if p.listing])}
        return [
            PauseRow(pause.id, pause.market, pause.listing, skus.get(pause.listing or ""), pause.since, pause.why)
            for pause in held
        ]

    async def give_mode(self, refs: Sequence[str], mode: str | None) -> int:
        """Give listings a mode of their own, over their rule's and the profile's; None takes it away.

        Returns:
            How many listings were named.

        Raises:
            NotAllowed: The access does not allow it.
            UsageError: There is no such mode.
            NotFound: A listing is not in the cache.
        """
        self._need("admin", "change modes of repricing")
        if mode is not None and mode not in tuple(Mode):
            raise UsageError(
                f"There is no mode {clean(mode, limit=20)!r}.",
                field="mode",
                value=clean(mode, limit=20),
                hint=f"One of: {', '.join(Mode)}.",
            )
        ids = list(dict.fromkeys([(await self.listing(ref)).id for ref in refs]))
        now = self.now()

        def give(connection: Connection) -> None:
            for listing in ids:
                mode_rows.give(connection, listing, mode, now)
                audit(connection, now, "operator", {"event": "mode", "listing": listing, "mode": mode})

        await self._journal.write(give)
        return len(ids)

    async def own_modes(self) -> dict[str, str]:
        """Return the listings, by UUID, that have a mode of their own."""
        return await self._journal.read(mode_rows.held)

    def _terms(self, pauses: Sequence[Pause]) -> Terms:
        vat = None if self.profile.vat is None else Vat.parse(self.profile.vat)
        stopped = any(pause.market is None and pause.listing is None for pause in pauses)
        return Terms(mode=Mode(self.profile.repricing_mode), vat=vat, stopped=stopped)

    async def _paused_place(self, market: str | None, listing: str | None) -> tuple[str | None, str | None]:
        place = None if market is None else self.check_market(market)
        return place, None if listing is None else (await self.listing(listing)).id

    async def _named(self, market: str | None, listing: str | None) -> str:
        sku = (await self.listing(listing)).sku if listing else None
        return " ".join(clean(part, limit=60) for part in (sku, market) if part) or "all of repricing"
