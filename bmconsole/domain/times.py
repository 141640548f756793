"""Times: UTC inside, RFC 3339 at the edges, fixed width in the store; durations like `15m`."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def parse_time(text: str, zone: tzinfo = UTC) -> datetime:
    """Return an RFC 3339 time as UTC; without an offset it is meant in `zone`.

    Raises:
        ValueError: Not such a time.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def stamp(moment: datetime) -> str:
    """Return `moment` as UTC text of fixed width (`2026-11-23T08:00:00.000Z`), which sorts as time does."""
    return _stamp(moment if moment.tzinfo is UTC else moment.astimezone(UTC))


# A page of orders has some four hundred times, several of an order the same. Only those in UTC: in a zone, the hours
# before and after the end of summer time are equal to each other.
@lru_cache(maxsize=512)
def _stamp(at: datetime) -> str:
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (  # noqa: UP031 - an f-string or isoformat takes twice as long
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.microsecond // 1000,
    )


def unstamp(text: str | None) -> datetime | None:
    """Return the time of a `stamp`, None for None."""
    return datetime.fromisoformat(text) if text is not None else None


def rfc3339(moment: datetime) -> str:
    """Return `moment` in UTC to the second, as the API's filters take it: `2026-01-31T08:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_duration(text: str) -> timedelta:
    """Return a duration written like `2s`, `15m` or `1h`.

    Raises:
        ValueError: Not such a duration, or under one second.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration")
    seconds = float(match[1]) * _UNITS[match[2]]
    if not 1 <= seconds <= 400 * 86_400:
        raise ValueError(f"{text!r} is under one second or over 400 days")
    return timedelta(seconds=seconds)


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago `moment` was in a few characters: `now`, `40 s`, `12 min`, `3 h`, `5 d`, `never`."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    if seconds < 1:
        return "now"
    for limit, unit, name in ((90, 1, "s"), (5_400, 60, "min"), (129_600, 3_600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // 86_400)} d"
