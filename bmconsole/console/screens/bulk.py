"""One change for many listings: price, least price or stock, typed once and shown for each before it is reviewed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input

from bmconsole.console.actions import bindings
from bmconsole.console.look import NOTHING, Cell, Tone, count, money, text
from bmconsole.console.seam import WorkspaceLike
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.form import FormField
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.source import ListSource
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.bulk import LeftOut
from bmconsole.domain.intents import Change
from bmconsole.domain.listings import Listing
from bmconsole.domain.views import WritePlan
from bmconsole.errors import BmError

_SHOWN = 200
"""How many of the listings are shown one by one."""
_PAUSE = 0.15
"""Seconds of rest in typing before all of it is planned anew."""
_AROUND = 16


@dataclass(frozen=True, slots=True)
class Ware:
    """A listing with what would become of it."""

    id: str
    listing: Listing
    changes: Mapping[str, Change] = field(default_factory=dict)


class BulkScreen(ModalScreen["Mapping[str, str] | None"]):
    """Answers with the fields as typed, None where it was left."""

    SCOPES: ClassVar[tuple[str, ...]] = ("bulk",)
    BINDINGS = bindings("bulk")
    FIELDS = (
        ("price", "Price", "231.50  or +5%  -3%  -2.50"),
        ("min_price", "Min price", "as the price"),
        ("quantity", "Stock", "5  or +2  -1;  0: offline"),
    )

    def __init__(self, workspace: WorkspaceLike, ids: Sequence[str], market: str, hidden: int) -> None:
        super().__init__()
        self._workspace, self._ids, self._market, self._hidden = workspace, ids, market, hidden
        self._wares: list[Ware] = []
        self._source: ListSource[Ware] = ListSource(self._wares)
        self.table: VirtualTable[Ware] = VirtualTable(self._source, self._columns())
        self.table.can_focus = False
        self._said = Sheet(classes="said")

    def compose(self) -> ComposeResult:
        with Vertical(classes="box broad") as box:
            box.border_title = f"Change {count(len(self._ids))} listing{'s' * (len(self._ids) != 1)} in {self._market}"
            if self._hidden:
                words = f"{count(self._hidden)} more marked are hidden by the filter and left out"
                yield Sheet((("▲ ", Tone.WARN), (words, Tone.WARN)), classes="lead")
            for name, label, hint in self.FIELDS:
                yield FormField(name, label, hint)
            yield self._said
            yield self.table
            hints = KeyHints()
            hints.set_reactive(
                KeyHints.hints,
                (
                    Hint("enter", "review", "screen.review"),
                    Hint("↓↑", "field", "screen.next"),
                    Hint("esc", "leave", "screen.leave"),
                ),
            )
            yield hints

    def on_mount(self) -> None:
        for each in self.query(FormField):
            each.remark(None)
        self.query(Input).first().focus()
        self._load()

    def typed(self) -> dict[str, str]:
        """Return the fields that are filled, as typed."""
        return {each.field: each.input.value.strip() for each in self.query(FormField) if each.changed}

    @work(exclusive=True, group="load")
    async def _load(self) -> None:
        found = []
        for number in self._ids[:_SHOWN]:
            try:
                found.append(Ware(number, (await self._workspace.listing_view(number)).listing))
            except BmError:
                # It went since it was marked; the plan leaves it out with the reason
                continue
        self._wares = found
        self._check()

    @on(Input.Changed)
    def _retype(self, event: Input.Changed) -> None:
        event.stop()
        self._check()

    @work(exclusive=True, group="check")
    async def _check(self) -> None:
        """Plan what is typed, and say for each field what is wrong with it."""
        await asyncio.sleep(_PAUSE)
        if not self.is_current:
            return
        typed = self.typed()
        for each in self.query(FormField):
            each.remark(None)
        if not typed:
            self._show(None, ())
            return
        try:
            plan, left_out = await self._workspace.plan_bulk(self._ids, self._market, typed)
        except BmError as error:
            self._said.show((("× ", Tone.BAD), *text(error.line(), Tone.BAD)))
            return
        if self.is_current:
            self._show(plan, left_out)

    def _show(self, plan: WritePlan | None, left_out: Sequence[LeftOut]) -> None:
        changes: dict[str, dict[str, Change]] = {}
        for change in plan.changes if plan else ():
            changes.setdefault(change.target, {})[change.field] = change
        self._source.rows = [Ware(each.id, each.listing, changes.get(each.id, {})) for each in self._wares]
        self._fit()
        self.table.renew()
        lines: list[Cell] = [(("▪ ", Tone.KEY), *text(note)) for note in plan.notes] if plan else []
        if plan is not None and not plan.changes and not left_out:
            lines.append((("everything is already so", Tone.DIM),))
        for field_name in {each.error.field for each in left_out} & {name for name, _, _ in self.FIELDS}:
            first = next(each for each in left_out if each.error.field == field_name)
            every = sum(each.error.field == field_name for each in left_out)
            where = next(each for each in self.query(FormField) if each.field == field_name)
            label = f"{first.label}: " if every < len(self._ids) else ""
            where.remark(((f"× {label}{first.why}", Tone.BAD),), bad=True)
        if left_out:
            words = f"{count(len(left_out))} of {count(len(self._ids))} left out, such as {left_out[0].label}: "
            lines.append((("▲ ", Tone.WARN), (words, Tone.WARN), *text(left_out[0].why)))
        if len(self._ids) > _SHOWN:
            lines.append(((f"the first {_SHOWN} of {count(len(self._ids))} are shown here", Tone.DIM),))
        self._said.show(*lines)
        self.call_after_refresh(self._fit)

    def action_review(self) -> None:
        if typed := self.typed():
            self.workers.cancel_node(self)
            self.dismiss(typed)
        else:
            self._said.show((("Type a price, a least price or a stock first.", Tone.WARN),))

    def action_next(self) -> None:
        self._step(1)

    def action_previous(self) -> None:
        self._step(-1)

    def action_leave(self) -> None:
        self.workers.cancel_node(self)
        self.dismiss(None)

    @on(Input.Submitted)
    def _review(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_review()

    def _step(self, by: int) -> None:
        inputs = list(self.query(Input))
        here = next((place for place, each in enumerate(inputs) if each is self.focused), 0)
        self.set_focus(inputs[(here + by) % len(inputs)])

    @on(Resize)
    def _fit(self) -> None:
        self.set_class(self.app.size.height < 22, "-short")
        room = self.app.size.height - (_AROUND - 4 if self.has_class("-short") else _AROUND)
        room -= len(self._said.text.splitlines())
        self.table.styles.height = min(len(self._source.rows) + 1, max(3, room))

    def _columns(self) -> Sequence[Column[Ware]]:
        return (
            Column("sku", "SKU", 18, lambda ware: text(ware.listing.sku, Tone.STRONG), grow=1, most=32),
            Column("grade", "Grade", 9, _grade, rank=3),
            Column("price", "Price", 20, self._price, right=True),
            Column("min", "Min", 18, self._min, right=True, rank=2),
            Column("stock", "Stock", 10, self._stock, right=True),
        )

    def _price(self, ware: Ware) -> Cell:
        offer = ware.listing.offers.get(self._market)
        return _shown(ware, "price", money(offer.price if offer else None, currency=False))

    def _min(self, ware: Ware) -> Cell:
        offer = ware.listing.offers.get(self._market)
        return _shown(ware, "min_price", money(offer.min_price if offer else None, Tone.DIM, currency=False))

    def _stock(self, ware: Ware) -> Cell:
        stock = ware.listing.quantity
        return _shown(ware, "quantity", NOTHING if stock is None else text(stock))


def _grade(ware: Ware) -> Cell:
    return text((ware.listing.grade or "").replace("_", " ").lower(), Tone.DIM)


def _shown(ware: Ware, name: str, now: Cell) -> Cell:
    """Return a value, and behind an arrow what it would become."""
    change = ware.changes.get(name)
    if change is None:
        return now
    old = "".join(part for part, _ in now)
    return ((old, Tone.DIM), (" → ", Tone.WARN), *text(change.new, Tone.STRONG))
