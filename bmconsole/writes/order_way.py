"""How what is done to an order is read, judged and sent. A line's move is known by its state afterwards."""

from dataclasses import dataclass

from bmconsole.backmarket import orders as api
from bmconsole.backmarket.wire import InvalidRecord
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain import transitions
from bmconsole.domain.intents import Intent, Values
from bmconsole.domain.orders import Order, Orderline
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.errors import NotFound, Unreachable
from bmconsole.store import orders as order_rows
from bmconsole.writes.ways import Look, Means, Verdict

KINDS = (transitions.ACCEPT, transitions.CANCEL, transitions.SHIP, transitions.REFUND, transitions.SERIAL)


def line_field(line: int, name: str) -> str:
    """Return how intents name a field of a line: `orderlines.900000010.state`."""
    return f"orderlines.{line}.{name}"


def lines_of(intent: Intent) -> tuple[int, ...]:
    """Return the ids of the lines that an intent is about."""
    return tuple(dict.fromkeys(int(name.split(".")[1]) for name in intent.want if name.startswith("orderlines.")))


@dataclass(frozen=True, slots=True)
class OrderWay:
    """The way of intents about an order that can be read back."""

    means: Means

    async def look(self, intent: Intent, priority: Priority) -> Look:
        began = self.means.timer()
        record = await api.one(self.means.client, int(intent.target), priority=priority)
        asked = self.means.asked(began)
        try:
            order = api.parse_order(record, self.means.zone)
        except InvalidRecord as error:
            raise Unreachable(f"Back Market's order cannot be read: {clean(error, limit=200)}.") from None
        if str(order.order_id) != intent.target:
            raise Unreachable(f"Back Market answered with another order than {intent.target}.")
        stored = order_rows.OrderRecord(order, dumps(record))
        keep = self.means.keep_buyers
        await self.means.mirror.write(
            lambda connection: order_rows.store(connection, [stored], fetched_at=asked, keep_buyers=keep)
        )
        return Look(read_values(order, intent), order)

    def judge(self, intent: Intent, look: Look) -> tuple[Verdict, str]:
        if all(
            _reached(name, value, look.values.get(name)) for name, value in intent.want.items() if name in look.values
        ):
            return Verdict.DONE, ""
        if look.order is None:
            return Verdict.DIFFERS, "it was not read"
        if why := transitions.why_not(look.order, intent.kind, lines_of(intent)):
            return Verdict.DIFFERS, why
        moved = [name for name, value in intent.base.items() if look.values.get(name) != value]
        if moved:
            told = ", ".join(f"{name} is {clean(look.values.get(name), limit=60)}" for name in moved)
            return Verdict.DIFFERS, f"somebody else changed it: {told}"
        return Verdict.SEND, ""

    async def send(self, intent: Intent, look: Look, priority: Priority, deadline: float) -> Values:
        lines = [line for line in (look.order.orderlines if look.order else ()) if line.id in lines_of(intent)]
        if not lines:
            raise NotFound(f"Order {intent.target} has no such line any more.")
        want, client = intent.want, self.means.client
        imei, serial = (_single(intent, name) for name in ("imei", "serial_number"))
        if intent.kind == transitions.SERIAL:
            await api.set_serial(
                client, lines[0].id, imei=imei, serial_number=serial, priority=priority, deadline=deadline
            )
            return {}
        states = {int(str(want[line_field(line.id, "state")])) for line in lines}
        reason = want.get("return_reason")
        await api.advance(
            client,
            int(intent.target),
            new_state=states.pop(),
            sku=None if intent.kind == transitions.SHIP else lines[0].sku,
            tracking_number=_text(want, "tracking_number"),
            tracking_url=_text(want, "tracking_url"),
            shipper=_text(want, "shipper"),
            imei=imei,
            serial_number=serial,
            return_reason=reason if isinstance(reason, int) else None,
            return_message=_text(want, "return_message"),
            priority=priority,
            deadline=deadline,
        )
        return {}


@dataclass(frozen=True, slots=True)
class InvoiceWay:
    """The way of an invoice, which can be handed in and not be read: what Back Market answers is all there is."""

    means: Means

    async def send(self, intent: Intent, content: bytes, priority: Priority) -> None:
        """Hand the file in once; raises BmError."""
        order_id = int(intent.target)
        await api.upload_invoice(self.means.client, order_id, name=INVOICE_NAME, content=content, priority=priority)


INVOICE_NAME = "invoice.pdf"
"""What the file is called on the way; its own name may tell the buyer's."""


def read_values(order: Order, intent: Intent) -> dict[str, str | int | None]:
    """Return those fields of an intent, wanted or based on, that an order shows."""
    lines = {line.id: line for line in order.orderlines}
    values: dict[str, str | int | None] = {}
    for name in (*intent.want, *intent.base):
        if name.startswith("orderlines."):
            _, number, field = name.split(".", 2)
            line = lines.get(int(number))
            values[name] = None if line is None else _of_line(line, field)
        elif name == "tracking_number":
            values[name] = _alike(order.tracking_number, intent.want.get(name))
    return values


def _of_line(line: Orderline, field: str) -> str | int | None:
    if field == "state":
        return line.state
    if field == "return_reason":
        return line.return_reason
    return line.imei if field == "imei" else line.serial_number


def _alike(live: str | None, want: object) -> str | None:
    # Carriers do not tell cases apart, and neither may Back Market
    if live is not None and isinstance(want, str) and "".join(live.split()).casefold() == want.casefold():
        return want
    return live


def _reached(name: str, want: object, live: object) -> bool:
    if name.endswith(".state") and isinstance(want, int):
        return live in transitions.BEYOND.get(want, (want,))
    return live == want


def _single(intent: Intent, field: str) -> str | None:
    return next((str(value) for name, value in intent.want.items() if name.endswith(f".{field}") and value), None)


def _text(want: Values, name: str) -> str | None:
    value = want.get(name)
    return None if value is None else str(value)
