"""The rate limiter: all of the budget, never a block, never a wait for the operator.

`controller` queues and times, one in each process; `ledger` is the seam to what all processes share
(`memory`, `sqlite`); `book` and `state` decide; `feedback` learns from answers; `transport` puts it all under httpx.
"""

from typing import TYPE_CHECKING

from bmconsole.traffic.controller import Slot, TrafficController
from bmconsole.traffic.errors import CostTooLarge, DeadlineExpired, LedgerUnusable, TrafficClosed
from bmconsole.traffic.ledger import Ledger, LedgerEvent, Outcome, RuleUse
from bmconsole.traffic.memory import MemoryLedger
from bmconsole.traffic.opening import open_traffic
from bmconsole.traffic.routes import costs_of, route_name
from bmconsole.traffic.rules import Rule, default_rules, parse_limit, rules_from_settings
from bmconsole.traffic.stats import Notice, PriorityUse, TrafficSnapshot

if TYPE_CHECKING:
    from bmconsole.traffic.ending import LastRequests
    from bmconsole.traffic.transport import LimitedTransport

__all__ = [
    "CostTooLarge",
    "DeadlineExpired",
    "LastRequests",
    "Ledger",
    "LedgerEvent",
    "LedgerUnusable",
    "LimitedTransport",
    "MemoryLedger",
    "Notice",
    "Outcome",
    "PriorityUse",
    "Rule",
    "RuleUse",
    "Slot",
    "TrafficClosed",
    "TrafficController",
    "TrafficSnapshot",
    "costs_of",
    "default_rules",
    "open_traffic",
    "parse_limit",
    "route_name",
    "rules_from_settings",
]


def __getattr__(name: str) -> object:
    """Import the transports when they are asked for: they bring HTTP, which only a request needs."""
    if name == "LimitedTransport":
        from bmconsole.traffic.transport import LimitedTransport

        return LimitedTransport
    if name == "LastRequests":
        from bmconsole.traffic.ending import LastRequests

        return LastRequests
    raise AttributeError(name)
