"""Rows of listings and of their offers in each market."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from bmconsole.domain.filters import Table
from bmconsole.domain.listings import Backbox, Listing, Offer
from bmconsole.domain.money import Money
from bmconsole.domain.times import stamp, unstamp
from bmconsole.store import search
from bmconsole.store.passes import PageTally
from bmconsole.store.sqlite import Connection, Row

_LISTING = """INSERT INTO listings
    (id, listing_id, sku, title, product_id, backmarket_id, grade, quantity, first_seen, fetched_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET listing_id = excluded.listing_id, sku = excluded.sku, title = excluded.title,
        product_id = excluded.product_id, backmarket_id = excluded.backmarket_id, grade = excluded.grade,
        quantity = excluded.quantity, fetched_at = excluded.fetched_at, deleted_at = NULL"""
_OFFER = """INSERT INTO offers
    (listing, market, currency, price, min_price, max_price, publication_state, comment, warranty_delay,
     raw, content_hash, pass_id, pass_page, fetched_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (listing, market) DO UPDATE SET currency = excluded.currency, price = excluded.price,
        min_price = excluded.min_price, max_price = excluded.max_price,
        publication_state = excluded.publication_state, comment = excluded.comment,
        warranty_delay = excluded.warranty_delay, raw = excluded.raw, content_hash = excluded.content_hash,
        pass_id = coalesce(excluded.pass_id, pass_id), pass_page = coalesce(excluded.pass_page, pass_page),
        fetched_at = excluded.fetched_at"""


@dataclass(frozen=True, slots=True)
class ListingRecord:
    """A listing with its offer in the one market that it was read in, and the JSON text that it was read from."""

    listing: Listing
    market: str
    raw: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at a market's backbox showed; `at` in UTC."""

    market: str
    currency: str
    price: Money | None
    price_to_win: Money | None
    winner_price: Money | None
    winning: bool | None
    at: datetime


def store(
    connection: Connection,
    records: Sequence[ListingRecord],
    *,
    fetched_at: datetime,
    pass_id: int | None = None,
    page: int | None = None,
) -> PageTally:
    """Write listings and offers that are new or differ; `pass_id` and `page` mark the offers as seen."""
    by_key = {(record.listing.id, record.market): record for record in records}
    dups = len(records) - len(by_key)
    fresh = changed = 0
    at = stamp(fetched_at)
    for (listing_id, market), record in by_key.items():
        row = connection.execute(
            "SELECT content_hash, pass_id, pass_page FROM offers WHERE listing = ? AND market = ?",
            (listing_id, market),
        ).fetchone()
        if pass_id is not None and row is not None and row["pass_id"] == pass_id:
            dups += row["pass_page"] != page
        else:
            fresh += 1
        content_hash = blake2b(record.raw.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if row is not None and row["content_hash"] == content_hash:
            connection.execute(
                """UPDATE offers SET pass_id = coalesce(?, pass_id), pass_page = coalesce(?, pass_page),
                fetched_at = ? WHERE listing = ? AND market = ?""",
                (pass_id, page, at, listing_id, market),
            )
            # The stock belongs to all markets: another market's page may have told an older one in between.
            connection.execute(
                "UPDATE listings SET quantity = ?, fetched_at = ?, deleted_at = NULL WHERE id = ?",
                (record.listing.quantity, at, listing_id),
            )
            continue
        changed += 1
        _write(connection, record, content_hash, at, pass_id, page)
    return PageTally(fresh, dups, changed, 0)


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


def count(connection: Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM listings WHERE deleted_at IS NULL").fetchone()[0])


def seen_in(connection: Connection, pass_ids: Sequence[int]) -> int:
    """Return how many distinct listings these passes saw."""
    return int(
        connection.execute(
            f"SELECT count(DISTINCT listing) FROM offers WHERE pass_id IN ({', '.join('?' * len(pass_ids))})",  # noqa: S608 - placeholders only
            list(pass_ids),
        ).fetchone()[0]
    )


def to_observe(connection: Connection, markets: Sequence[str]) -> list[str]:
    """Return the UUIDs of listings online in one of `markets`, never or longest ago observed first."""
    rows = connection.execute(
        f"""SELECT listing, min(coalesce(box_last, '')) AS seen FROM offers JOIN listings ON listings.id = listing
        WHERE publication_state = 2 AND deleted_at IS NULL AND market IN ({", ".join("?" * len(markets))})
        GROUP BY listing ORDER BY seen, listing""",  # noqa: S608 - placeholders only
        list(markets),
    )
    return [row["listing"] for row in rows]


def observe(connection: Connection, listing: str, observations: Sequence[Observation], *, at: datetime) -> None:
    """Keep the newest look at a listing's backboxes; a market without data keeps only when it was looked at."""
    connection.execute("UPDATE offers SET box_last = ? WHERE listing = ?", (stamp(at), listing))
    for seen in observations:
        connection.execute(
            """UPDATE offers SET
                box_first = CASE WHEN box_price IS ?1 AND price_to_win IS ?2 AND winner_price IS ?3 AND winning IS ?4
                    THEN coalesce(box_first, ?5) ELSE ?5 END,
                box_price = ?1, price_to_win = ?2, winner_price = ?3, winning = ?4, box_last = ?5
            WHERE listing = ?6 AND market = ?7""",
            (*_seen(seen), stamp(at), listing, seen.market),
        )


def _seen(seen: Observation) -> tuple[int | None, int | None, int | None, int | None]:
    return (
        None if seen.price is None else seen.price.minor,
        None if seen.price_to_win is None else seen.price_to_win.minor,
        None if seen.winner_price is None else seen.winner_price.minor,
        None if seen.winning is None else int(seen.winning),
    )


def record_observation(connection: Connection, listing: str, seen: Observation) -> None:
    """Add to the history: a row only when a value changed, else its last sight moves."""
    row = connection.execute(
        "SELECT * FROM observations WHERE listing = ? AND market = ? ORDER BY id DESC LIMIT 1",
        (listing, seen.market),
    ).fetchone()
    values = _seen(seen)
    if row is not None and (row["price"], row["price_to_win"], row["winner_price"], row["winning"]) == values:
        connection.execute("UPDATE observations SET last_seen = ? WHERE id = ?", (stamp(seen.at), row["id"]))
        return
    connection.execute(
        """INSERT INTO observations
        (listing, market, currency, price, price_to_win, winner_price, winning, first_seen, last_seen)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (listing, seen.market, seen.currency, *values, stamp(seen.at), stamp(seen.at)),
    )


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
    pass_id: int | None,
    page: int | None,
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
            pass_id,
            page,
            at,
        ),
    )
