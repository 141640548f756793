"""Commands that read: rows, shapes, filters, pages, and nothing but data on stdout."""

from pathlib import Path

import pytest

from bmconsole.sandbox import RunningSandbox

from .conftest import MARKETS, Run


def test_orders_list_prints_the_apis_names_with_ours_beside_them(run: Run, home: Path) -> None:
    result = run("orders", "list", "--json", "--limit", "0")
    assert (result.code, result.err) == (0, "")
    assert len(result.rows) == 60
    ids = [row["order_id"] for row in result.rows]
    assert len(set(ids)) == 60
    first = result.rows[0]
    assert set(first["price"]) == {"amount", "currency"}
    assert first["date_modification"].endswith("Z")
    assert {"state", "status", "due", "late", "country_code", "shipping_address"} <= set(first)
    assert {"id", "state", "listing", "price", "orderline_fee", "imei"} <= set(first["orderlines"][0])


def test_pages_by_key_give_every_row_once(run: Run, home: Path) -> None:
    everything = [row["order_id"] for row in run("orders", "list", "--json", "--limit", "0").rows]
    paged: list[int] = []
    while rows := run(
        "orders", "list", "--json", "--limit", "25", *(["--after", str(paged[-1])] if paged else [])
    ).rows:
        paged += [row["order_id"] for row in rows]
    assert paged == everything


def test_filters_and_sorting(run: Run, home: Path) -> None:
    shipped = run("--json", "orders", "list", "--limit", "0", "--where", "status:shipped", "--sort", "price").rows
    assert shipped
    assert {row["status"] for row in shipped} == {"shipped"}
    amounts = [float(row["price"]["amount"]) for row in shipped]
    assert amounts == sorted(amounts)


def test_a_table_has_its_columns_and_no_colours_in_a_pipe(run: Run, home: Path) -> None:
    result = run("orders", "list", "--limit", "3")
    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0].split() == ["ORDER", "STATUS", "DUE", "PRICE", "COUNTRY", "BUYER", "SKU", "CREATED"]
    assert len(lines) == 4
    assert "\x1b" not in result.out


def test_orders_show_cached_and_live(run: Run, home: Path, shop: RunningSandbox) -> None:
    order_id = run("orders", "list", "--json", "--limit", "1").rows[0]["order_id"]
    cached = run("orders", "show", str(order_id), "--json").rows[0]
    assert cached["order_id"] == order_id
    assert "differing" not in cached
    live = run("orders", "show", str(order_id), "--live", "--json").rows[0]
    assert live["differing"] == []
    assert live["cached"] is True
    assert live["orderlines"] == cached["orderlines"]
    people = run("orders", "show", str(order_id))
    assert str(order_id) in people.out
    assert "IMEI / SERIAL" in people.out


def test_an_order_that_is_not_there(run: Run, home: Path) -> None:
    cached = run("orders", "show", "7", "--json")
    assert (cached.code, cached.out) == (1, "")
    assert cached.error["code"] == "not-found"
    live = run("orders", "show", "7", "--live", "--json")
    assert live.code == 1


def test_listings_have_an_offer_for_each_market(run: Run, home: Path) -> None:
    rows = run("listings", "list", "--json", "--limit", "0").rows
    assert len(rows) == 30
    assert set(rows[0]["markets"]) == set(MARKETS)
    assert rows[0]["markets"]["en-gb"]["price"]["currency"] == "GBP"
    assert {"price", "min_price", "max_price", "publication_state"} <= set(rows[0]["markets"]["fr-fr"])
    for ref in (rows[0]["id"], str(rows[0]["listing_id"]), f"sku:{rows[0]['sku']}"):
        shown = run("listings", "show", ref, "--json").rows[0]
        assert shown["id"] == rows[0]["id"]
        assert shown["markets"] == rows[0]["markets"]
        assert shown["writes"] == []


def test_listings_show_live_asks_every_market(run: Run, home: Path, shop: RunningSandbox) -> None:
    listing = run("listings", "list", "--json", "--limit", "1").rows[0]
    before = shop.journal.count("GET")
    assert run("listings", "show", listing["id"], "--live").code == 0
    assert shop.journal.count("GET") - before == len(MARKETS)


def test_the_table_of_listings_is_of_the_chosen_market(run: Run, home: Path) -> None:
    result = run("listings", "list", "--market", "en-gb", "--limit", "2")
    assert result.code == 0
    assert "GBP" in result.out
    assert "EUR" not in result.out


def test_the_cache_is_read_without_token_and_without_a_request(
    run: Run, home: Path, shop: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shop.journal.count()
    monkeypatch.delenv("BMCONSOLE_TOKEN")
    for command in (
        ["orders", "list"],
        ["listings", "list"],
        ["writes", "list"],
        ["log"],
        ["status"],
        ["reprice"],
        ["config", "show"],
    ):
        assert run(*command).code == 0, command
        assert run(*command, "--json").code == 0, command
    assert shop.journal.count() == before


def test_status_tells_faults_by_its_exit_code(run: Run, home: Path) -> None:
    status = run("status", "--json").rows[0]
    assert status["orders"] == 60
    assert status["listings"] == 30
    assert status["environment"] == "sandbox"
    assert status["faults"] == []
    assert set(status["feeds"]) == {"orders", "listings", "backbox"}
    assert all(status["feeds"].values())


def test_reprice_says_one_decision_a_line_and_writes_nothing(run: Run, home: Path, shop: RunningSandbox) -> None:
    before = shop.journal.count("POST")
    rows = run("reprice", "--json").rows
    fields = [
        "listing",
        "sku",
        "market",
        "decision",
        "strategy",
        "old",
        "target",
        "floor",
        "ceiling",
        "guards",
        "reason",
    ]
    assert rows
    assert all(list(row)[: len(fields)] == fields for row in rows)
    assert shop.journal.count("POST") == before
    assert run("writes", "list", "--json").rows == []


def test_limits_are_shown_and_only_an_admin_resets_them(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {rule["name"] for rule in run("limits", "--json").rows[0]["rules"]}
    assert {"edge", "sensitive", "competitors", "sku_lines"} <= names
    assert run("limits", "reset").code == 3
    monkeypatch.setenv("BMCONSOLE_ACCESS", "admin")
    assert run("limits", "reset").code == 0


def test_the_log_is_oldest_first(run: Run, home: Path) -> None:
    rows = run("log", "--json").rows
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert any("orders" in row["message"] for row in rows)
    assert {"id", "at", "level", "source", "message", "ref"} == set(rows[0])
    assert run("log", "--level", "terrible").code == 2
