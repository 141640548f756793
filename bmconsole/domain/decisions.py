"""What repricing decided about one price, with everything that it was made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from bmconsole.domain.money import Money, exact
from bmconsole.domain.times import stamp


class Mode(StrEnum):
    """What repricing may do by itself."""

    OFF = "off"
    """Nothing is decided for these listings, and nothing is written."""
    OBSERVE = "observe"
    """The backbox is recorded; decisions can be looked at and applied by hand."""
    SUGGEST = "suggest"
    """Decisions wait for approval."""
    AUTO = "auto"
    """Decisions within the guards are written."""


class Standing(StrEnum):
    """How an offer stands, in the order of what is asked first: without a cost nothing else is known."""

    NO_COST = "NO COST"
    """No cost in the market's currency, or no VAT scheme: there is no floor."""
    CONFLICT = "CONFLICT"
    """The floor is above the ceiling, or fee, VAT and margin leave nothing of the price."""
    UNDER_FLOOR = "UNDER FLOOR"
    """The live price is under the floor: each sale misses what the owner asked for."""
    NO_DATA = "NO DATA"
    """Not online, without a price, or without data in the backbox."""
    STALE = "STALE"
    """The last observation is too old, or older than our own last change and the time that it takes to settle."""
    WIN = "WIN"
    WINNABLE = "WINNABLE"
    """Not winning, and the price to win (or the winner's, where there is none) is not under the floor."""
    BLOCKED = "BLOCKED BY FLOOR"
    """Not winning, and the price to win is under the floor."""


class Verdict(StrEnum):
    """What happens with a decision."""

    WRITE = "write"
    """Is written without asking (mode `auto`), or was approved."""
    SUGGEST = "suggest"
    """Waits for approval."""
    OBSERVE = "observe"
    """Would change the price, but the mode only observes: `reprice --apply` writes it."""
    HOLD = "hold"
    """The price stays: the strategy says so, there is nothing to decide from, or a guard holds and alerts."""
    SKIP = "skip"
    """A guard stopped it; `guards` names which."""
    OFF = "off"
    """The mode is off."""


class Check(NamedTuple):
    """One guard's word on a decision.

    `effect`: `passed`, `skip`, `hold` (and alert), `suggest`, `clip`, `clamp`, `flag`, or `waived` where approval or
    the repair of a price under its floor sets it aside. `detail` says it with figures, empty where it passed.
    """

    guard: str
    effect: str = "passed"
    detail: str = ""

    @property
    def hit(self) -> bool:
        return self.effect != "passed"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about the price of one listing in one market, and why.

    `target` is None where the price stays (`hold`, `skip` and `off`; a skipped target stands in `wanted`). Where
    `min_price` is set, it is to be written together with the price: BackPricer's lower end.
    """

    listing: str
    sku: str
    market: str
    decision: Verdict
    strategy: str | None
    rule: str | None
    old: Money | None
    target: Money | None
    floor: Money | None
    ceiling: Money | None
    guards: tuple[Check, ...]
    tell: str | Callable[[], str] = field(repr=False, compare=False)
    """The line of `reason`, or what makes it when somebody reads it."""
    standing: Standing
    mode: Mode
    at: datetime
    min_price: Money | None = None
    wanted: Money | None = None
    """What the strategy asked for before any guard."""
    worth: Money | None = None
    """What is at stake: profit or loss a unit, times the units that a week sells (at least one, at most the stock)."""
    margin: Decimal | None = None
    """Net profit as a share of the price, at the target, or at the present price where it stays."""
    flagged: bool = False
    """Written, but with a margin thin enough to be looked at."""
    alert: bool = False
    """A guard found something that looks wrong; people should look."""
    made_from: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Everything that it was made from, as JSON: facts, terms, rule, limits and times."""

    @property
    def reason(self) -> str:
        """One line that explains the decision."""
        return self.tell if isinstance(self.tell, str) else self.tell()

    @property
    def changes(self) -> bool:
        """Whether a price is to be written, at once or after approval."""
        return self.target is not None

    @property
    def key(self) -> tuple[str, str]:
        """The listing's UUID and the market."""
        return self.listing, self.market

    def hit(self, guard: str) -> bool:
        """Return whether `guard` had an effect on the decision."""
        return any(check.guard == guard and check.hit for check in self.guards)

    def as_json(self) -> dict[str, object]:
        """Return the decision as JSON: `guards` names those that were hit, `passed` the others."""

        def money(value: Money | None) -> dict[str, str] | None:
            return None if value is None else value.as_json()

        return {
            "listing": self.listing,
            "sku": self.sku,
            "market": self.market,
            "decision": str(self.decision),
            "strategy": self.strategy,
            "old": money(self.old),
            "target": money(self.target),
            "floor": money(self.floor),
            "ceiling": money(self.ceiling),
            "guards": [check.guard for check in self.guards if check.hit],
            "reason": self.reason,
            "rule": self.rule,
            "standing": str(self.standing),
            "mode": str(self.mode),
            "min_price": money(self.min_price),
            "wanted": money(self.wanted),
            "worth": money(self.worth),
            "margin": None if self.margin is None else f"{self.margin:.4f}",
            "flagged": self.flagged,
            "alert": self.alert,
            "passed": [check.guard for check in self.guards if not check.hit],
            "checks": [list(check) for check in self.guards],
            "at": stamp(self.at),
            "made_from": dict(self.made_from),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Decision":
        """Return the decision that `as_json` gave, as it was kept.

        Raises:
            KeyError, ValueError, TypeError: It is no such decision.
        """
        checks: Sequence[Sequence[str]] = data["checks"]
        return cls(
            listing=data["listing"],
            sku=data["sku"],
            market=data["market"],
            decision=Verdict(data["decision"]),
            strategy=data["strategy"],
            rule=data["rule"],
            old=_money(data["old"]),
            target=_money(data["target"]),
            floor=_money(data["floor"]),
            ceiling=_money(data["ceiling"]),
            guards=tuple(Check(*check) for check in checks),
            tell=data["reason"],
            standing=Standing(data["standing"]),
            mode=Mode(data["mode"]),
            at=datetime.fromisoformat(data["at"]),
            min_price=_money(data["min_price"]),
            wanted=_money(data["wanted"]),
            worth=_money(data["worth"]),
            margin=None if data["margin"] is None else Decimal(data["margin"]),
            flagged=data["flagged"],
            alert=data["alert"],
            made_from=data["made_from"],
        )


def _money(data: Mapping[str, str] | None) -> Money | None:
    return None if data is None else exact(data["amount"], data["currency"])
