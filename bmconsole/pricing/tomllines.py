"""Where in a TOML text a value stands, for messages that name the line. Tables, arrays of tables and inline tables."""

import re
from collections.abc import Iterator

_ARRAY = re.compile(r"\s*\[\[\s*(?P<path>[^\[\]]+?)\s*\]\]\s*(#.*)?$")
_HEADER = re.compile(r"\s*\[\s*(?P<path>[^\[\]]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"""\s*(?P<path>(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_AT = re.compile(r"\s*\(at (?:line (?P<line>\d+), column \d+|end of document)\)")

Path = tuple[str | int, ...]
"""The keys to a value; after the name of an array of tables the 0-based number of the table."""


def line_of(text: str, path: Path) -> int | None:
    """Return the 1-based line on which the value of `path`, or the innermost table around it, begins."""
    best: tuple[int, int] | None = None
    for number, found in _places(text):
        if found == path:
            return number
        if found == path[: len(found)] and (best is None or len(found) > best[0]):
            best = len(found), number
    return best[1] if best else None


def fault(text: str, message: str) -> tuple[int, str]:
    """Return the line of a fault and what it is, from what the TOML reader said."""
    at = _AT.search(message)
    number = int(at["line"]) if at and at["line"] else len(text.splitlines()) or 1
    return number, _AT.sub("", message)


def _places(text: str) -> Iterator[tuple[int, Path]]:
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if array := _ARRAY.match(line):
            name = _within(_parts(array["path"]), counts)
            counts[name] = counts.get(name, -1) + 1
            table = (*name, counts[name])
            yield number, table
        elif header := _HEADER.match(line):
            table = _within(_parts(header["path"]), counts)
            yield number, table
        elif key := _KEY.match(line):
            yield number, table + _parts(key["path"])


def _within(path: Path, counts: dict[Path, int]) -> Path:
    """Return the path with the number of the last table of the array that it starts with."""
    head = path[:1]
    return (*head, counts[head], *path[1:]) if len(path) > 1 and head in counts else path


def _parts(path: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(path))
