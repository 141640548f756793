"""A1: thirteen kinds of network fault on every endpoint that the synchronisation reads.

The sandbox, the client and the files are the real ones. After a few passes under faults comes one without any: then
every order and every listing has to be here as it is there.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from bmconsole.backmarket.client import Client, network_transport
from bmconsole.errors import BmError
from bmconsole.sandbox import Options, RunningSandbox, running
from bmconsole.sandbox.clock import SystemClock
from bmconsole.sandbox.control import edit_listing, edit_order
from bmconsole.sandbox.faults import (
    Answer,
    Drop,
    Fault,
    Firewall,
    Latency,
    Redirect,
    ServerError,
    Shuffle,
    Slow,
    Truncate,
    WrongPage,
)
from bmconsole.sandbox.gate import route_of
from bmconsole.store.database import Database
from bmconsole.store.passes import pages_of
from bmconsole.store.schema import HISTORY, MIRROR
from bmconsole.sync import Sources, backbox, listings, orders
from tests.fire.rows import Outcome, Row, Task

SHARE = 0.2
"""How often a request is struck."""
PATIENCE = 0.4
"""Seconds that the client waits under faults: a delay may be longer."""
MARKETS = ("fr-fr", "de-de")
ENDPOINTS = ("/ws/orders", "/ws/orders/{id}", "/ws/listings", "/ws/listings/{id}", "/ws/backbox/v1/competitors/{id}")
_SHAPES: tuple[object, ...] = ({}, [], None, "text", 7, {"error": "?"}, {"results": None}, {"count": 3, "results": {}})
"""JSON that is no answer; an empty list that looks right in all is left out, for nobody could tell."""
_LONGEST = 5
"""Passes under faults before one without."""
_NEW_MIRROR = 40
"""Passes after which everything is read anew into empty files."""
_LISTINGS = 160
_MOST_REMOVED = 6
"""Listings taken out between two quiet passes at most: more than one in twenty at once wait for the operator."""
_MOST_GONE = 30
_COMINGS_AND_GOINGS = 4
"""How many listings go or come back before a pass: only such ones are read singly."""
_BACKBOX = 0.15
"""How often a pass looks at the backboxes, too."""
_USER_AGENT = "BM-Test-Faults;faults@example.com"


@dataclass
class Odds:
    """With what a kind of fault is set up: the share of the requests that it strikes, and chances."""

    share: float
    dice: random.Random

    @property
    def seed(self) -> int:
        return self.dice.randrange(2**32)


KINDS: Mapping[str, Callable[[Odds], Fault]] = {
    "delay": lambda o: Latency(probability=o.share, seed=o.seed, uniform=(0.0, 1.5 * PATIENCE)),
    "drop before": lambda o: Drop(probability=o.share, seed=o.seed, at="before", reset=o.dice.random() < 0.5),
    "drop after": lambda o: Drop(probability=o.share, seed=o.seed, reset=o.dice.random() < 0.5),
    "truncated": lambda o: Truncate(probability=o.share, seed=o.seed, whole=o.dice.random() < 0.5),
    "429": lambda o: Answer(probability=o.share, seed=o.seed, status=429, body={"error": {"code": "rate_limited"}}),
    "403 HTML": lambda o: Firewall(probability=o.share, seed=o.seed, json=o.dice.random() < 0.3),
    "500": lambda o: ServerError(probability=o.share, seed=o.seed, status=500),
    "502 HTML": lambda o: ServerError(probability=o.share, seed=o.seed, status=502, html=True),
    "wrong JSON": lambda o: Answer(probability=o.share, seed=o.seed, body=o.dice.choice(_SHAPES)),
    "slow body": lambda o: Slow(probability=o.share, seed=o.seed, parts=4, seconds=o.dice.choice((0.01, 0.15))),
    "other page": lambda o: WrongPage(probability=o.share, seed=o.seed),
    "any order": lambda o: Shuffle(probability=o.share, seed=o.seed),
    "redirect": lambda o: Redirect(probability=o.share, seed=o.seed, status=o.dice.choice((301, 302, 307, 308))),
}


class MovableClock(SystemClock):
    """The machine's clock, which goes on by hours between two passes."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@dataclass
