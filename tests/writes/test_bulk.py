from datetime import UTC, datetime

import pytest

from bmconsole.domain.intents import Intent, IntentState
from bmconsole.writes.bulk import duration, seconds_for

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def intents(count: int, kind: str = "listing") -> list[Intent]:
    one = Intent(0, kind, "x", "fr-fr", {}, {"quantity": 1}, IntentState.PENDING, "operator", NOW, NOW)
    return [one] * count


@pytest.mark.parametrize(
    ("count", "kind", "limits", "seconds"),
    [
        (1, "listing", {}, 0),
        (20, "listing", {}, 0),
        (21, "listing", {}, 10),
        (500, "listing", {}, 240),
        (500, "accept", {}, 70),
        (2_001, "listing", {}, 3_600),
        (100, "listing", {"sensitive": "1000/1", "edge": "100/10"}, 20),
    ],
)
def test_how_long_it_takes_follows_from_the_limits(
    count: int, kind: str, limits: dict[str, str], seconds: float
) -> None:
    assert seconds_for(intents(count, kind), limits) == seconds


def test_a_time_is_told_as_people_say_it() -> None:
    assert [duration(seconds) for seconds in (0, 30, 240, 9_000)] == [
        "a moment",
        "about 30 s",
        "about 4 min",
        "about 2.5 h",
    ]
