"""What came of a file of changes: a plan, and what is wrong with which line."""

from dataclasses import dataclass
from decimal import Decimal

from bmconsole.domain.views import WritePlan
from bmconsole.errors import BmError

MANY_ROWS = 50
"""How many rows may be written without the number being confirmed besides."""
BIG_JUMP = Decimal(20)
"""By how many per cent a price may move without that, where nobody typed it."""


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong with a line of a file; lines count from 1, the header too. `column` None: the whole line."""

    line: int
    column: str | None
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"line {self.line}" if self.column is None else f"line {self.line}, column {self.column}"
        return f"{place}: {self.message}" + (f" {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan made from the valid lines of a file, and the faults of the others; `lines` counts all but the header."""

    plan: WritePlan
    faults: tuple[LineFault, ...]
    lines: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a bulk leaves out, as people call it, and why."""

    label: str
    error: BmError

    @property
    def why(self) -> str:
        return self.error.line()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a write cannot be taken back."""

    intent: int
    why: str
