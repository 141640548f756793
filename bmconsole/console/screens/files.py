"""Files that the operator names: paths completed while they are typed, read and written away from the event loop."""

import asyncio
import os
from pathlib import Path

from bmconsole.console.completion import Suggestion
from bmconsole.console.look import Cell, Tone
from bmconsole.console.seam import WorkspaceLike
from bmconsole.domain.text import clean
from bmconsole.errors import UsageError

_MOST_OFFERED = 50
_MOST_BYTES = 64 * 1024**2


def complete_path(typed: str) -> list[Suggestion]:
    """Return the folders and files that a path may go on with; hidden ones only where a dot is typed."""
    folder, _, begun = typed.rpartition("/")
    place = Path(folder + "/" if folder or typed.startswith("/") else ".").expanduser()
    try:
        entries = sorted(os.scandir(place), key=lambda entry: (not entry.is_dir(), entry.name.lower()))
    except OSError:
        return []
    low = begun.lower()
    fitting = [
        entry
        for entry in entries
        if entry.name.lower().startswith(low) and (begun.startswith(".") or not entry.name.startswith("."))
    ]
    start = len(typed) - len(begun)
    return [
        Suggestion(start, clean(entry.name) + ("/" if entry.is_dir() else ""), "a folder" if entry.is_dir() else "")
        for entry in fitting[:_MOST_OFFERED]
        if entry.name.isprintable() and (entry.is_dir() or entry.name != begun)
    ]


async def read(path: str) -> bytes:
    """Return what a file holds.

    Raises:
        UsageError: It cannot be read, or is too large to be what is meant.
    """

    def work() -> bytes:
        file = Path(path).expanduser()
        if file.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{clean(path, limit=200)} is larger than {_MOST_BYTES // 1024**2} MiB.", field="file")
        return file.read_bytes()

    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise UsageError(f"{clean(path, limit=200)} cannot be read: {error.strerror}.", field="file") from None


async def write_private(path: str, content: str, *, replace: bool) -> Path:
    """Write a file that only its owner can read; return where it is.

    Raises:
        UsageError: It cannot be written, or is there already and `replace` is not set.
    """

    def work() -> Path:
        file = Path(path).expanduser()
        how = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replace else os.O_EXCL)
        with os.fdopen(os.open(file, how, 0o600), "w", encoding="utf-8") as opened:
            opened.write(content)
        return file

    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise UsageError(f"{clean(path, limit=200)} cannot be written: {error.strerror}.", field="file") from None


async def check_readable(path: str) -> None:
    """Raise UsageError where a path names no file that can be read."""

    def work() -> None:
        with Path(path).expanduser().open("rb"):
            pass

    try:
        await asyncio.to_thread(work)
    except OSError as error:
        raise UsageError(f"{clean(path, limit=200)} cannot be read: {error.strerror}.", field="file") from None


def there(path: str) -> bool:
    """Whether a path is taken."""
    return Path(path).expanduser().exists()


def stamped(workspace: WorkspaceLike, name: str) -> str:
    """Return a file name of today: `pick-list-2026-11-23.csv`."""
    return f"{name}-{workspace.now().astimezone(workspace.zone):%Y-%m-%d}.csv"


def lead(*lines: str) -> list[Cell]:
    """Return quiet lines above a field."""
    return [((line, Tone.DIM),) for line in lines]
