"""A backbox that misleads: what its answers say when they are wrong, empty, old or part of a trap.

It is switched on by `PUT /_sandbox/market` with `{"hostile": [{"kind": "null", "share": 0.2}]}`. Each kind strikes its
share of the places (a listing in a market), always the same ones for the same seed, so that a test can tell what a
client should have left alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from .draw import Draw
from .listings import JsonObject, Listing

_FIELDS = ("price_to_win", "winner_price", "price")
_NONSENSE = ("NaN", "-5.00", "0.00", "", "1e99", "12,50", "free")


@dataclass(frozen=True, slots=True)
class Hostile:
    """One kind of it, and the share of the places that it strikes (0 to 1).

    | kind | what comes |
    |---|---|
    | `one` | the best rival asks 1.00 (100 yen): a trap, a mistake or another product |
    | `null` | one or all of the amounts, or `is_winning`, are null |
    | `currency` | amounts in another market's currency |
    | `frozen` | what came at the first look since it was switched on, whatever happens after |
    | `missing` | 404 for the listing |
    | `empty` | no element for the place, an empty list where none is left |
    | `nonsense` | an amount that is none: NaN, negative, empty, with a comma |
    | `flood` | a price to win of half of what it was a moment ago |
    | `flapping` | the winner changes with each look |
    | `contradicting` | not winning, with a price to win above our own price; or winning with one below it |
    | `shuffled` | the markets in another order, so that the first is not the shop's main one |
    """

    kind: str
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a hostile kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if isinstance(self.share, bool) or not isinstance(self.share, int | float) or not 0 <= self.share <= 1:
            raise ValueError("share must be from 0 to 1")


def hostile_from(settings: object) -> Hostile:
    """Return the kind that an object of `kind` and `share` describes.

    Raises:
        ValueError: Unknown kind or argument, or a share out of bounds.
    """
    if not isinstance(settings, Mapping) or not {"kind"} <= set(settings) <= {"kind", "share"}:
        raise ValueError("a hostile kind is an object of kind and share")
    return Hostile(str(settings["kind"]), settings.get("share", 1.0))


class Hostility:
    """The hostile kinds that are on.

    Args:
        seed: The world: it decides which places are struck.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._active: dict[str, Hostile] = {}
        self._frozen: dict[tuple[int, str], JsonObject] = {}
        self._looks: dict[tuple[int, str], int] = {}

    def set(self, hostile: Sequence[Hostile]) -> None:
        """Put these in the place of those that are on; nothing switches all off."""
        self._active = {one.kind: one for one in hostile}
        self._frozen.clear()
        self._looks.clear()

    def as_json(self) -> list[JsonObject]:
        """Return what is on, as `hostile_from` takes it."""
        return [asdict(one) for one in self._active.values()]

    def strikes(self, kind: str, index: int, market: str) -> bool:
        """Return whether this kind is on and strikes this place."""
        one = self._active.get(kind)
        return one is not None and Draw(self._seed, "hostile", kind, index, market).happens(one.share)

    def shown(self, listing: Listing, elements: Mapping[str, JsonObject]) -> list[JsonObject] | None:
        """Return what the answer says, None for 404.

        Args:
            listing: Whose backboxes were asked for.
            elements: The truth, by market.
        """
        if not self._active:
            return list(elements.values())
        found: list[JsonObject] = []
        for market, element in elements.items():
            if self.strikes("missing", listing.index, market):
                return None
            if self.strikes("empty", listing.index, market):
                continue
            found.append(self._twisted(listing.index, market, element))
        if "shuffled" in self._active:
            found.reverse()
        return found

    def _twisted(self, index: int, market: str, element: JsonObject) -> JsonObject:
        key = (index, market)
        if self.strikes("frozen", index, market):
            element = self._frozen.setdefault(key, dict(element))
        for kind, twist in _TWISTS.items():
            if self.strikes(kind, index, market):
                look = self._looks[key] = self._looks.get(key, 0) + 1
                element = dict(element)
                twist(element, Draw(self._seed, "twist", kind, index, market), look)
        return element


def _no_values(element: JsonObject, draw: Draw, look: int) -> None:
    some = (("price_to_win",), ("winner_price",), ("is_winning",), ("price_to_win", "winner_price"), _FIELDS)
    element.update(dict.fromkeys(draw.pick(some)))


def _other_currency(element: JsonObject, draw: Draw, look: int) -> None:
    for name in (*_FIELDS, "min_price"):
        amount = element[name]
        if isinstance(amount, dict):
            element[name] = {**amount, "currency": "SEK" if amount["currency"] != "SEK" else "EUR"}


def _no_amount(element: JsonObject, draw: Draw, look: int) -> None:
    name = draw.pick(("price_to_win", "winner_price"))
    amount = element[name] or element["price"]
    if isinstance(amount, dict):
        element[name] = {**amount, "amount": draw.pick(_NONSENSE)}


def _scaled(amount: object, percent: int) -> object:
    """Return an amount of so many per cent, written with as many decimals."""
    if not isinstance(amount, dict):
        return amount
    text = str(amount["amount"])
    whole, point, rest = text.partition(".")
    minor = int(whole + rest) * percent // 100
    digits = f"{minor:0{len(rest) + 1}d}"
    return {**amount, "amount": f"{digits[: -len(rest)]}.{digits[-len(rest) :]}" if point else digits}


def _flood(element: JsonObject, draw: Draw, look: int) -> None:
    element["is_winning"] = False
    element["price_to_win"] = element["winner_price"] = _scaled(element["price"], 50)


def _flap(element: JsonObject, draw: Draw, look: int) -> None:
    wins = look % 2 == 0
    element["is_winning"] = wins
    element["price_to_win"] = element["winner_price"] = _scaled(element["price"], 100 if wins else 98)


def _contradict(element: JsonObject, draw: Draw, look: int) -> None:
    wins = bool(element["is_winning"])
    element["price_to_win"] = _scaled(element["price"], 90 if wins else 110)


_TWISTS: dict[str, Callable[[JsonObject, Draw, int], None]] = {
    "flood": _flood,
    "flapping": _flap,
    "contradicting": _contradict,
    "currency": _other_currency,
    "nonsense": _no_amount,
    "null": _no_values,
}
KINDS = ("one", "frozen", "missing", "empty", "shuffled", *_TWISTS)
