"""Numbers over time in block letters: a line of them, or bars some lines high."""

from collections.abc import Sequence

from bmconsole.console.look import Cell, Tone

_STEPS = " ▁▂▃▄▅▆▇█"


def spark(values: Sequence[float | None], tone: Tone = Tone.KEY, *, low: float | None = 0.0) -> Cell:
    """Return one letter a value, from `low` (None: the least value) to the greatest; a dot where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return ()
    bottom, top = min(known) if low is None else low, max(known)
    letters = ""
    for value in values:
        if value is None:
            letters += "·"
        elif top <= bottom:
            letters += _STEPS[4] if top > 0 else _STEPS[1]
        else:
            letters += _STEPS[1 + round((value - bottom) / (top - bottom) * 7)]
    return ((letters, tone),)


def bars(values: Sequence[float], height: int, wide: int, gap: int) -> list[str]:
    """Return `height` lines, the top one first, with a bar of `wide` cells a value and `gap` cells between them."""
    top = max(values, default=0.0)
    levels = [round(value / top * height * 8) if top > 0 else 0 for value in values]
    # What is there at all is seen.
    levels = [max(1, level) if value > 0 else 0 for level, value in zip(levels, values, strict=True)]
    lines = []
    for row in range(height - 1, -1, -1):
        lines.append((" " * gap).join(_STEPS[max(0, min(8, level - row * 8))] * wide for level in levels))
    return lines
