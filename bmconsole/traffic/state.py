"""What is known of one rule: who holds it until when, the pace, the pause and the working limit.

Safety: a slot is held from the grant until its response plus one window. Take any window (x, x+W] of the server and its
member that was granted last, at s. Every other member was granted before s and arrived after x >= s - W, so its
response came after s - W and it was still held at s: at most `limit` - 1 of them. No latency, order or pool enters.
"""

import math
from array import array
from bisect import bisect_right
from itertools import accumulate

from bmconsole.domain.priority import Priority
from bmconsole.traffic.pace import FIRST_RTT, RTT_WEIGHT, TOLERANCE, interval
from bmconsole.traffic.rules import BACKGROUND_SHARE, MERGE_ABOVE, Rule

GRANULARITY = 0.002
"""Seconds a hold lasts longer, for clocks that tick."""

TICK = 1e-6
"""A hold is over only after its last moment; this much later it is worth asking."""

_BACKGROUND = int(Priority.NORMAL)

RAISE_EVERY = 300.0
"""Seconds after which a lowered working limit regains one."""


class RuleState:
    """One rule's counts; not thread-safe, no clock of its own."""

    __slots__ = (
        "_costs",
        "_head",
        "_times",
        "faults",
        "flying",
        "held",
        "interval",
        "level",
        "name",
        "passed",
        "pause_until",
        "probe",
        "raise_at",
        "rtt",
        "rule",
        "short",
        "slowed_until",
        "stored",
        "tat",
        "trips",
        "working",
    )

    def __init__(self, name: str, rule: Rule) -> None:
        self.name = name
        self.rule = rule
        self.short = rule.short
        self.working = float(rule.limit)
        self.raise_at = 0.0
        self.pause_until = 0.0
        self.level = 0
        """How many 429s in a row: 0 is open; above, one probe goes when the pause is over."""
        self.probe = 0
        """The ticket of the probe under way, or 0."""
        self.tat = 0.0
        self.flying = 0
        self.held = 0
        self.rtt = FIRST_RTT
        self.faults = 0
        self.slowed_until = 0.0
        self.trips = 0
        self.passed = [0, 0, 0, 0]
        self.stored: object = None
        """What a stored ledger last wrote of it that seldom changes."""
        self.repace()
        self._times = array("d")
        self._costs = array("i")
        self._head = 0

    @property
    def used(self) -> int:
        """What counts against the limit now: in flight and held."""
        return self.flying + self.held

    def repace(self) -> None:
        """Set the seconds between grants to the current working limit and round trip."""
        self.interval = interval(self.rule.window, self.rtt, self.working)

    def advance(self, now: float) -> None:
        """Let go of what was held until before `now`, and let a lowered working limit recover."""
        times, head = self._times, self._head
        end = len(times)
        if head < end and self.is_over(times[head], now):
            while head < end and self.is_over(times[head], now):
                self.held -= self._costs[head]
                head += 1
            if head > 64:
                del times[:head]
                del self._costs[:head]
                head = 0
            self._head = head
        if self.working < self.rule.limit and now >= self.raise_at:
            steps = 1 + int((now - self.raise_at) / RAISE_EVERY)
            self.working = min(float(self.rule.limit), self.working + steps)
            self.raise_at += steps * RAISE_EVERY
            self.repace()

    @staticmethod
    def is_over(release: float, now: float) -> bool:
        """Whether a hold until `release` has ended: a closed window still contains its last moment."""
        return now > release

    def capacity(self, priority: int, tier: int, attached: bool) -> float:
        """Return how much of the rule a priority may fill."""
        if self.short:
            return self.working - self.rule.reserve if attached and tier >= _BACKGROUND else self.working
        share = BACKGROUND_SHARE if priority >= _BACKGROUND else 1.0
        return max(1.0, math.floor(min(self.working, self.rule.limit * share)))

    def open_at(self, cost: int, priority: int, tier: int, now: float, attached: bool) -> float:
        """Return when pause, probe and log allow `cost` more; `now` or earlier means at once."""
        at = self.pause_until
        if self.level and self.probe and at <= now:
            at = now + max(2 * self.rtt, 0.1)
        need = self.held + self.flying + cost - self.capacity(priority, tier, attached)
        if need > 0:
            at = max(at, self._freed_at(need, now))
        return at

    def paced_at(self, tier: int) -> float:
        """Return when the pace allows the next request of a tier; rules of hours and days are not paced."""
        return self.tat - self.interval * TOLERANCE[tier] if self.short else 0.0

    def grant(self, ticket: int, cost: int, now: float) -> None:
        """Count one more in flight and move the pace on."""
        self.flying += cost
        if self.short:
            self.tat = (self.tat if self.tat > now else now) + self.interval * cost
        if self.level and not self.probe:
            self.probe = ticket

    def hold(self, cost: int, granted_at: float, answered_at: float) -> None:
        """Turn what was in flight into a hold of one window from its answer."""
        self.flying -= cost
        self._append(self.release_time(granted_at, answered_at), cost)

    def release_time(self, granted_at: float, answered_at: float) -> float:
        """Return until when a request counts: its response, not its grant, starts the window."""
        return answered_at + self.rule.window + GRANULARITY

    def give_back(self, cost: int) -> None:
        """Undo a grant that was never handed over."""
        self.flying -= cost
        if self.short:
            self.tat -= self.interval * cost

    def forgive(self) -> None:
        """Forget pause and lowered working limit; what was sent still counts."""
        self.working = float(self.rule.limit)
        self.pause_until = self.slowed_until = 0.0
        self.level = self.probe = self.faults = 0
        self.repace()

    def doubt(self) -> None:
        """Forget everything but what is in flight: what was stored makes no sense."""
        self.drop_holds()
        self.forgive()
        self.tat = self.raise_at = 0.0
        self.rtt = FIRST_RTT
        self.passed = [0, 0, 0, 0]
        self.repace()

    def fill(self, until: float) -> None:
        """Count as full until a moment."""
        self._append(until, max(0, self.rule.limit - self.used))

    def add_past(self, release: float, cost: int) -> None:
        """Count something that was sent before, until its release."""
        self._append(release, cost)

    def saw_round_trip(self, seconds: float) -> None:
        """Fold one round trip into the mean."""
        self.rtt += RTT_WEIGHT * (seconds - self.rtt)
        self.repace()

    def holds(self) -> tuple[bytes, bytes]:
        """Return release times as packed doubles, and costs as packed 32 bit integers."""
        return self._times[self._head :].tobytes(), self._costs[self._head :].tobytes()

    def load_holds(self, times: bytes, costs: bytes) -> None:
        """Replace the holds by packed ones.

        Raises:
            ValueError: They are damaged: of odd length, or of unequal number.
        """
        fresh_times, fresh_costs = array("d"), array("i")
        fresh_times.frombytes(times)
        fresh_costs.frombytes(costs)
        if len(fresh_times) != len(fresh_costs):
            raise ValueError("holds without costs")
        self._times, self._costs, self._head = fresh_times, fresh_costs, 0
        self.held = sum(fresh_costs)

    def drop_holds(self) -> None:
        """Let go of every hold; what is in flight stays."""
        del self._times[:], self._costs[:]
        self._head = self.held = 0

    def lengthen(self, seconds: float) -> None:
        """Move every release: the window was made longer."""
        self._times = array("d", (time + seconds for time in self._times[self._head :]))
        self._costs = self._costs[self._head :]
        self._head = 0

    def move_clock(self, seconds: float) -> None:
        """Carry every time over to a clock that shows `seconds` more."""
        self.lengthen(seconds)
        self.raise_at += seconds
        self.pause_until += seconds
        self.slowed_until += seconds
        self.tat += seconds

    def is_sound(self) -> bool:
        """Whether the counts agree with one another."""
        times = self._times[self._head :]
        return (
            self.flying >= 0
            and self.held == sum(self._costs[self._head :])
            and all(map(math.isfinite, times))
            and list(times) == sorted(times)
            and 0 < self.working <= self.rule.limit
            and math.isfinite(self.tat + self.pause_until + self.rtt)
        )

    def _append(self, release: float, cost: int) -> None:
        if cost <= 0:
            return
        if self.rule.limit > MERGE_ABOVE:
            bucket = self.rule.window / 1000
            release = math.ceil(release / bucket) * bucket
        times, costs = self._times, self._costs
        self.held += cost
        if len(times) == self._head or times[-1] < release:
            times.append(release)
            costs.append(cost)
            return
        at = bisect_right(times, release, self._head)
        if at > self._head and times[at - 1] == release:
            costs[at - 1] += cost
        else:
            times.insert(at, release)
            costs.insert(at, cost)

    def _freed_at(self, need: float, now: float) -> float:
        for index, freed in enumerate(accumulate(self._costs[self._head :]), self._head):
            if freed >= need:
                return self._times[index] + TICK
        # The rest is in flight: whatever is answered from now on is held for one window more.
        return now + self.rule.window
