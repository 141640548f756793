"""What must be there after processes died: every write that was ever committed, once, and nothing sent blindly."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bmconsole.domain.intents import Intent, IntentState
from bmconsole.store import intents as rows
from bmconsole.store.sqlite import connect, whole
from tests.writes.storm import unread_sends

_SEEN = 3_000
"""How many requests may come between two looks."""
_ENDED = (IntentState.CONFIRMED, IntentState.REJECTED, IntentState.DROPPED)


@dataclass
class Traffic:
    """What arrived at the shop since it was last asked."""

    http: httpx.Client
    seen: list[dict[str, Any]] = field(default_factory=list)
    _asked: int = 0

    def gather(self) -> None:
        """Take over what came since the last time."""
        told = self.http.get("/_sandbox/journal", params={"writes": 0, "seen": _SEEN}).raise_for_status().json()
        new = told["requests"] - self._asked
        assert new <= len(told["seen"]), "more came than was asked for"
        self.seen += told["seen"][len(told["seen"]) - new :]
        self._asked = told["requests"]


@dataclass
class Committed:
    """The writes that a reader has seen in the journal, as they were then."""

    path: Path
    known: dict[int, Intent] = field(default_factory=dict)

    def look(self) -> list[str]:
        """Read the journal, and return what it said before and does not say any more."""
        with closing(connect(self.path, readonly=True)) as connection:
            now = {intent.id: intent for intent in rows.page(connection, limit=0)}
        wrong = [f"write {number} is lost" for number in self.known.keys() - now.keys()]
        for number, before in self.known.items():
            after = now.get(number, before)
            if before.state in _ENDED and (after.state, after.want) != (before.state, before.want):
                wrong.append(f"write {number} was {before.state} and is {after.state}")
        if missing := set(range(1, max(now, default=0) + 1)) - now.keys():
            wrong.append(f"there are no writes {sorted(missing)}")
        self.known = now
        return wrong


def damaged(folders: Iterable[Path]) -> list[str]:
    """Return the databases in these folders whose structure does not hold."""
    paths = [path for folder in folders for path in folder.glob("*.db")]
    return [f"{path.name} is damaged" for path in paths if not whole(path, thorough=True)]


def audit_faults(path: Path) -> list[str]:
    with closing(connect(path, readonly=True)) as connection:
        broken = rows.audit_broken_at(connection)
    return [] if broken is None else [f"the audit is broken at {broken}"]


def sent_without_intent(intents: Iterable[Intent], seen: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the targets at which more writes arrived than the journal knows to have been sent."""
    arrived = Counter(_target(one) for one in seen if one["method"] == "POST")
    known: Counter[str] = Counter()
    for intent in intents:
        known[intent.target] += intent.attempts
    return [
        f"{count} writes of {target} arrived, the journal knows {known[target]}"
        for target, count in arrived.items()
        if count > known[target]
    ]


def sent_without_read(seen: Iterable[dict[str, Any]]) -> list[str]:
    # A request that is answered late was carried out when it arrived
    count = unread_sends(sorted(seen, key=lambda one: one["at"]))
    return [f"{count} sends without a read between"] if count else []


def wrong_end(intents: Iterable[Intent], start: Mapping[str, Any], end: Mapping[str, Any]) -> list[str]:
    """Hold what the shop has against what the journal calls confirmed.

    Args:
        intents: All, in the order in which they were planned.
        start: The listings before the first, by id: `quantity`, and the price by market in `prices`.
        end: The same after the last.
    """
    stock = {number: shop["quantity"] for number, shop in start.items()}
    prices = {(number, market): price for number, shop in start.items() for market, price in shop["prices"].items()}
    wrong = []
    for intent in sorted(intents, key=lambda intent: (intent.updated, intent.id)):
        if intent.state.unfinished:
            wrong.append(f"write {intent.id} stayed {intent.state}: {intent.error}")
        if intent.state is not IntentState.CONFIRMED:
            continue
        if "price" in intent.want:
            prices[intent.target, intent.market or ""] = intent.want["price"]
        if (typed := (intent.typed or {}).get("quantity")) is not None:
            stock[intent.target] += int(typed)
    for number, shop in end.items():
        if shop["quantity"] != stock[number]:
            wrong.append(f"{number}: the stock is {shop['quantity']}, what was confirmed comes to {stock[number]}")
        wrong += [
            f"{number} in {market}: the price is {price}, confirmed was {prices[number, market]}"
            for market, price in shop["prices"].items()
            if price != prices[number, market]
        ]
    return wrong


def _target(request: Mapping[str, Any]) -> str:
    return str(request["path"]).rpartition("/")[2]
