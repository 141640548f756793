"""Faults that are switched on while the sandbox runs: slow networks, servers that break, answers that get lost.

A fault hooks into a request at one of three moments: `on_arrival` before the arrival is stamped, `before` the API
works on it, `after` the API has answered. A new kind is a subclass with a `kind` and one of these.
"""

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar

from starlette.responses import Response

from .answers import challenge, firewall_page, json_answer, v1
from .clock import Clock

_EDGE_MISS = 2.3263478740408408  # the 99th percentile of the normal distribution


class Dropped(Exception):
    """The connection breaks; `partial` is what of the answer still gets out, `reset` breaks it by RST, not by FIN."""

    def __init__(self, partial: Response | None = None, *, reset: bool = False) -> None:
        super().__init__("connection dropped")
        self.partial = partial
        self.reset = reset


@dataclass(kw_only=True)
class Fault:
    """What goes wrong, where and how often.

    Args:
        path: The prefix of the paths that it strikes.
        methods: The methods that it strikes; empty for all.
        probability: How often it strikes a request that fits.
        seed: Where its chances come from: the same seed strikes the same requests of a sequence.
        times: After so many strikes it is over; None for never.
    """

    kind: ClassVar[str]

    path: str = "/ws/"
    methods: Sequence[str] = ()
    probability: float = 1.0
    seed: int = 0
    times: int | None = None
    struck: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        if not 0 <= self.probability <= 1:
            raise ValueError("probability must be from 0 to 1")

    def strikes(self, method: str, path: str) -> bool:
        """Return whether it strikes this request, and count it if so."""
        if not path.startswith(self.path) or (self.methods and method not in self.methods):
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        if self._random.random() >= self.probability:
            return False
        self.struck += 1
        return True

    async def on_arrival(self, clock: Clock) -> None:
        """Act before the arrival of the request is stamped."""
        return

    async def before(self, clock: Clock) -> Response | None:
        """Act before the API sees the request; a returned answer takes the API's place."""
        return None

    async def after(self, clock: Clock, response: Response) -> Response:
        """Act on the API's answer."""
        return response

    def as_json(self) -> dict[str, object]:
        """Return its settings, as `fault_from` takes them, and how often it struck."""
        return {"kind": self.kind, **{item.name: getattr(self, item.name) for item in fields(self)}}


@dataclass(kw_only=True)
class Latency(Fault):
    """Seconds that a request takes longer.

    Args:
        at: `arrival`: on the way, before the server stamps it (jitter); `service`: at work, after the change is done.
        seconds: A fixed time.
        uniform: Or from a lowest to a highest one.
        lognormal: Or a median and a 99th percentile, cut at `most`.
        most: The longest time of `lognormal`.
    """

    kind = "latency"

    at: str = "service"
    seconds: float = 0.0
    uniform: Sequence[float] | None = None
    lognormal: Sequence[float] | None = None
    most: float = 60.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.at not in {"arrival", "service"}:
            raise ValueError("at must be arrival or service")
        for name, pair in (("uniform", self.uniform), ("lognormal", self.lognormal)):
            if pair is not None and (len(pair) != 2 or not 0 <= pair[0] <= pair[1]):
                raise ValueError(f"{name} must be two times, the smaller one first")
        if self.lognormal is not None and self.lognormal[0] <= 0:
            raise ValueError("lognormal needs a median above 0")

    def draw(self) -> float:
        """Return the next time in seconds."""
        if self.uniform is not None:
            return self._random.uniform(*self.uniform)
        if self.lognormal is not None:
            median, tail = self.lognormal
            return min(self.most, self._random.lognormvariate(math.log(median), math.log(tail / median) / _EDGE_MISS))
        return self.seconds

    async def on_arrival(self, clock: Clock) -> None:
        if self.at == "arrival":
            await clock.sleep(self.draw())

    async def after(self, clock: Clock, response: Response) -> Response:
        if self.at == "service":
            await clock.sleep(self.draw())
        return response


def _check_at(at: str) -> None:
    if at not in {"before", "after"}:
        raise ValueError("at must be before or after")


@dataclass(kw_only=True)
class ServerError(Fault):
    """A 5xx: `before` the API did anything, or `after`, when the change is done all the same.

    `html` answers with a gateway's page instead of JSON.
    """

    kind = "error"

    status: int = 503
    at: str = "before"
    html: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_at(self.at)
        if not 500 <= self.status <= 599:
            raise ValueError("status must be 500 to 599")

    def _answer(self) -> Response:
        if self.html:
            page = f"<html><body><h1>{self.status} upstream error</h1></body></html>"
            return Response(page.encode(), self.status, media_type="text/html; charset=UTF-8")
        return v1(self.status, "server_error", "Something went wrong on our side")

    async def before(self, clock: Clock) -> Response | None:
        return self._answer() if self.at == "before" else None

    async def after(self, clock: Clock, response: Response) -> Response:
        return self._answer() if self.at == "after" else response


@dataclass(kw_only=True)
class Firewall(Fault):
    """The firewall's 403: an HTML page, or with `json` the bot management's challenge; both with `cf-ray`."""

    kind = "firewall"

    json: bool = False

    async def before(self, clock: Clock) -> Response | None:
        return challenge() if self.json else firewall_page()


