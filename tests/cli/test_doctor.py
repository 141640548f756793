"""What `doctor` finds in files that were harmed on purpose."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bmconsole.doctor import Level, library
from tests.cli.conftest import Run

Harm = Callable[[Path], object]
FOLDER = Path("data") / "profiles" / "default"


def sql(name: str, *statements: str) -> Harm:
    def harm(home: Path) -> None:
        with closing(sqlite3.connect(home / FOLDER / f"{name}.db")) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return harm


def overwritten(name: str) -> Harm:
    def harm(home: Path) -> None:
        with (home / FOLDER / f"{name}.db").open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 4096 * 5)

    return harm


def text(name: str) -> Harm:
    return lambda home: (home / FOLDER / f"{name}.db").write_text("no database " * 400)


def ledger(harm: Callable[[Path], object]) -> Harm:
    return lambda home: [harm(path) for path in (home / "state" / "ledger").glob("ledger-*.db")]


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET version = 99")
        connection.commit()


def another(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")


def opened(home: Path) -> None:
    (home / FOLDER / "mirror.db").chmod(0o644)


QUARANTINED = """INSERT INTO quarantine (stream, key, raw, error, at)
    VALUES ('orders', '{}', '{{}}', 'price: not an amount', '2026-11-23T00:00:00.000Z')"""
FORGED = (
    """INSERT INTO audit (at, actor, event, prev, hash) VALUES ('2026', 'x', '{}', x'00', x'00')""",
    """INSERT INTO audit (at, actor, event, prev, hash) VALUES ('2026', 'x', '{}', x'00', x'00')""",
)


def test_a_healthy_profile_has_no_fault(run: Run, home: Path) -> None:
    before = {path.name: path.read_bytes() for path in (home / FOLDER).glob("*.db")}
    told = run("doctor", "--json")
    (answer,) = told.rows
    assert (told.code, answer["faults"]) == (0, 0), answer
    checks = {finding["check"]: finding["level"] for finding in answer["findings"]}
    assert set(checks) >= {
        "sqlite", "modes", "mirror", "journal", "history", "hashes", "quarantine", "audit", "backups", "clock"
    }  # fmt: skip
    assert checks["clock"] == "ok"
    assert {path.name: path.read_bytes() for path in (home / FOLDER).glob("*.db")}.keys() == before.keys()


def test_a_profile_that_was_never_used_has_no_fault(run: Run, empty: Path) -> None:
    assert run("doctor").code == 0


@pytest.mark.parametrize(
    ("harm", "check", "words"),
    [
        (sql("mirror", QUARANTINED.format(1), QUARANTINED.format(2)), "quarantine", "2 records could not be "),
        (sql("mirror", "UPDATE orders SET raw = raw || ' ' WHERE order_id = (SELECT max(order_id) FROM orders)"),
         "hashes", "What was stored is not what was sent: order "),
        (sql("mirror", "UPDATE offers SET raw = '{}'"), "hashes", "in de-de"),
        (overwritten("mirror"), "mirror", "mirror.db is damaged"),
        (text("mirror"), "mirror", "mirror.db is damaged: it is no database"),
        (text("journal"), "journal", "journal.db is damaged: it is no database"),
        (overwritten("journal"), "journal", "journal.db is damaged"),
        (text("history"), "history", "history.db is damaged: it is no database"),
        (sql("history", "PRAGMA user_version = 999"), "history", "written by a newer bmconsole"),
        (sql("journal", *FORGED), "audit", "The audit was changed from entry "),
        (ledger(lambda path: path.write_bytes(b"no ledger " * 900)), "ledger", "is damaged: file is not a database"),
        (ledger(another), "ledger", "is damaged: the ledger of another account"),
        (ledger(newer), "ledger", "made by a newer bmconsole"),
        (opened, "modes", "Other accounts of this machine may read"),
    ],
)  # fmt: skip
def test_a_fault_is_found_with_its_way_out(run: Run, home: Path, harm: Harm, check: str, words: str) -> None:
    harm(home)
    told = run("doctor", "--json")
    assert told.code == 1
    (answer,) = told.rows
    (fault,) = [finding for finding in answer["findings"] if finding["level"] == "fault"]
    assert fault["check"] == check
    assert words in fault["message"]
    assert fault["hint"]
    people = run("doctor")
    assert people.code == 1
    assert check in people.out
    assert fault["hint"] in people.err


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ("3.40.1", False), ("3.44.5", False), ("3.44.6", True), ("3.45.0", False), ("3.50.6", False), ("3.50.7", True),
        ("3.51.0", False), ("3.51.2", False), ("3.51.3", True), ("3.53.4", True), ("4.0.0", True),
    ],
)  # fmt: skip
def test_versions_of_sqlite_with_the_race_are_told_apart(version: str, safe: bool) -> None:
    finding = library(version)
    assert (finding.level is Level.OK) is safe
    assert bool(finding.hint) is not safe
