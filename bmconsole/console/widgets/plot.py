"""Lines over time in braille: each cell holds 2 × 4 dots, so that a small box shows small steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from bmconsole.console.look import Span, Tone

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_TIMES = (
    _HOUR / 4, _HOUR / 2, *(_HOUR * hours for hours in (1, 2, 3, 6, 12)),
    *(_DAY * days for days in (1, 2, 4, 7, 14, 28, 56, 112)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Track:
    """A value that holds from each of its points to the next; None where it is not known.

    `dash` and `gap` count dots along the time: 1 and 0 draw it through. In one cell the first track's tone counts.
    """

    name: str
    tone: Tone
    points: tuple[tuple[datetime, int | None], ...]
    dash: int = 1
    gap: int = 0


class Canvas:
    """A box of cells to draw dots in; dot 0, 0 is at the top left."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._dots = [[0] * width for _ in range(height)]
        self._tones = [[Tone.PLAIN] * width for _ in range(height)]

    def dot(self, x: int, y: int, tone: Tone) -> None:
        """Set a dot; the first tone of a cell stays."""
        row, column = y // 4, x // 2
        if 0 <= row < self.height and 0 <= column < self.width:
            if not self._dots[row][column]:
                self._tones[row][column] = tone
            self._dots[row][column] |= _DOTS[y % 4][x % 2]

    def line(self, row: int) -> list[Span]:
        """Return a row of cells."""
        spans: list[Span] = []
        for dots, tone in zip(self._dots[row], self._tones[row], strict=True):
            letter, tone = (chr(_BLANK | dots), tone) if dots else (" ", Tone.PLAIN)
            if spans and spans[-1][1] is tone:
                spans[-1] = (spans[-1][0] + letter, tone)
            else:
                spans.append((letter, tone))
        return spans


def draw(tracks: Sequence[Track], canvas: Canvas, times: tuple[datetime, datetime], values: tuple[int, int]) -> None:
    """Draw tracks as steps, the first ones on top. Values beyond the scale are drawn along its edge.

    Args:
        tracks: What to draw.
        canvas: Where.
        times: From when to when the canvas shows.
        values: The lowest and the highest value that it shows, the lower one smaller.
    """
    width, height = 2 * canvas.width, 4 * canvas.height
    low, high = values
    since, length = times[0], times[1] - times[0]

    def level(value: int) -> int:
        inside = max(low, min(high, value))
        return round((high - inside) * (height - 1) / (high - low))

    for track in tracks:
        place, last = 0, None
        while place < len(track.points) and track.points[place][0] <= since:
            value = track.points[place][1]
            last = None if value is None else level(value)
            place += 1
        for x in range(width):
            end = since + length * (x + 1) / width
            levels = [] if last is None else [last]
            while place < len(track.points) and track.points[place][0] <= end:
                value = track.points[place][1]
                last = None if value is None else level(value)
                if last is not None:
                    levels.append(last)
                place += 1
            steps = len(set(levels)) > 1
            if levels and (steps or x % (track.dash + track.gap) < track.dash):
                for y in range(min(levels), max(levels) + 1):
                    canvas.dot(x, y, track.tone)


def scale_step(low: int, high: int, most: int) -> int:
    """Return the smallest step of 1, 2, 5, 10, 20 … that divides a range into no more than `most` parts."""
    step = 1
    while (high - low) / step > most:
        digits = str(step)
        step = step * 5 // 2 if digits[0] == "2" else step * 2
    return step


def time_marks(since: datetime, until: datetime, zone: tzinfo, most: int) -> list[tuple[datetime, str]]:
    """Return up to about `most` round local times within a span, each with its label, a date at midnight."""
    step = next((each for each in _TIMES if (until - since) / each <= max(1, most)), _TIMES[-1])
    local = since.astimezone(zone)
    mark = local.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    # Local days are counted on the calendar: some have 23 or 25 hours.
    while mark <= until:
        if mark >= local:
            found.append((mark, mark.strftime("%d %b" if mark.hour == mark.minute == 0 else "%H:%M")))
        mark = mark + step
    return found
