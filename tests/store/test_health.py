import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

import pytest
from sqlite_utils.utils import sqlite3 as theirs  # type: ignore[attr-defined]  # whichever it found

from bmconsole.cache import Files
from bmconsole.domain.orders import Order
from bmconsole.errors import DiskTrouble
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.store import backup, events, health, orders
from bmconsole.store.database import Database
from bmconsole.store.health import Damaged
from bmconsole.store.orders import OrderRecord
from bmconsole.store.schema import HISTORY, JOURNAL, MIRROR
from bmconsole.store.sqlite import Connection, connect, migrate, sqlite3, whole

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PROFILE = Profile.model_validate({"name": "default", "base_url": "http://127.0.0.1:9", "markets": ("fr-fr",)})
Harm = Callable[[Path], None]


def fill(connection: Connection, several: int = 400) -> None:
    records = [OrderRecord(Order(number, 1), '{"x": "' + "y" * 900 + '"}') for number in range(several)]
    orders.store(connection, records, fetched_at=NOW)


def count(connection: Connection) -> int:
    return len(connection.execute("SELECT raw, buyer FROM orders ORDER BY created").fetchall())


def random_pages(path: Path) -> None:
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(Random(page).randbytes(4096))


def random_everything(path: Path) -> None:
    path.write_bytes(Random(7).randbytes(50_000))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def cut_to_a_stump(path: Path) -> None:
    os.truncate(path, 60)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def text(path: Path) -> None:
    path.write_text("this is no database, it is a text " * 200)


