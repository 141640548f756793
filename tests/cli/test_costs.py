"""`bmconsole costs`: files that people write, what is wrong with them by line and column, and the history of a cost."""

from pathlib import Path

import pytest

from .conftest import Run


def skus(run: Run, count: int) -> list[str]:
    return [row["sku"] for row in run("listings", "list", "--json", "--limit", str(count)).rows]


def write(tmp_path: Path, text: str, encoding: str = "utf-8") -> str:
    path = tmp_path / "costs.csv"
    path.write_bytes(text.encode(encoding))
    return str(path)


def test_sku_and_purchase_are_enough(run: Run, home: Path, tmp_path: Path) -> None:
    one, two = skus(run, 2)
    done = run("costs", "import", write(tmp_path, f"sku;purchase\n{one};310,50\n{two};1.234,00\n"), "--yes")
    assert done.code == 0, done.err
    assert f"{one}: new, purchase 310.50 EUR" in done.err
    assert "2 costs are kept." in done.err
    rows = run("costs", "list", "--json").rows
    assert {row["sku"]: row["purchase"]["amount"] for row in rows} == {one: "310.50", two: "1234.00"}
    again = run("costs", "import", write(tmp_path, f"sku,purchase\n{one},310.50\n"), "--yes")
    assert (again.code, "Everything is already so." in again.err) == (0, True)


def test_everything_that_a_cost_can_say(run: Run, home: Path, tmp_path: Path) -> None:
    (sku,) = skus(run, 1)
    header = (
        "SKU;Einkaufspreis;Market;Grade;Teile;Arbeit;Versand;Provision;Zielmarge;min profit;manual minimum;"
        "manual maximum;MwSt"
    )
    line = f"{sku};310,00 €;FR-FR;very good;12,50;8;5,90;10,5;15 %;20;330;450,00;margin 20"
    done = run("costs", "import", write(tmp_path, f"{header}\n{line}\n", "cp1252"), "--yes", "--json")
    assert done.code == 0, done.err
    assert done.rows == [{"kept": 1, "lines": 1, "invalid": 0}]
    (row,) = run("costs", "list", "--json").rows
    assert (row["market"], row["grade"], row["vat"]) == ("fr-fr", "VERY_GOOD", "margin 20")
    assert (row["fee"], row["target_margin"]) == ("0.105", "0.15")
    assert row["manual_max"] == {"amount": "450.00", "currency": "EUR"}


def test_what_held_before_stays_in_the_history(run: Run, home: Path, tmp_path: Path) -> None:
    (sku,) = skus(run, 1)
    run("costs", "import", write(tmp_path, f"sku;purchase;parts;vat\n{sku};300;10;margin 20\n"), "--yes")
    changed = run("costs", "import", write(tmp_path, f"sku;purchase;vat\n{sku};290;\n"), "--yes")
    assert f"{sku}: purchase 300.00 EUR → 290.00 EUR, vat margin 20 → –" in changed.err
    rows = run("costs", "list", "--sku", sku, "--json").rows
    assert [row["purchase"]["amount"] for row in rows] == ["300.00", "290.00"]
    assert [row["superseded"] is None for row in rows] == [False, True]
    assert [row["parts"]["amount"] for row in rows] == ["10.00", "10.00"]
    assert [row["vat"] for row in rows] == ["margin 20", None]


FAULTS = {
    "{sku};1,234;;": "line 2, column purchase: 1,234 can mean 1234 or 1.234",
    "{sku};-3;;": "line 2, column purchase: -3.00 is under 0",
    "{sku};0;;": "line 2, column purchase: 0 is not above 0",
    "{sku};;;": "line 2, column purchase: it does not say what the unit was bought for",
    ";300;;": "line 2, column sku: it does not say which SKU",
    "{sku};300 GBP;;": "line 2, column purchase: 300 GBP is not in EUR",
    "{sku};300;0.1;": "line 2, column fee: 0.1 can mean 0.1 % or 10 %",
    "{sku};300;101;": "line 2, column fee: 101 is no share in per cent",
    "{sku};300;90;regular 20": "line 2, column fee: fee, VAT and margin together leave nothing of the price",
    "{sku};300;;reduced 7": "line 2, column vat: reduced 7 is no VAT scheme",
    "{sku};300": "line 2: it has 2 cells, the header has 4",
}


