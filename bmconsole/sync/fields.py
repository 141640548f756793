"""Which fields the records of a stream have: what is new to us, and what is there no more."""

from collections.abc import Callable, Iterable, Mapping
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
    """Knows the fields of records; asks which of them no model knows once for each shape instead of for each record.

    Args:
        unknown_in: Returns the fields of a record that no model knows.
        parts: Fields that hold other objects, or lists of them, whose fields count as well.
    """

    def __init__(self, unknown_in: Callable[[Record], Mapping[str, object]], parts: Iterable[str]) -> None:
        self._unknown_in = unknown_in
        self._parts = tuple(parts)
        self._unknown: dict[frozenset[str], frozenset[str]] = {}

    def of(self, record: Record) -> tuple[frozenset[str], frozenset[str]]:
        """Return the paths of a record's fields, and of those that no model knows."""
        paths = self._paths_of(record)
        unknown = self._unknown.get(paths)
        if unknown is None:
            if len(self._unknown) >= _MOST_SHAPES:
                self._unknown.clear()
            unknown = self._unknown[paths] = frozenset(self._unknown_in(record))
        return paths, unknown

    def _paths_of(self, record: Record) -> frozenset[str]:
        found = [_named("", tuple(record))]
        for part in self._parts:
            value = record.get(part)
            if isinstance(value, dict):
                found.append(_named(f"{part}.", tuple(value)))
            elif isinstance(value, list):
                found.extend([_named(f"{part}[].", tuple(item)) for item in value if isinstance(item, dict)])
        return _union(tuple(found))


def shape_of(paths: Mapping[frozenset[str], int]) -> Shape:
    """Return the shape of records by how many of them have which paths."""
    if not paths:
        return Shape()
    return Shape(sum(paths.values()), frozenset.intersection(*paths), frozenset().union(*paths))


@lru_cache(_MOST_SHAPES)
def _named(prefix: str, keys: tuple[str, ...]) -> frozenset[str]:
    return frozenset(f"{prefix}{key}"[:_LONGEST_NAME] for key in keys)


@lru_cache(_MOST_SHAPES)
def _union(parts: tuple[frozenset[str], ...]) -> frozenset[str]:
    return frozenset().union(*parts)
