"""Mirrors of any size for the bench of the store: the first orders through the real code, the rest copied by SQL."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile

from bmconsole.store import orders, search
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import Connection, connect, immediate, migrate
from tests.bench.orders import record

SEEDED = 10_000
_STEP = SEEDED * 3
_SECONDS = SEEDED * 90
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def seeded(path: Path) -> Path:
    """Write the first 10,000 orders."""
    migrate(path, MIRROR)
    with closing(connect(path)) as connection:
        for start in range(0, SEEDED, 50):
            with immediate(connection):
                orders.store(connection, [record(number) for number in range(start, start + 50)], fetched_at=NOW)
    return path


def grown(seed: Path, path: Path, count: int) -> Path:
    """Copy the seeded mirror and its orders until there are `count`: later by as much, numbers of their own."""
    copyfile(seed, path)
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        for part in range(1, count // SEEDED):
            with immediate(connection):
                _copy(connection, "orders", part)
                _copy(connection, "orderlines", part)
        if count > SEEDED:
            _fill_search(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def _copy(connection: Connection, table: str, part: int) -> None:
    columns = [row["name"] for row in connection.execute(f"PRAGMA table_info({table})")]
    first = connection.execute("SELECT min(order_id) FROM orders").fetchone()[0]
    later = "strftime('%Y-%m-%dT%H:%M:%S.000Z', julianday({}) + " + f"{part * _SECONDS / 86_400.0})"
    own = {
        "order_id": f"order_id + {part * _STEP}",
        "created": later.format("created") if table == "orders" else "created",
        "modified": later.format("modified"),
        "tracking": "CASE WHEN tracking IS NOT NULL THEN printf('1Z%014d', abs(random()) % 100000000000000) END",
        "imei": "CASE WHEN imei IS NOT NULL THEN printf('35%013d', abs(random()) % 10000000000000) END",
        "sku": "substr(sku, 1, length(sku) - 3) || (abs(random()) % 400)",
    }
    values = ", ".join(own.get(name, name) for name in columns)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} WHERE order_id < ?",  # noqa: S608 - names of the schema
        (first + _STEP,),
    )


def _fill_search(connection: Connection) -> None:
    def fold(value: object) -> str | None:
        return None if value is None else search.fold(str(value))

    connection.create_function("fold", 1, fold)
    with immediate(connection):
        connection.execute("DELETE FROM order_texts")
        connection.execute(
            """INSERT INTO order_texts SELECT order_id, fold(order_id) || char(10)
            || coalesce(fold(tracking) || char(10), '') || fold(buyer) || char(10) || fold(city) || char(10)
            || (SELECT group_concat(fold(sku) || char(10) || fold(product) || coalesce(char(10) || fold(imei), ''),
                    char(10)) FROM orderlines WHERE orderlines.order_id = orders.order_id) FROM orders"""
        )
    connection.execute("INSERT INTO orders_search (orders_search) VALUES ('rebuild')")
