import asyncio
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database as Utils

from bmconsole.errors import DiskTrouble
from bmconsole.store.database import Database
from bmconsole.store.intents import audit, audit_broken_at
from bmconsole.store.schema import HISTORY, JOURNAL, MIRROR
from bmconsole.store.sqlite import Connection, Schema


def insert(connection: Connection) -> None:
    connection.execute("INSERT INTO events (at, level, source, message) VALUES ('2026', 'info', 'test', 'x')")


def count(connection: Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


async def test_a_failed_transaction_leaves_nothing_behind(tmp_path: Path) -> None:
    database = Database(tmp_path / "history.db", HISTORY)

    def half(connection: Connection) -> None:
        insert(connection)
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await database.write(half)
    assert await database.read(count) == 0
    await database.write(insert)
    assert await database.read(count) == 1
    await database.aclose()


async def test_files_are_private_even_under_an_open_umask(tmp_path: Path) -> None:
    database = Database(tmp_path / "deep" / "history.db", HISTORY)
    await database.write(insert)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep").iterdir()}
    assert set(modes.values()) == {0o600}, modes
    await database.aclose()


async def test_the_version_tells_of_other_connections(tmp_path: Path) -> None:
    one = Database(tmp_path / "history.db", HISTORY)
    other = Database(tmp_path / "history.db", HISTORY)
    before = await one.data_version()
    await other.write(insert)
    assert await one.data_version() != before
    await one.aclose()
    await other.aclose()


async def test_writers_of_one_file_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    files = [Database(tmp_path / "history.db", HISTORY) for _ in range(3)]
    await asyncio.gather(*(file.write(insert) for file in files for _ in range(40)))
    assert await files[0].read(count) == 120
    for file in files:
        await file.aclose()


def test_two_that_start_together_on_nothing_both_come_up(tmp_path: Path) -> None:
    faults: list[BaseException] = []

    def start() -> None:
        try:
            for name, migrations in (("mirror", MIRROR), ("journal", JOURNAL)):
                Database(tmp_path / f"{name}.db", migrations).close()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    Database(path, HISTORY).close()
    newer = Schema("history", b"BMCh")
    newer.steps += HISTORY.steps

    @newer()
    def h999_from_the_future(db: Utils) -> None:
        db.execute("CREATE TABLE tomorrow (id INTEGER PRIMARY KEY)")

    Database(path, newer).close()
    before = path.read_bytes()
    with pytest.raises(DiskTrouble, match="newer bmconsole"):
        Database(path, HISTORY)
    assert path.read_bytes() == before


async def test_an_audit_row_can_be_neither_changed_nor_deleted(tmp_path: Path) -> None:
    journal = Database(tmp_path / "journal.db", JOURNAL, synchronous="FULL")
    now = datetime(2026, 11, 23, tzinfo=UTC)

    def three(connection: Connection) -> None:
        for number in range(3):
            audit(connection, now, "operator", {"n": number})

    def update(connection: Connection) -> None:
        connection.execute("UPDATE audit SET event = '{}'")

    def delete(connection: Connection) -> None:
        connection.execute("DELETE FROM audit")

    await journal.write(three)
    for tampering in (update, delete):
        with pytest.raises(DiskTrouble, match="append-only"):
            await journal.write(tampering)
    assert await journal.read(audit_broken_at) is None

    def forge(connection: Connection) -> None:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("""UPDATE audit SET event = '{"n":7}' WHERE seq = 2""")

    await journal.write(forge)
    assert await journal.read(audit_broken_at) == 2
    await journal.aclose()
