"""Edits in bad weather: `python -m tests.writes.storm [EDITS] [SECONDS BETWEEN KILLS]`, by default 2,000 and 3.

A process edits prices and stock of many listings, several at a time, against a sandbox that loses 15 % of the requests
before and 15 % of the answers after they took effect, while another editor changes listings too. It is killed every few
seconds without warning and started anew. Afterwards what is left is settled, and every intent is held against what the
shop carried out and against what every read and write in its journal says.
"""

import asyncio
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bmconsole.domain.intents import Intent, IntentState
from bmconsole.domain.views import Query
from bmconsole.errors import BmError
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread
from bmconsole.store.intents import audit_broken_at
from bmconsole.workspace import Workspace
from tests.conftest import MARKETS
from tests.writes.killed import fast_profile

LISTINGS = 60
AT_ONCE = 6
LOST = 0.15


@dataclass(frozen=True)
class Outcome:
    """What a storm came to."""

    planned: int
    kills: int
    states: Mapping[str, int]
    lost: int
    """Confirmed, but the shop never carried it out."""
    doubled: int
    """Carried out more than once without a read between."""
    falsely_done: int
    """Confirmed although it was not what the read that confirmed it should have seen."""
    stomped: int
    """A foreign price was overwritten that was there at the read before the write, and was not the edit's base."""
    in_window: int
    """A foreign price was overwritten that came in the round trip between the read and the write."""
    unread: int
    """Sent twice without a read between."""
    foreign: int
    unfinished: int
    audit_broken_at: int | None


def _edit(profile: Profile, home: str, edits: int, seed: int) -> None:
    chance = random.Random(seed)

    async def one(workspace: Workspace, listing: str, number: int) -> None:
        price = f"{200 + chance.randrange(9_000) / 100:.2f}"
        fields = {"price": price} if chance.random() < 0.7 else {"price": price, "quantity": str(number % 40)}
        try:
            plan = await workspace.plan_listing(listing, chance.choice(MARKETS), fields)
            await workspace.apply(plan)
        except BmError:
            return  # the journal says what became of it

    async def work() -> None:
        async with await Workspace.open(profile, Paths.under(Path(home))) as workspace:
            await workspace.settle_left_behind()
            ids = [row.id for row in await workspace.listings_page(Query(limit=0))]
            await workspace.refresh_listing(chance.choice(ids))
            for start in range(0, edits, AT_ONCE):
                chosen = chance.sample(ids, AT_ONCE)
                await asyncio.gather(*(one(workspace, listing, start + n) for n, listing in enumerate(chosen)))

    asyncio.run(work())


def storm(edits: int, every: float, *, seed: int = 1) -> Outcome:
    """Run one and return what it came to; `every` is the time between kills in seconds."""
    options = Options(seed=seed, orders=0, listings=LISTINGS, markets=MARKETS, limits=False)
    with running_in_thread(options) as sandbox, tempfile.TemporaryDirectory() as folder:
        http = httpx.Client(base_url=sandbox.url, trust_env=False)
        profile = fast_profile(sandbox)
        for number in range(LISTINGS):
            listing = sandbox.shop.listings.get(number).id
            for market in MARKETS:
                edit = {"market": market, "price": "249.00", "min_price": None, "quantity": 9}
                http.post(f"/_sandbox/edit/listings/{listing}", json=edit).raise_for_status()
        asyncio.run(_sync(profile, folder))
        path = "/ws/listings"
        faults = [
            {"kind": "drop", "at": at, "probability": LOST, "seed": seed + place, "path": path, "methods": ["POST"]}
            for place, at in enumerate(("before", "after"))
        ]
        http.put("/_sandbox/faults", json=faults).raise_for_status()
        kills, foreign = _weather(profile, folder, http, sandbox, edits, every, random.Random(seed))
        http.put("/_sandbox/faults", json=[]).raise_for_status()
        intents, broken = asyncio.run(_settle(profile, folder))
        journal = http.get("/_sandbox/journal", params={"writes": 50_000, "seen": 20_000}).raise_for_status().json()
        http.close()
    return _judge(intents, broken, journal["writes"], journal["seen"], kills, foreign)


