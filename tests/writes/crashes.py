"""A write that dies at a named step under a given answer, and what has to be true once it is settled."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx

from bmconsole.domain.intents import Intent, IntentState
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.workspace import Workspace
from bmconsole.writes.crashpoints import STEPS
from tests.conftest import MARKETS
from tests.writes.killed import dies, fast_profile

ANSWERS: dict[str, dict[str, object] | None] = {
    "acknowledged": None,
    "lost before": {"kind": "drop", "at": "before", "times": 1},
    "lost after applying": {"kind": "drop", "at": "after", "times": 1},
    "refused": {"kind": "answer", "status": 400, "body": "this is not to be"},
}
TRACKING = "6A12345678901"
VALUES = {"listing": "231.50", "stock": "+2", "ship": TRACKING, "invoice": "%PDF-1.7 a made up invoice"}
"""What is written, by kind: a price with an absolute stock, a relative stock, a parcel, a file."""
_LISTINGS = ("listing", "stock")
_INVOICE_STEPS = {step for step in STEPS if "read" not in step}
"""An invoice cannot be read, neither before nor after."""


@dataclass(frozen=True)
class Crash:
    """One case."""

    kind: str
    answer: str
    step: str

    def __str__(self) -> str:
        return f"{self.kind}, {self.answer}, killed at {self.step}"


def crashes(*kinds: str) -> list[Crash]:
    """Return the cases of these kinds: every answer, every step."""
    return [Crash(*case) for case in product(kinds, ANSWERS, STEPS)]


def options(kinds: int) -> Options:
    """Return a shop that has a listing and an order for every case of so many kinds."""
    cases = kinds * len(ANSWERS) * len(STEPS)
    return Options(seed=3, orders=cases, listings=cases, markets=MARKETS, limits=False)


class Shop:
    """The sandbox from outside, with a listing of known price and stock and an order to be shipped for every case."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(base_url=sandbox.url, trust_env=False)
        self._listing_ids, self._order_ids = list(self._listings()), list(self._orders())

    def fresh(self, kind: str) -> str:
        """Return a listing or order that no case had yet."""
        return (self._listing_ids if kind in _LISTINGS else self._order_ids).pop()

    def _listings(self) -> Iterator[str]:
        for number in range(self.sandbox.shop.options.listings):
            listing = self.sandbox.shop.listings.get(number)
            edit = {"market": "de-de", "price": "249.00", "min_price": None, "quantity": 3}
            self.http.post(f"/_sandbox/edit/listings/{listing.id}", json=edit).raise_for_status()
            yield listing.id

    def _orders(self) -> Iterator[str]:
        for number in range(self.sandbox.shop.options.orders):
            order = self.sandbox.shop.orders.get(number)
            lines = {str(line.id): {"state": 2, "imei": None} for line in order.lines}
            edit = {"lines": lines, "tracking_number": None, "shipper": None}
            self.http.post(f"/_sandbox/edit/orders/{order.id}", json=edit).raise_for_status()
            yield str(order.id)

    def path(self, kind: str, target: str) -> str:
        """Return where a write of this kind arrives."""
        place = f"/ws/{'listings' if kind in _LISTINGS else 'orders'}/{target}"
        return f"{place}/invoice" if kind == "invoice" else place

    def state(self, kind: str, target: str) -> dict[str, Any]:
        place = "listings" if kind in _LISTINGS else "orders"
        found: dict[str, Any] = self.http.get(f"/_sandbox/state/{place}/{target}").raise_for_status().json()
        if kind in _LISTINGS:
            offer = found["markets"]["de-de"]
            return {"price": offer["price"], "quantity": offer["quantity"]}
        if kind == "invoice":
            return {"invoices": found["invoices"]}
        return {"tracking_number": found["tracking_number"], "states": {line["state"] for line in found["orderlines"]}}

    def fault(self, fault: dict[str, object] | None, path: str = "") -> None:
        faults = [] if fault is None else [{"path": path, "methods": ["POST"], **fault}]
        self.http.put("/_sandbox/faults", json=faults).raise_for_status()

    def traffic(self, path: str) -> list[str]:
        """Return the methods that arrived at a path, in their order."""
        seen = self.http.get("/_sandbox/journal", params={"writes": 0, "seen": 20000}).raise_for_status().json()["seen"]
        return [one["method"] for one in seen if one["path"] == path]

    def executed(self, path: str) -> int:
        """Return how many writes at a path the shop carried out."""
        found = self.http.get("/_sandbox/journal", params={"writes": 50000}).raise_for_status().json()["writes"]
        return sum(one["path"] == path and one["executed"] == 200 for one in found)


