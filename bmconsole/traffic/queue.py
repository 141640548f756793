"""The waiting requests of one process: a lane for each set of rules and each priority.

Only the heads of lanes are candidates, so a lane whose rule is full never holds back another, and a request that costs
much is not overtaken for ever by cheap ones behind it in its lane.
"""

from asyncio import Future
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bmconsole.domain.priority import Priority
from bmconsole.traffic.routes import Costs

if TYPE_CHECKING:
    from bmconsole.traffic.controller import Slot


class Waiter:
    """One request in its lane. `deadline` is on the event loop's clock."""

    __slots__ = ("costs", "deadline", "future", "number", "since")

    def __init__(self, number: int, costs: Costs, deadline: float | None, since: float, future: "Future[Slot]") -> None:
        self.number = number
        self.costs = costs
        self.deadline = deadline
        self.since = since
        self.future = future


class Lane:
    """The requests of one priority that take the same rules, oldest first."""

    __slots__ = ("not_before", "priority", "waiters")

    def __init__(self, priority: Priority) -> None:
        self.priority = priority
        self.waiters: OrderedDict[int, Waiter] = OrderedDict()
        self.not_before = 0.0
        """Ledger time before which asking is in vain."""

    @property
    def head(self) -> Waiter:
        """The oldest; the lane must not be empty."""
        return next(iter(self.waiters.values()))


class Queue:
    """All lanes of one process."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[tuple[str, ...], Priority], Lane] = {}
        self.busy: list[Lane] = []
        """The lanes that have somebody waiting, highest priority first."""
        self.depth = [0, 0, 0, 0]
        self.with_deadline = 0

    def lane(self, costs: Costs, priority: Priority) -> Lane:
        """Return the lane of a request."""
        key = (tuple(name for name, _ in costs), priority)
        found = self._lanes.get(key)
        if found is None:
            found = self._lanes[key] = Lane(priority)
        return found

    def lanes(self) -> Iterable[Lane]:
        """Return every lane."""
        return self._lanes.values()

    def add(self, lane: Lane, waiter: Waiter, *, again: bool = False) -> None:
        """Put a request at its lane's end, or, when it was granted before and goes again, at its front."""
        if not lane.waiters:
            self.busy.append(lane)
            self.busy.sort(key=_priority)
        lane.waiters[waiter.number] = waiter
        if again:
            lane.waiters.move_to_end(waiter.number, last=False)
        self.depth[lane.priority] += 1
        self.with_deadline += waiter.deadline is not None

    def remove(self, lane: Lane, waiter: Waiter) -> None:
        """Take a request out, wherever in its lane it is."""
        if lane.waiters.pop(waiter.number, None) is None:
            return
        self.depth[lane.priority] -= 1
        self.with_deadline -= waiter.deadline is not None
        if not lane.waiters:
            self.busy.remove(lane)

    @property
    def waiting(self) -> int:
        """A bit for each priority that has somebody waiting."""
        low, normal, high, critical = self.depth[3], self.depth[2], self.depth[1], self.depth[0]
        return (8 if low else 0) | (4 if normal else 0) | (2 if high else 0) | (1 if critical else 0)

    def __len__(self) -> int:
        return sum(self.depth)


def _priority(lane: Lane) -> Priority:
    return lane.priority
