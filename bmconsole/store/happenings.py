"""What happened that the operator may want to be told, read from the three files; nothing of a buyer but the name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bmconsole.domain.orders import OPEN
from bmconsole.domain.times import stamp
from bmconsole.store.intents import UNFINISHED, marks
from bmconsole.store.sqlite import Connection

_MOST = 500


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened: `key` tells it from others of its kind, `ref` is what people look it up by."""

    key: int
    ref: str
    detail: str = ""
    buyer: str | None = None


def newest_order(connection: Connection) -> int:
    """Return the highest number of an order, 0 without any."""
    return int(connection.execute("SELECT coalesce(max(order_id), 0) FROM orders").fetchone()[0])


def new_orders(connection: Connection, after: int) -> list[Happening]:
    """Return the orders with numbers over `after` that want something done, lowest first."""
    rows = connection.execute(
        f"""SELECT order_id, status, buyer FROM orders WHERE order_id > ? AND status IN ({marks(OPEN)}, 'pending')
        ORDER BY order_id LIMIT {_MOST}""",  # noqa: S608 - placeholders only
        (after, *OPEN),
    )
    return [Happening(row["order_id"], str(row["order_id"]), row["status"], row["buyer"]) for row in rows]


def late(connection: Connection, now: datetime) -> list[Happening]:
    """Return the orders that are late."""
    rows = connection.execute(
        f"""SELECT order_id, due, buyer FROM orders WHERE status IN ({marks(OPEN)}) AND due < ?
        ORDER BY due LIMIT {_MOST}""",  # noqa: S608 - placeholders only
        (*OPEN, stamp(now)),
    )
    return [Happening(row["order_id"], str(row["order_id"]), f"due {row['due']}", row["buyer"]) for row in rows]


def newest_observation(connection: Connection) -> int:
    """Return the highest number of an observation, 0 without any."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM observations").fetchone()[0])


def boxes_lost(connection: Connection, after: int, until: int) -> list[Happening]:
    """Return the offers that were seen to lose their box by the observations over `after` up to `until`."""
    rows = connection.execute(
        f"""SELECT id, listing, market FROM observations AS seen WHERE id > ? AND id <= ? AND winning = 0
        AND (SELECT winning FROM observations AS before WHERE before.listing = seen.listing
            AND before.market = seen.market AND before.id < seen.id ORDER BY before.id DESC LIMIT 1) = 1
        ORDER BY id LIMIT {_MOST}""",  # noqa: S608 - a fixed number
        (after, until),
    )
    return [Happening(row["id"], row["listing"], row["market"]) for row in rows]


def newest_run(connection: Connection) -> int:
    """Return the highest number of a run of repricing that ended, 0 without any."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM runs WHERE ended IS NOT NULL").fetchone()[0])


def guarded_runs(connection: Connection, after: int, until: int) -> list[Happening]:
    """Return the runs over `after` up to `until` that a guard stopped."""
    rows = connection.execute(
        "SELECT id, name, notice FROM runs WHERE id > ? AND id <= ? AND notice IS NOT NULL ORDER BY id", (after, until)
    )
    return [Happening(row["id"], row["name"], row["notice"]) for row in rows]


def broken_streams(connection: Connection, names: Sequence[str]) -> list[Happening]:
    """Return the streams of which the last run failed."""
    rows = connection.execute(
        f"SELECT rowid AS key, name, last_error FROM streams WHERE name IN ({marks(names)}) AND last_error IS NOT NULL",  # noqa: S608 - placeholders only
        tuple(names),
    )
    return [Happening(row["key"], row["name"], row["last_error"]) for row in rows]


def stuck_writes(connection: Connection, before: datetime) -> list[Happening]:
    """Return the writes that are unfinished and did not move since `before`, and the conflicts."""
    rows = connection.execute(
        f"""SELECT id, kind, target, state FROM intents
        WHERE state IN ({marks(UNFINISHED)}) AND updated < ? OR state = 'conflict' ORDER BY id LIMIT {_MOST}""",  # noqa: S608 - placeholders only
        (*UNFINISHED, stamp(before)),
    )
    return [Happening(row["id"], str(row["id"]), f"{row['kind']} {row['target']}: {row['state']}") for row in rows]
