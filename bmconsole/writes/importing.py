"""Makes plans from files: a line a listing and market, or a line a parcel; faults by line and column."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bmconsole.domain.bulk import LineFault, Prepared
from bmconsole.domain.imei import Device
from bmconsole.domain.intents import Change
from bmconsole.domain.listings import Listing
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.orders import Order
from bmconsole.domain.text import clean
from bmconsole.domain.views import WritePlan
from bmconsole.errors import BmError, UsageError
from bmconsole.writes.bulk import also_confirm, in_run, jumps, summary, together
from bmconsole.writes.csvfile import Columns, Line, Table
from bmconsole.writes.orders import plan_ship
from bmconsole.writes.plan import FIELDS, Shipping, current, plan_listing

LISTING_COLUMNS = Columns(
    {
        "id": ("uuid", "listing"),
        "listing_id": (),
        "sku": ("seller_sku",),
        "market": ("country",),
        "currency": (),
        **{name: () for name in FIELDS},
        "quantity": ("stock", "qty"),
        "min_price": ("minimum_price", "min"),
        "warranty_delay": ("warranty",),
    },
    ("title", "grade", "state", "publication_state", "max_price", "product_id", "backmarket_id", "price_to_win"),
)
"""Columns of a file of listings; those passed over are in exports and cannot be set."""

PARCEL_COLUMNS = Columns(
    {
        "order_id": ("order",),
        "tracking": ("tracking_number",),
        "shipper": ("carrier",),
        "imei": (),
        "serial": ("serial_number",),
        "orderline": ("line", "orderline_id"),
        "tracking_url": (),
    },
    ("sku", "product", "quantity", "buyer", "status", "state", "due", "created"),
)
"""Columns of a file of parcels."""

KEYS = ("id", "listing_id", "sku")


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the cache knows of what a file of listings names."""

    named: Mapping[tuple[str, str], tuple[str, ...]]
    listings: Mapping[str, Listing]
    shippings: Mapping[tuple[str, str], tuple[Shipping, ...]]
    markets: tuple[str, ...]


