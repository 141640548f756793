"""Writes rows to a file that the operator names."""

from collections.abc import Awaitable, Callable

from textual.app import App

from bmconsole.console.look import count
from bmconsole.console.screens import files
from bmconsole.console.screens.ask import AskScreen
from bmconsole.console.widgets.dialogs import Confirm
from bmconsole.domain.text import clean
from bmconsole.errors import BmError

Rows = Callable[[], Awaitable[tuple[str, int]]]
"""Gives the file's text and how many lines it has."""


async def export(app: App[None], what: str, name: str, rows: Rows, path: str | None = None) -> None:
    """Ask for a path unless one is given, and write the rows there; a file that is there is replaced only if meant."""
    if path is None:
        path = await app.push_screen_wait(
            AskScreen("Export", files.lead(what), value=name, completer=files.complete_path, done="write the file")
        )
    if not path:
        return
    taken = files.there(path)
    if taken and not await app.push_screen_wait(
        Confirm("Replace the file?", f"{clean(path, limit=200)} is there already.", yes="replace it")
    ):
        return
    try:
        content, lines = await rows()
        if not lines:
            app.notify("There is nothing to export.", timeout=4, markup=False)
            return
        file = await files.write_private(path, content, replace=taken)
    except BmError as error:
        app.notify(error.line(), title="Not exported", severity="error", timeout=8, markup=False)
    else:
        app.notify(f"{count(lines)} lines are in {clean(file, limit=200)}.", timeout=6, markup=False)
