"""What was seen of the backbox: the newest look beside each offer, each change in the history, whose look is due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bmconsole.domain.money import Money
from bmconsole.domain.times import stamp, unstamp
from bmconsole.store.sqlite import Connection


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at a market's backbox showed; all values None where the listing has no data there. `at` in UTC."""

    market: str
    currency: str
    price: Money | None
    price_to_win: Money | None
    winner_price: Money | None
    winning: bool | None
    at: datetime

    @property
    def empty(self) -> bool:
        return all(value is None for value in (self.price, self.price_to_win, self.winner_price, self.winning))


@dataclass(frozen=True, slots=True)
class Online:
    """A listing that can be bought somewhere: when it was last looked at, and its price in each such market (minor)."""

    listing: str
    first_seen: datetime
    last: datetime | None
    prices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Due:
    """A listing to look at soon, and how often that was done already."""

    listing: str
    due: datetime
    tries: int


def show(connection: Connection, listing: str, observations: Sequence[Observation], *, at: datetime) -> None:
    """Keep the newest look beside the offers; an offer without data keeps only when it was looked at."""
    connection.execute("UPDATE offers SET box_last = ? WHERE listing = ?", (stamp(at), listing))
    for seen in observations:
        connection.execute(
            """UPDATE offers SET
                box_first = CASE WHEN ?7 THEN NULL
                    WHEN box_price IS ?1 AND price_to_win IS ?2 AND winner_price IS ?3 AND winning IS ?4
                    THEN coalesce(box_first, ?5) ELSE ?5 END,
                box_price = ?1, price_to_win = ?2, winner_price = ?3, winning = ?4, box_last = ?5
            WHERE listing = ?6 AND market = ?8""",
            (*_values(seen), stamp(at), listing, seen.empty, seen.market),
        )


def record(connection: Connection, listing: str, seen: Observation) -> bool:
    """Add to the history, and return whether anything changed: if not, only the last sight moves.

    Where there never was data, there is no row to say so.
    """
    row = connection.execute(
        "SELECT * FROM observations WHERE listing = ? AND market = ? ORDER BY id DESC LIMIT 1",
        (listing, seen.market),
    ).fetchone()
    values = _values(seen)
    if row is None and seen.empty:
        return False
    if row is not None and (row["price"], row["price_to_win"], row["winner_price"], row["winning"]) == values:
        connection.execute(
            "UPDATE observations SET last_seen = max(last_seen, ?), looks = looks + 1 WHERE id = ?",
            (stamp(seen.at), row["id"]),
        )
        return False
    connection.execute(
        """INSERT INTO observations
        (listing, market, currency, price, price_to_win, winner_price, winning, first_seen, last_seen)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (listing, seen.market, seen.currency, *values, stamp(seen.at), stamp(seen.at)),
    )
    return True


def online(connection: Connection, markets: Sequence[str]) -> list[Online]:
    """Return the listings that can be bought in one of `markets`."""
    found: dict[str, Online] = {}
    prices: dict[str, dict[str, int]] = {}
    for row in connection.execute(
        f"""SELECT id, first_seen, market, price, box_last FROM offers JOIN listings ON id = listing
        WHERE publication_state = 2 AND deleted_at IS NULL AND market IN ({", ".join("?" * len(markets))})""",  # noqa: S608 - placeholders only
        list(markets),
    ):
        own = prices.setdefault(row["id"], {})
        if row["price"] is not None:
            own[row["market"]] = row["price"]
        found[row["id"]] = Online(row["id"], datetime.fromisoformat(row["first_seen"]), unstamp(row["box_last"]), own)
    return list(found.values())


def changes_since(connection: Connection, moment: datetime) -> dict[str, int]:
    """Return how often what was seen of each listing changed after `moment`, all markets together."""
    rows = connection.execute(
        "SELECT listing, count(*) AS n FROM observations WHERE first_seen > ? GROUP BY listing", (stamp(moment),)
    )
    return {row["listing"]: row["n"] for row in rows}


def ask(connection: Connection, listing: str, due: datetime, *, tries: int = 0) -> None:
    """Have a listing looked at once `due` is past; a later wish takes the place of an earlier one."""
    connection.execute(
        """INSERT INTO to_observe (listing, due, tries) VALUES (?, ?, ?)
        ON CONFLICT (listing) DO UPDATE SET due = excluded.due, tries = excluded.tries""",
        (listing, stamp(due), tries),
    )


def asked(connection: Connection, now: datetime) -> list[Due]:
    """Return the listings that are due, the longest ago first."""
    rows = connection.execute("SELECT * FROM to_observe WHERE due <= ? ORDER BY due", (stamp(now),))
    return [Due(row["listing"], datetime.fromisoformat(row["due"]), row["tries"]) for row in rows]


def answered(connection: Connection, due: Due) -> None:
    """Forget a wish, unless it was renewed meanwhile."""
    connection.execute("DELETE FROM to_observe WHERE listing = ? AND due = ?", (due.listing, stamp(due.due)))


def _values(seen: Observation) -> tuple[int | None, int | None, int | None, int | None]:
    return (
        None if seen.price is None else seen.price.minor,
        None if seen.price_to_win is None else seen.price_to_win.minor,
        None if seen.winner_price is None else seen.winner_price.minor,
        None if seen.winning is None else int(seen.winning),
    )
