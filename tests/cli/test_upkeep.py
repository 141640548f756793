"""Copies of the journal, and purges, from the command line."""

import sqlite3
from contextlib import closing
from pathlib import Path

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
