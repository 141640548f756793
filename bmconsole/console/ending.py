"""How the console ends after a fault of its own: what a person needs, on the terminal that it gave back, and no values.

Textual prints a traceback with local variables there; those are tokens and buyers.
"""

import sys
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bmconsole import crash
from bmconsole.errors import DiskTrouble
from bmconsole.paths import Paths


def tell(error: BaseException, paths: Paths | None = None, *, to: TextIO | None = None) -> None:
    """Write the report of a fault; say on `to` (default: stderr) what happened, where the report is and what to do."""
    try:
        file: Path | None = crash.report(error, paths)
        where = Text(str(file), overflow="fold")
    except DiskTrouble as trouble:
        file, where = None, Text(f"None could be written. {trouble.message}")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("Fault", Text(crash.kind(error)))
    if place := crash.place(error):
        facts.add_row("Place", Text(place))
    facts.add_row("Report", where)
    if file is not None:
        facts.add_row("", Text("Types and places in the code only: no token, no buyer. It may be passed on.", "dim"))
    facts.add_row()
    words = "Each is in the journal before it is sent; the next start settles what was on its way."
    facts.add_row("Writes", Text(words))
    facts.add_row()
    facts.add_row("Next", Text("bmconsole            starts again, where you left off"))
    facts.add_row("", Text("bmconsole doctor     looks for what is wrong with settings and files"))
    facts.add_row("", Text("bmconsole run        does the background work meanwhile"))
    console = Console(file=to or sys.stderr, highlight=False)
    title = Text(" bmconsole ended by a fault of its own ", "bold red")
    console.print(
        Panel(facts, title=title, title_align="left", border_style="red", padding=(1, 2), width=min(console.width, 100))
    )
