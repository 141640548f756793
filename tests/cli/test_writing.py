"""`listings set` and `sync`: what ends how, with which exit code, and what the shop has afterwards."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread

from .conftest import MARKETS, Result, Run, account


class Control:
    """The shop's other editors, and its faults."""

    def __init__(self, shop: RunningSandbox) -> None:
        self._http = httpx.Client(base_url=shop.url, trust_env=False)

    def edit(self, listing: str, **fields: object) -> None:
        self._http.post(f"/_sandbox/edit/listings/{listing}", json=fields).raise_for_status()

    def state(self, listing: str) -> dict[str, Any]:
        found: dict[str, Any] = self._http.get(f"/_sandbox/state/listings/{listing}").raise_for_status().json()
        return found

    def faults(self, *faults: Mapping[str, object]) -> None:
        self._http.put("/_sandbox/faults", json=list(faults)).raise_for_status()

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningSandbox]:
    """A shop of this module's own, which its tests change."""
    with running_in_thread(Options(seed=5, orders=20, listings=12, markets=MARKETS, limits=False)) as sandbox:
        yield sandbox


@pytest.fixture
def control(shop: RunningSandbox) -> Iterator[Control]:
    control = Control(shop)
    yield control
    control.faults()
    control.close()


@pytest.fixture
def online(run: Run, home: Path) -> dict[str, Any]:
    """A listing that is online in the main market, as the cache has it."""
    row = run("listings", "list", "--json", "--limit", "1", "--where", "publication:online stock>1").rows[0]
    return dict(run("listings", "show", row["id"], "--live", "--json").rows[0])


def price(listing: dict[str, Any], market: str = "fr-fr") -> Decimal:
    return Decimal(listing["markets"][market]["price"]["amount"])


def test_a_price_is_written_read_back_and_listed(run: Run, online: dict[str, Any], shop: RunningSandbox) -> None:
    new = f"{price(online) - Decimal('0.51'):.2f}"
    posts = shop.journal.count("POST")
    done = run("listings", "set", online["id"], "--price", new, "--market", "fr-fr", "--yes", "--json")
    assert (done.code, done.err) == (0, "")
    (row,) = done.rows
    fields = ["id", "kind", "target", "market", "base", "want", "state", "origin", "run", "undoes", "undone_by"]
    assert list(row)[: len(fields)] == fields
    assert (row["state"], row["target"], row["market"], row["kind"]) == ("confirmed", online["id"], "fr-fr", "listing")
    assert row["want"] == {"price": new}
    assert row["base"] == {"price": f"{price(online)}"}
    assert row["readback"]["price"] == new
    assert shop.journal.count("POST") - posts == 1
    assert run("writes", "list", "--json").rows == [row]
    assert run("writes", "show", str(row["id"]), "--json").rows == [row]
    assert price(run("listings", "show", online["id"], "--json").rows[0]) == Decimal(new)

    again = run("listings", "set", online["id"], "--price", new, "--yes")
    assert (again.code, again.out) == (0, "")
    assert shop.journal.count("POST") - posts == 1
    assert run("writes", "show", "99", "--json").error["code"] == "not-found"


def test_the_diff_is_narration_and_the_table_is_data(run: Run, online: dict[str, Any]) -> None:
    done = run("listings", "set", f"sku:{online['sku']}", "--quantity", "+2", "--comment", "like new", "--yes")
    assert done.code == 0
    assert "→ +2" in done.err
    assert "comment" in done.err
    assert done.out.splitlines()[0].split()[:2] == ["ID", "STATE"]
    assert "confirmed" in done.out


@pytest.mark.parametrize("options", [["--yes", "--read-only"], ["--read-only"]])
def test_read_only_writes_nothing(run: Run, online: dict[str, Any], shop: RunningSandbox, options: list[str]) -> None:
    posts = shop.journal.count("POST")
    told = run("listings", "set", online["id"], "--quantity", "0", "--json", *options)
    assert (told.code, told.out) == (3, "")
    assert told.error["code"] == "not-allowed"
    assert shop.journal.count("POST") == posts
    assert run("writes", "list", "--json").rows == []


