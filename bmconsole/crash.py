"""A report of an error that nobody foresaw: the way through the code, without values.

Messages, local variables and lines of code may hold a token or a buyer's name, so only types and places are written
down, each place as `file:line in function` with the file's name inside its package.
"""

import platform
import sys
import traceback
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bmconsole import __version__
from bmconsole.domain.times import stamp
from bmconsole.paths import Paths, write_private

_PACKAGES = ("textual", "rich", "httpx", "pydantic", "sqlite-utils")
_OURS = Path(__file__).parent


def report(error: BaseException, paths: Paths | None = None) -> Path:
    """Write the report of `error` into the state folder (mode 0600) and return where it is.

    Raises:
        DiskTrouble: It cannot be written.
    """
    now = datetime.now(UTC)
    file = (paths or Paths.default()).state / "crashes" / f"{now:%Y%m%dT%H%M%S}-{now.microsecond:06d}.txt"
    head = [
        f"bmconsole {__version__}, Python {sys.version.split()[0]}, {platform.system()} {platform.machine()}",
        ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        stamp(now),
    ]
    write_private(file, "\n".join([*head, "", *_lines(error, set())]) + "\n")
    return file


def kind(error: BaseException) -> str:
    """Return the name of the error's type; a value is never part of it."""
    return type(error).__qualname__


def place(error: BaseException) -> str:
    """Return the innermost place in our code that `error` came through, empty where there is none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _OURS in Path(frame.filename).parents]
    return _place(frames[-1]) if frames else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"


def _lines(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    lines: list[str] = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen:
        lines += [*_lines(cause, seen), "", "which led to", ""]
    lines.append(f"{type(error).__module__}.{kind(error)}")
    lines += [f"  {_place(frame)}" for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, BaseExceptionGroup):
        for number, part in enumerate(error.exceptions, start=1):
            lines += ["", f"part {number} of {len(error.exceptions)}", *_lines(part, seen)]
    return lines


def _place(frame: traceback.FrameSummary) -> str:
    # Without the folders before the package: they name the account
    parts = Path(frame.filename).parts
    roots = [at + 1 for at, part in enumerate(parts) if part in ("site-packages", "dist-packages")]
    if not roots and _OURS in Path(frame.filename).parents:
        roots = [len(_OURS.parts) - 1]
    name = "/".join(parts[roots[-1] :]) if roots else "/".join(parts[-2:])
    return f"{name}:{frame.lineno} in {frame.name}"
