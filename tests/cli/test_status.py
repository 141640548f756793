"""What `bmconsole status` tells, and what its exit code says."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bmconsole.domain.health import faults
from bmconsole.domain.views import JobState, ProcessState, RuleState, Traffic, WorkspaceStatus
from tests.cli.conftest import Run

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
JOB = JobState("orders", 900.0, False, NOW, "orders: done", None, None)
PROCESS = ProcessState(4711, "run", "default", "here", (), {}, None, NOW, 1.0)
WELL = WorkspaceStatus(
    profile="default",
    host="www.backmarket.fr",
    environment="production",
    markets=("fr-fr",),
    access="operator",
    engine="elsewhere",
    engine_holder="run (pid 4711)",
    orders=1,
    listings=1,
    statuses={"shipped": 1},
    late=0,
    unfinished_writes=0,
    quarantined=0,
    jobs=(JOB,),
    traffic=Traffic((), {}, 0),
    feeds={"orders": NOW - timedelta(minutes=20), "listings": None},
    server_now=NOW,
    online=True,
    processes=(PROCESS,),
    free_bytes=10**10,
)


def paused(seconds: float) -> Traffic:
    return Traffic((RuleState("edge", 200, 10.0, 3, 200, seconds),), {}, 1)


def test_all_is_well() -> None:
    assert faults(WELL) == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (replace(WELL, jobs=(replace(JOB, last_error="Back Market cannot be reached."),)), "last run of orders failed"),
        (replace(WELL, feeds={"orders": NOW - timedelta(hours=2)}), "pulled cleanly 2 h ago"),
        (replace(WELL, engine="stopped", feeds={"orders": NOW - timedelta(days=2)}), "Nobody runs the engine"),
        (replace(WELL, processes=(replace(PROCESS, silent=45.0),)), "run (pid 4711) has said nothing for 45 s"),
        (replace(WELL, processes=(replace(PROCESS, trouble="The disk is full."),)), "The disk is full."),
        (replace(WELL, quarantined=2), "2 records could not be understood"),
        (replace(WELL, unfinished_writes=3, oldest_unfinished=NOW - timedelta(hours=1)), "3 writes are unfinished"),
        (replace(WELL, traffic=paused(60.0)), "Limit edge is paused for 60 s"),
        (replace(WELL, free_bytes=50 * 1024 * 1024), "Only 50 MB are free"),
    ],
)
def test_what_is_wrong_is_one_sentence(state: WorkspaceStatus, words: str) -> None:
    (sentence,) = faults(state)
    assert words in sentence


@pytest.mark.parametrize(
    "state",
    [
        replace(WELL, jobs=(replace(JOB, interval=None),), feeds={"orders": NOW - timedelta(days=9)}),
        replace(WELL, unfinished_writes=3, oldest_unfinished=NOW - timedelta(minutes=2)),
        replace(WELL, traffic=paused(5.0)),
        replace(WELL, free_bytes=None),
    ],
)
def test_what_is_usual_is_nothing_wrong(state: WorkspaceStatus) -> None:
    assert faults(state) == []


def test_status_tells_limits_sizes_and_versions_and_ends_with_0(run: Run, home: Path) -> None:
    told = run("status", "--json")
    (state,) = told.rows
    assert (told.code, state["faults"]) == (0, [])
    assert {rule["name"] for rule in state["traffic"]["rules"]} >= {"edge", "sensitive"}
    assert state["sizes"]["mirror.db"] > 0
    assert set(state["versions"]) == {"bmconsole", "python", "sqlite"}
    people = run("status")
    assert people.code == 0
    assert "LIMIT" in people.out
    assert "mirror.db" in people.out


def test_status_ends_with_1_when_a_feed_stands_still(run: Run, home: Path) -> None:
    with closing(sqlite3.connect(home / "data" / "profiles" / "default" / "mirror.db")) as connection:
        connection.execute("UPDATE streams SET last_clean = '2026-01-01T00:00:00.000Z' WHERE name = 'orders'")
        connection.commit()
    told = run("status")
    assert told.code == 1
    assert "Nobody runs the engine" in told.out


def test_status_needs_no_token(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BMCONSOLE_TOKEN")
    told = run("status", "--json")
    assert told.code == 0
    assert told.rows[0]["traffic"]["rules"] == []
