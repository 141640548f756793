"""Reads rules from the text of `rules.toml`, with file and line in each complaint.

    [defaults]                       # or [market.de-de]: what holds where a cost row does not say better
    fee = 10
    target_margin = 15

    [guards]                         # or guards = { … } in a rule
    step = 5

    [[rule]]
    name = "old phones"
    sku = "IP*"
    age = ">= 60"
    strategy = ["hold", "decay"]
    decay = { from = 60, to = 120 }

Shares are written in per cent, amounts with their currency, durations like `15m`, ages in days.
"""

import re
import tomllib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, cast

from bmconsole.domain.costs import Vat
from bmconsole.domain.decisions import Mode
from bmconsole.domain.filter_fields import nearest
from bmconsole.domain.listings import GRADES
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.money import Money, exact
from bmconsole.domain.text import clean
from bmconsole.domain.times import parse_duration
from bmconsole.errors import SettingsError
from bmconsole.pricing.strategies import STRATEGIES
from bmconsole.pricing.tomllines import Path, fault, line_of
from bmconsole.pricing.values import (
    DEFAULT_LIMITS,
    Amounts,
    Condition,
    Limits,
    MarketTerms,
    Params,
    Rule,
    Rules,
)

_CURRENCIES = sorted({place.currency for place in MARKETS.values()})
_AMOUNT = re.compile(r"(?P<amount>\d{1,12}(?:\.\d{1,6})?)\s*(?P<currency>[A-Za-z]{3})")
_SHARE = re.compile(r"(?P<share>\d{1,3}(?:\.\d{1,6})?)\s*%")
_END = re.compile(r"(?P<op><=|>=|<|>|==|=)?\s*(?P<number>-?\d{1,9}(?:\.\d{1,6})?)\s*(?:%|d|days?)?")

_Kind = Literal["share", "whole", "duration", "amounts", "flag"]
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_GUARDS: dict[str, tuple[_Kind, Any, Any]] = {
    "fresh": ("duration", timedelta(seconds=1), 7 * _DAY),
    "fresh_write": ("duration", timedelta(seconds=1), _HOUR),
    "settle": ("duration", timedelta(seconds=1), _HOUR),
    "after_cut": ("duration", timedelta(seconds=1), 7 * _DAY),
    "after_raise": ("duration", timedelta(seconds=1), 7 * _DAY),
    "changes": ("whole", 0, 100),
    "step": ("share", 0, 50),
    "step_amount": ("amounts", None, None),
    "down": ("share", 0, 50),
    "sanity": ("share", 30, 100),
    "flood": ("share", 30, 100),
    "band": ("share", 0, 100),
    "ladder": ("flag", None, None),
    "dead_band": ("share", 0, 20),
    "war_cuts": ("whole", 1, 100),
    "war_drop": ("share", 0, 50),
    "war_flips": ("whole", 1, 1_000),
    "war_pause": ("duration", timedelta(seconds=1), 30 * _DAY),
    "margin_auto": ("share", 0, 100),
    "margin_amount": ("amounts", None, None),
    "margin_flag": ("share", 0, 100),
    "run_share": ("share", 0, 100),
    "run_count": ("whole", 0, 1_000_000),
    "run_mean": ("share", 0, 50),
    "failures": ("whole", 1, 100),
    "lines_share": ("share", 1, 80),
}
"""The limits of the guards by their key: how they are written, and from where to where."""

_OF_THE_RUN = frozenset({"run_share", "run_count", "run_mean", "failures", "lines_share"})
_TERMS = ("vat", "fee", "target_margin", "min_profit")


def parse(text: str, *, name: str) -> Rules:
    """Return the rules that `text` says; `name` is what messages call the file.

    Raises:
        SettingsError: It is no TOML, or a key or value is not what it has to be; with file and line, and the way out.
    """
    try:
        # A float would not be what was written
        document = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        number, why = fault(text, str(error))
        raise SettingsError(
            f"{name}, line {number}: not TOML: {clean(why, limit=200)}.",
            hint='Text stands in quotes: strategy = "win".',
        ) from None
    return _Table(name, text, (), document).rules()


