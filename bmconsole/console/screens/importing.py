"""A file of changes on its way: its path, its faults by line and column, the review, the writes."""

from collections.abc import Awaitable, Callable, Sequence

from textual.app import App

from bmconsole.console.look import Cell, count
from bmconsole.console.screens import files
from bmconsole.console.screens.ask import AskScreen
from bmconsole.console.screens.carrying import Carrying, Task, refused_to_viewer, write
from bmconsole.console.screens.faults import Fault, FaultsScreen
from bmconsole.console.seam import WorkspaceLike
from bmconsole.domain.bulk import LineFault, Prepared
from bmconsole.domain.text import clean
from bmconsole.errors import BmError

Prepare = Callable[[bytes], Awaitable[Prepared]]


async def carry_file(
    app: App[None],
    workspace: WorkspaceLike,
    title: str,
    lead: Sequence[Cell],
    prepare: Prepare,
    path: str | None = None,
) -> Carrying | None:
    """Ask for a file unless one is named, show what is wrong with it, write what is right; None where nothing was."""
    if await refused_to_viewer(app, workspace):
        return None
    if path is None:
        path = await app.push_screen_wait(
            AskScreen(
                title,
                lead,
                placeholder="~/…",
                completer=files.complete_path,
                check=files.check_readable,
                done="read it",
            )
        )
    if not path:
        return None
    try:
        prepared = await prepare(await files.read(path))
    except BmError as error:
        app.notify(error.line(), title=f"{title}: not possible", severity="error", timeout=12, markup=False)
        return None
    name = clean(path, limit=80)
    if prepared.faults and not await _without(app, title, name, prepared):
        return None
    lines = f"{name}: {count(prepared.lines)} lines"
    if prepared.faults:
        lines += f", {count(len(prepared.faults))} left out"
    return await write(app, workspace, Task(title, lines, prepared.plan))


async def _without(app: App[None], title: str, name: str, prepared: Prepared) -> bool:
    wrong = [Fault(str(place), _where(fault), _what(fault)) for place, fault in enumerate(prepared.faults)]
    go_on: bool = await app.push_screen_wait(
        FaultsScreen(
            f"{title}: {count(len(wrong))} of {count(prepared.lines)} lines are wrong",
            ("Line", "What is wrong"),
            wrong,
            rest=len(prepared.plan.intents),
            subject=f"{name} · nothing was written yet",
        )
    )
    return go_on


def _where(fault: LineFault) -> str:
    return f"{fault.line}" if fault.column is None else f"{fault.line}  {clean(fault.column, limit=20)}"


def _what(fault: LineFault) -> str:
    return f"{fault.message} {fault.hint or ''}".strip()
