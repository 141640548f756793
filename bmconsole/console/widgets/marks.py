"""The marks of a table: keys, which outlive filters and refreshes, and a range on its way."""

from collections.abc import Iterable, Mapping

MARK_GLYPH = "◆"
RANGE_GLYPH = "◇"


class Marks:
    """Marked keys in the order in which they were marked, and where a range was begun."""

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}
        self.anchor: tuple[str, int] | None = None
        """The key and the index at which a range was begun."""

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def put(self, keys: Iterable[str], on: bool = True) -> None:
        """Mark keys, or take their marks off."""
        for key in keys:
            if on:
                self._keys[key] = None
            else:
                self._keys.pop(key, None)

    def has(self, key: str) -> bool:
        return key in self._keys

    def clear(self) -> None:
        self._keys.clear()

    def shift(self, where: Mapping[str, int], by: int) -> None:
        """Move the range's beginning with its row: to its index in `where`, or `by` rows where it is not in there."""
        if self.anchor is not None:
            key, place = self.anchor
            self.anchor = (key, where.get(key, place + by))

    def glyph(self, index: int, key: str, cursor: int) -> str:
        """Return what stands before the row at `index` while the cursor is at another."""
        if key in self._keys:
            return MARK_GLYPH
        if self.anchor is None:
            return " "
        low, high = sorted((self.anchor[1], cursor))
        return RANGE_GLYPH if low <= index <= high else " "
