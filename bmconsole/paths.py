"""Where files live: configuration, data, state and logs, in folders that only their owner may enter."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bmconsole.errors import DiskTrouble, SettingsError

APP = "bmconsole"

_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Paths:
    """The four folders. They need not exist: what is written makes its folder with `private_folder` first."""

    config: Path
    data: Path
    state: Path
    logs: Path

    @classmethod
    def default(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the folders under `BMCONSOLE_HOME` where that is set, else those that the system has for them."""
        home = (os.environ if environ is None else environ).get("BMCONSOLE_HOME", "").strip()
        if home:
            return cls.under(Path(home).expanduser().absolute())
        import platformdirs  # 35 ms that a set BMCONSOLE_HOME saves

        # On macOS and Windows some of these are one folder, so no two of them may hold the same name.
        return cls(
            config=Path(platformdirs.user_config_dir(APP, appauthor=False)),
            data=Path(platformdirs.user_data_dir(APP, appauthor=False)),
            state=Path(platformdirs.user_state_dir(APP, appauthor=False)),
            logs=Path(platformdirs.user_log_dir(APP, appauthor=False)),
        )

    @classmethod
    def under(cls, home: Path) -> Self:
        """Return the four folders inside `home`."""
        return cls(config=home / "config", data=home / "data", state=home / "state", logs=home / "logs")

    @property
    def config_file(self) -> Path:
        """`config.toml`; `rules.toml`, `views.toml` and `keys.toml` live beside it."""
        return self.config / "config.toml"

    def token_file(self, profile: str) -> Path:
        """Return the file in which `auth set` keeps the token of `profile`."""
        return self.config / "tokens" / check_profile_name(profile)

    def profile_data(self, profile: str) -> Path:
        """Return the folder that holds `mirror.db`, `journal.db` and `history.db` of `profile`, made if it is missing.

        Raises:
            SettingsError: Not a name that a profile can have.
            DiskTrouble: The folder cannot be made.
        """
        return private_folder(self.data / "profiles" / check_profile_name(profile))

    @property
    def ledger(self) -> Path:
        """The folder of the ledgers and of the small files beside them, made if it is missing.

        Raises:
            DiskTrouble: The folder cannot be made.
        """
        return private_folder(self.state / "ledger")


def check_profile_name(name: str) -> str:
    """Return `name` if a profile can have it (it becomes a folder's name).

    Raises:
        SettingsError: It cannot.
    """
    if not _PROFILE_NAME.fullmatch(name):
        raise SettingsError(
            "The name of a profile has letters, digits, - and _ only, 64 at most.", field="profile", value=name
        )
    return name


def private_folder(path: Path) -> Path:
    """Make the folder and its missing parents with mode 0700 and return it.

    Raises:
        DiskTrouble: It cannot be made.
    """
    try:
        for folder in (*reversed(path.parents), path):
            # mkdir(parents=True) would give the parents whatever mode the umask leaves
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _trouble("make the folder", path, error) from error
    return path


def write_private(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace the file in one step by `text` (UTF-8), mode 0600 from its first byte on, through to the disk.

    What means nothing after a restart of the machine need not be `durable`.

    Raises:
        DiskTrouble: It cannot be written; the former file is untouched.
    """
    private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        draft.replace(path)
        if durable:
            _settle_names(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise _trouble("write", path, error) from error


def _settle_names(folder: Path) -> None:
    """Have the disk take in what was renamed in a folder; without it a power cut may bring the former file back."""
    if os.name != "posix":
        return  # Windows opens no folders
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def readable_by_others(path: Path) -> bool:
    """Return whether another account of this machine may read the file (never on Windows, whose modes do not tell)."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def is_anothers(path: Path) -> bool:
    """Return whether the file belongs to an account that is neither ours nor the system's (never on Windows)."""
    return os.name == "posix" and path.stat().st_uid not in (os.geteuid(), 0)


def writable_by_all(path: Path) -> bool:
    """Return whether every account of this machine may write the file (never on Windows)."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o002)


def _trouble(doing: str, path: Path, error: OSError) -> DiskTrouble:
    return DiskTrouble(f"Cannot {doing} {path}: {error.strerror or error}.", field=str(path))
