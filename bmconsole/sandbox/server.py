"""The sandbox on the network: loopback only, as a process of its own or inside a test's event loop."""

import asyncio
import contextlib
import errno
import logging
import os
import signal
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
from .shop import Shop

HOST = "127.0.0.1"
_GRACE = 0.4  # seconds that requests in flight get when the server goes down


class PortInUse(OSError):
    """Another process listens on the port. `port` names it."""

    def __init__(self, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"port {port} on {HOST} is in use")
        self.port = port


@dataclass(frozen=True, slots=True)
class Announcement:
    """Where a sandbox listens: what `serve` announces once it does."""

    url: str
    token: str
    pid: int


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


def listening_socket(port: int) -> socket.socket:
    """Return a socket bound to the port on loopback.

    Raises:
        PortInUse: Somebody else has it.
    """
    # The protocol is named because asyncio sends without delay only on sockets that say TCP; answers would take 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        # Windows calls it forbidden when somebody holds the port for itself.
        taken = {errno.EADDRINUSE, errno.EACCES} if sys.platform == "win32" else {errno.EADDRINUSE}
        if error.errno in taken and port:
            raise PortInUse(port) from error
        raise
    return bound


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
async def running(options: Options | None = None) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox in the current event loop.

    Example:
        >>> async with running(Options(seed=7, orders=100)) as sandbox:  # doctest: +SKIP
        ...     await client.get(sandbox.url + "/ws/orders")
        ...     assert sandbox.journal.count("GET", "/ws/orders") == 1

    Raises:
        PortInUse: Another process listens on the port.
    """
    options = options or Options()
    bound = listening_socket(options.port)
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
            url = f"http://{HOST}:{bound.getsockname()[1]}"
            living = asyncio.ensure_future(live.run())
            try:
                yield RunningSandbox(url, options.the_token, shop, journal, limiter, faults, live)
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


def serve(options: Options, *, announce: Callable[[Announcement], None], until_stdin_closes: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, then end within a second, open connections or not.

    Args:
        options: The shop and the port.
        announce: Called once it listens.
        until_stdin_closes: End as well when standard input does: a child of a parent that holds the pipe dies with it.

    Raises:
        PortInUse: Another process listens on the port.
    """
    asyncio.run(_serve(options, announce, until_stdin_closes))


async def _serve(options: Options, announce: Callable[[Announcement], None], until_stdin_closes: bool) -> None:
    ended = asyncio.Event()
    with _signals(ended):
        async with running(options) as sandbox:
            if until_stdin_closes:
                loop = asyncio.get_running_loop()
                threading.Thread(target=_watch_stdin, args=(loop, ended), daemon=True).start()
            announce(Announcement(sandbox.url, sandbox.token, os.getpid()))
            await ended.wait()


@contextlib.contextmanager
def _signals(ended: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    former = {
        number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _watch_stdin(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    # Reads the descriptor itself: a daemon thread inside sys.stdin would hold its lock at exit.
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        # Standard input was closed or never there, which is the end of the parent as well.
        pass
    with contextlib.suppress(RuntimeError):  # the loop may have ended on its own by now
        loop.call_soon_threadsafe(ended.set)
