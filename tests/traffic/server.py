"""The server's side of the limits: what arrived when, and the fullest window that ever was.

It shares no code with the limiter. Windows are closed, [x, x + W], the strictest reading of "200 in 10 s".
"""

from collections import defaultdict
from collections.abc import Iterable


def fullest(arrivals: Iterable[tuple[float, int]], window: float) -> int:
    """Return the most (by cost) that any closed window contains."""
    ordered = sorted(arrivals)
    best = total = start = 0
    for time, cost in ordered:
        total += cost
        # Arrivals that rounding alone parts from the window's edge count as inside.
        while time - ordered[start][0] > window + 1e-9:
            total -= ordered[start][1]
            start += 1
        best = max(best, total)
    return best


class Oracle:
    """Notes every arrival by rule and says whether a window was overrun."""

    def __init__(self, limits: dict[str, tuple[int, float]]) -> None:
        self.limits = limits
        self.arrivals: dict[str, list[tuple[float, int]]] = defaultdict(list)

    def arrive(self, costs: Iterable[tuple[str, int]], at: float) -> None:
        """Note one request."""
        for name, cost in costs:
            self.arrivals[name].append((at, cost))

    def fullest(self, name: str) -> int:
        """Return the fullest window of a rule."""
        limit = self.limits[name.partition(":")[0]]
        return fullest(self.arrivals[name], limit[1])

    def check(self) -> None:
        """Assert that no window of any rule ever held more than its limit."""
        for name in self.arrivals:
            limit, window = self.limits[name.partition(":")[0]]
            most = self.fullest(name)
            assert most <= limit, f"{name}: {most} in {window} s, allowed {limit}"

    def accepted(self, name: str, start: float, end: float) -> int:
        """Return what arrived in a span."""
        return sum(cost for time, cost in self.arrivals[name] if start <= time < end)
