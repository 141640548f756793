"""Who waits where, so that processes count whom they pass over: a wish lasts a moment and is renewed while it lasts."""

from collections.abc import Iterable

_LASTS = 1.5
_BELOW_CRITICAL = (1, 2, 3)


class Wishes:
    """Until when (ledger seconds) somebody waits at HIGH, NORMAL and LOW: here, as noted in the file, and elsewhere."""

    __slots__ = ("_elsewhere", "_here")

    def __init__(self) -> None:
        self._here = [0.0, 0.0, 0.0, 0.0]
        self._elsewhere = [0.0, 0.0, 0.0, 0.0]

    def cover(self, waiting: int, until: float) -> bool:
        """Whether the file already says, until then, that these priorities wait here."""
        return all(self._here[lower] >= until for lower in _BELOW_CRITICAL if waiting >> lower & 1)

    def renew(self, waiting: int, until: float) -> tuple[float, float, float]:
        """Return what the file should say now of HIGH, NORMAL and LOW."""
        for lower in _BELOW_CRITICAL:
            if waiting >> lower & 1:
                self._here[lower] = until + _LASTS
        return self._here[1], self._here[2], self._here[3]

    def forget(self) -> None:
        """The file does not say what was noted here."""
        self._here = [0.0, 0.0, 0.0, 0.0]

    def heard(self, until: Iterable[float | None]) -> None:
        """Take in until when others wait at HIGH, NORMAL and LOW."""
        self._elsewhere = [0.0, *(wish or 0.0 for wish in until)]

    def elsewhere(self, now: float) -> int:
        """Return a bit for each priority that has somebody waiting in another process."""
        return sum(1 << lower for lower in _BELOW_CRITICAL if self._elsewhere[lower] > now)
