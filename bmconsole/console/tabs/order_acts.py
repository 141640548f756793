"""What is done to orders, from the table or from one order: accept, ship, cancel, refund, invoice, note, export."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work

from bmconsole.console.look import Cell, Tone, count, moment, text
from bmconsole.console.tabs.tab import Tab
from bmconsole.domain import transitions
from bmconsole.domain.intents import IntentState
from bmconsole.domain.orders import Order, Orderline, Status
from bmconsole.domain.rows import Query
from bmconsole.domain.text import clean
from bmconsole.domain.transitions import ACCEPT, CANCEL, REFUND, RETURN_REASONS, SHIP
from bmconsole.errors import BmError, Guarded, UsageError

if TYPE_CHECKING:
    from bmconsole.console.screens.carrying import Task

# The table is there with the first paint, what its acts ask and show only once one is done: each imports its own.

OFFERED: dict[Status, tuple[str, ...]] = {
    Status.TO_ACCEPT: ("order.accept",),
    Status.TO_SHIP: ("order.scan", "order.refund"),
    Status.SHIPPED: ("order.refund",),
}
"""What the footer offers by the status of an order; whether it is legal in the end its lines decide."""
BY_STATUS = ("order.accept", "order.scan", "order.refund")


class OrderActs(Tab):
    """A tab that shows orders, or one; the subclass says which ones an act is about."""

    async def acted_on(self) -> tuple[list[int], int]:
        """Return the orders that an act is about, and how many marked ones are hidden and left out."""
        raise TypeError(f"{type(self).__name__} shows no orders")

    def acted(self, done: Sequence[int]) -> None:
        """Take note that something was done to these orders."""

    def export_query(self) -> tuple[Query, Sequence[int]]:
        """Return which orders an export is about: a query, or ids that go before it."""
        raise TypeError(f"{type(self).__name__} shows no orders")

    # Accept, cancel, refund.

    @work(exclusive=True, group="order-act")
    async def action_accept(self) -> None:
        await self._move(ACCEPT, "Accept")

    @work(exclusive=True, group="order-act")
    async def action_cancel(self) -> None:
        await self._move(CANCEL, "Cancel")

    async def _move(self, act: str, title: str) -> None:
        from bmconsole.console.screens.carrying import Task, refused_to_viewer

        ids, hidden = await self.acted_on()
        if not ids or await refused_to_viewer(self.app, self.workspace):
            return
        try:
            plan, left_out = await self.workspace.plan_orders_bulk(ids, act)
        except BmError as error:
            self.complain(error, title=f"Not {title.lower()}ed")
            return
        if len(ids) == 1 and left_out:
            self._refuse(left_out[0].error, title)
            return
        many = f"{count(len(ids))} orders" if len(ids) > 1 else f"order {ids[0]}"
        await self._write(Task(f"{title} {many}", _left(hidden), plan, left_out=left_out))

    def _refuse(self, error: BmError, title: str) -> None:
        """Say why an act is not legal; the command that a guard names for the command line says nothing here."""
        told = UsageError(error.message) if isinstance(error, Guarded) else error
        self.complain(told, title=f"{title}: not possible")

    async def _write(self, task: "Task") -> None:
        from bmconsole.console.screens.carrying import write

        carrying = await write(self.app, self.workspace, task)
        if carrying is not None and carrying.ended:
            self.acted([int(each.target) for each in carrying.ended if each.state is IntentState.CONFIRMED])

    async def _one(self, what: str) -> Order | None:
        """Return the one order that an act is about."""
        ids, _ = await self.acted_on()
        if len(ids) > 1:
            error = UsageError(
                f"{count(len(ids))} orders are marked.", hint="One at a time: take the marks off with M."
            )
            self.complain(error, title=what)
        if len(ids) != 1:
            return None
        try:
            return await self.workspace.order(ids[0])
        except BmError as error:
            self.complain(error, title=what)
            return None

    @work(exclusive=True, group="order-act")
    async def action_refund(self) -> None:
        from bmconsole.console.screens import files
        from bmconsole.console.screens.ask import AskScreen
        from bmconsole.console.screens.carrying import Task, refused_to_viewer
        from bmconsole.console.widgets.picker import Choice, Picker

        order = await self._one("Refund")
        if order is None or await refused_to_viewer(self.app, self.workspace):
            return
        if why := _why_not(order, REFUND):
            self.complain(UsageError(why), title="Refund: not possible")
            return
        lines = transitions.lines_for(order, REFUND)
        skus = await self._which_lines(order, lines)
        if skus is None:
            return
        reason: int | None = None
        if any(line.state == 3 for line in lines if not skus or line.sku in skus):
            choices = [Choice(str(number), words) for number, words in RETURN_REASONS.items()]
            picked: str | None = await self.app.push_screen_wait(Picker("Why is it refunded?", choices))
            if picked is None:
                return
            reason = int(picked)
        lead = files.lead("For the buyer, at most 500 characters; Enter alone sends none.")
        message: str | None = await self.app.push_screen_wait(
            AskScreen(f"Refund order {order.order_id}", lead, placeholder="message", check=_short, empty=True)
        )
        if message is None:
            return
        try:
            plan, left_out = await self.workspace.plan_orders_bulk(
                [order.order_id], REFUND, skus=skus, reason=reason, message=message or None
            )
        except BmError as error:
            self.complain(error, title="Refund")
            return
        if left_out:
            self._refuse(left_out[0].error, "Refund")
            return
        await self._write(Task(f"Refund order {order.order_id}", _about(order), plan, quiet=True))

    async def _which_lines(self, order: Order, lines: Sequence[Orderline]) -> Sequence[str] | None:
        """Return the SKUs to refund, none for all lines; None where nothing was chosen."""
        skus = list(dict.fromkeys(line.sku for line in lines if line.sku))
        if len(skus) < 2:
            return ()
        from bmconsole.console.widgets.picker import Choice, Picker

        choices = [Choice("", f"all {len(lines)} lines", "")]
        choices += [
            Choice(sku, clean(sku, limit=30), clean(next(line.product or "" for line in lines if line.sku == sku)))
            for sku in skus
        ]
        picked: str | None = await self.app.push_screen_wait(Picker("Refund which lines?", choices))
        if picked is None:
            return None
        return (picked,) if picked else ()

    # Shipping.

    @work(exclusive=True, group="order-act")
    async def action_scan(self) -> None:
        """Scan one parcel after the other, the marked orders or this one first."""
        from bmconsole.console.screens.carrying import refused_to_viewer
        from bmconsole.console.screens.scan import ScanScreen

        if await refused_to_viewer(self.app, self.workspace):
            return
        ids, hidden = await self.acted_on()
        if hidden:
            self.notify(_left(hidden), severity="warning", markup=False)
        if len(ids) == 1:
            try:
                order = await self.workspace.order(ids[0])
            except BmError:
                order = None
            if order is not None and (why := _why_not(order, SHIP)):
                self.complain(UsageError(why), title="Ship: not possible")
                return
        await self.app.push_screen_wait(ScanScreen(self.workspace, ids))
        self.post_message(Tab.Offers())
        self.renew()

    def action_ship_file(self) -> None:
        self.begin_ship_file()

    @work(exclusive=True, group="order-act")
    async def begin_ship_file(self, path: str | None = None) -> None:
        """Ship what a file of parcels says: its faults, the review, the writes."""
        from bmconsole.console.screens import files
        from bmconsole.console.screens.importing import carry_file

        await carry_file(
            self.app,
            self.workspace,
            "Ship a file of parcels",
            files.lead("CSV with the columns order_id, tracking, and where there are some shipper, imei, serial."),
            self.workspace.plan_ship_file,
            path,
        )

    # Papers.

    @work(exclusive=True, group="order-act")
    async def action_invoice(self) -> None:
        from bmconsole.console.screens import files
        from bmconsole.console.screens.ask import AskScreen
        from bmconsole.console.screens.carrying import Task, refused_to_viewer

        order = await self._one("Invoice")
        if order is None or await refused_to_viewer(self.app, self.workspace):
            return
        path: str | None = await self.app.push_screen_wait(
            AskScreen(
                f"Hand in the invoice of order {order.order_id}",
                files.lead("A PDF of at most 10 MiB. Back Market does not show invoices: its answer is all there is."),
                placeholder="~/invoices/…",
                completer=files.complete_path,
                check=files.check_readable,
            )
        )
        if path is None:
            return
        try:
            content = await files.read(path)
            plan = await self.workspace.plan_invoice(order.order_id, content)
        except BmError as error:
            self.complain(error, title="Invoice")
            return
        await self._write(Task(f"Invoice of order {order.order_id}", clean(path, limit=80), plan, files=(content,)))

    @work(exclusive=True, group="order-act")
    async def action_note(self) -> None:
        from bmconsole.console.screens import files
        from bmconsole.console.screens.ask import AskScreen
        from bmconsole.console.screens.carrying import refused_to_viewer

        order = await self._one("Note")
        if order is None or await refused_to_viewer(self.app, self.workspace):
            return
        try:
            notes = await self.workspace.order_notes(order.order_id)
        except BmError as error:
            self.complain(error, title="Note")
            return
        lead: list[Cell] = [
            ((f"{moment(note.at, self.workspace.zone)}  ", Tone.DIM), *text(note.text)) for note in notes[-8:]
        ] or files.lead("Nothing was noted yet. Notes stay on this machine.")
        said: str | None = await self.app.push_screen_wait(
            AskScreen(f"Note on order {order.order_id}", lead, placeholder="a note", done="keep it")
        )
        if not said:
            return
        try:
            await self.workspace.add_note(order.order_id, said)
        except BmError as error:
            self.complain(error, title="Not noted")
        else:
            self.notify(f"Noted on order {order.order_id}.", timeout=3, markup=False)

    @work(exclusive=True, group="order-act")
    async def action_delivery_note(self) -> None:
        from bmconsole.console.opening import open_address

        order = await self._one("Delivery note")
        if order is None:
            return
        try:
            address = await self.workspace.delivery_note(order.order_id)
        except BmError as error:
            self.complain(error, title="Delivery note")
            return
        told = await open_address(self.app, address)
        self.notify(f"Delivery note of order {order.order_id}: {told}", timeout=5, markup=False)

    def action_export(self) -> None:
        self.begin_export()

    @work(exclusive=True, group="order-act")
    async def begin_export(self, path: str | None = None) -> None:
        """Write the rows as a pick list, a line for each orderline."""
        from bmconsole.console.screens import files
        from bmconsole.console.screens.exporting import export

        query, ids = self.export_query()
        if not ids and not (await self.acted_on())[0]:
            self.notify("There is no order to export.", timeout=3, markup=False)
            return
        what = f"The {count(len(ids))} marked orders" if ids else "The orders that the filter shows"
        await export(
            self.app,
            f"{what}, a line for each orderline, as a pick list without buyers.",
            files.stamped(self.workspace, "pick-list"),
            lambda: self.workspace.export_orders(query, (), ids),
            path,
        )

    # What there is.

    @work(exclusive=True, group="order-act")
    async def action_acts(self) -> None:
        """Offer what can be done with the order; what cannot says why."""
        from bmconsole.console.widgets.picker import Choice, Picker

        order = await self._one("What can be done")
        if order is None:
            return
        acts = ((ACCEPT, "accept"), (SHIP, "scan"), (REFUND, "refund"), (CANCEL, "cancel"))
        titles = {"accept": "accept it", "scan": "ship it", "refund": "refund it", "cancel": "cancel it"}
        about = {
            "accept": "the unit is here, and what was ordered",
            "scan": "device, tracking number, carrier",
            "refund": "cannot be taken back",
            "cancel": "cannot be taken back, and counts against you",
        }
        whys = {name: _why_not(order, act) for act, name in acts}
        choices = [Choice(name, titles[name], about[name]) for _, name in acts if not whys[name]]
        choices += [Choice("invoice", "hand in its invoice", "a PDF"), Choice("note", "note something", "for yourself")]
        if order.delivery_note:
            choices.append(Choice("delivery_note", "open its delivery note", "in the browser, without the token"))
        choices += [Choice(name, f"{titles[name]}: not now", whys[name]) for _, name in acts if whys[name]]
        title = f"Order {order.order_id}"
        picked: str | None = await self.app.push_screen_wait(Picker(title, choices))
        if picked is None:
            return
        if whys.get(picked):
            self.complain(UsageError(whys[picked]), title="Not possible")
            return
        await self.run_action(picked)


def _why_not(order: Order, act: str) -> str:
    """Return why an act cannot be done now, empty where it can."""
    try:
        transitions.lines_for(order, act)
    except ValueError as error:
        message = str(error)
        return f"{message[:1].upper()}{message[1:].rstrip('.')}."
    return ""


def _about(order: Order) -> str:
    return "   ".join(clean(line.product or line.sku or "", limit=40) for line in order.orderlines[:2])


def _left(hidden: int) -> str:
    return f"{count(hidden)} more marked, hidden by the filter and left out" if hidden else ""


async def _short(message: str) -> None:
    if len(message) > transitions.LONGEST_MESSAGE:
        raise UsageError(
            f"The message has {len(message)} characters.", hint=f"At most {transitions.LONGEST_MESSAGE} are taken."
        )
