"""Lets the operator's keys go before the reading of pages, which shares loop and interpreter with them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

HOLD_SECONDS = 0.1
"""How long reading waits after a key: until what it did is painted. Then it goes on by one step at least, however fast
keys follow each other."""


class Courtesy:
    """What reads pages asks it between two steps; what hears of keys tells it.

    One page is read at a time. Several that take turns, each with a step of its own, would make a key wait for all of
    them; and each key takes several turns of the event loop until it is painted.

    Args:
        monotonic: A clock in seconds.
    """

    __slots__ = ("_monotonic", "_one", "_until")

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until = 0.0
        self._one = asyncio.Lock()

    def attend(self) -> None:
        """The operator did something: what comes of it goes first."""
        self._until = self._monotonic() + HOLD_SECONDS

    async def step(self) -> None:
        """Give the event loop its turn, a longer one just after the operator did something."""
        await asyncio.sleep(max(0.0, self._until - self._monotonic()))

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Read a page while no other one is read."""
        async with self._one:
            await self.step()
            yield
