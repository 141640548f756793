"""The API token: where it may come from, and where `auth set` keeps it: a private file, or the machine's keyring.

The order: environment, `token_command`, keyring (an extra), `token` in the settings file, the token file. Its value is
in no message, log or argument list.
"""

import importlib.util
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bmconsole.errors import DiskTrouble, SettingsError
from bmconsole.paths import Paths, is_anothers, readable_by_others, write_private

KEYRING = "keyring"
"""The name of the keyring as a source."""
COMMAND_SECONDS = 30.0
"""How long `token_command` may take; it may have to ask its owner."""

_TOKEN = re.compile(r"[!-~]{1,4096}")
_SERVICE = "bmconsole"
_WAYS = "Run “bmconsole auth set”, or set BMCONSOLE_TOKEN."


@dataclass(frozen=True)
class Token:
    """A token and the source that it came from; the value stays out of its repr."""

    value: str
    source: str

    def __repr__(self) -> str:
        return f"Token(source={self.source!r})"


def checked(text: str, source: str) -> Token:
    """Return the token that `text` holds; white space around it and a pasted `Basic ` before it are left out.

    Raises:
        SettingsError: It is empty, or has characters that no token has.
    """
    value = re.sub(r"(?i)\Abasic\s+", "", text.strip())
    if not value:
        raise SettingsError(f"The token from {source} is empty.", field="token", hint=_WAYS)
    if not _TOKEN.fullmatch(value):
        raise SettingsError(
            f"The token from {source} has spaces, line breaks or characters that no token has.",
            field="token",
            hint="Copy it again from the back office.",
        )
    return Token(value, source)


def find_token(
    profile: str, paths: Paths, *, environment: str | None, command: str | None, settings: str | None
) -> Token | None:
    """Return the token of `profile` from the first source that has one, None where none has.

    Args:
        environment: What `BMCONSOLE_TOKEN` holds.
        command: `token_command`.
        settings: `token` of the settings file.

    Raises:
        SettingsError: The first source that has one cannot be used, for instance because others may read it.
    """
    if environment:
        return checked(environment, "BMCONSOLE_TOKEN")
    if command:
        return checked(_ask_command(command), "token_command")
    if kept := ask_keyring(profile):
        return checked(kept, KEYRING)
    if settings:
        return checked(settings, "config.toml")
    file = paths.token_file(profile)
    return checked(_read(file), str(file)) if file.exists() else None


def store_token(profile: str, paths: Paths, text: str) -> Token:
    """Keep the token in the private file of `profile`.

    Raises:
        SettingsError: It is no token.
        DiskTrouble: The file cannot be written.
    """
    file = paths.token_file(profile)
    token = checked(text, "your input")
    write_private(file, token.value + "\n")
    return Token(token.value, str(file))


def store_in_keyring(profile: str, text: str) -> Token:
    """Keep the token in the machine's keyring.

    Raises:
        SettingsError: It is no token, there is no keyring, or it does not take it.
    """
    token = checked(text, "your input")
    if importlib.util.find_spec("keyring") is None:
        raise _no_keyring("bmconsole has no keyring to ask.", "Run: pip install 'bmconsole[keyring]'.")
    import keyring
    import keyring.errors

    try:
        keyring.set_password(_SERVICE, profile, token.value)
        kept = keyring.get_password(_SERVICE, profile)
    except keyring.errors.NoKeyringError:
        kept = None
    except keyring.errors.KeyringError as error:
        raise _keyring_error(error) from None
    if kept != token.value:
        raise _no_keyring("No keyring here keeps anything.", "“python -m keyring diagnose” tells more.")
    return Token(token.value, KEYRING)


def forget_in_keyring(profile: str) -> bool:
    """Delete the token of `profile` in the machine's keyring and return whether there was one.

    Raises:
        SettingsError: The keyring does not answer, or does not delete it.
    """
    if ask_keyring(profile) is None:
        return False
    import keyring
    import keyring.errors

    try:
        keyring.delete_password(_SERVICE, profile)
    except keyring.errors.KeyringError as error:
        raise _keyring_error(error) from None
    return True


def forget_token(profile: str, paths: Paths) -> bool:
    """Delete the token file of `profile` and return whether there was one.

    Raises:
        DiskTrouble: It cannot be deleted.
    """
    file = paths.token_file(profile)
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DiskTrouble(f"Cannot delete {file}: {error.strerror or error}.") from error
    return True


def missing_token(profile: str) -> SettingsError:
    """Return the error of a command that needs a token where there is none."""
    return SettingsError(f"Profile “{profile}” has no API token.", field="token", hint=_WAYS)


def _ask_command(command: str) -> str:
    try:
        words = shlex.split(command, posix=os.name == "posix")
    except ValueError as error:
        raise _command_error(f"token_command cannot be split into words: {error}.") from None
    if not words:
        raise _command_error("token_command is empty.")
    try:
        answer = subprocess.run(  # noqa: S603  # the operator's own command from the settings, without a shell
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except FileNotFoundError:
        raise _command_error(f"token_command: there is no program “{words[0]}”.") from None
    except subprocess.TimeoutExpired:
        raise _command_error(f"token_command did not end within {COMMAND_SECONDS:.0f} s.") from None
    except OSError as error:
        raise _command_error(f"token_command cannot be run: {error.strerror or error}.") from None
    if answer.returncode != 0:
        raise _command_error(f"token_command ended with status {answer.returncode}.")
    return answer.stdout.decode("utf-8", "replace")


def _command_error(message: str) -> SettingsError:
    return SettingsError(message, field="token_command", hint="Run it by hand: it has to print the token and end.")


def ask_keyring(profile: str) -> str | None:
    """Return what the machine's keyring holds for `profile`, None where there is none or it holds nothing.

    Raises:
        SettingsError: It does not answer.
    """
    if importlib.util.find_spec("keyring") is None:
        return None
    import keyring
    import keyring.errors

    try:
        kept = keyring.get_password(_SERVICE, profile)
    except keyring.errors.NoKeyringError:
        return None
    except keyring.errors.KeyringError as error:
        raise _keyring_error(error) from None
    return kept if isinstance(kept, str) else None


def _keyring_error(error: Exception) -> SettingsError:
    return SettingsError(
        f"The keyring did not answer ({type(error).__name__}).",
        field="token",
        hint="Unlock it, or set BMCONSOLE_TOKEN.",
    )


def _no_keyring(message: str, hint: str) -> SettingsError:
    return SettingsError(message, field="token", hint=f"{hint} Without --keyring a private file keeps the token.")


def _read(file: Path) -> str:
    try:
        if is_anothers(file):
            raise SettingsError(
                f"The token in {file} belongs to another account.", field="token", hint="Run: bmconsole auth set"
            )
        if readable_by_others(file):
            raise SettingsError(
                f"Other accounts may read the token in {file}.", field="token", hint=f"Run: chmod 600 {file}"
            )
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"Cannot read {file}: {error.strerror or error}.", field="token") from error
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not text.", field="token", hint=_WAYS) from None
