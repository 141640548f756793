"""Asks a real shop for a few orders, listings and backboxes, and reports what differs from what is expected of it.

It only reads. The report has names of fields, kinds and counts: nothing of a buyer, no price, no token.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from bmconsole.backmarket import backbox as backbox_api
from bmconsole.backmarket import listings as listings_api
from bmconsole.backmarket import orders as orders_api
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.priority import Priority
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.remote import Remote

_BOXES = 5
Parse = Callable[[object], object]
Unknown = Callable[[Mapping[str, object]], dict[str, object]]


@dataclass
class Stream:
    """What was seen of one kind of record."""

    count: int | None = None
    """How many there are in all, as the server says."""
    seen: int = 0
    invalid: dict[str, int] = field(default_factory=dict)
    """Faults by field, of records that cannot be understood."""
    unknown: dict[str, int] = field(default_factory=dict)
    """Fields that nobody knows, with the kind of their value."""

    def look(self, record: Mapping[str, object], parse: Parse, unknown: Unknown) -> None:
        """Try to understand a record."""
        self.seen += 1
        try:
            parse(record)
        except InvalidRecord as error:
            _count(self.invalid, str(error))
        for path, value in unknown(record).items():
            _count(self.unknown, f"{path}: {type(value).__name__}")


@dataclass
class Drift:
    """The whole report."""

    environment: str
    markets: tuple[str, ...]
    orders: Stream = field(default_factory=Stream)
    listings: dict[str, Stream] = field(default_factory=dict)
    backboxes: Stream = field(default_factory=Stream)
    limits: dict[str, str] = field(default_factory=dict)
    """How much of each limit was used."""
    rate_limited: int = 0
    clock_off: float = 0.0
    """Seconds that this machine's clock is ahead of the server's."""

    def as_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=2)


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


async def probe(profile: Profile, paths: Paths) -> Drift:
    """Ask, and return what was seen.

    Raises:
        BmError: There was no usable answer.
    """
    drift = Drift(profile.environment, profile.markets)
    zone = MARKETS[profile.main_market].zone
    remote = Remote(profile, paths, program="live", console=False)
    try:
        client = await remote.client()
        orders = await orders_api.page(client, number=1, priority=Priority.NORMAL)
        drift.orders.count = orders.count
        for record in orders.records:
            drift.orders.look(record, lambda each: orders_api.parse_order(each, zone), orders_api.unknown_fields)
        ids: list[str] = []
        for market in profile.markets:
            listings = await listings_api.page(client, market=market, number=1, priority=Priority.NORMAL)
            stream = drift.listings[market] = Stream(count=listings.count)
            for record in listings.records:
                stream.look(
                    record,
                    lambda each, market=market: listings_api.parse_listing(each, market),  # type: ignore[misc]  # bound here
                    listings_api.unknown_fields,
                )
                if market == profile.main_market:
                    ids.append(str(record.get("id", "")))
        for listing in ids[:_BOXES]:
            boxes = await backbox_api.competitors(client, listing, priority=Priority.NORMAL)
            drift.backboxes.seen += len(boxes)
        traffic = remote.traffic()
        drift.limits = {rule.name: f"{rule.used} of {rule.limit} in {rule.window:g} s" for rule in traffic.rules}
        drift.rate_limited = traffic.trips
        drift.clock_off = round((datetime.now(UTC) - remote.now()).total_seconds(), 1)
    finally:
        await remote.aclose()
    return drift
