"""How long it takes to plan a hundred thousand listings, beside one bare Decimal pass over the same rows.

    python -m tests.bench.pricing [--listings 100000] [--rounds 5]

The bare pass is what nobody could leave out: from each row's cost, fee, VAT rate, target margin and minimum profit the
three quotients of the floor, the largest rounded up to the minor unit, into a list. Planning is everything: standing,
rules, strategy, guards, decisions, the breaker of the run, the order. Both in CPU time of the same process, by turns.
"""

import argparse
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from random import Random

from bmconsole.domain.listings import Backbox
from bmconsole.domain.money import Money
from bmconsole.pricing.decide import plan
from bmconsole.pricing.rules import BUILT_IN
from bmconsole.pricing.values import Change, Cost, Facts, Mode, Past, Terms, Vat

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
TERMS = Terms(Mode.AUTO, vat=Vat.parse("margin 20"))
CENT = Decimal("0.01")


def offers(count: int, *, seed: int = 7, share: float = 1.0) -> list[Facts]:
    """Return a shop in which `share` of the listings have data in the backbox, two thirds of them not winning."""
    random = Random(seed)
    return [_offer(random, number, share) for number in range(count)]


def _offer(random: Random, number: int, share: float) -> Facts:
    price = random.randrange(9_000, 90_000)
    rival = price * random.randrange(93, 104) // 100
    wins = rival >= price
    seen = NOW - timedelta(seconds=random.randrange(30, 40_000))
    box = None
    if random.random() < share:
        to_win = price if wins else rival - 1
        box = Backbox(_eur(price), _eur(to_win), _eur(price if wins else rival), wins, NOW - timedelta(days=1), seen)
    changes: tuple[Change, ...] = ()
    if random.random() < 0.3:
        at = NOW - timedelta(minutes=random.randrange(5, 2_800))
        changes = (Change(at, _eur(price * 102 // 100), _eur(price)),)
    return Facts(
        listing=f"{number:032x}",
        sku=f"SKU-{number}",
        market="fr-fr",
        currency="EUR",
        price=_eur(price),
        max_price=_eur(price * 13 // 10),
        grade="GOOD",
        quantity=random.randrange(1, 30),
        first_seen=NOW - timedelta(days=random.randrange(1, 300)),
        live_at=NOW - timedelta(minutes=20),
        box=box,
        past=Past(changes, average=_eur(price), anchor=_eur(rival), sold=random.randrange(9)),
        cost=Cost(
            f"SKU-{number}",
            "EUR",
            purchase=Decimal(price * random.randrange(40, 75) // 100).scaleb(-2),
            parts=Decimal("12.50"),
            labour=Decimal("8.00"),
            shipping=Decimal("6.90"),
            target_margin=Decimal("0.08"),
            min_profit=Decimal("5.00"),
        ),
    )


def _eur(minor: int) -> Money:
    return Money(minor, "EUR")


def bare(rows: list[Facts], rate: Decimal, fee: Decimal) -> list[Decimal]:
    """Return the floor of each row, from nothing but the formulas."""
    floors = []
    for row in rows:
        cost = row.cost
        if cost is None:
            continue
        total = cost.purchase + cost.parts + cost.labour + cost.shipping
        owed = rate / (1 + rate)
        base = total - owed * cost.purchase
        kept = 1 - fee - owed
        lowest = max(
            base / kept,
            (base + (cost.min_profit or 0)) / kept,
            base / (kept - (cost.target_margin or 0)),
        )
        floors.append(lowest.quantize(CENT, rounding=ROUND_CEILING))
    return floors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listings", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the listings that have data in the backbox")
    arguments = parser.parse_args()
    rows = offers(arguments.listings, share=arguments.share)
    rate, fee = Decimal("0.20"), Decimal("0.10")
    ratios = []
    for turn in range(arguments.rounds):
        started = time.process_time()
        floors = bare(rows, rate, fee)
        between = time.process_time()
        planned = plan(rows, BUILT_IN, TERMS, NOW)
        ended = time.process_time()
        told = sum(len(decision.reason) for decision in planned.decisions)
        lines = time.process_time()
        ratios.append((ended - between) / (between - started))
        if turn == 0:
            print(f"{len(floors)} listings; {dict(Counter(str(each.standing) for each in planned.decisions))}")
            print(f"{dict(Counter(str(each.decision) for each in planned.decisions))}; {told} characters of reasons")
        print(
            f"bare {between - started:.3f} s · plan {ended - between:.3f} s · {ratios[-1]:.1f} × bare"
            f" · all reasons told {lines - ended:.3f} s more"
        )
    print(f"median {sorted(ratios)[len(ratios) // 2]:.1f} × one bare Decimal pass")


if __name__ == "__main__":
    main()
