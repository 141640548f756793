"""Backup and restore: the journal alone, or everything that cannot be fetched again."""

import re
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from bmconsole import __version__
from bmconsole.errors import DiskTrouble, Guarded, NotFound
from bmconsole.paths import Paths, private_folder, write_private
from bmconsole.store import archive, backup
from bmconsole.store.schema import HISTORY, JOURNAL

_SCHEMAS = {"journal.db": JOURNAL, "history.db": HISTORY}
_TEXTS = ("config.toml", "rules.toml", "views.toml", "keys.toml")
_TOKEN_LINE = re.compile(r"(?m)^\s*[\"']?token[\"']?\s*=.*\n?")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back, and what was not because something else is there.

    `former` names where a file lies now whose place was taken.
    """

    source: Path
    files: list[str] = field(default_factory=list)
    former: dict[str, Path] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)


def copy_journal(name: str, paths: Paths, target: Path) -> Path:
    """Copy the journal of the profile `name` to a file that does not exist yet.

    Raises:
        NotFound: There is no journal.
        Guarded: The target exists.
        DiskTrouble: It is damaged, or the copy cannot be written.
    """
    _refuse_existing(target)
    return backup.copy(_journal(name, paths), target)


def copy_all(name: str, paths: Paths, target: Path) -> list[str]:
    """Copy journal, history and the settings files into one archive; return the names of what is in it.

    The token stays out; the mirror too, since everything in it comes back by syncing. Raises as `copy_journal`.
    """
    _refuse_existing(target)
    journal = _journal(name, paths)
    contents: dict[str, Path | bytes] = {}
    with _scratch(journal.parent) as scratch:
        for stem in _SCHEMAS:
            if (file := journal.with_name(stem)).exists():
                contents[stem] = backup.copy(file, scratch / stem)
        for text in _TEXTS:
            if (file := paths.config / text).exists():
                contents[text] = _without_token(file)
        archive.pack(target, contents, {"program": f"bmconsole {__version__}", "profile": name})
    return list(contents)


def restore(name: str, paths: Paths, source: Path | None) -> Restored:
    """Put a copy in the place of what it was made of: an archive, or a journal, the newest daily one by default.

    Databases take the place of what is there, which is moved aside; settings files that exist are left as they are.

    Raises:
        NotFound: There is no copy.
        Guarded: The engine of the profile is running.
        DiskTrouble: The copy is damaged, or a file cannot be written; then nothing was put back.
    """
    folder = paths.profile_data(name)
    chosen = source or backup.newest(folder / "backups")
    if chosen is None:
        raise NotFound(f"There is no copy in {folder / 'backups'}.", field="from", hint="Name a copy with --from.")
    if not chosen.exists():
        raise NotFound(f"There is no copy at {chosen}.", field="file", value=str(chosen))
    try:
        with FileLock(str(folder / "engine.lock"), timeout=0, mode=0o600, thread_local=False):
            done = Restored(chosen)
            if not archive.is_archive(chosen):
                _put(done, chosen, folder / "journal.db")
                return done
            with _scratch(folder) as scratch:
                found = archive.unpack(chosen, scratch, {*_SCHEMAS, *_TEXTS})
                for stem in found.keys() & _SCHEMAS.keys():
                    backup.check(found[stem], _SCHEMAS[stem])
                for stem in sorted(found.keys() & _SCHEMAS.keys()):
                    _put(done, found[stem], folder / stem)
                for text in sorted(found.keys() & set(_TEXTS)):
                    _put_text(done, found[text], paths.config / text)
            return done
    except Timeout:
        raise Guarded(
            "The engine of this profile is running.", hint="End the console or “bmconsole run” first."
        ) from None


def _put(done: Restored, source: Path, place: Path) -> None:
    former = backup.restore(source, place, _SCHEMAS[place.name])
    done.files.append(place.name)
    if former is not None:
        done.former[place.name] = former


def _put_text(done: Restored, source: Path, place: Path) -> None:
    text = source.read_text(encoding="utf-8")
    if place.exists():
        if place.read_text(encoding="utf-8") != text:
            done.kept.append(place.name)
        return
    write_private(place, text)
    done.files.append(place.name)


def _without_token(file: Path) -> bytes:
    """Return a settings file as it is, but without tokens.

    Raises:
        DiskTrouble: It holds one that cannot be told from the rest, or cannot be read.
    """
    try:
        text = _TOKEN_LINE.sub("", file.read_text(encoding="utf-8"))
        profiles = tomllib.loads(text).get("profile", {})
    except (OSError, ValueError, RecursionError) as error:
        raise DiskTrouble(f"{file} cannot be read.", field=str(file), hint="“bmconsole doctor” tells why.") from error
    if any(isinstance(table, dict) and "token" in table for table in profiles.values()):
        raise DiskTrouble(
            f"{file} holds a token that cannot be left out of the copy.",
            field=str(file),
            hint="Write the token on a line of its own, or keep it with “bmconsole auth set”.",
        )
    return text.encode()


def _journal(name: str, paths: Paths) -> Path:
    journal = paths.profile_data(name) / "journal.db"
    if not journal.exists():
        raise NotFound("There is no journal yet.", field="profile", value=name)
    return journal


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise Guarded(f"{target} exists already.", field="to", value=str(target), hint="Name a file that does not.")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Give a private folder beside the files, since a whole history may not fit where temporary files are."""
    with tempfile.TemporaryDirectory(prefix=".copy-", dir=private_folder(folder)) as made:
        yield Path(made)
