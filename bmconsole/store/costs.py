"""Costs of units in the journal: never overwritten, so that every decision can be told by the cost of its time."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from bmconsole.domain.costs import Cost, Vat
from bmconsole.domain.money import Money, exact
from bmconsole.domain.pricing_views import CostRow
from bmconsole.domain.times import stamp, unstamp
from bmconsole.store.sqlite import Connection, Row

_AMOUNTS = ("purchase", "parts", "labour", "shipping", "min_profit", "manual_min", "manual_max")
_COLUMNS = ("sku", "market", "grade", "currency", *_AMOUNTS, "fee", "target_margin", "vat")

Key = tuple[str, str | None, str | None]
"""What a cost is for: SKU, market, grade."""


def key_of(cost: Cost) -> Key:
    return cost.sku, cost.market, cost.grade


def current(connection: Connection, *, after: int = 0, limit: int = 0) -> list[CostRow]:
    """Return the costs that hold now, in the order of their ids, behind `after`; `limit` 0 = all."""
    rows = connection.execute(
        "SELECT * FROM costs WHERE superseded IS NULL AND id > ? ORDER BY id LIMIT ?", (after, limit or -1)
    )
    return [_row(row) for row in rows]


def of_skus(connection: Connection, skus: Iterable[str]) -> list[CostRow]:
    """Return the costs that hold now of these SKUs."""
    found: list[CostRow] = []
    for sku in dict.fromkeys(skus):
        rows = connection.execute("SELECT * FROM costs WHERE sku = ? AND superseded IS NULL", (sku,))
        found += [_row(row) for row in rows]
    return found


def history(connection: Connection, sku: str) -> list[CostRow]:
    """Return every cost that a SKU ever had, oldest first."""
    return [_row(row) for row in connection.execute("SELECT * FROM costs WHERE sku = ? ORDER BY id", (sku,))]


def keep(connection: Connection, costs: Sequence[Cost], *, now: datetime) -> int:
    """Let these costs hold from now on, each in the place of the one for the same SKU, market and grade.

    Returns:
        How many differ from what held before; those that do not are left alone.
    """
    kept = 0
    for cost in costs:
        former = _held(connection, key_of(cost))
        if former is not None and former.cost == cost:
            continue
        if former is not None:
            connection.execute("UPDATE costs SET superseded = ? WHERE id = ?", (stamp(now), former.id))
        connection.execute(
            f"INSERT INTO costs ({', '.join(_COLUMNS)}, valid_from) "  # noqa: S608 - fixed names
            f"VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})",
            (*_values(cost), stamp(now)),
        )
        kept += 1
    return kept


def skus_with_cost(connection: Connection, market: str, currency: str, *, vat: bool) -> list[str]:
    """Return the SKUs with a cost that holds in a market: in its currency, with VAT unless `vat` is set elsewhere."""
    rows = connection.execute(
        """SELECT DISTINCT sku FROM costs WHERE superseded IS NULL AND coalesce(market, ?1) = ?1 AND currency = ?2
        AND (?3 OR vat IS NOT NULL)""",
        (market, currency, vat),
    )
    return [row["sku"] for row in rows]


def _held(connection: Connection, key: Key) -> CostRow | None:
    row = connection.execute(
        """SELECT * FROM costs WHERE superseded IS NULL AND sku = ? AND coalesce(market, '') = ?
        AND coalesce(grade, '') = ?""",
        (key[0], key[1] or "", key[2] or ""),
    ).fetchone()
    return None if row is None else _row(row)


def _values(cost: Cost) -> Iterator[str | int | None]:
    for name in _COLUMNS:
        value = getattr(cost, name)
        if name in _AMOUNTS:
            yield None if value is None else exact(value, cost.currency).minor
        elif isinstance(value, Decimal):
            yield f"{value:f}"
        else:
            yield None if value is None else str(value)


def _row(row: Row) -> CostRow:
    currency: str = row["currency"]

    def amount(name: str) -> Decimal | None:
        return None if row[name] is None else _amount(row[name], currency)

    def share(name: str) -> Decimal | None:
        return None if row[name] is None else _share(row[name])

    cost = Cost(
        sku=row["sku"],
        currency=currency,
        purchase=_amount(row["purchase"], currency),
        parts=_amount(row["parts"], currency),
        labour=_amount(row["labour"], currency),
        shipping=_amount(row["shipping"], currency),
        grade=row["grade"],
        market=row["market"],
        fee=share("fee"),
        target_margin=share("target_margin"),
        min_profit=amount("min_profit"),
        manual_min=amount("manual_min"),
        manual_max=amount("manual_max"),
        vat=None if row["vat"] is None else _vat(row["vat"]),
    )
    return CostRow(row["id"], cost, datetime.fromisoformat(row["valid_from"]), unstamp(row["superseded"]))


# The same few values come again and again


@lru_cache(maxsize=1 << 16)
def _amount(minor: int, currency: str) -> Decimal:
    return Money(minor, currency).amount


_share = lru_cache(maxsize=1_024)(Decimal)
_vat = lru_cache(maxsize=64)(Vat.parse)
