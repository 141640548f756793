"""A plan on its way: reviewed, carried out in the app's name so that it outlives its screen, and told at the end."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import App

from bmconsole.console import intents as words
from bmconsole.console import look
from bmconsole.console.look import count
from bmconsole.console.seam import WorkspaceLike
from bmconsole.console.tabs.tab import Tab
from bmconsole.domain.bulk import LeftOut
from bmconsole.domain.intents import LISTING, Intent, IntentQuery, IntentState
from bmconsole.domain.text import clean
from bmconsole.domain.views import WritePlan, WriteProgress
from bmconsole.errors import BmError

_LOOK = 0.25
"""Seconds between two looks at what is left of writes that were stopped."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be reviewed and written; `quiet` closes the screen of several writes too once all are confirmed."""

    title: str
    subject: str
    plan: WritePlan
    files: Sequence[bytes] = ()
    left_out: Sequence[LeftOut] = ()
    quiet: bool = False
    resolves: int | None = None
    """The conflict that this decides."""


class Carrying:
    """Carries a plan out and knows how far it is; everything else only looks at it."""

    def __init__(self, workspace: WorkspaceLike, task: Task) -> None:
        self.task = task
        self.progress = WriteProgress(0, len(task.plan.intents), {})
        self.began = time.monotonic()
        self.ended: list[Intent] | None = None
        """How each write ended, None while some are on their way."""
        self.error: BmError | None = None
        self.stopping = False
        self.watched = True
        """Whether a screen shows it."""
        self._workspace = workspace
        self._writing: asyncio.Task[list[Intent]] | None = None

    @property
    def clear(self) -> bool:
        """Whether all is written as it was wanted."""
        return (
            self.error is None
            and self.ended is not None
            and all(intent.state is IntentState.CONFIRMED for intent in self.ended)
        )

    @property
    def can_stop(self) -> bool:
        return len(self.task.plan.intents) > 1 and self.task.plan.run is not None and not self.stopping

    async def run(self) -> None:
        """Carry it out; returns when each write has ended, or the app ends."""
        self._writing = asyncio.ensure_future(self._written())
        try:
            await asyncio.wait([self._writing])
        except asyncio.CancelledError:
            # The console ends. What was not begun stays written down for the next process, as the question said.
            self._writing.add_done_callback(_seen)
            raise
        if self._writing.cancelled():
            self.ended = await self._settled()
            return
        fault = self._writing.exception()
        if isinstance(fault, BmError):
            self.error = fault
            self.ended = await self._found()
        elif fault is not None:
            raise fault
        else:
            self.ended = self._writing.result()

    async def _written(self) -> list[Intent]:
        task = self.task
        if task.resolves is None:
            return await self._workspace.apply(task.plan, files=task.files, show=self._show)
        return (await self._workspace.resolve(task.resolves, "overwrite", plan=task.plan))[1:]

    def stop(self) -> None:
        """Drop what was not begun; what was begun comes to its end."""
        if self.can_stop and self._writing is not None:
            self.stopping = True
            self._writing.cancel()

    def _show(self, progress: WriteProgress) -> None:
        self.progress = progress

    async def _found(self) -> list[Intent]:
        if self.task.plan.run is None:
            return []
        found = await self._workspace.intents(limit=0, query=IntentQuery(run=self.task.plan.run))
        return found[::-1]

    async def _settled(self) -> list[Intent]:
        while True:
            found = await self._found()
            if not any(intent.state in (IntentState.PENDING, IntentState.SENT) for intent in found):
                return found
            await asyncio.sleep(_LOOK)


def _seen(writing: asyncio.Task[list[Intent]]) -> None:
    """Take note of how writes ended that nobody waits for any more; the journal tells it."""
    if not writing.cancelled():
        writing.exception()


