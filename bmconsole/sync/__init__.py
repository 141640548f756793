"""Pulls orders, listings and backbox observations into the local files, page by page, as often as asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from bmconsole.domain.views import Progress
from bmconsole.store.database import Database
from bmconsole.sync.courtesy import Courtesy

if TYPE_CHECKING:
    # HTTP is imported by the first request
    from bmconsole.backmarket.client import Client

ShowProgress = Callable[[Progress], None]

_LOOK_SECONDS = 0.25


class Note(Protocol):
    """Writes one line of the log; `message` is already free of buyer data and cleaned."""

    def __call__(self, level: str, source: str, message: str, ref: str | None = None) -> Awaitable[None]: ...


def _local_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a pull works with. `zone` is the platform's zone, in which dates without an offset are meant."""

    client: "Client"
    mirror: Database
    history: Database
    markets: tuple[str, ...]
    zone: tzinfo
    note: Note
    now: Callable[[], datetime]
    """The server's clock in UTC."""
    per_second: Callable[[str], float]
    """How many requests a second the named limit lets through at present; 0 where that is not known."""
    keep_buyers: timedelta | None = None
    """How long an order may be final and still be stored with its buyer; None: always."""
    local: Callable[[], datetime] = _local_now
    """This machine's clock, UTC: only to see whether the server's jumps."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    courtesy: Courtesy = field(default_factory=Courtesy)
    """Lets an operator go first."""

    @asynccontextmanager
    async def alone(self, stream: str) -> AsyncIterator[None]:
        """Hold a stream against every other task and process of the profile; wait while another holds it.

        A lock of the operating system, which a process that dies gives up.
        """
        lock = FileLock(lock_path(self.mirror.path, stream), mode=0o600, thread_local=False)
        while True:
            try:
                lock.acquire(blocking=False)
                break
            except Timeout:
                await self.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            lock.release()


def lock_path(mirror: Path, stream: str) -> Path:
    """Return the file whose lock stands for a stream."""
    return mirror.with_name(f".sync-{stream.replace(':', '-')}.lock")
