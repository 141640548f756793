"""What can be wrong with a database file: told from its first bytes and the folder it lies in, before it is opened.

A mirror that is damaged is moved aside and starts anew, because everything in it comes back by syncing. The journal and
the history never are: what is in them cannot be fetched again, so a person decides.
"""

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bmconsole.domain.text import clean
from bmconsole.errors import DiskTrouble

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_ASIDE = ".corrupt-"
_MOUNTS = Path("/proc/self/mounts")
_NETWORK = {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs"}
_NETWORK |= {"smb2", "smb3", "smbfs"}
_NETWORK |= {f"fuse.{name}" for name in ("ceph", "davfs", "gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs")}

# The primary result codes of SQLite (sqlite.org/rescode.html); a code's higher bytes say more.
_PERM, _BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 3, 5, 6, 8, 10, 11, 13, 14, 26


class Damaged(DiskTrouble):
    """A file is no database of ours, or is broken."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file is, whatever it is called: a file that was replaced under its name is another one."""

    device: int
    number: int
    empty: bool


def identity(path: Path) -> Identity | None:
    """Return what the file at `path` is, None where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return Identity(stat.st_dev, stat.st_ino, stat.st_size == 0)


def damage(path: Path, application_id: int) -> str | None:
    """Return what is wrong with a file at first sight, None where nothing is; a file without content is a new one.

    Raises:
        OSError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return None
    if not header:
        return None
    if not header.startswith(_MAGIC):
        return "it is no database"
    if len(header) < _HEADER:
        return "it is cut off"
    owner = int.from_bytes(header[68:72], "big")
    if owner not in (0, application_id):
        return "it belongs to another program or is another of our files"
    page_size = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    # Ours are named before they get a table
    if not owner and size > (65_536 if page_size == 1 else page_size):
        return "it belongs to another program"
    log = path.with_name(f"{path.name}-wal")
    # The count holds only where the last writer kept it (bytes 92 to 96), and what is missing may be in the log.
    counted = header[24:28] == header[92:96] and not (log.exists() and log.stat().st_size)
    if counted and pages * (65_536 if page_size == 1 else page_size) > size:
        return "it is cut off"
    return None


def damaged(path: Path, why: str, *, hint: str = "") -> Damaged:
    """Return the error that a file is damaged."""
    return Damaged(f"{path.name} is damaged: {why}.", field="file", value=str(path), hint=hint or None)


def trouble(path: Path, error: Exception) -> DiskTrouble:
    """Return an error of SQLite or of the file system in words for people, without the statement that met it."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    name, value = path.name, str(path)
    if primary in (_CORRUPT, _NOTADB):
        return damaged(path, "it is no database" if primary == _NOTADB else "what is in it contradicts itself")
    if primary == _FULL or getattr(error, "errno", None) == 28:
        return DiskTrouble(
            f"The disk is full: {name} cannot be written.",
            field="file",
            value=value,
            hint="Nothing was lost; free some space and it goes on.",
        )
    if primary in (_BUSY, _LOCKED):
        return DiskTrouble(
            f"Another process kept {name} locked.", field="file", value=value, hint="Try again; if it stays, end it."
        )
    if primary in (_PERM, _READONLY, _CANTOPEN) or isinstance(error, PermissionError):
        return DiskTrouble(
            f"{name} cannot be opened for writing.",
            field="file",
            value=value,
            hint="Check the owner and mode of the file and of its folder.",
        )
    if primary == _IOERR:
        return DiskTrouble(
            f"The disk failed under {name} ({getattr(error, 'sqlite_errorname', 'I/O error')}).",
            field="file",
            value=value,
            hint="Check the disk and its free space.",
        )
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DiskTrouble(
        f"{name} cannot be used: {clean(said, limit=160)}.",
        field="file",
        value=value,
        hint="Check the disk's free space and the file's owner and mode.",
    )


def is_damage(error: BaseException) -> bool:
    """Return whether SQLite says that the file is damaged or, as it seems, cut off."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF in (_CORRUPT, _NOTADB, _IOERR)


def move_aside(path: Path) -> Path | None:
    """Rename a file and its log, and return where it lies now; a reader of the old one is not disturbed.

    A log without its file is moved as well, for SQLite would take it for the log of whatever comes under this name;
    then None is returned.

    Raises:
        OSError: It cannot be renamed, as on Windows where another process has it open.
    """
    now = datetime.now(UTC)
    target = path.with_name(f"{path.stem}{_ASIDE}{now:%Y%m%dT%H%M%S}-{now.microsecond:06d}{path.suffix}")
    moved = False
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(target.with_name(target.name + end))
            moved |= not end
    if not moved:
        return None
    target.chmod(0o600)
    return target


def moved_aside(path: Path) -> list[Path]:
    """Return the former files of this name that were moved aside, with their logs."""
    return sorted(path.parent.glob(f"{path.stem}{_ASIDE}*"))


def refuse_network(folder: Path, mounts: str | None = None) -> None:
    """Refuse a folder on a network file system: SQLite's log needs memory that processes of one machine share.

    Only Linux is asked; `mounts` is what `/proc/self/mounts` says.

    Raises:
        DiskTrouble: The folder lies on one.
    """
    if mounts is None:
        if not sys.platform.startswith("linux"):
            return
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
    kind = _kind(folder.absolute().resolve(), mounts)
    if kind in _NETWORK:
        raise DiskTrouble(
            f"{folder} lies on a network file system ({kind}); several processes would damage the databases there.",
            field="BMCONSOLE_HOME",
            value=str(folder),
            hint="Point BMCONSOLE_HOME at a folder on a local disk.",
        )


def _kind(folder: Path, mounts: str) -> str:
    """Return the type of the file system that `folder` lies on; the last of several mounts on one place counts."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        place = fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
        if len(place) >= best and folder.is_relative_to(place):
            best, kind = len(place), fields[2]
    # A sandbox or virtual machine may have its whole root on 9p and no other disk.
    return "" if kind == "9p" and best == 1 else kind
