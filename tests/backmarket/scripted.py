"""A loopback server that answers with exactly the bytes it is told, and keeps what it was sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from bmconsole.backmarket.client import Client, network_transport

TOKEN = "b3BhcXVlOmRldmljZS10b2tlbg=="
USER_AGENT = "BM-Example-Tests;ops@example.com"

Script = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        return json.loads(self.body)


@dataclass
class Scripted:
    """What the server is to do next (the last one repeats), and what it has seen."""

    url: str
    script: list[bytes | Script] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def play(self, *answers: bytes | Script) -> None:
        self.script[:] = answers


def answer(
    body: object = None,
    status: int = 200,
    *,
    kind: str | None = "application/json",
    headers: Mapping[str, str] | None = None,
    raw: bytes | None = None,
) -> bytes:
    """Return a whole HTTP answer: `body` as JSON, or `raw` bytes."""
    content = raw if raw is not None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"Content-Type: {kind}"] if kind else []
    named = {"Date": format_datetime(datetime(2026, 11, 23, 8, 0, tzinfo=UTC), usegmt=True)} | dict(headers or {})
    lines += [f"{name}: {value}" for name, value in named.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@asynccontextmanager
async def scripted(*answers: bytes | Script) -> AsyncIterator[Scripted]:
    """Run such a server on a free port."""
    state = Scripted("")
    state.play(*answers)
    live: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        task = asyncio.current_task()
        assert task is not None
        live.add(task)
        try:
            while (request := await _read(reader)) is not None:
                state.requests.append(request)
                step = state.script.pop(0) if len(state.script) > 1 else state.script[0]
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                else:
                    await step(request, writer)
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            live.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.close()
        for task in list(live):
            task.cancel()
        await asyncio.gather(*live, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


def client_for(url: str, *, token: str = TOKEN, timeout: float = 5.0) -> Client:
    """Return a client whose retries do not wait."""
    return Client(
        base_url=url,
        token=token,
        user_agent=USER_AGENT,
        market="fr-fr",
        transport=network_transport(base_url=url, token=token, user_agent=USER_AGENT, timeout=timeout),
        timeout=timeout,
        retry_wait=0.0,
        retry_jitter=0.0,
    )
