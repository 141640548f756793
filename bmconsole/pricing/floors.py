"""What a sale leaves, the price under which a listing is not sold, and the price above which it is not offered.

With r the VAT rate, k = 1 + r, and r/k the share that is owed: everything is multiplied by k, so that each figure is a
finite decimal and the floor one exact division, rounded up. Nothing is lost where 20 % makes a sixth.
"""

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from bmconsole.domain.costs import Cost, Vat
from bmconsole.domain.money import Money, minor_digits
from bmconsole.errors import SettingsError
from bmconsole.pricing.values import Facts, MarketTerms, Rules, Terms

_ZERO = Decimal(0)
_ONE = Decimal(1)
_NONE = MarketTerms()


class Figures(NamedTuple):
    """The figures of one offer. Amounts in major units of `currency` unless said otherwise, shares as parts of 1."""

    currency: str
    total: Decimal
    """The fixed cost of a unit."""
    purchase: int
    """In minor units, rounded down; only what lies on either side of it matters."""
    fee: Decimal
    vat: Vat
    target_margin: Decimal
    min_profit: Decimal
    manual_min: Decimal | None
    floor: int
    """In minor units."""
    ceiling: int | None
    """In minor units."""
    k: Decimal
    """1 + VAT rate."""
    kept: Decimal
    """k times the share of each further unit of the price that is left after fee and VAT."""
    base: Decimal
    """k times the fixed cost, less the VAT on the purchase under the margin scheme; in minor units."""

    @property
    def conflict(self) -> bool:
        """Whether the floor is above the ceiling: nothing can be done."""
        return self.ceiling is not None and self.floor > self.ceiling

    def net(self, minor: int) -> Decimal:
        """Return what a sale at a price of `minor` units leaves, in minor units."""
        return self._left(minor) / self.k

    def margin(self, minor: int) -> Decimal:
        """Return what a sale at a price of `minor` units (over 0) leaves, as a share of the price."""
        return self._left(minor) / (self.k * minor)

    def _left(self, minor: int) -> Decimal:
        if minor <= self.purchase and self.vat.kind == "margin":
            # No margin, nothing owed on it.
            scale = minor_digits(self.currency)
            return self.k * (minor - self.total.scaleb(scale) - self.fee * minor)
        return self.kept * minor - self.base


def fee_and_terms(facts: Facts, rules: Rules, terms: Terms) -> tuple[Decimal, Vat | None, Decimal, Decimal]:
    """Return commission, VAT, target margin and minimum profit of an offer.

    The cost row says it best, then (of the commission) its own past orders, the market's terms, those of every market,
    the profile's.
    """
    cost = facts.cost
    here = rules.markets.get(facts.market, _NONE)
    everywhere = rules.markets.get("", _NONE)

    fee = cost.fee if cost is not None else None
    if fee is None:
        fee = facts.measured_fee
    if fee is None:
        fee = here.fee if here.fee is not None else everywhere.fee
    vat = (cost.vat if cost is not None else None) or here.vat or everywhere.vat or terms.vat

    margin = cost.target_margin if cost is not None else None
    if margin is None:
        margin = here.target_margin if here.target_margin is not None else everywhere.target_margin
    profit = cost.min_profit if cost is not None else None
    if profit is None:
        for said in (here.min_profit, everywhere.min_profit):
            money = said.of(Money(0, facts.currency)) if said is not None else None
            if money is not None:
                profit = money.amount
                break
    return terms.fee if fee is None else fee, vat, _ZERO if margin is None else margin, profit or _ZERO


