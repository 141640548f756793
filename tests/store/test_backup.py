import json
import sqlite3 as standard
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database as Utils

from bmconsole.errors import DiskTrouble, NotFound
from bmconsole.store import backup, health
from bmconsole.store.intents import audit, audit_broken_at
from bmconsole.store.schema import JOURNAL
from bmconsole.store.sqlite import Connection, Schema, connect, immediate, migrate

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    migrate(path, JOURNAL, synchronous="FULL")
    note(path, "first")
    return path


def note(path: Path, text: str) -> None:
    with closing(connect(path, synchronous="FULL")) as connection, immediate(connection):
        audit(connection, NOW, "test", {"note": text})


def notes(path: Path) -> list[str]:
    with closing(connect(path, readonly=True)) as connection:
        assert audit_broken_at(connection) is None
        return [json.loads(row["event"])["note"] for row in connection.execute("SELECT event FROM audit ORDER BY seq")]


def test_one_copy_a_day_and_the_newest_seven_stay(journal: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    for day in range(9):
        note(journal, f"day {day}")
        made = backup.daily(journal, folder, NOW + timedelta(days=day))
        assert made is not None
        assert backup.daily(journal, folder, NOW + timedelta(days=day, hours=3)) is None
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"journal-2026-11-{25 + day}.db" for day in range(6)] + ["journal-2026-12-01.db"]
    assert backup.newest(folder) == folder / "journal-2026-12-01.db"
    assert notes(folder / "journal-2026-11-25.db") == ["first", "day 0", "day 1", "day 2"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_copy_holds_what_is_still_in_the_log_and_needs_none_of_its_own(journal: Path, tmp_path: Path) -> None:
    with closing(connect(journal)) as writer, immediate(writer):
        audit(writer, NOW, "test", {"note": "in the log"})
        writer.execute("COMMIT")
        writer.execute("BEGIN")
        made = backup.daily(journal, tmp_path / "backups", NOW)
    assert made is not None
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    with closing(standard.connect(f"file:{made}?mode=ro&immutable=1", uri=True)) as copy:
        assert copy.execute("SELECT count(*) FROM audit").fetchone()[0] == 2


def test_a_copy_of_a_broken_journal_is_not_kept(journal: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    for number in range(200):
        note(journal, f"{number} {'x' * 200}")
    good = backup.daily(journal, folder, NOW)
    with journal.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096 * 6)
    with pytest.raises(DiskTrouble):
        backup.daily(journal, folder, NOW + timedelta(days=1))
    assert good is not None
    assert list(folder.iterdir()) == [good]


def test_the_journal_is_copied_before_its_schema_changes(journal: Path, tmp_path: Path) -> None:
    newer = Schema("journal", b"BMCj")
    newer.steps += JOURNAL.steps

    @newer()
    def j999_another_table(db: Utils) -> None:
        db.execute("CREATE TABLE another (id INTEGER PRIMARY KEY)")

    folder = tmp_path / "backups"

    def before(connection: Connection) -> None:
        backup.before_migration(connection, folder, NOW)

    for _ in range(2):
        migrate(journal, newer, before=before)
    (copy,) = folder.iterdir()
    assert copy.name == f"journal-before-{JOURNAL.version}-20261123T060000.db"
    with closing(connect(copy, readonly=True)) as connection:
        tables = {row["name"] for row in connection.execute("SELECT name FROM sqlite_schema")}
    assert "audit" in tables
    assert "another" not in tables
    migrate(tmp_path / "new.db", newer, before=lambda _: pytest.fail("there was nothing to copy"))


def test_a_copy_is_put_in_the_place_of_a_damaged_journal(journal: Path, tmp_path: Path) -> None:
    made = backup.daily(journal, tmp_path / "backups", NOW)
    assert made is not None
    journal.write_text("damaged")
    former = backup.restore(made, journal, JOURNAL)
    assert former is not None
    assert former.read_text() == "damaged"
    assert notes(journal) == ["first"]
    assert journal.stat().st_mode & 0o777 == 0o600
    log = journal.with_name("journal.db-wal")
    with closing(connect(journal)) as held:
        held.execute("SELECT seq FROM audit").fetchall()
        note(journal, "later")
        outlived = log.read_bytes()
    journal.unlink()
    assert outlived
    log.write_bytes(outlived)
    assert backup.restore(made, journal, JOURNAL) is None
    assert notes(journal) == ["first"]


@pytest.mark.parametrize("content", [b"", b"not a database" * 500])
def test_a_damaged_copy_is_not_restored(journal: Path, tmp_path: Path, content: bytes) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(content)
    with pytest.raises(health.Damaged, match=r"copy\.db is damaged"):
        backup.restore(copy, journal, JOURNAL)
    with pytest.raises(NotFound):
        backup.restore(tmp_path / "none.db", journal, JOURNAL)
    assert notes(journal) == ["first"]
    assert health.moved_aside(journal) == []
