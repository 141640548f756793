"""The door of the sandbox: what every request passes before the API sees it, and every answer on its way out.

In this order: the network (faults on arrival), the arrival's stamp, the firewall, the rate rules, the token, faults,
the API, faults on the answer, the journal, the `Date` header.
"""

import asyncio
import json
import re
from collections.abc import Callable
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answers import firewall_page, v1
from .faults import Dropped, Fault, Faults, Slowly
from .journal import Journal, Seen
from .limits import Limiter, charges
from .shop import Shop

CONTROL = "/_sandbox"
_USER_AGENT = re.compile(r"BM-[^;\s]+-[^;]+;\s*\S+@\S+")
_LONGEST_KEPT_BODY = 20_000
_ID = re.compile(r"/(?:\d+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27})(?=/|$)")


class Disconnected(Exception):
    """The client went away before its request was complete."""


def route_of(path: str) -> str:
    """Return a path with its ids replaced, as the journal counts it."""
    return _ID.sub("/{id}", path)


class Gate:
    """The ASGI application around the API.

    Args:
        app: The API and the control endpoints.
        shop: Whose clock and markets count.
        limiter: The rate rules.
        faults: What goes wrong.
        journal: Where requests are noted.
        drop: Breaks the connection that a scope came on, by a reset if so told.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        shop: Shop,
        limiter: Limiter,
        faults: Faults,
        journal: Journal,
        drop: Callable[[Scope, bool], None],
    ) -> None:
        self._app = app
        self._shop = shop
        self._clock = shop.clock
        self._limiter = limiter
        self._faults = faults
        self._journal = journal
        self._drop = drop
        self._authorization = f"Basic {shop.options.the_token}"
        self.closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the sandbox speaks HTTP only, not {scope['type']}")
        try:
            if scope["path"].startswith(CONTROL):
                body = await _whole_body(receive)
                await self._send(send, await self._api(scope, body))
            else:
                await self._exchange(scope, receive, send)
        except Disconnected:
            return
        except asyncio.CancelledError:
            # The server is going down and has dropped the connection: there is nobody left to answer.
            if not self.closing:
                raise

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        striking = self._faults.striking(method, path)
        for fault in striking:
            await fault.on_arrival(self._clock)
        body = await _whole_body(receive)
        at = self._clock.monotonic()
        request = Request(scope)
        market = self._shop.market_of(request.headers.get("accept-language"))

        executed: int | None = None
        refused_by: str | None = None
        dropped: Dropped | None = None
        response = self._firewall(request)
        if response is None:
            refused_by = self._admit(request, body, market, at)
            response = self._refusal(refused_by) if refused_by else self._authenticate(request)
        try:
            if response is None:
                response = await self._before(striking)
                if response is None:
                    response = await self._api(_as_asked(scope, striking), body)
                    executed = response.status_code
                for fault in striking:
                    response = await fault.after(self._clock, response)
        except Dropped as broken:
            dropped = broken
        status = 0 if dropped is not None or response is None else response.status_code
        seen = Seen(at, method, path, scope["query_string"].decode("latin-1"), market, status)
        kept = _kept(body) if method not in {"GET", "HEAD"} else None
        self._journal.answered(seen, route_of(path), body=kept, executed=executed, refused_by=refused_by)
        if dropped is not None:
            await self._break(scope, receive, send, dropped)
        elif response is not None:
            await self._send(send, response)

    def _firewall(self, request: Request) -> Response | None:
        if _USER_AGENT.match(request.headers.get("user-agent", "")):
            return None
        return firewall_page()

    def _admit(self, request: Request, body: bytes, market: str, at: float) -> str | None:
        token = request.headers.get("authorization", "")
        wanted = charges(request.method, request.url.path, market, _catalogue_lines(request, body))
        self._journal.arrived(token, wanted, at)
        return self._limiter.admit(token, wanted, at)

    def _refusal(self, rule: str) -> Response:
        return v1(429, self._limiter.rules[rule].code, "Too many requests", data={"rule": rule})

    def _authenticate(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == self._authorization:
            return None
        return v1(401, "unauthorized", "Invalid token", target="Authorization")

    async def _before(self, striking: list[Fault]) -> Response | None:
        for fault in striking:
            if (response := await fault.before(self._clock)) is not None:
                return response
        return None

    async def _api(self, scope: Scope, body: bytes) -> Response:
        """Return the routed application's answer."""
        start: Message = {}
        parts: list[bytes] = []
        unread = [body]

        async def receive() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, send)
        response = Response(b"".join(parts), start["status"])
        response.raw_headers = list(start["headers"])
        return response

    async def _send(self, send: Send, response: Response) -> None:
        await send(self._start(response))
        body = bytes(response.body)
        if isinstance(response, Slowly):
            size = -(-len(body) // response.parts) or 1
            for start in range(0, len(body), size):
                await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
                await self._clock.sleep(response.seconds)
            body = b""
        await send({"type": "http.response.body", "body": body})

    def _start(self, response: Response) -> Message:
        date = format_datetime(self._clock.now(), usegmt=True).encode()
        headers = [*response.raw_headers, (b"date", date)]
        return {"type": "http.response.start", "status": response.status_code, "headers": headers}

    async def _break(self, scope: Scope, receive: Receive, send: Send, dropped: Dropped) -> None:
        partial = dropped.partial
        if partial is not None and len(partial.body) > 1:
            await send(self._start(partial))
            half = bytes(partial.body)[: len(partial.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        self._drop(scope, dropped.reset)
        # The protocol learns of the broken connection in the loop's next round; an answer is no longer missing then.
        while not await _gone(receive):
            pass


def _as_asked(scope: Scope, striking: list[Fault]) -> Scope:
    query = scope["query_string"]
    for fault in striking:
        query = fault.asked(query)
    return {**scope, "query_string": query}


async def _gone(receive: Receive) -> bool:
    kind: str = (await receive())["type"]
    return kind == "http.disconnect"


async def _whole_body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _catalogue_lines(request: Request, body: bytes) -> int:
    """Return how many lines a listing write counts for: one, or those of its catalogue below the heading."""
    if request.method != "POST" or request.url.path.rstrip("/") != "/ws/listings":
        return 1
    try:
        catalogue = json.loads(body)["catalog"]
    except (ValueError, KeyError, TypeError):
        return 1
    return max(1, len(str(catalogue).strip().splitlines()) - 1)


def _kept(body: bytes) -> object:
    """Return a body as the journal keeps it: JSON as its value, else the start of its text."""
    if len(body) <= _LONGEST_KEPT_BODY:
        try:
            value: object = json.loads(body)
        except (ValueError, RecursionError):
            return body.decode("utf-8", "replace")
        return value
    return body[:_LONGEST_KEPT_BODY].decode("utf-8", "replace")