@dataclass(kw_only=True)
class Drop(Fault):
    """The connection breaks: `before` the API did anything, or `after`, when it is done but the answer gets lost.

    It is closed in order without an answer, or with `reset` by the peer, as routers and overloaded proxies do it.
    """

    kind = "drop"

    at: str = "after"
    reset: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_at(self.at)

    async def before(self, clock: Clock) -> Response | None:
        if self.at == "before":
            raise Dropped(reset=self.reset)
        return None

    async def after(self, clock: Clock, response: Response) -> Response:
        raise Dropped(reset=self.reset)


@dataclass(kw_only=True)
class Truncate(Fault):
    """The answer ends in the middle: its connection breaks, or with `whole` half the JSON comes as if it were all."""

    kind = "truncate"

    whole: bool = False

    async def after(self, clock: Clock, response: Response) -> Response:
        if not self.whole:
            raise Dropped(response)
        half = bytes(response.body)[: len(response.body) // 2]
        return Response(half, response.status_code, media_type=response.headers.get("content-type"))


@dataclass(kw_only=True)
class Answer(Fault):
    """Any answer in the API's place: a status and a JSON value; for shapes that no other kind has."""

    kind = "answer"

    status: int = 200
    body: object = None

    async def before(self, clock: Clock) -> Response | None:
        return json_answer(self.body, self.status)


def _rename(record: dict[str, object], name: str, draw: random.Random) -> None:
    record[f"{name}_renamed"] = record.pop(name)


def _become(value: object) -> "_Mutation":
    def become(record: dict[str, object], name: str, draw: random.Random) -> None:
        record[name] = value

    return become


def _drop(record: dict[str, object], name: str, draw: random.Random) -> None:
    del record[name]


def _retype(record: dict[str, object], name: str, draw: random.Random) -> None:
    others: tuple[object, ...] = ("text", 7, 1.5, True, [], {}, [[]])
    record[name] = draw.choice([value for value in others if type(value) is not type(record[name])])


_Mutation = Callable[[dict[str, object], str, random.Random], None]
_NESTED = "nested-here"
MUTATIONS: Mapping[str, _Mutation] = {
    "drop": _drop,
    "rename": _rename,
    "retype": _retype,
    "null": _become(None),
    "huge": _become(10**400),
    "nan": _become(math.nan),
    "surrogate": _become("\ud800"),
    "nest": _become(_NESTED),
}


@dataclass(kw_only=True)
class Malformed(Fault):
    """Records of an answer come out wrong, in one field each.

    Args:
        how: `drop`, `rename`, `retype` or `null` a field, a `huge` integer, `nan`, a lone `surrogate`, `nest` 3,000
            deep, `double` (the record comes twice), or `any` of them.
        share: Of how many records.
        field: The field; empty for any that the record has.
    """

    kind = "malformed"

    how: str = "any"
    share: float = 0.05
    field: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.how not in {"any", "double", *MUTATIONS}:
            raise ValueError(f"how must be any, double, {', '.join(MUTATIONS)}")
        if not 0 <= self.share <= 1:
            raise ValueError("share must be from 0 to 1")

    async def after(self, clock: Clock, response: Response) -> Response:
        try:
            content = json.loads(bytes(response.body))
        except ValueError:
            return response
        if isinstance(content, dict) and isinstance(content.get("results"), list):
            content["results"] = [one for record in content["results"] for one in self._mutated(record)]
        elif isinstance(content, dict):
            content = self._mutated(content)[0]
        text = json.dumps(content).replace(f'"{_NESTED}"', "[" * 3_000 + "]" * 3_000)
        return Response(text, response.status_code, media_type=response.headers.get("content-type"))

    def _mutated(self, record: object) -> list[object]:
        if not isinstance(record, dict) or not record or self._random.random() >= self.share:
            return [record]
        how = self._random.choice(["double", *MUTATIONS]) if self.how == "any" else self.how
        if how == "double":
            return [record, record]
        name = self.field or self._random.choice(sorted(record))
        if name in record:
            MUTATIONS[how](record, name, self._random)
        return [record]


KINDS: dict[str, type[Fault]] = {
    kind.kind: kind for kind in (Latency, ServerError, Firewall, Drop, Truncate, Answer, Malformed)
}


def fault_from(settings: object) -> Fault:
    """Return the fault that an object of a `kind` and its arguments describes.

    Raises:
        ValueError: Unknown kind or argument, or a value out of bounds.
    """
    if not isinstance(settings, Mapping) or settings.get("kind") not in KINDS:
        raise ValueError(f"a fault needs a kind; there are {', '.join(KINDS)}")
    kind = KINDS[settings["kind"]]
    known = {item.name for item in fields(kind) if item.init}
    given = {name: value for name, value in settings.items() if name not in {"kind", "struck"}}
    if unknown := set(given) - known:
        raise ValueError(f"{settings['kind']} has no {', '.join(sorted(map(str, unknown)))}")
    try:
        return kind(**given)
    except TypeError as error:
        raise ValueError(f"{settings['kind']}: {error}") from None


class Faults:
    """The faults that are on."""

    def __init__(self) -> None:
        self._active: list[Fault] = []

    def set(self, *faults: Fault) -> None:
        """Put these in the place of those that are on; nothing switches all off."""
        self._active = list(faults)

    def add(self, fault: Fault) -> None:
        """Switch one on besides those that are on."""
        self._active.append(fault)

    def striking(self, method: str, path: str) -> list[Fault]:
        """Return those that strike this request."""
        return [fault for fault in self._active if fault.strikes(method, path)]

    def as_json(self) -> list[dict[str, object]]:
        """Return those that are on."""
        return [fault.as_json() for fault in self._active]
