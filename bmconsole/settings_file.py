"""`config.toml`: reading it, and finding the line of a key again when something is wrong with it."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bmconsole.domain.text import clean
from bmconsole.errors import SettingsError
from bmconsole.paths import is_anothers, readable_by_others, writable_by_all

Table = Mapping[str, Any]
"""A TOML table: text, numbers, booleans, lists and tables, as they were written; `settings` checks them."""

_HEADER = re.compile(r"\s*\[\s*(?P<path>[^\[\]]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"""\s*(?P<path>(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_AT_LINE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column \d+|end of document)\)")


@dataclass(frozen=True)
class SettingsFile:
    """What `config.toml` says; `exists` is False, and everything empty, where there is none."""

    path: Path
    exists: bool = False
    text: str = field(default="", repr=False)
    profiles: Mapping[str, Table] = field(default_factory=dict, repr=False)

    def line_of(self, *keys: str) -> int | None:
        """Return the 1-based line where the value of `keys` (`"profile", "eu", "limits", "edge"`) is written."""
        best: tuple[int, int] | None = None
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := _HEADER.match(line):
                table = _parts(header["path"])
                path = table
            elif key := _KEY.match(line):
                path = table + _parts(key["path"])
            else:
                continue
            if path == keys:
                return number
            # an inline table, or a list, has its keys on the line of its own key
            if path == keys[: len(path)] and (best is None or len(path) > best[0]):
                best = len(path), number
        return best[1] if best else None

    def where(self, *keys: str) -> str:
        """Return `PATH, line N` of a key for a message, or only the path."""
        line = self.line_of(*keys)
        return f"{self.path}, line {line}" if line else str(self.path)

    def shared_with_others(self) -> bool:
        """Return whether another account of this machine may read the file."""
        return self.exists and readable_by_others(self.path)


def read_settings_file(path: Path) -> SettingsFile:
    """Read `config.toml`; a file that is missing is an empty one.

    Raises:
        SettingsError: It cannot be read or is no TOML (with file and line), has other tables than profiles, or others
            could have written it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _check_writers(path)
    except FileNotFoundError:
        return SettingsFile(path)
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (byte {error.start}).") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    except RecursionError:
        raise SettingsError(f"{path} is nested too deeply to be settings.") from None
    file = SettingsFile(path, True, text)
    for key in document:
        if key != "profile":
            raise SettingsError(
                f"{file.where(key)}: there is no setting “{clean(key, limit=80)}” here.",
                field=clean(key, limit=80),
                hint="Settings stand in a table of their profile, such as [profile.default].",
            )
    profiles = document.get("profile", {})
    if not isinstance(profiles, dict) or not all(isinstance(table, dict) for table in profiles.values()):
        raise SettingsError(
            f"{file.where('profile')}: “profile” has to be tables.", field="profile", hint="Write [profile.default]."
        )
    return SettingsFile(path, True, text, profiles)


def _check_writers(path: Path) -> None:
    # Whoever writes it says which programs are run (token_command, notify) and where the token is sent
    if is_anothers(path):
        raise SettingsError(
            f"{path} belongs to another account, which could have us run any program.",
            hint="Make it yours: sudo chown $USER, or point BMCONSOLE_HOME at a folder of yours.",
        )
    if writable_by_all(path):
        raise SettingsError(
            f"Every account of this machine may write {path}, and could have us run any program.",
            hint=f"Look at what is in it, then run: chmod 600 {path}",
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what was probably meant, or everything that there is."""
    names = list(known)
    close = get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f"Did you mean “{close[0]}”?" if close else f"Known: {', '.join(names)}."


def _syntax_error(path: Path, text: str, message: str) -> SettingsError:
    at = _AT_LINE.search(message)
    number = int(at["line"]) if at and at["line"] else len(text.splitlines()) or 1
    lines = text.splitlines()
    written = _KEY.match(lines[number - 1]) if number <= len(lines) else None
    key = ".".join(_parts(written["path"])) if written else None
    reason = clean(_AT_LINE.sub("", message), limit=200)
    about = f" at “{key}”" if key else ""
    return SettingsError(
        f"{path}, line {number}: not TOML{about}: {reason}.",
        field=key,
        hint='Text stands in quotes: markets = "fr-fr,de-de".',
    )


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(path))


def nested(flat: Mapping[str, str]) -> dict[str, Any]:
    """Return dotted keys (`limits.edge`) as tables."""
    result: dict[str, Any] = {}
    for dotted, value in flat.items():
        *tables, last = dotted.split(".")
        place = result
        for name in tables:
            place = place.setdefault(name, {})
        place[last] = value
    return result


def holds(table: Table, keys: Sequence[str]) -> bool:
    """Return whether `table` has a value under `keys`."""
    place: Any = table
    for key in keys:
        if not isinstance(place, Mapping) or key not in place:
            return False
        place = place[key]
    return True
