"""Copies of the journal: one a day, the newest seven kept, and one before each change of its schema."""

import os
import re
import shutil
from contextlib import closing
from datetime import datetime
from pathlib import Path

from bmconsole.errors import DiskTrouble, NotFound
from bmconsole.paths import private_folder
from bmconsole.store import health
from bmconsole.store.sqlite import Connection, Schema, connect, sqlite3

KEPT = 7
_KEPT_BEFORE = 3
_DAILY = re.compile(r"journal-\d{4}-\d\d-\d\d\.db")
_BEFORE = re.compile(r"journal-before-\d+-\d{8}T\d{6}\.db")


def daily(journal: Path, folder: Path, now: datetime) -> Path | None:
    """Copy the journal into `folder` unless today's copy is there; return the new copy.

    Raises:
        DiskTrouble: The copy could not be made, or is not whole; older ones stay.
    """
    target = folder / f"journal-{now:%Y-%m-%d}.db"
    if target.exists():
        return None
    return copy(journal, target)


def before_migration(connection: Connection, folder: Path, now: datetime) -> Path:
    """Copy the journal that `connection` is on, before its schema changes; raises as `daily`."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    target = folder / f"journal-before-{version}-{now:%Y%m%dT%H%M%S}.db"
    return _copy(connection, target)


def copy(journal: Path, target: Path) -> Path:
    """Copy the journal to `target`, check the copy and return it; raises as `daily`."""
    with closing(connect(journal, synchronous="FULL")) as connection:
        return _copy(connection, target)


def newest(folder: Path) -> Path | None:
    """Return the newest daily copy."""
    copies = _named(folder, _DAILY)
    return copies[-1] if copies else None


def restore(source: Path, journal: Path, schema: Schema) -> Path | None:
    """Put a copy in the place of the journal, or of another file of ours.

    Returns where the former file lies now, where there was one.

    No process may have the journal open: one that has goes on with the former file.

    Raises:
        NotFound: There is no such copy.
        DiskTrouble: The copy is damaged, or a file cannot be written; the journal stays as it was.
    """
    check(source, schema)
    draft = _draft(journal)
    try:
        shutil.copyfile(source, draft)
        _settle(draft)
        former = health.move_aside(journal)
        draft.replace(journal)
    except OSError as error:
        raise health.trouble(journal, error) from error
    finally:
        draft.unlink(missing_ok=True)
    return former


def is_emptied(journal: Path, folder: Path) -> bool:
    """Return whether a journal has lost all that it had: it is empty, and there are copies of one in `folder`."""
    there = health.identity(journal)
    return there is not None and there.empty and any(_named(folder, pattern) for pattern in (_DAILY, _BEFORE))


def refuse_emptied(journal: Path, folder: Path, *, hint: str) -> None:
    """Refuse an emptied journal: it would be filled as if it were new, and nobody would miss what was in it.

    Raises:
        Damaged: It is one.
    """
    if is_emptied(journal, folder):
        raise health.damaged(journal, "it is empty", hint=hint)


def check(source: Path, schema: Schema) -> None:
    """Make sure that a copy is there and whole.

    Raises:
        NotFound: There is no such copy.
        DiskTrouble: It is damaged, or of another kind.
    """
    if not source.exists():
        raise NotFound(f"There is no copy at {source}.", field="file", value=str(source))
    if wrong := _fault(source, schema.application_id):
        raise health.damaged(source, wrong)


def _copy(connection: Connection, target: Path) -> Path:
    private_folder(target.parent)
    draft = _draft(target)
    try:
        connection.execute("VACUUM INTO ?", (str(draft),))
        _settle(draft)
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        if wrong := _fault(draft, owner):
            raise DiskTrouble(f"The copy of the journal is not whole: {wrong}.", field="file", value=str(target))
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise health.trouble(target, error) from error
    finally:
        draft.unlink(missing_ok=True)
    for pattern, kept in ((_DAILY, KEPT), (_BEFORE, _KEPT_BEFORE)):
        for old in _named(target.parent, pattern)[:-kept]:
            old.unlink(missing_ok=True)
    return target


def _draft(target: Path) -> Path:
    """Make an empty private file beside `target`; SQLite fills an empty file as if it were new."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return draft


def _settle(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fault(path: Path, application_id: int) -> str | None:
    if not path.stat().st_size:
        return "it is empty"
    if wrong := health.damage(path, application_id):
        return wrong
    # Not with `connect`, which would begin a log beside the copy.
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA query_only = 1")
            told = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        except sqlite3.DatabaseError:
            return "what is in it contradicts itself"
    return None if told == "ok" else "what is in it contradicts itself"


def _named(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    # Both kinds end in their time.
    return sorted((path for path in folder.iterdir() if pattern.fullmatch(path.name)), key=lambda path: path.stem[-15:])
