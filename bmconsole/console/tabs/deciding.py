"""What is done with a write that somebody has to decide about, once it is decided."""

from dataclasses import dataclass

from bmconsole.console import intents as words
from bmconsole.console import look
from bmconsole.console.screens import files
from bmconsole.console.screens.ask import AskScreen
from bmconsole.console.screens.carrying import Task, write
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.dialogs import Confirm
from bmconsole.domain.intents import Intent, IntentState
from bmconsole.domain.transitions import INVOICE
from bmconsole.errors import UsageError


@dataclass(frozen=True, slots=True)
class WriteRow:
    """A write with what people call its target."""

    id: str
    intent: Intent
    label: str


class Deciding(Tab):
    """A tab in which conflicts and writes of unknown end are decided."""

    async def decide(self, row: WriteRow, answer: str) -> None:
        """Do what was answered about a conflict, or about a write whose end is not known; raises BmError."""
        intent = row.intent
        if answer == "keep":
            await self.workspace.resolve(intent.id, "keep")
            self.notify(f"Write {intent.id}: what is there stays.", timeout=4, markup=False)
        elif answer == "ours" and intent.state is IntentState.UNKNOWN:
            await self._resend(row)
        elif answer == "ours":
            plan = await self.workspace.plan_overwrite(intent.id)
            if not plan.intents:
                await self.workspace.resolve(intent.id, "overwrite", plan=plan)
                self.notify(f"Write {intent.id}: what is there is what you want.", timeout=4, markup=False)
                return
            task = Task(f"Write ours over theirs: {row.label}", intent.market or "", plan, resolves=intent.id)
            await write(self.app, self.workspace, task)
        elif answer == "edit":
            await self._edit(row)

    async def _resend(self, row: WriteRow) -> None:
        intent = row.intent
        content: bytes | None = None
        if intent.kind == INVOICE:
            lead = files.lead("The same file as before; its hash is compared.")
            path: str | None = await self.app.push_screen_wait(
                AskScreen("Send the invoice again", lead, completer=files.complete_path, check=files.check_readable)
            )
            if path is None:
                return
            content = await files.read(path)
        elif not await self.app.push_screen_wait(
            Confirm("Send it again?", f"{row.label}: what is there is read first; only then it is sent.", yes="send it")
        ):
            return
        self.notify("Reading, then sending again…", timeout=2, markup=False)
        (ended,) = await self.workspace.resolve(intent.id, "resend", content=content)
        good = ended.state is IntentState.CONFIRMED
        told = f"{row.label}: {look.plain(words.ending(ended))}"
        self.notify(told, severity="information" if good else "error", timeout=8, markup=False)

    async def _edit(self, row: WriteRow) -> None:
        """Write other values than ours, based on what is there now."""
        intent = row.intent
        typed: dict[str, str] = {}
        for name, value in intent.want.items():
            ours = "" if value is None else str(value)
            said: str | None = await self.app.push_screen_wait(
                AskScreen(
                    f"{row.label}: {words.field_name(name)}",
                    files.lead(f"You wanted {words.value_of(name, value)}; Enter goes on to the review."),
                    value=ours,
                    empty=True,
                )
            )
            if said is None:
                return
            typed[name] = said
        await self.workspace.refresh_listing(intent.target)
        plan, left_out = await self.workspace.plan_bulk([intent.target], intent.market, typed)
        if left_out:
            raise left_out[0].error
        if not plan.intents:
            raise UsageError("That is what is there now.", hint="Keep theirs then.")
        task = Task(f"Write another value: {row.label}", intent.market or "", plan, resolves=intent.id)
        await write(self.app, self.workspace, task)
