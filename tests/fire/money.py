"""M2: money is exact: every amount is compared with a model in fractions, and the syntax trees are searched."""

import ast
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import bmconsole
from bmconsole.backmarket.wire import money as wire_money
from bmconsole.backmarket.wirejson import dumps, loads
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import Money, exact, minor_units, rounded, rounded_up
from bmconsole.errors import SettingsError, UsageError
from bmconsole.pricing.floors import ceiling, floor
from bmconsole.pricing.values import Amounts, Cost, Vat
from bmconsole.writes.amounts import plain_amount
from bmconsole.writes.relative import stepped
from tests.fire.rows import Outcome, Row, Task
from tests.pricing.worlds import floor_of, net_of

DIGITS = {"EUR": 2, "GBP": 2, "USD": 2, "AUD": 2, "SEK": 2, "JPY": 0}
"""The decimals of each currency of Back Market, stated again."""
LARGEST = 10**13
"""The largest amount in major units."""
_SPACES = (" ", "\u00a0", "\u202f", "'", "’")
_TOLD = 3_000

Case = Callable[[random.Random, str], str | None]
"""Tries one amount in a currency; returns what is wrong, None where nothing is."""


# -- the amounts -----------------------------------------------------------------------------------------------------


def some_minor(dice: random.Random) -> int:
    """Return an amount in minor units: mostly like a price, at times tiny, negative or huge."""
    kind = dice.random()
    if kind < 0.6:
        return dice.randrange(1, 300_000)
    if kind < 0.8:
        return dice.randrange(-1_000, 1_000)
    return dice.choice((-1, 1)) * dice.randrange(10 ** dice.randrange(3, 14))


def some_text(dice: random.Random) -> str:
    """Return an amount as decimal text with any number of places, often in the middle of two, or just beside."""
    whole = str(dice.randrange(10 ** dice.choice((1, 3, 5, 9, 13))))
    places = dice.choice(("", "", "5", "05", "005", "0", "00", "50", "25", "4999", "5001"))
    if dice.random() < 0.5:
        places = "".join(dice.choice("0123456789") for _ in range(dice.randrange(1, 8)))
    if dice.random() < 0.2:
        places += dice.choice(("0", "9")) * dice.randrange(1, 45) + dice.choice(("1", "5", "9"))
    sign = dice.choice(("", "", "", "-"))
    return f"{sign}{whole}.{places}" if places else f"{sign}{whole}"


def half_up(value: Fraction) -> int:
    """Return the nearest whole number, halves away from zero."""
    size = (abs(value) * 2 + 1) // 2
    return size if value >= 0 else -size


def refused(work: Callable[[], object], *errors: type[Exception]) -> bool:
    """Return whether it refuses what it is given."""
    try:
        work()
    except errors:
        return True
    return False


# -- the cases -------------------------------------------------------------------------------------------------------


def there_and_back(dice: random.Random, currency: str) -> str | None:
    minor, digits = some_minor(dice), DIGITS[currency]
    money = Money(minor, currency)
    size = f"{abs(minor):0{digits + 1}d}"
    text = ("-" if minor < 0 else "") + (f"{size[:-digits]}.{size[-digits:]}" if digits else size)
    if money.text() != text:
        return f"{minor} {currency} is written {money.text()}"
    if exact(text, currency) != money or exact(money.amount, currency) != money:
        return f"{text} {currency} is read as {exact(text, currency)}"
    if Fraction(money.amount) != Fraction(minor, 10**digits):
        return f"{minor} {currency} amounts to {money.amount}"
    return None


def parsed(dice: random.Random, currency: str) -> str | None:
    text = some_text(dice)
    value = Fraction(text) * 10 ** DIGITS[currency]
    fits = value.denominator == 1 and abs(Fraction(text)) <= LARGEST
    if not fits:
        return None if refused(lambda: exact(text, currency), ValueError) else f"{text} {currency} was taken"
    found = exact(text, currency).minor
    return None if found == value else f"{text} {currency} is read as {found}"