class _Table:
    """A table of the file whose keys are taken one by one; what is left in the end is unknown."""

    def __init__(self, name: str, text: str, path: Path, values: dict[str, Any]) -> None:
        self.name = name
        self.text = text
        self.path = path
        self.values = values
        self.known: list[str] = []

    # What there can be

    def rules(self) -> Rules:
        defaults = self.table("defaults")
        everywhere = defaults.terms()
        repair = defaults.choice("repair_floor", ("suggest", "auto")) or "suggest"
        defaults.end()
        markets = {"": everywhere}
        places = self.table("market")
        for code in list(places.values):
            place = places.table(code)
            if code.lower() not in MARKETS:
                raise places.wrong(code, f"there is no market “{clean(code, limit=40)}”", _near(code, MARKETS))
            markets[code.lower()] = place.terms()
            place.end()
        guards = self.table("guards")
        limits = guards.limits(DEFAULT_LIMITS, run=True)
        guards.end()
        found: list[Rule] = []
        for rule in self.tables("rule"):
            each = rule.rule(len(found) + 1, limits, repair)
            if any(each.name == other.name for other in found):
                raise rule.wrong("name", f"a rule before is called “{each.name}” too", "Give each rule its own name.")
            found.append(each)
        self.end()
        if not found:
            raise SettingsError(f"{self.name}: it has no rule.", field="rule", hint="Write [[rule]].")
        return Rules(
            tuple(found), limits, markets, "auto" if repair == "auto" else "suggest", name=self.name, text=self.text
        )

    def terms(self) -> MarketTerms:
        vat = None
        if (said := self.one_text("vat")) is not None:
            try:
                vat = Vat.parse(said)
            except ValueError as error:
                raise self.wrong("vat", str(error), "") from None
        return MarketTerms(
            vat, self.share("fee", 0, 99), self.share("target_margin", 0, 99), self.amounts("min_profit", shares=False)
        )

    def rule(self, number: int, limits: Limits, repair: str) -> Rule:
        called = self.one_text("name")
        mode = self.choice("mode", [str(each) for each in Mode])
        strategies = self.strategies(optional=mode == Mode.OFF)
        conditions = {key: self.condition(key, share=key in ("margin", "win_rate")) for key in _CONDITIONS}
        guards = self.table("guards")
        own = guards.limits(limits, run=False)
        guards.end()
        said = self.choice("repair_floor", ("suggest", "auto")) or repair
        rule = Rule(
            name=clean(called, limit=60) if called else f"rule {number}",
            strategies=strategies,
            sku=self.texts("sku"),
            grade=self.several("grade", GRADES, upper=True),
            market=self.several("market", tuple(MARKETS), upper=False),
            **conditions,
            params=self.params(strategies),
            limits=own,
            mode=Mode(mode) if mode else None,
            repair_floor="auto" if said == "auto" else "suggest",
            backpricer=self.flag("backpricer") or False,
            line=line_of(self.text, self.path) or 0,
        )
        self.end()
        return rule

    def strategies(self, *, optional: bool) -> tuple[str, ...]:
        found = tuple(each.lower() for each in self.texts("strategy", commas=True))
        for each in found:
            if each not in STRATEGIES:
                raise self.wrong(
                    "strategy", f"there is no strategy “{clean(each, limit=40)}”", _near(each, STRATEGIES), each
                )
        if not found and not optional:
            raise self.wrong("strategy", "the rule has no strategy", f"Known: {', '.join(STRATEGIES)}.")
        return tuple(dict.fromkeys(found))

    def params(self, strategies: tuple[str, ...]) -> Params:
        taken: dict[str, Any] = {}
        for name, keys in _PARAMS.items():
            if name in self.values and name not in strategies:
                raise self.wrong(
                    name, f"the rule has no strategy “{name}” that these could be for", f'Add "{name}" to `strategy`.'
                )
            table = self.table(name)
            for key, (kind, target, low, high) in keys.items():
                value = (
                    table.choice(key, ("hold", "floor", "ceiling"))
                    if kind == "choice"
                    else table.limit(key, cast("_Kind", kind), low, high)
                )
                if value is not None:
                    taken[target] = value
            table.end()
        params = replace(Params(), **taken)
        if params.decay_to <= params.decay_from:
            raise self.wrong("decay", "`to` has to be more days than `from`", "Write decay = { from = 60, to = 120 }.")
        price = params.standalone_price or params.decay_start
        if price is not None and price.share is not None:
            raise self.wrong("standalone", "a price is an amount, no share", 'Write price = "399.00 EUR".')
        return params

    def limits(self, limits: Limits, *, run: bool) -> Limits:
        taken: dict[str, Any] = {}
        for key, (kind, low, high) in _GUARDS.items():
            if key in self.values and key in _OF_THE_RUN and not run:
                raise self.wrong(key, "it is about the run as a whole", "Write it in [guards].")
            value = self.limit(key, kind, low, high)
            if value is not None:
                taken[key] = value
        found = replace(limits, **taken) if taken else limits
        if found.margin_flag > found.margin_auto:
            raise self.wrong("margin_flag", "it is more than `margin_auto`", "Below margin_auto is flagged.")
        return found

    # How values are written

    def limit(self, key: str, kind: _Kind, low: Any, high: Any) -> Any:  # the types follow from `kind`
        match kind:
            case "share":
                return self.share(key, low, high)
            case "whole":
                return self.whole(key, low, high)
            case "duration":
                return self.duration(key, low, high)
            case "amounts":
                return self.amounts(key)
            case "flag":
                return self.flag(key)

    def take(self, key: str) -> Any:
        self.known.append(key)
        return self.values.get(key)

    def table(self, key: str) -> "_Table":
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, "it has to be a table", f"Write {key} = {{ … }}.", value)
        return _Table(self.name, self.text, (*self.path, key), value or {})

    def tables(self, key: str) -> "list[_Table]":
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.wrong(key, "rules are tables of their own", f"Write [[{key}]].")
        return [_Table(self.name, self.text, (*self.path, key, n), each) for n, each in enumerate(value)]

    def one_text(self, key: str) -> str | None:
        value = self.take(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.wrong(key, "it has to be a text", f'Write {key} = "…".', value)
        return None if value is None else value.strip()

    def texts(self, key: str, *, commas: bool = False) -> tuple[str, ...]:
        value = self.take(key)
        if isinstance(value, str):
            value = value.split(",") if commas else [value]
        if value is None:
            return ()
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(each, str) and each.strip() for each in value)
        ):
            raise self.wrong(key, "it has to be a text, or a list of texts", f'Write {key} = "…".', value)
        return tuple(each.strip() for each in value)

    def several(self, key: str, known: tuple[str, ...], *, upper: bool) -> tuple[str, ...]:
        found = tuple(each.upper() if upper else each.lower() for each in self.texts(key, commas=True))
        for each in found:
            if each not in known:
                near = _near(each, {name.lower(): name for name in known})
                raise self.wrong(key, f"“{clean(each, limit=40)}” is none", near, each)
        return found

    def choice(self, key: str, known: "tuple[str, ...] | list[str]") -> str | None:
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, str) or value.lower() not in known:
            raise self.wrong(key, f"it is none of {', '.join(known)}", "", value)
        return value.lower()

    def flag(self, key: str) -> bool | None:
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "it is true or false", f"Write {key} = true, without quotes.", value)
        return value

    def number(self, key: str) -> Decimal | None:
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, str) and value.strip().endswith("%"):
            value = _number(value.strip()[:-1])
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
            raise self.wrong(key, "it has to be a number", f"Write {key} = 5.", self.values[key])
        return Decimal(value)

    def share(self, key: str, low: int, high: int) -> Decimal | None:
        value = self.number(key)
        if value is None:
            return None
        if not low <= value <= high:
            raise self.wrong(key, f"it has to be from {low} to {high} per cent", "", self.values[key])
        return value / 100

    def whole(self, key: str, low: int, high: int) -> int | None:
        value = self.number(key)
        if value is None:
            return None
        if not low <= value <= high or value != int(value):
            raise self.wrong(key, f"it has to be a whole number from {low} to {high}", "", self.values[key])
        return int(value)

    def duration(self, key: str, low: timedelta, high: timedelta) -> timedelta | None:
        value = self.take(key)
        if value is None:
            return None
        try:
            span = parse_duration(value) if isinstance(value, str) else None
        except ValueError:
            span = None
        if span is None:
            raise self.wrong(key, "it is not a duration", f'Write {key} = "15m", or "2s", "6h", "3d".', value)
        if not low <= span <= high:
            most = f"{high // _DAY} d" if high >= 2 * _DAY else f"{high // _HOUR} h"
            raise self.wrong(key, f"it has to be from 1 s to {most}", "", value)
        return span

    def amounts(self, key: str, *, shares: bool = True) -> Amounts | None:
        value = self.take(key)
        if value is None:
            return None
        way = f'Write {key} = "5.00 EUR", several as "5.00 EUR, 55 SEK"' + (', or "1 %".' if shares else ".")
        if not isinstance(value, str):
            raise self.wrong(key, "an amount needs its currency", way, value)
        if shares and (share := _SHARE.fullmatch(value.strip())) is not None:
            return Amounts(share=Decimal(share["share"]) / 100)
        each: list[Money] = []
        for part in value.split(","):
            match = _AMOUNT.fullmatch(part.strip())
            if match is None:
                raise self.wrong(key, f"“{clean(part.strip(), limit=40)}” is no amount with its currency", way, value)
            currency = match["currency"].upper()
            if currency not in _CURRENCIES:
                raise self.wrong(key, f"no market has the currency {currency}", f"Known: {', '.join(_CURRENCIES)}.")
            try:
                each.append(exact(match["amount"], currency))
            except ValueError as error:
                raise self.wrong(key, str(error), "", value) from None
        return Amounts(each=tuple(each))

    def condition(self, key: str, *, share: bool) -> Condition | None:
        value = self.take(key)
        if value is None:
            return None
        found = Condition()
        parts = value.split(",") if isinstance(value, str) else [str(value)]
        for part in parts:
            match = _END.fullmatch(part.strip())
            if match is None or isinstance(value, bool | list | dict):
                raise self.wrong(key, "it is no condition", f'Write {key} = ">= 3", or "> 3, <= 10".', value)
            number = Decimal(match["number"]) / (100 if share else 1)
            match match["op"]:
                case ">" | ">=":
                    found = replace(found, low=number, above=match["op"] == ">")
                case "<" | "<=":
                    found = replace(found, high=number, below=match["op"] == "<")
                case _:
                    found = Condition(number, number)
        if found.low is not None and found.high is not None:
            open_ended = found.above or found.below
            if found.low > found.high or (found.low == found.high and open_ended):
                raise self.wrong(key, "nothing can be both", f'Write {key} = "> 3, <= 10".', value)
        return found

    # What is wrong

    def end(self) -> None:
        """Refuse what no one took.

        Raises:
            SettingsError: There is a key that means nothing here.
        """
        for key in self.values:
            if key not in self.known:
                raise self.wrong(key, f"there is no “{clean(key, limit=60)}” here", _near(key, self.known))

    def wrong(self, key: str, message: str, hint: str, value: object = None) -> SettingsError:
        line = line_of(self.text, (*self.path, key))
        where = f"{self.name}, line {line}" if line else self.name
        return SettingsError(
            f"{where}: {clean(key, limit=60)}: {message}.",
            field=clean(key, limit=60),
            value=None if value is None else clean(value, limit=80),
            hint=hint or None,
        )


