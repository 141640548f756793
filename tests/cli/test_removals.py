"""Listings that Back Market no longer shows, decided about from the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread
from tests.cli.conftest import MARKETS, Run, account


@pytest.fixture
def bare_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """A shop of the test's own, five of whose thirty listings vanish after they were synced."""
    options = Options(seed=12, orders=5, listings=30, markets=MARKETS, limits=False)
    with running_in_thread(options) as shop:
        for name, value in account(shop, tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        yield shop


def test_the_operator_decides_what_is_gone(run: Run, bare_shop: RunningSandbox) -> None:
    assert run("sync", "listings", "--json").code == 0
    listings = bare_shop.shop.listings
    missing = {listings.get(index).id for index in range(5)}
    for index in range(5):
        listings.remove(index)
    assert run("listings", "removals", "--json").rows == []
    run("sync", "listings", "--json")
    waiting = run("listings", "removals", "--json").rows
    assert {each["id"] for each in waiting} == missing
    assert set(waiting[0]) == {"id", "listing_id", "sku", "title", "quantity", "found"}

    assert run("listings", "removals", "--gone", "--json").error["exit"] == 5
    assert run("listings", "removals", "--gone", "--keep").code == 2
    assert run("listings", "removals", waiting[0]["id"]).code == 2
    assert run("listings", "removals", "--keep", "--yes", "--read-only", "--json").error["exit"] == 3

    first, second = waiting[0]["id"], waiting[1]["id"]
    assert run("listings", "removals", first, "--keep", "--yes", "--json").rows == [{"id": first, "verdict": "kept"}]
    listings.restore(listings.find_anywhere(second) or 0)
    told = run("listings", "removals", "--gone", "--yes", "--json").rows
    assert {(each["id"], each["verdict"]) for each in told} == {
        (each["id"], "lives" if each["id"] == second else "gone") for each in waiting[1:]
    }
    shown = {each["id"] for each in run("listings", "list", "--limit", "0", "--json").rows}
    assert {first, second} <= shown
    assert not {each["id"] for each in waiting[2:]} & shown
