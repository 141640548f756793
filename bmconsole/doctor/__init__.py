"""Looks for what is wrong with a profile on this machine, repairs nothing, and says the way out of each fault.

`account` looks at settings, token, host and clock, `files` at the databases, `machine` at disk, processes and terminal.
"""

import asyncio
from collections.abc import Iterator, Mapping

from bmconsole.doctor.account import Account, broken
from bmconsole.doctor.files import files, library
from bmconsole.doctor.finding import Finding, Level
from bmconsole.doctor.machine import Terminal, disk, processes, terminal
from bmconsole.errors import DiskTrouble, SettingsError
from bmconsole.paths import Paths, check_profile_name
from bmconsole.settings import Settings

__all__ = ["Finding", "Level", "Terminal", "examine", "library"]


async def examine(
    name: str | None, paths: Paths, there: Terminal, *, overrides: Mapping[str, str] | None = None
) -> list[Finding]:
    """Look at everything; one request asks Back Market, if there are settings and a token.

    Args:
        name: The profile; None as in `load_profile`.
        paths: Where files live.
        there: The terminal.
        overrides: Flags.
    """
    found: list[Finding] = []
    account = Account()
    settings: Settings | None = None
    try:
        settings = Settings.read(name, overrides=overrides, paths=paths)
        found += await asyncio.to_thread(lambda: list(account.examine(settings)))
        name = settings.layers.name
    except SettingsError as error:
        found.append(broken(error))
    found += await asyncio.to_thread(lambda: list(_at_rest(name or "default", paths)))
    found += terminal(there)
    if settings is not None:
        found += await account.ask(settings)
    return found


def _at_rest(name: str, paths: Paths) -> Iterator[Finding]:
    try:
        yield from disk(paths)
        yield from files(check_profile_name(name), paths)
        yield from processes(paths)
    except DiskTrouble as trouble:
        yield Finding(
            "disk", Level.FAULT, trouble.message, trouble.hint or "Look at the disk and at the owner of the folder."
        )