def said(carrying: Carrying) -> tuple[str, bool]:
    """Return what came of it in a line, and whether that is as it was wanted."""
    if carrying.error is not None:
        return carrying.error.line(), False
    ended = carrying.ended or []
    if len(ended) == 1:
        return f"{label_of(carrying.task.plan, ended[0])}: {look.plain(words.ending(ended[0]))}", carrying.clear
    good = sum(intent.state is IntentState.CONFIRMED for intent in ended)
    told = f"{count(good)} of {count(len(ended))} confirmed as read back"
    for state, name in ((IntentState.REJECTED, "refused"), (IntentState.CONFLICT, "in conflict")):
        if number := sum(intent.state is state for intent in ended):
            told += f", {count(number)} {name}"
    if number := sum(intent.state.unfinished for intent in ended):
        told += f", {count(number)} not known yet"
    if number := sum(intent.state is IntentState.DROPPED for intent in ended):
        told += f", {count(number)} not sent"
    return told, carrying.clear


def label_of(plan: WritePlan, intent: Intent) -> str:
    """Return what people call the target of a write."""
    if intent.is_order:
        return f"order {intent.target}"
    return next((clean(change.label) for change in plan.changes if change.target == intent.target), intent.target)


def takes_back(intents: Sequence[Intent] | None) -> bool:
    """Whether there is something among these writes that can be taken back."""
    return any(
        intent.kind == LISTING and intent.state is IntentState.CONFIRMED and intent.attempts for intent in intents or ()
    )


async def write(app: App[None], workspace: WorkspaceLike, task: Task) -> Carrying | None:
    """Review, carry out and tell; return what was carried out, None where nothing was.

    To be called from a worker. Where it is left in the background it is told once it has ended.
    """
    from bmconsole.console.screens.write import WriteScreen

    if await refused_to_viewer(app, workspace):
        return None
    if task.left_out and not await go_on_without(app, task):
        return None
    if not task.plan.intents:
        if not task.left_out:
            app.notify("Everything is already so.", timeout=4, markup=False)
        return None
    carrying = await app.push_screen_wait(WriteScreen(workspace, task))
    # What can be done with a row may have changed beneath the screen.
    app.post_message(Tab.Offers())
    if carrying is None:
        return None
    if carrying.ended is not None and (carrying.task.quiet or len(carrying.ended) <= 1):
        tell(app, carrying)
    return carrying


def tell(app: App[None], carrying: Carrying) -> None:
    """Say what came of it."""
    line, good = said(carrying)
    if good:
        app.notify(line, timeout=5, markup=False)
    else:
        app.notify(line, title=carrying.task.title, severity="error", timeout=12, markup=False)


async def go_on_without(app: App[None], task: Task) -> bool:
    """Show what is left out and why; return whether the rest is to be reviewed."""
    from bmconsole.console.screens.faults import Fault, FaultsScreen

    rest = len(task.plan.intents)
    faults = [Fault(str(place), each.label, each.why) for place, each in enumerate(task.left_out)]
    title = f"{task.title}: {count(len(faults))} left out"
    go_on: bool = await app.push_screen_wait(FaultsScreen(title, ("What", "Why"), faults, rest=rest))
    return go_on


async def refused_to_viewer(app: App[None], workspace: WorkspaceLike) -> bool:
    """Say it where the access is a viewer's; the workspace refuses it all the same."""
    if (await workspace.status()).access != "viewer":
        return False
    app.notify(
        "Read-only: this profile's access is viewer, which may look but not change anything.",
        severity="warning",
        timeout=6,
        markup=False,
    )
    return True


async def undo(
    app: App[None], workspace: WorkspaceLike, *, intent_id: int | None = None, run: str | None = None
) -> None:
    """Take a write back, or a whole run: what is there is read, then it is reviewed like any other write."""
    if await refused_to_viewer(app, workspace):
        return
    try:
        app.notify("Reading what is there now; many writes take a while…", timeout=8, markup=False)
        plan, refusals = await workspace.plan_undo(intent_id=intent_id, run=run)
    except BmError as error:
        app.notify(error.line(), title="Cannot be taken back", severity="error", timeout=12, markup=False)
        return
    left_out = [LeftOut(f"write {each.intent}", BmError(f"{each.why}.")) for each in refusals]
    what = f"run {clean(run, limit=60)}" if run is not None else f"write {intent_id}"
    await write(
        app,
        workspace,
        Task(f"Take back {what}", "from what we wrote to what was there before", plan, left_out=left_out),
    )
