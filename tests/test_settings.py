"""Settings: three layers, every key checked, and errors that say where and what to do."""

import os
import stat
import sys
from pathlib import Path

import pytest

from bmconsole.credentials import forget_token, store_token
from bmconsole.errors import DiskTrouble, SettingsError
from bmconsole.paths import Paths, private_folder, write_private
from bmconsole.settings import LIMITS, SCHEDULE, Keys, Settings, check_base_url, load_profile
from bmconsole.traffic.rules import default_rules

COMPLETE = '[profile.default]\nbase_url = "https://www.backmarket.fr"\nmarkets = "fr-fr,de-de"\n'
AGENT = 'user_agent = "BM-Acme-Console;it@acme.example"\n'


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    for name in list(os.environ):
        if name.startswith("BMCONSOLE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BMCONSOLE_HOME", str(tmp_path / "home"))
    return Paths.default()


def write(paths: Paths, text: str) -> Path:
    write_private(paths.config_file, text)
    return paths.config_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_home_holds_every_folder_and_nothing_is_made_before_it_is_written(paths: Paths, tmp_path: Path) -> None:
    for folder in (paths.config, paths.data, paths.state, paths.logs):
        assert folder.is_relative_to(tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_folders_are_0700_up_to_the_home_and_files_0600(paths: Paths, tmp_path: Path) -> None:
    former = os.umask(0o000)
    try:
        folder = paths.profile_data("eu")
        write(paths, COMPLETE)
    finally:
        os.umask(former)
    for made in (folder, folder.parent, paths.data, tmp_path / "home", paths.config):
        assert mode(made) == 0o700
    assert mode(paths.config_file) == 0o600


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DiskTrouble, match="Cannot make the folder"):
        private_folder(tmp_path / "file" / "folder")


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 65, "a b"])
def test_a_profile_cannot_lead_out_of_its_folder(paths: Paths, name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        paths.profile_data(name)
    assert caught.value.field == "profile"


def test_the_environment_alone_is_enough_and_wins_over_the_file(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BMCONSOLE_BASE_URL", "http://127.0.0.1:8080/")
    monkeypatch.setenv("BMCONSOLE_MARKETS", "DE-DE, fr-fr")
    monkeypatch.setenv("BMCONSOLE_TOKEN", "abc123")
    monkeypatch.setenv("BMCONSOLE_LIMITS__EDGE", "100/10")
    monkeypatch.setenv("BMCONSOLE_SCHEDULE__ORDERS", "off")
    monkeypatch.setenv("BMCONSOLE_REPRICING__MODE", "auto")
    monkeypatch.setenv("BMCONSOLE_VAT", "Margin 20")
    monkeypatch.setenv("BMCONSOLE_TIMEZONE", "Asia/Tokyo")
    profile = load_profile(auth="required")
    assert profile.base_url == "http://127.0.0.1:8080"
    assert profile.environment == "sandbox"
    assert profile.markets == ("de-de", "fr-fr")
    assert profile.main_market == "de-de"
    assert profile.user_agent.startswith("BM-")
    assert profile.limits == {"edge": "100/10"}
    assert profile.schedule == SCHEDULE | {"orders": "off"}
    assert profile.repricing_mode == "auto"
    assert profile.vat == "margin 20"
    assert profile.timezone == "Asia/Tokyo"
    assert profile.token is not None
    assert profile.token.get_secret_value() == "abc123"
    assert "abc123" not in repr(profile)

    write(paths, COMPLETE + '[profile.default.limits]\nedge = "50/10"\nsensitive = "10/10"\n')
    assert load_profile().limits == {"edge": "100/10", "sensitive": "10/10"}
    assert load_profile(overrides={"limits.edge": "5/1"}).limits["edge"] == "5/1"


def test_the_file_is_read_by_profile(paths: Paths) -> None:
    write(
        paths,
        COMPLETE
        + AGENT
        + 'privacy_days = 30\n[profile.us]\nbase_url = "https://preprod.backmarket.com"\nmarkets = ["en-us"]\n'
        + AGENT
        + 'schedule = { orders = "2s" }\n',
    )
    assert load_profile().environment == "production"
    assert load_profile().privacy_days == 30
    american = load_profile("us")
    assert american.environment == "preprod"
    assert american.schedule["orders"] == "2s"
    with pytest.raises(SettingsError) as caught:
        load_profile("uk")
    assert caught.value.hint == "Did you mean “us”?"


def test_every_documented_limit_can_be_set() -> None:
    assert set(LIMITS) == {rule.name for rule in default_rules()}


@pytest.mark.parametrize(
    ("lines", "line", "field", "value", "says"),
    [
        ('market = "fr-fr"', 4, "market", None, "Did you mean “markets”?"),
        ('markets = "fr-fr,xx-yy"', 3, "markets", None, "xx-yy"),
        ('markets = "fr-fr,en-us"', 3, "markets", None, "several regions"),
        ("markets = []", 3, "markets", None, "names no market"),
        ('access = "root"', 4, "access", "root", "viewer, operator, admin"),
        ('user_agent = "curl"', 4, "user_agent", "curl", "BM-Company-Integration;mail"),
        ('privacy_days = "many"', 4, "privacy_days", "many", "integer"),
        ("privacy_days = -1", 4, "privacy_days", "-1", "greater"),
        ('timezone = "Mars/Olympus"', 4, "timezone", "Mars/Olympus", "Europe/Paris"),
        ('vat = "regular"', 4, "vat", "regular", "regular 20"),
        ('limits.edge = "200-10"', 4, "limits.edge", "200-10", "200/10"),
        ('limits = { edge = "0/10" }', 4, "limits.edge", "0/10", "200/10"),
        ("limits.edge = 200", 4, "limits.edge", "200", "200/10"),
        ('[profile.default.limits]\nedgy = "1/1"', 5, "limits.edgy", "edgy", "Did you mean “edge”?"),
        (
            '[profile.default.schedule]\n# a comment\norders = "0.5s"',
            6,
            "schedule.orders",
            "0.5s",
            "at least one second",
        ),
        ('[profile.default.repricing]\nmode = "on"', 5, "repricing.mode", "on", "off, observe, suggest, auto"),
        ('[profile.default.repricing]\nmood = "off"', 5, "repricing.mood", None, "Did you mean “mode”?"),
        ("allow_host = 7", 4, "allow_host", "7", "boolean"),
    ],
)
def test_a_wrong_value_names_file_line_key_value_and_way_out(
    paths: Paths, lines: str, line: int, field: str, value: str | None, says: str
) -> None:
    text = COMPLETE + lines + "\n"
    if lines.startswith("markets"):
        text = COMPLETE.replace('markets = "fr-fr,de-de"', lines)
    file = write(paths, text)
    with pytest.raises(SettingsError) as caught:
        load_profile()
    error = caught.value
    assert error.message.startswith(f"{file}, line {line}: ")
    assert error.field == field
    if value is not None:
        assert error.value == value
    assert says in error.line()
    assert error.exit == 2


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('[profile.default]\nmarkets = fr-fr\nbase_url = "x"\n', 2, "markets"),
        ("[profile.default\n", 1, None),
        ('[profile.default]\nbase_url = "a"\nbase_url = "b"\n', 3, "base_url"),
        ('base_url = "https://www.backmarket.fr"\n', 1, "base_url"),
    ],
)
def test_a_malformed_file_names_its_line(paths: Paths, text: str, line: int, key: str | None) -> None:
    file = write(paths, text)
    with pytest.raises(SettingsError) as caught:
        load_profile()
    assert f"{file}, line {line}: " in caught.value.message
    assert caught.value.field == key