def _weather(
    profile: Profile,
    folder: str,
    http: httpx.Client,
    sandbox: RunningSandbox,
    edits: int,
    every: float,
    chance: random.Random,
) -> tuple[int, list[tuple[float, str, str, str]]]:
    """Kill and start anew until so many edits were planned; return the kills, and the foreign edits with their time."""
    processes = multiprocessing.get_context("forkserver")
    kills, foreign = 0, []
    while (planned := asyncio.run(_planned(profile, folder))) < edits:
        process = processes.Process(target=_edit, args=(profile, folder, edits - planned, chance.randrange(1 << 30)))
        process.start()
        end = time.monotonic() + every * chance.uniform(0.5, 1.5)
        while time.monotonic() < end and process.is_alive():
            listing = sandbox.shop.listings.get(chance.randrange(LISTINGS)).id
            market, price = chance.choice(MARKETS), f"{300 + chance.randrange(9_000) / 100:.2f}"
            edit = {"market": market, "price": price}
            http.post(f"/_sandbox/edit/listings/{listing}", json=edit).raise_for_status()
            foreign.append((time.monotonic(), listing, market, price))
            process.join(0.15)
        if process.is_alive():
            process.kill()
            kills += 1
        process.join()
    return kills, foreign


async def _sync(profile: Profile, folder: str) -> None:
    async with await Workspace.open(profile, Paths.under(Path(folder))) as workspace:
        await workspace.sync(["listings"])


async def _planned(profile: Profile, folder: str) -> int:
    async with await Workspace.open(profile, Paths.under(Path(folder))) as workspace:
        newest = await workspace.intents(limit=1)
        return newest[0].id if newest else 0


async def _settle(profile: Profile, folder: str) -> tuple[list[Intent], int | None]:
    async with await Workspace.open(profile, Paths.under(Path(folder))) as workspace:
        await workspace.settle_left_behind()
        for intent in await workspace.intents(limit=0, unfinished=True):
            await workspace.resolve(intent.id, "resend")
        broken = await workspace._journal.read(audit_broken_at)
        return await workspace.intents(limit=0), broken


def _judge(
    intents: list[Intent],
    broken: int | None,
    writes: list[dict[str, Any]],
    seen: list[dict[str, Any]],
    kills: int,
    foreign: list[tuple[float, str, str, str]],
) -> Outcome:
    carried: Counter[tuple[str, str, str]] = Counter()
    wanted: Counter[tuple[str, str, str]] = Counter()
    bases: dict[tuple[str, str, str], set[object]] = {}
    lost = falsely = 0
    done = [write for write in writes if write["executed"] == 200]
    carried.update((_listing(write), write["market"], write["body"]["price"]) for write in done)
    for intent in intents:
        key = (intent.target, intent.market or "", str(intent.want.get("price")))
        wanted[key] += bool(intent.attempts)
        bases.setdefault(key, set()).add(intent.base.get("price"))
        if intent.state is IntentState.CONFIRMED:
            lost += bool(intent.attempts) and not carried[key]
            read = intent.readback or {}
            falsely += any(read.get(name) != value for name, value in intent.want.items()) and intent.note is None
    stomped = in_window = 0
    for write in done:
        key = (_listing(write), write["market"], write["body"]["price"])
        place = key[:2]
        events = [
            (at, price) for at, listing, market, price in foreign if (listing, market) == place and at < write["at"]
        ]
        ours = [one["at"] for one in done if (_listing(one), one["market"]) == place and one["at"] < write["at"]]
        if events and events[-1][0] > max(ours, default=0.0) and events[-1][1] not in bases[key]:
            reads = [
                one["at"]
                for one in seen
                if one["method"] == "GET" and (_listing(one), one["market"]) == place and one["at"] < write["at"]
            ]
            stomped += events[-1][0] < max(reads, default=0.0)
            in_window += events[-1][0] >= max(reads, default=0.0)
    return Outcome(
        planned=len(intents),
        kills=kills,
        states=Counter(intent.state.value for intent in intents),
        lost=lost,
        doubled=sum(carried[key] > wanted[key] for key in carried),
        falsely_done=falsely,
        stomped=stomped,
        in_window=in_window,
        unread=unread_sends(seen),
        foreign=len(foreign),
        unfinished=sum(intent.state.unfinished for intent in intents),
        audit_broken_at=broken,
    )


def _listing(request: Mapping[str, Any]) -> str:
    return str(request["path"]).rpartition("/")[2]


def unread_sends(seen: list[dict[str, Any]]) -> int:
    """Return how many writes of a listing in a market came right after another, without a read between."""
    last: dict[tuple[str, str], str] = {}
    count = 0
    for request in seen:
        place = (_listing(request), request["market"])
        count += request["method"] == last.get(place) == "POST"
        last[place] = request["method"]
    return count


def main(edits: str = "2000", every: str = "3") -> int:
    """Print a storm's outcome; 1 where anything went wrong."""
    outcome = storm(int(edits), float(every))
    print(outcome)
    wrong = (
        outcome.lost + outcome.doubled + outcome.falsely_done + outcome.stomped + outcome.unread + outcome.unfinished
    )
    return 1 if wrong or outcome.audit_broken_at is not None else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
