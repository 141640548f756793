"""The endpoints of the seller API: each reads the request, asks the shop, and answers."""

import json
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import Refusal, bare, json_answer, nothing, problem, v1, v2, v3_validation
from .ids import integer_of
from .listing_update import update_listing
from .listings import Listing
from .markets import MARKETS
from .order_update import parsed_date, update_order, update_orderline
from .shop import Shop, page_bytes

LARGEST_PAGE, USUAL_PAGE = 50, 10
ORDER_STATES = frozenset({0, 1, 3, 8, 9, 10})


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None or text == "":
        return None
    try:
        return int(text)
    except ValueError:
        raise Refusal(v1(400, "invalid", f"{name} must be an integer", target=name)) from None


def _date(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        # A plus sign that was not escaped arrives as a space.
        return parsed_date(text[:10] + text[10:].replace(" ", "+"))
    except ValueError:
        raise Refusal(v1(400, "invalid", f"{name} must be a date in RFC 3339", target=name)) from None


async def _json_body(request: Request) -> object:
    """Return the body's JSON with exact decimals, None when it is none."""
    try:
        return json.loads(await request.body(), parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


class Api:
    """The endpoints over one shop.

    Args:
        shop: The shop.
    """

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def routes(self) -> list[Route]:
        """Return the routes of the API; a known path with another method answers 405."""
        return [
            Route("/ws/orders", self.list_orders, methods=["GET"]),
            Route("/ws/orders/{order_id}", self.order, methods=["GET", "POST"]),
            Route("/ws/orders/{order_id}/invoice", self.invoice, methods=["POST"]),
            Route("/ws/orderlines/{line_id}", self.orderline, methods=["PATCH"]),
            Route("/ws/listings", self.list_listings, methods=["GET"]),
            Route("/ws/listings/detail", self.listing_detail, methods=["GET"]),
            Route("/ws/listings/{listing_id}", self.listing, methods=["GET", "POST"]),
            Route("/ws/backbox/v1/competitors/{listing_id}", self.competitors, methods=["GET"]),
        ]

    # -- orders ------------------------------------------------------------------------------------------------

    async def list_orders(self, request: Request) -> Response:
        market = request.query_params.get("country_code") or None
        if market is not None and market not in MARKETS:
            raise Refusal(v1(400, "invalid", "country_code is not a market", target="country_code"))
        state = _number(request, "state")
        if state is not None and state not in ORDER_STATES:
            raise Refusal(v1(400, "invalid", "state is not an order state", target="state"))
        chosen = self.shop.select_orders(
            _date(request, "date_creation"), _date(request, "date_modification"), state, market
        )
        return self._page(request, chosen, self.shop.order_bytes)

    async def order(self, request: Request) -> Response:
        number = integer_of(request.path_params["order_id"])
        if number is None:
            return v2(400, ("E009", "order_id must be an integer"))
        index = self.shop.orders.find(number)
        if index is None:
            return v2(404, ("E009", "order not found"))
        if request.method == "POST":
            body = await _json_body(request)
            if not isinstance(body, dict):
                return v1(400, "invalid", "the body must be a JSON object")
            update_order(self.shop, self.shop.orders.change(index), body)
        return Response(self.shop.order_bytes(index), media_type="application/json")

    async def invoice(self, request: Request) -> Response:
        number = integer_of(request.path_params["order_id"])
        index = None if number is None else self.shop.orders.find(number)
        if index is None:
            return v2(404, ("E009", "order not found"))
        body = await request.body()
        kind = request.headers.get("content-type", "")
        files = body.count(b'name="invoice"') if kind.startswith("multipart/form-data") else 0
        if not files or b"filename=" not in body:
            return v1(400, "required", "invoice is required", target="invoice")
        order = self.shop.orders.change(index)
        order.invoices += files
        self.shop.order_changed(order, touch=False)
        return nothing(200)

    async def orderline(self, request: Request) -> Response:
        number = integer_of(request.path_params["line_id"])
        found = None if number is None else self.shop.orders.find_line(number)
        if found is None:
            return nothing(404)
        order = self.shop.orders.change(found[0])
        body = await _json_body(request)
        return json_answer(update_orderline(self.shop, order, order.lines[found[1]], body, request.url.path))

    # -- listings ----------------------------------------------------------------------------------------------

    async def list_listings(self, request: Request) -> Response:
        market = self._market(request)
        state = _number(request, "publication_state")
        if state is not None and not 0 <= state <= 4:
            raise Refusal(v1(400, "invalid", "publication_state must be 0 to 4", target="publication_state"))
        chosen = self.shop.listings.select(
            market, state, _number(request, "min_quantity"), _number(request, "max_quantity")
        )
        return self._page(request, chosen, lambda index: self.shop.listing_bytes(index, market))

    async def listing(self, request: Request) -> Response:
        listing = self._listing(request.path_params["listing_id"])
        market = self._market(request)
        if request.method == "POST":
            body = await _json_body(request)
            if body is None:
                raise Refusal(bare("invalid JSON body"))
            return json_answer(update_listing(self.shop, self.shop.listings.change(listing.index), market, body))
        return self._detail(listing, market)

    async def listing_detail(self, request: Request) -> Response:
        query = request.query_params
        if sku := query.get("sku"):
            index = self.shop.listings.find_sku(sku)
            if index is None:
                raise Refusal(v1(404, "not_found", "listing not found", target="sku"))
            listing = self.shop.listings.get(index)
        elif named := query.get("id") or query.get("listing_id"):
            listing = self._listing(named)
        else:
            raise Refusal(v1(400, "required", "one of sku, id, listing_id is required", target="sku"))
        return self._detail(listing, self._market(request))

    async def competitors(self, request: Request) -> Response:
        text, path = request.path_params["listing_id"], request.url.path
        try:
            UUID(text)
        except ValueError:
            return v3_validation(422, "Unprocessable Entity", ("listingId", "must be a UUID"))
        index = self.shop.listings.find(text)
        competitors = self.shop.backbox.competitors(self.shop.listings.get(index)) if index is not None else None
        if competitors is None:
            return problem(404, "/errors/not-found", "Not Found", "no backbox data for this listing", path)
        return json_answer(competitors)

    # -- shared ------------------------------------------------------------------------------------------------

    def _market(self, request: Request) -> str:
        return self.shop.market_of(request.headers.get("accept-language"))

    def _listing(self, text: str) -> Listing:
        index = self.shop.listings.find(text)
        if index is None:
            raise Refusal(v1(404, "not_found", "listing not found", target="listing_id"))
        return self.shop.listings.get(index)

    def _detail(self, listing: Listing, market: str) -> Response:
        return json_answer({**self.shop.listings.as_json(listing, market), "statuscode": 200})

    def _page(self, request: Request, chosen: "list[int] | range", render: Callable[[int], bytes]) -> Response:
        # Only `page-size` is known; `page_size` is ignored without a word.
        size = _number(request, "page-size")
        size = USUAL_PAGE if size is None or size < 1 else min(size, LARGEST_PAGE)
        number = _number(request, "page")
        number = 1 if number is None else number
        behind = number > 1 and (number - 1) * size >= len(chosen)
        if number < 1 or (behind and not self.shop.options.empty_past_the_end):
            raise Refusal(v1(404, "not_found", "Invalid page.", target="page"))

        def url(page: int) -> str:
            return str(request.url.include_query_params(page=page))

        return Response(page_bytes(chosen, number, size, render, url), media_type="application/json")


def refused(_: Request, refusal: Exception) -> Response:
    """Return the answer that a refusal carries."""
    if not isinstance(refusal, Refusal):
        raise refusal
    return refusal.response


def unrouted(request: Request, _: Exception) -> Response:
    """Return the answer to a path that is none of the API's: a 404 without a body."""
    return nothing(404)


def not_allowed(request: Request, _: Exception) -> Response:
    """Return the answer to a method that a path doesn't know: a 405 without a body."""
    return nothing(405)


def application(routes: list[Route]) -> Starlette:
    """Return the routed application with the sandbox's own answers to refusals."""
    return Starlette(routes=routes, exception_handlers={Refusal: refused, 404: unrouted, 405: not_allowed})
