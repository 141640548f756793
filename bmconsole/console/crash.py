"""What stays behind when the console fails: a report for its owner's eyes, without the values that were in memory."""

import os
import platform
import traceback
from datetime import UTC, datetime
from pathlib import Path

from bmconsole import __version__


def write_report(error: BaseException, folder: Path) -> Path | None:
    """Write where `error` came from (files, lines, functions; no local values, no message) into `folder`, mode 0600.

    An exception's message may carry remote text, so only its type is kept. Returns None where the disk refuses.
    """
    frames = traceback.extract_tb(error.__traceback__, limit=-40)
    lines = [
        f"bmconsole {__version__}, Python {platform.python_version()}, {platform.system()}",
        f"{type(error).__module__}.{type(error).__qualname__}",
        *(f"  {_place(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames),
    ]
    path = folder / f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.txt"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    except OSError:
        return None
    return path


def _place(filename: str) -> str:
    """Return the end of a path: enough to find the line, without the folders of this machine."""
    parts = Path(filename).parts
    return "/".join(parts[-3:])
