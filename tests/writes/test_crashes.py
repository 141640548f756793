"""A process is killed at every named step of a write, under every answer: what is then true is found by reading."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bmconsole.domain.intents import IntentState
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread
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
CASES = len(STEPS) * len(ANSWERS)


class Shop:
    """The sandbox from outside, with a listing and an order that is to be shipped for every case."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(base_url=sandbox.url, trust_env=False)
        self._fresh = {"listing": list(self._listings()), "ship": list(self._orders())}

    def fresh(self, kind: str) -> str:
        """Return a listing or order that no case had yet."""
        return self._fresh[kind].pop()

    def _listings(self) -> Iterator[str]:
        for number in range(CASES):
            listing = self.sandbox.shop.listings.get(number)
            edit = {"market": "de-de", "price": "249.00", "min_price": None, "quantity": 3}
            self.http.post(f"/_sandbox/edit/listings/{listing.id}", json=edit).raise_for_status()
            yield listing.id

    def _orders(self) -> Iterator[str]:
        for number in range(CASES):
            order = self.sandbox.shop.orders.get(number)
            lines = {str(line.id): {"state": 2, "imei": None} for line in order.lines}
            edit = {"lines": lines, "tracking_number": None, "shipper": None}
            self.http.post(f"/_sandbox/edit/orders/{order.id}", json=edit).raise_for_status()
            yield str(order.id)

    def path(self, kind: str, target: str) -> str:
        return f"/ws/{'listings' if kind == 'listing' else 'orders'}/{target}"

    def state(self, kind: str, target: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/_sandbox/state{self.path(kind, target)[3:]}").raise_for_status().json()
        if kind == "listing":
            offer = found["markets"]["de-de"]
            return {"price": offer["price"], "quantity": offer["quantity"]}
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


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    options = Options(seed=3, orders=CASES, listings=CASES, markets=MARKETS, limits=False)
    with running_in_thread(options) as sandbox:
        shop = Shop(sandbox)
        yield shop
        shop.http.close()


@pytest.fixture
async def home(shop: Shop, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A home that was synced once for all; each case has a copy."""
    filled = tmp_path_factory.getbasetemp() / "filled-writes"
    if not filled.exists():
        async with await Workspace.open(fast_profile(shop.sandbox), Paths.under(filled)) as workspace:
            await workspace.sync()
    copy = tmp_path / "home"
    shutil.copytree(filled, copy)
    return copy


@pytest.mark.parametrize("kind", ["listing", "ship"])
@pytest.mark.parametrize("answer", list(ANSWERS))
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_anywhere_ends_in_the_right_state(
    shop: Shop, home: Path, kind: str, answer: str, step: str
) -> None:
    target = shop.fresh(kind)
    path = shop.path(kind, target)
    before = shop.state(kind, target)
    value = "231.50" if kind == "listing" else TRACKING
    want = {"price": "231.50", "quantity": 7} if kind == "listing" else {"tracking_number": TRACKING, "states": {3}}
    shop.fault(ANSWERS[answer], path)
    try:
        dies(fast_profile(shop.sandbox), home, step, kind, target, value)
        async with await Workspace.open(fast_profile(shop.sandbox), Paths.under(home)) as workspace:
            await workspace.settle_left_behind()
            intents = await workspace.intents()
            assert await workspace.settle_left_behind() == [], "nothing is left to settle"
    finally:
        shop.fault(None)
    after = shop.state(kind, target)
    states = [intent.state for intent in intents]
    if step == "before-plan-commit":
        assert (states, after) == ([], before), "what was never written down never happened"
    elif answer == "refused":
        assert (states, after) == ([IntentState.REJECTED], before)
        assert "not to be" in (intents[0].error or "")
    else:
        assert (states, after) == ([IntentState.CONFIRMED], want)
    assert shop.executed(path) == (1 if after != before else 0), "nothing is done twice"
    assert_read_between(shop.traffic(path))


def assert_read_between(methods: list[str]) -> None:
    """No write goes out without a read since the one before."""
    sends = [place for place, method in enumerate(methods) if method == "POST"]
    for first, second in zip([-1, *sends], sends, strict=False):
        assert "GET" in methods[first + 1 : second], methods
