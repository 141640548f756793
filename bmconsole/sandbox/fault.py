"""What every fault is: where and how often it strikes, and the moments of a request that it can hook into."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar

from starlette.responses import Response

from .clock import Clock


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

    def asked(self, query: bytes) -> bytes:
        """Return the query that the API is asked with in place of the request's."""
        return query

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
