"""What the API answers: JSON, and its several shapes of error, each surface with the one it is known for."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from itertools import count

from starlette.responses import Response

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def as_bytes(content: object) -> bytes:
    """Return a value as compact JSON in UTF-8."""
    return _encode(content).encode("utf-8", "replace")


def json_answer(content: object, status: int = 200, media_type: str = "application/json") -> Response:
    """Return a JSON answer."""
    return Response(as_bytes(content), status, media_type=media_type)


class Refusal(Exception):
    """The answer to a request that the API refuses; raised where the reason is found."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"HTTP {response.status_code}")
        self.response = response


_numbers = count(1)


def request_id() -> str:
    """Return an id as support asks for, another one each time."""
    digits = blake2b(b"request/%d" % next(_numbers), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _error(code: str, message: str, data: Mapping[str, object] | None, target: str | None) -> dict[str, object]:
    return {
        "code": code,
        "message": message,
        "data": dict(data or {}),
        "docLink": "https://documents.example/errors",
        "target": target or "",
    }


def v1(
    status: int, code: str, message: str, *, data: Mapping[str, object] | None = None, target: str | None = None
) -> Response:
    """Return an error of the first shape: orders, listings reads, authentication and rate limits use it."""
    body = {"error": _error(code, message, data, target), "requestId": request_id()}
    return json_answer(body, status)


def v2(status: int, *errors: tuple[str, str]) -> Response:
    """Return an error of the second shape: a list of codes and messages."""
    body = {
        "errors": [{"code": code, "message": message} for code, message in errors],
        "requestId": request_id(),
    }
    return json_answer(body, status)


def v3(status: int, code: str, title: str, message: str) -> Response:
    """Return an error of the third shape, which carries the status in the body."""
    body = {
        "error": _error(code, message, None, None),
        "status": status,
        "title": title,
        "type": code,
        "requestId": request_id(),
    }
    return json_answer(body, status, "application/problem+json")


def v3_validation(status: int, title: str, *errors: tuple[str, str]) -> Response:
    """Return the third shape's form for invalid input: a field and a message in each of `errors`."""
    body = {
        "error": _error("validation_error", title, None, None),
        "errors": [{"code": "invalid", "message": message, "target": field} for field, message in errors],
        "status": status,
        "title": title,
        "type": "validation_error",
        "requestId": request_id(),
    }
    return json_answer(body, status, "application/problem+json")


def problem(status: int, path: str, title: str, detail: str, instance: str, *errors: tuple[str, str]) -> Response:
    """Return a problem document, whose `type` is a readable path and not a URI."""
    body = {
        "type": path,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "errors": [{"target": field, "message": message} for field, message in errors],
    }
    return json_answer(body, status, "application/problem+json")


def bare(message: str, status: int = 400) -> Response:
    """Return a bare JSON string, which is how listing writes refuse."""
    return json_answer(message, status)


def nothing(status: int) -> Response:
    """Return an answer without a body."""
    return Response(b"", status)


def _ray() -> str:
    return f"{request_id().replace('-', '')[:16]}-CDG"


def firewall_page() -> Response:
    """Return the firewall's HTML page with its `cf-ray`, which comes on JSON endpoints too."""
    ray = _ray()
    page = (
        "<!DOCTYPE html><html><head><title>Access denied</title></head><body><h1>Error 1010</h1>"
        f"<p>The owner of this website has banned your access by your browser's signature.</p><p>Ray ID: {ray}</p>"
        "</body></html>"
    )
    headers = {"cf-ray": ray, "server": "cloudflare", "cache-control": "max-age=15", "x-frame-options": "SAMEORIGIN"}
    return Response(page.encode(), 403, headers=headers, media_type="text/html; charset=UTF-8")


def challenge() -> Response:
    """Return the bot management's JSON answer, with a `cf-ray` as well."""
    body = {"errors": [{"code": "bot-need-challenge", "message": "Forbidden", "challengePath": "/challenge"}]}
    response = json_answer(body, 403)
    response.headers["cf-ray"] = _ray()
    return response
