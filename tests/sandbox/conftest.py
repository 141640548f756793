"""A sandbox in the test's own event loop, on a clock that the test moves, and a client that sends what it must."""

import ssl
from collections.abc import AsyncIterator

import httpx
import pytest

from bmconsole.sandbox import ManualClock, Options, RunningSandbox, running

# Loopback needs no TLS, but httpx prepares it for every client, which takes longer than most of these tests.
TLS = ssl.create_default_context()
USER_AGENT = "BM-Example-Tests;tests@seller.example"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def options(clock: ManualClock) -> Options:
    """The shop of most tests; a module that needs another overrides this."""
    return Options(seed=7, orders=300, listings=120, markets=("fr-fr", "de-de", "en-gb"), clock=clock)


@pytest.fixture
async def sandbox(options: Options) -> AsyncIterator[RunningSandbox]:
    async with running(options) as found:
        yield found


@pytest.fixture
async def client(sandbox: RunningSandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {
        "Authorization": f"Basic {sandbox.token}",
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Language": "fr-fr",
    }
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, verify=TLS) as found:
        yield found
