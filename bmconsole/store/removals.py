"""Listings that a complete look at the shop did not meet: taken for gone, or waiting for the operator's word."""

from collections.abc import Sequence
from datetime import datetime

from bmconsole.domain.times import stamp
from bmconsole.domain.views import Removal
from bmconsole.store.sqlite import Connection

_WAITING, _KEPT = "waiting", "kept"


def missing(connection: Connection, pass_ids: Sequence[int]) -> list[str]:
    """Return the UUIDs of listings that are shown as there and that none of these passes saw.

    Those that the operator decided to keep are not among them.
    """
    rows = connection.execute(
        f"""SELECT id FROM listings WHERE deleted_at IS NULL
        AND id NOT IN (SELECT listing FROM removals WHERE verdict = ?)
        AND id NOT IN (SELECT value FROM pass_pages, json_each(pass_pages.keys)
            WHERE pass_id IN ({", ".join("?" * len(pass_ids))})) ORDER BY row""",  # noqa: S608 - placeholders only
        (_KEPT, *pass_ids),
    )
    return [row["id"] for row in rows]


def bury(connection: Connection, listings: Sequence[str], at: datetime) -> None:
    """Take listings for gone; their rows stay, and a listing that is met again is back."""
    connection.executemany("UPDATE listings SET deleted_at = ? WHERE id = ?", [(stamp(at), each) for each in listings])
    connection.executemany("DELETE FROM removals WHERE listing = ?", [(each,) for each in listings])


def wait(connection: Connection, listings: Sequence[str], at: datetime) -> bool:
    """Let exactly these listings wait for the operator; return whether any of them did not wait before."""
    before = {
        row["listing"] for row in connection.execute("SELECT listing FROM removals WHERE verdict = ?", (_WAITING,))
    }
    connection.executemany("DELETE FROM removals WHERE listing = ?", [(each,) for each in before - set(listings)])
    connection.executemany(
        "INSERT INTO removals (listing, verdict, found) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(each, _WAITING, stamp(at)) for each in listings],
    )
    return bool(set(listings) - before)


def keep(connection: Connection, listings: Sequence[str]) -> None:
    """Do not ask about these listings again until they have been met and missed anew."""
    connection.executemany("UPDATE removals SET verdict = ? WHERE listing = ?", [(_KEPT, each) for each in listings])


def waiting(connection: Connection) -> list[Removal]:
    """Return the listings that wait, in the order of their SKUs."""
    rows = connection.execute(
        """SELECT id, listing_id, sku, title, quantity, found FROM removals JOIN listings ON id = listing
        WHERE verdict = ? ORDER BY sku, id""",
        (_WAITING,),
    )
    return [
        Removal(
            row["id"],
            row["listing_id"],
            row["sku"],
            row["title"],
            row["quantity"],
            datetime.fromisoformat(row["found"]),
        )
        for row in rows
    ]
