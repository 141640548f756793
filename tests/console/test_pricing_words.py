"""How repricing reads: its filter, and words and glyphs that tell without colours."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.console import pricing
from bmconsole.console.look import plain
from bmconsole.console.pricing_filter import SLUGS, Narrowing, complete, parse
from bmconsole.domain.decisions import Check, Decision, Mode, Standing, Verdict
from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import STANDINGS, STATES, DecisionRow, PauseRow
from bmconsole.errors import FilterError

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MARKETS = ("fr-fr", "de-de")


def decision(**changes: object) -> Decision:
    values: dict[str, object] = {
        "listing": "x",
        "sku": "IP13",
        "market": "fr-fr",
        "decision": Verdict.SUGGEST,
        "strategy": "win",
        "rule": None,
        "old": Money(44_900, "EUR"),
        "target": Money(43_100, "EUR"),
        "floor": Money(40_217, "EUR"),
        "ceiling": None,
        "guards": (Check("pause"), Check("step", "suggest", "−8.7 % is more than 5 %")),
        "tell": "449.00 → 431.00 · win: price to win 431.00 · floor 402.17",
        "standing": Standing.WINNABLE,
        "mode": Mode.SUGGEST,
        "at": NOW,
    }
    return Decision(**(values | changes))  # type: ignore[arg-type]  # its own fields


# -- the filter --------------------------------------------------------------------------------------------------


def test_every_standing_has_a_word() -> None:
    assert set(SLUGS.values()) == set(STANDINGS) == set(Standing)
    assert parse("under-floor").standing is Standing.UNDER_FLOOR
    assert parse("blocked").standing is Standing.BLOCKED


def test_a_filter_says_standing_state_market_and_what_listings_are_meant() -> None:
    found = parse('winnable  waiting market:de-de grade:good "no-cost" stock>2', MARKETS)
    assert found == Narrowing(Standing.WINNABLE, "waiting", "de-de", 'grade:good "no-cost" stock>2')
    query = found.query("-money")
    assert (query.standing, query.state, query.market, query.sort) == ("WINNABLE", "waiting", "de-de", "-money")
    assert query.where == 'grade:good "no-cost" stock>2'


@given(
    standing=st.none() | st.sampled_from(list(Standing)),
    state=st.none() | st.sampled_from([state for state in STATES if state]),
    market=st.none() | st.sampled_from(MARKETS),
    where=st.sampled_from(["", "grade:good", '"under-floor"', "ip13 pro", "!out-of-stock", 'sku:"a b"']),
)
def test_what_is_narrowed_to_reads_as_a_filter(
    standing: Standing | None, state: str | None, market: str | None, where: str
) -> None:
    narrowing = Narrowing(standing, state, market, where)
    assert parse(str(narrowing), MARKETS) == narrowing


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("winnable win", 9, "one standing"),
        ("waiting written", 8, "one state"),
        ("market:fr-fr market:de-de", 13, "one market"),
        ("win market:mars", 11, "no market mars"),
        ("market:", 7, "no market"),
        ("winnable colour:red", 9, "no field colour"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError, match=message) as refused:
        parse(text, MARKETS)
    assert refused.value.position == position


def test_suggestions_go_on_from_what_is_typed() -> None:
    assert complete("winn", MARKETS)[0].text == "winnable"
    assert [(each.start, each.text) for each in complete("winnable market:d", MARKETS)] == [(16, "de-de")]
    assert "grade:" in {each.text for each in complete("gra", MARKETS)}
    assert complete('"under', MARKETS) == []
    texts = [each.text for each in complete("", MARKETS)]
    assert len(texts) == len(set(texts))


def test_toggling_twice_changes_nothing() -> None:
    start = Narrowing(where="ip13")
    assert start.toggled(state="waiting").toggled(state="waiting") == start
    assert start.toggled(standing=Standing.WIN).toggled(standing=Standing.WIN) == start


# -- words and glyphs --------------------------------------------------------------------------------------------


def test_standings_and_states_differ_without_colours() -> None:
    assert len({glyph for glyph, _ in pricing.STANDING_LOOK.values()}) == len(Standing)
    words = {plain(pricing.standing(standing)) for standing in Standing}
    assert len(words) == len(Standing)
    assert set(pricing.STATE_LOOK) == {state for state in STATES if state}
    states = {plain(pricing.state(DecisionRow(decision(), state=state))) for state in pricing.STATE_LOOK}
    assert len(states) == len(pricing.STATE_LOOK)


def test_changes_read_with_a_sign() -> None:
    assert plain(pricing.change(decision())) == "−4.0 %"
    assert plain(pricing.change(decision(target=Money(47_000, "EUR")))) == "+4.7 %"
    assert plain(pricing.change(decision(target=None))) == "–"
    assert pricing.percent(Money(0, "EUR"), Money(1, "EUR")) is None
    assert pricing.percent(Money(100, "EUR"), Money(100, "SEK")) is None


def test_a_target_that_a_guard_stopped_is_in_brackets() -> None:
    stopped = decision(target=None, wanted=Money(40_000, "EUR"))
    assert plain(pricing.target(stopped)) == "(400.00)"
    assert plain(pricing.target(decision())) == "431.00"
    assert plain(pricing.target(decision(target=None))) == "–"


def test_shares_and_sums_read_short() -> None:
    assert plain(pricing.share(Decimal("0.2345"))) == "23.5 %"
    assert plain(pricing.share(Decimal("-0.05"))) == "−5.0 %"
    assert pricing.short_money([]) == ""
    assert pricing.short_money([Money(1_231_049, "EUR")]) == "12,310 EUR"
    assert pricing.short_money([Money(120_000, "JPY"), Money(5_000, "EUR")]) == "120,000 JPY+"


def test_a_reason_is_told_part_by_part_and_guards_with_their_word() -> None:
    lines = [plain(line) for line in pricing.reason_lines(decision())]
    assert lines == ["449.00 → 431.00", "win: price to win 431.00", "floor 402.17"]
    assert plain(pricing.reason(decision())).startswith("449.00 → 431.00  ·  win")
    assert [plain(line) for line in pricing.hit_guards(decision())] == ["▲ step suggest  −8.7 % is more than 5 %"]


def test_remote_text_cannot_reach_the_terminal_as_it_is() -> None:
    nasty = decision(tell="a\x1b[31m · b\u202e")
    assert "\x1b" not in plain(pricing.reason(nasty))
    assert "\u202e" not in plain(pricing.reason(nasty))


def test_a_pause_is_told_with_its_time_and_reason() -> None:
    whole = PauseRow(1, None, None, None, NOW - timedelta(minutes=12), "wrong costs")
    part = PauseRow(2, "de-de", None, None, NOW)
    assert pricing.paused([part, whole], NOW) == "everything, for 12 min: wrong costs"
    assert pricing.stops_all([part, whole])
    assert not pricing.stops_all([part])
    many = [PauseRow(number, None, f"id{number}", f"SKU{number}", NOW) for number in range(5)]
    assert pricing.paused(many, NOW) == "SKU0, SKU1, SKU2 and 2 more"
    assert pricing.paused([], NOW) == ""