class Homes:
    """Copies of a home that was synced once for all."""

    def __init__(self, shop: Shop, filled: Path) -> None:
        self._shop = shop
        self._filled = filled

    def copy(self, folder: Path) -> Path:
        """Return `folder`, filled."""
        if not self._filled.exists():
            asyncio.run(self._fill())
        shutil.copytree(self._filled, folder)
        return folder

    async def _fill(self) -> None:
        async with await Workspace.open(fast_profile(self._shop.sandbox), Paths.under(self._filled)) as workspace:
            await workspace.sync()


def wrong_after(shop: Shop, home: Path, crash: Crash) -> list[str]:
    """Carry a write out in a process that is killed, settle what it left, and return what is then not as it must be."""
    target = shop.fresh(crash.kind)
    path = shop.path(crash.kind, target)
    before = shop.state(crash.kind, target)
    value = VALUES[crash.kind]
    shop.fault(ANSWERS[crash.answer], path)
    try:
        died = dies(fast_profile(shop.sandbox), home, crash.step, crash.kind, target, value)
        intents, again = asyncio.run(_settled(shop, home))
    finally:
        shop.fault(None)
    after = shop.state(crash.kind, target)
    done = shop.executed(path)
    wrong = []
    if not died and _passes(crash):
        wrong.append("it did not die there")
    if again:
        wrong.append("something was left to settle")
    if crash.step == "before-plan-commit":
        if intents or after != before:
            wrong.append("what was never written down happened")
    elif len(intents) != 1:
        wrong.append(f"{len(intents)} intents in the journal")
    elif crash.kind == "invoice":
        wrong += _wrong_invoice(crash, intents[0], done)
    else:
        wrong += _wrong_write(crash, intents[0], before, after)
        if done != (after != before):
            wrong.append(f"carried out {done} times")
    wrong += [] if crash.kind == "invoice" else unread(shop.traffic(path))
    return [f"{crash}: {what}" for what in wrong]


def _passes(crash: Crash) -> bool:
    """Whether a write of this kind that nothing stops comes to this step."""
    return crash.answer == "acknowledged" and (crash.kind != "invoice" or crash.step in _INVOICE_STEPS)


async def _settled(shop: Shop, home: Path) -> tuple[list[Intent], list[Intent]]:
    """Start anew where the process died; return all intents, and what a second look still finds to settle."""
    async with await Workspace.open(fast_profile(shop.sandbox), Paths.under(home)) as workspace:
        await workspace.settle_left_behind()
        return await workspace.intents(), await workspace.settle_left_behind()


def _wrong_write(crash: Crash, intent: Intent, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    want: dict[str, Any] = {
        "listing": {"price": "231.50", "quantity": 7},
        "stock": {**before, "quantity": 5},
        "ship": {"tracking_number": TRACKING, "states": {3}},
    }[crash.kind]
    expected = (IntentState.REJECTED, before) if crash.answer == "refused" else (IntentState.CONFIRMED, want)
    wrong = [] if (intent.state, after) == expected else [f"{intent.state} ({intent.error}) and {after}"]
    if crash.answer == "refused" and "not to be" not in (intent.error or ""):
        wrong.append(f"the refusal is not told: {intent.error}")
    return wrong


def _wrong_invoice(crash: Crash, intent: Intent, done: int) -> list[str]:
    """What cannot be read is sent once at most, and is called done or not done only where that is known."""
    may = {
        IntentState.CONFIRMED: done == 1,
        IntentState.REJECTED: done == 0 and crash.answer == "refused",
        IntentState.DROPPED: done == 0,
        IntentState.UNKNOWN: done <= 1 and bool(intent.error),
    }
    return [] if may.get(intent.state) else [f"{intent.state} ({intent.error}), carried out {done} times"]


def unread(methods: list[str]) -> list[str]:
    """Return a complaint for every write that went out without a read since the one before."""
    sends = [place for place, method in enumerate(methods) if method == "POST"]
    pairs = zip([-1, *sends], sends, strict=False)
    return [f"no read before a send: {methods}" for first, second in pairs if "GET" not in methods[first + 1 : second]]
