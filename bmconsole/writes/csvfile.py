"""Tables from files that people and spreadsheets write: any usual encoding and separator, columns in any order."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from bmconsole.domain.bulk import LineFault
from bmconsole.domain.text import clean
from bmconsole.errors import UsageError

_SEPARATORS = (";", ",", "\t")
_MOST_BYTES = 64 * 1024 * 1024
# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), the wide forms included.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_QUOTED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: its number in the file, from 1, and its cells by column; empty cells are left out."""

    number: int
    cells: Mapping[str, str]


@dataclass(slots=True)
class Table:
    """What a file holds: its columns, the lines that could be read, and the faults of the others."""

    columns: tuple[str, ...]
    lines: list[Line] = field(default_factory=list)
    faults: list[LineFault] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.lines) + len(self.faults)


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns a table may have: the known ones with their other names, and those that are passed over."""

    known: Mapping[str, Sequence[str]]
    passed_over: Sequence[str] = ()

    def name(self, header: str) -> str | None:
        """Return a column's own name, empty for one that is passed over, None for an unknown one."""
        wanted = re.sub(r"[\s-]+", "_", header.strip().lower())
        for name, others in self.known.items():
            if wanted == name or wanted in others:
                return name
        return "" if wanted in self.passed_over else None


def inert(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; `active` gives back what it was."""
    return f"'{text}" if _FORMULA.match(text) else text


def active(text: str) -> str:
    """Return a cell as it was before `inert`."""
    return text[1:] if _QUOTED.match(text) else text


def read_table(content: bytes, columns: Columns) -> Table:
    """Return the table in a file: CSV with `;`, `,` or tabs, or JSON with one object a line.

    Raises:
        UsageError: It is no table at all: empty, unreadable, without a header, or with unknown columns.
    """
    if len(content) > _MOST_BYTES:
        raise _file(f"The file has {len(content) // 1024**2} MiB.", f"At most {_MOST_BYTES // 1024**2} are read.")
    text = decoded(content)
    if not text.strip():
        raise _file("The file is empty.", "It needs a header and a line for each change.")
    return _from_json(text, columns) if text.lstrip().startswith("{") else _from_csv(text, columns)


def decoded(content: bytes) -> str:
    """Return a file's text: UTF-8 with or without a mark, UTF-16 with one, else Windows-1252.

    Raises:
        UsageError: It is text in none of them.
    """
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for name in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise _file("The file is no text in UTF-8 or Windows-1252.", "Save it as CSV, not as a workbook.")


def _from_csv(text: str, columns: Columns) -> Table:
    first = text.lstrip("\r\n").splitlines()[0]
    separator = max(_SEPARATORS, key=lambda sign: _known(first, sign, columns))
    rows = _rows(text, separator)
    number, header = next(rows)
    names = _header(header, number, columns)
    table = Table(tuple(name for name in names if name))
    for number, row in rows:
        if len(row) != len(names):
            message = f"it has {len(row)} cells, the header has {len(names)}."
            table.faults.append(LineFault(number, None, message, "A text with a separator in it needs quotes."))
            continue
        cells = {name: active(cell).strip() for name, cell in zip(names, row, strict=True) if name}
        table.lines.append(Line(number, {name: cell for name, cell in cells.items() if cell}))
    return table


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with the number of the line that it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise _file(
            f"Line {begins} cannot be read: {clean(error, limit=100)}.", "A quote is missing or too many."
        ) from None


def _known(header: str, separator: str, columns: Columns) -> int:
    try:
        cells = next(csv.reader([header], delimiter=separator))
    except (csv.Error, StopIteration):
        return 0
    return sum(columns.name(cell) is not None for cell in cells)


def _header(cells: Sequence[str], number: int, columns: Columns) -> list[str]:
    names: list[str] = []
    for cell in cells:
        name = columns.name(cell)
        shown = clean(cell, limit=40)
        if name is None and not cell.strip():
            raise _file(f"Line {number}: a column has no name.", "Every column needs one in the header.")
        if name is None:
            close = get_close_matches(cell.strip().lower(), list(columns.known), n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(columns.known)}."
            raise _file(f"Line {number}: there is no column “{shown}”.", hint)
        if name and name in names:
            raise _file(f"Line {number}: the column {name} is there twice.", "Leave one of them out.")
        names.append(name)
    return names


def _from_json(text: str, columns: Columns) -> Table:
    table = Table(tuple(columns.known))
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            table.faults.append(LineFault(number, None, "it is no JSON object."))
            continue
        cells: dict[str, str] = {}
        for key, value in record.items():
            name = columns.name(str(key))
            if name is None:
                table.faults.append(LineFault(number, clean(key, limit=40), "there is no such field."))
                break
            if name and value is not None and (cell := _json_cell(value).strip()):
                cells[name] = cell
        else:
            table.lines.append(Line(number, cells))
    return table


def _json_cell(value: object) -> str:
    if isinstance(value, dict) and "amount" in value:
        return " ".join(str(value[name]) for name in ("amount", "currency") if value.get(name))
    return value if isinstance(value, str) else json.dumps(value)


def _file(message: str, hint: str) -> UsageError:
    return UsageError(message, field="file", hint=hint)
