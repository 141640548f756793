"""A short storm; `python -m tests.writes.storm` is the long one."""

from bmconsole.domain.intents import IntentState
from tests.writes.storm import storm


def test_nothing_is_lost_doubled_stomped_or_falsely_done_in_a_short_storm() -> None:
    outcome = storm(60, 1.5)
    assert outcome.planned >= 60
    assert (outcome.lost, outcome.doubled, outcome.falsely_done, outcome.stomped) == (0, 0, 0, 0)
    assert outcome.unread == 0
    assert (outcome.unfinished, outcome.audit_broken_at) == (0, None)
    assert outcome.states[IntentState.CONFIRMED] > 20
