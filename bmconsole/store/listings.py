"""Rows of listings and of their offers in each market."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from bmconsole.domain.filters import Table
from bmconsole.domain.listings import Backbox, Listing, Offer
from bmconsole.domain.money import Money
from bmconsole.domain.times import stamp, unstamp
from bmconsole.store import search
from bmconsole.store.quarantine import Stored, write_each
from bmconsole.store.sqlite import Connection, Row

_LISTING = """INSERT INTO listings
    (id, listing_id, sku, title, product_id, backmarket_id, grade, quantity, first_seen, fetched_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET listing_id = excluded.listing_id, sku = excluded.sku, title = excluded.title,
        product_id = excluded.product_id, backmarket_id = excluded.backmarket_id, grade = excluded.grade,
        quantity = excluded.quantity, fetched_at = excluded.fetched_at, deleted_at = NULL"""
_OFFER = """INSERT INTO offers
    (listing, market, currency, price, min_price, max_price, publication_state, comment, warranty_delay,
     raw, content_hash, fetched_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (listing, market) DO UPDATE SET currency = excluded.currency, price = excluded.price,
        min_price = excluded.min_price, max_price = excluded.max_price,
        publication_state = excluded.publication_state, comment = excluded.comment,
        warranty_delay = excluded.warranty_delay, raw = excluded.raw, content_hash = excluded.content_hash,
        fetched_at = excluded.fetched_at"""
_CLOCK_GRAIN = timedelta(seconds=2)
"""How far two readings of the server's clock may lie apart although they mean the same moment: `Date` has seconds."""


@dataclass(frozen=True, slots=True)
class ListingRecord:
    """A listing with its offer in the one market that it was read in, and the JSON text that it was read from."""

    listing: Listing
    market: str
    raw: str


def store(connection: Connection, records: Sequence[ListingRecord], *, fetched_at: datetime) -> Stored[ListingRecord]:
    """Write listings and offers that are new or differ; an answer never replaces one that was asked for later.

    `fetched_at` is when the server was asked. A listing that was taken for gone is back with this.
    """
    by_key = {(record.listing.id, record.market): record for record in records}
    at, later = stamp(fetched_at), stamp(fetched_at + _CLOCK_GRAIN)
    ids = sorted({listing for listing, _ in by_key})
    marks = ", ".join("?" * len(ids))
    known = {
        (row["listing"], row["market"]): row
        for row in connection.execute(
            f"SELECT listing, market, content_hash, fetched_at FROM offers WHERE listing IN ({marks})",  # noqa: S608 - placeholders only
            ids,
        )
    }
    differing: list[tuple[ListingRecord, bytes]] = []
    same: list[ListingRecord] = []
    for key, record in by_key.items():
        row = known.get(key)
        content_hash = blake2b(record.raw.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if row is not None and row["fetched_at"] > later:
            continue
        if row is not None and row["content_hash"] == content_hash:
            same.append(record)
        else:
            differing.append((record, content_hash))

    def write(items: Sequence[tuple[ListingRecord, bytes]]) -> None:
        for record, content_hash in items:
            _write(connection, record, content_hash, at)

    refused = write_each(connection, differing, write)
    connection.executemany(
        "UPDATE offers SET fetched_at = max(fetched_at, ?) WHERE listing = ? AND market = ?",
        [(at, record.listing.id, record.market) for record in same],
    )
    # The stock belongs to all markets: another market's page may have told an older one in between.
    connection.executemany(
        """UPDATE listings SET quantity = ?1, fetched_at = max(fetched_at, ?2), deleted_at = NULL
        WHERE id = ?3 AND fetched_at <= ?4""",
        [(record.listing.quantity, at, record.listing.id, later) for record in same],
    )
    connection.execute(f"DELETE FROM removals WHERE listing IN ({marks})", ids)  # noqa: S608 - placeholders only
    lost = {(item[0].listing.id, item[0].market) for item, _ in refused}
    written = [record for record, _ in differing if (record.listing.id, record.market) not in lost]
    return Stored(
        len(written),
        [record for record in written if (record.listing.id, record.market) not in known],
        [(item[0], error) for item, error in refused],
    )


def get(connection: Connection, ref: str) -> Listing | None:
    """Return a listing by UUID, integer id or `sku:…`, None where it is not cached."""
    row = _find(connection, ref)
    if row is None:
        return None
    offers = {
        offer["market"]: _offer(offer)
        for offer in connection.execute("SELECT * FROM offers WHERE listing = ? ORDER BY market", (row["id"],))
    }
    return Listing(
        row["id"],
        row["listing_id"],
        row["sku"],
        row["title"],
        row["product_id"],
        row["backmarket_id"],
        row["grade"],
        row["quantity"],
        offers,
        unstamp(row["first_seen"]),
        unstamp(row["fetched_at"]),
        unstamp(row["deleted_at"]),
    )


def skus(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return the SKUs of listings by UUID, those that are gone too."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), 500):
        batch = ids[start : start + 500]
        marks = ", ".join("?" * len(batch))
        rows = connection.execute(f"SELECT id, sku FROM listings WHERE id IN ({marks})", batch)  # noqa: S608 - placeholders only
        found.update((row["id"], row["sku"]) for row in rows)
    return found


def count(connection: Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM listings WHERE deleted_at IS NULL").fetchone()[0])


def to_observe(connection: Connection, markets: Sequence[str]) -> list[str]:
    """Return the UUIDs of listings online in one of `markets`, never or longest ago observed first."""
    rows = connection.execute(
        f"""SELECT listing, min(coalesce(box_last, '')) AS seen FROM offers JOIN listings ON listings.id = listing
        WHERE publication_state = 2 AND deleted_at IS NULL AND market IN ({", ".join("?" * len(markets))})
        GROUP BY listing ORDER BY seen, listing""",  # noqa: S608 - placeholders only
        list(markets),
    )
    return [row["listing"] for row in rows]


def _find(connection: Connection, ref: str) -> Row | None:
    if ref.startswith("sku:"):
        where, value = "sku = ?", ref[4:]
    elif ref.isdecimal():
        where, value = "listing_id = CAST(? AS INTEGER)", ref
    else:
        where, value = "id = ?", ref.lower()
    sql = f"SELECT * FROM listings WHERE {where} ORDER BY deleted_at IS NOT NULL, row LIMIT 1"  # noqa: S608 - fixed names
    row: Row | None = connection.execute(sql, (value,)).fetchone()
    return row


def _offer(row: Row) -> Offer:
    currency: str = row["currency"]

    def money(name: str) -> Money | None:
        return None if row[name] is None else Money(row[name], currency)

    backbox = None
    if row["box_first"] is not None and row["box_last"] is not None:
        backbox = Backbox(
            money("box_price"),
            money("price_to_win"),
            money("winner_price"),
            None if row["winning"] is None else bool(row["winning"]),
            datetime.fromisoformat(row["box_first"]),
            datetime.fromisoformat(row["box_last"]),
        )
    return Offer(
        row["market"],
        currency,
        money("price"),
        money("min_price"),
        money("max_price"),
        row["publication_state"],
        row["comment"],
        row["warranty_delay"],
        backbox,
    )


def _write(
    connection: Connection,
    record: ListingRecord,
    content_hash: bytes,
    at: str,
) -> None:
    listing = record.listing
    connection.execute(
        _LISTING,
        (
            listing.id,
            listing.listing_id,
            listing.sku,
            listing.title,
            listing.product_id,
            listing.backmarket_id,
            listing.grade,
            listing.quantity,
            at,
            at,
        ),
    )
    row = connection.execute("SELECT row FROM listings WHERE id = ?", (listing.id,)).fetchone()["row"]
    search.keep(connection, Table.LISTINGS, {row: search.listing_text(listing)})
    offer = listing.offers[record.market]
    connection.execute(
        _OFFER,
        (
            listing.id,
            record.market,
            offer.currency,
            None if offer.price is None else offer.price.minor,
            None if offer.min_price is None else offer.min_price.minor,
            None if offer.max_price is None else offer.max_price.minor,
            offer.publication_state,
            offer.comment,
            offer.warranty_delay,
            record.raw,
            content_hash,
            at,
        ),
    )
