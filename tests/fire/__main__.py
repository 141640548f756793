"""The promises under fire: `python -m tests.fire [--long] [--rows K1,S2] [--count N] [--seed N] [--results FILE]`.

Prints a table with the count, the seed and the figures of each row, and ends with 1 when a promise did not hold. With
`--results` each row is added to a file of JSON lines as it ends; `--table FILE` prints the newest of each row in it.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.fire.rows import Done, carry_out, rows

Told = Mapping[str, Any]


def told(done: Done) -> Told:
    """Return what the table needs of a row, as JSON."""
    return {
        "id": done.row.id,
        "what": done.row.what,
        "unit": done.row.unit,
        "done": done.outcome.done,
        "seed": done.seed,
        "seconds": round(done.seconds, 1),
        "figures": done.outcome.figures,
        "wrong": done.outcome.wrong,
        "skipped": done.skipped,
    }


def table(lines: Iterable[Told]) -> str:
    """Return the rows as a table, and below it whatever did not hold."""
    shown = [("id", "test", "run", "seed", "seconds", "result", "figures")]
    wrong = []
    for line in lines:
        verdict = "skipped" if line["skipped"] else f"{len(line['wrong'])} WRONG" if line["wrong"] else "holds"
        figures = line["skipped"] or ", ".join(f"{name} {value}" for name, value in line["figures"].items())
        run = f"{line['done']:,} {line['unit']}"
        shown.append(
            (line["id"], line["what"], run, str(line["seed"]), f"{line['seconds']:,.0f}", verdict, str(figures))
        )
        wrong += [f"{line['id']}: {what}" for what in line["wrong"]]
    widths = [max(len(row[at]) for row in shown) for at in range(6)]
    text = [" | ".join([*(row[at].ljust(widths[at]) for at in range(6)), row[6]]) for row in shown]
    return "\n".join([text[0], "-+-".join("-" * width for width in [*widths, 7]), *text[1:], *wrong])


def newest(path: Path) -> list[Told]:
    """Return the newest line of each row in a file of results, in the order of the table."""
    found = {line["id"]: line for line in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
    return [found[name] for name in rows() if name in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="as long as each promise asks for; hours in all")
    parser.add_argument("--rows", help="only these, as K1,S2")
    parser.add_argument("--count", type=int, help="so many of the row's unit instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, help="add each row to this file as it ends")
    parser.add_argument("--table", type=Path, help="run nothing; print the table of such a file")
    asked = parser.parse_args()
    if asked.table is not None:
        sys.stdout.write(table(newest(asked.table)) + "\n")
        return
    known = rows()
    names = asked.rows.split(",") if asked.rows else list(known)
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"there is no row {', '.join(unknown)}; known: {', '.join(known)}")
    lines = []
    for name in names:
        row = known[name]
        count = asked.count or (row.long if asked.long else row.short)
        if not count:
            sys.stderr.write(f"{name}: the suite does its short version in {row.short_version}\n")
            continue
        sys.stderr.write(f"{name}: {row.what}, {count:,} {row.unit}, seed {asked.seed}\n")
        done = carry_out(row, count, asked.seed, lambda text: print(f"\r\033[K  {text}", end="", file=sys.stderr))
        sys.stderr.write(f"\r\033[K  {done.seconds:,.0f} s, {len(done.outcome.wrong)} wrong\n")
        lines.append(told(done))
        if asked.results is not None:
            with asked.results.open("a", encoding="utf-8") as results:
                results.write(json.dumps(lines[-1]) + "\n")
    sys.stdout.write(table(lines) + "\n")
    sys.exit(any(line["wrong"] for line in lines))


if __name__ == "__main__":
    main()
