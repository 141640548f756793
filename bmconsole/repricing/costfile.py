"""Reads a file of costs: a line for a SKU, narrowed to a market or a grade where the line says so."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from bmconsole.domain.bulk import LineFault
from bmconsole.domain.costs import Cost, Vat
from bmconsole.domain.listings import GRADES
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import exact
from bmconsole.domain.pricing_views import CostPlan
from bmconsole.domain.text import clean
from bmconsole.errors import UsageError
from bmconsole.store.costs import Key, key_of
from bmconsole.writes.amounts import plain_amount
from bmconsole.writes.csvfile import Columns, Line, Table

COLUMNS = Columns(
    {
        "sku": ("seller_sku", "artikelnummer", "listing_sku"),
        "purchase": ("purchase_price", "cost", "einkauf", "einkaufspreis", "ek", "achat", "prix_achat"),
        "market": ("country", "markt", "marché"),
        "grade": ("zustand", "condition"),
        "currency": ("währung", "devise"),
        "parts": ("teile", "pièces"),
        "labour": ("labor", "arbeit", "main_d_œuvre"),
        "shipping": ("versand", "transport"),
        "fee": ("commission", "provision"),
        "target_margin": ("margin", "marge", "zielmarge"),
        "min_profit": ("minimum_profit", "profit", "mindestgewinn"),
        "manual_min": ("manual_minimum", "minimum", "min", "minimum_price"),
        "manual_max": ("manual_maximum", "maximum", "max", "maximum_price"),
        "vat": ("tva", "mwst", "ust"),
    },
    ("title", "product", "id", "listing_id", "quantity", "stock", "price", "why", "valid_from", "superseded"),
)
"""Columns of a file of costs; those passed over are in lists of ours and say nothing about a cost."""

_AMOUNT = re.compile(r"(?P<number>.*?)[€$£¥ \u00a0\u202f]*(?P<behind>[A-Za-z]{2,3})?[€$£¥ \u00a0\u202f]*")
_BIG_JUMP = Decimal(20)
_COSTS = ("purchase", "parts", "labour", "shipping")
_AMOUNTS = (*_COSTS, "min_profit", "manual_min", "manual_max")
_SHARES = ("fee", "target_margin")
_VALUES = (*_AMOUNTS, *_SHARES, "vat")


class _Fault(Exception):
    def __init__(self, column: str | None, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.column = column
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Known:
    """What the machine knows of what a file names: the costs that hold, the SKUs of listings, the markets."""

    costs: Mapping[Key, Cost]
    skus: frozenset[str]
    markets: tuple[str, ...]


def plan_costs(table: Table, known: Known) -> CostPlan:
    """Return what a table of costs would change: a column that is not there leaves what holds as it is.

    Raises:
        UsageError: It has no column `sku`, or nothing to say about a cost.
    """
    if "sku" not in table.columns:
        raise UsageError("The file has no column sku.", field="file", hint="sku;purchase is enough.")
    if not set(_VALUES) & set(table.columns):
        raise UsageError("The file has no column with a cost.", field="file", hint="sku;purchase is enough.")
    faults = list(table.faults)
    found: dict[Key, Cost] = {}
    seen: dict[Key, int] = {}
    for line in table.lines:
        try:
            cost = _cost(line, table.columns, known)
            if (first := seen.setdefault(key_of(cost), line.number)) != line.number:
                raise _Fault(None, f"line {first} gives a cost for the same SKU, market and grade already.")
        except _Fault as error:
            faults.append(LineFault(line.number, error.column, str(error), error.hint))
            continue
        found[key_of(cost)] = cost
    changed = {key: cost for key, cost in found.items() if known.costs.get(key) != cost}
    lines = tuple(_told(known.costs.get(key), cost) for key, cost in changed.items())
    notes = _notes(changed.values(), known, len(found) - len(changed))
    ordered = tuple(sorted(faults, key=lambda fault: fault.line))
    return CostPlan(tuple(changed.values()), lines, notes, ordered, table.count)


def _cost(line: Line, columns: Sequence[str], known: Known) -> Cost:
    cells = line.cells
    sku = cells.get("sku", "")
    if not sku:
        raise _Fault("sku", "it does not say which SKU.")
    market, grade = _market(cells, known.markets), _grade(cells)
    former = known.costs.get((sku, market, grade))
    currency = _currency(cells, market, known.markets, former)
    values: dict[str, Decimal | Vat | None] = {}
    for name in _VALUES:
        if name not in columns and former is not None and former.currency == currency:
            values[name] = getattr(former, name)
        elif name in cells:
            values[name] = _value(name, cells[name], currency)
        elif name in _COSTS:
            values[name] = Decimal(0)
    if not values["purchase"]:
        column = "purchase" if "purchase" in columns else None
        if "purchase" in cells:
            raise _Fault(column, f"{clean(cells['purchase'], limit=40)} is not above 0.", "Such a unit has no floor.")
        raise _Fault(column, "it does not say what the unit was bought for.")
    cost = Cost(sku=sku, currency=currency, market=market, grade=grade, **values)  # type: ignore[arg-type]  # each value is its field's own
    _check_together(cost)
    return cost


def _market(cells: Mapping[str, str], markets: Sequence[str]) -> str | None:
    text = cells.get("market", "").lower()
    if text and text not in markets:
        hint = f"Configured: {', '.join(markets)}."
        raise _Fault("market", f"{clean(text, limit=20)} is not among the profile's markets.", hint)
    return text or None


def _grade(cells: Mapping[str, str]) -> str | None:
    text = re.sub(r"[\s-]+", "_", cells.get("grade", "")).upper()
    if text and text not in GRADES:
        raise _Fault("grade", f"{clean(text, limit=20)} is no grade.", f"One of: {', '.join(GRADES)}.")
    return text or None


def _currency(cells: Mapping[str, str], market: str | None, markets: Sequence[str], former: Cost | None) -> str:
    given = cells.get("currency", "").upper()
    own = MARKETS[market].currency if market else None
    usual = own or (former.currency if former else MARKETS[markets[0]].currency)
    if own and given and given != own:
        raise _Fault("currency", f"{market} sells in {own}, not in {clean(given, limit=12)}.")
    currencies = dict.fromkeys(MARKETS[code].currency for code in markets)
    if given and given not in currencies:
        hint = f"Configured: {', '.join(currencies)}."
        raise _Fault("currency", f"no market of the profile sells in {clean(given, limit=12)}.", hint)
    return given or usual


def _value(name: str, text: str, currency: str) -> Decimal | Vat:
    if name == "vat":
        return _vat(text)
    return _share(name, text) if name in _SHARES else _amount(name, text, currency)


def _amount(name: str, text: str, currency: str) -> Decimal:
    match = _AMOUNT.fullmatch(text)
    number, behind = (match["number"], match["behind"] or "") if match else (text, "")
    if behind and behind.upper() != currency:
        raise _Fault(name, f"{clean(text, limit=40)} is not in {currency}.", "Give the currency in its own column.")
    try:
        money = exact(plain_amount(number, currency), currency)
    except ValueError as error:
        hint = f"Give an amount in {currency} like {'12000' if currency == 'JPY' else '310.50'}."
        raise _Fault(name, f"{clean(error, limit=120)}.", hint) from None
    if money.minor < 0:
        raise _Fault(name, f"{money.text()} is under 0.")
    return money.amount


def _share(name: str, text: str) -> Decimal:
    number = text.replace("\u00a0", " ").strip()
    marked = number.endswith("%")
    number = number.rstrip("% \u202f").replace(",", ".")
    try:
        percent = Decimal(number)
    except InvalidOperation:
        percent = Decimal("NaN")
    if not percent.is_finite() or not 0 <= percent < 100:
        raise _Fault(name, f"{clean(text, limit=40)} is no share in per cent.", "Give 0 to under 100, such as 10,5.")
    if 0 < percent < 1 and not marked:
        raise _Fault(
            name,
            f"{clean(text, limit=40)} can mean {number} % or {(percent * 100).normalize():f} %.",
            "Write it with a % behind it.",
        )
    return (percent / 100).normalize() + 0


def _vat(text: str) -> Vat:
    try:
        return Vat.parse(text.replace(",", "."))
    except ValueError:
        raise _Fault(
            "vat", f"{clean(text, limit=40)} is no VAT scheme.", "Write none, regular 20 or margin 20."
        ) from None


def _check_together(cost: Cost) -> None:
    if cost.manual_min and cost.manual_max and cost.manual_min > cost.manual_max:
        raise _Fault("manual_min", f"{cost.manual_min} is above the maximum {cost.manual_max}.")
    owed = cost.vat.u + cost.vat.v if cost.vat else 0
    if (cost.fee or 0) + (cost.target_margin or 0) + owed >= 1:
        column = "target_margin" if cost.target_margin else "fee"
        raise _Fault(column, "fee, VAT and margin together leave nothing of the price.")


def _notes(costs: Collection[Cost], known: Known, same: int) -> tuple[str, ...]:
    notes = []
    if same:
        notes.append(f"{same} costs are already so.")
    strange = [cost.sku for cost in costs if cost.sku not in known.skus]
    if strange:
        notes.append(f"{len(strange)} SKUs are of no listing in the cache, such as {clean(strange[0], limit=60)}.")
    moved = [
        cost
        for cost in costs
        if (former := known.costs.get(key_of(cost))) is not None
        and former.currency == cost.currency
        and abs(cost.purchase - former.purchase) * 100 > _BIG_JUMP * former.purchase
    ]
    if moved:
        notes.append(f"{len(moved)} purchase prices move by more than 20 %, such as that of {moved[0].sku}.")
    return tuple(notes)


def _told(former: Cost | None, cost: Cost) -> str:
    place = " ".join(clean(part, limit=60) for part in (cost.sku, cost.market, cost.grade) if part)
    parts = []
    for name in _VALUES:
        old, new = getattr(former, name) if former else None, getattr(cost, name)
        if old == new or (former is None and not new):
            continue
        shown = _shown(name, new, cost.currency)
        parts.append(f"{name} {_shown(name, old, cost.currency)} → {shown}" if former else f"{name} {shown}")
    if former is not None and former.currency != cost.currency:
        parts.insert(0, f"currency {former.currency} → {cost.currency}")
    return f"{place}: {'' if former else 'new, '}{', '.join(parts)}"


def _shown(name: str, value: Decimal | Vat | None, currency: str) -> str:
    if value is None or isinstance(value, Vat):
        return str(value or "–")
    return f"{(value * 100).normalize():f} %" if name in _SHARES else str(exact(value, currency))
