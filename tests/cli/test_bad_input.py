"""Bad input: one line that names what is wrong and the way out, the exit code, and nothing written."""

import socket
from pathlib import Path

import pytest

from bmconsole.paths import Paths, write_private
from bmconsole.sandbox import RunningSandbox

from .conftest import Run

LISTS = ["orders", "list"]


@pytest.mark.parametrize(
    ("changed", "command", "code", "field", "says"),
    [
        ({"TOKEN": ""}, ["sync"], 2, "token", "auth set"),
        ({"TOKEN": "wrong"}, ["sync", "orders"], 3, None, "token"),
        ({"BASE_URL": ""}, LISTS, 2, "base_url", "bmconsole demo"),
        ({"BASE_URL": "https://backmarket.evil.example"}, LISTS, 2, "base_url", "allow_host"),
        ({"BASE_URL": "http://www.backmarket.fr"}, LISTS, 2, "base_url", "https"),
        ({"BASE_URL": "https://www.backmarket.fr"}, LISTS, 2, "user_agent", "BM-Company-Integration;mail"),
        ({"MARKETS": ""}, LISTS, 2, "markets", "fr-fr"),
        ({"MARKETS": "fr-fr,fr-de"}, LISTS, 2, "markets", "Did you mean"),
        ({"MARKETS": "fr-fr,ja-jp"}, LISTS, 2, "markets", "regions"),
        ({"ACCESS": "boss"}, LISTS, 2, "access", "viewer, operator, admin"),
        ({"LIMITS__EDGE": "fast"}, LISTS, 2, "limits.edge", "200/10"),
        ({"SCHEDULE__ORDER": "1m"}, LISTS, 2, "schedule.order", "orders"),
        ({"REPRICING__MODE": "yolo"}, LISTS, 2, "repricing.mode", "suggest"),
        ({}, ["orders", "list", "--where", "statsu:shipped"], 2, "where", "status"),
        ({}, ["orders", "list", "--where", "price>abc"], 2, "where", "abc"),
        ({}, ["listings", "list", "--where", "margin>1"], 2, "where", "margin"),
        ({}, ["orders", "list", "--sort", "colour"], 2, "sort", "colour"),
        ({}, ["orders", "list", "--limit", "-1"], 2, "limit", "-1"),
        ({}, ["orders", "list", "--after", "nobody"], 2, "after", "nobody"),
        ({}, ["orders", "show", "abc"], 2, "order_id", "abc"),
        ({}, ["listings", "list", "--market", "es-es"], 2, "market", "fr-fr, de-de, en-gb"),
        ({}, ["sync", "everything"], 2, "streams", "everything"),
        ({}, ["sandbox", "--markets", "xx-xx"], 2, None, "xx-xx"),
        ({}, ["sandbox", "--orders", "-1"], 2, "orders", "-1"),
        ({}, ["demo", "--headless", "--for", "soon"], 2, "for", "60s"),
        ({}, ["--profile", "../x", "orders", "list"], 2, "profile", "letters"),
        ({}, ["orders"], 2, None, "needs a command: "),
        ({}, ["orders", "lsit"], 2, None, "Did you mean “list”?"),
        ({}, ["orders", "list", "--wehre", "late"], 2, None, "--where"),
    ],
)
def test_settings_and_arguments(
    run: Run,
    empty: Path,
    shop: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    command: list[str],
    code: int,
    field: str | None,
    says: str,
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(f"BMCONSOLE_{name}", value)
    posts = shop.journal.count("POST")
    told = run(*command, "--json")
    assert told.code == code
    assert told.out == ""
    assert told.error["exit"] == code
    assert told.error["field"] == field
    assert says in f"{told.error['message']} {told.error['value']} {told.error['hint']}"
    if changed:  # the settings are read before anything is made; only a request needs the files
        assert code == 3 or not empty.exists()
    assert shop.journal.count("POST") == posts

    people = run(*command)
    assert people.code == code
    assert len(people.err.splitlines()) == 1
    assert people.err.startswith("bmconsole: ")


def test_a_malformed_settings_file_names_file_line_and_key(run: Run, empty: Path) -> None:
    file = Paths.default().config_file
    write_private(file, "[profile.default]\n# ours\nmarkets = fr-fr\n")
    told = run("orders", "list", "--json")
    assert told.code == 2
    assert told.error["message"].startswith(f"{file}, line 3: ")
    assert told.error["field"] == "markets"
    assert sorted(empty.rglob("*")) == [file.parent, file]


@pytest.mark.parametrize(
    ("ref", "options", "code", "field", "says"),
    [
        ("00000000-0000-4000-8000-000000000000", ["--price", "10.00"], 1, "listing", "cache"),
        ("sku:nothing", ["--price", "10.00"], 1, "listing", "sku"),
        (None, ["--price", "231.505"], 2, "price", "decimals"),
        (None, ["--price", "231.50 GBP"], 2, "price", "EUR"),
        (None, ["--price", "NaN"], 2, "price", "amount"),
        (None, ["--price", "0"], 2, "price", "quantity"),
        (None, ["--price=-5"], 2, "price", "above 0"),
        (None, ["--quantity=--5"], 2, "quantity", "count"),
        (None, ["--quantity", "1.5"], 2, "quantity", "count"),
        (None, ["--quantity", "many"], 2, "quantity", "count"),
        (None, ["--warranty-delay", "6"], 2, "warranty_delay", "12"),
        (None, ["--comment", "x" * 501], 2, "comment", "500"),
        (None, ["--market", "es-es", "--price", "10"], 2, "market", "fr-fr"),
        (None, [], 2, None, "--price"),
    ],
)
def test_a_change_that_cannot_be(
    run: Run,
    home: Path,
    shop: RunningSandbox,
    ref: str | None,
    options: list[str],
    code: int,
    field: str | None,
    says: str,
) -> None:
    posts = shop.journal.count("POST")
    ref = ref or run("listings", "list", "--json", "--limit", "1").rows[0]["id"]
    told = run("listings", "set", ref, *options, "--yes", "--json")
    assert told.code == code
    assert told.out == ""
    assert told.error["field"] == field
    assert says in f"{told.error['message']} {told.error['hint']}"
    assert shop.journal.count("POST") == posts
    assert run("writes", "list", "--json").rows == []


def test_a_filter_error_names_its_position(run: Run, home: Path) -> None:
    told = run("orders", "list", "--where", "late colour:red", "--json")
    assert told.code == 2
    assert "colour" in told.error["message"]


def test_the_port_of_the_sandbox_is_taken(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = run("sandbox", "--port", str(port), "--json")
    assert (told.code, told.out) == (1, "")
    assert told.error["code"] == "port-taken"
    assert told.error["value"] == str(port)


def test_a_server_that_is_not_there(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("BMCONSOLE_BASE_URL", f"http://127.0.0.1:{port}")
    told = run("orders", "show", "1", "--live", "--json")
    assert told.code == 4
    assert told.error["code"] == "unreachable"


def test_the_console_needs_a_terminal(run: Run, empty: Path) -> None:
    told = run("--json")
    assert told.code == 2
    assert "terminal" in told.error["message"]
    assert not empty.exists()


def test_an_error_that_nobody_foresaw_is_one_line_and_a_private_report(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "buyer@mail.example"

    async def broken(*_: object, **__: object) -> object:
        raise ValueError(secret)

    monkeypatch.setattr("bmconsole.cache.Cache.orders_page", broken)
    told = run("orders", "list")
    assert told.code == 1
    assert len(told.err.splitlines()) == 1
    assert "ValueError" in told.err
    reports = list((home / "state" / "crashes").iterdir())
    assert len(reports) == 1
    assert reports[0].stat().st_mode & 0o777 == 0o600
    text = reports[0].read_text(encoding="utf-8")
    assert "ValueError" in text
    assert "in broken" in text
    assert secret not in text + told.err
