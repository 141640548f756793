"""What a decision was made from, as JSON that is kept with it, and back: the same facts decide the same again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bmconsole.domain.costs import Cost, Vat
from bmconsole.domain.decisions import Mode
from bmconsole.domain.listings import Backbox
from bmconsole.domain.money import Money, exact
from bmconsole.domain.times import stamp
from bmconsole.pricing.values import DEFAULT_LIMITS, Amounts, Change, Facts, Limits, Past, Terms

Json = dict[str, Any]

_AMOUNTS = ("purchase", "parts", "labour", "shipping", "min_profit", "manual_min", "manual_max")


class MadeFrom(Mapping[str, Any]):
    """What one decision was made from, unfolded as JSON when somebody looks: of many, few are looked at."""

    __slots__ = ("_said", "_unfold")

    def __init__(self, unfold: Callable[[], Json]) -> None:
        self._unfold = unfold
        self._said: Json | None = None

    def __getitem__(self, key: str) -> Any:
        return self._unfolded()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._unfolded())

    def __len__(self) -> int:
        return len(self._unfolded())

    def _unfolded(self) -> Json:
        if self._said is None:
            self._said = self._unfold()
        return self._said


def facts_json(facts: Facts) -> Json:
    """Return facts as JSON: amounts as `449.00 EUR`, shares as text, times as `stamp`; unknown ones are left out."""
    box = facts.box
    said: Json = {
        "listing": facts.listing,
        "sku": facts.sku,
        "market": facts.market,
        "currency": facts.currency,
        "price": _money(facts.price),
        "min_price": _money(facts.min_price),
        "max_price": _money(facts.max_price),
        "title": facts.title or None,
        "grade": facts.grade,
        "product": facts.product,
        "quantity": facts.quantity,
        "publication_state": facts.publication_state,
        "first_seen": _time(facts.first_seen),
        "live_at": _time(facts.live_at),
        "box": None
        if box is None
        else {
            "price": _money(box.price),
            "price_to_win": _money(box.price_to_win),
            "winner_price": _money(box.winner_price),
            "winning": box.winning,
            "first_seen": stamp(box.first_seen),
            "last_seen": stamp(box.last_seen),
        },
        "past": _past_json(facts.past),
        "cost": None if facts.cost is None else _cost_json(facts.cost),
        "measured_fee": _text(facts.measured_fee),
        "first_price": _money(facts.first_price),
        "better": _money(facts.better),
        "worse": _money(facts.worse),
        "paused": facts.paused,
        "mode": facts.mode,
        "limits": None if facts.limits is None else {name: _plain(value) for name, value in facts.limits.items()},
    }
    return {name: value for name, value in said.items() if value is not None}


def facts_of(said: Mapping[str, Any]) -> Facts:
    """Return the facts that `facts_json` told.

    Raises:
        KeyError, ValueError, TypeError: They are no such facts.
    """
    box, past, cost = said.get("box"), said.get("past") or {}, said.get("cost")
    return Facts(
        listing=said["listing"],
        sku=said["sku"],
        market=said["market"],
        currency=said["currency"],
        price=_money_of(said.get("price")),
        min_price=_money_of(said.get("min_price")),
        max_price=_money_of(said.get("max_price")),
        title=said.get("title", ""),
        grade=said.get("grade"),
        product=said.get("product"),
        quantity=said.get("quantity"),
        publication_state=said.get("publication_state"),
        first_seen=_time_of(said.get("first_seen")),
        live_at=_time_of(said.get("live_at")),
        box=None
        if box is None
        else Backbox(
            price=_money_of(box["price"]),
            price_to_win=_money_of(box["price_to_win"]),
            winner_price=_money_of(box["winner_price"]),
            winning=box["winning"],
            first_seen=datetime.fromisoformat(box["first_seen"]),
            last_seen=datetime.fromisoformat(box["last_seen"]),
        ),
        past=_past_of(past),
        cost=None if cost is None else _cost_of(cost),
        measured_fee=_decimal(said.get("measured_fee")),
        first_price=_money_of(said.get("first_price")),
        better=_money_of(said.get("better")),
        worse=_money_of(said.get("worse")),
        paused=said.get("paused"),
        mode=Mode(said["mode"]) if "mode" in said else None,
        limits=limits_of(said["limits"]) if "limits" in said else None,
    )


def terms_json(terms: Terms) -> Json:
    """Return the terms of a profile as JSON."""
    return {
        "mode": str(terms.mode),
        "vat": None if terms.vat is None else str(terms.vat),
        "fee": str(terms.fee),
        "stopped": terms.stopped,
    }


def terms_of(said: Mapping[str, Any]) -> Terms:
    """Return the terms that `terms_json` told; raises as `facts_of`."""
    return Terms(
        mode=Mode(said["mode"]),
        vat=Vat.parse(said["vat"]) if said["vat"] is not None else None,
        fee=Decimal(said["fee"]),
        stopped=said["stopped"],
    )


def limits_json(limits: Limits) -> Json:
    """Return the limits that are not the default ones."""
    if limits is DEFAULT_LIMITS:
        return {}
    return {
        each.name: _plain(getattr(limits, each.name))
        for each in fields(Limits)
        if getattr(limits, each.name) != getattr(DEFAULT_LIMITS, each.name)
    }


def limits_of(said: Mapping[str, Any]) -> dict[str, object]:
    """Return limits as `Facts.limits` takes them from what `limits_json` told: each of the type that it has to be."""
    found: dict[str, object] = {}
    for name, value in said.items():
        usual = getattr(DEFAULT_LIMITS, name)
        if isinstance(usual, timedelta):
            found[name] = timedelta(seconds=float(value))
        elif isinstance(usual, Decimal):
            found[name] = Decimal(value)
        elif usual is None:
            share = value.get("share")
            each = tuple(exact(*money.split()) for money in value["each"])
            found[name] = Amounts(None if share is None else Decimal(share), each)
        else:
            found[name] = value
    return found


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Amounts):
        return {"share": _text(value.share), "each": [str(money) for money in value.each]}
    return value


def _past_json(past: Past) -> Json | None:
    if past is _NO_PAST:
        return None
    return {
        "changes": [[stamp(change.at), str(change.old), str(change.new)] for change in past.changes],
        "flips": [stamp(at) for at in past.flips],
        "winning_since": _time(past.winning_since),
        "winning_looks": past.winning_looks,
        "average": _money(past.average),
        "anchor": _money(past.anchor),
        "sold": past.sold,
        "win_rate": _text(past.win_rate),
        "won_at": _money(past.won_at),
        "lost_at": _money(past.lost_at),
    }


def _past_of(said: Mapping[str, Any]) -> Past:
    if not said:
        return _NO_PAST
    changes = tuple(
        Change(datetime.fromisoformat(at), exact(*old.split()), exact(*new.split())) for at, old, new in said["changes"]
    )
    return Past(
        changes=changes,
        flips=tuple(datetime.fromisoformat(at) for at in said["flips"]),
        winning_since=_time_of(said["winning_since"]),
        winning_looks=said["winning_looks"],
        average=_money_of(said["average"]),
        anchor=_money_of(said["anchor"]),
        sold=said["sold"],
        win_rate=_decimal(said["win_rate"]),
        won_at=_money_of(said["won_at"]),
        lost_at=_money_of(said["lost_at"]),
    )


_NO_PAST = Past()


def _cost_json(cost: Cost) -> Json:
    said: Json = {
        "sku": cost.sku,
        "currency": cost.currency,
        "grade": cost.grade,
        "market": cost.market,
        "fee": _text(cost.fee),
        "target_margin": _text(cost.target_margin),
        "vat": None if cost.vat is None else str(cost.vat),
    }
    for name in _AMOUNTS:
        said[name] = _text(getattr(cost, name))
    return said


def _cost_of(said: Mapping[str, Any]) -> Cost:
    return Cost(
        sku=said["sku"],
        currency=said["currency"],
        purchase=Decimal(said["purchase"]),
        parts=Decimal(said["parts"]),
        labour=Decimal(said["labour"]),
        shipping=Decimal(said["shipping"]),
        grade=said["grade"],
        market=said["market"],
        fee=_decimal(said["fee"]),
        target_margin=_decimal(said["target_margin"]),
        min_profit=_decimal(said["min_profit"]),
        manual_min=_decimal(said["manual_min"]),
        manual_max=_decimal(said["manual_max"]),
        vat=None if said["vat"] is None else Vat.parse(said["vat"]),
    )


def _money(money: Money | None) -> str | None:
    return None if money is None else str(money)


def _money_of(text: str | None) -> Money | None:
    return None if text is None else exact(*text.split())


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)


def _time_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
