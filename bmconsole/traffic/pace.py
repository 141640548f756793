"""The pace: one GCRA clock a rule, shared by all, with more tolerance for higher priorities.

An exact log alone lets bursts echo with the period of the window, and an interactive request then waits up to a whole
window although it is first in line. One theoretical arrival time (TAT) for all, which every grant moves on by one
interval, keeps the spacing; a priority may run ahead of it by its tolerance.
"""

from bmconsole.domain.priority import Priority

TOLERANCE = (20.0, 8.0, 4.0, 2.0)
"""Intervals that CRITICAL, HIGH, NORMAL and LOW may run ahead of the pace; LOW's two make up for late timers."""

SHARE = 20
"""A priority that was passed over this often while it waited borrows CRITICAL's tolerance for its next grant."""

SLACK = 0.13
"""Seconds added to window and round trip, so that the spread of round trips and page loads seldom let the log bind.

At 200 in 10 s each 0.05 s cost half a percent of the budget; page loads wait 0.29 s at p99 with 0.1, 0.26 s with 0.15.
A shorter window gets less by the square: of one second it would take an eighth of the budget, and a page load is not
made of requests under such a rule.
"""

SLACK_FOR = 10.0
"""The window in seconds from which on the whole slack is added."""

FIRST_RTT = 0.25
RTT_WEIGHT = 0.03
"""Weight of a new round trip in the running mean."""


def interval(window: float, rtt: float, working_limit: float) -> float:
    """Return the seconds between grants at which holds of `window + rtt` just fill the working limit."""
    return (window + rtt + SLACK * min(1.0, window / SLACK_FOR) ** 2) / working_limit


def tier(priority: int, passed_over: int) -> int:
    """Return the priority whose tolerance counts: an overdue one borrows that of CRITICAL."""
    return Priority.CRITICAL if passed_over >= SHARE else priority
