"""Modes of repricing that listings have of their own, with their history, in the journal."""

from datetime import datetime

from bmconsole.domain.times import stamp
from bmconsole.store.sqlite import Connection


def held(connection: Connection) -> dict[str, str]:
    """Return the modes that hold, by the listing's UUID."""
    return {row["listing"]: row["mode"] for row in connection.execute("SELECT * FROM own_modes WHERE ended IS NULL")}


def give(connection: Connection, listing: str, mode: str | None, now: datetime) -> None:
    """Give a listing a mode of its own, or take it away."""
    connection.execute("UPDATE own_modes SET ended = ? WHERE listing = ? AND ended IS NULL", (stamp(now), listing))
    if mode is not None:
        connection.execute("INSERT INTO own_modes (listing, mode, since) VALUES (?, ?, ?)", (listing, mode, stamp(now)))
