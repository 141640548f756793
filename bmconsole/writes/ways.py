"""What differs between kinds of writes: how the target is read, when a write is done or may be sent, how it is sent."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from bmconsole.domain.intents import Intent, Values
from bmconsole.domain.orders import Order
from bmconsole.domain.priority import Priority
from bmconsole.store.database import Database

if TYPE_CHECKING:
    # HTTP is imported by the first request
    from bmconsole.backmarket.client import Client


class Verdict(Enum):
    """What a look at the target says about an intent."""

    DONE = "done"
    """Everything is as wanted."""
    SEND = "send"
    """Everything is as it was when it was planned, and the write is legal."""
    DIFFERS = "differs"
    """Neither: somebody else was there."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a read showed: `values` of the wanted fields that can be read, and the order for what is legal."""

    values: Values
    order: Order | None = None
    beside: Values = field(default_factory=dict)
    """Fields that are not wanted but have to be sent along."""


@dataclass(frozen=True, slots=True)
class Means:
    """What every way works with. `zone` is the platform's, in which times without an offset are meant."""

    client: "Client"
    mirror: Database
    now: Callable[[], datetime]
    zone: tzinfo
    keep_buyers: timedelta
    """How long buyers are kept after an order is final."""
    timer: Callable[[], float] = time.monotonic

    def asked(self, began: float) -> datetime:
        """Return the server's time when something was asked at `began` on the timer.

        It is taken after the answer, which tells the server's time: before the first one there is only this machine's,
        and a cached row from its future would hold up all answers until then.
        """
        return self.now() - timedelta(seconds=self.timer() - began)


class Way(Protocol):
    """How one kind of intent is read, judged and sent."""

    async def look(self, intent: Intent, priority: Priority) -> Look:
        """Ask Back Market for the target, renew the cache, and return what it said; raises BmError."""
        ...

    def judge(self, intent: Intent, look: Look) -> tuple[Verdict, str]:
        """Return what the look means for the intent, and why it differs where it does."""
        ...

    async def send(self, intent: Intent, look: Look, priority: Priority, deadline: float) -> Values:
        """Send it once, and return what the answer says of the wanted fields; raises BmError."""
        ...
