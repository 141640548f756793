"""Search by any part of what people know a row by: ids, SKU, title, IMEI, tracking, buyer, city.

The searched text of a row lies folded in a plain table. Beside it is an index (FTS5) of which trigrams are in which
row, without their places: a few trigrams of the searched text find the candidates, and their texts tell. That takes
half the space of an index with places, and a third of the time for long numbers. Folding here, not by the tokenizer's
`remove_diacritics` that only SQLite 3.45 and later know, makes one file work and answer alike in every version from
3.34 on. The writer of a row keeps its text, in the same transaction; there are no triggers.

A text of three characters or more finds the rows that have it anywhere; a shorter one, which has no trigram, finds the
row with exactly this id and rows whose SKU begins with it.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from bmconsole.domain.filters import Table
from bmconsole.domain.listings import Listing
from bmconsole.domain.orders import Order
from bmconsole.store.sqlite import Connection

Condition = tuple[str, tuple[str | int, ...]]
"""SQL that is true or false for a row, and its parameters."""

FEW = 200
"""So many matches are always looked up one by one; whether more are depends on how close together the newest lie."""

_NEAR = 60_000
_MOST = 10_000
_COUNTED = 5_000
_SHORTEST = 3
_MOST_TRIGRAMS = 4
_LONGEST_PART = 1_000
_BATCH = 500
_LAST = "\U0010ffff"
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


@dataclass(frozen=True, slots=True)
class _Searched:
    """Names in SQL: the table, its key, the number that people type, where SKUs are, the texts and their index."""

    key: str
    number: str
    skus: str
    texts: str
    index: str


_TABLES = {
    Table.ORDERS: _Searched(
        "orders.order_id",
        "orders.order_id",
        "SELECT order_id FROM orderlines WHERE sku",
        "order_texts",
        "orders_search",
    ),
    Table.LISTINGS: _Searched(
        "listings.row", "listings.listing_id", "SELECT row FROM listings WHERE sku", "listing_texts", "listings_search"
    ),
}

SCHEMA = tuple(
    statement
    for names in _TABLES.values()
    for statement in (
        f"CREATE TABLE {names.texts} (key INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
        f"CREATE VIRTUAL TABLE {names.index} USING fts5 "
        f"(text, content='{names.texts}', content_rowid='key', columnsize=0, detail=none, tokenize='trigram')",
    )
)


def fold(text: str) -> str:
    """Return `text` without case, accents and what SQLite cannot hold, so that equal for people is equal."""
    return _folded(text.replace("\n", " ").encode("utf-8", "replace").decode())


def order_text(order: Order) -> str:
    """Return what an order is found by."""
    address = order.shipping_address
    buyer = address.name or order.billing_address.name
    parts = [str(order.order_id), order.tracking_number, buyer, address.city]
    for line in order.orderlines:
        parts += (line.sku, line.product, line.imei)
    return _text(parts)


def listing_text(listing: Listing) -> str:
    """Return what a listing is found by."""
    return _listing_text(listing.sku, listing.title, listing.id, listing.listing_id)


def keep(connection: Connection, table: Table, texts: Mapping[int, str]) -> None:
    """Make rows findable by these texts, by key; what did not change is not written again."""
    if not texts:
        return
    names = _TABLES[table]
    marks = ", ".join("?" * len(texts))
    old = dict(
        connection.execute(f"SELECT key, text FROM {names.texts} WHERE key IN ({marks})", list(texts)).fetchall()  # noqa: S608 - fixed names
    )
    changed = sorted((key, text) for key, text in texts.items() if old.get(key) != text)
    connection.executemany(
        f"INSERT INTO {names.texts} (key, text) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET text = excluded.text",  # noqa: S608 - fixed names
        changed,
    )
    # The index takes the old text to know which of its entries to cross out. It gathers what it is given as long as the
    # keys do not fall, and writes a part of itself each time that they do.
    steps: list[tuple[str | None, int, str]] = []
    for key, text in changed:
        if key in old:
            steps.append(("delete", key, old[key]))
        steps.append((None, key, text))
    connection.executemany(f"INSERT INTO {names.index} ({names.index}, rowid, text) VALUES (?, ?, ?)", steps)  # noqa: S608 - fixed names


def order_texts(connection: Connection, order_ids: Sequence[int]) -> dict[int, str]:
    """Return what orders are found by, from their rows as they are stored."""
    wanted = json.dumps(list(order_ids))
    parts: dict[int, list[str | None]] = {
        row["order_id"]: [str(row["order_id"]), row["tracking"], row["buyer"], row["city"]]
        for row in connection.execute(
            """SELECT order_id, tracking, buyer, city FROM orders
            WHERE order_id IN (SELECT value FROM json_each(?))""",
            (wanted,),
        )
    }
    for line in connection.execute(
        """SELECT order_id, sku, product, imei FROM orderlines
        WHERE order_id IN (SELECT value FROM json_each(?)) ORDER BY order_id, line_id""",
        (wanted,),
    ):
        parts[line["order_id"]] += (line["sku"], line["product"], line["imei"])
    return {order_id: _text(texts) for order_id, texts in parts.items()}


def fill(connection: Connection) -> None:
    """Make every stored row findable; for files that were written before there was a search."""
    ids = [row[0] for row in connection.execute("SELECT order_id FROM orders ORDER BY order_id")]
    for start in range(0, len(ids), _BATCH):
        keep(connection, Table.ORDERS, order_texts(connection, ids[start : start + _BATCH]))
    rows = connection.execute("SELECT row, sku, title, id, listing_id FROM listings ORDER BY row").fetchall()
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        keep(
            connection,
            Table.LISTINGS,
            {row["row"]: _listing_text(row["sku"], row["title"], row["id"], row["listing_id"]) for row in batch},
        )


def condition(table: Table, text: str) -> Condition:
    """Return the condition that a row of `table` is found by `text`."""
    names = _TABLES[table]
    folded = fold(text)
    if len(folded) >= _SHORTEST:
        return f"{names.key} IN ({_found(names, 1)})", (_trigrams(folded), folded)
    exact, number = _number(names, text)
    ranges, bounds = _ranges(text)
    return f"{exact} OR {names.key} IN ({names.skus} {ranges})", (*number, *bounds)


def narrowed(connection: Connection, table: Table, texts: Sequence[str]) -> tuple[Condition, bool]:
    """Return the condition that a row is found by every one of `texts`, and whether it is best looked up by key.

    Few matches become a list of keys, of which a page is sorted; many are asked for along the order of the page.
    """
    names = _TABLES[table]
    long = [folded for text in texts if len(folded := fold(text)) >= _SHORTEST]
    parts = [condition(table, text) for text in texts if len(fold(text)) < _SHORTEST]
    keys = _worth_listing(connection, names, long) if long else None
    if keys is not None:
        parts.insert(0, (f"{names.key} IN (SELECT value FROM json_each(?))", (json.dumps(keys),)))  # noqa: S608 - fixed names
    elif long:
        has = " AND ".join(["instr(found.text, ?)"] * len(long))
        parts.append(
            (f"EXISTS (SELECT 1 FROM {names.texts} AS found WHERE found.key = {names.key} AND {has})", tuple(long))  # noqa: S608 - fixed names
        )
    sql = " AND ".join(f"({sql})" for sql, _ in parts) or "TRUE"
    return (sql, tuple(value for _, values in parts for value in values)), keys is not None


def count(connection: Connection, table: Table, texts: Sequence[str]) -> int | None:
    """Return how many rows of `table` are found by every one of `texts`; None where that takes the rows themselves."""
    names = _TABLES[table]
    folded = [fold(text) for text in texts]
    if not folded or min(map(len, folded)) < _SHORTEST:
        return None
    keys = _first(connection, names, folded, _COUNTED + 1)
    if len(keys) <= _COUNTED:
        return len(keys)
    has = " AND ".join(["instr(text, ?)"] * len(folded))
    return int(connection.execute(f"SELECT count(*) FROM {names.texts} WHERE {has}", folded).fetchone()[0])  # noqa: S608 - fixed names


def tidy(connection: Connection, *, pages: int) -> bool:
    """Merge a part of the indexes, about `pages` pages; return whether there is more to do.

    A text that was replaced is gone from an index only when the parts that hold it are merged.
    """
    more = False
    for names in _TABLES.values():
        before = connection.total_changes
        # Negative: all parts into one, not only those of like size.
        connection.execute(f"INSERT INTO {names.index} ({names.index}, rank) VALUES ('merge', ?)", (-pages,))  # noqa: S608 - fixed names
        more |= connection.total_changes - before >= 2
    return more


def _listing_text(sku: str, title: str, listing: str, number: int | None) -> str:
    return _text([sku, title, listing, None if number is None else str(number)])


def _text(parts: Sequence[str | None]) -> str:
    texts = [part if len(part) <= _LONGEST_PART else part[:_LONGEST_PART] for part in parts if part]
    # A line break between them, which no folded text has, keeps a phrase within one part.
    joined = "\n".join(texts)
    if joined.count("\n") >= len(texts):
        joined = "\n".join([text.replace("\n", " ") for text in texts])
    return _folded(joined)


def _folded(text: str) -> str:
    if not text.isascii():
        text = _NOT_ASCII.sub(_without_marks, unicodedata.normalize("NFKD", text)).casefold()
    return text.lower().replace("\0", " ")


def _without_marks(found: re.Match[str]) -> str:
    return "".join([part for part in found[0] if not unicodedata.combining(part)])


def _worth_listing(connection: Connection, names: _Searched, folded: Sequence[str]) -> list[int] | None:
    """Return the keys of all matches, None where there are so many that asking row after row fills a page sooner."""
    keys = _first(connection, names, folded, FEW + 1)
    if len(keys) <= FEW:
        return keys
    near = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {names.texts} WHERE key >= ? LIMIT ?)",  # noqa: S608 - fixed names
        (keys[-1], _NEAR + 1),
    ).fetchone()[0]
    if near <= _NEAR:
        return None
    keys = _first(connection, names, folded, _MOST + 1)
    return keys if len(keys) <= _MOST else None


def _first(connection: Connection, names: _Searched, folded: Sequence[str], limit: int) -> list[int]:
    """Return the largest keys of which the texts hold every one of `folded`."""
    sql = f"{_found(names, len(folded))} ORDER BY {names.index}.rowid DESC LIMIT ?"
    trigrams = " AND ".join(_trigrams(text) for text in folded)
    return [row[0] for row in connection.execute(sql, (trigrams, *folded, limit))]


def _found(names: _Searched, texts: int) -> str:
    """Return the statement that finds keys by trigrams, and by so many folded texts which the candidates must hold."""
    return (
        f"SELECT found.key FROM {names.index} CROSS JOIN {names.texts} AS found ON found.key = {names.index}.rowid "  # noqa: S608 - fixed names
        f"WHERE {names.index} MATCH ?" + " AND instr(found.text, ?)" * texts
    )


def _trigrams(folded: str) -> str:
    """Return the query for rows that have some trigrams of a text, spread over it: each is one more list to read."""
    last = len(folded) - _SHORTEST
    places = {round(last * part / (_MOST_TRIGRAMS - 1)) for part in range(_MOST_TRIGRAMS)}
    trigrams = (folded[place : place + _SHORTEST].replace('"', '""') for place in sorted(places))
    return " AND ".join(f'"{trigram}"' for trigram in trigrams)


def _number(names: _Searched, text: str) -> Condition:
    if text.isascii() and text.isdecimal():
        return f"{names.number} = ?", (int(text),)
    return "FALSE", ()


def _ranges(prefix: str) -> Condition:
    """Return the ranges of an index of SKUs that begin with `prefix` in any case."""
    spellings = sorted({"".join(letters) for letters in product(*({c, c.lower(), c.upper()} for c in prefix))})
    kept = [spelling.encode("utf-8", "replace").decode() for spelling in spellings]
    sql = " OR sku ".join(["BETWEEN ? AND ?"] * len(kept))
    return sql, tuple(bound for spelling in kept for bound in (spelling, spelling + _LAST))
