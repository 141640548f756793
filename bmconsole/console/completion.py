"""What may come next while a filter or a command is typed."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bmconsole.domain.filters import FieldType, Table, fields_for, flags_for

_VALUE = re.compile(r"(!?)([a-z-]+)(!=|>=|<=|:|~|>|<)(.*)")
_FIRST_OPERATOR = {FieldType.ENUM: ":", FieldType.TEXT: "~"}
_DATES = (("today", "today"), ("-1d", "since yesterday"), ("-7d", "a week"), ("-30d", "a month"))


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` is put in the place of what is typed from `start` on; `help` says what it means."""

    start: int
    text: str
    help: str = ""


Completer = Callable[[str], list[Suggestion]]
"""From what stands before the cursor to what may be there."""


def matching(typed: str, start: int, words: Iterable[tuple[str, str]]) -> list[Suggestion]:
    """Return the words that go on from what is typed, then those that have it inside."""
    low = typed.lower()
    pairs = list(words)
    begin = [pair for pair in pairs if pair[0].lower().startswith(low)]
    inside = [pair for pair in pairs if low and low in pair[0].lower() and pair not in begin]
    return [Suggestion(start, text, about) for text, about in (*begin, *inside) if text != typed]


def complete_filter(typed: str, table: Table | str) -> list[Suggestion]:
    """Return the fields, flags and values that a filter may go on with."""
    if typed.count('"') % 2:
        return []
    start = len(typed) - len(re.split(r"\s", typed)[-1])
    term = typed[start:]
    if found := _VALUE.fullmatch(term):
        info = next((info for info in fields_for(table) if info.name == found[2]), None)
        if info is None:
            return []
        value = found[4].rpartition(",")[2]
        words = _DATES if info.type is FieldType.DATE else [(str(name), "") for name in info.values]
        return matching(value, len(typed) - len(value), words)
    bare = term.removeprefix("!")
    flags = [(flag.name, flag.help) for flag in flags_for(table)]
    fields = [(info.name + _FIRST_OPERATOR.get(info.type, ">="), info.help) for info in fields_for(table)]
    return matching(bare, len(typed) - len(bare), [*flags, *fields])