def rounding(dice: random.Random, currency: str) -> str | None:
    text = some_text(dice)
    value = Fraction(text) * 10 ** DIGITS[currency]
    if abs(Fraction(text)) > LARGEST:
        taken = not refused(lambda: rounded(Decimal(text), currency), ValueError)
        return f"{text} {currency} was taken" if taken else None
    near, up = rounded(Decimal(text), currency).minor, rounded_up(Decimal(text), currency).minor
    if near != half_up(value):
        return f"{text} {currency} is rounded to {near}, not {half_up(value)}"
    return None if up == -(-value // 1) else f"{text} {currency} is rounded up to {up}"


def from_the_wire(dice: random.Random, currency: str) -> str | None:
    text = some_text(dice)
    value = Fraction(text)
    said = loads(f'{{"price": {text}}}'.encode())
    assert isinstance(said, dict)
    number = said["price"]
    if isinstance(number, str):
        # Longer or smaller than anybody's prices: it stays text, which is told apart where it is looked at
        absurd = len(text) > 60 or abs(Decimal(text).adjusted()) > 40
        return None if absurd and number == text else f"{text} came from JSON as {number!r}"
    if isinstance(number, float) or Fraction(str(number)) != value:
        return f"{text} came from JSON as {number!r}"
    if Fraction(dumps(number)) != value:
        return f"{text} went back into JSON as {dumps(number)}"
    if abs(value) > LARGEST:
        return None
    found = wire_money(Decimal(number), currency)
    wanted = half_up(value * 10 ** DIGITS[currency])
    return None if found == Money(wanted, currency) else f"{text} {currency} came as {found}, not {wanted}"


def typed(dice: random.Random, currency: str) -> str | None:
    """An amount as people write it: it is read as what was meant or refused, and refused only where it has to be."""
    digits = DIGITS[currency]
    minor = dice.randrange(10 ** dice.randrange(1, 10))
    places = digits if dice.random() < 0.7 else 0
    minor -= minor % 10 ** (digits - places)
    decimal, group = dice.choice((".", ",")), dice.choice(("", "", *_SPACES, ".", ","))
    if group == decimal:
        group = ""
    whole, cents = divmod(minor, 10**digits)
    text = f"{whole:,}".replace(",", group)
    if places:
        text += decimal + f"{cents:0{digits}d}"
    # A single group with nothing behind could also be decimals: 1,234 and 1.230
    doubtful = not places and group in (",", ".") and text.count(group) == 1
    try:
        found = exact(plain_amount(text, currency), currency).minor
    except ValueError:
        return None if doubtful else f"{text!r} {currency} was refused"
    return None if found == minor else f"{text!r} {currency} is read as {found}"


def steps(dice: random.Random, currency: str) -> str | None:
    old = Money(dice.randrange(1, 10**7), currency)
    digits = DIGITS[currency]
    sign, one = dice.choice((("+", 1), ("-", -1)))
    if dice.random() < 0.5:
        percent = f"{dice.randrange(100)}.{dice.randrange(1000):03d}".rstrip("0").rstrip(".")
        text = f"{sign}{percent} %"
        wanted = half_up(old.minor + one * old.minor * Fraction(percent) / 100)
    else:
        minor = dice.randrange(10**5)
        text, wanted = f"{sign}{Money(minor, currency).text()}", old.minor + one * minor
    try:
        found = Fraction(stepped("price", text, old)) * 10**digits
    except UsageError as error:
        return f"{text} from {old}: {error}"
    return None if found == wanted else f"{text} from {old} gives {found}, not {wanted}"


def some_cost(dice: random.Random, currency: str) -> Cost:
    digits = DIGITS[currency]

    def amount(most: int) -> Decimal:
        return Decimal(dice.randrange(most * 10**digits)).scaleb(-digits)

    scale = 160 if currency == "JPY" else 1
    return Cost(
        "S",
        currency,
        amount(900 * scale),
        amount(80 * scale),
        # A labour that is a credit: a unit may cost less than its purchase
        amount(60 * scale) * dice.choice((1, 1, 1, -1)),
        amount(20 * scale),
        manual_min=amount(1_500 * scale) if dice.random() < 0.2 else None,
        manual_max=amount(1_500 * scale) if dice.random() < 0.2 else None,
    )


def floors(dice: random.Random, currency: str) -> str | None:
    digits, cost = DIGITS[currency], some_cost(dice, currency)
    fee, margin = (Decimal(dice.randrange(400)).scaleb(-3) for _ in range(2))
    profit = Decimal(dice.choice((0, 0, 1, 15, 50)))
    vat = some_vat(dice)
    wanted = floor_of(cost, fee, vat, margin, profit, digits)
    case = f"{cost}, fee {fee}, {vat}, margin {margin}, profit {profit}"

    def decided() -> int:
        return floor(cost, fee=fee, vat=vat, target_margin=margin, min_profit=profit)

    if wanted is None:
        return None if refused(decided, SettingsError) else f"{case}: a floor of {decided()}"
    if (found := decided()) != wanted:
        return f"{case}: a floor of {found}, not {wanted}"
    net = net_of(found, cost, fee, vat, digits)
    if net < 0 or net < Fraction(profit) or net < Fraction(margin) * Fraction(found, 10**digits):
        return f"{case}: the floor of {found} leaves {net}"
    top = ceiling(cost, None)
    if cost.manual_max is not None and top != int(Fraction(cost.manual_max) * 10**digits):
        return f"{case}: a ceiling of {top}"
    return None


def some_vat(dice: random.Random) -> Vat:
    rate = f"{dice.randrange(1, 30)}" + dice.choice(("", "", ".5", ".25", ".125"))
    return Vat.parse(dice.choice(("none", f"regular {rate}", f"margin {rate} %", f"  Margin   {rate}")))


def vat(dice: random.Random, currency: str) -> str | None:
    said = some_vat(dice)
    if Vat.parse(str(said)) != said:
        return f"{said} is read back as {Vat.parse(str(said))}"
    rate = Fraction(said.rate)
    if Fraction(said.k) != 1 + rate:
        return f"{said}: k is {said.k}"
    owed = rate / (1 + rate)
    for share, kind in ((said.u, "regular"), (said.v, "margin")):
        wanted = owed if said.kind == kind else Fraction(0)
        if abs(Fraction(share) - wanted) > Fraction(1, 10**27):
            return f"{said}: {share} of the price, not {wanted}"
    return None


def shares(dice: random.Random, currency: str) -> str | None:
    price, share = Money(dice.randrange(10**7), currency), Decimal(dice.randrange(1, 2_000)).scaleb(-4)
    found = Amounts(share=share).of(price)
    wanted = price.minor * Fraction(share) // 1
    if found != Money(wanted, currency):
        return f"{share} of {price} is {found}"
    units = dice.randrange(1, 500)
    each = Fraction({"EUR": "1", "GBP": "1", "USD": "1", "AUD": "1.6", "SEK": "11", "JPY": "160"}[currency])
    minor = minor_units(units, currency)
    return None if minor == units * each * 10 ** DIGITS[currency] else f"{units} units are {minor} in {currency}"


CASES: tuple[Case, ...] = (there_and_back, parsed, rounding, from_the_wire, typed, steps, floors, vat, shares)


# -- the syntax trees ------------------------------------------------------------------------------------------------

PACKAGES = ("domain", "pricing", "repricing", "writes", "store", "sync", "backmarket")
_SECONDS = "seconds"
_COUNTS = "a share or a rate of counts"
_WEIGHT = "how urgent a look is, never an amount"
_TEXTS = "our own JSON: amounts are text in it"
ALLOWED: Mapping[str, str] = {
    "domain/filter_fields.py:nearest": "how alike two words are",
    "domain/health.py": _SECONDS,
    "domain/times.py": _SECONDS,
    "domain/views.py:RuleState": _SECONDS,
    "pricing/record.py:limits_of": _SECONDS,
    "repricing/brief.py:Brief._sales": "hours",
    "repricing/brief.py:Brief._boxes": _COUNTS,
    "repricing/carrying.py:": _SECONDS,
    "writes/bulk.py:seconds_for": _SECONDS,
    "writes/bulk.py:duration": _SECONDS,
    "writes/execute.py:": _SECONDS,
    "writes/execute.py:Executor._settle": _SECONDS,
    "store/archive.py:unpack": "the list of a backup's files",
    "store/database.py:": _SECONDS,
    "store/decisions.py:_kept": _TEXTS,
    "store/figures.py:unknown_fields": "names of fields",
    "store/intents.py:intent_of": _TEXTS,
    "store/passes.py:pages_of": "pages",
    "store/past.py:invent": "the past that the demo invents",
    "store/quarantine.py:_paths": "names of fields",
    "store/runs.py:end": _COUNTS,
    "store/runs.py:_row": _COUNTS,
    "store/search.py:_trigrams": "places in a text",
    "store/shippings.py:record": "the ways of shipping of a listing, shown as they came",
    "store/sqlite.py:": _SECONDS,
    "sync/__init__.py:": _SECONDS,
    "sync/backbox.py:": _SECONDS,
    "sync/backbox.py:sweep": _SECONDS,
    "sync/backbox.py:_Sweep._take": _SECONDS,
    "sync/courtesy.py": _SECONDS,
    "sync/listings.py:_Forecast.show": _SECONDS,
    "sync/listings.py:_Forecast.tell": _SECONDS,
    "sync/orders.py:": _SECONDS,
    "sync/passes.py:Walk._left": _SECONDS,
    "sync/passes.py:duration": _SECONDS,
    "sync/removals.py:": _COUNTS,
    "sync/turns.py": _WEIGHT,
    "backmarket/client.py:Client.__init__": _SECONDS,
    "backmarket/guard.py:GuardTransport.__init__": _SECONDS,
    "backmarket/guard.py:network_transport": _SECONDS,
}
"""The files and functions where a float, or a division of what need not be Decimals, is something else than money."""
DECIMAL_DIVISIONS = {
    "domain/costs.py:Vat.u",
    "domain/costs.py:Vat.v",
    "pricing/floors.py:Figures.net",
    "pricing/floors.py:Figures.margin",
    "pricing/replay.py:_Tally.summary",
    "pricing/tomltable.py:TomlTable.share",
    "repricing/costfile.py:_share",
    "store/decisions.py:_weight",
    "writes/relative.py:stepped",
}
"""Divisions whose numbers are Decimals by their declarations."""


def floats_in(tree: ast.Module, name: str) -> Iterator[tuple[str, int, str]]:
    """Yield every place where a float is, or may come to be: the function, the line, the text."""

    def within(node: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = (*names, child.name)
            if isinstance(child, ast.expr | ast.AugAssign) and _is_float(child):
                yield f"{name}:{'.'.join(inner)}", child.lineno, ast.unparse(child)
            yield from within(child, inner)

    yield from within(tree, ())


def _is_float(node: ast.expr | ast.AugAssign) -> bool:
    match node:
        case ast.Constant(value=float()) | ast.Call(func=ast.Name(id="float")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="math" | "statistics"))):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="json" | "tomllib"), attr="load" | "loads"), keywords=given):
            return "parse_float" not in {keyword.arg for keyword in given}
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return not (_is_path(right) or _says_decimal(left) or _says_decimal(right))
        case ast.AugAssign(op=ast.Div()):
            return True
    return False


