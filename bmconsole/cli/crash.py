"""A report of an error that nobody foresaw: the way through the code, without values.

Messages and local variables may hold a token or a buyer's name, so only types and places are written down.
"""

import platform
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from bmconsole import __version__
from bmconsole.domain.times import stamp
from bmconsole.paths import Paths, write_private


def report(error: BaseException, paths: Paths | None = None) -> Path:
    """Write the report of `error` into the state folder (mode 0600) and return where it is.

    Raises:
        DiskTrouble: It cannot be written.
    """
    now = datetime.now(UTC)
    file = (paths or Paths.default()).state / "crashes" / f"{now:%Y%m%dT%H%M%S}-{now.microsecond:06d}.txt"
    head = [
        f"bmconsole {__version__}, Python {sys.version.split()[0]}, {platform.system()} {platform.machine()}",
        stamp(now),
    ]
    write_private(file, "\n".join([*head, "", *_lines(error, set())]) + "\n")
    return file


def _lines(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    lines: list[str] = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen:
        lines += [*_lines(cause, seen), "", "which led to", ""]
    lines.append(f"{type(error).__module__}.{type(error).__qualname__}")
    for place in traceback.extract_tb(error.__traceback__):
        lines.append(f"  {place.filename}:{place.lineno} in {place.name}")
        if place.line:
            lines.append(f"    {place.line}")
    if isinstance(error, BaseExceptionGroup):
        for number, part in enumerate(error.exceptions, start=1):
            lines += ["", f"part {number} of {len(error.exceptions)}", *_lines(part, seen)]
    return lines
