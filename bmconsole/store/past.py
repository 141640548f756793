"""A past for an invented shop: what was seen of its backboxes and prices before it was there; for the demo."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from bmconsole.domain.times import stamp
from bmconsole.store.sqlite import Connection

_ROOM = 1_000_000
"""By how much rows that are there move on, so that the past has smaller ids: the greatest id is the newest."""


@dataclass(frozen=True, slots=True)
class Now:
    """An offer as it stands: amounts in minor units, those of the backbox None where it does not compete."""

    listing: str
    market: str
    currency: str
    price: int
    price_to_win: int | None
    winning: bool | None


def offers(connection: Connection) -> list[Now]:
    """Return the offers with a price, of the mirror."""
    rows = connection.execute(
        """SELECT listing, market, currency, price, price_to_win, winning FROM offers
        WHERE price IS NOT NULL ORDER BY listing, market"""
    )
    return [
        Now(
            row["listing"],
            row["market"],
            row["currency"],
            row["price"],
            row["price_to_win"],
            None if row["winning"] is None else bool(row["winning"]),
        )
        for row in rows
    ]


def invent(connection: Connection, offers: Sequence[Now], moments: Sequence[datetime]) -> int:
    """Write what was seen at `moments` (oldest first) into the history, ending at the offers as they stand.

    The same offers get the same past. Returns how many rows were written.
    """
    for table in ("observations", "prices"):
        connection.execute(f"UPDATE {table} SET id = id + {_ROOM}")  # noqa: S608 - fixed names
    seen: list[tuple[object, ...]] = []
    prices: list[tuple[object, ...]] = []
    for offer in offers:
        draw = Random(f"{offer.listing}/{offer.market}")  # noqa: S311 - a story, not a secret
        price, rival = offer.price, offer.price_to_win
        for until, since in zip(reversed(moments), reversed(moments[:-1]), strict=False):
            if rival is not None:
                rival = round(rival * (1 + draw.uniform(-0.018, 0.026)))
                won = price <= rival
                winner = price if won else rival
                row = (offer.listing, offer.market, offer.currency, price, rival, winner, int(won))
                seen.append((*row, stamp(since), stamp(until)))
            prices.append((offer.listing, offer.market, offer.currency, price, stamp(since), stamp(until)))
            if draw.random() < 0.25:
                price = round(price * (1 + draw.uniform(0.0, 0.03)))
    seen.reverse()
    prices.reverse()
    connection.executemany(
        """INSERT INTO observations
        (listing, market, currency, price, price_to_win, winner_price, winning, first_seen, last_seen, id)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [(*row, place) for place, row in enumerate(seen, 1)],
    )
    connection.executemany(
        """INSERT INTO prices (listing, market, currency, price, first_seen, last_seen, id)
        VALUES (?, ?, ?, ?, ?, ?, ?)""",
        [(*row, place) for place, row in enumerate(prices, 1)],
    )
    return len(seen) + len(prices)
