"""What a unit costs, and the VAT that a sale of it owes. Shares are parts of 1: a fee of 10 % is 0.10."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal

from bmconsole.domain.text import clean

_SCHEME = re.compile(r"(regular|margin) (\d{1,2}(?:\.\d{1,3})?) ?%?")

VatKind = Literal["regular", "margin", "none"]


@dataclass(frozen=True)
class Vat:
    """A VAT scheme: `regular` is owed on the price, `margin` on price minus purchase. `rate` 0.20 means 20 %."""

    kind: VatKind
    rate: Decimal = Decimal(0)

    @classmethod
    def parse(cls, text: str) -> "Vat":
        """Return the scheme of `regular 20`, `margin 20` or `none`, in any case.

        Raises:
            ValueError: No such scheme.
        """
        said = " ".join(text.lower().split())
        if said == "none":
            return cls("none")
        match = _SCHEME.fullmatch(said)
        if match is None or Decimal(match[2]) == 0:
            raise ValueError(f"“{clean(text, limit=40)}” is not a VAT scheme: write none, regular 20 or margin 20")
        return cls("regular" if match[1] == "regular" else "margin", Decimal(match[2]) / 100)

    @cached_property
    def k(self) -> Decimal:
        """1 + rate: by what a figure is multiplied to hold the VAT as a finite decimal."""
        return 1 + self.rate

    @cached_property
    def u(self) -> Decimal:
        """The share of the price that is owed, r/(1+r); 0 unless `regular`. Rounded to Decimal's 28 digits."""
        return self.rate / (1 + self.rate) if self.kind == "regular" else Decimal(0)

    @cached_property
    def v(self) -> Decimal:
        """The share of the margin that is owed, r/(1+r); 0 unless `margin`. Rounded to Decimal's 28 digits."""
        return self.rate / (1 + self.rate) if self.kind == "margin" else Decimal(0)

    def __str__(self) -> str:
        return "none" if self.kind == "none" else f"{self.kind} {(self.rate * 100).normalize():f}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What is known about the cost of a SKU, or of a SKU in one grade or market. Amounts in major units of `currency`.

    `fee` and `target_margin` are shares of the price (0.10). `grade` and `market` None: for all of them that have no
    row of their own; such a row of no market counts only where the market's currency is `currency`.
    """

    sku: str
    currency: str
    purchase: Decimal
    parts: Decimal = Decimal(0)
    labour: Decimal = Decimal(0)
    shipping: Decimal = Decimal(0)
    grade: str | None = None
    market: str | None = None
    fee: Decimal | None = None
    target_margin: Decimal | None = None
    min_profit: Decimal | None = None
    manual_min: Decimal | None = None
    manual_max: Decimal | None = None
    vat: Vat | None = None

    @property
    def total(self) -> Decimal:
        """The fixed cost of a unit: purchase, parts, labour and shipping."""
        return self.purchase + self.parts + self.labour + self.shipping


def pick_cost(rows: Iterable[Cost], *, sku: str, grade: str | None, market: str, currency: str) -> Cost | None:
    """Return the most specific of `rows` for an offer: market before grade before neither; None where none fits.

    A row in another currency never fits: 300 EUR are not 300 SEK. Of two equally specific rows the later one counts.
    """
    best: tuple[int, Cost] | None = None
    for row in rows:
        if row.sku != sku or row.currency != currency:
            continue
        if (row.market is not None and row.market != market) or (row.grade is not None and row.grade != grade):
            continue
        rank = 2 * (row.market is not None) + (row.grade is not None)
        if best is None or rank >= best[0]:
            best = rank, row
    return best[1] if best else None
