"""The last requests of a process that ends: those in flight come to their end, background work sends no others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import httpx


class LastRequests(httpx.AsyncBaseTransport):
    """Wraps the transport that speaks to the network, below the limiter, so that what waits for a slot is held too.

    Args:
        inner: What sends.
        may_wait: Whether the request about to be sent is one that the next process can send as well.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, may_wait: Callable[[], bool]) -> None:
        self._inner = inner
        self._may_wait = may_wait
        self._flying = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._ending = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; while the process ends, one of the background waits until it is cancelled."""
        if self._ending and self._may_wait():
            await asyncio.Event().wait()
        self._flying += 1
        self._quiet.clear()
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            self._landed()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  # an asynchronous transport's is
        response.stream = _Watched(response.stream, self._landed)
        return response

    async def finish(self, within: float) -> None:
        """Send nothing more from the background and wait up to `within` seconds for what is in flight."""
        self._ending = True
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._quiet.wait()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _landed(self) -> None:
        self._flying -= 1
        if self._flying == 0:
            self._quiet.set()


class _Watched(httpx.AsyncByteStream):
    """A body that tells once when it was read or given up."""

    def __init__(self, inner: httpx.AsyncByteStream, closed: Callable[[], None]) -> None:
        self._inner = inner
        self._closed: Callable[[], None] | None = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            yield part

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            if self._closed is not None:
                self._closed()
                self._closed = None
