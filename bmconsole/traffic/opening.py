"""How a process gets its controller: rules from settings, the shared ledger or one in memory."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bmconsole.traffic.clock import Clock, SystemClock
from bmconsole.traffic.controller import TrafficController
from bmconsole.traffic.ledger import Ledger
from bmconsole.traffic.memory import MemoryLedger
from bmconsole.traffic.rules import rules_from_settings

Past = Callable[[str, float], Iterable[tuple[float, int]]]
"""(rule name, since when as UTC seconds) → what was sent since then, as (UTC second, cost): from the journal."""


async def open_traffic(
    limits: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    key: str = "",
    program: str = "bmconsole",
    console_attached: bool = False,
    past: Past | None = None,
    clock: Clock | None = None,
) -> TrafficController:
    """Return a controller; close it with `aclose`.

    Args:
        limits: Configured limits by rule name, such as `{"edge": "200/10"}`.
        folder: Where the shared ledger lives, on a local disk; without one the ledger is this process's own.
        key: The ledger's name: a keyed hash of host and token, so that programs with one token share one ledger.
        program: What people would call this process, should it hold the ledger too long.
        console_attached: Keep the small reserve for the operator.
        past: Rebuilds the hour and day rules when the ledger cannot be read.
        clock: Where the time comes from, in tests.

    Raises:
        SettingsError: A limit cannot be read.
        LedgerUnusable: The ledger was written by a newer version, or is damaged while others use it.
    """
    rules = rules_from_settings(limits or {})
    ledger: Ledger = MemoryLedger(rules, clock=clock or SystemClock())
    return TrafficController(rules, ledger, console_attached=console_attached)
