"""Looks for what is wrong with a profile on this machine, repairs nothing, and says the way out of each fault.

`account` looks at settings, token, host and clock, `files` at the databases, `requests` at the ledgers, `machine` at
disk, processes and terminal.
"""

import asyncio
from collections.abc import Iterator, Mapping

from bmconsole.doctor.account import Account, broken
from bmconsole.doctor.files import files, library
from bmconsole.doctor.finding import Finding, Level
from bmconsole.doctor.machine import Terminal, disk, processes, terminal
from bmconsole.doctor.requests import ledgers
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
    if settings is not None and not any(each.check == "ledger" and each.level is Level.FAULT for each in found):
        found += await account.ask(settings)
    elif settings is not None:
        found.append(Finding("host", Level.NOTE, "Back Market was not asked.", "It takes a sound ledger of requests."))
    return found


def _at_rest(name: str, paths: Paths) -> Iterator[Finding]:
    try:
        yield from disk(paths)
        yield from files(check_profile_name(name), paths)
        yield from processes(paths)
        yield from ledgers(paths)
    except DiskTrouble as trouble:
        yield Finding(
            "disk", Level.FAULT, trouble.message, trouble.hint or "Look at the disk and at the owner of the folder."
        )
