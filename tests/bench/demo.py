"""How soon `bmconsole demo` paints, beside a bare Textual app in the same run: `python -m tests.bench.demo`.

The demo's first paint is the frame with its table, which says what the first sync brings; its first rows are orders
that its own shop, made meanwhile, has answered with. Linux only.
"""

import argparse
import os
import statistics
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.bench.console import Figures, Session, app, environment, line, session

DEMO = [sys.executable, "-m", "bmconsole", "demo"]
PAINTED = "DUE"
"""The heading of a column of Orders."""
ROW = "40002"
"""How the numbers of the newest orders of its shop begin."""


def rounds(environ: dict[str, str], count: int) -> dict[str, Figures]:
    """Return the times from exec in ms: a bare app's frame, the demo's first frame, and its first order."""
    times: dict[str, Figures] = {"bare": [], "first": [], "rows": []}
    for _ in range(count):
        with session(app("bare"), environ) as opened:
            times["bare"].append((opened.wait("bare") - opened.began) * 1e3)
        with session(DEMO, environ) as opened:
            times["first"].append((opened.wait(PAINTED) - opened.began) * 1e3)
            times["rows"].append((opened.wait(ROW) - opened.began) * 1e3)
            ended(opened)
    return times


def ended(opened: Session) -> None:
    """Leave the demo as a person does, so that it takes its folder and its shop away with it."""
    opened.type("q")
    # Reading from a terminal that nobody writes to any more is an error.
    with suppress(OSError):
        opened.drain(5.0)
    opened.process.wait(5.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environ = environment(Path(folder), "", "") | {"TMPDIR": folder}
        rounds(environ, 1)
        times = rounds(environ, asked.rounds)
        left = [name for name in os.listdir(folder) if name.startswith("bmconsole-demo-")]
    bare, first, rows = (statistics.median(times[name]) for name in ("bare", "first", "rows"))
    line("", "bare", "here", None, "wanted")
    line("exec to the demo's first paint", f"{bare:.0f} ms", f"{first:.0f} ms", first / bare, "≤ 2.4 ×")
    line("exec to its first orders", f"{bare:.0f} ms", f"{rows:.0f} ms", rows / bare, "")
    spread = ", ".join(f"{value:.0f}" for value in times["first"])
    print(f"  each first paint in ms: {spread}; folders left behind: {len(left)}")


if __name__ == "__main__":
    main()
