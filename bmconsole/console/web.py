"""The console in a browser of this machine: textual-serve, reached only with the token that its address carries.

textual-serve lets everybody in who reaches its port, and prints tracebacks with local values. Here the page, its files
and its socket are given only to who has the token (once in the address, from then on in a cookie), whose Host is this
machine's, and whose Origin is the page itself: other pages in the same browser reach neither.
"""

import asyncio
import logging
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from hmac import compare_digest
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from rich.console import Console

from bmconsole.errors import PortTaken, UsageError

HOST = "127.0.0.1"
POLICY = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
"""What the page may load: textual-serve's asks a host of fonts, which would learn when the console is looked at."""
REFUSED = "This page needs the address that “bmconsole serve” printed, with its token.\n"


class Served:
    """A server on loopback; `address` has the token in it."""

    def __init__(self, command: Sequence[str], port: int, title: str) -> None:
        """Take the port.

        Raises:
            UsageError: The extra `serve` is not installed.
            PortTaken: The port is in use.
        """
        if find_spec("textual_serve") is None:
            raise UsageError("The extra “serve” is not installed.", hint="pip install 'bmconsole[serve]'")
        self._socket = _taken(port)
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        self.origin = f"http://{HOST}:{self.port}"
        self._command, self._title = shlex.join(command), title

    @property
    def address(self) -> str:
        return f"{self.origin}/?token={self.token}"

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until it is cancelled; `ready` is called once it does."""
        web: Any = import_module("aiohttp.web")  # an extra, which may be missing where types are checked
        runner = web.AppRunner(await self._app(web), access_log=None)
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket).start()
            ready()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _app(self, web: Any) -> Any:
        server = import_module("textual_serve.server").Server(
            self._command, host=HOST, port=self.port, title=self._title, public_url=self.origin
        )
        # It greets on stdout, and its log has local values.
        server.console = Console(quiet=True)
        log = logging.getLogger("textual-serve")
        log.addHandler(logging.NullHandler())
        log.propagate = False
        app = await server._make_app()
        app.middlewares.append(web.middleware(self._guard(web)))
        return app

    def _guard(self, web: Any) -> Callable[[Any, Callable[[Any], Awaitable[Any]]], Awaitable[Any]]:
        cookie = f"bmconsole-{self.port}"

        async def guard(request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
            given = request.query.get("token") or request.cookies.get(cookie, "")
            known = compare_digest(given.encode(), self.token.encode())
            if not known or request.host not in (f"{HOST}:{self.port}", f"localhost:{self.port}"):
                return web.Response(status=403, text=REFUSED)
            if request.path == "/ws" and request.headers.get("Origin", self.origin) != self.origin:
                return web.Response(status=403, text=REFUSED)
            response = await handler(request)
            if request.path == "/":
                response.set_cookie(cookie, self.token, httponly=True, samesite="Strict", path="/")
                response.headers["Cache-Control"] = "no-store"
                response.headers["Referrer-Policy"] = "no-referrer"
                response.headers["X-Frame-Options"] = "DENY"
                response.headers["Content-Security-Policy"] = POLICY
            return response

        return guard


def console_command(profile: str, *, read_only: bool) -> list[str]:
    """Return the command that a page runs."""
    return [sys.executable, "-m", "bmconsole", "--profile", profile, *(["--read-only"] if read_only else [])]


def _taken(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise PortTaken(f"Port {port} is taken.", field="port", value=str(port), hint="Name another one.") from error
    return found
