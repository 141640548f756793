"""The HTTP client of the seller API: headers, bounded and checked JSON, retries of reads, the server's clock."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx
import stamina
from pydantic import SecretStr
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from bmconsole.backmarket import wirejson
from bmconsole.backmarket.failures import NoAnswer, UnexpectedAnswer, from_answer, unexpected
from bmconsole.backmarket.guard import GuardTransport, check_user_agent, network_transport
from bmconsole.backmarket.outages import from_transport
from bmconsole.domain.priority import Priority
from bmconsole.errors import Unreachable
from bmconsole.hosts import check_base_url

__all__ = ["Answer", "Client", "GuardTransport", "UnexpectedAnswer", "network_transport"]

_log = logging.getLogger(__name__)

MOST_BYTES = 32 * 1024 * 1024
_MOST_ERROR_BYTES = 256 * 1024
_TELLING = 16
"""Characters from which on a token cannot be a word of an answer by chance."""

Params = Mapping[str, str | int]


def _note_retry(details: RetryDetails) -> None:
    _log.info("read is tried again in %.1f s: %s", details.wait_for, details.caused_by)


# stamina's own hooks warn, which without any logging set up lands on a command's stderr.
set_on_retry_hooks([_note_retry])


@dataclass(frozen=True, slots=True)
class Answer:
    """A usable answer: `data` as JSON with Decimals (None for a write's empty body), the server's `Date` in UTC."""

    data: object
    server_date: datetime | None
    status: int


class Client:
    """Asks one Back Market host on behalf of one seller. Use it in one event loop; close it.

    Args:
        base_url: The host, checked by `check_base_url`.
        token: Only to keep it out of messages, should a server echo it; what sends it is the guard in `transport`.
        user_agent: What Back Market requires as User-Agent.
        market: The market of requests that name none (`fr-fr`).
        transport: What sends: limits around the guard around the network. The client closes it.
        allow_host: Accept a host that is not Back Market's.
        timeout: Seconds for each step of an exchange, and for a whole body.
        attempts: How often a GET is tried in all.
        retry_wait: Seconds before the second try, doubling; up to `retry_jitter` more at random.
        retry_jitter: See `retry_wait`.
        monotonic: The timer, in seconds.
        wall: The local clock, used until the server has told the time.

    Raises:
        SettingsError: The address or the user agent cannot be used.
    """

    def __init__(
        self,
        *,
        base_url: str,
        token: str | SecretStr,
        user_agent: str,
        market: str,
        transport: httpx.AsyncBaseTransport,
        allow_host: bool = False,
        timeout: float = 30.0,
        attempts: int = 3,
        retry_wait: float = 0.5,
        retry_jitter: float = 0.5,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        check_user_agent(user_agent)
        self.base_url = check_base_url(base_url, allow_host=allow_host)
        self.market = market
        self._token = token if isinstance(token, SecretStr) else SecretStr(token)
        self._timeout = timeout
        self._retries = (attempts, retry_wait, retry_jitter)
        self._monotonic = monotonic
        self._wall = wall
        self._seen: tuple[datetime, float] | None = None
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            # Waiting for a connection of the pool is waiting for our own requests: the limits bound it.
            timeout=httpx.Timeout(timeout, pool=None),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "Content-Type": "application/json",
                "User-Agent": user_agent,
            },
        )

    def __repr__(self) -> str:
        return f"Client({self.base_url})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, and the transport that was given."""
        await self._http.aclose()

    def server_now(self) -> datetime:
        """Return the server's clock, carried on from its latest `Date`; the local one before the first answer."""
        if self._seen is None:
            return self._wall()
        date, then = self._seen
        return date + timedelta(seconds=self._monotonic() - then)

    async def get_json(
        self,
        path: str,
        *,
        params: Params | None = None,
        market: str | None = None,
        priority: Priority = Priority.NORMAL,
        deadline: float | None = None,
    ) -> Answer:
        """Read `path` (with its leading slash); a failed connection or a 5xx is tried again.

        `deadline` is handed to the transport: the time on the event loop's clock, in seconds, after which the request
        is no longer worth sending.

        Raises:
            BmError: As `failures` tells them apart; NotFound for a 404.
        """
        attempts, wait, jitter = self._retries
        request = self._build("GET", path, params, None, market, {"priority": priority, "deadline": deadline})
        async for attempt in stamina.retry_context(
            on=NoAnswer, attempts=attempts, timeout=None, wait_initial=wait, wait_max=8 * wait, wait_jitter=jitter
        ):
            with attempt:
                return await self._send(request, writes=False)
        raise AssertionError("stamina ends by an answer or an error")

    async def post_json(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        market: str | None = None,
        priority: Priority,
        sku_lines: int | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """Send a write, once. `sku_lines` is how many lines of the hourly allowance for listings it takes.

        `deadline` is as for `get_json`: a write that waited too long for its turn is based on a read that is too old.

        Raises:
            BmError: As `failures` tells them apart; `maybe_applied` on it tells that only a read can say what happened.
        """
        extensions = {"priority": priority, "sku_lines": sku_lines, "deadline": deadline}
        return await self._write("POST", path, body, market, extensions)

    async def patch_json(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        market: str | None = None,
        priority: Priority,
        deadline: float | None = None,
    ) -> Answer:
        """Send a write, once; as `post_json`."""
        return await self._write("PATCH", path, body, market, {"priority": priority, "deadline": deadline})

    async def post_file(
        self, path: str, field: str, *, name: str, content: bytes, kind: str, priority: Priority
    ) -> Answer:
        """Send a file of media type `kind` as the multipart field `field`, once; as `post_json`."""
        form = httpx.Request("POST", self.base_url, files={field: (name, content, kind)})
        headers = {"Content-Type": form.headers["content-type"]}
        request = self._build("POST", path, None, form.read(), None, {"priority": priority}, headers)
        return await self._send(request, writes=True)

    async def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, object],
        market: str | None,
        extensions: Mapping[str, object],
    ) -> Answer:
        content = wirejson.dumps(dict(body)).encode("ascii")
        return await self._send(self._build(method, path, None, content, market, extensions), writes=True)

    def _build(
        self,
        method: str,
        path: str,
        params: Params | None,
        content: bytes | None,
        market: str | None,
        extensions: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        return self._http.build_request(
            method,
            path,
            params=dict(params) if params else None,
            content=content,
            headers={"Accept-Language": market or self.market, **(headers or {})},
            extensions={name: value for name, value in extensions.items() if value is not None},
        )

    async def _send(self, request: httpx.Request, *, writes: bool) -> Answer:
        try:
            response = await self._http.send(request, stream=True)
            try:
                return await self._read(response, writes=writes)
            finally:
                await response.aclose()
        except httpx.DecodingError:
            failure: Unreachable = unexpected("Back Market's answer cannot be unpacked.", {}, writes=writes)
        except httpx.RequestError as error:
            failure = from_transport(error, writes=writes, token=self._token)
        # Raised out here so that no chain of exceptions leads to frames that hold the signed request.
        raise failure

    async def _read(self, response: httpx.Response, *, writes: bool) -> Answer:
        date = self._note_date(response.headers)
        status, headers = response.status_code, response.headers
        where = f"{response.request.method} {response.request.url.path}"
        if not response.is_success:
            body = await self._complaint(response)
            raise from_answer(status, headers, body, where=where, writes=writes, token=self._token)
        body = self._without_token(await self._body(response, writes=writes))
        if not body.strip() and writes:
            return Answer(None, date, status)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            named = kind or "nothing named"
            raise unexpected(
                f"Back Market answered {where} with {named} instead of JSON.", headers, writes=writes, token=self._token
            )
        try:
            return Answer(wirejson.loads(body), date, status)
        except ValueError:
            message = f"Back Market answered {where} with JSON that cannot be read."
            raise unexpected(message, headers, writes=writes, token=self._token) from None

    def _without_token(self, body: bytes) -> bytes:
        """Return an answer without the token, should it hold it: what is stored of an answer is stored as it came."""
        secret = self._token.get_secret_value().encode()
        return body.replace(secret, b"") if len(secret) >= _TELLING and secret in body else body

    async def _body(self, response: httpx.Response, *, writes: bool) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._timeout):
                async for part in response.aiter_bytes():
                    size += len(part)
                    if size > MOST_BYTES:
                        message = f"Back Market's answer is larger than {MOST_BYTES // 1024**2} MiB."
                        raise unexpected(message, response.headers, writes=writes, token=self._token)
                    parts.append(part)
        except TimeoutError as error:
            raise from_transport(error, writes=writes) from None
        return b"".join(parts)

    async def _complaint(self, response: httpx.Response) -> bytes:
        """Return what can be had of an error's body; its status counts even when the body breaks off."""
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._timeout):
                async for part in response.aiter_bytes():
                    size += len(part)
                    if size <= _MOST_ERROR_BYTES:
                        parts.append(part)
        except (TimeoutError, httpx.RequestError):
            return b"".join(parts)
        return b"".join(parts)

    def _note_date(self, headers: httpx.Headers) -> datetime | None:
        try:
            date = parsedate_to_datetime(headers["date"])
            date = date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
        except (KeyError, ValueError, OverflowError):
            return None
        self._seen = (date, self._monotonic())
        return date
