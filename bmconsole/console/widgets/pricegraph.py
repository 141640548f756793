"""The price of a listing over time: ours, the price to win, the winner's, the floor; won boxes, changes and sales."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation

from bmconsole.console.look import Cell, Span, Tone
from bmconsole.console.widgets.plot import Canvas, Track, draw, scale_step, time_marks
from bmconsole.domain.intents import IntentState
from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import PriceHistory, Seen

NARROWEST, LOWEST = 44, 9
"""The least size that the graph is drawn in, in cells."""
KNOWN_FOR = timedelta(hours=26)
"""How long what was seen counts as known where nobody looked again."""
_BOUNDS = ("floor", "ceiling")
_FAR = 30  # per cent beyond our own prices from which another one does not stretch the scale
_FLOOR_FAR = 12  # the same for the floor: a low one must not press what moves flat
_SAMPLES = {"ours": "━━", "to win": "╍╍", "winner": "··", "floor": "╌╌", "ceiling": "╌╌"}


def price_graph(history: PriceHistory, width: int, height: int, zone: tzinfo) -> list[Cell]:
    """Return the lines of a picture of exactly this size in cells; a line of words where there is nothing to draw.

    Lines differ by their dashes and are named at their ends, so that it reads without colours.
    """
    if not history.prices and not history.seen:
        return [(("Nothing is known of this price over time yet.", Tone.DIM),)]
    if width < NARROWEST or height < LOWEST:
        return [(("There is no room for the history here; h shows it.", Tone.DIM),)]
    tracks = _tracks(history)
    values = [value for track in tracks for _, value in track.points if value is not None]
    if not values:
        return [(("No price was seen in this time.", Tone.DIM),)]
    low, high = _range(tracks)
    strips = _strips(history)
    rows = height - 2 - len(strips)
    labels = _labels(tracks, history.currency, low, high, rows)
    ticks = _ticks(low, high, rows, history.currency)
    left = max(len(words) for words in (*ticks.values(), *(name for name, _ in strips))) + 1
    right = max(len(sample) + len(words) + 2 for sample, words, _ in labels.values())
    canvas = Canvas(width - left - right - 1, rows)
    inside = [track for track in tracks if track.name not in _BOUNDS or low <= (track.points[0][1] or 0) <= high]
    draw(inside, canvas, (history.since, history.until), (low, high))
    lines: list[Cell] = []
    for row in range(rows):
        words = ticks.get(row, "")
        sample, label, tone = labels.get(row, ("", "", Tone.DIM))
        edge = "┤" if words else "│"
        lines.append(
            (
                (f"{words:>{left - 1}} {edge}", Tone.DIM),
                *canvas.line(row),
                (f" {sample} ", tone),
                (f"{label}".ljust(right - 2 - len(sample)), tone if tone is Tone.BAD else Tone.PLAIN),
            )
        )
    lines += _time_axis(history, left, canvas.width, right, zone)
    for name, spans in strips:
        cells = _strip(spans, history, canvas.width)
        lines.append(((f"{name:>{left - 1}}  ", Tone.DIM), *cells, (" " * right, Tone.PLAIN)))
    return lines


def _tracks(history: PriceHistory) -> list[Track]:
    """Return what is drawn, the most important first."""
    end = history.until + timedelta(days=1)
    ours = [(each.at, each.price.minor) for each in history.prices]
    # Where our own record begins later, the backbox tells what our price was.
    begun = ours[0][0] if ours else end
    ours = [(each.first, each.price.minor) for each in history.seen if each.price and each.first < begun] + ours
    found = [
        Track("ours", Tone.KEY, tuple(ours)),
        Track("to win", Tone.WARN, _known(history.seen, "price_to_win", end), 4, 2),
        Track("winner", Tone.DIM, _known(history.seen, "winner_price", end), 1, 2),
    ]
    for name, bound in zip(_BOUNDS, (history.floor, history.ceiling), strict=True):
        if bound is not None:
            tone = Tone.BAD if name == "floor" else Tone.DIM
            found.append(Track(name, tone, ((history.since, bound.minor),), 2, 4))
    return [track for track in found if any(value is not None for _, value in track.points)]


def _known(seen: Sequence[Seen], field: str, end: datetime) -> tuple[tuple[datetime, int | None], ...]:
    """Return a field of what was seen as points; it counts as unknown where nobody looked for long."""
    points: list[tuple[datetime, int | None]] = []
    for place, each in enumerate(seen):
        value: Money | None = getattr(each, field)
        points.append((each.first, None if value is None else value.minor))
        following = seen[place + 1].first if place + 1 < len(seen) else end
        if following - each.last > KNOWN_FOR:
            points.append((each.last + KNOWN_FOR, None))
    return tuple(points)


def _range(tracks: Sequence[Track]) -> tuple[int, int]:
    """Return the lowest and highest value to show: a trap at 1.00 or a far floor does not press the rest flat."""
    named = {track.name: [value for _, value in track.points if value is not None] for track in tracks}
    leading = named.get("ours") or next(iter(named.values()))
    low, high = min(leading), max(leading)
    least, most = low * (100 - _FAR) // 100, high * (100 + _FAR) // 100
    for name, values in named.items():
        if name != "ceiling":
            bottom = low * (100 - _FLOOR_FAR) // 100 if name == "floor" else least
            near = [value for value in values if bottom <= value <= most]
            low, high = min([low, *near]), max([high, *near])
    margin = max(1, (high - low) // 20, high // 200)
    return low - margin, high + margin


def _ticks(low: int, high: int, rows: int, currency: str) -> dict[int, str]:
    """Return the labels of the scale by row."""
    step = scale_step(low, high, max(3, rows // 3))
    found: dict[int, str] = {}
    whole = step % 100 == 0 and Money(100, currency).text() == "1.00"
    for value in range(-(-low // step) * step, high + 1, step):
        words = Money(value, currency).text()
        row = round((high - value) * (4 * rows - 1) / (high - low)) // 4
        found.setdefault(row, words.removesuffix(".00") if whole else words)
    return found


def _labels(tracks: Sequence[Track], currency: str, low: int, high: int, rows: int) -> dict[int, tuple[str, str, Tone]]:
    """Return what each line is called and where it is at last, by row; names never cover each other."""
    wanted: list[tuple[int, Track, str]] = []
    for track in tracks:
        value = track.points[-1][1]
        if value is None:
            # It was known once; its name is still needed to read the line.
            known = next(value for _, value in reversed(track.points) if value is not None)
            wanted.append((known, track, f"{track.name} –"))
        else:
            beyond = " ↓" if value < low else " ↑" if value > high else ""
            wanted.append((value, track, f"{track.name} {Money(value, currency).text()}{beyond}"))
    wanted.sort(key=lambda each: -each[0])
    found: dict[int, tuple[str, str, Tone]] = {}
    for place, (value, track, words) in enumerate(wanted):
        inside = max(low, min(high, value))
        row = round((high - inside) * (4 * rows - 1) / (high - low)) // 4
        # The highest first, each below the one before, with room left for those to come.
        row = max(row, max(found, default=-1) + 1)
        found[min(row, rows - len(wanted) + place)] = (_SAMPLES[track.name], words, track.tone)
    return found


def _time_axis(history: PriceHistory, left: int, width: int, right: int, zone: tzinfo) -> list[Cell]:
    line, words = ["─"] * width, [" "] * (width + right)
    free = 0
    for at, label in time_marks(history.since, history.until, zone, width // 11):
        place = _column(at, history, width)
        if 0 <= place < width:
            line[place] = "┬"
            start = max(0, place - len(label) // 2)
            if start >= free and start + len(label) <= len(words):
                words[start : start + len(label)] = label
                free = start + len(label) + 1
    pad = " " * right
    return [
        ((" " * left + "└" + "".join(line) + pad, Tone.DIM),),
        ((" " * (left + 1) + "".join(words), Tone.DIM),),
    ]


def _column(at: datetime, history: PriceHistory, width: int) -> int:
    return int((at - history.since) / (history.until - history.since) * width)


Marks = Iterable[tuple[datetime, datetime, str, Tone]]
"""What a strip shows from when to when."""


def _strips(history: PriceHistory) -> list[tuple[str, Marks]]:
    """Return the strips below the graph that have something to show, with their names."""
    found: list[tuple[str, Marks]] = []
    ends = [*(each.first for each in history.seen[1:]), history.until]
    boxes = [
        (
            each.first,
            end if end - each.last <= KNOWN_FOR else each.last,
            "━" if each.winning else "·",
            Tone.GOOD if each.winning else Tone.WARN,
        )
        for each, end in zip(history.seen, ends, strict=False)
        if each.winning is not None
    ]
    if boxes:
        found.append(("box won", boxes))
    changes = [
        (intent.updated, intent.updated, *_direction(intent.base.get("price"), intent.want.get("price")))
        for intent in history.changes
        if intent.state is IntentState.CONFIRMED
    ]
    if changes:
        found.append(("changed", changes))
    if history.sales:
        found.append(("sold", [(sale.at, sale.at, str(sale.units), Tone.GOOD) for sale in history.sales]))
    return found


def _direction(base: object, want: object) -> tuple[str, Tone]:
    try:
        return ("▲" if Decimal(str(want)) > Decimal(str(base)) else "▼"), Tone.KEY
    except InvalidOperation:
        return "◆", Tone.KEY


def _strip(marks: Marks, history: PriceHistory, width: int) -> list[Span]:
    """Return a strip of cells; numbers that meet in one add up, and `+` stands for more than nine."""
    cells: list[Span] = [(" ", Tone.PLAIN)] * width
    for first, last, glyph, tone in marks:
        start, end = (_column(at, history, width) for at in (first, last))
        for place in range(max(0, start), min(width - 1, max(start, end)) + 1):
            before = cells[place][0]
            if glyph.isdigit() and before != " ":
                total = 10 if before == "+" else int(before) + int(glyph)
                cells[place] = ("+" if total > 9 else str(total), tone)
            else:
                cells[place] = (glyph if len(glyph) == 1 else "+", tone)
    return cells
