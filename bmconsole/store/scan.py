"""Rows of a table in an order, under a condition, cut to pages at a cost that depth does not change.

Rows are ordered by the sorted value and then by the primary key, both in the same direction; rows without a value come
last in both directions. A page behind a row is therefore the rest of the rows with a value, then those without, each
a range of an index where there is one.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bmconsole.domain.filters import Filter, Table, Text, nearest
from bmconsole.domain.rows import Query
from bmconsole.domain.text import clean
from bmconsole.errors import NotFound, UsageError
from bmconsole.store import search
from bmconsole.store.filters import Param, Where
from bmconsole.store.sqlite import Connection, Row

_ALWAYS_SET = {"orders.order_id", "orders.status", "orders.state", "listings.sku", "listings.title"}


@dataclass(frozen=True, slots=True)
class Scan:
    """What a page is cut from: rows of `table` with `join` (and its parameters) under `where`, by `sort`, then `key`.

    `by_key` tells that `where` names the few keys that can be, so that no other index is worth asking. `nulls_first` is
    the order read from its end: rows without a value, last otherwise, come first.
    """

    table: str
    join: str
    join_params: tuple[Param, ...]
    by_key: bool
    columns: str
    where: Where
    sort: str
    key: str
    descending: bool
    nulls_first: bool = False

    def reversed(self) -> "Scan":
        """Return the same rows from the last to the first."""
        return replace(self, descending=not self.descending, nulls_first=not self.nulls_first)

    def passing(self, connection: Connection, name: str, keys: Collection[int | str]) -> set[str]:
        """Return which of `keys`, values of the column `name`, are among the rows, as text."""
        found = connection.execute(
            f"SELECT {name} FROM {self.table} WHERE {self.where.sql} "  # noqa: S608 - fixed names
            f"AND {name} IN (SELECT value FROM json_each(?))",
            (*self.where.params, json.dumps(list(keys))),
        )
        return {str(row[0]) for row in found}

    def position(self, connection: Connection, anchor: Where) -> int | None:
        """Return how many rows come before the one that `anchor` holds for, None where it is not among the rows."""
        row = connection.execute(
            f"SELECT {self.sort} AS value, {self.key} AS key FROM {self.table}{self.join} "  # noqa: S608 - fixed names
            f"WHERE {anchor.sql} AND {self.where.sql}",
            (*self.join_params, *anchor.params, *self.where.params),
        ).fetchone()
        if row is None:
            return None
        sooner = ">" if self.descending else "<"
        before = Where(f"({self.sort}, {self.key}) {sooner} (?, ?)", (row["value"], row["key"]))
        if row["value"] is None:
            before = Where(f"({self.sort} IS NOT NULL OR {self.sort} IS NULL AND {self.key} {sooner} ?)", (row["key"],))
        counted = connection.execute(
            f"SELECT count(*) FROM {self.table}{self.join} WHERE {before.sql} AND {self.where.sql}",  # noqa: S608 - fixed names
            (*self.join_params, *before.params, *self.where.params),
        )
        return int(counted.fetchone()[0])

    def page(self, connection: Connection, query: Query, anchor: Where) -> list[Row]:
        """Return the page of `query`; `anchor` is the condition on the row that it is behind.

        Raises:
            NotFound: The row that the page is behind is not cached.
            UsageError: Both a row to be behind and an offset, or a negative number.
        """
        if query.limit < 0 or query.offset < 0:
            field = "limit" if query.limit < 0 else "offset"
            raise UsageError(f"{field} cannot be negative.", field=field, value=str(getattr(query, field)))
        if query.after is None:
            return self._rows(connection, Where("TRUE"), query.limit, query.offset)
        if query.offset:
            raise UsageError("A page is either behind a row or at an offset.", field="offset", value=str(query.offset))
        row = connection.execute(
            f"SELECT {self.sort} AS value, {self.key} AS key FROM {self.table}{self.join} WHERE {anchor.sql}",  # noqa: S608 - fixed names
            (*self.join_params, *anchor.params),
        ).fetchone()
        if row is None:
            raise NotFound("The row that the page should follow is not cached.", field="after", value=query.after)
        beyond = "<" if self.descending else ">"
        if row["value"] is None:
            found = self._rows(
                connection, Where(f"{self.sort} IS NULL AND {self.key} {beyond} ?", (row["key"],)), query.limit
            )
            return found + self._rest(connection, query.limit, found, "NOT NULL") if self.nulls_first else found
        found = self._rows(
            connection,
            Where(f"({self.sort}, {self.key}) {beyond} (?, ?)", (row["value"], row["key"])),
            query.limit,
        )
        if self.sort not in _ALWAYS_SET and not self.nulls_first:
            found += self._rest(connection, query.limit, found, "NULL")
        return found

    def _rest(self, connection: Connection, limit: int, found: Sequence[Row], what: str) -> list[Row]:
        """Return rows whose value is `what`, as many as a page that begins with `found` still has room for."""
        if limit and len(found) >= limit:
            return []
        return self._rows(connection, Where(f"{self.sort} IS {what}"), limit - len(found) if limit else 0)

    def _rows(self, connection: Connection, extra: Where, limit: int, offset: int = 0) -> list[Row]:
        # Descending, SQLite puts NULLs last of itself, ascending first; only the opposite must be asked for.
        direction = "DESC" if self.descending else "ASC"
        nulls = "" if self.descending is not self.nulls_first else " NULLS FIRST" if self.descending else " NULLS LAST"
        if self.sort in _ALWAYS_SET:
            nulls = ""
        source = f"{self.table}{' NOT INDEXED' if self.by_key else ''}{self.join}"
        return list(
            connection.execute(
                f"SELECT {self.columns} FROM {source} WHERE {self.where.sql} AND {extra.sql} "  # noqa: S608 - fixed names
                f"ORDER BY {self.sort} {direction}{nulls}, {self.key} {direction} LIMIT ? OFFSET ?",
                (*self.join_params, *self.where.params, *extra.params, limit or -1, offset),
            )
        )


def count(connection: Connection, table: str, where: Where, by_key: bool) -> int:
    """Return how many rows of `table` a condition lets through; `by_key` as in `Scan`."""
    sql = f"SELECT count(*) FROM {table}{' NOT INDEXED' if by_key else ''} WHERE {where.sql}"  # noqa: S608 - fixed names
    return int(connection.execute(sql, where.params).fetchone()[0])


def sorted_by(wanted: str, sorts: Mapping[str, str]) -> tuple[str, bool]:
    """Return the expression that `sorts` has for a sort, and whether it runs downwards (`-` in front).

    Raises:
        UsageError: There is no such sort.
    """
    descending = wanted.startswith("-")
    name = wanted.removeprefix("-").lower()
    if name not in sorts:
        near = nearest(name, sorts)
        raise UsageError(
            f"There is no sort {clean(name, limit=60)}.",
            field="sort",
            value=clean(wanted, limit=60),
            hint=f"Did you mean {near}?" if near else f"It is one of {', '.join(sorts)}.",
        )
    return sorts[name], descending


def told_apart(parsed: Filter) -> tuple[list[str], Filter]:
    """Return the texts that a filter searches for, and the filter without them."""
    others = tuple(term for term in parsed.terms if not isinstance(term, Text))
    return [term.text for term in parsed.terms if isinstance(term, Text)], Filter(parsed.table, others)


def narrowed(connection: Connection, table: Table, texts: Sequence[str], where: Where) -> tuple[Where, bool]:
    """Return `where` for the rows that hold all `texts` as well, and whether it names the few keys that can be."""
    if not texts:
        return where, False
    (sql, params), by_key = search.narrowed(connection, table, texts)
    return Where(f"{sql} AND {where.sql}", (*params, *where.params)), by_key
