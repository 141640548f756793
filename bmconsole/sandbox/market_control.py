"""`/_sandbox/market`: how the backbox settles, how fast its time goes, how it misleads, and rivals moved by hand.

`PUT` takes any of: `settle` (`[30, 180]`, seconds that a price change of ours needs to show), `speed` (how many times
faster than that it settles and rivals move), `hostile` (a list of kinds, see `hostility`; `[]` ends it). With
`?boxes=1` the answer counts the places that compete and that win, in truth.
"""

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import json_answer
from .hostility import hostile_from
from .listings import JsonObject
from .live import Live
from .shop import Shop

_SETTINGS = {"settle", "speed", "hostile"}
_MOST_MOVES = 1_000


class MarketControl:
    """The control endpoints of the backbox.

    Args:
        shop: Whose backbox they show and change.
        live: What moves its rivals by itself.
    """

    def __init__(self, shop: Shop, live: Live) -> None:
        self.shop = shop
        self.live = live

    def routes(self) -> list[Route]:
        """Return the routes under `/_sandbox/market`."""
        return [
            Route("/_sandbox/market", self.show, methods=["GET", "PUT"]),
            Route("/_sandbox/market/moves", self.move, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self._set(await _object(request))
            except ValueError as error:
                return json_answer({"error": str(error)}, 400)
        backbox = self.shop.backbox
        shown: JsonObject = {
            "settle": list(backbox.settle),
            "speed": backbox.speed,
            "hostile": backbox.hostility.as_json(),
            "moved": self.live.moved,
        }
        if request.query_params.get("boxes") == "1":
            shown["boxes"] = self._boxes()
        return json_answer(shown)

    def _set(self, wanted: Mapping[str, object]) -> None:
        if not wanted or not set(wanted) <= _SETTINGS:
            raise ValueError(f"an object of some of {', '.join(sorted(_SETTINGS))} is expected")
        backbox = self.shop.backbox
        settle, speed, hostile = backbox.settle, backbox.speed, None
        if "settle" in wanted:
            given = wanted["settle"]
            if not isinstance(given, list) or len(given) != 2:
                raise ValueError("settle must be two times in seconds, the smaller one first")
            settle = (_number(given[0], "settle"), _number(given[1], "settle"))
            if settle[0] > settle[1]:
                raise ValueError("settle must be two times in seconds, the smaller one first")
        if "speed" in wanted:
            speed = _number(wanted["speed"], "speed")
            if not 0.01 <= speed <= 10_000:
                raise ValueError("speed must be from 0.01 to 10,000")
        if "hostile" in wanted:
            kinds = wanted["hostile"]
            if not isinstance(kinds, list):
                raise ValueError("hostile must be a list of kinds")
            hostile = [hostile_from(one) for one in kinds]
        backbox.settle = settle
        if backbox.speed != speed:
            self.live.speed = speed
        if hostile is not None:
            backbox.hostility.set(hostile)

    def _boxes(self) -> dict[str, dict[str, int]]:
        """Return for each market how many places compete and how many of them win."""
        found = {market: {"competing": 0, "winning": 0} for market in self.shop.options.markets}
        for index in range(self.shop.listings.count):
            listing = self.shop.listings.get(index)
            if self.shop.listings.find(listing.id) is None:
                continue
            for market in self.shop.backbox.markets_of(listing):
                found[market]["competing"] += 1
                found[market]["winning"] += self.shop.backbox.wins(listing, market)
        return found

    async def move(self, request: Request) -> Response:
        try:
            moved = self._move(await _object(request))
        except ValueError as error:
            return json_answer({"error": str(error)}, 400)
        return json_answer({"moved": moved})

    def _move(self, wanted: Mapping[str, object]) -> int:
        if unknown := set(wanted) - {"times", "listing", "market"}:
            raise ValueError(f"unknown fields {', '.join(sorted(unknown))}; there are listing, market, times")
        times, market = wanted.get("times", 1), wanted.get("market")
        if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= _MOST_MOVES:
            raise ValueError(f"times must be from 1 to {_MOST_MOVES:,}")
        if market is not None and market not in self.shop.options.markets:
            raise ValueError(f"the shop has no market {market!r}")
        indexes: range | list[int] = range(self.shop.listings.count)
        if "listing" in wanted:
            found = self.shop.listings.find(str(wanted["listing"]))
            if found is None:
                raise ValueError("there is no such listing")
            indexes = [found]
        moved = 0
        for index in indexes:
            listing = self.shop.listings.get(index)
            if not self.shop.backbox.competes(listing):
                continue
            for code in self.shop.options.markets:
                if market in {None, code}:
                    moved += sum(self.shop.backbox.move_rival(listing, code) for _ in range(times))
        return moved


async def _object(request: Request) -> Mapping[str, object]:
    try:
        value: object = json.loads(await request.body() or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("an object is expected")
    return value


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError(f"{name} must be a number that is not negative")
    return float(value)
