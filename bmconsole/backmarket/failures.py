"""Every way in which Back Market can fail to answer, as one tree of errors.

Understood are the V1, V2, V3 and Problem bodies of the API documents, validation lists, a bare JSON string, no body at
all, and the firewall's pages. Only what is written for people is taken from a body (messages, codes, names of fields):
the rest may echo what was sent.
"""

import re
from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from bmconsole.backmarket import wirejson
from bmconsole.domain.text import clean
from bmconsole.errors import (
    BmError,
    FirewallBlocked,
    NotAllowed,
    NotFound,
    RateLimited,
    Refused,
    Unauthorised,
    Unreachable,
)

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_PHONE = re.compile(r"\+\d[\d ().-]{6,}\d")
_MOST_MESSAGES = 3


class NoAnswer(Unreachable):
    """The connection failed, the answer timed out or broke off, or the server failed (5xx)."""


class UnexpectedAnswer(Unreachable):
    """The server answered with something that the API never sends: a redirect, another content type, broken JSON."""

    code = "unexpected-answer"


def unexpected(
    message: str, headers: Mapping[str, str], *, writes: bool, token: SecretStr | None = None
) -> UnexpectedAnswer:
    """Return the error for an answer that was carried out, perhaps, but cannot be used."""
    failure = UnexpectedAnswer(safe(message, token), cf_ray=_header(headers, "cf-ray", token))
    failure.sent = True
    failure.maybe_applied = writes
    return failure


def from_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, where: str, writes: bool, token: SecretStr | None = None
) -> BmError:
    """Return the error that an answer outside of 2xx stands for.

    Args:
        status: The HTTP status.
        headers: The answer's headers, in any case that the mapping understands in lower case.
        body: As much of the body as arrived, decoded from its transfer form.
        where: Method and path, for people.
        writes: Whether the request was to change something.
        token: What to take out of messages, should a server echo it.
    """
    details = _Details(headers, body)
    said = safe(details.message, token) if details.message else ""
    told = f": {said}" if said else ""
    hint: str | None = None
    kind: type[BmError]
    if 300 <= status < 400:
        kind, message = UnexpectedAnswer, f"Back Market answered {where} with a redirect ({status})."
        hint = "Check base_url."
    elif status == 401:
        kind, message = Unauthorised, f"Back Market does not know the token{told}"
        hint = "Store the right one: bmconsole auth set"
    elif status == 403 and details.firewall:
        kind, message = FirewallBlocked, "The firewall in front of Back Market refused the request."
        hint = "Check user_agent; tell Back Market's support the cf-ray if it stays so."
    elif status == 403:
        kind, message = NotAllowed, f"Back Market does not allow {where}{told}"
    elif status == 404:
        kind, message = NotFound, f"Back Market has no {where.partition(' ')[2]}{told}"
    elif status == 429:
        kind, message = RateLimited, f"Back Market refuses more requests for now{told}"
    elif status in (408, 425) or status >= 500:
        kind, message = NoAnswer, f"Back Market failed to answer {where} ({status}){told}"
    else:
        kind, message = Refused, f"Back Market refused {where} ({status}){told}"
    failure = kind(
        message,
        field=safe(details.field, token) if details.field and kind is Refused else None,
        hint=hint,
        request_id=safe(details.request_id, token, 100) if details.request_id else None,
        cf_ray=_header(headers, "cf-ray", token),
    )
    if isinstance(failure, Unreachable):
        failure.sent = True
        failure.maybe_applied = writes and kind in (NoAnswer, UnexpectedAnswer)
    return failure


class _Details:
    """What people can use of an answer's body."""

    def __init__(self, headers: Mapping[str, str], body: bytes) -> None:
        kind = headers.get("content-type", "").lower()
        self.message: str | None = None
        self.field: str | None = None
        self.request_id: str | None = headers.get("x-request-id")
        self.firewall = "cf-mitigated" in headers
        if not body.strip():
            return
        try:
            data = wirejson.loads(body)
        except ValueError:
            # Pages are the firewall's or a proxy's; nothing in them is meant for an operator.
            self.firewall = self.firewall or "json" not in kind or body.lstrip().startswith(b"<")
            return
        self.firewall = self.firewall or "html" in kind
        if isinstance(data, str):
            self.message = data
        elif isinstance(data, dict):
            self._read(data)

    def _read(self, data: dict[str, object]) -> None:
        found = list(_complaints(data))
        self.firewall = self.firewall or any(code == "bot-need-challenge" for code, _, _ in found)
        texts: list[str] = []
        for code, message, field in found:
            text = message or code
            if text and field and field not in text:
                text = f"{field}: {text}"
            if text and text not in texts:
                texts.append(text)
            self.field = self.field or field
        self.message = "; ".join(texts[:_MOST_MESSAGES]) or None
        if len(texts) > _MOST_MESSAGES:
            self.message = f"{self.message}; and {len(texts) - _MOST_MESSAGES} more"
        for key in ("requestId", "request_id"):
            if isinstance(data.get(key), str):
                self.request_id = str(data[key])


def _complaints(data: dict[str, object]) -> Iterator[tuple[str | None, str | None, str | None]]:
    """Yield code, message and field of each complaint in an error body, the particular before the general."""
    errors = data.get("errors")
    for item in errors if isinstance(errors, list) else []:
        if isinstance(item, str):
            yield None, item, None
        elif isinstance(item, dict):
            yield _complaint(item)
    error = data.get("error")
    if isinstance(error, dict):
        yield _complaint(error)
    elif isinstance(error, str):
        yield None, error, None
    detail = data.get("detail")
    if isinstance(detail, list):
        yield from (_complaint(item) for item in detail if isinstance(item, dict))
    elif any(isinstance(data.get(key), str) for key in ("detail", "message")):
        yield _complaint(data)
    elif not errors and not error and isinstance(data.get("title"), str):
        yield None, str(data["title"]), None


def _complaint(item: dict[str, object]) -> tuple[str | None, str | None, str | None]:
    code = item.get("code")
    message = next((item[key] for key in ("message", "detail", "msg", "title") if isinstance(item.get(key), str)), None)
    field = next((item[key] for key in ("target", "field", "name") if isinstance(item.get(key), str)), None)
    place = item.get("loc")
    if field is None and isinstance(place, list):
        field = ".".join(str(part) for part in place if isinstance(part, str | int))
    return (
        str(code) if isinstance(code, str | int) else None,
        str(message) if message else None,
        str(field) if field else None,
    )


def _header(headers: Mapping[str, str], name: str, token: SecretStr | None) -> str | None:
    value = headers.get(name)
    return clean(without_token(value, token), limit=100) if value else None


def without_token(text: str, token: SecretStr | None) -> str:
    """Return `text` without the token, should a server have sent it back."""
    secret = token.get_secret_value() if token is not None else ""
    return text.replace(secret, "…") if secret else text


def safe(text: str, token: SecretStr | None, limit: int = 300) -> str:
    """Return remote text fit to be shown: cleaned, without the token, mail addresses and phone numbers."""
    text = without_token(text, token)
    return clean(_PHONE.sub("…", _MAIL.sub("…", text[: limit * 20])), limit=limit)
