"""Finds many listings by any of their names at once."""

from collections.abc import Iterable

from bmconsole.domain.listings import Listing
from bmconsole.store import shippings
from bmconsole.store.listings import get
from bmconsole.store.sqlite import Connection

_COLUMNS = {"id": "id", "listing_id": "listing_id", "sku": "sku"}


def named(connection: Connection, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the UUIDs of the listings that each (`id`, `listing_id` or `sku`, value) names; gone ones are left out."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for column, value in dict.fromkeys(names):
        wanted: str | int = int(value) if column == "listing_id" else value
        rows = connection.execute(
            f"SELECT id FROM listings WHERE {_COLUMNS[column]} = ? AND deleted_at IS NULL LIMIT 3",  # noqa: S608 - fixed names
            (wanted,),
        )
        found[column, value] = tuple(row["id"] for row in rows)
    return found


def listings(connection: Connection, ids: Iterable[str]) -> dict[str, Listing]:
    """Return cached listings by UUID."""
    return {number: found for number in dict.fromkeys(ids) if (found := get(connection, number)) is not None}


def records(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], dict[str, object]]:
    """Return listings as a market's answer gave them, by UUID and market."""
    return {key: shippings.record(connection, *key) for key in dict.fromkeys(keys)}