def stranger(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 42")
        connection.execute("CREATE TABLE theirs (id INTEGER)")


def nameless_stranger(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (theirs INTEGER)")


def gone(path: Path) -> None:
    path.unlink()


HARMS = [random_pages, random_everything, cut, cut_to_a_stump, empty, text, stranger, nameless_stranger, gone]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.under(tmp_path)


@pytest.fixture
def folder(paths: Paths) -> Path:
    """The files of a profile, with something in each of them and nothing open."""
    files = Files(PROFILE.name, paths)
    files.mirror.write_now(fill)
    files.history.write_now(lambda connection: events.add(connection, NOW, "info", "test", "kept", None))
    files.journal.write_now(lambda connection: connection.execute("SELECT 1"))
    files.close()
    return paths.profile_data("default")


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.glob("*.db*")}


def messages(files: Files) -> list[str]:
    page = files.history.write_now(lambda connection: events.page(connection, after=0, limit=9, level="warning"))
    return [event.message for event in page]


@pytest.mark.parametrize("harm", HARMS)
async def test_a_mirror_that_was_damaged_between_two_runs_starts_anew(paths: Paths, folder: Path, harm: Harm) -> None:
    before = {name: (folder / name).read_bytes() for name in ("journal.db", "history.db")}
    harm(folder / "mirror.db")
    files = Files(PROFILE.name, paths)
    for _ in range(2):
        try:
            found = await files.mirror.read(count)
        except DiskTrouble:
            found = await files.mirror.read(count)
    assert found == 0
    await files.mirror.write(fill)
    assert await files.mirror.read(count) == 400
    aside = health.moved_aside(folder / "mirror.db")
    assert bool(aside) is (harm not in (empty, gone))
    assert len(messages(files)) == len(aside)
    assert all("moved aside as mirror.corrupt-" in message for message in messages(files))
    await asyncio.to_thread(files.close)
    assert whole(folder / "mirror.db", thorough=True)
    assert (folder / "journal.db").read_bytes() == before["journal.db"]
    with closing(connect(folder / "history.db")) as connection:
        assert next(row["message"] for row in connection.execute("SELECT message FROM events")) == "kept"
    assert modes(folder) == {0o600}


@pytest.mark.parametrize("harm", HARMS)
async def test_a_mirror_that_is_damaged_while_it_is_open_comes_back_without_a_restart(
    paths: Paths, folder: Path, harm: Harm
) -> None:
    files = Files(PROFILE.name, paths)
    assert await files.mirror.read(count) == 400
    await files.mirror.write(lambda connection: connection.execute("DELETE FROM orders WHERE order_id = 399"))
    await files.mirror.checkpoint()
    before = await files.mirror.data_version()
    harm(folder / "mirror.db")
    failures: list[DiskTrouble] = []
    for number in range(1_000, 1_008):
        try:
            await files.mirror.write(partial(fill_from, first=number))
            await files.mirror.read(count)
        except DiskTrouble as failure:
            failures.append(failure)
    assert len(failures) <= 3
    assert all("CREATE" not in failure.line() and "SELECT" not in failure.line() for failure in failures)
    await files.mirror.write(fill)
    assert await files.mirror.read(count) >= 400
    assert await files.mirror.data_version() != before
    await asyncio.to_thread(files.close)
    assert whole(folder / "mirror.db", thorough=True)


def fill_from(connection: Connection, first: int) -> None:
    orders.store(connection, [OrderRecord(Order(first, 1), "{}")], fetched_at=NOW)


async def test_what_another_process_moved_aside_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    one, other = (Database(path, MIRROR, rebuildable=True) for _ in range(2))
    await one.write(fill)
    assert await other.read(count) == 400
    before = await other.data_version()
    await one.checkpoint()
    random_pages(path)
    with pytest.raises(Damaged, match=r"mirror\.db is damaged") as caught:
        await one.read(count)
    assert "sync" in (caught.value.hint or "")
    assert await other.read(count) == 0
    assert await other.data_version() != before
    await other.write(fill)
    assert await one.read(count) == 400
    assert len({path.name for path in health.moved_aside(path) if path.suffix == ".db"}) == 1
    await one.aclose()
    await other.aclose()


async def test_an_error_of_our_own_is_not_taken_for_damage(tmp_path: Path) -> None:
    database = Database(tmp_path / "mirror.db", MIRROR, rebuildable=True)
    await database.write(fill)

    def wrong(connection: Connection) -> None:
        raise ValueError("a mistake")

    def wrong_sql(connection: Connection) -> None:
        connection.execute("SELECT buyers FROM orders")

    with pytest.raises(ValueError, match="a mistake"):
        await database.read(wrong)
    with pytest.raises(DiskTrouble, match=r"mirror\.db cannot be used"):
        await database.read(wrong_sql)
    assert await database.read(count) == 400
    assert health.moved_aside(database.path) == []
    await database.aclose()


@pytest.mark.parametrize("name", ["journal.db", "history.db"])
@pytest.mark.parametrize("harm", [random_everything, cut_to_a_stump, text, stranger, nameless_stranger])
def test_a_damaged_journal_or_history_is_refused_and_left_as_it_is(
    paths: Paths, folder: Path, name: str, harm: Harm
) -> None:
    harm(folder / name)
    before = (folder / name).read_bytes()
    with pytest.raises(Damaged, match=name) as caught:
        Files(PROFILE.name, paths)
    assert "It was not touched" in (caught.value.hint or "")
    assert (folder / name).read_bytes() == before


def test_an_emptied_journal_is_not_begun_anew_where_there_are_copies_of_it(paths: Paths, folder: Path) -> None:
    journal = folder / "journal.db"
    backup.daily(journal, folder / "backups", NOW)
    empty(journal)
    with pytest.raises(Damaged, match="it is empty") as caught:
        Files(PROFILE.name, paths)
    assert "bmconsole restore" in (caught.value.hint or "")
    assert not journal.stat().st_size
    journal.unlink()
    Files(PROFILE.name, paths).close()


async def test_a_row_of_a_damaged_journal_that_is_none_is_told_as_damage(paths: Paths, folder: Path) -> None:
    files = Files(PROFILE.name, paths)
    random_pages(files.journal.path)

    def misread(connection: Connection) -> None:
        raise ValueError("no row of ours")

    with pytest.raises(Damaged, match=r"journal\.db is damaged"):
        await files.journal.read(misread)
    await asyncio.to_thread(files.close)


async def test_a_journal_that_vanishes_is_not_begun_anew(tmp_path: Path) -> None:
    journal = Database(tmp_path / "journal.db", JOURNAL, way_out="Restore it.")
    await journal.write(lambda connection: connection.execute("SELECT 1"))
    journal.path.unlink()
    with pytest.raises(DiskTrouble, match=r"journal\.db is gone"):
        await journal.write(lambda connection: connection.execute("SELECT 1"))
    assert not journal.path.exists()
    await journal.aclose()


async def test_a_full_disk_is_told_and_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    database = Database(tmp_path / "mirror.db", MIRROR, rebuildable=True)
    await database.write(lambda connection: fill(connection, 50))

    def room(connection: Connection) -> int:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])

    def limit(pages: int) -> Callable[[Connection], object]:
        return lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    await database.write(limit(await database.read(room) + 5))
    for _ in range(2):
        with pytest.raises(DiskTrouble, match="The disk is full") as caught:
            await database.write(lambda connection: fill(connection, 900))
        assert "INSERT" not in caught.value.line()
    assert await database.read(count) == 50
    await database.write(limit(1 << 30))
    await database.write(lambda connection: fill(connection, 900))
    assert await database.read(count) == 900
    await database.aclose()


