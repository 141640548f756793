"""`config`, `auth` and `completion`: the settings file, the token, and who may touch it."""

import stat
from pathlib import Path

import pytest

from bmconsole.paths import Paths
from bmconsole.sandbox import RunningSandbox

from .conftest import Run


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home that does not exist yet, and no account."""
    monkeypatch.setenv("BMCONSOLE_HOME", str(tmp_path / "home"))
    return Paths.default()


def test_init_show_path_and_check(run: Run, bare: Paths) -> None:
    made = run("config", "init", "--base-url", "https://WWW.backmarket.fr/", "--markets", "fr-fr,de-de",
               "--user-agent", "BM-Acme-Console;it@acme.example")  # fmt: skip
    assert (made.code, made.out) == (0, "")
    assert run("config", "path").out.strip() == str(bare.config_file)
    assert stat.S_IMODE(bare.config_file.stat().st_mode) == 0o600
    shown = run("config", "show", "--json").rows[0]
    assert shown["values"]["base_url"] == "https://www.backmarket.fr"
    assert shown["origins"]["base_url"] == str(bare.config_file)
    assert shown["origins"]["privacy_days"] == "default"
    incomplete = run("config", "check", "--json")
    assert (incomplete.code, incomplete.error["field"]) == (2, "token")
    assert run("auth", "set", stdin="sec-ret\n").code == 0
    assert run("config", "check").code == 0


def test_init_adds_a_profile_and_never_overwrites_one(run: Run, bare: Paths) -> None:
    for name in ("eu", "us"):
        market = {"eu": "fr-fr", "us": "en-us"}[name]
        made = run("config", "init", "--profile", name, "--base-url", "http://localhost:1", "--markets", market)
        assert made.code == 0
    before = bare.config_file.read_text(encoding="utf-8")
    again = run("config", "init", "--profile", "us", "--base-url", "http://localhost:2", "--markets", "en-us", "--json")
    assert again.code == 2
    assert "line" in again.error["message"]
    assert bare.config_file.read_text(encoding="utf-8") == before
    assert run("config", "show", "--profile", "us", "--json").rows[0]["values"]["markets"] == "en-us"
    neither = run("config", "check", "--json")
    assert "eu, us" in neither.error["message"]


def test_init_writes_nothing_that_is_wrong(run: Run, bare: Paths) -> None:
    wrong = run("config", "init", "--base-url", "http://www.backmarket.fr", "--markets", "fr-fr", "--json",
                "--user-agent", "BM-Acme-Console;it@acme.example")  # fmt: skip
    assert (wrong.code, wrong.error["field"]) == (2, "base_url")
    missing = run("config", "init", "--json")
    assert (missing.code, missing.error["field"]) == (2, "base_url")
    assert not bare.config.parent.exists()


def test_the_token_is_kept_tested_replaced_and_forgotten(
    run: Run, empty: Path, shop: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BMCONSOLE_TOKEN")
    file = Paths.default().token_file("default")
    assert run("auth", "status", "--json").code == 2
    kept = run("auth", "set", "--json", stdin=f"  {shop.token}\n")
    assert kept.code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    status = run("auth", "status", "--json")
    assert status.code == 0
    assert status.rows[0]["works"] is True
    assert status.rows[0]["source"] == str(file)
    assert shop.token not in kept.out + kept.err + status.out + status.err

    assert run("auth", "set", stdin="other").code == 3
    assert run("auth", "forget").code == 3
    monkeypatch.setenv("BMCONSOLE_ACCESS", "admin")
    assert run("auth", "set", stdin="wrong-one").code == 0
    refused = run("auth", "status", "--json")
    assert refused.code == 3
    assert refused.rows[0]["works"] is False
    assert "wrong-one" not in refused.out + refused.err
    assert run("auth", "forget").code == 0
    assert not file.exists()
    assert run("auth", "forget").code == 2


def test_a_kept_token_that_is_not_used_is_said(run: Run, empty: Path) -> None:
    assert "BMCONSOLE_TOKEN" in run("auth", "set", stdin="abc").err


@pytest.mark.parametrize("text", ["", "\n", "two words", "ümlaut"])
def test_what_is_no_token_is_not_kept(run: Run, empty: Path, text: str) -> None:
    result = run("auth", "set", "--json", stdin=text)
    assert (result.code, result.error["field"]) == (2, "token")
    assert not empty.exists()


def test_read_only_keeps_no_token(run: Run, empty: Path) -> None:
    assert run("auth", "set", "--read-only", stdin="abc").code == 3
    assert not empty.exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert result.code == 0
    assert "_BMCONSOLE_COMPLETE" in result.out


def test_without_the_extra_the_keyring_is_refused_and_the_way_is_said(
    run: Run, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused = run("auth", "set", "--keyring", "--json", stdin="abc")
    assert (refused.code, refused.error["field"]) == (2, "token")
    assert "bmconsole[keyring]" in refused.error["hint"]
    assert not empty.exists()
