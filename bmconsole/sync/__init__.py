"""Pulls orders, listings and backbox observations into the local files, page by page, as often as asked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Protocol

from bmconsole.backmarket.client import Client
from bmconsole.domain.views import Progress
from bmconsole.store.sqlite import Database

ShowProgress = Callable[[Progress], None]


class Note(Protocol):
    """Writes one line of the log; `message` is already free of buyer data and cleaned."""

    def __call__(self, level: str, source: str, message: str, ref: str | None = None) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What a pull works with. `zone` is the platform's zone, in which dates without an offset are meant."""

    client: Client
    mirror: Database
    history: Database
    markets: tuple[str, ...]
    zone: tzinfo
    note: Note
    now: Callable[[], datetime]
    """The server's clock in UTC."""
