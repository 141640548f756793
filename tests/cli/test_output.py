"""How values are printed: JSON without surprises, tables that no remote text can break out of."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from bmconsole.cli.output import cell, jsonable, print_facts, print_json, print_table
from bmconsole.domain.money import Money
from bmconsole.domain.orders import Order, Orderline, Status

HOSTILE = "\x1b]0;owned\x07[red]bold[/red]\x9b31m\u202egnp\r\n\tend"


def test_values_as_json() -> None:
    order = Order(
        7,
        3,
        price=Money(44_900, "EUR"),
        date_creation=datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=1))),
        orderlines=(Orderline(1, 2, price=Money(12_000, "JPY")),),
    )
    shape = jsonable(order)
    assert isinstance(shape, dict)
    assert shape["price"] == {"amount": "449.00", "currency": "EUR"}
    assert shape["date_creation"] == "2026-01-31T08:00:00Z"
    assert json.loads(json.dumps(shape))["orderlines"][0]["price"] == {"amount": "12000", "currency": "JPY"}
    assert jsonable({"status": Status.TO_SHIP, "rate": Decimal("0.10"), "n": (1, None, True)}) == {
        "status": "to-ship",
        "rate": "0.10",
        "n": [1, None, True],
    }
    with pytest.raises(TypeError):
        jsonable(object())


def test_json_is_one_line_that_no_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"buyer": HOSTILE, "lone": "\ud800"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1
    assert "\x1b" not in out
    assert json.loads(out)["buyer"] == HOSTILE


def test_tables_hold_remote_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("BUYER", "N"), [(HOSTILE, 1), ("日本", 22), (None, None)], right=("N",))
    print_facts({"buyer": HOSTILE})
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 5
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r", "\t"} & set(out)
    assert "[red]bold[/red]" in out
    lines = out.splitlines()
    assert lines[2].startswith("日本")
    assert lines[2].endswith(" 22")
    assert lines[3].startswith("–")


def test_a_table_on_a_terminal_takes_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    print_table(("BUYER",), [(HOSTILE,)])
    print_facts({"buyer": HOSTILE})
    out = capsys.readouterr().out
    assert out.count("[red]bold[/red]") == 2
    assert not {"\x07", "\x9b", "\u202e", "\r"} & set(out)
    assert "owned" in out
    assert "\x1b]" not in out


def test_cells() -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert cell(noon, timezone(timedelta(hours=1))) == "2026-11-23 13:00"
    assert cell(None) == cell("") == "–"
    assert cell(True) == "yes"
    assert cell(0) == "0"
    assert cell(("a", "b")) == "a, b"
    assert len(cell("x" * 500)) <= 120
