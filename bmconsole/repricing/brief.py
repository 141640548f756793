"""The morning's text: what the operator should know before the first parcel, from what is on this machine."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bmconsole.domain.pricing_views import Score
from bmconsole.domain.times import ago


@dataclass(frozen=True, slots=True)
class Brief:
    """What a morning begins with; `since` is where the night began."""

    at: datetime
    since: datetime
    to_accept: int
    oldest_to_accept: datetime | None
    to_ship: int
    due_today: int
    late: int
    sold: int
    """Units in the orders since then."""
    won: int
    """Offers that win their backbox."""
    lost: tuple[str, ...]
    """Backboxes that were ours and are not any more: SKU and market."""
    gained: int
    online: int
    """Offers that can be bought."""
    with_data: int
    """Of those with backbox data."""
    mode: str
    paused: tuple[str, ...]
    runs: int
    changes: Mapping[str, int]
    """What became of the decisions of the night's runs, by state."""
    waiting: int
    guards: Mapping[str, int]
    """How often a guard stopped or changed something in the decisions that hold."""
    notices: tuple[str, ...]
    scores: tuple[Score, ...]
    no_cost: int
    unfinished: int
    conflicts: int
    feeds: Mapping[str, datetime | None]

    def lines(self) -> list[str]:
        """Return it as people read it, a line each."""
        said = [self._orders(), self._sales(), self._boxes(), self._repricing()]
        said += [f"  {notice}" for notice in self.notices]
        if self.guards:
            said.append("Guards: " + ", ".join(f"{name} {count}" for name, count in Counter(self.guards).most_common()))
        if self.paused:
            said.append("PAUSED: " + ", ".join(self.paused))
        if self.no_cost:
            said.append(f"Costs: {self.no_cost} offers that can be bought have none.")
        if self.unfinished or self.conflicts:
            said.append(f"Writes: {self.unfinished} not finished, {self.conflicts} conflicts to decide.")
        ages = ", ".join(
            f"{name} {ago(at, self.at)}{' ago' if at is not None else ''}" for name, at in self.feeds.items()
        )
        return [*said, f"Last clean pull: {ages}."]

    def _orders(self) -> str:
        oldest = f", the oldest {ago(self.oldest_to_accept, self.at)}" if self.oldest_to_accept else ""
        return (
            f"Orders: {self.to_accept} to accept{oldest}; {self.to_ship} to ship, "
            f"{self.due_today} due today, {self.late} late."
        )

    def _sales(self) -> str:
        hours = round((self.at - self.since) / timedelta(hours=1))
        return f"Sold in the last {hours} h: {self.sold} units."

    def _boxes(self) -> str:
        rate = f" ({self.won * 100 / self.with_data:.0f} %)" if self.with_data else ""
        text = (
            f"Backbox: {self.won} of {self.with_data} won{rate}, {self.online} online; "
            f"{self.gained} won and {len(self.lost)} lost overnight"
        )
        few = ", ".join(self.lost[:_FEW])
        more = f" and {len(self.lost) - _FEW} more" if len(self.lost) > _FEW else ""
        return f"{text}: {few}{more}." if self.lost else f"{text}."

    def _repricing(self) -> str:
        did = ", ".join(f"{count} {name}" for name, count in sorted(self.changes.items())) or "nothing"
        return f"Repricing ({self.mode}): {self.runs} runs, {did}; {self.waiting} wait for approval."


_FEW = 5
