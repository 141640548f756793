from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bmconsole.console.look import Cell, Tone, fit, gauge, text
from bmconsole.console.widgets.columns import Column, layout


def _nothing(row: object) -> Cell:
    return text(row)


columns = st.lists(
    st.builds(
        Column[object],
        name=st.uuids().map(str),
        title=st.just(""),
        width=st.integers(1, 30),
        cell=st.just(_nothing),
        grow=st.integers(0, 3),
        most=st.integers(30, 60),
        rank=st.integers(0, 5),
        gap=st.integers(1, 2),
    ),
    min_size=1,
    max_size=12,
)


@given(columns, st.integers(1, 300))
def test_columns_keep_their_order_and_fit_unless_only_indispensable_ones_are_left(
    given_columns: list[Column[object]], width: int
) -> None:
    placed = layout(given_columns, width)
    names = [column.name for column in given_columns]
    positions = [names.index(place.column.name) for place in placed]
    assert positions == sorted(positions)
    for before, after in pairwise(placed):
        assert after.x == before.x + before.width + before.column.gap
    if placed and any(place.column.rank for place in placed):
        assert placed[-1].x + placed[-1].width <= width - 1
    assert {column.name for column in given_columns if column.rank == 0} <= {place.column.name for place in placed}
    assert all(place.column.width <= place.width <= max(place.column.width, place.column.most) for place in placed)


def test_the_highest_rank_goes_first_and_spare_width_goes_to_what_grows() -> None:
    wide = Column("wide", "", 10, _nothing, grow=1)
    rare = Column("rare", "", 10, _nothing, rank=9)
    fixed = Column("fixed", "", 5, _nothing, rank=1)
    assert [(place.column.name, place.width) for place in layout((wide, rare, fixed), 60)] == [
        ("wide", 39),
        ("rare", 10),
        ("fixed", 5),
    ]
    assert [place.column.name for place in layout((wide, rare, fixed), 25)] == ["wide", "fixed"]


@given(st.lists(st.text(max_size=30), max_size=4), st.integers(0, 50), st.booleans())
def test_a_cell_takes_exactly_its_width_whatever_is_in_it(texts: list[str], width: int, right: bool) -> None:
    cell: Cell = tuple(part for value in texts for part in text(value))
    spans = fit(cell, width, right=right)
    assert sum(cell_len(part) for part, _ in spans) == width


def test_wide_characters_are_cut_by_cells_and_marked() -> None:
    assert fit((("日本語の商品", Tone.PLAIN),), 6) == [("日本", Tone.PLAIN), ("… ", Tone.DIM)]
    assert fit((("abc", Tone.PLAIN),), 5, right=True) == [("  ", Tone.PLAIN), ("abc", Tone.PLAIN)]


def test_a_gauge_shows_the_first_request_and_never_overflows() -> None:
    assert gauge(0, 200) == ("", "────────")
    assert gauge(1, 200) == ("━", "───────")
    assert gauge(500, 200) == ("━━━━━━━━", "")
