"""The sandbox on the network: loopback only, inside an event loop."""

import asyncio
import contextlib
import logging
import socket
import struct
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from .api import Api, application
from .control import Control
from .faults import Faults
from .gate import Gate
from .journal import Journal
from .limits import Limiter
from .live import Live
from .options import Options
from .process import listening_socket, url_of
from .shop import Shop

_GRACE = 0.4  # seconds that requests in flight get when the server goes down


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that listens, with everything inside it. Its objects belong to the thread that runs it."""

    url: str
    token: str
    shop: Shop
    journal: Journal
    limiter: Limiter
    faults: Faults
    live: Live


class _Connections:
    """The open connections by their peer's address, so that a fault can break the one that a request came on."""

    def __init__(self) -> None:
        self._transports: dict[object, asyncio.Transport] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def opened(self, transport: asyncio.Transport) -> None:
        self._transports[transport.get_extra_info("peername")] = transport
        self._empty.clear()

    def closed(self, transport: asyncio.Transport) -> None:
        self._transports.pop(transport.get_extra_info("peername"), None)
        if not self._transports:
            self._empty.set()

    def drop(self, scope: Scope, reset: bool) -> None:
        if (transport := self._transports.get(tuple(scope["client"]))) is not None:
            if reset:
                # A lingering time of 0 makes the system send RST where it would have sent FIN.
                lingering = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
            transport.abort()

    def drop_all(self) -> None:
        for transport in list(self._transports.values()):
            transport.abort()

    async def none_left(self) -> None:
        """Return once the last connection is closed."""
        await self._empty.wait()


def _protocol(connections: _Connections) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, whichever parser is installed, keeping `connections` up to date."""

    class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # chosen by uvicorn at run time
        def connection_made(self, transport: asyncio.Transport) -> None:
            self._opened = transport
            connections.opened(transport)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self._opened)
            super().connection_lost(exc)

    return Protocol


class _Server(uvicorn.Server):
    """uvicorn, but its owner decides when it ends, and the end is quick."""

    def __init__(self, config: uvicorn.Config, gate: Gate, connections: _Connections) -> None:
        super().__init__(config)
        self.stop = asyncio.Event()
        self.listening = asyncio.Event()
        self._gate = gate
        self._open = connections

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        await self.stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._open.none_left(), _GRACE)
        self._gate.closing = True
        self._open.drop_all()
        await asyncio.sleep(0)
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self.servers:
            await server.wait_closed()


@contextlib.asynccontextmanager
async def running(options: Options | None = None, bound: socket.socket | None = None) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox in the current event loop.

    Example:
        >>> async with running(Options(seed=7, orders=100)) as sandbox:  # doctest: +SKIP
        ...     await client.get(sandbox.url + "/ws/orders")
        ...     assert sandbox.journal.count("GET", "/ws/orders") == 1

    Args:
        options: The shop and the port.
        bound: A socket to serve on, instead of one for the port; it is closed at the end.

    Raises:
        PortInUse: Another process listens on the port.
    """
    options = options or Options()
    bound = bound or listening_socket(options.port)
    try:
        shop = Shop(options)
        limiter, faults, journal = Limiter(options.limits), Faults(), Journal()
        connections, live = _Connections(), Live(shop, options.live)
        app = application([*Api(shop).routes(), *Control(shop, limiter, faults, journal, live).routes()])
        gate = Gate(app, shop=shop, limiter=limiter, faults=faults, journal=journal, drop=connections.drop)
        # The level of a logger is the process's: faults of the sandbox itself still show, its comings and goings don't.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        config = uvicorn.Config(
            gate,
            http=_protocol(connections),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            date_header=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=120,
        )
        server = _Server(config, gate, connections)
        serving = asyncio.ensure_future(server.serve([bound]))
        try:
            listening = asyncio.ensure_future(server.listening.wait())
            await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                listening.cancel()
                serving.result()
            living = asyncio.ensure_future(live.run())
            try:
                yield RunningSandbox(url_of(bound), options.the_token, shop, journal, limiter, faults, live)
            finally:
                living.cancel()
                await asyncio.gather(living, return_exceptions=True)
        finally:
            server.stop.set()
            await serving
    finally:
        bound.close()


@contextlib.contextmanager
def running_in_thread(options: Options | None = None) -> Iterator[RunningSandbox]:
    """Run a sandbox in a thread of its own, for tests of code that runs its own event loop.

    Raises:
        PortInUse: Another process listens on the port.
    """
    ready: list[RunningSandbox] = []
    failed: list[BaseException] = []
    up = threading.Event()
    stop: list[Callable[[], object]] = []

    async def run() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set))
        async with running(options) as sandbox:
            ready.append(sandbox)
            up.set()
            await ended.wait()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # raised in the thread that waits
            failed.append(error)
        finally:
            up.set()

    thread = threading.Thread(target=main, name="sandbox")
    thread.start()
    up.wait()
    try:
        if ready:
            yield ready[0]
    finally:
        if ready:
            with contextlib.suppress(RuntimeError):  # it broke down meanwhile, which is raised below
                stop[0]()
        thread.join()
    if failed:
        raise failed[0]
