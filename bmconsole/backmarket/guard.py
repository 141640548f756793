"""The last step before the wire: the only holder of the token, which it gives to one host and no other."""

import asyncio
import ssl

import httpx
from pydantic import SecretStr

from bmconsole.errors import SettingsError
from bmconsole.hosts import is_loopback

MAX_CONNECTIONS = 24
"""More than 200 requests in 10 s need at the usual half second each, with room for slow ones."""


class GuardTransport(httpx.AsyncBaseTransport):
    """Sends requests for exactly one scheme, host and port, and adds the token to them, and to nothing else.

    The request that goes in is left as it is: the token is in a copy, so that no exception, response or log record of a
    layer above can hold it.

    Args:
        inner: What talks to the network.
        base_url: A checked address (`check_base_url`).
        token: The token as the back office shows it; sent as it is behind `Basic`.
        user_agent: What Back Market requires as User-Agent.
        patience: Seconds until the head of the answer must have come, however slowly it drips in.

    Raises:
        SettingsError: The token or the user agent cannot be sent in a header.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        base_url: str,
        token: str | SecretStr,
        user_agent: str,
        *,
        patience: float = 60.0,
    ) -> None:
        secret = token.get_secret_value() if isinstance(token, SecretStr) else token
        if not secret or not _fits_header(secret):
            raise SettingsError("The token is empty or holds characters that no token has.", field="token")
        check_user_agent(user_agent)
        self._inner = inner
        self._origin = _origin(httpx.URL(base_url))
        self._token = SecretStr(secret)
        self._user_agent = user_agent
        self._patience = patience

    def __repr__(self) -> str:
        scheme, host, port = self._origin
        return f"GuardTransport({scheme}://{host}:{port})"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` with the token. A redirect comes back without the address that it leads to.

        Raises:
            SettingsError: The request is for another place than the configured one; nothing was sent.
            httpx.TransportError: The exchange failed.
        """
        self._check(request)
        headers = httpx.Headers(
            [(name, value) for name, value in request.headers.raw if name.lower() != b"authorization"]
        )
        headers["User-Agent"] = self._user_agent
        headers["Authorization"] = f"Basic {self._token.get_secret_value()}"
        signed = httpx.Request(
            request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
        )
        try:
            async with asyncio.timeout(self._patience):
                response = await self._inner.handle_async_request(signed)
        except TimeoutError:
            raise httpx.ReadTimeout("the head of the answer took too long") from None
        # httpx works out where a redirect leads even when it is not to follow it, and fails over some addresses
        response.headers.pop("location", None)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _check(self, request: httpx.Request) -> None:
        url = request.url
        scheme, host, _ = origin = _origin(url)
        safe = scheme == "https" or (scheme == "http" and is_loopback(host))
        if not safe or url.userinfo or origin != self._origin or request.headers["host"] != url.netloc.decode("ascii"):
            raise SettingsError(
                "A request for another place than base_url was stopped; the token was not sent.",
                field="base_url",
                value=f"{scheme}://{host}",
            )


def network_transport(
    *,
    base_url: str,
    token: str | SecretStr,
    user_agent: str,
    timeout: float = 30.0,
    verify: ssl.SSLContext | None = None,
) -> httpx.AsyncBaseTransport:
    """Return the guarded way to the network: no proxies, certificates or logins from the environment, no redirects.

    Args:
        base_url: A checked address (`check_base_url`).
        token: The token as the back office shows it.
        user_agent: What Back Market requires as User-Agent.
        timeout: Seconds for each step of an exchange; its whole head may take twice that.
        verify: Whom to trust instead of the usual authorities; there is no way to trust everyone by a setting.
    """
    inner = httpx.AsyncHTTPTransport(
        verify=verify if verify is not None else True,
        trust_env=False,
        limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
    )
    return GuardTransport(inner, base_url, token, user_agent, patience=timeout * 2)


def check_user_agent(user_agent: str) -> None:
    """Accept a user agent that a header can carry.

    Raises:
        SettingsError: It is empty or not printable ASCII.
    """
    if not user_agent.strip() or not _fits_header(user_agent):
        raise SettingsError(
            "user_agent must be printable ASCII.",
            field="user_agent",
            value=ascii(user_agent[:100]),
            hint="Write it like BM-Company-Integration;contact@company.tld.",
        )


def _fits_header(text: str) -> bool:
    return text.isascii() and text.isprintable() and text == text.strip()


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
