"""`bmconsole reprice` and `brief` as people and scripts use them: codes, the fixed keys, files that are wrong."""

from decimal import Decimal
from pathlib import Path

import pytest

from bmconsole.domain import pricing_views

from .conftest import Run

KEYS = ("listing", "sku", "market", "decision", "strategy", "old", "target", "floor", "ceiling", "guards", "reason")


@pytest.fixture
def priced(run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which every listing has a cost of half its price in France."""
    monkeypatch.setenv("BMCONSOLE_VAT", "margin 20")
    lines = ["sku;purchase;market"]
    for row in run("listings", "list", "--json", "--limit", "0").rows:
        price = Decimal(row["markets"]["fr-fr"]["price"]["amount"])
        lines.append(f"{row['sku']};{price / 2:.2f};fr-fr")
    path = tmp_path / "costs.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert run("costs", "import", str(path), "--yes").code == 0
    return home


def rules(home: Path, text: str) -> Path:
    path = home / "config" / "rules.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_dry_run_prints_the_fixed_keys_and_writes_nothing(run: Run, priced: Path) -> None:
    result = run("reprice", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.rows
    assert all(tuple(row)[: len(KEYS)] == KEYS for row in result.rows)
    changing = [row for row in result.rows if row["target"]]
    assert changing
    for row in changing:
        assert Decimal(row["target"]["amount"]) >= Decimal(row["floor"]["amount"])
        assert row["made_from"]["facts"]["sku"] == row["sku"]
        assert f"→ {row['target']['amount']}" in row["reason"]
    people = run("reprice")
    assert people.code == 0
    assert "Nothing was written." in people.err
    assert run("writes", "list", "--json").rows == []
    assert run("reprice", "runs", "--json").rows == []


def test_apply_needs_a_yes_writes_and_can_be_undone(run: Run, priced: Path) -> None:
    wanted = {
        (row["listing"], row["market"]): row["target"]["amount"]
        for row in run("reprice", "--json").rows
        if row["target"]
    }
    refused = run("reprice", "--apply", "--json")
    assert (refused.code, refused.error["code"]) == (5, "guard")
    assert run("writes", "list", "--json").rows == []
    done = run("reprice", "--apply", "--yes", "--json")
    assert done.code == 0, done.err
    assert {row["state"] for row in done.rows} == {"written"}
    written = {(row["target"], row["market"]): row["want"]["price"] for row in run("writes", "list", "--json").rows}
    assert written == wanted
    (told,) = run("reprice", "runs", "--json").rows
    assert (told["cause"], told["counts"]["written"]) == ("apply", len(wanted))
    board = run("reprice", "runs", "--scoreboard", "--json").rows
    assert [(row["rule"], row["changes"]) for row in board] == [("default", len(wanted))]
    assert {row["origin"] for row in run("writes", "list", "--json").rows} == {"rule"}
    undone = run("writes", "undo", "--run", told["name"], "--yes", "--json")
    assert undone.code == 0, undone.err
    assert len(undone.rows) == len(wanted)
    one = run("reprice", "show", next(iter(wanted))[0], "--json").rows[0]
    assert (one["state"], one["again"][0]["state"]) == ("written", "written")
    assert run("reprice", "show", "sku:none").code == 1


def test_many_prices_or_a_big_jump_need_their_number_besides(
    run: Run, priced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pricing_views, "MANY_ROWS", 1)
    before = run("writes", "list", "--json").rows
    many = len([row for row in run("reprice", "--json").rows if row["target"]])
    assert many > 1
    refused = run("reprice", "--apply", "--yes", "--json")
    assert (refused.code, refused.error["code"]) == (5, "guard")
    assert refused.error["hint"] == f"--confirm {many} is needed besides: {many} prices change."
    assert run("reprice", "--apply", "--yes", "--confirm", str(many + 1)).code == 5
    assert run("reprice", "--confirm", str(many)).code == 2
    assert run("reprice", "--confirm", str(many), "rules").code == 2
    rules(priced, '[guards]\nrun_mean = 0.01\n\n[[rule]]\nname = "all"\nstrategy = "win"\n')
    assert run("reprice", "--apply", "--yes", "--confirm", str(many)).code == 5
    waiting = run("reprice", "approve", "--json").rows
    refused = run("reprice", "approve", "--all", "--yes", "--json")
    assert (refused.code, f"--confirm {len(waiting)} " in refused.error["hint"]) == (5, True)
    assert run("writes", "list", "--json").rows == before
    one = str(waiting[0]["id"])
    monkeypatch.setattr(pricing_views, "BIG_JUMP", Decimal("0.01"))
    refused = run("reprice", "approve", one, "--yes", "--json")
    assert (refused.code, "changes by more than 0.01 %" in refused.error["hint"]) == (5, True)
    assert run("reprice", "approve", one, "--yes", "--confirm", "1").code == 0


def test_rules_are_shown_and_their_faults_named(run: Run, priced: Path) -> None:
    path = rules(priced, '[[rule]]\nname = "phones"\nsku = "IP*"\nstrategy = ["hold", "win"]\n')
    assert run("reprice", "rules", "--check").code == 0
    shown = run("reprice", "rules", "--json").rows
    assert (shown[0]["name"], shown[0]["line"]) == ("phones", 1)
    assert shown[0]["offers"] + shown[-1]["offers"] == len(run("reprice", "rules", "--listings", "--json").rows)
    for text, told in {
        "[[rule]\n": "line 1: not TOML",
        '[[rule]]\nname = "a"\nstrategy = "vin"\n': "line 3",
        '[[rule]]\nname = "a"\nstrategy = "win"\ncolour = "red"\n': "line 4",
        '[guards]\nstep = "much"\n': "line 2",
    }.items():
        path.write_text(text, encoding="utf-8")
        for command in (["reprice", "rules"], ["reprice"], ["reprice", "--apply", "--yes"]):
            result = run(*command, "--json")
            assert (result.code, result.error["code"]) == (2, "settings"), (text, result.err)
            assert told in result.error["message"]
            assert str(path) in result.error["message"]


def test_the_kill_switch_from_the_command_line(run: Run, priced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("reprice", "pause", "--why", "prices look odd").code == 0
    assert {row["decision"] for row in run("reprice", "--json").rows if row["floor"]} <= {"skip", "hold"}
    nothing = run("reprice", "--apply", "--yes")
    assert (nothing.code, "There is nothing to change." in nothing.err) == (0, True)
    assert "PAUSED: all of repricing" in run("brief").out
    assert run("reprice", "resume").code == 3
    monkeypatch.setenv("BMCONSOLE_ACCESS", "admin")
    assert run("reprice", "resume").code == 0
    assert any(row["target"] for row in run("reprice", "--json").rows)
    assert run("reprice", "pause", "--read-only").code == 3
    assert run("reprice", "pause", "--market", "es-es").code == 2


def test_mode_off_decides_nothing(run: Run, priced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BMCONSOLE_REPRICING__MODE", "off")
    assert not any(row["target"] for row in run("reprice", "--json").rows)
    assert "There is nothing to change." in run("reprice", "--apply", "--yes").err


def test_the_breaker_ends_with_5_and_its_decisions_wait(run: Run, priced: Path) -> None:
    rules(priced, '[guards]\nrun_mean = 0.01\n\n[[rule]]\nname = "all"\nstrategy = "win"\n')
    refused = run("reprice", "--apply", "--yes", "--json")
    assert (refused.code, refused.error["field"]) == (5, "run-breaker")
    assert run("writes", "list", "--json").rows == []
    waiting = run("reprice", "approve", "--json").rows
    assert waiting
    assert run("reprice", "approve", "--all").code == 5
    states = []
    for row in waiting:  # a rival may have moved meanwhile: then what waited is not what is right now
        done = run("reprice", "approve", str(row["id"]), "--yes", "--json")
        states += [each["state"] for each in done.rows]
        if states[-1] == "written":
            break
        assert states[-1] == "stopped"
    assert (done.code, states[-1]) == (0, "written"), done.err
    assert len(run("reprice", "approve", "--json").rows) < len(waiting)
    assert run("reprice", "approve", "987654", "--yes").code == 1
    assert run("reprice", "approve", "1", "--all").code == 2


def test_rules_are_replayed_side_by_side(run: Run, priced: Path, tmp_path: Path) -> None:
    calm, eager = tmp_path / "calm.toml", tmp_path / "eager.toml"
    calm.write_text('[[rule]]\nname = "h"\nstrategy = "hold"\n', encoding="utf-8")
    eager.write_text('[[rule]]\nname = "w"\nstrategy = ["hold", "win"]\n', encoding="utf-8")
    both = ["--rules", str(calm), "--rules", str(eager)]
    result = run("reprice", "replay", *both, "--from", "-2d", "--json")
    assert result.code == 0, result.err
    assert result.rows[0]["sides"][0]["changes"] == 0
    assert run("reprice", "replay", *both).code == 0
    assert run("reprice", "replay", "--from", "soon").code == 2
    assert run("reprice", "replay", "--from", "today", "--to", "-3d").code == 2
    eager.write_text("[[rule]]\n", encoding="utf-8")
    assert run("reprice", "replay", *both).code == 2


def test_a_brief_needs_nothing_but_the_files(run: Run, home: Path) -> None:
    result = run("brief")
    assert result.code == 0
    assert result.out.startswith("Orders: ")
    assert "Last clean pull: orders" in result.out
    shape = run("brief", "--json").rows[0]
    assert {"to_accept", "late", "lost", "changes", "guards", "feeds"} <= set(shape)
