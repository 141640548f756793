"""The sandbox as a process: it listens, tells where, makes its shop while requests wait, and ends when asked."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .options import Options

HOST = "127.0.0.1"
_WAITING = 128
"""How many connections the system keeps until the server takes them."""


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


def url_of(bound: socket.socket) -> str:
    """Return where a bound socket is reached."""
    return f"http://{HOST}:{bound.getsockname()[1]}"


def serve(options: Options, *, announce: Callable[[Announcement], None], until_stdin_closes: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, then end within a second, open connections or not.

    Args:
        options: The shop and the port.
        announce: Called once it listens. Unless the shop is to be warm, that is before it is made: what is asked
            meanwhile is answered then.
        until_stdin_closes: End as well when standard input does: a child of a parent that holds the pipe dies with it.

    Raises:
        PortInUse: Another process listens on the port.
    """
    asyncio.run(_serve(options, announce, until_stdin_closes))


async def _serve(options: Options, announce: Callable[[Announcement], None], until_stdin_closes: bool) -> None:
    ended = asyncio.Event()
    with _signals(ended):
        if until_stdin_closes:
            loop = asyncio.get_running_loop()
            threading.Thread(target=_watch_stdin, args=(loop, ended), daemon=True).start()
        bound = listening_socket(options.port)
        bound.listen(_WAITING)
        told = Announcement(url_of(bound), options.the_token, os.getpid())
        if not options.warm:
            announce(told)
        # It brings the web server: whoever started this process goes on meanwhile.
        from .server import running

        async with running(options, bound):
            if options.warm:
                announce(told)
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
