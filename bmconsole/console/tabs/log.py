"""What the workers did: the log, live."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult

from bmconsole.console import look
from bmconsole.console.actions import bindings
from bmconsole.console.completion import Suggestion, matching
from bmconsole.console.look import LEVEL_LOOK, Cell, Tone
from bmconsole.console.tabs.listings import ListingsTab
from bmconsole.console.tabs.orders import OrdersTab
from bmconsole.console.tabs.tab import Tab
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.filterbar import FilterBar
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.source import ListSource
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.text import clean
from bmconsole.domain.views import Event
from bmconsole.errors import BmError

KEPT = 2_000
"""Lines in memory; the history file keeps the rest."""
PAGE = 500
LEVELS = ("debug", "info", "warning", "error")


class LogTab(Tab):
    """Lines as they come, followed until the operator looks elsewhere."""

    SCOPES: ClassVar[tuple[str, ...]] = ("log",)
    BINDINGS = bindings("log")
    TITLE = "Log"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.following = True
        self.level = "info"
        self.where = ""
        self._events: list[Event] = []
        self._source: ListSource[Event] = ListSource(key="id")
        self._head = Sheet(id="log-head")
        self.bar = FilterBar("words, source:sync, !words", self._complete, self)
        self._table = VirtualTable(self._source, self._columns(), id="log-table")

    def compose(self) -> ComposeResult:
        yield self.bar
        yield self._head
        yield self._table

    def on_mount(self) -> None:
        self._table.note = "Nothing happened yet."
        self._tell()

    def enter(self) -> None:
        self.take(self._table)
        self.renew()

    def renew(self) -> None:
        if self.ready:
            self._read()

    def repaint(self) -> None:
        self._table.refresh()

    def action_follow(self) -> None:
        self.following = not self.following
        self._tell()
        self._to_end()

    def _to_end(self) -> None:
        if self.following:
            self._table.move_to(self._table.row_count - 1)

    def action_level(self) -> None:
        self.level = LEVELS[(LEVELS.index(self.level) + 1) % len(LEVELS)]
        self._events = []
        self._tell()
        self.renew()

    @property
    def place(self) -> str:
        return self.where

    def go(self, place: str) -> None:
        self.filter(place)

    def sources(self) -> list[str]:
        """Return the sources of the lines in memory."""
        return sorted({clean(event.source, limit=40) for event in self._events})

    def source_terms(self) -> list[str]:
        """Return the terms that show one source."""
        return [f"source:{name}" for name in self.sources()]

    def _complete(self, typed: str) -> list[Suggestion]:
        last = typed.split(" ")[-1]
        return matching(last, len(typed) - len(last), [(term, "") for term in self.source_terms()])

    def filter(self, where: str) -> None:
        """Show the lines that all terms hold for: `source:NAME`, a word of the message, `!` for its opposite."""
        self.where = where
        self.bar.accept(where)
        self._sieve()

    def action_filter(self) -> None:
        self.bar.edit()

    def action_clear(self) -> None:
        if self.where:
            self.filter("")

    def action_source(self) -> None:
        terms = self.source_terms()
        if terms:
            here = terms.index(self.where) + 1 if self.where in terms else 0
            self.filter(terms[here] if here < len(terms) else "")

    async def apply_filter(self, expression: str) -> None:
        self.filter(expression)
        self.take(self._table)

    def leave_filter(self) -> None:
        self.take(self._table)

    def _sieve(self) -> None:
        terms = self.where.lower().split()
        self._source.rows = [event for event in self._events if all(_holds(event, term) for term in terms)]
        shown, total = look.count(len(self._source.rows)), look.count(len(self._events))
        self.bar.summary = f"{shown} of {total} lines" if terms else f"{total} lines"
        self._table.note = "No line passes this filter. Esc shows all again." if terms else "Nothing happened yet."
        self._table.renew()

    def action_open(self) -> None:
        self._table.action_choose()

    @work(exclusive=True, group="log")
    async def _read(self) -> None:
        """Fetch what came since the last line."""
        try:
            while True:
                last = self._events[-1].id if self._events else 0
                level = None if self.level == "debug" else self.level
                fresh = await self.workspace.events(after=last, limit=PAGE, level=level)
                self._events = (self._events + fresh)[-KEPT:]
                if len(fresh) < PAGE or last == 0:
                    break
        except BmError as error:
            self.complain(error, title="The log cannot be read")
            return
        self._sieve()

    @on(VirtualTable.Counted)
    def _follow(self, event: VirtualTable.Counted) -> None:
        event.stop()
        self._tell()
        self._to_end()

    @on(VirtualTable.Moved)
    def _look_elsewhere(self, event: VirtualTable.Moved) -> None:
        event.stop()
        table = self._table
        if self.following and event.by_hand and table.cursor_index < table.row_count - 1:
            self.following = False
            self._tell()

    @on(VirtualTable.Chosen)
    def _open(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        row = self._table.cursor_row
        kind, _, key = (row.ref if row is not None and row.ref else "").partition(":")
        if kind == "order" and key.isdecimal():
            self.post_message(OrdersTab.Opened(int(key)))
        elif kind == "listing" and key:
            self.post_message(ListingsTab.Opened(key))
        else:
            self.notify("This line speaks of no order or listing.", timeout=3, markup=False)

    def _tell(self) -> None:
        glyph, tone = LEVEL_LOOK[self.level]
        above = "" if self.level == "error" else " and above"
        follow: Cell = (("● following", Tone.GOOD),) if self.following else (("○ not following, f follows", Tone.WARN),)
        self._head.show(
            (
                *((f"{glyph} ", tone), (f"{self.level}{above}", Tone.PLAIN), ("   ", Tone.DIM)),
                *follow,
            )
        )

    def _columns(self) -> tuple[Column[Event], ...]:
        return (
            Column("at", "Time", 15, self._at),
            Column("level", "Level", 9, self._level),
            Column("source", "Source", 10, lambda event: look.text(event.source, Tone.DIM), rank=1),
            Column("message", "Message", 30, self._message, grow=1),
            Column("ref", "About", 16, self._about, rank=2),
        )

    def _at(self, event: Event) -> Cell:
        return look.text(look.moment(event.at, self.workspace.zone, seconds=True), Tone.DIM)

    def _about(self, event: Event) -> Cell:
        # The first part of a UUID tells listings apart well enough, and leaves the message its room.
        return look.text(" ".join((event.ref or "").split(":", 1)).split("-")[0], Tone.DIM)

    def _level(self, event: Event) -> Cell:
        glyph, tone = LEVEL_LOOK.get(event.level, ("?", Tone.BAD))
        return ((f"{glyph} ", tone), (clean(event.level), Tone.DIM if tone in (Tone.DIM, Tone.KEY) else tone))

    def _message(self, event: Event) -> Cell:
        tone = {"error": Tone.BAD, "debug": Tone.DIM}.get(event.level, Tone.PLAIN)
        if getattr(self.app, "private", False) and (event.ref or "").startswith("order:"):
            # What the server said about an order may name its buyer; what was done stands before the colon.
            head, colon, _ = event.message.partition(": ")
            return ((f"{clean(head)}: ", tone), (look.MASK, Tone.DIM)) if colon else look.text(head, tone)
        return look.text(event.message, tone)


def _holds(event: Event, term: str) -> bool:
    wanted = term.removeprefix("!")
    kind, found, name = wanted.partition(":")
    if found and kind == "source":
        holds = event.source.lower() == name
    else:
        holds = wanted in f"{event.message} {event.ref or ''}".lower()
    return holds is not term.startswith("!")
