"""The controller: one in each process, where every request waits for its slot.

It keeps the queues and one timer. A lane asks the ledger when its head could be granted, never periodically; a grant, a
refund, a finished background request or a new arrival lets the heads ask again.
"""

import asyncio
import functools
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bmconsole.domain.priority import Priority
from bmconsole.traffic.errors import CostTooLarge, DeadlineExpired, TrafficClosed
from bmconsole.traffic.ledger import Answer, Denied, Granted, Ledger, LedgerEvent, Outcome
from bmconsole.traffic.queue import Lane, Queue, Waiter
from bmconsole.traffic.routes import Costs
from bmconsole.traffic.rules import EDGE, SENSITIVE, Rule, by_name, rule_of
from bmconsole.traffic.smoother import Smoother
from bmconsole.traffic.stats import Notice, PriorityUse, TrafficSnapshot, Waits

BACKGROUND_IN_FLIGHT = 40
"""How many NORMAL and LOW requests of one process may be in flight, so that the connection pool never queues."""

_NOTICES = 50
_SAME_MOMENT = 1e-5
_SOON = 0.02
"""Seconds after which a request asks again that was denied without a time in the future."""


class Slot:
    """Leave to send one request. Exactly one of `answered`, `lost` and `refund` ends it; later calls do nothing."""

    __slots__ = ("_controller", "_open", "costs", "granted_at", "number", "priority", "ticket")

    def __init__(
        self, controller: "TrafficController", ticket: int, costs: Costs, priority: Priority, number: int, at: float
    ) -> None:
        self._controller = controller
        self._open = True
        self.ticket = ticket
        self.costs = costs
        self.priority = priority
        self.number = number
        self.granted_at = at

    def answered(self, outcome: Outcome = Outcome.OK, route: str = "") -> None:
        """The response's headers are here: its window starts now."""
        if self._end():
            self._controller._ledger.settle(self.ticket, outcome, route)
            self._controller._ended(self.priority)

    def lost(self) -> None:
        """It was handed over, and no response came: its bytes may still arrive."""
        if self._end():
            self._controller._ledger.lose(self.ticket)
            self._controller._ended(self.priority)

    def refund(self) -> None:
        """It was never handed over."""
        if self._end():
            self._controller._ledger.refund(self.ticket)
            self._controller._refunded(self.priority)

    def _end(self) -> bool:
        was_open, self._open = self._open, False
        return was_open


