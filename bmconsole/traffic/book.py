"""The decisions, once for every ledger: who gets a slot, what an answer teaches.

A book knows neither clock nor storage: it is told the time, and works on the states that its ledger has loaded.
"""

from bmconsole.domain.priority import Priority
from bmconsole.traffic.ledger import Answer, Denied, Granted
from bmconsole.traffic.pace import SHARE, tier
from bmconsole.traffic.routes import Costs
from bmconsole.traffic.rules import Rule, rule_of
from bmconsole.traffic.state import RuleState

GRACE = 5.0
"""Seconds that bytes already sent may take to arrive after their sender gave up or died."""


_REMEMBERED = 1000

Charges = tuple[tuple[RuleState, int], ...]


class Flight:
    """A request that was granted and not yet answered."""

    __slots__ = ("at", "costs")

    def __init__(self, at: float, costs: Costs) -> None:
        self.at = at
        self.costs = costs


class Book:
    """The rules' states and this process's requests in flight."""

    def __init__(self, rules: dict[str, Rule]) -> None:
        self.rules = rules
        self.states = {rule.name: RuleState(rule.name, rule) for rule in rules.values() if not rule.scoped}
        self._charged: dict[Costs, Charges] = {}
        self.flights: dict[int, Flight] = {}
        self.attached = False
        """Whether any process has a console."""
        self.elsewhere = 0
        """Bits of the priorities that wait in other processes."""

    def state(self, name: str) -> RuleState:
        """Return the state of a counted name, made on first use for rules by market."""
        found = self.states.get(name)
        if found is None:
            found = self.states[name] = RuleState(name, self.rules[rule_of(name)])
        return found

    def charges(self, costs: Costs) -> "Charges":
        """Return the states of a request's rules with what it takes from each."""
        found = self._charged.get(costs)
        if found is None:
            if len(self._charged) >= _REMEMBERED:
                self._charged.clear()
            found = self._charged[costs] = tuple((self.state(name), cost) for name, cost in costs)
        return found

    def take(self, ticket: int, costs: Costs, priority: Priority, waiting: int, now: float) -> Answer:
        """Grant all the rules of a request, or none."""
        return self.blocked(costs, priority, now) or self.grant(ticket, costs, priority, waiting, now)

    def blocked(self, costs: Costs, priority: Priority, now: float) -> Denied | None:
        """Return what holds a request up, and until when; None when it may go."""
        charges = self.charges(costs)
        first = charges[0][0]
        passed = first.passed[priority]
        borrowed = tier(priority, passed)
        opens = paced = 0.0
        blocker = ""
        for state, cost in charges:
            state.advance(now)
            at = state.open_at(cost, priority, borrowed, now, self.attached)
            if at > opens:
                opens, blocker = at, state.name
            at = state.paced_at(borrowed)
            if at > paced:
                paced = at
        if opens <= now and paced <= now:
            return None
        if paced > opens:
            blocker = costs[0][0]
            # It may go earlier than its own tolerance says, once it has been passed over often enough.
            soonest = now + max(1, SHARE - passed) * first.interval
            opens = max(opens, min(paced, soonest))
        return Denied(opens, blocker, _overdue(first.passed))

    def grant(self, ticket: int, costs: Costs, priority: Priority, waiting: int, now: float) -> Granted:
        """Count a request that nothing blocks as in flight.

        The first rule of `costs` keeps the passed-over counts: what is granted while a lower priority waits counts
        towards that one's guaranteed share.
        """
        charges = self.charges(costs)
        next_at = 0.0
        for state, cost in charges:
            state.grant(ticket, cost, now)
            at = state.paced_at(priority)
            if at > next_at:
                next_at = at
        first = charges[0][0]
        passed = first.passed
        passed[priority] = 0
        waiting = (waiting | self.elsewhere) >> priority + 1
        lower = priority + 1
        while waiting:
            if waiting & 1:
                passed[lower] += 1
            waiting >>= 1
            lower += 1
        self.flights[ticket] = Flight(now, costs)
        soonest = now + SHARE * first.interval
        return Granted(ticket, now, next_at if next_at < soonest else soonest, _overdue(passed))

    def answered(self, ticket: int, at: float) -> Flight | None:
        """Hold a request's slots for one window from its response; None if it is not in flight."""
        flight = self.flights.pop(ticket, None)
        if flight is not None:
            for state, cost in self.charges(flight.costs):
                state.saw_round_trip(at - flight.at)
                state.hold(cost, flight.at, at)
        return flight

    def bury(self, ticket: int, now: float) -> Flight | None:
        """Count a request that nobody answered, and whose bytes may still arrive, as answered after the grace."""
        flight = self.flights.pop(ticket, None)
        if flight is not None:
            self.bury_flight(ticket, flight, now)
        return flight

    def bury_flight(self, ticket: int, flight: Flight, now: float) -> None:
        """Bury a flight that is not in `flights`: that of a process that died."""
        for state, cost in self.charges(flight.costs):
            state.hold(cost, flight.at, now + GRACE)
            if state.probe == ticket:
                state.probe = 0

    def refund(self, ticket: int) -> Flight | None:
        """Free the slots of a request that was never handed to the network."""
        flight = self.flights.pop(ticket, None)
        if flight is not None:
            for state, cost in self.charges(flight.costs):
                state.give_back(cost)
                if state.probe == ticket:
                    state.probe = 0
        return flight


def _overdue(passed: list[int]) -> int:
    return (passed[1] >= SHARE) << 1 | (passed[2] >= SHARE) << 2 | (passed[3] >= SHARE) << 3
