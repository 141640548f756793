"""The httpx transport through which every request goes; there is no way around it.

Each attempt takes a slot, retries and redirects included, since httpx calls the transport for every one. Requests say
what they are in `request.extensions`: `priority` (a `Priority`, default NORMAL), `sku_lines` (lines of a listing write,
default 1), `deadline` (seconds on the event loop's clock, after which it is not worth sending).
"""

import httpx

from bmconsole.domain.priority import Priority
from bmconsole.traffic.controller import Slot, TrafficController
from bmconsole.traffic.ledger import Outcome
from bmconsole.traffic.routes import costs_of, route_name

RESENDS = 4
"""How often a request that was answered 429 goes again before the answer is handed to the caller."""

_LONGEST_REFUSAL = 256 * 1024
_OF_THE_STREAM = (b"content-encoding", b"content-length", b"transfer-encoding")


class LimitedTransport(httpx.AsyncBaseTransport):
    """Wraps the transport that speaks to the network.

    A request that was answered 429 was not executed and is sent again at its own priority, whatever its method;
    nothing else is ever repeated here.
    """

    def __init__(
        self, inner: httpx.AsyncBaseTransport, controller: TrafficController, *, resends: int = RESENDS
    ) -> None:
        self._inner = inner
        self._controller = controller
        self._resends = resends

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request in its turn.

        Raises:
            DeadlineExpired: No slot before its deadline; nothing was sent.
            CostTooLarge: It carries more lines than its rule ever allows.
            httpx.TransportError: As the inner transport does.
        """
        path = request.url.path
        route = route_name(request.method, path)
        priority, lines, deadline = _wishes(request)
        market = request.headers.get("accept-language")
        costs = costs_of(request.method, path, sku_lines=lines, market=market)
        await request.aread()  # a body that can be read only once could not go again after a 429
        number: int | None = None
        for resends_left in range(self._resends, -1, -1):
            taken = self._controller.costs_for(costs, route)
            slot = await self._controller.acquire(taken, priority, deadline, number=number)
            number = slot.number
            response = await self._send(request, slot, route)
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS or not resends_left:
                break
            await response.aclose()
        return response

    async def _send(self, request: httpx.Request, slot: Slot, route: str) -> httpx.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            slot.lost()
            raise
        if response.status_code != httpx.codes.FORBIDDEN:
            slot.answered(_outcome(response.status_code), route)
            return response
        try:
            response = await _begun(response)  # only the body tells the firewall's refusal from the API's
        except BaseException:
            slot.answered(Outcome.OK, route)
            await response.aclose()
            raise
        slot.answered(Outcome.FIREWALL if _is_firewall(response) else Outcome.OK, route)
        return response

    async def aclose(self) -> None:
        """Close the inner transport; the controller belongs to whoever opened it."""
        await self._inner.aclose()


async def _begun(response: httpx.Response) -> httpx.Response:
    """Return the response with its body read, cut off where a refusal would be absurdly long."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LONGEST_REFUSAL:
            break
    await response.aclose()
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _OF_THE_STREAM]
    return httpx.Response(
        response.status_code,
        headers=headers,
        content=bytes(body[:_LONGEST_REFUSAL]),
        extensions=response.extensions,
    )


def _wishes(request: httpx.Request) -> tuple[Priority, int, float | None]:
    priority = request.extensions.get("priority", Priority.NORMAL)
    lines = request.extensions.get("sku_lines", 1)
    deadline = request.extensions.get("deadline")
    return Priority(priority), int(lines), None if deadline is None else float(deadline)


def _outcome(status: int) -> Outcome:
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return Outcome.THROTTLED
    return Outcome.SERVER_ERROR if status >= 500 else Outcome.OK


def _is_firewall(response: httpx.Response) -> bool:
    """Whether a 403 comes from the firewall: an HTML page with a `cf-ray`, or a challenge for robots."""
    if "html" in response.headers.get("content-type", "").lower():
        return True
    return "bot-need-challenge" in response.text[:4000]
