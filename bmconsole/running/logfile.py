"""The log as a file beside the database's: a JSON object a line, turned over by size, without anything secret."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from bmconsole.domain.times import stamp
from bmconsole.domain.views import Event
from bmconsole.errors import DiskTrouble
from bmconsole.paths import private_folder

LARGEST = 5_000_000
"""Bytes after which a file is put aside."""
KEPT = 5
"""How many files that were put aside are kept."""

_SECRETS = (
    (re.compile(r"(?i)\b(basic|bearer)\s+\S+"), r"\1 …"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "…@…"),
    (re.compile(r"(?i)\b(token|password|secret|key)(\s*[=:]\s*)\S+"), r"\1\2…"),
)


class LogFile:
    """Writes events to a file; only one process at a time may, the one that holds the engine.

    Args:
        path: The file; those put aside are named `.1`, the newest, to `.5`.
        secrets: What must not be in it, such as the token.
        largest: Bytes after which it is put aside.
    """

    def __init__(self, path: Path, secrets: Sequence[str] = (), *, largest: int = LARGEST) -> None:
        self._path = path
        self._secrets = [secret for secret in secrets if secret]
        self._largest = largest

    def add(self, events: Sequence[Event]) -> None:
        """Append events, each on its line.

        Raises:
            DiskTrouble: The file cannot be written.
        """
        text = "".join(self._line(event) for event in events)
        try:
            private_folder(self._path.parent)
            self._turn_over(len(text))
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise DiskTrouble(
                f"Cannot write {self._path}: {error.strerror or error}.", field=str(self._path)
            ) from error

    def redacted(self, text: str) -> str:
        """Return `text` without what may be secret."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        for pattern, rest in _SECRETS:
            text = pattern.sub(rest, text)
        return text

    def _line(self, event: Event) -> str:
        told = {
            "id": event.id,
            "at": stamp(event.at),
            "level": event.level,
            "source": event.source,
            "message": self.redacted(event.message),
            "ref": event.ref,
        }
        return json.dumps(told) + "\n"

    def _turn_over(self, more: int) -> None:
        if not self._path.exists() or self._path.stat().st_size + more <= self._largest:
            return
        for number in range(KEPT, 0, -1):
            older = self._aside(number - 1) if number > 1 else self._path
            if older.exists():
                older.replace(self._aside(number))

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
