"""The limits of Back Market's API as rules: at most `limit` in any `window` seconds.

The numbers are the documented ones (edge 200 per 10 s and the sensitive class in the guidelines, the others at their
endpoints); settings may replace each of them, as `"200/10"`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bmconsole.domain.priority import Priority
from bmconsole.errors import SettingsError

SHORT_WINDOW = 60.0
"""Seconds up to which a rule is paced and lives on the boot-based clock; longer ones last over a restart."""

BACKGROUND_SHARE = 0.8
"""How much of an hour or day rule NORMAL and LOW may use: the rest is the operator's."""

MERGE_ABOVE = 256
"""Limits above this keep releases in buckets of a thousandth of the window, rounded up: fewer and never earlier."""

_RESERVE = 4
"""While a console is attached: page loads then wait 0.2 s at p99 instead of 0.3, for two percent of the budget."""

EDGE = "edge"
SENSITIVE = "sensitive"


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `limit` (requests, or lines) in any `window` seconds.

    `reserve` slots stay free of NORMAL and LOW while a console is attached. A `scoped` rule counts by market:
    its requests name it as `name:SCOPE`.
    """

    name: str
    limit: int
    window: float
    reserve: int = 0
    scoped: bool = False

    def __post_init__(self) -> None:
        if self.limit < 1 or not self.window > 0 or math.isinf(self.window):
            raise ValueError(f"not a limit: {self.limit}/{self.window}")

    @property
    def short(self) -> bool:
        """Whether the window is at most a minute."""
        return self.window <= SHORT_WINDOW

    def ceiling(self, priority: Priority) -> int:
        """Return the largest cost that a request of this priority can ever be granted."""
        if self.short or priority <= Priority.HIGH:
            return self.limit
        return max(1, int(self.limit * BACKGROUND_SHARE))


def rule_of(name: str) -> str:
    """Return the rule that a counted name belongs to: `listings_bi:FR` counts for the rule `listings_bi`."""
    return name.partition(":")[0]


def parse_limit(text: str) -> tuple[int, float]:
    """Read `"200/10"`: a limit and its window in seconds.

    Raises:
        SettingsError: The text is not a positive whole number over a positive number of seconds.
    """
    limit, slash, window = text.partition("/")
    try:
        parsed = int(limit), float(window)
    except ValueError:
        parsed = 0, 0.0
    if not slash or parsed[0] < 1 or not 0 < parsed[1] < math.inf:
        raise SettingsError(
            f"“{text}” is not a limit.", field="limits", value=text, hint="Write requests per seconds, such as 200/10."
        )
    return parsed


def default_rules() -> tuple[Rule, ...]:
    """Return the documented limits."""
    return (
        Rule(EDGE, 200, 10.0, reserve=_RESERVE),
        Rule(SENSITIVE, 20, 10.0),
        Rule("competitors", 2, 1.0),
        Rule("sku_lines", 2000, 3600.0),
        Rule("listings_bi", 2, 3600.0, scoped=True),
        Rule("care", 520, 60.0),
        Rule("care_day", 4000, 86400.0),
        Rule("care_folder", 600, 60.0),
        Rule("care_folder_day", 40000, 86400.0),
        Rule("care_problem", 750, 60.0),
        Rule("care_problem_day", 1000, 86400.0),
        Rule("care_message", 560, 60.0),
        Rule("care_message_day", 40000, 86400.0),
        Rule("care_transfer", 292, 60.0),
        Rule("care_transfer_day", 500, 86400.0),
        Rule("care_refund_day", 500, 86400.0),
    )


def rules_from_settings(limits: Mapping[str, str]) -> tuple[Rule, ...]:
    """Return the rules with the configured limits in place of the documented ones.

    Args:
        limits: By rule name, such as `{"edge": "200/10"}`.

    Raises:
        SettingsError: A name is no rule, or a limit cannot be read.
    """
    rules = {rule.name: rule for rule in default_rules()}
    for name, text in limits.items():
        if name not in rules:
            raise SettingsError(
                f"There is no limit “{name}”.", field=f"limits.{name}", value=text, hint=f"Known: {', '.join(rules)}."
            )
        limit, window = parse_limit(text)
        rules[name] = replace(rules[name], limit=limit, window=window, reserve=_reserve(name, limit))
    return tuple(rules.values())


def _reserve(name: str, limit: int) -> int:
    return _RESERVE if name == EDGE and limit >= 50 else 0


def by_name(rules: Iterable[Rule]) -> dict[str, Rule]:
    """Return the rules by name."""
    return {rule.name: rule for rule in rules}