class World:
    """A shop that changes between passes, and the files of the one who reads it."""

    sandbox: RunningSandbox
    clock: MovableClock
    dice: random.Random
    folder: Path
    gone: list[int] = field(default_factory=list)
    removed: int = 0
    """Listings taken out since the last quiet pass."""
    notes: list[str] = field(default_factory=list)
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each kind struck each endpoint."""

    @asynccontextmanager
    async def sources(self, patience: float) -> AsyncIterator[Sources]:
        """A process with its files open; it tries each read three times."""
        url, token = self.sandbox.url, self.sandbox.token
        transport = network_transport(base_url=url, token=token, user_agent=_USER_AGENT, timeout=patience)
        client = Client(
            base_url=url,
            token=token,
            user_agent=_USER_AGENT,
            market=MARKETS[0],
            transport=transport,
            timeout=patience,
            retry_wait=0.001,
            retry_jitter=0.001,
            monotonic=self.clock.monotonic,
            wall=self.clock.now,
        )
        mirror = Database(self.folder / "mirror.db", MIRROR)
        history = Database(self.folder / "history.db", HISTORY)
        try:
            yield Sources(
                client=client,
                mirror=mirror,
                history=history,
                markets=MARKETS,
                zone=ZoneInfo("Europe/Paris"),
                note=self.note,
                now=client.server_now,
                per_second=lambda _: 0.0,
                local=self.clock.now,
            )
        finally:
            await client.aclose()
            await mirror.aclose()
            await history.aclose()

    async def note(self, level: str, source: str, message: str, ref: str | None = None) -> None:
        self.notes.append(f"{level}: {message}")

    # -- what happens in the shop ------------------------------------------------------------------------------------

    def happen(self) -> None:
        """Let time pass and things happen: sales, shipments, edits, listings that go and come back."""
        dice, shop = self.dice, self.sandbox.shop
        self.clock.ahead += dice.choice((1.0, 30.0, 600.0, 3_600.0, 26 * 3_600.0))
        for _ in range(dice.randrange(5)):
            listing = shop.listings.change(dice.randrange(shop.listings.count))
            shop.place_order(listing, dice.choice(MARKETS), dice.choice((1, 1, 2)))
        for _ in range(dice.randrange(6)):
            index = dice.randrange(max(0, len(shop.orders) - 120), len(shop.orders))
            order = shop.orders.get(index)
            if order.state not in (0, 8):
                states = {str(line.id): {"state": dice.choice((1, 2, 3, 3, 4, 5, 6))} for line in order.lines}
                edit_order(shop, order, {"lines": states, "tracking_number": f"T{dice.randrange(10**6)}"})
        for _ in range(dice.randrange(5)):
            listing = shop.listings.get(dice.randrange(shop.listings.count))
            price = f"{dice.randrange(5_000, 90_000) / 100:.2f}"
            edit = {"market": dice.choice(MARKETS), "price": price, "quantity": dice.randrange(9)}
            edit_listing(shop, listing, edit)

    def remove_or_restore(self) -> None:
        """Take a listing out, or put one back."""
        shop, dice = self.sandbox.shop, self.dice
        if self.gone and dice.random() < 0.4:
            shop.listings.restore(self.gone.pop(dice.randrange(len(self.gone))))
        elif self.removed < _MOST_REMOVED and len(self.gone) < _MOST_GONE:
            index = dice.choice([each for each in range(shop.listings.count) if each not in self.gone])
            shop.listings.remove(index)
            self.gone.append(index)
            self.removed += 1

    # -- faults ------------------------------------------------------------------------------------------------------

    def break_down(self, kind: str | None) -> None:
        """Switch a kind of fault on, None: all of them, each for its part of the share."""
        chosen = [kind] if kind is not None else list(KINDS)
        names = {name: KINDS[name](Odds(SHARE / len(chosen), self.dice)) for name in chosen}
        faults = self.sandbox.faults
        faults.set(*names.values())
        former = {id(fault): name for name, fault in names.items()}

        def striking(method: str, path: str) -> list[Fault]:
            found = type(faults).striking(faults, method, path)
            self.struck.update((former[id(fault)], route_of(path)) for fault in found)
            return found

        faults.striking = striking  # type: ignore[method-assign]  # looks on

    def mend(self) -> None:
        self.sandbox.faults.set()

    # -- the comparison ----------------------------------------------------------------------------------------------

    async def differences(self, sources: Sources) -> Iterator[str]:
        """Return each order and offer that is not here as it is there."""
        shop = self.sandbox.shop
        there = {}
        for index in range(len(shop.orders)):
            if shop.orders.states[index] not in (0, 8):
                record = _loads(shop.order_bytes(index))
                there[f"order {record['order_id']}"] = record
        for index in range(shop.listings.count):
            if index not in self.gone:
                for market in MARKETS:
                    record = _loads(shop.listing_bytes(index, market))
                    there[f"listing {record['id']} in {market}"] = record
        rows = await sources.mirror.read(
            lambda c: c.execute("SELECT 'order ' || order_id AS name, raw FROM orders").fetchall()
        )
        rows += await sources.mirror.read(
            lambda c: c.execute(
                """SELECT 'listing ' || offers.listing || ' in ' || market AS name, raw
                FROM offers JOIN listings ON listings.id = offers.listing WHERE deleted_at IS NULL"""
            ).fetchall()
        )
        here = {row["name"]: _loads(row["raw"]) for row in rows}
        return _compared(here, there)


def _loads(text: str | bytes) -> dict[str, object]:
    value = json.loads(text, parse_float=Decimal)
    assert isinstance(value, dict)
    return value


def _compared(here: Mapping[str, object], there: Mapping[str, object]) -> Iterator[str]:
    yield from (f"{name} is not here" for name in sorted(there.keys() - here.keys()))
    yield from (f"{name} is only here" for name in sorted(here.keys() - there.keys()))
    yield from (f"{name} is another" for name in sorted(there.keys() & here.keys()) if here[name] != there[name])


async def _quiet_pass(sources: Sources, listed: int) -> None:
    """Read everything; a pass over listings that was cut off under faults ends first, for it is as old as its start."""
    await orders.pull(sources)
    result = await listings.pull(sources)
    if result.pages < len(MARKETS) * pages_of(listed):
        await listings.pull(sources)


async def _under_faults(sources: Sources, dice: random.Random) -> str | None:
    """Sync every stream once, whatever becomes of the others; return by what the last one was stopped that was."""
    full, looks = dice.random() < 0.1, dice.random() < _BACKBOX
    streams: list[Callable[[], Awaitable[object]]] = [
        lambda: orders.pull(sources, full=full),
        lambda: listings.pull(sources),
        *([lambda: backbox.sweep(sources)] if looks else []),
    ]
    ended = None
    for pull in streams:
        try:
            await pull()
        except BmError as error:
            ended = type(error).__name__
        except BaseExceptionGroup as group:
            _, other = group.split(BmError)
            if other is not None:
                raise
            ended = "several"
    return ended


async def strike(task: Task) -> Outcome:
    """Sync `count` times under faults."""
    outcome = Outcome()
    dice = random.Random(task.seed)
    clock = MovableClock()
    options = Options(seed=task.seed, orders=120, listings=_LISTINGS, markets=MARKETS, limits=False, clock=clock)
    ends: Counter[str] = Counter()
    checks, kinds, told = 0, [*KINDS, None], False
    async with running(options) as sandbox:
        world = World(sandbox, clock, dice, task.folder / "files-0")
        world.folder.mkdir()
        while outcome.done < task.count:
            if outcome.done // _NEW_MIRROR != int(world.folder.name.partition("-")[2]):
                world.folder = task.folder / f"files-{outcome.done // _NEW_MIRROR}"
                world.folder.mkdir()
            began = outcome.done
            world.removed = 0
            world.notes.clear()
            for _ in range(min(dice.randint(1, _LONGEST), task.count - outcome.done)):
                world.happen()
                for _ in range(_COMINGS_AND_GOINGS):
                    world.remove_or_restore()
                world.break_down(kinds[outcome.done % len(kinds)])
                async with world.sources(PATIENCE) as sources:
                    try:
                        ends[await _under_faults(sources, dice) or "to the end"] += 1
                    except Exception as error:  # whatever it is, it must not happen
                        outcome.wrong.append(f"sync {outcome.done}: {type(error).__name__}: {error}")
                outcome.done += 1
                task.tell(f"{outcome.done} syncs")
            world.mend()
            async with world.sources(30.0) as sources:
                await _quiet_pass(sources, sandbox.shop.listings.count - len(world.gone))
                checks += 1
                wrong = list(await world.differences(sources))
            outcome.wrong += [f"after syncs {began} to {outcome.done - 1}: {each}" for each in wrong[:5]]
            if wrong and not told:
                outcome.wrong += [f"the first time noted: {note}" for note in world.notes[-10:]]
                told = True
    _tell(outcome, world, ends, checks)
    if task.count >= 20 * len(kinds):
        missing = [(kind, place) for kind in KINDS for place in ENDPOINTS if not world.struck[kind, place]]
        outcome.wrong += [f"{kind} never struck {place}: this proves too little" for kind, place in missing]
    return outcome


def _tell(outcome: Outcome, world: World, ends: Counter[str], checks: int) -> None:
    outcome.figures = {
        "quiet passes compared": checks,
        "strikes": world.struck.total(),
        "least of a kind on an endpoint": min(world.struck[kind, place] for kind in KINDS for place in ENDPOINTS),
        "ended": ", ".join(f"{name} {count}" for name, count in ends.most_common()),
        "orders": len(world.sandbox.shop.orders),
    }


def faults(task: Task) -> Outcome:
    return asyncio.run(strike(task))


ROW = Row(
    id="A1",
    what="13 kinds of network fault on every endpoint that is read",
    unit="syncs",
    long=500,
    short=4,
    passes="after one quiet pass the mirror equals the server",
    run=faults,
)
