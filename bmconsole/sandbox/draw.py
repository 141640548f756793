"""Repeatable variety: each invented value follows from the seed and from what it belongs to, so nothing is stored."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A small supply of chance (512 bits) that is the same for the same names.

    Example:
        >>> Draw(7, "listing", 3).below(6) == Draw(7, "listing", 3).below(6)
        True
    """

    __slots__ = ("_bits",)

    def __init__(self, *names: object) -> None:
        text = "/".join(map(str, names))
        self._bits = int.from_bytes(blake2b(text.encode()).digest(), "big")

    def below(self, bound: int) -> int:
        """Return an integer from 0 up to, not including, `bound`."""
        self._bits, value = divmod(self._bits, bound)
        return value

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def happens(self, share: float) -> bool:
        """Return whether something of this share (0 to 1, to a ten-thousandth) happens."""
        return self.below(10_000) < share * 10_000

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices, each as likely."""
        return choices[self.below(len(choices))]
