"""Which cost holds for a listing in a market, and why none where there is none."""

from collections.abc import Collection, Iterable

from bmconsole.domain.costs import Cost, pick_cost
from bmconsole.domain.markets import MARKETS


class CostBook:
    """Costs by SKU.

    Args:
        costs: Those that hold.
        with_vat: The markets in which a VAT scheme holds where a cost names none.
    """

    def __init__(self, costs: Iterable[Cost], with_vat: Collection[str]) -> None:
        self._by_sku: dict[str, list[Cost]] = {}
        for cost in costs:
            self._by_sku.setdefault(cost.sku, []).append(cost)
        self._with_vat = with_vat

    def find(self, sku: str, market: str, grade: str | None) -> Cost | None:
        """Return the cost of a listing in a market."""
        rows = self._by_sku.get(sku)
        if not rows:
            return None
        return pick_cost(rows, sku=sku, grade=grade, market=market, currency=MARKETS[market].currency)

    def lacking(self, sku: str, market: str, grade: str | None) -> str:
        """Return why a listing has no cost in a market; empty where it has one."""
        found = self.find(sku, market, grade)
        if found is not None:
            known = found.vat is not None or market in self._with_vat
            return "" if known else "no VAT scheme: set vat, or give the cost one"
        currency = MARKETS[market].currency
        others = {cost.currency for cost in self._by_sku.get(sku, ()) if cost.market in (None, market)} - {currency}
        if others:
            return f"the cost is in {', '.join(sorted(others))}, {market} sells in {currency}"
        return "no cost"
