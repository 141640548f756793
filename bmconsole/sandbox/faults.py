"""Faults that are switched on while the sandbox runs: slow networks, servers that break, answers that get lost.

A fault hooks into a request at one of four moments: `on_arrival` before the arrival is stamped, `asked` what the API is
asked, `before` the API works on it, `after` the API has answered. A new kind is a subclass with a `kind` and one of
these.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from starlette.responses import Response

from .answers import challenge, firewall_page, json_answer, v1
from .bad_pages import MUTATIONS, Malformed, Shuffle, WrongPage
from .clock import Clock
from .fault import Dropped, Fault

__all__ = [
    "KINDS",
    "MUTATIONS",
    "Answer",
    "Drop",
    "Dropped",
    "Fault",
    "Faults",
    "Firewall",
    "Latency",
    "Malformed",
    "Redirect",
    "ServerError",
    "Shuffle",
    "Slow",
    "Slowly",
    "Truncate",
    "WrongPage",
    "fault_from",
]

_EDGE_MISS = 2.3263478740408408  # the 99th percentile of the normal distribution


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


@dataclass(kw_only=True)
class Redirect(Fault):
    """A redirect instead of an answer: nobody may follow it, wherever it leads."""

    kind = "redirect"

    status: int = 302
    location: str = "http://127.0.0.1:9/elsewhere"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 300 <= self.status <= 399:
            raise ValueError("status must be 300 to 399")

    async def before(self, clock: Clock) -> Response | None:
        return Response(b"", self.status, headers={"Location": self.location})


class Slowly(Response):
    """An answer whose body goes out in so many parts, so many seconds apart."""

    parts: int = 1
    seconds: float = 0.0


@dataclass(kw_only=True)
class Slow(Fault):
    """The head of the answer comes at once, its body bit by bit: `parts` of them, `seconds` between two."""

    kind = "slow"

    parts: int = 5
    seconds: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.parts < 1 or self.seconds < 0:
            raise ValueError("parts must be 1 or more, seconds not negative")

    async def after(self, clock: Clock, response: Response) -> Response:
        slowly = Slowly(bytes(response.body), response.status_code)
        slowly.raw_headers = list(response.raw_headers)
        slowly.parts, slowly.seconds = self.parts, self.seconds
        return slowly


KINDS: dict[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        *(Latency, ServerError, Firewall, Drop, Truncate, Slow, Redirect, Answer),
        *(Malformed, WrongPage, Shuffle),
    )
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
