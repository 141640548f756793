"""What can be wrong with the files of a profile: structure, schema, contents against their hashes, modes, copies."""

import shlex
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from bmconsole.doctor.finding import Finding, Level
from bmconsole.domain.text import clean
from bmconsole.domain.times import ago
from bmconsole.errors import BmError, DiskTrouble
from bmconsole.paths import Paths, readable_by_others
from bmconsole.store import backup, hashes, health, quarantine
from bmconsole.store import intents as intent_rows
from bmconsole.store.schema import HISTORY, JOURNAL, MIRROR
from bmconsole.store.sqlite import Connection, Schema, connect, sqlite3, whole

_SYNC_AGAIN = "Move mirror.db away and run “bmconsole sync”: everything in it comes from Back Market."
_RESTORE = "Run “bmconsole restore”, or move the file away to begin anew."
_NAMED = 3


def files(name: str, paths: Paths) -> Iterator[Finding]:
    """Look at the files of the profile `name`; nothing is written to them."""
    yield library(sqlite3.sqlite_version)
    folder = paths.profile_data(name)
    try:
        health.refuse_network(folder)
    except DiskTrouble as trouble:
        yield Finding("folder", Level.FAULT, trouble.message, trouble.hint or "")
    yield _private(name, paths, folder)
    for stem, schema in (("mirror", MIRROR), ("journal", JOURNAL), ("history", HISTORY)):
        path = folder / f"{stem}.db"
        try:
            yield from _file(path, schema)
        except BmError as error:
            yield Finding(stem, Level.FAULT, error.message, error.hint or "")
        except sqlite3.Error as error:
            fault = health.trouble(path, error)
            yield Finding(stem, Level.FAULT, fault.message, fault.hint or "")
    yield _backups(folder)
    if aside := [path.name for path in health.moved_aside(folder / "mirror.db") if path.suffix == ".db"]:
        yield Finding(
            "mirror",
            Level.NOTE,
            f"Damaged mirrors were moved aside: {', '.join(aside)}.",
            "The next purge removes them.",
        )


def library(version: str) -> Finding:
    """Tell whether this version of SQLite is safe where several processes write."""
    number = tuple(int(part) for part in version.split("."))
    # The race at a log's restart was repaired in 3.51.3, and in 3.44.6 and 3.50.7 of the older branches.
    repaired = number >= (3, 51, 3) or (3, 50, 7) <= number < (3, 51) or (3, 44, 6) <= number < (3, 45)
    if repaired or number < (3, 7):
        return Finding("sqlite", Level.OK, f"SQLite {version}.")
    return Finding(
        "sqlite",
        Level.NOTE,
        f"SQLite {version} can damage a file that two processes write at the same moment; it is rare.",
        "Install pysqlite3, or a Python with SQLite 3.51.3 or later; else run one process at a time.",
    )


def _private(name: str, paths: Paths, folder: Path) -> Finding:
    folders = dict.fromkeys((paths.data, paths.state, paths.logs))
    places = [*folders, paths.config_file, paths.token_file(name), folder, *sorted(folder.iterdir())]
    open_to_others = [path for path in places if path.exists() and readable_by_others(path)]
    if not open_to_others:
        return Finding("modes", Level.OK, "Only you can read the files.")
    return Finding(
        "modes",
        Level.FAULT,
        f"Other accounts of this machine may read {', '.join(str(path) for path in open_to_others[:_NAMED])}.",
        f"Run: chmod go= {shlex.join(str(path) for path in open_to_others)}",
    )


def _file(path: Path, schema: Schema) -> Iterator[Finding]:
    name = path.stem
    way_out = _SYNC_AGAIN if schema is MIRROR else _RESTORE if schema is JOURNAL else "Move it away to begin anew."
    if schema is JOURNAL and backup.is_emptied(path, path.parent / "backups"):
        yield Finding(name, Level.FAULT, f"{path.name} is damaged: it is empty.", way_out)
        return
    if not path.exists() or not path.stat().st_size:
        yield Finding(name, Level.OK, f"There is no {path.name} yet.")
        return
    wrong = health.damage(path, schema.application_id)
    if wrong is None and not whole(path):
        wrong = "what is in it contradicts itself"
    if wrong is not None:
        yield Finding(name, Level.FAULT, f"{path.name} is damaged: {wrong}.", way_out)
        return
    with closing(connect(path, readonly=True)) as connection:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        yield _schema(name, version, schema)
        if version == schema.version:
            if schema is MIRROR:
                yield from _mirror(connection)
            if schema is JOURNAL:
                yield _audit(connection)


def _schema(name: str, version: int, schema: Schema) -> Finding:
    told = f"{name}.db is whole; schema {version} of {schema.version}."
    if version > schema.version:
        return Finding(name, Level.FAULT, f"{name}.db was written by a newer bmconsole.", "Update bmconsole.")
    if version < schema.version:
        return Finding(name, Level.NOTE, told, "The next command that opens it brings it up to date.")
    return Finding(name, Level.OK, told)


def _mirror(connection: Connection) -> Iterator[Finding]:
    if spoiled := list(islice(hashes.spoiled(connection), _NAMED + 1)):
        named = ", ".join(spoiled[:_NAMED]) + (" and more" if len(spoiled) > _NAMED else "")
        yield Finding("hashes", Level.FAULT, f"What was stored is not what was sent: {named}.", _SYNC_AGAIN)
    else:
        yield Finding("hashes", Level.OK, "What is stored is what Back Market sent.")
    reasons = quarantine.reasons(connection)
    if not reasons:
        yield Finding("quarantine", Level.OK, "Every record could be understood.")
        return
    told = "; ".join(f"{stream}: {clean(error, limit=120)} ({count})" for stream, error, count in reasons[:_NAMED])
    more = f"; {len(reasons) - _NAMED} more reasons" if len(reasons) > _NAMED else ""
    yield Finding(
        "quarantine",
        Level.FAULT,
        f"{sum(count for _, _, count in reasons)} records could not be understood: {told}{more}.",
        "Look at them at Back Market. An update of bmconsole may understand them, and the next sync takes them in.",
    )


def _audit(connection: Connection) -> Finding:
    broken = intent_rows.audit_broken_at(connection)
    if broken is None:
        return Finding("audit", Level.OK, "The chain of the audit is unbroken.")
    return Finding(
        "audit",
        Level.FAULT,
        f"The audit was changed from entry {broken} on.",
        "Compare with a copy in the backups folder; “bmconsole restore” puts one in the journal's place.",
    )


def _backups(folder: Path) -> Finding:
    newest = backup.newest(folder / "backups")
    if newest is None:
        return Finding("backups", Level.NOTE, "The journal was never copied.", "“bmconsole run” copies it once a day.")
    age = ago(datetime.fromtimestamp(newest.stat().st_mtime, UTC), datetime.now(UTC))
    return Finding("backups", Level.OK, f"The journal was last copied {age} ago, to {newest}.")
