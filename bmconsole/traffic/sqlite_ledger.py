"""The ledger in an SQLite file of its own, shared by every process of a token on one machine; it survives restarts.

Every decision is one `BEGIN IMMEDIATE` transaction that never waits: a lock held by another process is a denial with a
time to ask again. The states in memory are a cache, valid while `PRAGMA data_version` says that nobody else has
written. Answers are noted with the next transaction or 50 ms later: until then they count as in flight, which is safe.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from bmconsole.domain.priority import Priority
from bmconsole.store.sqlite import Connection, sqlite3
from bmconsole.traffic import feedback, ledger_file
from bmconsole.traffic.book import Book, Flight
from bmconsole.traffic.clock import Clock
from bmconsole.traffic.ledger import Answer, Denied, LedgerEvent, Outcome, RuleUse
from bmconsole.traffic.ledger_db import LedgerDatabase
from bmconsole.traffic.ledger_file import read_costs, written_costs
from bmconsole.traffic.ledger_start import Past, nothing_known, take_over
from bmconsole.traffic.ledger_trouble import Trouble
from bmconsole.traffic.memory import use_of
from bmconsole.traffic.routes import Costs
from bmconsole.traffic.rules import Rule, by_name, rule_of
from bmconsole.traffic.wishes import Wishes

T = TypeVar("T")

_FAILURES = (sqlite3.Error, ValueError, OSError)
_FLUSH_AFTER = 0.05
_SOONEST = 0.001
_SWEEP_EVERY = 1.0


class SqliteLedger:
    """One process's side of the shared file. Not thread-safe: it belongs to one event loop.

    Args:
        path: The file, on a local disk; beside it a folder of lock files tells which processes live.
        rules: The configured limits; a rule whose limit changed is changed for all who share the file.
        clock: The boot-based clock, and UTC.
        program: What people would call this process.
        past: Rebuilds the rules of hours and days when the file was lost.

    Raises:
        LedgerUnusable: The file is of a newer version, or damaged and cannot be replaced.
        sqlite3.OperationalError: Somebody is writing right now: try again in a moment.
        OSError: The folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        rules: Iterable[Rule],
        *,
        clock: Clock,
        program: str = "bmconsole",
        past: Past = nothing_known,
    ) -> None:
        self.now = clock.now
        self._clock = clock
        self._past = past
        self._rules = by_name(rules)
        self._book = Book(self._rules)
        self._strikes = feedback.Strikes()
        self._tell: Callable[[LedgerEvent], None] = _nobody
        self._told: list[LedgerEvent] = []
        self._pending: list[Callable[[float], None]] = []
        self._flush_timer: asyncio.TimerHandle | None = None
        self._fresh: set[str] = set()
        self._dirty: set[str] = set()
        self._version = -1
        self._console = self._console_elsewhere = False
        self._wishes = Wishes()
        self._sweep_at = 0.0
        self._tickets = 0
        self._closed = False
        self._database = LedgerDatabase(path, program, self._settle_in)
        self._trouble = Trouble(self._database)
        if (message := self._database.open()) is not None:
            self._told.append(LedgerEvent("damaged", "", message))

    # What the controller asks

    def listen(self, callback: Callable[[LedgerEvent], None]) -> None:
        self._tell = callback
        self._tell_events()

    def take(self, costs: Costs, priority: Priority, waiting: int) -> Answer:
        try:
            if not self._pending and self._is_current(costs):
                now = self.now()
                denied = self._book.blocked(costs, priority, now)
                if denied is not None and self._wishes.cover(waiting, min(denied.retry_at, now + 1.0)):
                    return denied
            return self._transact([name for name, _ in costs], partial(self._decide, costs, priority, waiting))
        except _FAILURES as error:
            retry_at = self._failed(error)
            self._trouble.must_not_last(self.now())
            return Denied(retry_at, "", 0)

    def settle(self, ticket: int, outcome: Outcome, route: str) -> None:
        self._later(partial(self._settled, ticket, self.now(), outcome, route), at_once=outcome is not Outcome.OK)

    def lose(self, ticket: int) -> None:
        self._later(partial(self._lost, ticket, self.now()))

    def refund(self, ticket: int) -> None:
        self._later(partial(self._refunded, ticket), at_once=True)

    def learned(self) -> Mapping[str, float]:
        return self._strikes.current(self._clock.utc())

    def attach(self, console: bool) -> None:
        self._console = console
        self._book.attached = console or self._console_elsewhere
        self._later(self._say_console, at_once=True)

    def uses(self) -> tuple[RuleUse, ...]:
        self.flush()
        try:
            if self._database.is_open:
                self._refresh()
                self._load_all()
        except _FAILURES as error:
            self._failed(error)
        now = self.now()
        return tuple(use_of(state, now, self._book.attached) for state in self._book.states.values())

    def reset(self) -> None:
        self._later(self._forgiven, at_once=True)

    def flush(self) -> None:
        """Note every answer that came since the last transaction."""
        self._cancel_flush()
        if not self._pending or self._closed:
            return
        try:
            self._transact((), lambda now: None)
        except _FAILURES as error:
            self._set_flush_timer(self._failed(error) - self.now())

    def close(self) -> None:
        if self._closed:
            return
        self.flush()
        self._cancel_flush()
        self._closed = True
        said_goodbye = True
        try:
            self._transact((), self._leave)
        except _FAILURES:
            said_goodbye = False  # the others find the lock file free, and bury what was in flight
        self._database.close(said_goodbye=said_goodbye)

    # Transactions

    @property
    def _connection(self) -> Connection:
        return self._database.connection

    def _transact(self, names: Iterable[str], work: Callable[[float], T]) -> T:
        """Do `work` on the current states of these rules, with every pending answer: all of it, or nothing."""
        flights = self._book.flights.copy()
        try:
            self._database.begin()
            self._refresh()
            now = self.now()
            if now >= self._sweep_at:
                self._sweep(now)
            for name in names:
                self._load(name)
            for note in self._pending:
                note(now)
            result = work(now)
            self._save()
            self._database.commit()
        except BaseException:
            self._database.roll_back()
            self._book.flights = flights
            self._forget_cache(-1)
            self._dirty.clear()
            self._wishes.forget()
            self._told.clear()
            raise
        self._pending = []
        self._cancel_flush()
        self._trouble.over()
        self._tell_events()
        return result

    def _decide(self, costs: Costs, priority: Priority, waiting: int, now: float) -> Answer:
        denied = self._book.blocked(costs, priority, now)
        if denied is not None:
            self._wish(waiting, min(denied.retry_at, now + 1.0))
            return denied
        self._book.elsewhere = self._wishes.elsewhere(now)
        self._tickets += 1
        ticket = self._database.process << 32 | self._tickets
        granted = self._book.grant(ticket, costs, priority, waiting, now)
        self._add_flight(ticket, now, costs)
        self._dirty.update(name for name, _ in costs)
        self._wish(waiting, now)
        return granted

    def _add_flight(self, ticket: int, at: float, costs: Costs) -> None:
        self._connection.execute(
            "INSERT INTO flight (ticket, process, at, costs) VALUES (?, ?, ?, ?)",
            (ticket, self._database.process, at, written_costs(costs)),
        )

    def _settled(self, ticket: int, at: float, outcome: Outcome, route: str, now: float) -> None:
        flight = self._landed(ticket)
        if flight is None:
            return
        self._book.answered(ticket, at)
        states = [state for state, _ in self._book.charges(flight.costs)]
        utc = self._clock.utc()
        self._told += feedback.heed(outcome, ticket, flight.at, states, now, route, self._strikes, utc)
        if outcome is Outcome.THROTTLED:
            self._save_routes()

    def _lost(self, ticket: int, at: float, now: float) -> None:
        if self._landed(ticket) is not None:
            self._book.bury(ticket, at)

    def _refunded(self, ticket: int, now: float) -> None:
        if self._landed(ticket) is not None:
            self._book.refund(ticket)

    def _landed(self, ticket: int) -> Flight | None:
        flight = self._book.flights.get(ticket)
        if flight is not None:
            self._touch(flight.costs)
            if not self._connection.execute("DELETE FROM flight WHERE ticket = ?", (ticket,)).rowcount:
                # Another process took us for dead (our lock file is gone) and has buried it.
                del self._book.flights[ticket]
                return None
        return flight

    def _touch(self, costs: Costs) -> None:
        """Load the rules that are about to change, and have them saved."""
        for name, _ in costs:
            self._load(name)
            self._dirty.add(name)

    def _save(self) -> None:
        for name in self._dirty:
            ledger_file.save_rule(self._connection, self._book.state(name))
        self._dirty.clear()

    def _say_console(self, now: float) -> None:
        self._connection.execute("UPDATE process SET console = ? WHERE id = ?", (self._console, self._database.process))

    def _forgiven(self, now: float) -> None:
        self._load_all()
        for name, state in self._book.states.items():
            state.forgive()
            self._dirty.add(name)
        self._strikes.forget()
        self._save_routes()

    def _leave(self, now: float) -> None:
        for ticket in list(self._book.flights):
            self._lost(ticket, now, now)
        self._connection.execute("DELETE FROM process WHERE id = ?", (self._database.process,))

    def _wish(self, waiting: int, until: float) -> None:
        if not self._wishes.cover(waiting, until):
            self._connection.execute(
                "UPDATE process SET wish1 = ?, wish2 = ?, wish3 = ? WHERE id = ?",
                (*self._wishes.renew(waiting, until), self._database.process),
            )

    # The cache

    def _is_current(self, costs: Costs) -> bool:
        if not self._database.is_open or self._version != self._database.data_version():
            return False
        return all(name in self._fresh for name, _ in costs)

    def _forget_cache(self, version: int) -> None:
        self._version = version
        self._fresh.clear()

    def _refresh(self) -> None:
        """Within a transaction: forget what others have changed since."""
        version = self._database.data_version()
        if version == self._version:
            return
        self._forget_cache(version)
        others = "SELECT max(wish1), max(wish2), max(wish3), max(console) FROM process WHERE id != ?"
        row = self._connection.execute(others, (self._database.process,)).fetchone()
        self._wishes.heard(row[:3])
        self._console_elsewhere = bool(row[3])
        self._book.attached = self._console or self._console_elsewhere
        self._load_routes()

    def _load(self, name: str) -> None:
        if name in self._fresh:
            return
        state = self._book.state(name)
        row = self._connection.execute(ledger_file.SELECT_RULE, (name,)).fetchone()
        if row is None and not state.rule.scoped:
            raise ValueError("a rule is gone")
        if row is None:
            ledger_file.add_rule(self._connection, state)
        else:
            ledger_file.load_rule(state, row)
        self._fresh.add(name)

    def _load_all(self) -> None:
        for row in self._connection.execute("SELECT * FROM rule"):
            name = str(row["name"])
            if name not in self._fresh and rule_of(name) in self._rules:
                ledger_file.load_rule(self._book.state(name), row)
                self._fresh.add(name)

    def _load_routes(self) -> None:
        self._strikes.forget()
        for name, struck, until in self._connection.execute("SELECT name, struck, sensitive_until FROM route"):
            if struck is not None:
                self._strikes.struck[name] = struck
            if until is not None:
                self._strikes.sensitive[name] = until

    def _save_routes(self) -> None:
        self._connection.execute("DELETE FROM route")
        struck, sensitive = self._strikes.struck, self._strikes.sensitive
        self._connection.executemany(
            "INSERT INTO route (name, struck, sensitive_until) VALUES (?, ?, ?)",
            [(name, struck.get(name), sensitive.get(name)) for name in {**struck, **sensitive}],
        )

    # Other processes

    def _sweep(self, now: float) -> None:
        """Count what dead processes had in flight as answered after the grace; note the time."""
        self._sweep_at = now + _SWEEP_EVERY
        self._connection.execute("UPDATE meta SET last = ?, last_utc = ?", (now, self._clock.utc()))
        for number in self._database.dead():
            rows = self._connection.execute("SELECT ticket, at, costs FROM flight WHERE process = ?", (number,))
            for ticket, at, written in rows.fetchall():
                costs = tuple(cost for cost in read_costs(written) if rule_of(cost[0]) in self._rules)
                self._touch(costs)
                self._book.bury_flight(ticket, Flight(at, costs), now)
            self._database.strike_out(number)

    # Later, and when it does not work

    def _later(self, note: Callable[[float], None], *, at_once: bool = False) -> None:
        self._pending.append(note)
        if at_once:
            self.flush()
        elif self._flush_timer is None:
            self._set_flush_timer(_FLUSH_AFTER)

    def _cancel_flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None

    def _set_flush_timer(self, seconds: float) -> None:
        if self._flush_timer is None and not self._closed:
            self._flush_timer = asyncio.get_running_loop().call_later(max(seconds, _SOONEST), self._flush_due)

    def _flush_due(self) -> None:
        self._flush_timer = None
        self.flush()

    def _failed(self, error: Exception) -> float:
        """Return the ledger time at which to try again."""
        now = self.now()
        seconds, event = self._trouble.meet(error, now)
        if event is not None:
            self._tell(event)
        return now + seconds

    def _tell_events(self) -> None:
        told, self._told = self._told, []
        for event in told:
            self._tell(event)

    def _settle_in(self, lost: bool, older: bool) -> None:
        """Take over a file that was opened, requests in flight along, if another file was in its place before."""
        flights = self._book.flights
        self._book = Book(self._rules)
        self._book.flights = flights
        self._dirty |= take_over(self._connection, self._book, self._clock, self._past, lost=lost, older=older)
        self._fresh |= self._dirty
        self._database.join(self._console)
        self._wishes.forget()
        for ticket, flight in flights.items():
            self._add_flight(ticket, flight.at, flight.costs)
            for state, cost in self._book.charges(flight.costs):
                state.flying += cost
        self._sweep(self.now())
        self._save()
        self._forget_cache(-1)


def _nobody(_event: LedgerEvent) -> None:
    """Nobody listens yet."""
