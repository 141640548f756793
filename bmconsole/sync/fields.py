"""Which fields the records of a stream have: what is new to us, and what is there no more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

Record = Mapping[str, object]

_MOST_SHAPES = 2_000
_LONGEST_NAME = 200
_FEWEST_RECORDS = 5
"""A field that is missing from fewer records than this is not called vanished."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of some records as paths (`state`, `orderlines[].sku`): those of every record, and those of any."""

    records: int = 0
    always: frozenset[str] = frozenset()
    ever: frozenset[str] = frozenset()

    def __add__(self, other: "Shape") -> "Shape":
        if not self.records or not other.records:
            return self if self.records else other
        return Shape(self.records + other.records, self.always & other.always, self.ever | other.ever)

    @property
    def telling(self) -> bool:
        """Whether there are enough records to say that a field has vanished."""
        return self.records >= _FEWEST_RECORDS


class Fields:
    """Gathers shapes; asks which fields no model knows once for each shape instead of once for each record."""

    def __init__(self, unknown_in: Callable[[Record], Mapping[str, object]]) -> None:
        self._unknown_in = unknown_in
        self._unknown: dict[frozenset[str], frozenset[str]] = {}

    def of(self, record: Record) -> tuple[Shape, frozenset[str]]:
        """Return the shape of a record, and its fields that no model knows."""
        paths = paths_of(record)
        unknown = self._unknown.get(paths)
        if unknown is None:
            if len(self._unknown) >= _MOST_SHAPES:
                self._unknown.clear()
            unknown = self._unknown[paths] = frozenset(self._unknown_in(record))
        return Shape(1, paths, paths), unknown


def paths_of(record: Record) -> frozenset[str]:
    """Return the paths of a record's fields, two levels deep."""
    parts = [_named("", tuple(record))]
    for key, value in record.items():
        if isinstance(value, dict):
            parts.append(_named(f"{key}.", tuple(value)))
        elif isinstance(value, list):
            parts.extend({_named(f"{key}[].", tuple(item)) for item in value if isinstance(item, dict)})
    return _union(tuple(parts))


@lru_cache(_MOST_SHAPES)
def _named(prefix: str, keys: tuple[str, ...]) -> frozenset[str]:
    return frozenset(f"{prefix}{key}"[:_LONGEST_NAME] for key in keys)


@lru_cache(_MOST_SHAPES)
def _union(parts: tuple[frozenset[str], ...]) -> frozenset[str]:
    return frozenset().union(*parts)
