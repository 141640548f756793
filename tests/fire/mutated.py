"""A5: pages whose records are not as they should be. No page stops a pass, and only what is bad is put aside."""

import asyncio
import random
from collections import Counter
from pathlib import Path

from tests.fire.rows import Outcome, Row, Task
from tests.sync.mutations import Outcome as Pulled
from tests.sync.mutations import pull_listings, pull_orders

_AT_ONCE = 500
"""Pages of one pass."""
_ORDERS_SHARE = 0.7


def mutated(task: Task) -> Outcome:
    """Pull `count` pages, 70 % of orders and the rest of listings, in passes over a fresh mirror each."""
    outcome = Outcome()
    dice = random.Random(task.seed)
    totals: Counter[str] = Counter()
    while outcome.done < task.count:
        pages = min(_AT_ONCE, task.count - outcome.done)
        orders = round(pages * _ORDERS_SHARE)
        for pull, part in ((pull_orders, orders), (pull_listings, pages - orders)):
            if not part:
                continue
            seed = dice.randrange(2**32)
            folder = task.folder / f"pass-{seed}"
            folder.mkdir()
            try:
                pulled = asyncio.run(pull(folder, seed, part))
            except Exception as error:  # whatever it is, it must not happen
                outcome.wrong.append(f"{pull.__name__} {part} pages, seed {seed}: {type(error).__name__}: {error}")
                totals["crashes"] += 1
            else:
                outcome.wrong += [f"{pull.__name__} {part} pages, seed {seed}: {what}" for what in pulled.wrong()]
                _count(totals, pulled)
            _clear(folder)
        outcome.done += pages
        task.tell(f"{outcome.done:,} pages")
    outcome.figures = {
        "good records kept": totals["good"],
        "bad ones put aside": totals["bad"],
        "crashes": totals["crashes"],
    }
    return outcome


def _count(totals: Counter[str], pulled: Pulled) -> None:
    totals["good"] += len(pulled.kept)
    totals["bad"] += len(pulled.aside)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


ROW = Row(
    id="A5",
    what="answers whose records are mutated",
    unit="pages",
    long=10_000,
    short=0,
    short_version="tests/sync/test_mutated.py::test_a_pass_loses_nothing_but_what_is_bad",
    passes="no crash, no good record lost",
    run=mutated,
)
