"""Copies of the journal, and purges, from the command line."""

import os
import shutil
import sqlite3
import tarfile
from contextlib import closing
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from filelock import FileLock

from tests.cli.conftest import Run

FOLDER = Path("data") / "profiles" / "default"


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BMCONSOLE_ACCESS", "admin")


def test_a_copy_can_be_put_back(run: Run, home: Path, admin: None, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert run("backup", "--to", str(copy), "--json").rows == [{"journal": str(copy)}]
    assert run("backup", "--to", str(copy), "--json").error["exit"] == 5
    journal = home / FOLDER / "journal.db"
    journal.write_text("damaged")
    damaged = run("writes", "list", "--json")
    assert (damaged.code, damaged.error["code"]) == (1, "disk")
    assert "bmconsole restore" in damaged.error["hint"]
    assert run("restore", "--from", str(copy), "--json").error["exit"] == 5
    told = run("restore", "--from", str(copy), "--yes", "--json")
    assert told.code == 0
    assert Path(told.rows[0]["former"]).read_text() == "damaged"
    assert run("writes", "list").code == 0
    assert copy.exists()


def test_without_a_copy_there_is_nothing_to_restore(run: Run, home: Path, admin: None) -> None:
    told = run("restore", "--yes", "--json")
    assert (told.code, told.error["code"]) == (1, "not-found")


def test_the_journal_is_not_replaced_under_a_running_engine(run: Run, home: Path, admin: None, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    run("backup", "--to", str(copy))
    with FileLock(str(home / FOLDER / "engine.lock")):
        told = run("restore", "--from", str(copy), "--yes", "--json")
    assert (told.code, told.error["code"]) == (5, "guard")


@pytest.mark.parametrize("command", [("restore", "--yes"), ("purge", "--yes"), ("purge",)])
def test_only_an_admin_may(run: Run, home: Path, command: tuple[str, ...]) -> None:
    told = run(*command, "--json")
    assert (told.code, told.error["code"]) == (3, "not-allowed")


def test_a_purge_takes_the_buyers_out_of_final_orders(run: Run, home: Path, admin: None) -> None:
    assert run("purge", "--days", "0", "--json").error["exit"] == 5
    told = run("purge", "--days", "0", "--yes", "--json")
    assert told.code == 0
    purged = told.rows[0]["orders"]
    with closing(sqlite3.connect(home / FOLDER / "mirror.db")) as connection:
        rows = connection.execute("SELECT status, buyer IS NULL FROM orders").fetchall()
    final = {"shipped", "refunded", "cancelled", "unpaid"}
    assert 0 < purged <= len(rows)
    assert all(gone == (status in final) for status, gone in rows)
    assert run("purge", "--days", "0", "--yes", "--json").rows == [{"orders": 0, "quarantined": 0, "files": 0}]
    assert run("orders", "list", "--limit", "0", "--json").code == 0


def settled(home: Path) -> None:
    """Write a settings file with rules beside it, so that there is something to lose."""
    config = home / "config"
    config.mkdir(mode=0o700, exist_ok=True)
    (config / "config.toml").write_text(
        f'[profile.default]\nbase_url = "{os.environ["BMCONSOLE_BASE_URL"]}"\nmarkets = "fr-fr,de-de,en-gb"\n'
        f'access = "admin"\ntoken = "{os.environ["BMCONSOLE_TOKEN"]}"\n'
    )
    (config / "config.toml").chmod(0o600)
    (config / "keys.toml").write_text('"rows.sort" = "x"\n')


def rows_of(path: Path, *tables: str) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608 - fixed names


def test_all_is_deleted_and_restored_and_nothing_that_cannot_be_fetched_is_missing(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(home)
    token = os.environ["BMCONSOLE_TOKEN"]
    listing = run("listings", "list", "--json", "--limit", "1").rows[0]["id"]
    assert run("listings", "set", listing, "--quantity", "+1", "--yes").code == 0
    journal, history = home / FOLDER / "journal.db", home / FOLDER / "history.db"
    kept = ("intents", "attempts", "audit", "costs", "notes", "pauses")
    known = ("observations", "prices", "stocks", "events", "runs", "decisions", "outcomes")
    writes, past = rows_of(journal, *kept), rows_of(history, *known)
    assert writes["audit"]
    assert past["observations"]
    orders = run("orders", "list", "--json", "--limit", "0").rows

    copy = tmp_path / "all.tar.gz"
    told = run("backup", "--to", str(copy), "--json")
    assert told.rows == [{"files": ["journal.db", "history.db", "config.toml", "keys.toml"], "backup": str(copy)}]
    assert copy.stat().st_mode & 0o777 == 0o600
    with tarfile.open(copy) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            assert token.encode() not in content.read(), member.name
    shutil.rmtree(home)

    for name in ("BASE_URL", "MARKETS", "TOKEN"):
        monkeypatch.delenv(f"BMCONSOLE_{name}")
    assert run("restore", "--from", str(copy), "--yes", "--json").error["exit"] == 3
    monkeypatch.setenv("BMCONSOLE_ACCESS", "admin")
    told = run("restore", "--from", str(copy), "--yes", "--json")
    assert told.rows[0]["files"] == ["history.db", "journal.db", "config.toml", "keys.toml"]
    assert rows_of(journal, *kept) == writes
    assert rows_of(history, *known) == past
    assert (home / "config" / "keys.toml").read_text() == '"rows.sort" = "x"\n'
    assert run("auth", "set", stdin=token).code == 0
    assert run("sync", "orders", "listings", "backbox").code == 0
    fresh = run("orders", "list", "--json", "--limit", "0").rows
    assert [row["order_id"] for row in fresh] == [row["order_id"] for row in orders]
    assert run("doctor").code == 0


def test_a_restore_leaves_settings_alone_and_moves_databases_aside(
    run: Run, home: Path, admin: None, tmp_path: Path
) -> None:
    settled(home)
    copy = tmp_path / "all.tar.gz"
    assert run("backup", "--to", str(copy)).code == 0
    (home / "config" / "keys.toml").write_text('"rows.sort" = "y"\n')
    told = run("restore", "--from", str(copy), "--yes", "--json").rows[0]
    assert told["left_alone"] == ["config.toml", "keys.toml"], "the token is in one of them"
    assert (home / "config" / "keys.toml").read_text() == '"rows.sort" = "y"\n'
    assert Path(told["former"]).exists()


def spoiled(copy: Path, change: str) -> None:
    content = copy.read_bytes()
    if change == "cut off":
        copy.write_bytes(content[: len(content) // 2])
    elif change == "no archive":
        copy.write_bytes(b"\x1f\x8bno archive" * 50)
    else:
        with tarfile.open(copy) as archive:
            members = [(member, archive.extractfile(member)) for member in archive]
            parts = [(member, content.read()) for member, content in members if content is not None]
        with tarfile.open(copy, "w:gz") as archive:
            for member, part in parts:
                if change == "changed" and member.name == "keys.toml":
                    part = part.replace(b"x", b"z")
                if change == "climbing" and member.name == "keys.toml":
                    member.name = "../../keys.toml"
                archive.addfile(member, BytesIO(part))


@pytest.mark.parametrize("change", ["cut off", "no archive", "changed", "climbing"])
def test_a_copy_that_was_harmed_is_refused_and_nothing_changes(
    run: Run, home: Path, admin: None, tmp_path: Path, change: str
) -> None:
    settled(home)
    copy = tmp_path / "all.tar.gz"
    assert run("backup", "--to", str(copy)).code == 0
    spoiled(copy, change)
    before = (home / FOLDER / "journal.db").stat().st_ino
    told = run("restore", "--from", str(copy), "--yes", "--json")
    assert (told.code, told.error["code"]) == (1, "disk"), told.err
    assert (home / FOLDER / "journal.db").stat().st_ino == before
    assert [path.name for path in (home / FOLDER).iterdir() if path.name.startswith(".copy")] == []


def test_one_buyer_is_taken_out_everywhere_and_does_not_come_back(run: Run, home: Path, admin: None) -> None:
    with closing(sqlite3.connect(home / FOLDER / "mirror.db")) as connection:
        order, name = connection.execute(
            "SELECT order_id, buyer FROM orders WHERE status = 'shipped' AND buyer IS NOT NULL LIMIT 1"
        ).fetchone()
        opened = [
            row[0]
            for row in connection.execute(
                "SELECT order_id FROM orders WHERE buyer = ? AND status IN ('to-ship', 'to-accept', 'pending')", (name,)
            )
        ]
    assert run("orders", "note", str(order), f"called {name}").code == 0
    told = run("purge", "--buyer", name.upper(), "--yes", "--json")
    assert told.code == (6 if opened else 0), told.err
    assert told.rows[0]["orders"] >= 1
    assert told.rows[0]["still_open"] == opened
    edit = f"{os.environ['BMCONSOLE_BASE_URL']}/_sandbox/edit/orders/{order}"
    httpx.post(edit, json={"tracking_number": "CHANGED1"}, trust_env=False).raise_for_status()
    assert run("sync", "orders", "--full").code == 0
    with closing(sqlite3.connect(home / FOLDER / "mirror.db")) as connection:
        left = connection.execute("SELECT buyer, tracking FROM orders WHERE order_id = ?", (order,)).fetchone()
    assert left == (None, "CHANGED1")
    if not opened:
        for file in (home / FOLDER).glob("*.db*"):
            assert name.encode() not in file.read_bytes(), file.name
    assert run("purge", "--buyer", name, "--yes", "--json").code in ((6,) if opened else (1,))


def test_a_buyer_is_also_found_by_an_order_and_an_unknown_one_is_said(run: Run, home: Path, admin: None) -> None:
    with closing(sqlite3.connect(home / FOLDER / "mirror.db")) as connection:
        (order,) = connection.execute("SELECT max(order_id) FROM orders WHERE status = 'shipped'").fetchone()
    assert run("purge", "--buyer", str(order), "--yes", "--json").rows[0]["orders"] >= 1
    assert run("purge", "--buyer", "Nobody Anywhere", "--yes", "--json").error["code"] == "not-found"


def test_older_than_is_a_duration(run: Run, home: Path, admin: None) -> None:
    assert run("purge", "--older-than", "400d", "--yes", "--json").code == 0
    assert run("purge", "--older-than", "1s", "--yes", "--json").rows[0]["orders"] > 0
    assert run("purge", "--older-than", "soon", "--yes", "--json").error["exit"] == 2
    assert run("purge", "--older-than", "60d", "--days", "3", "--yes", "--json").error["exit"] == 2
