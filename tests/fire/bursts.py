"""A4: bursts of 429 and of the firewall's 403 while two processes send all they may; the server's word counts."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from pydantic import SecretStr

from bmconsole.backmarket import orders as api
from bmconsole.backmarket.client import Client
from bmconsole.domain.priority import Priority
from bmconsole.errors import BmError
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.remote import Remote
from bmconsole.sandbox import Options, RunningSandbox, running
from bmconsole.sandbox.faults import Answer, Firewall
from tests.fire.rows import Outcome, Row, Task
from tests.traffic.server import fullest

LIMIT, WINDOW = 200, 10.0
"""What Back Market's edge allows, stated again."""
BACK_WITHIN = 15.0
"""Seconds after the end of a block within which requests flow again."""
_LONGEST_BURST = 8.0
"""A block lasts ten seconds; when it is longer, the pauses grow and the limiter is slower by design."""
_FLOWS = (6.0, 8.0)
"""Seconds in which requests flow before the next burst."""
_FEWER = "60/10"
_BACKGROUND = 20
"""Requests that each process has waiting; beside them an operator asks now and then."""
_OPERATOR = 0.5
_LOOK = 0.05
KINDS = ("429", "403", "fewer")


@dataclass(frozen=True, slots=True)
class Burst:
    """A stretch of time, in seconds of the sandbox's clock, in which requests were refused."""

    kind: str
    began: float
    ended: float


@dataclass
class Storm:
    """Two processes on one token in front of a sandbox that breaks out again and again."""

    sandbox: RunningSandbox
    dice: random.Random
    until: float
    bursts: list[Burst] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def now(self) -> float:
        return self.sandbox.shop.clock.monotonic()

    def over(self) -> bool:
        return self.now() >= self.until

    async def send(self, remote: Remote, priority: Priority, pause: float) -> None:
        """Ask for orders until the end; what comes back as an error is counted."""
        client: Client = await remote.client()
        while not self.over():
            try:
                await api.page(client, number=self.dice.randint(1, 5), priority=priority)
            except BmError as error:
                self.failed[type(error).__name__] += 1
            await asyncio.sleep(pause)

    async def break_out(self) -> None:
        """Let bursts follow each other, each once requests flow again; the last one early enough to be got over."""
        kinds = list(KINDS)
        self.dice.shuffle(kinds)
        while self.until - self.now() > _FLOWS[1] + _LONGEST_BURST + BACK_WITHIN or not self.bursts:
            await asyncio.sleep(self.dice.uniform(*_FLOWS))
            kind = kinds[len(self.bursts) % len(kinds)]
            began = self.now()
            if kind == "fewer":
                self.sandbox.limiter.configure({"edge": _FEWER})
            else:
                refusal = {"error": {"code": "rate_limited", "message": "Too many requests"}}
                self.sandbox.faults.set(Answer(status=429, body=refusal) if kind == "429" else Firewall())
            await asyncio.sleep(self.dice.uniform(1.0, _LONGEST_BURST))
            self.sandbox.faults.set()
            # Takes the block away that its own rule began
            self.sandbox.limiter.configure({"edge": f"{LIMIT}/{WINDOW:.0f}"})
            self.bursts.append(Burst(kind, began, self.now()))
            while not self.over() and self.flowed_after(self.bursts[-1]) is None:  # noqa: ASYNC110 - the journal tells nobody
                await asyncio.sleep(_LOOK)

    def flowed_after(self, burst: Burst) -> float | None:
        """Return how many seconds after a burst the first request was answered as it should be, None if none was."""
        seen = self.sandbox.journal.seen
        return next((one.at - burst.ended for one in seen if one.at >= burst.ended and one.status == 200), None)


def _profile(sandbox: RunningSandbox) -> Profile:
    return Profile.model_validate(
        {
            "name": "default",
            "base_url": sandbox.url,
            "token": SecretStr(sandbox.token),
            "token_source": "test",
            "markets": ("fr-fr",),
            "timezone": "UTC",
        }
    )


async def storm(task: Task) -> Outcome:
    """Let it storm for `count` seconds."""
    outcome = Outcome(done=task.count)
    async with running(Options(seed=task.seed, orders=300, listings=5)) as sandbox:
        began = sandbox.shop.clock.monotonic()
        weather = Storm(sandbox, random.Random(task.seed), began + task.count)
        async with AsyncExitStack() as stack:
            remotes = []
            for name in ("run", "console"):
                paths = Paths.under(task.folder)
                remote = Remote(_profile(sandbox), paths, program=name, console=name == "console")
                stack.push_async_callback(remote.aclose)
                remotes.append(remote)
            senders = [(remote, Priority.LOW, 0.0) for remote in remotes for _ in range(_BACKGROUND)]
            senders.append((remotes[1], Priority.HIGH, _OPERATOR))
            tasks = [asyncio.ensure_future(weather.send(*sender)) for sender in senders]
            breaking = asyncio.ensure_future(weather.break_out())
            while not weather.over():
                task.tell(f"{weather.now() - began:.0f} s, {len(weather.bursts)} bursts")
                await asyncio.sleep(0.2)
            for one in (*tasks, breaking):
                one.cancel()
            ended = await asyncio.gather(*tasks, breaking, return_exceptions=True)
        for end in ended:
            if isinstance(end, Exception):
                outcome.wrong.append(f"{type(end).__name__}: {end}")
        _judge(outcome, weather)
    return outcome


def _judge(outcome: Outcome, weather: Storm) -> None:
    seen = list(weather.sandbox.journal.seen)
    most = fullest([(one.at, 1) for one in seen], WINDOW)
    if most > LIMIT:
        outcome.wrong.append(f"{most} requests in {WINDOW:.0f} s")
    back = []
    for burst in weather.bursts:
        took = weather.flowed_after(burst)
        told = f"{burst.kind} for {burst.ended - burst.began:.1f} s"
        if took is None or took > BACK_WITHIN:
            outcome.wrong.append(f"{told}: back after {'never' if took is None else f'{took:.1f} s'}")
        else:
            back.append(took)
    between = [one for one in seen if any(burst.began <= one.at <= burst.ended for burst in weather.bursts)]
    statuses = Counter(one.status for one in seen)
    outcome.figures = {
        "most in a window": f"{most} of {LIMIT}",
        "bursts": ", ".join(burst.kind for burst in weather.bursts),
        "slowest back s": round(max(back, default=0.0), 1),
        "requests": len(seen),
        "during bursts": len(between),
        "answered": ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())),
        "errors of callers": sum(weather.failed.values()),
    }
    if not statuses[429] and not statuses[403]:
        outcome.wrong.append("nothing was refused: this proves nothing")


def bursts(task: Task) -> Outcome:
    return asyncio.run(storm(task))


ROW = Row(
    id="A4",
    what="bursts of 429, of the firewall's 403 and of a lower limit",
    unit="seconds",
    long=150,  # so that each kind of burst has its turn
    short=0,
    short_version="tests/traffic/test_feedback.py::test_a_429_pauses_one_window_and_half_a_second_then_probes",
    passes="never over 200 in any 10 s, flowing again within 15 s after a burst",
    run=bursts,
)
