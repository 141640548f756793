"""What repricing leaves alone until the operator says otherwise: everything, a market, a listing.

In the journal, so that every process of the profile, on its next write, goes by the same word.
"""

from dataclasses import dataclass
from datetime import datetime

from bmconsole.domain.times import stamp
from bmconsole.store.sqlite import Connection


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that holds; neither market nor listing: of everything. `listing` is a UUID."""

    id: int
    market: str | None
    listing: str | None
    since: datetime
    why: str | None


def held(connection: Connection) -> list[Pause]:
    """Return the pauses that hold, oldest first."""
    return [
        Pause(row["id"], row["market"], row["listing"], datetime.fromisoformat(row["since"]), row["why"])
        for row in connection.execute("SELECT * FROM pauses WHERE ended IS NULL ORDER BY id")
    ]


def over(connection: Connection, listing: str, market: str) -> Pause | None:
    """Return a pause that holds for a listing in a market, the widest one."""
    for pause in held(connection):
        if pause.market in (None, market) and pause.listing in (None, listing):
            return pause
    return None


def begin(connection: Connection, *, market: str | None, listing: str | None, why: str | None, now: datetime) -> bool:
    """Pause; return whether that is new."""
    done = connection.execute(
        "INSERT OR IGNORE INTO pauses (market, listing, why, since) VALUES (?, ?, ?, ?)",
        (market, listing, why, stamp(now)),
    )
    return done.rowcount > 0


def end(connection: Connection, *, market: str | None, listing: str | None, now: datetime) -> bool:
    """End a pause; return whether there was one."""
    done = connection.execute(
        "UPDATE pauses SET ended = ? WHERE ended IS NULL AND market IS ? AND listing IS ?",
        (stamp(now), market, listing),
    )
    return done.rowcount > 0
