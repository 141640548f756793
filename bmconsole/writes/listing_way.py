"""How changes of a listing are read, judged and sent: several fields at once, always with the market's currency."""

from collections.abc import Mapping
from dataclasses import dataclass

from bmconsole.backmarket import listings as api
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain.intents import Intent, Values
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.errors import Unreachable
from bmconsole.store import listings as listing_rows
from bmconsole.writes.plan import Shipping, current, shippings_in
from bmconsole.writes.ways import Look, Means, Verdict

_UNWANTED = object()


@dataclass(frozen=True, slots=True)
class ListingWay:
    """The way of intents of the kind `listing`."""

    means: Means

    async def look(self, intent: Intent, priority: Priority) -> Look:
        market = intent.market or ""
        began = self.means.timer()
        record = await api.one(self.means.client, intent.target, market=market, priority=priority)
        asked = self.means.asked(began)
        try:
            listing = api.parse_listing(record, market)
        except InvalidRecord as error:
            raise Unreachable(f"Back Market's listing cannot be read: {clean(error, limit=200)}.") from None
        stored = listing_rows.ListingRecord(listing, market, dumps(record))
        await self.means.mirror.write(lambda connection: listing_rows.store(connection, [stored], fetched_at=asked))
        offer, shippings = listing.offers[market], shippings_in(record)
        values = {name: current(listing, offer, name, shippings) for name in {*intent.want, *intent.base}}
        least = None if offer.min_price is None else offer.min_price.text()
        return Look(values, beside=_beside(intent, least, shippings))

    def judge(self, intent: Intent, look: Look) -> tuple[Verdict, str]:
        if all(look.values.get(name) == value for name, value in intent.want.items()):
            return Verdict.DONE, ""
        live = look.values
        moved = [name for name, value in intent.base.items() if live.get(name) != value]
        # Who made a field what it should become is overwritten by nothing; the stock moves by itself
        moved = [name for name in moved if name == "quantity" or live.get(name) != intent.want.get(name, _UNWANTED)]
        if "quantity" in moved and not _must_stand(intent):
            moved.remove("quantity")
        if moved:
            told = ", ".join(f"{name} is {clean(look.values.get(name), limit=60)}" for name in moved)
            return Verdict.DIFFERS, f"somebody else changed it: {told}"
        return Verdict.SEND, ""

    async def send(self, intent: Intent, look: Look, priority: Priority, deadline: float) -> Values:
        market = intent.market or ""
        body = {**look.beside, **intent.want, "currency": MARKETS[market].currency}
        record = await api.update(
            self.means.client, intent.target, body, market=market, priority=priority, deadline=deadline
        )
        if record is None:
            return {}
        try:
            listing = api.parse_listing(record, market)
        except InvalidRecord:
            return {}
        shippings = shippings_in(record)
        return {name: current(listing, listing.offers[market], name, shippings) for name in intent.want}


def _must_stand(intent: Intent) -> bool:
    """Whether a stock that moved speaks against sending: an undo, or `+2` of which one may have arrived already."""
    return intent.undoes is not None or (intent.typed is not None and intent.attempts > 0)


def _beside(intent: Intent, min_price: str | None, shippings: tuple[Shipping, ...]) -> Mapping[str, str | int | None]:
    beside: dict[str, str | int | None] = {}
    if "price" in intent.want and min_price is not None:
        beside["min_price"] = min_price
    for place, shipping in enumerate(shippings, start=1):
        # One of the three alone is not taken: the shipper is what a place is known by
        names = [f"{name}_{place}" for name in Shipping.FIELDS]
        if any(name in intent.want for name in names) and intent.want.get(names[0], "") is not None:
            beside |= dict(zip(names, (shipping.shipper, shipping.delay, shipping.price), strict=True))
    return beside
