"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: a fault makes `doctor` end with 1, a note does not."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and the way out where something is wrong."""

    check: str
    level: Level
    message: str
    hint: str = ""
