"""A world in one process for property tests: the sandbox without a socket, a workspace that can die and restart."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send

from bmconsole.backmarket.guard import GuardTransport
from bmconsole.domain.intents import Intent
from bmconsole.domain.views import WritePlan
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.sandbox.api import Api, application
from bmconsole.sandbox.clock import ManualClock
from bmconsole.sandbox.control import edit_listing
from bmconsole.sandbox.faults import Drop, Faults
from bmconsole.sandbox.gate import Gate
from bmconsole.sandbox.journal import Journal
from bmconsole.sandbox.limits import Limiter
from bmconsole.sandbox.options import Options
from bmconsole.sandbox.shop import Shop
from bmconsole.store.database import Database
from bmconsole.workspace import Workspace

T = TypeVar("T")

URL = "http://127.0.0.1:1"
MARKETS = ("fr-fr", "de-de")
LISTINGS = 4


class Killed(BaseException):
    """The process is dead: nothing of it runs any more."""


class InProcess(httpx.AsyncBaseTransport):
    """Hands requests to the sandbox without a socket; a dropped connection is a broken one."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._asgi = httpx.ASGITransport(self._app, client=("127.0.0.1", 2))

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        dropped = self._world.dropped

        async def until_dropped() -> Message:
            return {"type": "http.disconnect"} if self._world.dropped > dropped else await receive()

        await self._world.gate(scope, until_dropped, send)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        dropped = self._world.dropped
        try:
            response = await self._asgi.handle_async_request(request)
        except AssertionError:
            if self._world.dropped == dropped:
                raise
            raise httpx.ReadError("dropped", request=request) from None
        return response


class Inline:
    """In place of a database's threads: its work is done at once, on connections of its own for each of its pools."""

    def __init__(self, workers: int, name: str) -> None:
        self._held = SimpleNamespace()

    def submit(self, work: Callable[..., T], *args: object) -> "Future[T]":
        """Return what the work came to, as a future that is done."""
        database: Any = work.__self__  # type: ignore[attr-defined]  # a method of the database
        future: Future[T] = Future()
        former, database._local = database._local, self._held
        try:
            future.set_result(work(*args))
        except BaseException as error:  # raised where the future is awaited
            future.set_exception(error)
        finally:
            database._local = former
        return future

    def shutdown(self, *, wait: bool) -> None:
        """Do nothing: nothing is ever queued."""


class World:
    """A shop of a few listings, the operator's machine, and whatever may happen to both."""

    def __init__(self, folder: Path, template: Path | None = None, *, inline: bool = False) -> None:
        self.clock = ManualClock(datetime.now(UTC).replace(microsecond=0))
        self.shop = Shop(Options(seed=3, orders=0, listings=LISTINGS, markets=MARKETS, limits=False, clock=self.clock))
        self.faults, self.journal = Faults(), Journal()
        self.dropped = 0
        app = application(Api(self.shop).routes())
        limiter = Limiter(False)
        self.gate = Gate(
            app, shop=self.shop, limiter=limiter, faults=self.faults, journal=self.journal, drop=self._drop
        )
        for number in range(LISTINGS):
            for market in MARKETS:
                self.foreign(number, market, price="249.00", min_price=None, quantity=9)
        self.ids = [self.shop.listings.get(number).id for number in range(LISTINGS)]
        self.folder = folder
        if template is not None:
            shutil.copytree(template, folder, dirs_exist_ok=True)
        self._runner = asyncio.Runner()
        self._patches = pytest.MonkeyPatch()
        self._patches.setattr("bmconsole.backmarket.client.network_transport", self._network)
        self._patches.setattr("bmconsole.writes.execute.reached", self._step)
        self._patches.setattr("bmconsole.writes.execute._READ_BACK", (0.0, 0.0))
        self._patches.setattr("bmconsole.writes.execute._UNSETTLED_PAUSE", 0.01)
        if inline:
            self._patches.setattr("bmconsole.store.database.ThreadPoolExecutor", Inline)
        self.die_at: str | None = None
        self.dead = False
        self.workspace = self.run(self._open())

    # The machine

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _open(self) -> Workspace:
        profile = Profile.model_validate(
            {
                "name": "default",
                "base_url": URL,
                "token": SecretStr(self.shop.options.the_token),
                "token_source": "test",
                "markets": MARKETS,
                "limits": {"edge": "1000000/1", "sensitive": "1000000/1", "sku_lines": "1000000/1"},
                "timezone": "UTC",
            }
        )
        workspace = await Workspace.open(profile, Paths.under(self.folder))
        guarded = _Guarded(workspace._journal, self)
        setattr(workspace._journal, "write", guarded.write)  # noqa: B010  # a dead process writes nothing
        return workspace

    def _network(self, **_: object) -> httpx.AsyncBaseTransport:
        token = self.shop.options.the_token
        return GuardTransport(InProcess(self), URL, token, "BM-Test-World;test@example.org", patience=60.0)

    def _drop(self, _scope: object, _reset: bool) -> None:
        self.dropped += 1

    def _step(self, step: str) -> None:
        if self.dead or step == self.die_at:
            self.dead = True
            raise Killed

    def restart(self) -> None:
        """Bring up a new process where the old one died, or beside its end."""
        self.run(self.workspace.aclose())
        self.dead, self.die_at = False, None
        self.workspace = self.run(self._open())

    def close(self) -> None:
        self.dead, self.die_at = False, None
        self.run(self.workspace.aclose())
        self._runner.close()
        self._patches.undo()

    # The operator

    def apply(self, plan: WritePlan) -> list[Intent] | None:
        """Carry a plan out; None when the process died over it."""
        try:
            return self.run(self.workspace.apply(plan))
        except Killed:
            return None

    # The others

    def foreign(self, number: int, market: str, **edit: object) -> None:
        edit_listing(self.shop, self.shop.listings.get(number), {"market": market, **edit})

    def live(self, listing: str, market: str) -> dict[str, str | int | None]:
        number = self.shop.listings.find(listing)
        assert number is not None
        shown = self.shop.listings.as_json(self.shop.listings.get(number), market)
        return {name: shown[name] for name in ("price", "quantity")}  # type: ignore[misc]  # JSON of the sandbox's own

    def lose(self, at: str, times: int) -> None:
        self.faults.set(Drop(at=at, methods=("POST",), times=times))

    def jump(self, seconds: float) -> None:
        self.clock._start += timedelta(seconds=seconds)

    def unfinished(self) -> list[Intent]:
        return [intent for intent in self.intents() if intent.state.unfinished]

    def intents(self) -> list[Intent]:
        return self.run(self.workspace.intents(limit=0))


class _Guarded:
    def __init__(self, database: Database, world: World) -> None:
        self._write: Callable[..., Coroutine[Any, Any, Any]] = database.write
        self._world = world

    async def write(self, work: Callable[..., T]) -> T:
        if self._world.dead:
            raise Killed
        result: T = await self._write(work)
        return result
