"""A small HTTP/1.1 server on loopback that keeps strict limits, or answers as a test tells it.

It stamps every request when it arrives, after the jitter that stands for the way there.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Arrival:
    """One request as the server saw it; `at` in seconds of the loop's clock."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0


@dataclass
class StrictServer:
    """At most `limit` in any `window`; one more is answered 429 and starts a block of `window` seconds."""

    limit: int = 10**9
    window: float = 10.0
    jitter: float = 0.0
    service: float = 0.0
    script: Callable[[Arrival], Reply | None] | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    trips: int = 0
    refused: int = 0

    async def __aenter__(self) -> "StrictServer":
        self._rng = random.Random(5)
        self._accepted: deque[float] = deque()
        self._blocked_until = 0.0
        self._news = asyncio.Condition()
        self._handlers: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers)
        await self._server.wait_closed()

    async def arrived(self, count: int) -> None:
        """Wait until so many requests have arrived, thirty seconds at most."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: len(self.arrivals) >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        try:
            while (arrival := await self._read(reader)) is not None:
                await self._answer(arrival, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the server ends; what arrived has been noted
        finally:
            self._handlers.discard(handler)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Arrival | None:
        head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
        if not head:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if self.jitter:
            await asyncio.sleep(self._rng.uniform(0, self.jitter))
        arrival = Arrival(asyncio.get_running_loop().time(), method, path, headers, body)
        async with self._news:
            self.arrivals.append(arrival)
            self._news.notify_all()
        return arrival

    async def _answer(self, arrival: Arrival, writer: asyncio.StreamWriter) -> None:
        reply = self._limit(arrival.at) or (self.script(arrival) if self.script else None) or (200, {}, b"{}")
        if self.service:
            await asyncio.sleep(self.service)
        status, headers, body = reply
        arrival.status = status
        if status == 0:
            writer.close()
            return
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in {"content-type": "application/json", **headers}.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    def _limit(self, now: float) -> Reply | None:
        while self._accepted and self._accepted[0] <= now - self.window:
            self._accepted.popleft()
        if now >= self._blocked_until and len(self._accepted) < self.limit:
            self._accepted.append(now)
            return None
        if now >= self._blocked_until:
            self.trips += 1
            self._blocked_until = now + self.window
        self.refused += 1
        return 429, {}, json.dumps({"error": {"code": "too_many_requests"}}).encode()
