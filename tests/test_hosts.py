"""Where the token may go."""

import pytest

from bmconsole.errors import SettingsError
from bmconsole.hosts import check_base_url


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://www.backmarket.fr", "https://www.backmarket.fr"),
        (" HTTPS://WWW.BackMarket.FR/ ", "https://www.backmarket.fr"),
        ("https://preprod.backmarket.co.jp:443", "https://preprod.backmarket.co.jp"),
        ("https://www.backmarket.co.uk", "https://www.backmarket.co.uk"),
        ("https://www.backmarket.com:8443", "https://www.backmarket.com:8443"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://127.9.9.9", "https://127.9.9.9"),
    ],
)
def test_the_usual_addresses_are_accepted(url: str, kept: str) -> None:
    assert check_base_url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "www.backmarket.fr",
        "ftp://www.backmarket.fr",
        "https://",
        "https://:443",
        "http://www.backmarket.fr",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "https://evil.example",
        "https://backmarket.fr.evil.example",
        "https://evilbackmarket.fr",
        "https://www.backmarket.fr.",
        "https://www.backmarket.de",
        "https://www.backmarket.fr@evil.example",
        "https://user:secret@www.backmarket.fr",
        "https://@www.backmarket.fr",
        "https://www.backmarket.fr/ws",
        "https://www.backmarket.fr?x=1",
        "https://www.backmarket.fr?",
        "https://www.backmarket.fr#x",
        "https://www.backmarket.fr:99999",
        "https://www.backmarket.fr:port",
        "https://www.backmarket.fr\\@evil.example",
        "https://www.back\nmarket.fr",
        "https://www.backmarket.fr\x00",
        "https://ｗｗｗ.backmarket.fr",
        "https://evil.example%2f.backmarket.fr",
        "https://[::1",
        "https://-.backmarket.fr",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_base_url(url)
    error = caught.value
    assert (error.exit, error.field) == (2, "base_url")
    assert error.hint
    assert "secret" not in f"{error.line()}{error.value}"


def test_another_host_has_to_be_allowed_and_needs_https_all_the_same() -> None:
    assert check_base_url("https://proxy.example", allow_host=True) == "https://proxy.example"
    with pytest.raises(SettingsError, match="in clear"):
        check_base_url("http://proxy.example", allow_host=True)
