"""What a process that is told to end does with its requests, over a real connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

import httpx

from bmconsole.traffic import LastRequests

BACKGROUND: ContextVar[bool] = ContextVar("BACKGROUND", default=True)


@asynccontextmanager
async def slow_server(asked: list[str], go: asyncio.Event) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split()[1].decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n")
        await go.wait()
        writer.write(b"body")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the server's state is no event of ours
            await asyncio.sleep(0.005)


async def test_what_is_in_flight_is_read_to_its_end_and_the_background_sends_no_more() -> None:
    asked: list[str] = []
    go = asyncio.Event()
    last = LastRequests(httpx.AsyncHTTPTransport(), may_wait=BACKGROUND.get)
    async with slow_server(asked, go) as url, httpx.AsyncClient(transport=last, trust_env=False) as client:
        first = asyncio.create_task(client.get(f"{url}/first"))
        await until(lambda: asked == ["/first"])
        finishing = asyncio.create_task(last.finish(5.0))
        await asyncio.sleep(0)
        held = asyncio.create_task(client.get(f"{url}/held"))

        async def operator() -> httpx.Response:
            BACKGROUND.set(False)
            return await client.get(f"{url}/read-back")

        needed = asyncio.create_task(operator())
        await until(lambda: "/read-back" in asked)
        assert not finishing.done()
        go.set()
        await finishing
        assert (await first).text == (await needed).text == "body"
        assert asked == ["/first", "/read-back"]
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)


async def test_a_server_that_never_answers_does_not_hold_it_up() -> None:
    asked: list[str] = []
    go = asyncio.Event()
    last = LastRequests(httpx.AsyncHTTPTransport(), may_wait=BACKGROUND.get)
    async with slow_server(asked, go) as url, httpx.AsyncClient(transport=last, trust_env=False) as client:
        stuck = asyncio.create_task(client.get(url))
        await until(lambda: len(asked) == 1)
        await last.finish(0.05)
        assert not stuck.done()
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        go.set()
