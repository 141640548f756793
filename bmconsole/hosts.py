"""Which address the token may be sent to."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from bmconsole.errors import SettingsError

_BACK_MARKET = (".backmarket.fr", ".backmarket.com", ".backmarket.co.jp", ".backmarket.co.uk")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-f:]*:[0-9a-f:.]*")
_EXAMPLE = "Write it like https://www.backmarket.fr."


def check_base_url(url: str, *, allow_host: bool = False) -> str:
    """Return `url` as `scheme://host[:port]` in lower case, once it is sure that the token may go there.

    Args:
        url: What the settings say.
        allow_host: Also accept a host that is neither Back Market's nor this machine's; https only.

    Raises:
        SettingsError: Not an address, plain http to another machine, a foreign host, or more than scheme, host, port.
    """
    text = url.strip()
    if not text or any(ch.isspace() or not ch.isprintable() or ch == "\\" for ch in text):
        raise _fault("base_url is not an address.", text, _EXAMPLE)
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise _fault("base_url is not an address.", text, _EXAMPLE) from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise _fault("base_url is not an http address.", text, _EXAMPLE)
    if parts.username is not None or parts.password is not None:
        raise _fault("base_url must not hold a user name or a token.", text, "Store the token with: bmconsole auth set")
    if parts.path not in ("", "/") or parts.query or parts.fragment or text.endswith(("?", "#")):
        raise _fault("base_url must end after the host.", text, _EXAMPLE)
    _check_host(parts, host, text, allow_host=allow_host)
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, default) else "")


def is_loopback(host: str) -> bool:
    """Return whether `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(base_url: str) -> str:
    """Return the host of a checked address, in lower case, without its port."""
    return urlsplit(base_url).hostname or ""


def _check_host(parts: SplitResult, host: str, text: str, *, allow_host: bool) -> None:
    if is_loopback(host):
        return
    if parts.scheme != "https":
        raise _fault("base_url would send the token in clear over plain http.", text, "Use https.")
    if not allow_host and not host.endswith(_BACK_MARKET):
        raise _fault(
            "base_url is not a host of Back Market.",
            text,
            "Set allow_host = true in this profile if the token may really be sent there.",
        )


def _fault(message: str, value: str, hint: str) -> SettingsError:
    return SettingsError(message, field="base_url", value=without_login(value)[:200], hint=hint)


def without_login(url: str) -> str:
    """Return an address fit to be shown: whatever stands before an @ may be a token."""
    return re.sub(r"//[^/?#]*@", "//…@", url)
