"""Rows whose JSON text is no longer what the server sent: damage that SQLite's own checks do not see."""

from collections.abc import Iterator
from hashlib import blake2b

from bmconsole.store.sqlite import Connection, Row

_BATCH = 500


def spoiled(connection: Connection) -> Iterator[str]:
    """Yield the orders, and the listings by market, whose text does not have its hash; reads every row.

    Orders without their buyer are left out: their hash is that of what the server said.
    """
    last = -(1 << 62)
    while rows := connection.execute(
        """SELECT order_id, raw, content_hash, purged FROM orders WHERE order_id > ?
        ORDER BY order_id LIMIT ?""",
        (last, _BATCH),
    ).fetchall():
        last = rows[-1]["order_id"]
        yield from (f"order {row['order_id']}" for row in rows if not row["purged"] and _differs(row))
    place = ("", "")
    while rows := connection.execute(
        """SELECT listing, market, raw, content_hash FROM offers WHERE (listing, market) > (?, ?)
        ORDER BY listing, market LIMIT ?""",
        (*place, _BATCH),
    ).fetchall():
        place = (rows[-1]["listing"], rows[-1]["market"])
        yield from (f"listing {row['listing']} in {row['market']}" for row in rows if _differs(row))


def _differs(row: Row) -> bool:
    found = blake2b(row["raw"].encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return bool(found != row["content_hash"])
