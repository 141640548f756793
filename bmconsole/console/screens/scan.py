"""Scan to ship: one field has the focus, whatever the scanner types goes where it belongs, nothing ships by a scan."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.table import Table
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input

from bmconsole.console import intents as words
from bmconsole.console import look
from bmconsole.console.actions import bindings
from bmconsole.console.completion import Suggestion, matching
from bmconsole.console.look import BLANK, MASK, PENDING_GLYPH, Cell, Tone, count, text
from bmconsole.console.screens.ask import AskScreen
from bmconsole.console.screens.carrying import Carrying, Task, said, tell
from bmconsole.console.screens.scanning import Parcel, Scanning, Step
from bmconsole.console.seam import WorkspaceLike
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.carriers import SHIPPERS, shipper_named
from bmconsole.domain.orders import OPEN
from bmconsole.domain.text import clean
from bmconsole.errors import BmError, UsageError

_SHOWN = 6
"""How many of the parcels done are shown."""


@dataclass
class Done:
    """A parcel that was handed out to be written."""

    parcel: Parcel
    carrying: Carrying


class ScanField(Input):
    """Where a scanner types: Enter empties it in its own turn, before the next scan begins."""

    async def action_submit(self) -> None:
        await self.run_action("screen.submit")


class ScanScreen(ModalScreen[None]):
    """One parcel after the other until the operator ends it; writes that are on their way end by themselves."""

    SCOPES: ClassVar[tuple[str, ...]] = ("scan",)
    BINDINGS = bindings("scan")

    def __init__(self, workspace: WorkspaceLike, queue: Sequence[int]) -> None:
        super().__init__()
        self._workspace = workspace
        self.scanning = Scanning(workspace, queue)
        self.done: list[Done] = []
        self.fault = ""
        self._head, self._steps = Sheet(classes="lead"), Sheet(classes="steps")
        self._label = Sheet(classes="label")
        self.field = ScanField(compact=True, select_on_focus=False)
        self._aside = Sheet(classes="aside")
        self._said = Sheet(classes="said")
        self._past = Sheet(classes="past")
        self._hints = KeyHints()
        self._ready = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="box broad scan") as box:
            box.border_title = "Scan to ship"
            yield self._head
            yield self._steps
            with Horizontal(classes="field"):
                yield self._label
                yield self.field
                yield self._aside
            yield self._said
            yield self._past
            yield self._hints

    def on_mount(self) -> None:
        self.set_class(self.app.size.height < 22, "-short")
        self.field.focus()
        self._begin()

    @work(exclusive=True, group="scan")
    async def _begin(self) -> None:
        await self._try(self.scanning.begin())
        self._ready = True

    # Keys.

    def action_submit(self) -> None:
        self._take(self.field.value)

    @on(Input.Changed)
    def _forgive(self, event: Input.Changed) -> None:
        event.stop()
        if event.value and self.fault:
            self.fault = ""
            self._show()

    def action_kind(self) -> None:
        """Take a serial number instead of an IMEI, or an IMEI again."""
        if self.scanning.step is Step.DEVICE:
            self.scanning.serial = not self.scanning.serial
            self.fault = ""
            self._show()

    @work(exclusive=True, group="scan")
    async def action_carrier(self) -> None:
        """Choose another carrier than the one guessed."""
        parcel = self.scanning.parcel
        if parcel is None:
            return
        name: str | None = await self.app.push_screen_wait(
            AskScreen(
                "Carrier",
                [(("As Back Market names it; Tab completes, nothing guesses from the number.", Tone.DIM),)],
                value="" if parcel.guessed else parcel.carrier or "",
                placeholder=parcel.carrier or "DPD FR",
                completer=_carriers,
                check=_known,
                empty=True,
            )
        )
        if name is not None:
            await self._try(self.scanning.choose_carrier(name))

    @work(exclusive=True, group="scan")
    async def action_skip(self) -> None:
        await self._try(self.scanning.skip())

    @work(exclusive=True, group="scan")
    async def action_back(self) -> None:
        await self._try(self.scanning.back())

    @work(exclusive=True, group="scan")
    async def action_leave(self) -> None:
        """Give up this parcel; with none begun, end."""
        if self.scanning.parcel is not None and (self.scanning.parcel.devices or self.scanning.step is Step.CONFIRM):
            await self._try(self.scanning.propose())
            self._tell("Given up; nothing was written. Esc again ends.", Tone.WARN)
            return
        for each in self.done:
            each.carrying.watched = False
        self.dismiss(None)

    # Steps.

    def _take(self, value: str) -> None:
        if self._ready:
            self.field.value = ""
            self._work_on(value.strip())

    @work(group="scan-take")
    async def _work_on(self, value: str) -> None:
        scanning = self.scanning
        self._ready = False
        try:
            match scanning.step:
                case Step.ORDER:
                    await self._try(scanning.take_order(value))
                case Step.DEVICE:
                    await self._try(scanning.take_device(value))
                case Step.TRACKING:
                    await self._try(scanning.take_tracking(value))
                case Step.CONFIRM:
                    await self._confirm(value)
        finally:
            self._ready = True

    async def _confirm(self, value: str) -> None:
        try:
            if not self.scanning.confirmed(value):
                return
        except BmError as error:
            self._refuse(error)
            return
        parcel, plan = self.scanning.sent()
        title = f"Ship order {parcel.order.order_id}"
        done = Done(parcel, Carrying(self._workspace, Task(title, "", plan)))
        self.done.append(done)
        app = self.app

        async def carry() -> None:
            await done.carrying.run()
            if not done.carrying.clear:
                self.scanning.failed(parcel)
                app.bell()
            if not done.carrying.watched or not done.carrying.clear:
                tell(app, done.carrying)
            if self.is_attached:
                self._show()

        app.run_worker(carry(), group="carrying")
        await self._try(self.scanning.propose())

    async def _try(self, step: Awaitable[None]) -> None:
        """Do a step; say in place why it cannot be done."""
        try:
            await step
        except BmError as error:
            self._refuse(error)
            return
        self.fault = ""
        self._show()

    def _refuse(self, error: BmError) -> None:
        self.fault = error.line()
        self.app.bell()
        self._show()

    # What is shown.

    def _tell(self, words_: str, tone: Tone) -> None:
        self._said.show((("▲ ", tone), (words_, tone)))

    def _show(self) -> None:
        if not self.is_attached:
            return
        scanning, parcel = self.scanning, self.scanning.parcel
        self._head.show(*(self._about(parcel) if parcel else self._waiting()))
        self._steps.show(*self._collected())
        labels = {
            Step.ORDER: "Order",
            Step.DEVICE: "Serial" if scanning.serial else "IMEI",
            Step.TRACKING: "Tracking",
            Step.CONFIRM: "Confirm",
        }
        self._label.show(((f"▸ {labels[scanning.step]}", Tone.KEY),))
        self.field.placeholder = self._placeholder()
        self._aside.show(self._beside())
        if self.fault:
            self._said.show((("× ", Tone.BAD), *text(self.fault, Tone.BAD)))
        elif scanning.step is Step.CONFIRM and scanning.plan is not None:
            self._said.draw(self._summary)
        else:
            self._said.show()
        self._past.show(*self._history())
        self._hint()

    def _waiting(self) -> list[Cell]:
        left = self.scanning.left
        if not left and self.scanning.proposed is None:
            return [(("✓ ", Tone.GOOD), ("Nothing waits to be shipped.", Tone.STRONG)), (("", Tone.DIM),)]
        return [
            ((count(left), Tone.STRONG), (f" order{'s' * (left != 1)} to ship", Tone.STRONG)),
            (("Scan the number of an order, or take the next one with Enter.", Tone.DIM),),
        ]

    def _about(self, parcel: Parcel) -> list[Cell]:
        order, now = parcel.order, self._workspace.now()
        gap: Cell = (("   ", Tone.DIM),)
        title: Cell = ((f"Order {order.order_id}", Tone.STRONG), *gap, *look.status(order.status))
        if order.due is not None and order.status in OPEN:
            title += gap + look.due(order.due, order.late(now), True, now)
        title += (*gap, *look.money(order.price))
        lines = [title]
        for line in parcel.lines[:3]:
            lines.append(
                (
                    (f"{line.quantity} × ", Tone.WARN if line.quantity > 1 else Tone.DIM),
                    *text(clean(line.product or "", limit=70)),
                    ("   ", Tone.DIM),
                    *text(line.sku, Tone.DIM),
                )
            )
        address = order.shipping_address
        town = " ".join(part for part in (address.postal_code, address.city) if part)
        where = ", ".join(part for part in (address.name, town, order.country_code) if part)
        if getattr(self.app, "private", False):
            where = ", ".join(part for part in (MASK, order.country_code) if part)
        return [*lines, text(where, Tone.DIM)]

    def _collected(self) -> list[Cell]:
        parcel = self.scanning.parcel
        if parcel is None:
            return []
        lines: list[Cell] = []
        several = len(parcel.lines) > 1
        for place, device in enumerate(parcel.devices):
            name = "Serial" if device is not None and device.serial_number else "IMEI"
            value = "–  goes without one" if device is None else device.imei or device.serial_number
            line: Cell = (
                ("– " if device is None else "✓ ", Tone.WARN if device is None else Tone.GOOD),
                (f"{name:<10}", Tone.DIM),
                *text(value, Tone.DIM if device is None else Tone.STRONG),
            )
            if several:
                line += (("   ", Tone.DIM), *text(parcel.lines[place].sku, Tone.DIM))
            lines.append(line)
        if self.scanning.step is Step.CONFIRM:
            lines.append((("✓ ", Tone.GOOD), (f"{'Tracking':<10}", Tone.DIM), *text(parcel.tracking, Tone.STRONG)))
            how = "guessed from the number" if parcel.guessed else "chosen"
            if parcel.carrier is None:
                carrier: Cell = (("none; the number does not tell one", Tone.WARN),)
            else:
                carrier = (*text(parcel.carrier, Tone.STRONG), (f"   {how}", Tone.DIM))
            known = parcel.carrier is not None
            lines.append(
                (("✓ " if known else "▲ ", Tone.GOOD if known else Tone.WARN), (f"{'Carrier':<10}", Tone.DIM), *carrier)
            )
        return lines

    def _placeholder(self) -> str:
        scanning = self.scanning
        match scanning.step:
            case Step.ORDER:
                return "" if scanning.proposed is None else f"{scanning.proposed} is next: Enter takes it"
            case Step.DEVICE:
                return "scan the serial number" if scanning.serial else "scan the IMEI, 15 digits"
            case Step.TRACKING:
                return "scan the label"
        number = scanning.plan.confirm if scanning.plan else 0
        return f"type {number} and Enter to ship" if number else "Enter ships it"

    def _beside(self) -> Cell:
        scanning, parcel = self.scanning, self.scanning.parcel
        if scanning.step is Step.DEVICE and parcel is not None:
            several = len(parcel.lines) > 1
            line = f"line {len(parcel.devices) + 1} of {len(parcel.lines)}   " if several else ""
            return ((line, Tone.WARN), ("Enter alone: without one", Tone.DIM))
        if scanning.step is Step.TRACKING and parcel is not None and not parcel.guessed:
            return (("carrier ", Tone.DIM), *text(parcel.carrier))
        return ((" ", Tone.DIM),)

    def _summary(self) -> Table:
        """Return old → new, and what to look at twice."""
        plan = self.scanning.plan
        table = Table.grid(padding=(0, 2), pad_edge=False)
        for _ in range(5):
            table.add_column(overflow="fold")
        for change in plan.changes if plan else ():
            table.add_row(
                self._said.styled(text(words.field_name(change.field), Tone.DIM)),
                self._said.styled(text(change.old, Tone.DIM)),
                self._said.styled((("→", Tone.DIM),)),
                self._said.styled(text(change.new, Tone.STRONG)),
                self._said.styled(text(change.note, Tone.WARN) if change.note else BLANK),
            )
        for warning in self.scanning.warnings:
            table.add_row(self._said.styled((("▲", Tone.WARN),)), self._said.styled(text(warning, Tone.WARN)))
        return table

    def _history(self) -> list[Cell]:
        if not self.done:
            return []
        good = sum(each.carrying.clear for each in self.done)
        left = self.scanning.left
        title: Cell = ((f"{count(good)} shipped here", Tone.STRONG), (f"   {count(left)} left", Tone.DIM))
        room = max(1, min(_SHOWN, self.app.size.height - 20))
        return [title, *(self._past_line(each) for each in self.done[-room:][::-1])]

    def _past_line(self, done: Done) -> Cell:
        number = f"{done.parcel.order.order_id}  "
        if done.carrying.ended is None:
            return ((f"{PENDING_GLYPH} ", Tone.WARN), (number, Tone.STRONG), ("writing, then reading back…", Tone.DIM))
        line, good = said(done.carrying)
        if good:
            return (("✓ ", Tone.GOOD), (number, Tone.STRONG), *text(_read(done.carrying), Tone.DIM))
        return (("× ", Tone.BAD), (number, Tone.STRONG), *text(line, Tone.BAD))

    def _hint(self) -> None:
        step = self.scanning.step
        take = {Step.ORDER: "take the order", Step.CONFIRM: "ship it"}.get(step, "take it")
        hints = [Hint("enter", take, "screen.submit")]
        if step is Step.DEVICE:
            other = "IMEI" if self.scanning.serial else "serial"
            hints.append(Hint("f2", other, "screen.kind"))
        if step in (Step.TRACKING, Step.CONFIRM):
            hints.append(Hint("f3", "carrier", "screen.carrier"))
        hints.append(Hint("f4", "leave out", "screen.skip"))
        if self.scanning.parcel is not None:
            hints.append(Hint("↑", "step back", "screen.back"))
        self._hints.hints = (*hints, Hint("esc", "end", "screen.leave"))

    @on(Resize)
    def _fit(self) -> None:
        if self._ready:
            self._show()


def _read(carrying: Carrying) -> str:
    return "; ".join(look.plain(words.ending(each)).removeprefix("✓ ") for each in carrying.ended or ())


def _carriers(typed: str) -> list[Suggestion]:
    return matching(typed, 0, [(name, "") for name in SHIPPERS])


async def _known(name: str) -> None:
    if name:
        try:
            shipper_named(name)
        except ValueError as error:
            raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.", field="shipper") from None
