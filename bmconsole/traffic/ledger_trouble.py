"""When a transaction cannot be made: when to try again, and what to tell people, once."""

from bmconsole.traffic.errors import LedgerUnusable
from bmconsole.traffic.ledger import LedgerEvent
from bmconsole.traffic.ledger_db import LedgerDatabase
from bmconsole.traffic.ledger_file import is_busy, is_damaged

_HELD_TOO_LONG = 1.0
_FIRST, _MOST = 0.001, 0.05
_DISK_PAUSE = 1.0


class Trouble:
    """The current stretch of failed transactions of one ledger."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database
        self._since: float | None = None
        self._told = False

    def over(self) -> None:
        """A transaction worked."""
        self._since, self._told = None, False

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
        message = f"The ledger of requests cannot be written: {error}. Nothing is sent until it can."
        return _DISK_PAUSE, self._once(LedgerEvent("damaged", "", message))

    def _held(self, waited: float) -> str:
        who = self._database.whose_lock()
        return f"The ledger of requests is held for {waited:.1f} s by {who}; nothing can be sent until it goes on."

    def _once(self, event: LedgerEvent | None) -> LedgerEvent | None:
        if event is None or self._told:
            return None
        self._told = True
        return event
