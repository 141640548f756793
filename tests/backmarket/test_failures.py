"""Every shape in which the API, or what stands in front of it, says no."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bmconsole.backmarket.failures import NoAnswer, UnexpectedAnswer, from_answer
from bmconsole.backmarket.outages import from_transport
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

WHERE = "POST /ws/listings/5"
HTML = b"<!DOCTYPE html><html><body>Access denied: error 1010, visitor ana@example.com</body></html>"
CHALLENGE = {"errors": [{"code": "bot-need-challenge", "message": "Forbidden", "challengePath": "/x"}]}


def failure(
    status: int,
    body: object = None,
    *,
    raw: bytes | None = None,
    kind: str = "application/json",
    headers: dict[str, str] | None = None,
    token: str = "",
) -> BmError:
    content = raw if raw is not None else json.dumps(body).encode()
    named = httpx.Headers({"content-type": kind} | (headers or {}))
    return from_answer(status, named, content, where=WHERE, writes=True, token=SecretStr(token))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"code": "E009", "message": "bad order id"}, "requestId": "r-1"}, "bad order id"),
        ({"error": {"code": "E009", "message": ""}}, "E009"),
        ({"errors": [{"code": "a", "message": "first"}, {"code": "b", "message": "second"}]}, "first; second"),
        ({"error": {"code": "x", "message": "told"}, "status": 400, "title": "t", "type": "/p"}, "told"),
        ({"errors": [{"field": "price", "message": "too low"}], "status": 422, "title": "Invalid"}, "price: too low"),
        ({"type": "/p", "title": "Bad", "status": 400, "detail": "what is wrong", "instance": "/i"}, "what is wrong"),
        ({"type": "/p", "title": "Only a title", "status": 400}, "Only a title"),
        ({"detail": [{"loc": ["path", "id"], "msg": "not a uuid", "type": "t"}]}, "path.id: not a uuid"),
        ({"error": "sku not found"}, "sku not found"),
        ({"message": "sku not found"}, "sku not found"),
        ({"errors": ["one", "two", "three", "four"]}, "one; two; three; and 1 more"),
        ("parameter catalog not found", "parameter catalog not found"),
    ],
)
def test_every_shape_of_a_refusal_is_understood(body: object, said: str) -> None:
    error = failure(400, body)
    assert type(error) is Refused
    assert error.exit == 1
    assert error.message == f"Back Market refused POST /ws/listings/5 (400): {said}"


@pytest.mark.parametrize(
    "raw", [b"", b"  ", b"[]", b"7", b"null", b"{", b"<html>", b'{"sku": ["Ana Lima"]}', b"\xff\xfe"]
)
def test_a_refusal_without_a_reason_is_one_too(raw: bytes) -> None:
    assert failure(400, raw=raw).message == "Back Market refused POST /ws/listings/5 (400)"


def test_what_support_asks_for_is_kept() -> None:
    headers = {"cf-ray": "8f00aa-CDG"}
    error = failure(
        400, {"error": {"code": "x", "message": "m", "target": "price"}, "requestId": "r-1"}, headers=headers
    )
    assert (error.request_id, error.cf_ray, error.field) == ("r-1", "8f00aa-CDG", "price")
    assert "requestId r-1" in error.line()
    assert "cf-ray 8f00aa-CDG" in error.line()
    assert failure(500, raw=b"", headers={"x-request-id": "r-2"}).request_id == "r-2"


@pytest.mark.parametrize(
    ("status", "kind", "exit_code", "maybe_applied"),
    [
        (301, UnexpectedAnswer, 4, True),
        (400, Refused, 1, False),
        (401, Unauthorised, 3, False),
        (403, NotAllowed, 3, False),
        (404, NotFound, 1, False),
        (405, Refused, 1, False),
        (408, NoAnswer, 4, True),
        (413, Refused, 1, False),
        (422, Refused, 1, False),
        (429, RateLimited, 4, False),
        (500, NoAnswer, 4, True),
        (502, NoAnswer, 4, True),
        (504, NoAnswer, 4, True),
        (520, NoAnswer, 4, True),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[BmError], exit_code: int, maybe_applied: bool) -> None:
    error = failure(status, {"error": {"code": "c", "message": "m"}})
    assert type(error) is kind
    assert error.exit == exit_code
    assert getattr(error, "maybe_applied", False) is maybe_applied


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (HTML, "text/html; charset=UTF-8"),
        (HTML, "application/json"),
        (b"error code: 1010", "text/plain"),
        (json.dumps(CHALLENGE).encode(), "application/json"),
    ],
)
def test_the_firewall_is_told_from_the_api(raw: bytes, kind: str) -> None:
    error = failure(403, raw=raw, kind=kind, headers={"cf-ray": "8f00aa-CDG"})
    assert type(error) is FirewallBlocked
    assert (error.exit, error.cf_ray) == (4, "8f00aa-CDG")
    assert isinstance(error, Unreachable)
    assert error.sent
    assert not error.maybe_applied
    assert "ana@example.com" not in error.line()


def test_a_403_of_the_api_is_about_rights_even_without_a_body() -> None:
    assert type(failure(403, raw=b"", kind="")) is NotAllowed
    assert type(failure(403, {"error": {"code": "x", "message": "not a merchant"}})) is NotAllowed
    assert type(failure(403, raw=b"", headers={"cf-mitigated": "challenge"})) is FirewallBlocked


def test_a_wrong_token_says_what_to_do() -> None:
    assert "bmconsole auth set" in failure(401, raw=HTML, kind="text/html").line()


def test_messages_are_fit_for_a_terminal_and_hold_no_buyer() -> None:
    said = "\x1b]52;c;x\x07 mail ana.lima@example.co.uk or +33 6 12 34 56 78, sku IPHONE-1, imei 356938035643809\u202e"
    error = failure(
        400, {"error": {"code": "x", "message": said, "data": {"name": "Ana Lima"}}, "requestId": "\x1b[2J"}
    )
    assert "ana.lima" not in error.message
    assert "12 34" not in error.message
    assert "Ana Lima" not in error.line()
    assert "IPHONE-1" in error.message
    assert "356938035643809" in error.message
    assert clean(error.line()) == error.line()
    assert len(failure(400, "x" * 100_000).message) < 400


@given(st.integers(300, 599).filter(lambda status: status != 304), st.binary(max_size=200) | st.text().map(str.encode))
def test_no_answer_is_without_its_error(status: int, raw: bytes) -> None:
    error = failure(status, raw=raw)
    assert clean(error.line()) == error.line()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "errors", "detail", "message", "code", "title", "loc"]), inner)
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from([400, 401, 403, 404, 429, 500]))
def test_no_shape_of_a_body_breaks_the_reader(body: object, status: int) -> None:
    assert isinstance(failure(status, body, token="tok"), BmError)


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), False),
        (httpx.ConnectTimeout(""), False),
        (httpx.PoolTimeout(""), False),
        (httpx.ReadError("reset"), True),
        (httpx.WriteError("broken pipe"), True),
        (httpx.WriteTimeout(""), True),
        (httpx.ReadTimeout(""), True),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), True),
        (TimeoutError(), True),
    ],
)
def test_a_broken_exchange_tells_whether_anything_was_sent(
    error: httpx.RequestError | TimeoutError, sent: bool
) -> None:
    write, read = from_transport(error, writes=True), from_transport(error, writes=False)
    assert (write.sent, write.maybe_applied) == (sent, sent)
    assert (read.sent, read.maybe_applied) == (sent, False)
    assert str(error) in write.message
