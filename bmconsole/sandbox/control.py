"""The sandbox's own endpoints under `/_sandbox/`: no token, no limits, not in the journal.

| endpoint | does |
|---|---|
| GET, DELETE `/_sandbox/journal?writes=1000&seen=0` | shows or clears what arrived |
| GET, PUT `/_sandbox/faults` | shows or replaces the list of faults (see `faults`) |
| GET, PUT `/_sandbox/limits` | shows or changes rules: `{"edge": "200/10", "competitors": null, "enabled": true}` |
| GET, PUT `/_sandbox/live?edits=0` | how fast it lives: `{"rate": 0.3, "rival_moves": 1, "editor": 0}` (see `live`) |
| GET, PUT `/_sandbox/market?boxes=0` | the backbox: settling, speed, hostile answers (see `market_control`) |
| POST `/_sandbox/market/moves` | moves rivals now: `{"times": 3, "listing": id, "market": "fr-fr"}`; all, once |
| GET `/_sandbox/counts` | orders by state, listings, the clock |
| GET `/_sandbox/state/listings/{id}` | a listing as every market shows it, with its rivals |
| GET `/_sandbox/state/orders/{id}` | an order as it stands, with what the API doesn't show |
| POST, PUT `/_sandbox/edit/listings/{id}` | changes a listing as another editor would |
| POST, PUT `/_sandbox/edit/orders/{id}` | changes an order as the platform would |
| POST `/_sandbox/orders` | lets somebody buy: `{"listing": id, "market": "fr-fr", "quantity": 1}`; stock falls |
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import Refusal, json_answer, nothing
from .faults import Faults, fault_from
from .ids import integer_of
from .journal import Journal
from .limits import Limiter
from .listing_update import minor_units
from .listings import JsonObject, Listing
from .live import Edit, Live
from .market_control import MarketControl
from .markets import MARKETS, decimal_text
from .order_update import order_state
from .orders import Order
from .shop import Shop

_LISTING_EDITS = {
    "market", "price", "min_price", "max_price", "rival_price", "comment", "warranty_delay", "quantity",
    "hold", "removed", "extra",
}  # fmt: skip
_PACES = ("rate", "rival_moves", "editor")
_ORDER_EDITS = {"state", "lines", "touch", "tracking_number", "tracking_url", "shipper", "extra"}


def edit_listing(shop: Shop, listing: Listing, edit: Mapping[str, object]) -> None:
    """Change a listing as another editor, the back office or the platform would; no rule of the API is checked.

    Args:
        shop: The shop.
        listing: What to change.
        edit: `market` (default the main one) for `price`, `min_price`, `max_price`, `rival_price`, `comment`,
            `warranty_delay` and `hold` (1 pending, 4 deactivated, null none); `quantity`; `removed`; `extra`, an object
            of fields that are laid over the listing's JSON.

    Raises:
        ValueError: An unknown field or market, or a value that can't be.
    """
    if unknown := set(edit) - _LISTING_EDITS:
        raise ValueError(f"unknown fields {', '.join(sorted(unknown))}; there are {', '.join(sorted(_LISTING_EDITS))}")
    code = edit.get("market", shop.main_market)
    if not isinstance(code, str) or code not in shop.options.markets:
        raise ValueError(f"the shop has no market {code!r}")
    market = MARKETS[code]
    listing = shop.listings.change(listing.index)
    offer = shop.listings.offer(listing, code)

    def amount(name: str, present: int | None) -> int | None:
        if name not in edit:
            return present
        value = edit[name]
        if value is None:
            return None
        try:
            return minor_units(Decimal(str(value)) if isinstance(value, float) else value, market, name)
        except Refusal:
            raise ValueError(f"{name} is not an amount in {market.currency}") from None

    price, min_price = amount("price", offer.price) or 0, amount("min_price", offer.min_price)
    if (price, min_price) != (offer.price, offer.min_price):
        shop.backbox.price_changed(listing, code, offer.price, offer.min_price)
    offer.price, offer.min_price = price, min_price
    offer.max_price = amount("max_price", offer.max_price)
    if "rival_price" in edit:
        shop.backbox.set_rival(listing, code, amount("rival_price", None))
    if "comment" in edit:
        offer.comment = None if edit["comment"] is None else str(edit["comment"])
    if "warranty_delay" in edit:
        offer.warranty_delay = int(str(edit["warranty_delay"]))
    if "hold" in edit:
        offer.hold = None if edit["hold"] is None else int(str(edit["hold"]))
    if "quantity" in edit:
        listing.quantity = int(str(edit["quantity"]))
    if isinstance(extra := edit.get("extra"), Mapping):
        listing.extra.update(extra)
    listing.offers[code] = offer
    shop.listing_changed(listing)
    if "removed" in edit:
        (shop.listings.remove if edit["removed"] else shop.listings.restore)(listing.index)


def edit_order(shop: Shop, order: Order, edit: Mapping[str, object]) -> None:
    """Change an order as the platform or another editor would; no transition is checked.

    Args:
        shop: The shop.
        order: What to change.
        edit: `lines`, an object of `{line id: {"state", "imei", "serial_number", "return_reason", "extra"}}`; `state`
            (by default what follows from the lines); `tracking_number`, `tracking_url`, `shipper`; `extra`, fields laid
            over the order's JSON; `touch`: whether `date_modification` moves, true by default.

    Raises:
        ValueError: An unknown field or line, or a value that can't be.
    """
    if unknown := set(edit) - _ORDER_EDITS:
        raise ValueError(f"unknown fields {', '.join(sorted(unknown))}; there are {', '.join(sorted(_ORDER_EDITS))}")
    order = shop.orders.change(order.index)
    lines = edit.get("lines", {})
    if not isinstance(lines, Mapping):
        raise ValueError("lines must be an object by line id")
    by_id = {str(line.id): line for line in order.lines}
    for name, changes in lines.items():
        line = by_id.get(str(name))
        if line is None or not isinstance(changes, Mapping):
            raise ValueError(f"the order has no line {name}")
        line.state = int(str(changes.get("state", line.state)))
        line.return_reason = int(str(changes.get("return_reason", line.return_reason)))
        line.imei = _text(changes.get("imei", line.imei))
        line.serial_number = _text(changes.get("serial_number", line.serial_number))
        if isinstance(extra := changes.get("extra"), Mapping):
            line.extra.update(extra)
    order.state = int(str(edit["state"])) if "state" in edit else order_state(order)
    order.tracking_number = _text(edit.get("tracking_number", order.tracking_number))
    order.tracking_url = _text(edit.get("tracking_url", order.tracking_url))
    order.shipper = _text(edit.get("shipper", order.shipper))
    if isinstance(extra := edit.get("extra"), Mapping):
        order.extra.update(extra)
    shop.order_changed(order, touch=bool(edit.get("touch", True)))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def edit_json(edit: Edit) -> JsonObject:
    """Return what the other editor did as JSON, with amounts as the API writes them."""
    exponent = MARKETS[edit.market].exponent
    prices = {"before": decimal_text(edit.before, exponent), "after": decimal_text(edit.after, exponent)}
    return {"at": edit.at, "listing": edit.listing, "market": edit.market, **prices}


class Control:
    """The control endpoints.

    Args:
        shop: What they show and change.
        limiter: The rate rules.
        faults: What goes wrong.
        journal: What arrived.
        live: What happens by itself.
    """

    def __init__(self, shop: Shop, limiter: Limiter, faults: Faults, journal: Journal, live: Live) -> None:
        self.shop = shop
        self.limiter = limiter
        self.faults = faults
        self.journal = journal
        self.live = live

    def routes(self) -> list[Route]:
        """Return the routes under `/_sandbox/`."""
        return [
            Route("/_sandbox/journal", self.show_journal, methods=["GET", "DELETE"]),
            Route("/_sandbox/faults", self.show_faults, methods=["GET", "PUT"]),
            Route("/_sandbox/limits", self.show_limits, methods=["GET", "PUT"]),
            Route("/_sandbox/live", self.show_live, methods=["GET", "PUT"]),
            *MarketControl(self.shop, self.live).routes(),
            Route("/_sandbox/counts", self.counts, methods=["GET"]),
            Route("/_sandbox/state/listings/{id}", self.listing, methods=["GET"]),
            Route("/_sandbox/edit/listings/{id}", self.listing, methods=["POST", "PUT"]),
            Route("/_sandbox/state/orders/{id}", self.order, methods=["GET"]),
            Route("/_sandbox/edit/orders/{id}", self.order, methods=["POST", "PUT"]),
            Route("/_sandbox/orders", self.place, methods=["POST"]),
        ]

    async def show_journal(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.journal.clear()
            return nothing(204)
        writes = _whole(request, "writes", 1000)
        return json_answer(self.journal.as_json(self.limiter.rules, writes=writes, seen=_whole(request, "seen", 0)))

    async def show_faults(self, request: Request) -> Response:
        if request.method == "PUT":
            settings = await _body(request)
            if not isinstance(settings, list):
                return json_answer({"error": "a list of faults is expected"}, 400)
            try:
                self.faults.set(*map(fault_from, settings))
            except ValueError as error:
                return json_answer({"error": str(error)}, 400)
        return json_answer(self.faults.as_json())

    async def show_limits(self, request: Request) -> Response:
        if request.method == "PUT":
            changes = await _body(request)
            if not isinstance(changes, dict):
                return json_answer({"error": "an object of rules is expected"}, 400)
            try:
                self.limiter.configure(changes)
            except ValueError as error:
                return json_answer({"error": str(error)}, 400)
        return json_answer(self.limiter.as_json())

    async def show_live(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self._set_paces(await _body(request))
            except ValueError as error:
                return json_answer({"error": str(error)}, 400)
        live, edits = self.live, list(self.live.edits)
        shown: JsonObject = {name: getattr(live, name) for name in (*_PACES, "happened", "moved")}
        if last := _whole(request, "edits", 0):
            shown["edits"] = [edit_json(edit) for edit in edits[-last:]]
        return json_answer({**shown, "edited": len(edits)})

    def _set_paces(self, wanted: object) -> None:
        if not isinstance(wanted, dict) or not wanted or not set(wanted) <= set(_PACES):
            raise ValueError(f"an object of some of {', '.join(_PACES)} is expected")
        if any(isinstance(pace, bool) or not isinstance(pace, int | float) for pace in wanted.values()):
            raise ValueError("a pace is a number")
        for name, pace in wanted.items():
            setattr(self.live, name, float(pace))

    async def counts(self, request: Request) -> Response:
        states = Counter(self.shop.orders.states)
        return json_answer(
            {
                "orders": {str(state): count for state, count in sorted(states.items())},
                "listings": len(self.shop.listings),
                "markets": list(self.shop.options.markets),
                "now": self.shop.clock.now().isoformat(),
                "requests": self.journal.total,
            }
        )

    async def listing(self, request: Request) -> Response:
        named = request.path_params["id"]
        index = self.shop.listings.find_anywhere(named)
        if index is None:
            return nothing(404)
        listing = self.shop.listings.get(index)
        if request.method != "GET":
            return await self._edited(request, lambda edit: edit_listing(self.shop, listing, edit))
        return json_answer(self._listing_state(listing))

    def _listing_state(self, listing: Listing) -> JsonObject:
        backbox, rivals = self.shop.backbox, {}
        for market in self.shop.options.markets:
            rival = backbox.rival(listing, market)
            rivals[market] = None if rival is None else decimal_text(rival, MARKETS[market].exponent)
        return {
            "markets": self.shop.listing_state(listing),
            "rivals": rivals,
            "tempers": {market: backbox.rivals.temper(listing.index, market) for market in rivals},
            "competes": backbox.competes(listing),
            "wins": {market: backbox.wins(listing, market) for market in backbox.markets_of(listing)},
            "removed": self.shop.listings.find(listing.id) is None,
        }

    async def order(self, request: Request) -> Response:
        number = integer_of(request.path_params["id"])
        index = None if number is None else self.shop.orders.find(number)
        if index is None:
            return nothing(404)
        order = self.shop.orders.get(index)
        if request.method != "GET":
            return await self._edited(request, lambda edit: edit_order(self.shop, order, edit))
        shown: JsonObject = json.loads(self.shop.order_bytes(index))
        return json_answer({**shown, "invoices": order.invoices})

    async def place(self, request: Request) -> Response:
        wanted = await _body(request)
        if not isinstance(wanted, dict):
            return json_answer({"error": "an object is expected"}, 400)
        index = self.shop.listings.find(str(wanted.get("listing")))
        market = wanted.get("market", self.shop.main_market)
        quantity = integer_of(str(wanted.get("quantity", 1)))
        if index is None or market not in self.shop.options.markets or not quantity:
            return json_answer({"error": "no such listing or market, or no quantity"}, 400)
        order = self.shop.place_order(self.shop.listings.change(index), market, quantity)
        return Response(self.shop.order_bytes(order.index), 201, media_type="application/json")

    async def _edited(self, request: Request, apply: Callable[[Mapping[str, object]], None]) -> Response:
        edit = await _body(request)
        if not isinstance(edit, dict):
            return json_answer({"error": "an object of changes is expected"}, 400)
        try:
            apply(edit)
        except ValueError as error:
            return json_answer({"error": str(error)}, 400)
        return nothing(204)


async def _body(request: Request) -> object:
    try:
        value: object = json.loads(await request.body())
    except ValueError:
        return None
    return value


def _whole(request: Request, name: str, usual: int) -> int:
    given = integer_of(request.query_params.get(name, ""))
    return usual if given is None else given
