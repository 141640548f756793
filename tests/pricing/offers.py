"""One plain offer, to be varied: 500.00 EUR, not winning, price to win 490.00, everything fresh, floor 400.00."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bmconsole.domain.listings import Backbox
from bmconsole.domain.money import Money
from bmconsole.pricing.values import Change, Cost, Facts, Mode, Params, Past, Rule, Rules, Terms, Vat

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

TERMS = Terms(Mode.AUTO, vat=Vat("none"))
COST = Cost("IP-1", "EUR", Decimal("360.00"))
"""With the fee of 10 % it makes a floor of 400.00."""


def eur(text: str) -> Money:
    return Money(int(Decimal(text) * 100), "EUR")


def box(**changed: Any) -> Backbox:
    """Return the plain observation with some values changed; amounts may be texts in EUR."""
    seen = NOW - timedelta(seconds=40)
    plain = Backbox(eur("500"), eur("490"), eur("490.01"), False, seen, seen)
    return replace(plain, **_amounts(changed, *changed))


def past(**changed: Any) -> Past:
    plain = Past(average=eur("500"), anchor=eur("495"))
    return replace(plain, **_amounts(changed, *changed))


def offer(**changed: Any) -> Facts:
    """Return the plain offer with some facts changed; its prices may be texts in EUR."""
    plain = Facts(
        listing="a1",
        sku="IP-1",
        market="fr-fr",
        currency="EUR",
        price=eur("500"),
        title="iPhone 13",
        grade="GOOD",
        quantity=5,
        first_seen=NOW - 10 * DAY,
        live_at=NOW - MINUTE,
        box=box(),
        past=past(),
        cost=COST,
    )
    return replace(plain, **_amounts(changed, "price", "min_price", "max_price", "first_price", "better", "worse"))


def rules(*strategies: str, **said: Any) -> Rules:
    """Return one rule with these strategies."""
    params = said.pop("params", Params())
    return Rules((Rule("one", strategies or ("hold", "win"), params=params, **said),))


def change(ago: timedelta, old: str, new: str) -> Change:
    return Change(NOW - ago, eur(old), eur(new))


def _amounts(changed: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the values with those texts under `names` as amounts."""
    return {name: eur(value) if name in names and isinstance(value, str) else value for name, value in changed.items()}