def _is_path(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr() | ast.Constant(value=str()) | ast.Attribute(attr="name"):
            return True
    return False


def _says_decimal(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "Decimal" for part in ast.walk(node))


def floats_on_the_path() -> list[str]:
    """Return where the code that handles money has floats that nobody vouched for."""
    root = Path(bmconsole.__file__).parent
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            for place, line, text in floats_in(ast.parse(path.read_text(encoding="utf-8")), name):
                found.setdefault(place, []).append(f"{name}:{line}: {text}")
    known = ALLOWED.keys() | DECIMAL_DIVISIONS
    foreign = [texts for place, texts in found.items() if not known & {place, place.partition(":")[0]}]
    return [f"a float: {text}" for texts in foreign for text in texts]


# -- the row ---------------------------------------------------------------------------------------------------------


def money(task: Task) -> Outcome:
    """Try `count` amounts in all currencies of Back Market, and search the code."""
    outcome = Outcome(wrong=floats_on_the_path())
    if missing := {market.currency for market in MARKETS.values()} ^ DIGITS.keys():
        outcome.wrong.append(f"not in the model, or not Back Market's: {', '.join(sorted(missing))}")
    dice = random.Random(task.seed)
    tried: Counter[str] = Counter()
    currencies = sorted(DIGITS)
    while outcome.done < task.count:
        case, currency = CASES[outcome.done % len(CASES)], dice.choice(currencies)
        if (wrong := case(dice, currency)) is not None and len(outcome.wrong) < _TOLD:
            outcome.wrong.append(f"{case.__name__}, case {outcome.done}: {wrong}")
        tried[currency] += 1
        outcome.done += 1
        if outcome.done % 1_000 == 0:
            task.tell(f"{outcome.done:,} amounts")
    outcome.figures = {name.lower(): count for name, count in sorted(tried.items())}
    return outcome


ROW = Row(
    id="M2",
    what="money: parse, format, round, floor, VAT, the wire, what people type",
    unit="amounts",
    long=100_000,
    short=9_000,
    passes="each equals the model in fractions; no float on the path",
    run=money,
)
