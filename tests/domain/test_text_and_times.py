from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.domain.text import clean
from bmconsole.domain.times import ago, parse_duration, parse_time, stamp, unstamp


@given(st.text())
def test_nothing_that_moves_a_cursor_survives(text: str) -> None:
    assert all(char.isprintable() or char == "\ufffd" or ord(char) > 0x9F for char in clean(text))
    assert "\x1b" not in clean(text)
    assert "\n" not in clean(text)


def test_escape_sequences_and_bidi_controls_are_visible() -> None:
    assert clean("a\x1b[31mred\x9b0m\u202eevil") == "a\ufffd[31mred\ufffd0m\ufffdevil"
    assert clean("two\nlines\there") == "two lines here"
    assert len(clean("x" * 100_000, limit=50)) == 50


def test_times_with_and_without_offset_become_utc() -> None:
    assert parse_time("2026-01-31T08:00:00+01:00") == datetime(2026, 1, 31, 7, tzinfo=UTC)
    assert parse_time("2026-01-31T08:00:00", ZoneInfo("Europe/Paris")) == datetime(2026, 1, 31, 7, tzinfo=UTC)
    moment = datetime(2026, 1, 31, 7, 0, 0, 123_456, tzinfo=UTC)
    assert stamp(moment) == "2026-01-31T07:00:00.123Z"
    assert unstamp(stamp(moment)) == moment.replace(microsecond=123_000)


@pytest.mark.parametrize(("text", "seconds"), [("2s", 2), ("15m", 900), ("1h", 3600), ("1.5h", 5400)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "0s", "500ms", "-1h", "1 week"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|second"):
        parse_duration(text)


def test_ages_are_short() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert [ago(now - timedelta(seconds=s), now) for s in (0, 40, 720, 10_800, 432_000)] == [
        "now",
        "40 s",
        "12 min",
        "3 h",
        "5 d",
    ]
