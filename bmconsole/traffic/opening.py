"""How a process gets its controller: rules from settings, the shared ledger or one in memory."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from bmconsole.store.sqlite import sqlite3
from bmconsole.traffic.clock import Clock, SystemClock
from bmconsole.traffic.controller import TrafficController
from bmconsole.traffic.errors import LedgerUnusable
from bmconsole.traffic.ledger import Ledger
from bmconsole.traffic.ledger_file import is_busy
from bmconsole.traffic.ledger_start import Past, nothing_known
from bmconsole.traffic.memory import MemoryLedger
from bmconsole.traffic.rules import Rule, rules_from_settings
from bmconsole.traffic.sqlite_ledger import SqliteLedger

_OPEN_WITHIN = 30.0
_TRY_AGAIN = 0.02


async def open_traffic(
    limits: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    key: str = "",
    program: str = "bmconsole",
    console_attached: bool = False,
    past: Past = nothing_known,
    clock: Clock | None = None,
) -> TrafficController:
    """Return a controller; close it with `aclose`.

    Args:
        limits: Configured limits by rule name, such as `{"edge": "200/10"}`.
        folder: Where the shared ledger lives, on a local disk; without one the ledger is this process's own.
        key: The ledger's name: a keyed hash of host and token, so that programs with one token share one ledger.
        program: What people would call this process, should it hold the ledger too long.
        console_attached: Keep the small reserve for the operator.
        past: Tells the sends of the last hour or day when the ledger cannot be read.
        clock: Where the time comes from, in tests.

    Raises:
        SettingsError: A limit cannot be read.
        LedgerUnusable: The ledger was made by a newer version, is damaged while others use it, or cannot be written.
    """
    rules = rules_from_settings(limits or {})
    clock = clock or SystemClock()
    ledger: Ledger
    if folder is None:
        ledger = MemoryLedger(rules, clock=clock)
    else:
        ledger = await _open_ledger(folder / f"ledger-{key}.db", rules, clock, program, past)
    return TrafficController(rules, ledger, console_attached=console_attached)


async def _open_ledger(path: Path, rules: Iterable[Rule], clock: Clock, program: str, past: Past) -> SqliteLedger:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + _OPEN_WITHIN
    while True:
        try:
            return SqliteLedger(path, rules, clock=clock, program=program, past=past)
        except (sqlite3.Error, OSError) as error:
            if not is_busy(error) or loop.time() > give_up_at:
                raise LedgerUnusable(
                    f"The shared ledger of requests cannot be opened: {error}.",
                    field="file",
                    value=path.name,
                    hint="Is the disk full, or another bmconsole stopped in mid-write?",
                ) from error
        await asyncio.sleep(_TRY_AGAIN)
