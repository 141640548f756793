"""When a transaction cannot be made: when to try again, and what to tell people, once."""

from bmconsole.traffic.errors import LedgerUnusable
from bmconsole.traffic.ledger import LedgerEvent
from bmconsole.traffic.ledger_db import LedgerDatabase
from bmconsole.traffic.ledger_file import is_busy, is_damaged

_HELD_TOO_LONG = 1.0
_FIRST, _MOST = 0.001, 0.05
_DISK_PAUSE = 1.0
_LASTING = 6.0
"""Seconds for which a request waits for a disk that refuses."""


class Trouble:
    """The current stretch of failed transactions of one ledger."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database
        self._since: float | None = None
        self._told = False
        self._refusal: str | None = None

    def over(self) -> None:
        """A transaction worked."""
        self._since, self._told, self._refusal = None, False, None

    def meet(self, error: Exception, now: float) -> tuple[float, LedgerEvent | None]:
        """Return for how long to leave the ledger alone, and what to tell, if it was not told yet."""
        if self._since is None:
            self._since = now
        waited = now - self._since
        if is_busy(error):
            event = LedgerEvent("held", "", self._held(waited), waited) if waited > _HELD_TOO_LONG else None
            return min(_MOST, max(_FIRST, waited / 4)), self._once(event)
        if is_damaged(error):
            try:
                message = self._database.give_up_file()
            except LedgerUnusable as unusable:
                return _DISK_PAUSE, self._once(LedgerEvent("damaged", "", unusable.line()))
            return _MOST, None if message is None else LedgerEvent("damaged", "", message)
        self._refusal = f"The ledger of requests cannot be written: {error}. Nothing is sent until it can."
        return _DISK_PAUSE, self._once(LedgerEvent("damaged", "", self._refusal))

    def must_not_last(self, now: float) -> None:
        """Have a request fail where the disk has refused for a while, for whoever waits for it to know.

        Raises:
            LedgerUnusable: It has.
        """
        if self._refusal is not None and self._since is not None and now - self._since >= _LASTING:
            raise LedgerUnusable(self._refusal, hint="Check the disk's free space, and the mode of the state folder.")

    def _held(self, waited: float) -> str:
        who = self._database.whose_lock()
        return f"The ledger of requests is held for {waited:.1f} s by {who}; nothing can be sent until it goes on."

    def _once(self, event: LedgerEvent | None) -> LedgerEvent | None:
        if event is None or self._told:
            return None
        self._told = True
        return event