class TrafficController:
    """Grants slots to this process's requests, highest priority first, within limits that all processes share.

    Args:
        rules: The limits, the edge among them.
        ledger: Who knows what was granted.
        console_attached: Keep the small reserve for the operator.
        background_in_flight: Bound on NORMAL and LOW requests in flight.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        ledger: Ledger,
        *,
        console_attached: bool = False,
        background_in_flight: int = BACKGROUND_IN_FLIGHT,
    ) -> None:
        self._rules = by_name(rules)
        self._ledger = ledger
        self._queue = Queue()
        edge = self._rules[EDGE]
        self._smoother = Smoother(edge.limit, edge.window, self._pump)
        self._numbers = itertools.count(1)
        self._waits = [Waits() for _ in Priority]
        self._in_flight = [0, 0, 0, 0]
        self._background_in_flight = background_in_flight
        self._overdue = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._asking: asyncio.Future[Answer] | None = None
        self._closed = False
        self._pumping = False
        self._notices: deque[Notice] = deque(maxlen=_NOTICES)
        self._listeners: list[Callable[[Notice], None]] = []
        ledger.listen(self._heard)
        self.attach(console_attached)

    async def acquire(
        self, costs: Costs, priority: Priority, deadline: float | None = None, *, number: int | None = None
    ) -> Slot:
        """Wait for a slot of all rules in `costs`, the edge first.

        Args:
            costs: What the request takes (`routes.costs_of`).
            priority: Who goes first.
            deadline: Seconds on the event loop's clock after which the request is not worth sending.
            number: The number of the slot of an earlier try (429), to go before those that came later.

        Raises:
            CostTooLarge: No waiting would ever do.
            DeadlineExpired: No slot before the deadline.
            TrafficClosed: The controller was closed.
        """
        if self._closed:
            raise TrafficClosed("The program is ending; the request was not sent.")
        self._check(costs, priority)
        loop = asyncio.get_running_loop()
        lane = self._queue.lane(costs, priority)
        again = number is not None
        number = number or next(self._numbers)
        answer = self._ask_alone(lane, costs, deadline)
        if isinstance(answer, Granted):
            return self._slot(answer, lane, costs, number, 0.0)
        waiter = Waiter(number, costs, deadline, loop.time(), loop.create_future())
        self._queue.add(lane, waiter, again=again)
        if isinstance(answer, asyncio.Future):
            self._await_reply(answer, lane, waiter)
        elif lane.head is waiter:
            self._pump()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._give_up(lane, waiter)
            raise

    @asynccontextmanager
    async def slot(
        self, costs: Costs, priority: Priority = Priority.NORMAL, deadline: float | None = None
    ) -> AsyncIterator[Slot]:
        """Hold a slot for a block that sends one request: answered when it ends, lost when it raises.

        A block that sends nothing calls `refund` on the slot. Raises as `acquire` does.
        """
        granted = await self.acquire(costs, priority, deadline)
        try:
            yield granted
        except BaseException:
            granted.lost()
            raise
        granted.answered()

    def costs_for(self, costs: Costs, route: str) -> Costs:
        """Return what a request takes, with what was learned about its route."""
        learned = self._ledger.learned()
        if route in learned and all(name != SENSITIVE for name, _ in costs):
            return (*costs, (SENSITIVE, 1))
        return costs

    def attach(self, console: bool) -> None:
        """Say whether this process has a console, for which a small reserve is kept."""
        self._ledger.attach(console)

    def subscribe(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Tell `listener` every event (pause, foreign use, learned route …); returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def reset(self) -> None:
        """Forget pauses, lowered working limits and learned routes; what was sent still counts."""
        self._ledger.reset()
        self._ask_anew()

    def snapshot(self) -> TrafficSnapshot:
        """Return the whole picture, as of now."""
        uses = self._ledger.uses()
        return TrafficSnapshot(
            rules=uses,
            priorities=tuple(self._priority_use(priority) for priority in Priority),
            in_flight=sum(self._in_flight),
            trips=sum(use.trips for use in uses),
            sensitive_routes=tuple(sorted(self._ledger.learned())),
            notices=tuple(self._notices),
        )

    async def aclose(self) -> None:
        """Refuse those who wait, and let go of the ledger; what is in flight counts as lost."""
        if self._closed:
            return
        self._closed = True
        self._disarm()
        for lane in list(self._queue.busy):
            for waiter in list(lane.waiters.values()):
                self._refuse(lane, waiter, TrafficClosed("The program is ending; the request was not sent."))
        await self._smoother.aclose()
        if self._asking is not None:
            await asyncio.gather(self._asking, return_exceptions=True)
        self._ledger.close()

    def _check(self, costs: Costs, priority: Priority) -> None:
        for name, cost in costs:
            if cost == 1:
                continue
            rule = self._rules[rule_of(name)]
            if cost > rule.ceiling(priority):
                raise CostTooLarge(
                    f"{cost} at once is more than {name} ever allows ({rule.ceiling(priority)} at this priority).",
                    field=name,
                    value=str(cost),
                    hint="Split it into smaller parts.",
                )

    def _pump(self) -> None:
        """Let every head that could be granted ask, overdue priorities first; then sleep until the next can."""
        if self._closed or self._pumping or self._asking is not None:
            return
        self._pumping = True
        try:
            while (lane := self._next_lane()) is not None:
                waiter = lane.head
                if waiter.future.done():  # cancelled a moment ago; a slot for it would only have to be given back
                    self._queue.remove(lane, waiter)
                    continue
                try:
                    answer = self._ledger.take(waiter.costs, lane.priority, self._queue.waiting)
                except Exception as error:  # whatever the ledger's medium raises belongs to the one who asked
                    self._refuse(lane, waiter, error)
                    continue
                if isinstance(answer, asyncio.Future):
                    self._await_reply(answer, lane, waiter)
                    return
                self._take_answer(answer, lane, waiter)
        finally:
            self._pumping = False
        self._arm()

    def _ask_alone(self, lane: Lane, costs: Costs, deadline: float | None) -> "Answer | asyncio.Future[Answer] | None":
        """Ask without queueing where nobody waits; None when it is in vain to ask now."""
        if self._queue.busy or self._asking is not None or deadline is not None:
            return None
        if lane.not_before > self._ledger.now() or not self._background_may_ask(lane.priority):
            return None
        answer = self._ledger.take(costs, lane.priority, 1 << lane.priority)
        if isinstance(answer, Denied):
            self._overdue = answer.overdue
            lane.not_before = self._later_than_now(answer.retry_at)
        return answer

    def _later_than_now(self, at: float) -> float:
        """Return when to ask again: a harmed ledger may name this very moment, over and over."""
        now = self._ledger.now()
        return at if at > now else now + _SOON

    def _next_lane(self) -> Lane | None:
        """Return the lane whose head may ask now: an overdue one, else of the highest priority the oldest."""
        if self._queue.with_deadline:
            self._drop_expired()
        now = self._ledger.now()
        chosen: Lane | None = None
        for lane in self._queue.busy:
            if lane.not_before > now or not self._background_may_ask(lane.priority):
                continue
            if self._overdue >> lane.priority & 1:
                return lane
            if chosen is None or (lane.priority is chosen.priority and lane.head.number < chosen.head.number):
                chosen = lane
        return chosen

    def _background_may_ask(self, priority: Priority) -> bool:
        if priority <= Priority.HIGH:
            return True
        return not self._background_is_full() and self._smoother.may_ask()

    def _background_is_full(self) -> bool:
        return self._in_flight[2] + self._in_flight[3] >= self._background_in_flight

    def _await_reply(self, answer: "asyncio.Future[Answer]", lane: Lane, waiter: Waiter) -> None:
        self._asking = answer
        answer.add_done_callback(functools.partial(self._replied, lane, waiter))

    def _take_answer(self, answer: Answer, lane: Lane, waiter: Waiter) -> None:
        if isinstance(answer, Denied):
            self._overdue = answer.overdue
            lane.not_before = self._later_than_now(answer.retry_at)
            return
        self._queue.remove(lane, waiter)
        waited = asyncio.get_running_loop().time() - waiter.since
        slot = self._slot(answer, lane, waiter.costs, waiter.number, waited)
        if waiter.future.done():
            slot.refund()
        else:
            waiter.future.set_result(slot)

    def _slot(self, granted: Granted, lane: Lane, costs: Costs, number: int, waited: float) -> Slot:
        self._overdue = granted.overdue
        lane.not_before = granted.next_at
        priority = lane.priority
        self._in_flight[priority] += 1
        if priority >= Priority.NORMAL:
            self._smoother.use()
        self._waits[priority].add(waited)
        return Slot(self, granted.ticket, costs, priority, number, granted.at)

    def _replied(self, lane: Lane, waiter: Waiter, done: "asyncio.Future[Answer]") -> None:
        self._asking = None
        if done.cancelled():
            return
        if (error := done.exception()) is not None:
            self._refuse(lane, waiter, error)
        else:
            self._take_answer(done.result(), lane, waiter)
        self._pump()

    def _drop_expired(self) -> None:
        now = asyncio.get_running_loop().time()
        for lane in list(self._queue.busy):
            while lane.waiters and (deadline := lane.head.deadline) is not None and deadline <= now:
                self._waits[lane.priority].expired += 1
                self._refuse(lane, lane.head, DeadlineExpired("No slot came in time; the request was not sent."))

    def _refuse(self, lane: Lane, waiter: Waiter, error: BaseException) -> None:
        self._queue.remove(lane, waiter)
        if not waiter.future.done():
            waiter.future.set_exception(error)

    def _give_up(self, lane: Lane, waiter: Waiter) -> None:
        """The caller was cancelled, perhaps in the very moment of the grant."""
        if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
            waiter.future.result().refund()
            return
        was_head = bool(lane.waiters) and lane.head is waiter
        self._queue.remove(lane, waiter)
        if was_head and lane.waiters and lane.head.costs != waiter.costs:
            lane.not_before = 0.0
        if was_head:
            self._pump()

    def _ended(self, priority: Priority) -> None:
        was_full = self._background_is_full()
        self._in_flight[priority] -= 1
        if was_full and self._queue.busy:
            self._pump()

    def _refunded(self, priority: Priority) -> None:
        self._in_flight[priority] -= 1
        self._ask_anew()

    def _ask_anew(self) -> None:
        for lane in self._queue.lanes():
            lane.not_before = 0.0
        self._pump()

    def _arm(self) -> None:
        """Set the one timer to the earliest moment at which a head could be granted or gives up."""
        if not self._queue.busy:
            self._disarm()
            return
        loop = asyncio.get_running_loop()
        offset = loop.time() - self._ledger.now()
        wake_at = float("inf")
        for lane in self._queue.busy:
            if self._background_may_ask(lane.priority):
                wake_at = min(wake_at, lane.not_before + offset)
            if (deadline := lane.head.deadline) is not None:
                wake_at = min(wake_at, deadline)
        if self._timer is not None and abs(self._timer_at - wake_at) < _SAME_MOMENT:
            return
        self._disarm()
        if wake_at < float("inf"):
            self._timer_at = wake_at
            self._timer = loop.call_at(wake_at, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._pump()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _priority_use(self, priority: Priority) -> PriorityUse:
        waits = self._waits[priority]
        p50, p99 = waits.percentiles()
        since = [lane.head.since for lane in self._queue.busy if lane.priority is priority]
        oldest = asyncio.get_running_loop().time() - min(since) if since else 0.0
        return PriorityUse(priority, self._queue.depth[priority], oldest, p50, p99, waits.grants, waits.expired)

    def _heard(self, event: LedgerEvent) -> None:
        notice = Notice(datetime.now(UTC), event.kind, event.rule, event.message)
        self._notices.append(notice)
        for listener in list(self._listeners):
            listener(notice)
        if event.kind == "resumed":
            self._ask_anew()