async def test_the_log_is_cut_to_nothing_when_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bmconsole.store.database._IDLE_SECONDS", 0.05)
    database = Database(tmp_path / "mirror.db", MIRROR, rebuildable=True)
    await database.write(fill)
    log = tmp_path / "mirror.db-wal"
    async with asyncio.timeout(5):
        while log.stat().st_size:  # noqa: ASYNC110 - a file tells nobody that it shrank
            await asyncio.sleep(0.01)
    assert await database.read(count) == 400
    await database.aclose()


async def test_a_reader_keeps_the_log_from_being_cut_and_is_not_waited_for(tmp_path: Path) -> None:
    database = Database(tmp_path / "mirror.db", MIRROR, rebuildable=True)
    await database.write(fill)
    with closing(connect(database.path, readonly=True)) as reader:
        rows = reader.execute("SELECT order_id FROM orders")
        rows.fetchone()
        await database.write(lambda connection: fill_from(connection, 9_999))
        assert not await database.checkpoint(wait=False)
        rows.close()
    assert await database.checkpoint(wait=False)
    await database.aclose()


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ("server:/x {} nfs4 rw 0 0", "nfs4"),
        ("//nas/x {} cifs rw 0 0", "cifs"),
        ("host {} fuse.sshfs rw 0 0", "fuse.sshfs"),
        ("C: {} 9p rw,aname=drvfs 0 0", "9p"),
        ("/dev/x {} ext4 rw 0 0\nserver:/x {} nfs rw 0 0", "nfs"),
        ("server:/x {} nfs rw 0 0\n/dev/x {} ext4 rw 0 0", None),
        ("/dev/vda {}x nfs rw 0 0", None),
        ("/dev/vda {} fuse.ntfs-3g rw 0 0", None),
        ("tmpfs {} tmpfs rw 0 0", None),
        ("overlay {}", None),
    ],
)
def test_a_network_file_system_is_refused(tmp_path: Path, mounts: str, kind: str | None) -> None:
    place = tmp_path / "with space"
    place.mkdir()
    told = "/dev/vda / ext4 rw 0 0\n" + mounts.replace("{}", str(place).replace(" ", "\\040")) + "\n"
    if kind is None:
        health.refuse_network(place / "deeper", told)
        return
    with pytest.raises(DiskTrouble, match=f"network file system \\({kind}\\)") as caught:
        health.refuse_network(place / "deeper", told)
    assert "BMCONSOLE_HOME" in (caught.value.hint or "")


def test_a_root_on_9p_is_all_there_is(tmp_path: Path) -> None:
    health.refuse_network(tmp_path, "none / 9p rw 0 0\n")
    health.refuse_network(tmp_path)


def test_one_library_opens_every_file() -> None:
    assert sqlite3 is theirs


@pytest.mark.parametrize(
    ("name", "schema", "mark"),
    [("mirror", MIRROR, b"BMCm"), ("journal", JOURNAL, b"BMCj"), ("history", HISTORY, b"BMCh")],
)
def test_files_say_what_they_are(tmp_path: Path, name: str, schema: object, mark: bytes) -> None:
    kind = {"mirror": MIRROR, "journal": JOURNAL, "history": HISTORY}[name]
    assert kind is schema
    path = tmp_path / f"{name}.db"
    migrate(path, kind)
    header = path.read_bytes()[:100]
    assert header[68:72] == mark
    assert int.from_bytes(header[60:64], "big") == kind.version > 0
    for other in (MIRROR, JOURNAL, HISTORY):
        assert (health.damage(path, other.application_id) is None) is (other is kind)


def test_a_current_file_is_opened_without_the_machinery_of_migrations(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from bmconsole.store.schema import MIRROR
from bmconsole.store.sqlite import migrate
migrate(Path(sys.argv[1]), MIRROR)
print(sorted(name for name in ("sqlite_utils", "filelock", "asyncio") if name in sys.modules))
"""
    told = [
        subprocess.run([sys.executable, "-c", code, tmp_path / "mirror.db"], check=True, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert "sqlite_utils" in told[0].stdout
    assert told[1].stdout.strip() == "[]"
