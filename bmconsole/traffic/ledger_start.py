"""Taking over the ledger that other processes, an earlier run or an earlier boot of the machine left.

What is in doubt counts as full for rules of up to a minute. Longer ones would be shut for a day: they are rebuilt from
the journal's sends. After a restart of the machine their times are carried over through UTC.
"""

from collections.abc import Iterable
from typing import Protocol

from bmconsole.store.sqlite import Connection, Row
from bmconsole.traffic import ledger_file
from bmconsole.traffic.book import GRACE, Book
from bmconsole.traffic.clock import Clock, same_boot
from bmconsole.traffic.rules import rule_of
from bmconsole.traffic.state import RuleState

_UNDER_WAY = 60.0
"""Seconds that a request may take from the journal to its arrival: the journal tells when it left, and a window begins
when it arrived."""


class Past(Protocol):
    """What was sent before, for rules of hours and days, told by the journal."""

    def __call__(self, rule: str, since: float) -> Iterable[tuple[float, int]]:
        """Return (UTC second, cost) of what counted, or may have counted, for `rule` since a UTC second."""


def nothing_known(rule: str, since: float) -> Iterable[tuple[float, int]]:
    """Return nothing: there is no journal to ask."""
    return ()


def take_over(
    connection: Connection, book: Book, clock: Clock, past: Past, *, lost: bool, older: bool = False
) -> set[str]:
    """Bring the file and the book's states together, within the caller's transaction; returns the rules concerned.

    Args:
        connection: The open file, its write lock held.
        book: States of the configured rules, as yet empty.
        clock: The boot-based clock, and UTC.
        past: Rebuilds the rules of hours and days.
        lost: Whether a file that is empty now had contents that nobody knows.
        older: Whether what was written last is gone, as it is without the log that a killed process left.

    Raises:
        LedgerUnusable: A newer version made the file.
        ValueError, sqlite3.Error: It is damaged.
    """
    now, utc = clock.now(), clock.utc()
    ledger_file.make_tables(connection)
    meta = connection.execute("SELECT version, boot, last, last_utc FROM meta").fetchone()
    shift: float | None = None
    if meta is None:
        connection.execute(
            "INSERT INTO meta (id, version, boot, last, last_utc) VALUES (1, ?, ?, ?, ?)",
            (ledger_file.VERSION, clock.boot_id, now, utc),
        )
    else:
        ledger_file.check_version(meta)
        if not same_boot(meta["boot"], clock.boot_id) or meta["last"] > now:
            shift = now - meta["last"] - max(0.0, utc - meta["last_utc"])
            connection.execute("UPDATE meta SET boot = ?, last = ?, last_utc = ?", (clock.boot_id, now, utc))
            connection.execute("UPDATE flight SET at = at + ?", (shift,))
    rows = {str(row["name"]): row for row in connection.execute("SELECT * FROM rule")}
    lost = lost if meta is None else not rows
    flying = _flying_by_rule(connection)
    names = {*book.states, *(name for name in rows if rule_of(name) in book.rules)}
    for name in names:
        state, row = book.state(name), rows.get(name)
        if row is None:
            state.flying = flying.get(name, 0)
            ledger_file.add_rule(connection, state)
            sound = not lost
            if sound:
                _recall(state, past, now, utc)
        else:
            # Without a boot nobody knows on which clock its times are
            sound = _load(connection, state, row, flying.get(name, 0)) and meta is not None and not older
        if not sound:
            _doubt(state, past, now, utc)
        elif shift is not None:
            _carry_over(state, shift, now)
    return names


def _flying_by_rule(connection: Connection) -> dict[str, int]:
    flying: dict[str, int] = {}
    for (written,) in connection.execute("SELECT costs FROM flight"):
        for name, cost in ledger_file.read_costs(written):
            flying[name] = flying.get(name, 0) + cost
    return flying


def _load(connection: Connection, state: RuleState, row: Row, flying: int) -> bool:
    """Load a rule and return whether it makes sense; what is in flight is told by the flights themselves."""
    try:
        ledger_file.load_rule(state, row)
        _adapt(connection, state, int(row["most"]), float(row["span"]))
        sound = state.flying == flying and state.is_sound()
    except (ValueError, TypeError):
        sound = False
    state.flying = flying
    return sound


def _adapt(connection: Connection, state: RuleState, most: int, span: float) -> None:
    """Take over a changed limit; holds that were made for a shorter window last for the longer one."""
    rule = state.rule
    if (most, span) == (rule.limit, rule.window):
        return
    state.working = min(float(rule.limit), max(1.0, state.working * rule.limit / most))
    state.repace()
    if rule.window > span:
        state.lengthen(rule.window - span)
    connection.execute("UPDATE rule SET most = ?, span = ? WHERE name = ?", (rule.limit, rule.window, state.name))


def _carry_over(state: RuleState, shift: float, now: float) -> None:
    """The machine was started anew: nothing tells how long ago its last moments were."""
    state.move_clock(shift)
    if state.rule.short:
        state.drop_holds()
        state.fill(now + state.rule.window)


def _doubt(state: RuleState, past: Past, now: float, utc: float) -> None:
    state.doubt()
    if state.rule.short:
        state.fill(now + state.rule.window + GRACE)
    else:
        _recall(state, past, now, utc)


def _recall(state: RuleState, past: Past, now: float, utc: float) -> None:
    """Count what the journal knows of a rule of hours or days that the ledger does not know."""
    window = state.rule.window
    if not state.rule.short:
        for sent, cost in past(state.name, utc - window - _UNDER_WAY):
            state.add_past(now - max(0.0, utc - sent) + _UNDER_WAY + window, cost)