@pytest.mark.parametrize("line", FAULTS)
def test_faults_name_line_and_column(run: Run, home: Path, tmp_path: Path, line: str) -> None:
    one, two = skus(run, 2)
    text = f"sku;purchase;fee;vat\n{line.format(sku=one)}\n{two};200;;\n"
    refused = run("costs", "import", write(tmp_path, text), "--yes")
    assert refused.code == 2
    assert FAULTS[line] in refused.err
    assert run("costs", "list", "--json").rows == []
    partly = run("costs", "import", write(tmp_path, text), "--yes", "--skip-invalid")
    assert partly.code == 6
    assert [row["sku"] for row in run("costs", "list", "--json").rows] == [two]


def test_files_that_are_none(run: Run, home: Path, tmp_path: Path) -> None:
    for text, told in {
        "sku;purchse\nA;1\n": "Did you mean purchase?",
        "purchase\n1\n": "no column sku",
        "sku\nA\n": "no column with a cost",
        "": "The file is empty.",
    }.items():
        result = run("costs", "import", write(tmp_path, text), "--yes", "--json")
        assert (result.code, result.error["code"]) == (2, "usage")
        assert told in result.error["message"] + str(result.error["hint"])
    assert run("costs", "import", str(tmp_path / "none.csv"), "--yes").code == 2


def test_twice_the_same_and_other_markets(run: Run, home: Path, tmp_path: Path) -> None:
    (sku,) = skus(run, 1)
    text = f"sku;purchase;market\n{sku};300;\n{sku};310;\n{sku};250;en-gb\n{sku};1;us-us\n"
    refused = run("costs", "import", write(tmp_path, text), "--yes")
    assert "line 3: line 2 gives a cost for the same SKU, market and grade already." in refused.err
    assert "line 5, column market: us-us is not among the profile's markets." in refused.err
    done = run("costs", "import", write(tmp_path, text), "--yes", "--skip-invalid")
    assert done.code == 6
    rows = run("costs", "list", "--json").rows
    assert [(row["market"], row["currency"]) for row in rows] == [(None, "EUR"), ("en-gb", "GBP")]


def test_listings_without_a_cost_are_listed(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = skus(run, 0)
    run("costs", "import", write(tmp_path, f"sku;purchase\n{everything[0]};300\n"), "--yes")
    missing = {row["sku"]: row for row in run("costs", "list", "--missing", "--json", "--limit", "0").rows}
    assert set(missing) == set(everything)
    assert "no VAT scheme" in missing[everything[0]]["why"]
    rules = home / "config" / "rules.toml"
    rules.parent.mkdir(parents=True, exist_ok=True)
    said = '[market.fr-fr]\nvat = "margin 20"\n[[rule]]\nname = "all"\nstrategy = "win"\n'
    rules.write_text(said, encoding="utf-8")
    told = run("costs", "list", "--missing", "--json", "--limit", "0")
    assert told.code == 0, told.err
    assert {row["sku"]: row for row in told.rows}[everything[0]]["markets"] == ["de-de", "en-gb"]
    rules.unlink()
    monkeypatch.setenv("BMCONSOLE_VAT", "margin 20")
    missing = {row["sku"]: row for row in run("costs", "list", "--missing", "--json", "--limit", "0").rows}
    assert missing[everything[0]]["markets"] == ["en-gb"]
    assert "the cost is in EUR, en-gb sells in GBP" in missing[everything[0]]["why"]
    assert missing[everything[1]]["why"] == "no cost"
    without = run("listings", "list", "--where", "no-cost", "--limit", "0", "--json").rows
    assert {row["sku"] for row in without} == set(everything[1:])


def test_a_viewer_and_nobody_to_ask(run: Run, home: Path, tmp_path: Path) -> None:
    (sku,) = skus(run, 1)
    path = write(tmp_path, f"sku;purchase\n{sku};300\n")
    assert run("costs", "import", path, "--read-only", "--yes").code == 3
    assert run("costs", "import", path).code == 5
    assert run("costs", "list", "--json").rows == []
    assert run("costs", "list", "--sku", "NONE").code == 1
