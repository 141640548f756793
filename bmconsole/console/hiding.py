"""What a typed filter tells of a buyer: hidden while others look on, and never kept on the disk."""

import re
from dataclasses import replace

from bmconsole.console.look import MASK
from bmconsole.domain.filters import Table, Term, fields_for, flags_for, parse_filter
from bmconsole.errors import FilterError

_HIDDEN = ("buyer", "tracking")
_QUOTED = r'"(?:[^"\\]|\\.)*"?'
_PIECE = re.compile(
    rf"!?(?P<field>[A-Za-z][\w-]*)(?:!=|>=|<=|[:~<>])(?P<value>(?:{_QUOTED}|[^\s\"])*)|(?P<text>{_QUOTED}|\S+)"
)
_BUYER = re.compile(r"(?i)(?:^|[\s!])buyer(?:!=|[:~])")
_COMMAND = re.compile(r"\s*(\S*)\s?")


def spans(expression: str, table: str) -> list[tuple[int, int]]:
    """Return the places in a filter, as it is typed, that may tell of a buyer: from and up to.

    A text to search for is among them where orders are searched: their buyers are.
    """
    found = []
    for piece in _PIECE.finditer(expression):
        if piece["field"] is not None:
            if piece["field"].lower() in _HIDDEN and piece["value"]:
                found.append(piece.span("value"))
        elif table == "orders" and not _known(piece["text"].removeprefix("!").lower()):
            found.append(piece.span("text"))
    return found


def command_spans(line: str) -> list[tuple[int, int]]:
    """Return the places in a command that may tell of a buyer, as `spans` does for a filter."""
    word = _COMMAND.match(line)
    if word is None or word.end() == len(line):
        return []
    return [(start + word.end(), end + word.end()) for start, end in spans(line[word.end() :], word[1])]


def masked(expression: str, places: list[tuple[int, int]]) -> str:
    """Return a text in which these places only show that there is something, not even how long."""
    shown, at = [], 0
    for start, end in places:
        shown += [expression[at:start], MASK]
        at = end
    return "".join([*shown, expression[at:]])


def names_buyer(line: str) -> bool:
    """Return whether a filter or a command names a buyer."""
    return _BUYER.search(line) is not None


def without_buyer(expression: str, table: str) -> str:
    """Return a filter without its terms about a buyer."""
    if not names_buyer(expression):
        return expression
    try:
        parsed = parse_filter(expression, table)
    except FilterError:
        return ""
    kept = tuple(term for term in parsed.terms if not (isinstance(term, Term) and term.field == "buyer"))
    return str(replace(parsed, terms=kept))


def _known(word: str) -> bool:
    """Return whether a word is a name of the filter's language, or on its way to be one."""
    names = [field.name for field in fields_for(Table.ORDERS)] + [flag.name for flag in flags_for(Table.ORDERS)]
    return any(name.startswith(word) for name in names)
