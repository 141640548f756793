"""A ledger in memory: for one process alone, and for tests."""

import itertools
from collections.abc import Callable, Iterable, Mapping

from bmconsole.domain.priority import Priority
from bmconsole.traffic import feedback
from bmconsole.traffic.book import Book
from bmconsole.traffic.clock import Clock, SystemClock
from bmconsole.traffic.ledger import Answer, LedgerEvent, Outcome, RuleUse
from bmconsole.traffic.routes import Costs
from bmconsole.traffic.rules import Rule, by_name
from bmconsole.traffic.state import RuleState


class MemoryLedger:
    """What was granted, kept by this process only and forgotten with it."""

    def __init__(self, rules: Iterable[Rule], *, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self.now = clock.now
        self._utc = clock.utc
        self._book = Book(by_name(rules))
        self._strikes = feedback.Strikes()
        self._tickets = itertools.count(1)
        self._tell: Callable[[LedgerEvent], None] = _nobody

    def listen(self, callback: Callable[[LedgerEvent], None]) -> None:
        self._tell = callback

    def take(self, costs: Costs, priority: Priority, waiting: int) -> Answer:
        return self._book.take(next(self._tickets), costs, priority, waiting, self.now())

    def settle(self, ticket: int, outcome: Outcome, route: str) -> None:
        now = self.now()
        flight = self._book.answered(ticket, now)
        if flight is None:
            return
        states = [state for state, _ in self._book.charges(flight.costs)]
        for event in feedback.heed(outcome, ticket, flight.at, states, now, route, self._strikes, self._utc()):
            self._tell(event)

    def lose(self, ticket: int) -> None:
        self._book.bury(ticket, self.now())

    def refund(self, ticket: int) -> None:
        self._book.refund(ticket)

    def learned(self) -> Mapping[str, float]:
        return self._strikes.current(self._utc())

    def attach(self, console: bool) -> None:
        self._book.attached = console

    def uses(self) -> tuple[RuleUse, ...]:
        now = self.now()
        return tuple(use_of(state, now, self._book.attached) for state in self._book.states.values())

    def reset(self) -> None:
        for state in self._book.states.values():
            state.forgive()
        self._strikes.forget()

    def close(self) -> None:
        """Nothing to let go of."""


def use_of(state: RuleState, now: float, attached: bool) -> RuleUse:
    """Return how full a rule is."""
    state.advance(now)
    free_at = max(state.open_at(1, Priority.NORMAL, Priority.NORMAL, now, attached), state.paced_at(Priority.NORMAL))
    return RuleUse(
        name=state.name,
        limit=state.rule.limit,
        window=state.rule.window,
        working_limit=state.working,
        used=state.used,
        in_flight=state.flying,
        next_slot=max(0.0, free_at - now),
        paused=max(0.0, state.pause_until - now),
        probing=state.level > 0,
        trips=state.trips,
        round_trip=state.rtt,
    )


def _nobody(_event: LedgerEvent) -> None:
    """Nobody listens yet."""
