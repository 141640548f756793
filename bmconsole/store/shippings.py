"""The ways of shipping that a listing was last seen with, which no column keeps."""

import json

from bmconsole.store.sqlite import Connection


def record(connection: Connection, listing: str, market: str) -> dict[str, object]:
    """Return a listing as a market's answer gave it, empty where it was never read there."""
    row = connection.execute("SELECT raw FROM offers WHERE listing = ? AND market = ?", (listing, market)).fetchone()
    found = json.loads(row["raw"]) if row is not None else {}
    return found if isinstance(found, dict) else {}