class LineError(Exception):
    """A fault of a line; `column` None for the whole line."""

    def __init__(self, column: str | None, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.column = column
        self.hint = hint


def keys_in(table: Table) -> list[tuple[str, str]]:
    """Return every name of a listing that a table uses, as (column, value)."""
    return [
        (column, _key(column, line.cells[column]))
        for line in table.lines
        for column in KEYS
        if column in line.cells and (column != "listing_id" or line.cells[column].isdecimal())
    ]


def plan_import(table: Table, shelf: Shelf, *, now: datetime, run: str) -> Prepared:
    """Plan the changes of a table of listings: the valid lines in one plan, the faults of the others.

    Raises:
        UsageError: The table names no listing, or has nothing to set.
    """
    if not set(KEYS) & set(table.columns):
        raise UsageError("The file does not say which listings: it has no column id, listing_id or sku.", field="file")
    if not set(FIELDS) & set(table.columns):
        raise UsageError("The file has no column that can be set.", field="file", hint=f"One of: {', '.join(FIELDS)}.")
    faults = list(table.faults)
    plans: list[WritePlan] = []
    seen: dict[tuple[str, str], int] = {}
    stocks: dict[str, tuple[int, str]] = {}
    for line in table.lines:
        try:
            listing, market = _listing(line, shelf), _market(line, shelf)
            if (first := seen.setdefault((listing.id, market), line.number)) != line.number:
                raise LineError(None, f"line {first} is about the same listing in {market} already.")
            plan = _planned(line, listing, market, shelf, stocks, now)
        except LineError as error:
            faults.append(LineFault(line.number, error.column, str(error), error.hint))
            continue
        except BmError as error:
            column = error.field if error.field in table.columns else None
            hint = "Give a count like 5; in a file it is absolute." if column == "quantity" else error.hint
            faults.append(LineFault(line.number, column, error.message, hint))
            continue
        plans.append(plan)
    changing = [plan for plan in plans if plan.intents]
    plan = in_run(together(changing), run, "import")
    rows = len(changing)
    far = jumps(plan.changes)
    if far:
        plan = also_confirm(plan, rows, f"{len(far)} prices move by more than 20 %, such as {_named(far[0])}")
    offline = sum(change.field == "quantity" and change.new == 0 for change in plan.changes)
    if offline > 1:
        plan = also_confirm(plan, rows, f"{offline} listings go offline")
    told = summary(plan.changes, {code: MARKETS[code].currency for code in shelf.markets})
    plan = replace(plan, notes=(*plan.notes, *told))
    return Prepared(plan, tuple(sorted(faults, key=lambda fault: fault.line)), table.count)


def plan_parcels(
    table: Table,
    orders: Mapping[int, Order],
    registered: Mapping[str, tuple[int, ...]],
    *,
    now: datetime,
    run: str,
) -> Prepared:
    """Plan to ship what a table of parcels names; an order with several lines may have a line for each device.

    Raises:
        UsageError: A column is missing.
    """
    for needed in ("order_id", "tracking"):
        if needed not in table.columns:
            raise UsageError(f"The file has no column {needed}.", field="file", hint="It needs order_id and tracking.")
    faults = list(table.faults)
    parcels: dict[int, list[Line]] = {}
    used: dict[str, int] = {}
    for line in table.lines:
        try:
            _check_parcel(line, orders, used)
        except LineError as error:
            faults.append(LineFault(line.number, error.column, str(error), error.hint))
            continue
        parcels.setdefault(int(line.cells["order_id"]), []).append(line)
    plans: list[WritePlan] = []
    for number, lines in parcels.items():
        try:
            plans.append(_parcel(orders[number], lines, registered, now, run))
        except LineError as error:
            faults.append(LineFault(lines[-1].number, error.column, str(error), error.hint))
        except BmError as error:
            column = {"serial_number": "serial"}.get(error.field or "", error.field)
            shown = column if column in table.columns else None
            faults.append(LineFault(lines[0].number, shown, error.message, error.hint))
    plan = replace(together(plans), run=run)
    return Prepared(plan, tuple(sorted(faults, key=lambda fault: fault.line)), table.count)


def _listing(line: Line, shelf: Shelf) -> Listing:
    found: Listing | None = None
    first = ""
    for column in KEYS:
        if column not in line.cells:
            continue
        value = line.cells[column]
        shown = clean(value, limit=60)
        if column == "listing_id" and not value.isdecimal():
            raise LineError(column, f"{shown} is no number of a listing.")
        ids = shelf.named.get((column, _key(column, value)), ())
        if not ids:
            raise LineError(column, f"there is no listing {shown} in the cache.", "Sync the listings first.")
        if len(ids) > 1:
            raise LineError(column, f"several listings have the SKU {shown}.", "Name it by id.")
        if found is not None and found.id != ids[0]:
            raise LineError(column, f"{first} and {column} name different listings.")
        found, first = shelf.listings[ids[0]], column
    if found is None:
        raise LineError(None, "it does not say which listing.", "Give id, listing_id or sku.")
    return found


def _key(column: str, value: str) -> str:
    return value.lower() if column == "id" else str(int(value)) if column == "listing_id" else value


def _market(line: Line, shelf: Shelf) -> str:
    market = line.cells.get("market", shelf.markets[0]).lower()
    if market not in shelf.markets:
        hint = f"Configured: {', '.join(shelf.markets)}."
        raise LineError("market", f"{clean(market, limit=20)} is not among the profile's markets.", hint)
    if (currency := line.cells.get("currency", "").upper()) not in ("", MARKETS[market].currency):
        raise LineError(
            "currency", f"{market} sells in {MARKETS[market].currency}, not in {clean(currency, limit=12)}."
        )
    return market


def _planned(
    line: Line, listing: Listing, market: str, shelf: Shelf, stocks: dict[str, tuple[int, str]], now: datetime
) -> WritePlan:
    shippings = shelf.shippings.get((listing.id, market), ())
    typed = {name: line.cells[name] for name in FIELDS if name in line.cells}
    offer = listing.offers.get(market)
    if offer is not None:
        # What an export wrote comes back as it was, even where it could not be typed: a stock of -1, two lines of text
        typed = {
            name: text
            for name, text in typed.items()
            if clean(current(listing, offer, name, shippings) or "") != clean(text)
        }
    if "quantity" in line.cells:
        count, earlier = line.cells["quantity"], stocks.setdefault(listing.id, (line.number, line.cells["quantity"]))
        if earlier[1] != count:
            raise LineError("quantity", f"line {earlier[0]} gives the same listing a stock of {earlier[1]}.")
        if earlier[0] != line.number:
            typed.pop("quantity", None)
    if typed.get("quantity", "")[:1] in ("+", "-"):
        raise LineError("quantity", f"{clean(typed['quantity'], limit=40)} is no count.", "In a file it is absolute.")
    return plan_listing(listing, market, typed, origin="import", now=now, shippings=shippings)


def _check_parcel(line: Line, orders: Mapping[int, Order], used: dict[str, int]) -> None:
    text = line.cells.get("order_id", "")
    if not text:
        raise LineError("order_id", "it does not say which order.")
    if not text.isdecimal() or not text.isascii():
        raise LineError("order_id", f"{clean(text, limit=40)} is no order id.")
    if int(text) not in orders:
        raise LineError("order_id", f"order {text} is not in the cache.", "Sync the orders first.")
    if "tracking" not in line.cells:
        raise LineError("tracking", "the tracking number is missing.")
    for column in ("imei", "serial"):
        if (value := "".join(line.cells.get(column, "").split())) and used.setdefault(
            value, line.number
        ) != line.number:
            raise LineError(column, f"line {used[value]} has the same one.", "A device leaves with one order only.")


def _parcel(
    order: Order, lines: list[Line], registered: Mapping[str, tuple[int, ...]], now: datetime, run: str
) -> WritePlan:
    first = lines[0].cells
    for line in lines[1:]:
        for column in ("tracking", "shipper", "tracking_url"):
            if line.cells.get(column, first.get(column)) != first.get(column):
                raise LineError(column, f"line {lines[0].number} has another one for the same order.")
        if "orderline" not in line.cells:
            hint = "Where an order has several devices, each line names its orderline."
            raise LineError("order_id", f"line {lines[0].number} is about the same order.", hint)
    devices = [
        Device(line.cells.get("imei"), line.cells.get("serial"), line.cells.get("orderline"))
        for line in lines
        if line.cells.get("imei") or line.cells.get("serial")
    ]
    return plan_ship(
        order,
        first["tracking"],
        now=now,
        shipper=first.get("shipper"),
        url=first.get("tracking_url"),
        devices=devices,
        registered=registered,
        run=run,
    )


def _named(change: Change) -> str:
    return f"{change.label} {change.old} → {change.new}"
