"""The way to Back Market for one profile: limiter, guard and client, opened when the first request needs them."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

from bmconsole.domain.priority import Priority
from bmconsole.domain.views import RuleState, Traffic
from bmconsole.engine import BACKGROUND
from bmconsole.errors import SettingsError
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.traffic import Notice, TrafficController, open_traffic
from bmconsole.traffic.ledger_start import Past, nothing_known

if TYPE_CHECKING:
    from bmconsole.backmarket.client import Client
    from bmconsole.traffic import LastRequests

NO_TRAFFIC = Traffic((), {}, 0)

_RUN_ENDS = 10.0
_CONSOLE_ENDS = 1.0
"""Seconds that a request in flight has when its process is told to end; somebody waits for the console."""


class Remote:
    """Holds the client and the limiter of a profile; close it."""

    def __init__(
        self, profile: Profile, paths: Paths, *, program: str, console: bool, past: Past = nothing_known
    ) -> None:
        self._profile = profile
        self._paths = paths
        self._program = program
        self._console = console
        self._past = past
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self._traffic: TrafficController | None = None
        self._last: LastRequests | None = None
        self.heard: list[Notice] = []

    async def client(self) -> "Client":
        """Return the client.

        Raises:
            SettingsError: The profile has no token, or its host or limits cannot be used.
        """
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
            return self._client

    async def _open(self) -> "Client":
        profile = self._profile
        if profile.token is None:
            raise SettingsError(
                f"Profile “{profile.name}” has no token.",
                field="token",
                hint="Run `bmconsole auth set`, or set BMCONSOLE_TOKEN.",
            )
        # HTTP is imported by the first request, in a thread: a console paints and scrolls meanwhile.
        await asyncio.to_thread(__import__, "bmconsole.backmarket.client")
        from bmconsole.backmarket.client import Client, network_transport
        from bmconsole.traffic import LastRequests, LimitedTransport

        token = profile.token
        traffic = await open_traffic(
            profile.limits,
            folder=self._paths.ledger,
            key=ledger_key(profile.base_url, token.get_secret_value()),
            program=self._program,
            console_attached=self._console,
            past=self._past,
        )
        self.heard += traffic.snapshot().notices
        traffic.subscribe(self.heard.append)
        network = network_transport(base_url=profile.base_url, token=token, user_agent=profile.user_agent)
        self._traffic = traffic
        self._last = LastRequests(network, may_wait=BACKGROUND.get)
        return Client(
            base_url=profile.base_url,
            token=token,
            user_agent=profile.user_agent,
            market=profile.main_market,
            transport=LimitedTransport(self._last, traffic),
            allow_host=profile.allow_host,
        )

    def now(self) -> datetime:
        """Return the server's clock in UTC; before its first answer this machine's."""
        return self._client.server_now() if self._client else datetime.now(UTC)

    def traffic(self) -> Traffic:
        """Return the limiter's figures; empty before the first request."""
        if self._traffic is None:
            return NO_TRAFFIC
        shot = self._traffic.snapshot()
        rules = tuple(
            RuleState(use.name, use.limit, use.window, use.used, int(use.working_limit), use.paused)
            for use in shot.rules
        )
        waiting = {Priority(use.priority).name.lower(): use.depth for use in shot.priorities}
        return Traffic(rules, waiting, shot.trips)

    def reset_limits(self) -> None:
        """Forget pauses, lowered working limits and learned routes; what was sent still counts."""
        if self._traffic is not None:
            self._traffic.reset()

    def take_notices(self) -> Iterable[Notice]:
        """Return what the limiter had to tell since the last call."""
        told, self.heard[:] = list(self.heard), []
        return told

    async def finish(self) -> None:
        """Let the requests in flight end, for a while, and send no others from the background."""
        if self._last is not None:
            await self._last.finish(_CONSOLE_ENDS if self._console else _RUN_ENDS)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
        if self._traffic is not None:
            await self._traffic.aclose()
        self._client = self._traffic = None


def ledger_key(base_url: str, token: str) -> str:
    """Return the name of the ledger that all processes with this host and token share; it does not tell the token."""
    key = blake2b(token.encode(), digest_size=64).digest()
    return blake2b(base_url.encode(), key=key, digest_size=12).hexdigest()