def test_without_a_terminal_a_diff_must_be_accepted(run: Run, online: dict[str, Any], shop: RunningSandbox) -> None:
    posts = shop.journal.count("POST")
    told = run("listings", "set", online["id"], "--quantity", "0", "--json")
    assert (told.code, told.out) == (5, "")
    assert "--yes" in told.error["hint"]
    assert shop.journal.count("POST") == posts
    assert run("writes", "list", "--json").rows == []


def ended(told: Result, code: int, state: str) -> dict[str, Any]:
    assert told.code == code
    assert [row["state"] for row in told.rows] == [state]
    assert told.error["exit"] == code
    row = told.rows[0]
    assert row["error"]
    return dict(row)


def test_a_foreign_change_is_a_conflict(run: Run, online: dict[str, Any], control: Control) -> None:
    foreign = f"{price(online) - 1:.2f}"
    control.edit(online["id"], market="fr-fr", price=foreign)
    told = run("listings", "set", online["id"], "--price", f"{price(online) - 2:.2f}", "--yes", "--json")
    row = ended(told, 5, "conflict")
    assert row["readback"]["price"] == foreign
    assert price(run("listings", "show", online["id"], "--live", "--json").rows[0]) == Decimal(foreign)


def test_a_refusal_says_why(run: Run, online: dict[str, Any], control: Control) -> None:
    control.faults({"kind": "answer", "status": 400, "body": "price is too far away", "methods": ["POST"]})
    told = run("listings", "set", online["id"], "--quantity", "9", "--yes", "--json")
    assert "too far away" in ended(told, 1, "rejected")["error"]


def test_a_write_whose_end_nobody_knows(run: Run, online: dict[str, Any], control: Control) -> None:
    control.faults({"kind": "drop", "at": "before", "methods": ["POST"]})
    told = run("listings", "set", online["id"], "--quantity", "8", "--yes", "--json")
    row = ended(told, 6, "unknown")
    control.faults()
    assert run("writes", "list", "--unfinished", "--json").rows == [row]


def test_an_answer_that_got_lost_is_found_by_reading(run: Run, online: dict[str, Any], control: Control) -> None:
    control.faults({"kind": "drop", "at": "after", "methods": ["POST"], "times": 1})
    told = run("listings", "set", online["id"], "--quantity", "6", "--yes", "--json")
    assert told.code == 0
    assert told.rows[0]["state"] == "confirmed"


def test_a_wrong_token_sends_nothing(
    run: Run, online: dict[str, Any], shop: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BMCONSOLE_TOKEN", "another")
    posts = shop.journal.count("POST")
    told = run("listings", "set", online["id"], "--quantity", "5", "--yes", "--json")
    assert (told.code, told.error["code"]) == (3, "unauthorised")
    assert told.rows == []
    assert shop.journal.count("POST") == posts


def test_sync_prints_one_object_by_stream(run: Run, shop: RunningSandbox, empty: Path) -> None:
    result = run("sync", "--json")
    assert (result.code, result.err) == (0, "")
    (passes,) = result.rows
    assert list(passes) == ["orders", "listings"]
    assert set(passes["orders"]) == {"pages", "seen", "changed", "quarantined", "clean"}
    assert passes["orders"]["seen"] == 20
    assert passes["orders"]["clean"] is True
    again = run("sync", "orders", "--full", "--json").rows[0]
    assert again["orders"]["seen"] == 20
    assert again["orders"]["changed"] == 0


def test_a_record_that_cannot_be_read_makes_a_sync_partial(
    run: Run, home: Path, control: Control, online: dict[str, Any]
) -> None:
    control.edit(online["id"], extra={"id": 17, "sku": None, "price": "a lot"})
    told = run("sync", "listings", "--json")
    control.edit(online["id"], extra={})
    assert told.code == 6
    assert told.rows[0]["listings"]["quarantined"] >= 1
    assert told.error["code"] == "partial"


def test_a_sync_that_breaks_off_prints_what_was_done(run: Run, empty: Path, control: Control) -> None:
    control.faults({"kind": "error", "status": 503, "path": "/ws/listings"})
    told = run("sync", "--json")
    assert told.code == 4
    assert list(told.rows[0]) == ["orders"]
    assert told.error["code"] == "unreachable"


def test_the_account_of_another_home_is_another_cache(
    run: Run, home: Path, shop: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in account(shop, tmp_path / "second").items():
        monkeypatch.setenv(name, value)
    assert run("orders", "list", "--json").rows == []