def test_a_wrong_variable_is_named(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    write(paths, COMPLETE + AGENT)
    monkeypatch.setenv("BMCONSOLE_SCHEDULE__ORDERS", "soon")
    with pytest.raises(SettingsError) as caught:
        load_profile()
    assert caught.value.message.startswith("BMCONSOLE_SCHEDULE__ORDERS: schedule.orders: “soon”")


@pytest.mark.parametrize(
    "url",
    [
        "https://www.backmarket.fr",
        "https://WWW.Backmarket.FR/",
        "https://preprod.backmarket.co.jp",
        "https://www.backmarket.co.uk:443",
        "http://localhost:80",
        "http://127.0.0.1:1234",
        "http://[::1]:8000/",
    ],
)
def test_hosts_that_may_have_the_token(url: str) -> None:
    kept = url.lower().rstrip("/").removesuffix(":443").removesuffix(":80")
    assert check_base_url(url, allow_host=False) == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://www.backmarket.fr",
        "https://backmarket.fr.evil.example",
        "https://evilbackmarket.fr",
        "https://www.backmarket.fr@evil.example",
        "https://user:secret@www.backmarket.fr",
        "https://www.backmarket.fr/ws",
        "https://www.backmarket.fr?x=1",
        "https://www.backmarket.fr#x",
        "https://www.backmarket.fr\\@evil.example",
        "https://www.backmarket.fr:99999",
        "http://127.0.0.1.evil.example",
        "http://2130706433",
        "ftp://www.backmarket.fr",
        "www.backmarket.fr",
        "",
    ],
)
def test_hosts_that_must_not_have_the_token(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_base_url(url, allow_host=False)
    assert "secret" not in caught.value.line() + str(caught.value.value)
    assert caught.value.hint


def test_allow_host_lets_another_host_in_but_not_over_plain_http(paths: Paths) -> None:
    file = write(paths, COMPLETE.replace("www.backmarket.fr", "proxy.example") + AGENT)
    with pytest.raises(SettingsError) as caught:
        load_profile()
    assert f"{file}, line 2" in caught.value.message
    assert "allow_host" in caught.value.line()
    write(paths, COMPLETE.replace("www.backmarket.fr", "proxy.example") + AGENT + "allow_host = true\n")
    assert load_profile().base_url == "https://proxy.example"
    with pytest.raises(SettingsError):
        check_base_url("http://proxy.example", allow_host=True)


def test_what_is_missing_is_named_with_a_way_out(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as caught:
        load_profile()
    assert caught.value.field == "base_url"
    assert "bmconsole demo" in caught.value.line()
    monkeypatch.setenv("BMCONSOLE_BASE_URL", "https://www.backmarket.fr")
    with pytest.raises(SettingsError, match="no markets"):
        load_profile()
    monkeypatch.setenv("BMCONSOLE_MARKETS", "fr-fr")
    with pytest.raises(SettingsError, match="no user_agent"):
        load_profile()
    monkeypatch.setenv("BMCONSOLE_USER_AGENT", "BM-Acme-Console;it@acme.example")
    assert load_profile().token is None
    with pytest.raises(SettingsError) as caught:
        load_profile(auth="required")
    assert "bmconsole auth set" in caught.value.line()


@pytest.mark.parametrize(
    ("file", "environment", "flag", "granted"),
    [
        (None, None, None, "operator"),
        (None, "admin", None, "admin"),
        (None, "viewer", "admin", "viewer"),
        (None, None, "viewer", "viewer"),
        ("", "admin", None, "operator"),
        ("admin", None, None, "admin"),
        ("admin", "operator", None, "operator"),
        ("admin", "operator", "viewer", "viewer"),
        ("viewer", "admin", "admin", "viewer"),
    ],
)
def test_access_is_only_ever_lowered(
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    file: str | None,
    environment: str | None,
    flag: str | None,
    granted: str,
) -> None:
    monkeypatch.setenv("BMCONSOLE_BASE_URL", "http://localhost:1")
    monkeypatch.setenv("BMCONSOLE_MARKETS", "fr-fr")
    if file is not None:
        write(paths, COMPLETE + (f'access = "{file}"\n' if file else ""))
    if environment:
        monkeypatch.setenv("BMCONSOLE_ACCESS", environment)
    assert load_profile(overrides={"access": flag} if flag else None).access == granted


def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BMCONSOLE_BASE_URL", "http://localhost:1")
    monkeypatch.setenv("BMCONSOLE_MARKETS", "fr-fr")


def command(*code: str) -> str:
    return f"token_command = '{sys.executable} -c \"{'; '.join(code)}\"'\n"


def test_the_order_of_the_token_sources(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(monkeypatch)
    store_token("default", paths, "from-file\n")
    assert mode(paths.token_file("default")) == 0o600
    assert source(paths) == ("from-file", str(paths.token_file("default")))
    write(paths, '[profile.default]\ntoken = "from-settings"\n')
    assert source(paths) == ("from-settings", "config.toml")
    write(paths, '[profile.default]\ntoken = "from-settings"\n' + command("print(chr(32) + str(4711))"))
    assert source(paths) == ("4711", "token_command")
    monkeypatch.setenv("BMCONSOLE_TOKEN", "Basic from-environment")
    assert source(paths) == ("from-environment", "BMCONSOLE_TOKEN")
    monkeypatch.delenv("BMCONSOLE_TOKEN")
    assert load_profile(auth="skip").token is None
    assert forget_token("default", paths)
    assert not forget_token("default", paths)


def source(paths: Paths) -> tuple[str, str]:
    profile = load_profile(paths=paths, auth="required")
    assert profile.token is not None
    return profile.token.get_secret_value(), profile.token_source


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (command("raise SystemExit(3)"), "ended with status 3"),
        (command("pass"), "is empty"),
        (command("print(str(1) + chr(10) + str(2))"), "characters that no token has"),
        ('token_command = "no-such-program --x"\n', "no program “no-such-program”"),
        ("token_command = 'echo \"open'\n", "cannot be split"),
    ],
)
def test_a_token_command_that_fails_says_how(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, line: str, says: str
) -> None:
    complete(monkeypatch)
    write(paths, "[profile.default]\n" + line)
    with pytest.raises(SettingsError, match=says):
        load_profile(auth="required")


def test_a_token_that_others_may_read_is_refused(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(monkeypatch)
    store_token("default", paths, "secret")
    paths.token_file("default").chmod(0o640)
    with pytest.raises(SettingsError) as caught:
        load_profile(auth="required")
    assert "chmod 600" in caught.value.line()
    forget_token("default", paths)
    write(paths, '[profile.default]\ntoken = "secret"\n').chmod(0o644)
    with pytest.raises(SettingsError) as caught:
        load_profile(auth="required")
    assert "line 2" in caught.value.message
    assert "chmod 600" in caught.value.line()
    assert "secret" not in str(caught.value.as_json())


def test_a_replaced_file_survives_a_failed_write(paths: Paths) -> None:
    file = write(paths, "first")
    file.parent.chmod(0o500)
    try:
        if os.access(file.parent, os.W_OK):
            pytest.skip("this account may write anywhere")
        with pytest.raises(DiskTrouble):
            write(paths, "second")
    finally:
        file.parent.chmod(0o700)
    assert file.read_text(encoding="utf-8") == "first"


def test_where_a_value_comes_from(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(paths, COMPLETE)
    monkeypatch.setenv("BMCONSOLE_MARKETS", "fr-fr")
    layers = Settings.read("default", overrides={"access": "viewer"}).layers
    assert {key: layers.origin(key) for key in ("base_url", "markets", "access", "vat")} == {
        "base_url": str(file),
        "markets": "BMCONSOLE_MARKETS",
        "access": "flag",
        "vat": "default",
    }
    assert "token" in Keys.model_fields


KEYRING = """
from . import errors


def get_password(service, name):
    if name == "locked":
        raise errors.KeyringError("locked")
    if name == "bare":
        raise errors.NoKeyringError("no backend")
    return {("bmconsole", "default"): "from-keyring"}.get((service, name))
"""
KEYRING_ERRORS = """
class KeyringError(Exception): ...
class NoKeyringError(KeyringError, RuntimeError): ...
"""


def test_the_keyring_comes_before_the_files(paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    complete(monkeypatch)
    for name in ("default", "other", "bare", "locked"):
        store_token(name, paths, "from-file")
    extra = tmp_path / "extra" / "keyring"
    extra.mkdir(parents=True)
    (extra / "__init__.py").write_text(KEYRING, encoding="utf-8")
    (extra / "errors.py").write_text(KEYRING_ERRORS, encoding="utf-8")
    for module in ("keyring", "keyring.errors"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(extra.parent)
    assert source(paths) == ("from-keyring", "keyring")
    for name in ("other", "bare"):
        assert load_profile(name, paths=paths).token_source == str(paths.token_file(name))
    with pytest.raises(SettingsError, match="keyring did not answer"):
        load_profile("locked", paths=paths)
    for module in ("keyring", "keyring.errors"):
        sys.modules.pop(module, None)