def figures(facts: Facts, rules: Rules, terms: Terms) -> Figures | None:
    """Return the figures of an offer, None where its cost or its VAT scheme is not known.

    Raises:
        SettingsError: Fee, VAT and target margin leave nothing of the price.
    """
    cost = facts.cost
    if cost is None or cost.currency != facts.currency:
        return None
    fee, vat, margin, profit = fee_and_terms(facts, rules, terms)
    if vat is None:
        return None
    k, total, scale = vat.k, cost.total, minor_digits(cost.currency)
    kept, base = k * (_ONE - fee) - vat.rate, k * total
    if vat.kind == "margin":
        base -= vat.rate * cost.purchase
    return Figures(
        cost.currency,
        total,
        int(cost.purchase.scaleb(scale)),
        fee,
        vat,
        margin,
        profit,
        cost.manual_min,
        _floor(cost, fee, vat, margin, profit, kept, base),
        ceiling(cost, facts.max_price),
        k,
        kept,
        base.scaleb(scale),
    )


def floor(cost: Cost, *, fee: Decimal, vat: Vat, target_margin: Decimal, min_profit: Decimal) -> int:
    """Return the floor in minor units of the cost's currency: at least one.

    Raises:
        SettingsError: Fee, VAT and target margin leave nothing of the price.
    """
    base = vat.k * cost.total - (vat.rate * cost.purchase if vat.kind == "margin" else _ZERO)
    return _floor(cost, fee, vat, target_margin, min_profit, vat.k * (_ONE - fee) - vat.rate, base)


def _floor(
    cost: Cost, fee: Decimal, vat: Vat, target_margin: Decimal, min_profit: Decimal, kept: Decimal, base: Decimal
) -> int:
    k, scale = vat.k, minor_digits(cost.currency)
    aimed = kept - k * target_margin if target_margin else kept
    if aimed <= 0:
        left = kept > 0
        raise SettingsError(
            f"SKU {cost.sku}: a fee of {percent(fee)}, VAT {vat} and a margin of {percent(target_margin)} "
            "leave nothing of the price.",
            field="target_margin" if left else "fee",
            value=percent(target_margin if left else fee),
            hint="Lower the fee or the target margin.",
        )
    if vat.kind == "margin" and cost.total < cost.purchase:
        lowest = _cheap(base, kept, cost, fee=fee, vat=vat, target_margin=target_margin, min_profit=min_profit)
    else:
        # Break-even is the least of the three: the others start from it.
        lowest = _up(base, aimed, scale)
        if min_profit:
            lowest = max(lowest, _up(base + k * min_profit, kept, scale))
    if cost.manual_min is not None:
        lowest = max(lowest, _up(cost.manual_min, _ONE, scale))
    return lowest if lowest > 0 else 1


def _cheap(
    base: Decimal, kept: Decimal, cost: Cost, *, fee: Decimal, vat: Vat, target_margin: Decimal, min_profit: Decimal
) -> int:
    """Return the floor of a unit that costs less than its purchase: below the purchase there is no margin to tax."""
    k, scale = vat.k, minor_digits(cost.currency)
    taxed = ((base, kept), (base + k * min_profit, kept), (base, kept - k * target_margin))
    untaxed = ((_ZERO, _ONE - fee), (min_profit, _ONE - fee), (_ZERO, _ONE - fee - target_margin))
    return max(
        _up(top, share, scale) if top >= cost.purchase * share else _up(cost.total + more, left, scale)
        for (top, share), (more, left) in zip(taxed, untaxed, strict=True)
    )


def ceiling(cost: Cost, max_price: Money | None) -> int | None:
    """Return the smaller of the manual maximum (rounded down) and Back Market's, in minor units; None without both."""
    highest = None if max_price is None else max_price.minor
    if cost.manual_max is None:
        return highest
    manual = int(cost.manual_max.scaleb(minor_digits(cost.currency)))
    return manual if highest is None else min(manual, highest)


@lru_cache(maxsize=1_024)
def percent(share: Decimal) -> str:
    """Return a share for people: `15 %`, `7.5 %`."""
    return f"{(share * 100).normalize():f} %"


def _up(top: Decimal, share: Decimal, scale: int) -> int:
    whole, rest = divmod(top.scaleb(scale), share)
    return int(whole) + (rest > 0)
