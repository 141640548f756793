"""Everything that was written: what is unfinished, in conflict, refused, done; taken back or decided from here."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.events import Resize

from bmconsole.console import intents as words
from bmconsole.console import look
from bmconsole.console.actions import bindings
from bmconsole.console.look import Cell, Tone
from bmconsole.console.screens.carrying import refused_to_viewer, undo
from bmconsole.console.screens.conflict import ConflictScreen
from bmconsole.console.tabs.deciding import Deciding, WriteRow
from bmconsole.console.tabs.listings import ListingsTab
from bmconsole.console.tabs.orders import OrdersTab
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.source import Near
from bmconsole.console.widgets.statebar import VIEWS as VIEWS
from bmconsole.console.widgets.statebar import StateBar
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.intents import Intent, IntentQuery, IntentState
from bmconsole.domain.text import clean
from bmconsole.errors import BmError, Guarded, NotFound

_TO_DECIDE = (IntentState.CONFLICT, IntentState.UNKNOWN)


class WritesTab(Deciding):
    """The journal, newest first; below it all of the write under the cursor."""

    SCOPES: ClassVar[tuple[str, ...]] = ("writes",)
    BINDINGS = bindings("writes")
    TITLE = "Writes"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.view = "all"
        self.run = ""
        self.bar = StateBar(id="writes-bar")
        self.table: VirtualTable[WriteRow] = VirtualTable(self, self._columns(), id="writes-table")
        self._detail = Sheet(id="writes-detail")
        self._legal: tuple[bool, ...] = ()

    def compose(self) -> ComposeResult:
        yield self.bar
        yield self.table
        yield self._detail

    # The table's source.

    def _query(self) -> IntentQuery:
        return IntentQuery(VIEWS[self.view], run=self.run or None)

    async def count(self) -> int:
        """Return how many writes are shown."""
        self.bar.counts = await self.workspace.intent_states()
        return await self.workspace.intents_count(self._query())

    async def page(self, offset: int, limit: int, near: Near | None = None) -> Sequence[WriteRow] | None:
        """Return a page of writes, newest first."""
        if near is not None and not near.backward:
            found = await self.workspace.intents(limit=limit, after=int(near.key), query=self._query())
        elif limit <= 0:
            return ()
        else:
            found = await self.workspace.intents(limit=limit, offset=offset, query=self._query())
        skus = await self.workspace.skus(list({each.target for each in found if not each.is_order}))
        return [WriteRow(str(each.id), each, _label(each, skus)) for each in found]

    async def position(self, key: str) -> int | None:
        """Return how many of the shown writes are newer."""
        query = self._query()
        try:
            intent = await self.workspace.intent(int(key))
        except NotFound:
            return None
        if (query.states and intent.state.value not in query.states) or (query.run and intent.run != query.run):
            return None
        return await self.workspace.intents_count(query, newer_than=int(key))

    def key(self, row: WriteRow) -> str:
        return row.id

    # The tab.

    @property
    def place(self) -> str:
        return f"{self.view} {self.run}".strip()

    def go(self, place: str) -> None:
        view, _, run = place.partition(" ")
        self.show_writes(view if view in VIEWS else "all", run)

    def enter(self) -> None:
        self.take(self.table)
        self.renew()

    def renew(self) -> None:
        if self.ready and self.is_mounted:
            self.table.renew()

    def repaint(self) -> None:
        self.table.refresh()

    def show_writes(self, view: str, run: str = "") -> None:
        """Show the writes of a view, of one run only where it is named."""
        self.view, self.run = view, run
        self.bar.view, self.bar.run = view, run
        if self.ready:
            self.table.load()

    @property
    def chosen(self) -> Intent | None:
        """The write under the cursor."""
        row = self.table.cursor_row
        return None if row is None else row.intent

    def offers(self, action: str) -> bool:
        """Whether the footer shows an action: what can be done with the write under the cursor."""
        intent = self.chosen
        if intent is None:
            return action not in ("writes.decide", "writes.undo", "writes.undo_run", "writes.run", "writes.open")
        match action:
            case "writes.decide":
                return intent.state in _TO_DECIDE
            case "writes.undo":
                return not why_not_undo(intent)
            case "writes.undo_run":
                return intent.run is not None and not intent.is_order
            case "writes.run":
                return intent.run is not None
        return True

    # Keys.

    def action_next_state(self) -> None:
        self._turn(1)

    def action_previous_state(self) -> None:
        self._turn(-1)

    def _turn(self, by: int) -> None:
        names = list(VIEWS)
        self.show_writes(names[(names.index(self.view) + by) % len(names)], self.run)

    def action_run(self) -> None:
        """Show only the run of the write under the cursor, or all again."""
        intent = self.chosen
        if self.run:
            self.show_writes(self.view)
        elif intent is not None and intent.run is not None:
            self.show_writes("all", intent.run)
        elif intent is not None:
            self.notify(f"Write {intent.id} belongs to no run.", timeout=3, markup=False)

    def action_clear(self) -> None:
        if self.run or self.view != "all":
            self.show_writes("all")

    def action_open(self) -> None:
        """Go to the order or listing that the write is about."""
        intent = self.chosen
        if intent is None:
            return
        if intent.is_order:
            self.post_message(OrdersTab.Opened(int(intent.target)))
        else:
            self.post_message(ListingsTab.Opened(intent.target))

    @work(exclusive=True, group="writes-act")
    async def action_undo(self) -> None:
        """Take back the write under the cursor."""
        intent = self.chosen
        if intent is None:
            return
        if why := why_not_undo(intent):
            self.complain(Guarded(why), title=f"Write {intent.id} cannot be taken back")
            return
        await undo(self.app, self.workspace, intent_id=intent.id)
        self.renew()

    @work(exclusive=True, group="writes-act")
    async def begin_undo(self, what: str) -> None:
        """Take back a write by its number, or a run by its name."""
        if what.isascii() and what.isdecimal():
            await undo(self.app, self.workspace, intent_id=int(what))
        else:
            await undo(self.app, self.workspace, run=what)
        self.renew()

    @work(exclusive=True, group="writes-act")
    async def action_undo_run(self) -> None:
        """Take back all of the run that the write under the cursor belongs to."""
        intent = self.chosen
        if intent is None:
            return
        if intent.run is None:
            self.complain(Guarded("It belongs to no run.", hint="z takes it back alone."), title=f"Write {intent.id}")
            return
        await undo(self.app, self.workspace, run=intent.run)
        self.renew()

    @work(exclusive=True, group="writes-act")
    async def action_decide(self) -> None:
        """Decide about the write under the cursor."""
        row = self.table.cursor_row
        if row is None:
            return
        if row.intent.state not in _TO_DECIDE:
            error = Guarded(f"It is {row.intent.state}: there is nothing to decide.")
            self.complain(error, title=f"Write {row.intent.id}")
            return
        answer: str | None = await self.app.push_screen_wait(ConflictScreen(self.workspace, row.intent, row.label))
        if answer == "inspect":
            self.action_open()
        elif answer is not None and not await refused_to_viewer(self.app, self.workspace):
            try:
                await self.decide(row, answer)
            except BmError as error:
                self.complain(error, title=f"Write {row.intent.id}")
        self.renew()

    @on(Resize)
    def _fit(self) -> None:
        self.set_class(self.size.height < 18, "-short")

    @on(VirtualTable.Chosen)
    def _enter(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        if self.chosen is not None and self.chosen.state in _TO_DECIDE:
            self.action_decide()
        else:
            self.action_open()

    @on(StateBar.Picked)
    def _pick(self, event: StateBar.Picked) -> None:
        event.stop()
        self.show_writes(event.view, self.run)

    @on(VirtualTable.Moved)
    def _follow(self, event: VirtualTable.Moved) -> None:
        event.stop()
        self._tell()

    @on(VirtualTable.Counted)
    def _counted(self, event: VirtualTable.Counted) -> None:
        event.stop()
        empty = "Nothing was written yet: edit a listing, accept an order, import a file."
        self.table.note = empty if self.view == "all" and not self.run else "No write is in this view. Esc shows all."
        self._tell()

    @on(VirtualTable.Failed)
    def _complain(self, event: VirtualTable.Failed) -> None:
        event.stop()
        self.complain(event.error, title="The journal cannot be read")

    # What is shown.

    def _tell(self) -> None:
        row = self.table.cursor_row
        self._detail.show(*(self._about(row) if row else ()))
        legal = tuple(self.offers(name) for name in ("writes.decide", "writes.undo", "writes.undo_run"))
        if legal != self._legal:
            self._legal = legal
            self.post_message(Tab.Offers())

    def _about(self, row: WriteRow) -> list[Cell]:
        intent, zone = row.intent, self.workspace.zone
        head: Cell = (
            (f"Write {intent.id}  ", Tone.STRONG),
            *words.state(intent),
            (f"   {row.label}", Tone.STRONG),
            (f"  {intent.market or ''}", Tone.DIM),
        )
        lines = [head, words.ending(intent)]
        sides = (("saw", intent.base), ("before", intent.before), ("want", intent.want), ("read back", intent.readback))
        for title, values in sides:
            if values:
                # The lines of an order move together: what they share is said once.
                shown = {
                    f"{words.field_name(name)} {words.value_of(name, each)}": None for name, each in values.items()
                }
                lines.append(((f"{title:<10}", Tone.DIM), *look.text(" · ".join(shown))))
        times = {0: ", nothing was sent", 1: ""}.get(intent.attempts, f", sent {intent.attempts} times")
        by: Cell = (
            (f"{'by':<10}", Tone.DIM),
            *look.text(intent.origin),
            (f"  {look.moment(intent.created, zone, seconds=True)}{times}", Tone.DIM),
        )
        if intent.run:
            by += ((f"   run {clean(intent.run, limit=60)}", Tone.DIM),)
        if intent.undoes is not None:
            by += ((f"   takes back write {intent.undoes}", Tone.DIM),)
        if intent.undone_by is not None:
            by += ((f"   taken back by write {intent.undone_by}", Tone.WARN),)
        lines.append(by)
        if intent.note and intent.state is not IntentState.CONFIRMED:
            lines.append(((f"{'note':<10}", Tone.DIM), *look.text(intent.note)))
        return lines

    def _columns(self) -> Sequence[Column[WriteRow]]:
        return (
            Column("id", "Write", 6, lambda row: look.text(row.id, Tone.DIM), right=True),
            Column("state", "State", 11, lambda row: words.state(row.intent)),
            Column("when", "When", 12, self._when, rank=3),
            Column("what", "What", 17, lambda row: look.text(row.label, Tone.STRONG), grow=1, most=30),
            Column("market", "Market", 6, _market, rank=4),
            Column("change", "Change", 24, lambda row: words.change(row.intent), grow=3),
            Column("origin", "By", 8, lambda row: look.text(row.intent.origin, Tone.DIM), rank=2),
            Column("why", "Why", 16, _why, grow=2, rank=5),
        )

    def _when(self, row: WriteRow) -> Cell:
        return look.text(look.moment(row.intent.updated, self.workspace.zone), Tone.DIM)


def why_not_undo(intent: Intent) -> str:
    """Return why a write can surely not be taken back, empty where what is there now decides."""
    if intent.is_order:
        return f"What was done to an order ({intent.kind}) cannot be taken back at Back Market."
    if intent.undone_by is not None:
        return f"It was taken back by write {intent.undone_by}."
    if intent.state is not IntentState.CONFIRMED:
        return f"It is {intent.state}; only a confirmed write can be taken back."
    return "" if intent.attempts else "Nothing was sent: it was already so."


def _label(intent: Intent, skus: Mapping[str, str]) -> str:
    return f"order {intent.target}" if intent.is_order else clean(skus.get(intent.target, intent.target))


def _market(row: WriteRow) -> Cell:
    return look.text(row.intent.market, Tone.DIM) if row.intent.market else look.BLANK


def _why(row: WriteRow) -> Cell:
    intent = row.intent
    if intent.state is IntentState.CONFIRMED:
        return look.text(intent.note, Tone.DIM) if intent.note else look.BLANK
    tone = Tone.DIM if intent.state is IntentState.DROPPED else Tone.WARN
    return look.text(intent.error, tone) if intent.error else look.BLANK
