"""A copy of everything that cannot be fetched again, in one file: databases and settings, each with its hash.

The token is not in it. A gzipped tar with flat names, so that people can look into it with any tool.
"""

import io
import json
import os
import tarfile
import zlib
from collections.abc import Collection, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import IO

from bmconsole.errors import DiskTrouble, NotFound
from bmconsole.paths import private_folder
from bmconsole.store import health

MANIFEST = "manifest.json"
_CHUNK = 1024 * 1024
_LONGEST_MANIFEST = 64 * 1024


def pack(target: Path, files: Mapping[str, Path | bytes], about: Mapping[str, str]) -> None:
    """Write the archive, mode 0600, in one step; what is there under its name is replaced.

    Raises:
        DiskTrouble: It cannot be written.
    """
    private_folder(target.parent)
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                hashes = {name: _add(archive, name, content) for name, content in files.items()}
                _add(archive, MANIFEST, json.dumps({"about": dict(about), "files": hashes}).encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        raise health.trouble(target, error) from error
    finally:
        draft.unlink(missing_ok=True)


def unpack(source: Path, folder: Path, known: Collection[str]) -> dict[str, Path]:
    """Write what the archive holds under `known` names into `folder`, and return where each file is.

    Raises:
        NotFound: There is no such file.
        DiskTrouble: It is no archive of ours, or a file in it is not what was put in.
    """
    if not source.exists():
        raise NotFound(f"There is no copy at {source}.", field="file", value=str(source))
    found: dict[str, Path] = {}
    hashes: dict[str, str] = {}
    stated: object = None
    try:
        with tarfile.open(source, mode="r:gz") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is None:
                    raise health.damaged(source, "it holds something else than files")
                if member.name == MANIFEST:
                    stated = json.loads(content.read(_LONGEST_MANIFEST))
                elif member.name in known and member.name not in found:
                    found[member.name] = folder / member.name
                    hashes[member.name] = _extract(content, found[member.name])
                else:
                    raise health.damaged(source, "it holds a file that no copy of ours has")
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise health.damaged(source, "it is no copy of ours, or is cut off") from error
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise health.trouble(source, error) from error
        raise health.damaged(source, "it is no copy of ours, or cannot be read") from error
    if not isinstance(stated, dict) or stated.get("files") != hashes:
        raise health.damaged(source, "what is in it is not what was put in")
    return found


def is_archive(path: Path) -> bool:
    """Return whether a file begins as an archive does; a copy of one database does not."""
    try:
        with path.open("rb") as file:
            return file.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise DiskTrouble(f"Cannot read {path}: {error.strerror or error}.", field=str(path)) from error


def _add(archive: tarfile.TarFile, name: str, content: Path | bytes) -> str:
    entry = tarfile.TarInfo(name)
    entry.mode = 0o600
    if isinstance(content, bytes):
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
        return blake2b(content, digest_size=32).hexdigest()
    entry.size = content.stat().st_size
    with content.open("rb") as file:
        archive.addfile(entry, file)
    with content.open("rb") as file:
        return _hash(file)


def _extract(content: IO[bytes], target: Path) -> str:
    seen = blake2b(digest_size=32)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while part := content.read(_CHUNK):
            seen.update(part)
            file.write(part)
    return seen.hexdigest()


def _hash(file: IO[bytes]) -> str:
    seen = blake2b(digest_size=32)
    while part := file.read(_CHUNK):
        seen.update(part)
    return seen.hexdigest()
