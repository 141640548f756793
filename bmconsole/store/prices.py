"""The history of prices and stock: a row only when a value changed.

It is written after the mirror, in another file, so a crash can fall between the two. Therefore each look at a listing
is compared with the last row of its history, not with the mirror: what a crash left out is caught up by the next look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bmconsole.domain.times import stamp
from bmconsole.store.listings import ListingRecord
from bmconsole.store.sqlite import Connection

LAST_SEEN_GRAIN = timedelta(days=1)
"""How far `last_seen` of an unchanged value may lie behind; moving it with every look would rewrite all rows hourly."""


@dataclass(frozen=True, slots=True)
class _Change:
    table: str
    old: int | None
    same: bool
    values: tuple[str | int | None, ...]


def due(connection: Connection, records: Sequence[ListingRecord], at: datetime) -> bool:
    """Return whether `record` would write anything."""
    return bool(_changes(connection, records, at))


def record(connection: Connection, records: Sequence[ListingRecord], at: datetime) -> None:
    """Add the prices and the stock that these listings were seen with at `at`, where they differ from the last ones."""
    seen = stamp(at)
    for change in _changes(connection, records, at):
        if change.same:
            connection.execute(f"UPDATE {change.table} SET last_seen = ? WHERE id = ?", (seen, change.old))  # noqa: S608 - fixed names
        elif change.table == "prices":
            connection.execute(
                """INSERT INTO prices (listing, market, currency, price, min_price, first_seen, last_seen)
                VALUES (?, ?, ?, ?, ?, ?, ?)""",
                (*change.values, seen, seen),
            )
        else:
            connection.execute(
                "INSERT INTO stocks (listing, quantity, first_seen, last_seen) VALUES (?, ?, ?, ?)",
                (*change.values, seen, seen),
            )


def _changes(connection: Connection, records: Sequence[ListingRecord], at: datetime) -> list[_Change]:
    """Return what differs from the last rows, and the unchanged rows whose last sight lies too far back."""
    seen, stale = stamp(at), stamp(at - LAST_SEEN_GRAIN)
    found: list[_Change] = []
    for each in records:
        offer = each.listing.offers[each.market]
        price = None if offer.price is None else offer.price.minor
        floor = None if offer.min_price is None else offer.min_price.minor
        row = connection.execute(
            """SELECT id, currency, price, min_price, first_seen, last_seen FROM prices
            WHERE listing = ? AND market = ? ORDER BY id DESC LIMIT 1""",
            (each.listing.id, each.market),
        ).fetchone()
        same = row is not None and (row["currency"], row["price"], row["min_price"]) == (offer.currency, price, floor)
        if row is None or (row["last_seen"] < seen and (not same or row["last_seen"] < stale)):
            values = (each.listing.id, each.market, offer.currency, price, floor)
            found.append(_Change("prices", row and row["id"], same, values))
        quantity = each.listing.quantity
        if quantity is None:
            continue
        row = connection.execute(
            "SELECT id, quantity, last_seen FROM stocks WHERE listing = ? ORDER BY id DESC LIMIT 1", (each.listing.id,)
        ).fetchone()
        same = row is not None and row["quantity"] == quantity
        if row is None or (row["last_seen"] < seen and (not same or row["last_seen"] < stale)):
            found.append(_Change("stocks", row and row["id"], same, (each.listing.id, quantity)))
    return found
