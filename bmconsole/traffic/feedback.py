"""What answers teach: pauses with a probe, a lower working limit, routes that turn out to be sensitive.

A 429 pauses the shortest window among the request's rules plus half a second, then one probe goes; if that is answered
429 too, 60 s, doubling to 15 minutes. Pausing alone is not learning (measured: 188 blocks an hour beside a stranger who
takes a tenth), so the working limit falls to 0.9 of itself and regains one every 300 s.
"""

from bmconsole.traffic.ledger import LedgerEvent, Outcome
from bmconsole.traffic.rules import SENSITIVE
from bmconsole.traffic.state import RAISE_EVERY, RuleState

_EXTRA = 0.5
_SECOND_PAUSE = 60.0
_LONGEST_PAUSE = 900.0
_CUT = 0.9
_FLOOR = 0.1
_FAULTS = 3
FOREIGN_BELOW = 0.9
"""A 429 while we used less than this share of the limit ourselves: another program uses the token."""
LEARN_BELOW = 0.5
LEARNED_FOR = 86400.0
"""Seconds for which a route counts as sensitive, and within which a second strike must follow the first."""


def heed(
    outcome: Outcome,
    ticket: int,
    granted_at: float,
    states: list[RuleState],
    now: float,
    route: str,
    strikes: "Strikes",
    utc: float,
) -> tuple[LedgerEvent, ...]:
    """Heed one answer; `states` are those of its rules, the edge first, its own slots already held.

    The rule at fault is unknown: it is taken to be the one with the shortest window, the most specific of equals.
    """
    if outcome is Outcome.OK and not any(state.level or state.faults for state in states):
        return ()
    at_fault = min(reversed(states), key=lambda state: state.rule.window)
    if outcome is Outcome.OK:
        at_fault.faults = 0
        return tuple(event for state in states if (event := _proved(state, ticket)) is not None)
    if outcome is Outcome.SERVER_ERROR:
        _forget_probe(states, ticket)
        return _stumbled(at_fault, now)
    events = _tripped(outcome, ticket, granted_at, at_fault, now)
    _forget_probe(states, ticket)
    if events and outcome is Outcome.THROTTLED and (moved := strikes.strike(route, states, utc)) is not None:
        events = (*events, moved)
    return events


def _forget_probe(states: list[RuleState], ticket: int) -> None:
    for state in states:
        if state.probe == ticket:
            state.probe = 0


def _proved(state: RuleState, ticket: int) -> LedgerEvent | None:
    if not state.level or state.probe != ticket:
        return None
    state.level = state.probe = 0
    return LedgerEvent("resumed", state.name, f"{state.name}: requests flow again.")


def _stumbled(state: RuleState, now: float) -> tuple[LedgerEvent, ...]:
    state.faults += 1
    if state.faults < _FAULTS or now < state.slowed_until:
        return ()
    _cut(state, now)
    state.slowed_until = now + max(state.rule.window, 10.0)
    return (LedgerEvent("slow", state.name, f"{state.name}: the server fails repeatedly; slowing down."),)


def _tripped(outcome: Outcome, ticket: int, granted_at: float, state: RuleState, now: float) -> tuple[LedgerEvent, ...]:
    if granted_at < state.pause_until and state.probe != ticket:
        return ()  # it was under way when the pause began, and says nothing new
    state.level += 1
    pause = (
        state.rule.window + _EXTRA
        if state.level == 1
        else min(_SECOND_PAUSE * 2.0 ** min(state.level - 2, 10), _LONGEST_PAUSE)
    )
    foreign = state.used < FOREIGN_BELOW * state.rule.limit
    state.pause_until = now + pause
    state.trips += 1
    _cut(state, now)
    why = "429" if outcome is Outcome.THROTTLED else "the firewall"
    events = [LedgerEvent("pause", state.name, f"{state.name}: {why}; pausing {pause:.1f} s.", pause)]
    if foreign and outcome is Outcome.THROTTLED:
        message = f"Another program is using this token: 429 at {state.used} of {state.rule.limit} ({state.name})."
        events.append(LedgerEvent("foreign", state.name, message))
    return tuple(events)


def _cut(state: RuleState, now: float) -> None:
    limit = state.rule.limit
    state.working = min(float(limit), max(1.0, _FLOOR * limit, _CUT * state.working))
    state.raise_at = now + RAISE_EVERY
    state.repace()


class Strikes:
    """Routes that were answered 429 while we were under half of the edge, and those that count as sensitive for it.

    Times are UTC seconds.
    """

    def __init__(self) -> None:
        self.struck: dict[str, float] = {}
        self.sensitive: dict[str, float] = {}

    def strike(self, route: str, states: list[RuleState], utc: float) -> LedgerEvent | None:
        """Count a 429 of a route that has no rule but the edge; the second in another window moves it.

        Called for a 429 that caused a pause, with the route's rules, the edge first.
        """
        edge = states[0]
        if len(states) > 1 or edge.used >= LEARN_BELOW * edge.rule.limit:
            return None
        before = self.struck.get(route)
        if before is None or not edge.rule.window < utc - before < LEARNED_FOR:
            self.struck.setdefault(route, utc)
            if before is not None and utc - before >= LEARNED_FOR:
                self.struck[route] = utc
            return None
        del self.struck[route]
        self.sensitive[route] = utc + LEARNED_FOR
        message = f"{route} counts as {SENSITIVE} for 24 hours: 429 twice at under half of the limit."
        return LedgerEvent("learned", SENSITIVE, message)

    def forget(self) -> None:
        """Take every route back to its own class."""
        self.struck.clear()
        self.sensitive.clear()

    def current(self, utc: float) -> dict[str, float]:
        """Return the routes that count as sensitive now, with the second until which."""
        for route in [route for route, until in self.sensitive.items() if until <= utc]:
            del self.sensitive[route]
        return self.sensitive
