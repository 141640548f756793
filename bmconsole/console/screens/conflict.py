"""A write that somebody has to decide about: what was seen, what we want, what is there now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from bmconsole.console import intents as words
from bmconsole.console.actions import bindings
from bmconsole.console.look import NOTHING, Cell, Tone, full_moment, text
from bmconsole.console.seam import WorkspaceLike
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.source import ListSource
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.intents import Intent, IntentState
from bmconsole.domain.listings import Listing
from bmconsole.domain.orders import Order
from bmconsole.domain.transitions import INVOICE
from bmconsole.errors import BmError


@dataclass(frozen=True, slots=True)
class Side:
    """One field from all sides; `theirs` None while it is not known."""

    id: str
    base: object
    ours: object
    theirs: object
    known: bool


class ConflictScreen(ModalScreen[str | None]):
    """Answers `keep`, `ours`, `edit` or `inspect`; None to decide later."""

    SCOPES: ClassVar[tuple[str, ...]] = ("conflict",)
    BINDINGS = bindings("conflict")

    def __init__(self, workspace: WorkspaceLike, intent: Intent, label: str) -> None:
        super().__init__()
        self._workspace, self.intent, self._label = workspace, intent, label
        self.live: dict[str, object] = dict(intent.readback or {})
        self.asked = False
        """Whether Back Market has been asked what is there now."""
        self._source: ListSource[Side] = ListSource(self._sides())
        self.table: VirtualTable[Side] = VirtualTable(
            self._source,
            (
                Column("field", "Field", 12, lambda side: text(words.field_name(side.id), Tone.STRONG)),
                Column("base", "You saw", 12, lambda side: _value(side.id, side.base, Tone.DIM), grow=1, most=30),
                Column("ours", "You want", 12, lambda side: _value(side.id, side.ours, Tone.KEY), grow=1, most=30),
                Column("theirs", "Is there now", 14, _theirs, grow=1, most=30),
            ),
        )
        self.table.can_focus = False
        self._state = Sheet(classes="said")
        self._hints = KeyHints()

    @property
    def can_write(self) -> bool:
        """Whether ours may be written at all: what an order can still become, its state decides."""
        return not self.intent.is_order or self.intent.state is IntentState.UNKNOWN

    @property
    def can_edit(self) -> bool:
        return not self.intent.is_order and self.intent.state is IntentState.CONFLICT

    def compose(self) -> ComposeResult:
        intent = self.intent
        with Vertical(classes="box broad") as box:
            box.border_title = f"Write {intent.id}: {'a conflict' if self._conflict else 'nobody knows how it ended'}"
            place = f"  {intent.market}" if intent.market else ""
            when = full_moment(intent.updated, self._workspace.zone)
            yield Sheet(
                ((self._label, Tone.STRONG), (place, Tone.PLAIN), (f"   {intent.origin}, {when}", Tone.DIM)),
                (("× " if self._conflict else "? ", Tone.BAD), *text(intent.error or "", Tone.PLAIN)),
                classes="lead",
            )
            yield self.table
            yield self._state
            yield self._hints

    def on_mount(self) -> None:
        self.table.styles.height = len(self._source.rows) + 1
        self.table.load()
        self._hint()
        self._look()

    @property
    def _conflict(self) -> bool:
        return self.intent.state is IntentState.CONFLICT

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """Ask Back Market what is there now."""
        intent = self.intent
        if intent.kind == INVOICE:
            self._say((("Back Market does not show invoices: whether it arrived cannot be read.", Tone.WARN),))
            return
        self._say((("asking Back Market what is there now…", Tone.DIM),))
        try:
            if intent.is_order:
                self.live |= _of_order(
                    (await self._workspace.inspect_order(int(intent.target))).live, list(intent.want)
                )
            else:
                listing = await self._workspace.refresh_listing(intent.target)
                self.live |= _of_listing(listing, intent.market, list(intent.want))
        except BmError as error:
            self._say((("× ", Tone.BAD), *text(error.line(), Tone.BAD)))
            return
        self.asked = True
        self._source.rows = self._sides()
        self.table.renew()
        if all(str(self.live.get(name)) == str(value) for name, value in intent.want.items() if name in self.live):
            self._say((("✓ ", Tone.GOOD), ("What is there now is what you want.", Tone.PLAIN)))
        elif not self.can_write:
            self._say((("What an order can still become its state decides: look at it and act anew.", Tone.WARN),))
        else:
            self._say((("read just now", Tone.DIM),))

    def _say(self, *lines: Cell) -> None:
        self._state.show(*lines)

    def _sides(self) -> Sequence[Side]:
        intent = self.intent
        return [
            Side(name, intent.base.get(name), value, self.live.get(name), name in self.live)
            for name, value in intent.want.items()
        ]

    def _hint(self) -> None:
        hints = [Hint("k", "keep theirs" if self._conflict else "let it be", "screen.keep")]
        if self.can_write:
            hints.append(Hint("o", "write ours" if self._conflict else "send it again", "screen.ours"))
        if self.can_edit:
            hints.append(Hint("e", "edit", "screen.edit"))
        hints.append(Hint("i", "open", "screen.inspect"))
        self._hints.hints = (*hints, Hint("esc", "later", "screen.leave"))

    def action_keep(self) -> None:
        self.dismiss("keep")

    def action_ours(self) -> None:
        if self.can_write:
            self.dismiss("ours")
        else:
            self._say((("What an order can still become its state decides; ours cannot be written.", Tone.BAD),))

    def action_edit(self) -> None:
        if self.can_edit:
            self.dismiss("edit")

    def action_inspect(self) -> None:
        self.dismiss("inspect")

    def action_leave(self) -> None:
        self.dismiss(None)


def _theirs(side: Side) -> Cell:
    if not side.known:
        return (("…", Tone.DIM),)
    return _value(side.id, side.theirs, Tone.GOOD if str(side.theirs) == str(side.ours) else Tone.WARN)


def _value(name: str, value: object, tone: Tone) -> Cell:
    return NOTHING if value is None or value == "" else text(words.value_of(name, value), tone)


def _of_listing(listing: Listing, market: str | None, names: Sequence[str]) -> dict[str, object]:
    offer = listing.offers.get(market or "")
    found: dict[str, object] = {"quantity": listing.quantity}
    if offer is not None:
        found |= {
            "price": offer.price.text() if offer.price else None,
            "min_price": offer.min_price.text() if offer.min_price else None,
            "comment": offer.comment,
            "warranty_delay": offer.warranty_delay,
        }
    return {name: found[name] for name in names if name in found}


def _of_order(order: Order, names: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {
        "tracking_number": order.tracking_number,
        "tracking_url": order.tracking_url,
        "shipper": order.shipper_display,
    }
    for line in order.orderlines:
        for name in ("state", "imei", "serial_number", "return_reason"):
            found[f"orderlines.{line.id}.{name}"] = getattr(line, name)
    return {name: found[name] for name in names if name in found}
