"""The price graph: sizes that hold, lines that read without colours, scales that a trap does not press flat."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bmconsole.console.look import Tone, plain
from bmconsole.console.widgets.plot import Canvas, Track, draw, scale_step, time_marks
from bmconsole.console.widgets.pricegraph import LOWEST, NARROWEST, price_graph
from bmconsole.domain.intents import LISTING, Intent, IntentState
from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import PriceAt, PriceHistory, Sale, Seen

PARIS = ZoneInfo("Europe/Paris")
UNTIL = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def change(hours: int, base: str, want: str, state: IntentState = IntentState.CONFIRMED) -> Intent:
    at = UNTIL - hours * HOUR
    return Intent(hours, LISTING, "x", "fr-fr", {"price": base}, {"price": want}, state, "rule", at, at)


def history(days: int = 7, *, to_win: int = 43_100, floor: int | None = 40_217) -> PriceHistory:
    """Return a week in which we lost the box, followed down, and won it again."""
    since = UNTIL - timedelta(days=days)
    middle = UNTIL - 60 * HOUR
    return PriceHistory(
        listing="x",
        sku="IP13",
        title="iPhone 13",
        market="fr-fr",
        currency="EUR",
        since=since,
        until=UNTIL,
        prices=(PriceAt(since - HOUR, eur(44_900)), PriceAt(middle, eur(43_100))),
        seen=(
            Seen(since, UNTIL - 90 * HOUR, eur(44_900), eur(44_900), eur(44_900), True),
            Seen(UNTIL - 89 * HOUR, UNTIL - 61 * HOUR, eur(44_900), eur(to_win), eur(to_win + 1), False),
            Seen(UNTIL - 59 * HOUR, UNTIL - HOUR, eur(43_100), eur(43_100), eur(43_100), True),
        ),
        sales=(Sale(UNTIL - 120 * HOUR, 1, eur(44_900)), Sale(UNTIL - 20 * HOUR, 2, eur(43_100))),
        changes=(change(60, "449.00", "431.00"), change(30, "431.00", "425.00", IntentState.REJECTED)),
        floor=None if floor is None else eur(floor),
        ceiling=eur(52_000),
    )


def shown(of: PriceHistory, width: int = 100, height: int = 16) -> list[str]:
    return [plain(line) for line in price_graph(of, width, height, PARIS)]


@given(
    width=st.integers(NARROWEST, 200),
    height=st.integers(LOWEST, 60),
    days=st.integers(1, 400),
    to_win=st.integers(1, 200_000),
    floor=st.none() | st.integers(1, 200_000),
)
def test_it_fills_its_box_exactly(width: int, height: int, days: int, to_win: int, floor: int | None) -> None:
    lines = shown(history(days, to_win=to_win, floor=floor), width, height)
    assert len(lines) == height
    assert {cell_len(line) for line in lines} == {width}


def test_each_line_is_named_at_its_end_with_its_last_value() -> None:
    text = "\n".join(shown(history()))
    for name in ("━━ ours 431.00", "╍╍ to win 431.00", "·· winner 431.00", "╌╌ floor 402.17"):
        assert text.count(name) == 1
    assert "╌╌ ceiling 520.00 ↑" in text


def test_strips_tell_boxes_changes_and_sales() -> None:
    lines = shown(history())
    box, changed, sold = lines[-3:]
    assert box.startswith("box won")
    assert "━" in box
    assert "·" in box
    assert box.index("·") > box.index("━")
    assert changed.split() == ["changed", "▼"], "what was refused is no change"
    assert sold.split() == ["sold", "1", "2"]


def test_sales_in_one_cell_add_up() -> None:
    many = replace(history(), sales=tuple(Sale(UNTIL - 20 * HOUR, 2, None) for _ in range(4)))
    assert shown(many)[-1].split() == ["sold", "8"]
    more = replace(history(), sales=tuple(Sale(UNTIL - 20 * HOUR, 4, None) for _ in range(4)))
    assert shown(more)[-1].split() == ["sold", "+"]


def test_a_trap_does_not_press_the_scale_flat() -> None:
    lines = shown(history(to_win=99))
    scale = [float(line.split()[0]) for line in lines if "┤" in line]
    assert min(scale) >= 400
    assert len(scale) >= 3


def test_a_floor_far_below_is_named_and_not_drawn() -> None:
    lines = shown(history(floor=10_000))
    named = next(line for line in lines if "floor" in line)
    assert "floor 100.00 ↓" in named


def test_a_cut_is_a_step_down() -> None:
    # Without any other line, the dots before the cut are above those after it.
    one = replace(history(floor=None), seen=(), sales=(), changes=(), ceiling=None)
    lines = [line[line.index("│") + 1 :] if "│" in line else line[line.index("┤") + 1 :] for line in shown(one)[:-2]]
    tops = [next((row for row, line in enumerate(lines) if line[column] != " "), None) for column in (1, 70)]
    assert tops[0] is not None
    assert tops[1] is not None
    assert tops[0] < tops[1]


def test_what_nobody_looked_at_for_long_is_left_open() -> None:
    gap = replace(
        history(floor=None),
        prices=(),
        seen=(
            Seen(UNTIL - 160 * HOUR, UNTIL - 150 * HOUR, eur(44_900), eur(43_100), eur(43_100), False),
            Seen(UNTIL - 10 * HOUR, UNTIL - HOUR, eur(44_900), eur(43_100), eur(43_100), False),
        ),
    )
    box = next(line for line in shown(gap) if line.startswith("box won"))
    assert "     ·" in box[box.index("·") :]


def test_yen_have_no_decimals() -> None:
    yen = replace(
        history(),
        currency="JPY",
        prices=(PriceAt(UNTIL - 100 * HOUR, Money(69_800, "JPY")), PriceAt(UNTIL - 50 * HOUR, Money(67_000, "JPY"))),
        seen=(),
        floor=None,
        ceiling=None,
    )
    text = "\n".join(shown(yen))
    assert "ours 67000" in text
    assert "." not in text.replace("··", "")


def test_what_the_backbox_saw_tells_our_price_before_our_own_record_begins() -> None:
    late = replace(
        history(floor=None), prices=(PriceAt(UNTIL - HOUR, eur(43_100)),), sales=(), changes=(), ceiling=None
    )
    row = next(line for line in shown(late) if "⠉" in line or "⠒" in line or "⣀" in line or "⠤" in line)
    assert row[row.index("│" if "│" in row else "┤") + 1] != " "


def test_a_price_that_never_moved_is_drawn() -> None:
    still = replace(history(), prices=(PriceAt(UNTIL - 300 * HOUR, eur(44_900)),), seen=(), floor=None, ceiling=None)
    assert "ours 449.00" in "\n".join(shown(still))


@pytest.mark.parametrize(
    ("of", "size", "words"),
    [
        (replace(history(), prices=(), seen=()), (100, 16), "Nothing is known"),
        (history(), (NARROWEST - 1, 16), "no room"),
        (history(), (100, LOWEST - 1), "no room"),
        (
            replace(
                history(floor=None),
                prices=(),
                seen=(Seen(UNTIL - HOUR, UNTIL, None, None, None, None),),
                ceiling=None,
                floor=None,
            ),
            (100, 16),
            "No price",
        ),
    ],
)
def test_where_there_is_nothing_to_draw_it_says_so(of: PriceHistory, size: tuple[int, int], words: str) -> None:
    (line,) = shown(of, *size)
    assert words in line


# -- plot --------------------------------------------------------------------------------------------------------


def test_dots_make_braille_and_the_first_tone_stays() -> None:
    canvas = Canvas(2, 1)
    canvas.dot(0, 0, Tone.KEY)
    canvas.dot(1, 3, Tone.BAD)
    canvas.dot(3, 1, Tone.WARN)
    canvas.dot(9, 9, Tone.WARN)
    assert canvas.line(0) == [("⢁", Tone.KEY), ("⠐", Tone.WARN)]


def test_a_track_is_drawn_from_what_held_before_the_time_shown() -> None:
    canvas = Canvas(4, 1)
    since = UNTIL - HOUR
    before = ((since - 2 * HOUR, 5), (since - HOUR, 1))
    draw([Track("a", Tone.KEY, before)], canvas, (since, UNTIL), (1, 5))
    assert plain(tuple(canvas.line(0))) == "⣀" * 4


@given(low=st.integers(0, 10**6), width=st.integers(1, 10**7), most=st.integers(1, 40))
def test_steps_of_a_scale_are_round(low: int, width: int, most: int) -> None:
    step = scale_step(low, low + width, most)
    assert width / step <= most
    assert str(step).rstrip("0") in {"1", "2", "5"}


def test_times_are_round_in_the_zone_and_days_are_dates() -> None:
    marks = time_marks(UNTIL - timedelta(days=1), UNTIL, PARIS, 5)
    assert [label for _, label in marks] == ["12:00", "18:00", "23 Nov", "06:00"]
    assert all(at.minute == 0 for at, _ in marks)
    days = time_marks(UNTIL - timedelta(days=60), UNTIL, PARIS, 5)
    assert len(days) <= 6
    assert all(at.hour == 0 for at, _ in days)
