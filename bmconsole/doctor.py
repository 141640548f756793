"""Looks for what is wrong with a profile on this machine, repairs nothing, and says the way out of each fault."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from pathlib import Path

from bmconsole.domain.text import clean
from bmconsole.domain.times import ago
from bmconsole.errors import BmError, DiskTrouble
from bmconsole.paths import Paths, readable_by_others
from bmconsole.settings import Profile
from bmconsole.store import backup, hashes, health, quarantine
from bmconsole.store import intents as intent_rows
from bmconsole.store.schema import HISTORY, JOURNAL, MIRROR
from bmconsole.store.sqlite import Connection, Schema, connect, sqlite3, whole

_SYNC_AGAIN = "Move mirror.db away and run “bmconsole sync”: everything in it comes from Back Market."
_RESTORE = "Run “bmconsole restore”, or move the file away to begin anew."
_NAMED = 3
_CLOCK_FAULT = timedelta(minutes=5)
_CLOCK_NOTE = timedelta(seconds=5)


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


async def examine(profile: Profile, paths: Paths) -> list[Finding]:
    """Look at everything; one request tells the server's clock, if the profile has a token and its files are sound."""
    found = await asyncio.to_thread(lambda: list(_at_rest(profile, paths)))
    return [*found, await _clock(profile, paths, sound=all(finding.level is not Level.FAULT for finding in found))]


def _at_rest(profile: Profile, paths: Paths) -> Iterator[Finding]:
    yield library(sqlite3.sqlite_version)
    folder = paths.profile_data(profile.name)
    try:
        health.refuse_network(folder)
    except DiskTrouble as trouble:
        yield Finding("folder", Level.FAULT, trouble.message, trouble.hint or "")
    yield _private(profile, paths, folder)
    for name, schema in (("mirror", MIRROR), ("journal", JOURNAL), ("history", HISTORY)):
        path = folder / f"{name}.db"
        try:
            yield from _file(path, schema)
        except BmError as error:
            yield Finding(name, Level.FAULT, error.message, error.hint or "")
        except sqlite3.Error as error:
            fault = health.trouble(path, error)
            yield Finding(name, Level.FAULT, fault.message, fault.hint or "")
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


def _private(profile: Profile, paths: Paths, folder: Path) -> Finding:
    places = [paths.config_file, paths.token_file(profile.name), folder, *sorted(folder.iterdir())]
    open_to_others = [path for path in places if path.exists() and readable_by_others(path)]
    if not open_to_others:
        return Finding("modes", Level.OK, "Only you can read the files.")
    return Finding(
        "modes",
        Level.FAULT,
        f"Other accounts of this machine may read {', '.join(str(path) for path in open_to_others[:_NAMED])}.",
        "Take their rights away: chmod go= on each of them.",
    )


def _file(path: Path, schema: Schema) -> Iterator[Finding]:
    name = path.stem
    way_out = _SYNC_AGAIN if schema is MIRROR else _RESTORE if schema is JOURNAL else "Move it away to begin anew."
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


async def _clock(profile: Profile, paths: Paths, *, sound: bool) -> Finding:
    if profile.token is None or not sound:
        return Finding("clock", Level.NOTE, "The server's clock was not asked.", "It takes a token and sound files.")
    from bmconsole.workspace import Workspace

    try:
        async with await Workspace.open(profile, paths) as workspace:
            await workspace.check_token()
            skew = datetime.now(UTC) - workspace.now()
    except BmError as error:
        return Finding("clock", Level.NOTE, f"The server's clock was not told: {error.message}", error.hint or "")
    seconds = skew.total_seconds()
    told = f"This machine's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the server's."
    if abs(skew) <= _CLOCK_NOTE:
        return Finding("clock", Level.OK, "This machine's clock agrees with the server's.")
    return Finding("clock", Level.FAULT if abs(skew) > _CLOCK_FAULT else Level.NOTE, told, "Set this machine's clock.")
