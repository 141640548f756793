"""The filter over decisions: a standing, a state, a market, and any filter over listings.

`winnable waiting market:de-de grade:good IP13` shows decisions that wait, of winnable offers in Germany whose listing
passes `grade:good IP13`. A word in quotes is text, whatever it says.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bmconsole.console.completion import Suggestion, complete_filter, matching
from bmconsole.domain.decisions import Standing
from bmconsole.domain.filters import Table, nearest, parse_filter
from bmconsole.domain.pricing_views import STANDINGS, STATES, PricingQuery
from bmconsole.domain.text import clean
from bmconsole.errors import FilterError

SLUGS: dict[str, Standing] = {
    "blocked" if standing is Standing.BLOCKED else str(standing).lower().replace(" ", "-"): standing
    for standing in STANDINGS
}
"""Standings as they are typed: `under-floor`, `blocked`."""
_STATES = tuple(state for state in STATES if state)
_MARKET = "market:"
_TERM = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What rows are narrowed to. As text it is a filter that says the same; `where` is about listings."""

    standing: Standing | None = None
    state: str | None = None
    market: str | None = None
    where: str = ""

    def __str__(self) -> str:
        standing = next((slug for slug, each in SLUGS.items() if each is self.standing), "")
        market = f"{_MARKET}{self.market}" if self.market else ""
        return " ".join(part for part in (standing, self.state or "", market, self.where) if part)

    def query(self, sort: str) -> PricingQuery:
        """Return it as the workspace takes it."""
        standing = None if self.standing is None else str(self.standing)
        return PricingQuery(where=self.where, standing=standing, market=self.market, state=self.state, sort=sort)

    def toggled(self, *, standing: Standing | None = None, state: str | None = None) -> "Narrowing":
        """Return it narrowed to a standing or a state, or no longer where it was."""
        if standing is not None:
            return replace(self, standing=None if self.standing is standing else standing)
        return replace(self, state=None if self.state == state else state)


def parse(text: str, markets: Sequence[str] = ()) -> Narrowing:
    """Return what a filter says.

    Args:
        text: What was typed.
        markets: The markets that there are; none checks none.

    Raises:
        FilterError: No such market, two standings, states or markets, or what a filter over listings cannot say.
    """
    found, rest = Narrowing(), text
    for match in _TERM.finditer(text):
        term, start = match[0], match.start()
        if term in SLUGS:
            _once(found.standing, "standing", start)
            found = replace(found, standing=SLUGS[term])
        elif term in _STATES:
            _once(found.state, "state", start)
            found = replace(found, state=term)
        elif term.startswith(_MARKET):
            _once(found.market, "market", start)
            found = replace(found, market=_known(term.removeprefix(_MARKET), markets, start + len(_MARKET)))
        else:
            continue
        # Blanks keep the places of what follows, which errors name.
        rest = rest[:start] + " " * len(term) + rest[match.end() :]
    parse_filter(rest, Table.LISTINGS)
    return replace(found, where=" ".join(_TERM.findall(rest)))


def _known(market: str, markets: Sequence[str], position: int) -> str:
    if not market or (markets and market not in markets):
        near = nearest(market, markets) if market else None
        raise FilterError(
            f"There is no market {clean(market, limit=40) or 'without a name'}.",
            position=position,
            value=clean(market, limit=40),
            hint=f"Did you mean {near}?" if near else f"One of: {', '.join(markets)}.",
        )
    return market


def _once(present: object, what: str, position: int) -> None:
    if present is not None:
        raise FilterError(f"A filter has one {what}.", position=position)


def complete(typed: str, markets: Sequence[str]) -> list[Suggestion]:
    """Return what a filter may go on with."""
    if typed.count('"') % 2:
        return []
    word = re.split(r"\s", typed)[-1]
    if word.startswith(_MARKET):
        value = word.removeprefix(_MARKET)
        return matching(value, len(typed) - len(value), [(market, "") for market in markets])
    words = [(slug, f"stands as {standing}") for slug, standing in SLUGS.items()]
    words += [(state, "what became of it") for state in _STATES]
    own = matching(word, len(typed) - len(word), [*words, (_MARKET, "of one market")])
    taken = {each.text for each in own}
    return [*own, *(each for each in complete_filter(typed, Table.LISTINGS) if each.text not in taken)]
