"""A mirror that changes fifty times a second, under a cursor that moves and rows that are marked."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from bmconsole.domain.times import stamp
from bmconsole.paths import Paths
from bmconsole.store.sqlite import Connection, connect, immediate
from bmconsole.workspace import Workspace
from tests.console.conftest import Desk, Sit
from tests.console.waiting import until

PER_SECOND = 50
STEPS = 24


def change(connection: Connection, random: Random, number: int, kept: set[str]) -> None:
    """Let an order come in above all others, change in place, or go; those of `kept` never go."""
    ids = [row[0] for row in connection.execute("SELECT order_id FROM orders ORDER BY created DESC")]
    with immediate(connection):
        if number % 3 == 0:
            made = stamp(datetime.now(UTC) + timedelta(days=1, seconds=number))
            columns = [row["name"] for row in connection.execute("PRAGMA table_info(orders)")]
            values = ", ".join({"order_id": "?1", "created": "?2"}.get(name, name) for name in columns)
            connection.execute(
                f"INSERT INTO orders ({', '.join(columns)}) SELECT {values} FROM orders WHERE order_id = ?3",  # noqa: S608 - names of the schema
                (max(ids) + 1, made, ids[0]),
            )
        elif number % 3 == 1:
            connection.execute(
                "UPDATE orders SET price = price + 100, buyer = ? WHERE order_id = ?",
                (f"Buyer {number}", random.choice(ids)),
            )
        else:
            going = next((order for order in ids[30:] if str(order) not in kept), None)
            if going is not None:
                connection.execute("DELETE FROM orders WHERE order_id = ?", (going,))


@contextmanager
def storm(mirror: Path, kept: set[str]) -> Iterator[list[int]]:
    """Change the mirror from another connection, `PER_SECOND` times a second; gives the number of each change."""
    over, done = threading.Event(), [0]

    def blow() -> None:
        random = Random(7)
        with closing(connect(mirror)) as connection:
            while not over.wait(1 / PER_SECOND):
                change(connection, random, done[0], kept)
                done[0] += 1

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


async def test_cursor_marks_and_line_stay_with_their_orders_in_a_storm(
    filled: Workspace, sit: Sit, tmp_path: Path
) -> None:
    async with sit(size=(120, 24)) as desk:
        table = desk.app.orders.table
        await until(lambda: table.cursor_key is not None)
        await desk.press(*["j"] * 30, "space", "j", "space", "k")
        marks = table.marks
        kept = {table.source.key(row) for row in table.rows_between(0, 90)}
        mirror = Paths.under(tmp_path).profile_data("default") / "mirror.db"
        random, began = Random(11), time.monotonic()
        with storm(mirror, kept) as done:
            for _ in range(STEPS):
                down = random.random() < 0.5
                row = table.row_at(table.cursor_index + (1 if down else -1))
                assert row is not None
                table.action_down() if down else table.action_up()
                wanted = table.source.key(row)
                assert table.cursor_key == wanted
                line = table.cursor_index - table.scroll_offset.y
                seen, window = done[0], table._window
                await until(lambda seen=seen, window=window: done[0] > seen and table._window is not window)  # type: ignore[misc]  # bound now
                assert table.cursor_key == wanted
                assert table.cursor_index - table.scroll_offset.y == line
                assert table.marks == marks
                shown = table.row_at(table.cursor_index)
                assert shown is not None
                assert table.source.key(shown) == wanted
                assert wanted in table.render_line(line + 1).text
            changes, seconds = done[0], time.monotonic() - began
        assert changes > STEPS
        assert changes <= seconds * PER_SECOND + 1
        await settled(desk)
        assert table.row_count == await desk.workspace.orders_count("")
        keys, hidden = await desk.app.orders.targets()
        assert (tuple(keys), hidden) == (marks, 0)


async def settled(desk: Desk) -> None:
    """Wait until the table has shown the last change."""
    expected = await desk.workspace.orders_count("")
    await until(lambda: desk.app.orders.table.row_count == expected)
    await asyncio.sleep(0)