_CONDITIONS = ("stock", "age", "margin", "win_rate")

_PARAMS: dict[str, dict[str, tuple[str, str, Any, Any]]] = {
    "raise": {
        "after": ("duration", "raise_after", timedelta(minutes=1), 30 * _DAY),
        "looks": ("whole", "raise_looks", 1, 1_000),
        "step": ("amounts", "raise_step", None, None),
        "lost_within": ("duration", "raise_lost_within", timedelta(minutes=1), 7 * _DAY),
    },
    "win_small": {"within": ("share", "small", 0, 50)},
    "undercut": {"step": ("amounts", "undercut_step", None, None)},
    "standalone": {"price": ("amounts", "standalone_price", None, None)},
    "below_floor": {"to": ("choice", "below_floor", None, None)},
    "decay": {
        "from": ("whole", "decay_from", 0, 3_650),
        "to": ("whole", "decay_to", 1, 3_650),
        "start": ("amounts", "decay_start", None, None),
    },
    "scarcity": {
        "stock": ("whole", "scarce_stock", 1, 1_000),
        "sold": ("whole", "scarce_sold", 1, 100_000),
        "raise": ("share", "scarce_raise", 0, 50),
        "every": ("duration", "scarce_every", _HOUR, 30 * _DAY),
    },
}
"""The parameters by strategy and key: how they are written, their name in `Params`, and from where to where."""


def _near(name: str, known: "Any") -> str:
    close = nearest(name, known)
    return f"Did you mean “{close}”?" if close else f"Known: {', '.join(known)}."


def _number(text: str) -> Decimal | None:
    return Decimal(text.strip()) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip()) else None
