"""A process that is killed in the middle of a backfill, and the one after it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bmconsole.sandbox import Options, RunningSandbox, running_in_thread
from bmconsole.store.sqlite import connect

ORDERS = 5_000
PAGES = ORDERS // 50
IN_FLIGHT = 16
PATIENCE = 60.0


def settings(home: Path, sandbox: RunningSandbox) -> dict[str, str]:
    return {
        **os.environ,
        "BMCONSOLE_HOME": str(home),
        "BMCONSOLE_BASE_URL": sandbox.url,
        "BMCONSOLE_TOKEN": sandbox.token,
        "BMCONSOLE_MARKETS": "fr-fr",
        "BMCONSOLE_LIMITS__EDGE": "2000/10",
    }


def sync(environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "bmconsole", "sync", "orders", "--json"],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_backfill_resumes_without_asking_twice(tmp_path: Path) -> None:
    with running_in_thread(Options(seed=5, orders=ORDERS, listings=40, limits=False)) as sandbox:
        environment = settings(tmp_path, sandbox)
        with sync(environment) as first:
            deadline = time.monotonic() + PATIENCE
            while sandbox.journal.count("GET", "/ws/orders") < PAGES // 2:
                assert first.poll() is None, first.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.002)
            first.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
            first.communicate(timeout=PATIENCE)
        cut_off = sandbox.journal.count("GET", "/ws/orders")
        assert PAGES // 2 <= cut_off < PAGES, "it was killed in the middle"
        with sync(environment) as second:
            out, errors = second.communicate(timeout=PATIENCE)
        assert second.returncode == 0, errors
        result = json.loads(out)["orders"]
        asked = sandbox.journal.count("GET", "/ws/orders")
        there = {index: sandbox.shop.orders.get(index).id for index in range(len(sandbox.shop.orders))}
        listed = {there[index] for index in sandbox.shop.select_orders(None, None, None, None)}
    assert (result["seen"], result["quarantined"], result["clean"]) == (ORDERS, 0, True)
    # Every page once, what was in flight when it died once more, and one look at what changed meanwhile.
    assert asked <= PAGES + IN_FLIGHT + 1
    # What the killed process had on its way may still have been counted after it was gone.
    assert asked - cut_off - IN_FLIGHT <= result["pages"] <= asked - cut_off
    (mirror,) = tmp_path.rglob("mirror.db")
    connection = connect(mirror, readonly=True)
    try:
        ids = [row["order_id"] for row in connection.execute("SELECT order_id FROM orders")]
        lines = connection.execute("SELECT count(*), count(DISTINCT line_id) FROM orderlines").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        connection.close()
    assert len(ids) == len(set(ids)) == ORDERS
    assert set(ids) == listed
    assert lines[0] == lines[1] >= ORDERS
