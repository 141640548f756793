"""Scan to ship, without its screen: one parcel from its order over its devices and its tracking number to the plan."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bmconsole.console.seam import WorkspaceLike
from bmconsole.domain import transitions
from bmconsole.domain.carriers import guess_shipper, shipper_named, tracking_number
from bmconsole.domain.imei import Device
from bmconsole.domain.orders import Order, Orderline
from bmconsole.domain.text import clean
from bmconsole.domain.transitions import SHIP
from bmconsole.domain.views import Query, WritePlan
from bmconsole.errors import Guarded, UsageError


class Step(StrEnum):
    """What the one field takes next."""

    ORDER = "order"
    DEVICE = "device"
    TRACKING = "tracking"
    CONFIRM = "confirm"


@dataclass
class Parcel:
    """An order on its way into a parcel; `devices` has one for each line so far, None where it was left out."""

    order: Order
    lines: tuple[Orderline, ...]
    devices: list[Device | None] = field(default_factory=list)
    tracking: str = ""
    carrier: str | None = None
    guessed: bool = True

    @property
    def line(self) -> Orderline:
        """The line whose device is scanned next."""
        return self.lines[len(self.devices)]

    def given(self) -> list[Device]:
        """Return the devices that were scanned."""
        return [device for device in self.devices if device is not None]


class Scanning:
    """The state between two scans. Each method raises a BmError with the reason where what was scanned cannot be."""

    def __init__(self, workspace: WorkspaceLike, queue: Sequence[int]) -> None:
        self._workspace = workspace
        self.queue = list(queue)
        self.step = Step.ORDER
        self.parcel: Parcel | None = None
        self.serial = False
        """Whether a serial number is scanned instead of an IMEI."""
        self.proposed: int | None = None
        """The order that Enter alone takes."""
        self.left = 0
        """How many orders wait to be shipped, those here left aside."""
        self.plan: WritePlan | None = None
        self.warnings: list[str] = []
        self._passed: set[int] = set()
        self._used: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    async def begin(self) -> None:
        """Go to the first order of those that were chosen, or propose the one that is due first."""
        await self.propose()
        if self.queue and self.proposed is not None:
            await self.take_order("")

    async def propose(self) -> None:
        """Propose the next order: of those chosen first, then the one that is due first."""
        self.parcel, self.plan, self.step, self.serial, self.warnings = None, None, Step.ORDER, False, []
        where = "status:to-ship"
        waiting = await self._workspace.orders_count(where)
        self.left = max(0, waiting - len(self._passed))
        self.proposed = next((number for number in self.queue if number not in self._passed), None)
        if self.proposed is None:
            page = await self._workspace.orders_page(Query(where=where, sort="due", limit=len(self._passed) + 1))
            self.proposed = next((row.order_id for row in page if row.order_id not in self._passed), None)

    async def take_order(self, text: str) -> None:
        """Take an order by its number; nothing typed takes the one proposed."""
        number = self.proposed
        if text:
            if not (text.isascii() and text.isdecimal() and len(text) < 19):
                raise UsageError(f"{clean(text, limit=30)} is no order number.", field="order_id")
            number = int(text)
        if number is None:
            raise UsageError("No order waits to be shipped.", field="order_id", hint="Esc ends.")
        if number in self._numbers.values():
            raise Guarded(f"Order {number} was shipped here a moment ago.", field="order_id")
        order = await self._workspace.order(number)
        try:
            lines = transitions.lines_for(order, SHIP)
        except ValueError as error:
            message = str(error)
            raise Guarded(f"{message[:1].upper()}{message[1:].rstrip('.')}.", field="order_id") from None
        self.parcel = Parcel(order, lines)
        self.step = Step.DEVICE

    async def take_device(self, text: str) -> None:
        """Take the IMEI or serial number of the next line; nothing typed ships the line without one."""
        parcel = self._parcel()
        device: Device | None = None
        if text:
            line = str(parcel.line.id)
            device = Device(serial_number=text, line=line) if self.serial else Device(imei=text, line=line)
            await self._workspace.check_device(parcel.order.order_id, device)
            key = _key(text)
            other = self._used.get(key)
            if other is not None and other != parcel.order.order_id:
                raise Guarded(f"It left with order {other} a moment ago.", hint="Scan the device again.")
            if any(key == _key(each.imei or each.serial_number or "") for each in parcel.given()):
                raise Guarded("It was scanned for another line of this order already.", hint="Scan the other device.")
        parcel.devices.append(device)
        self.serial = False
        if len(parcel.devices) == len(parcel.lines):
            self.step = Step.TRACKING

    async def take_tracking(self, text: str) -> None:
        """Take the tracking number, guess the carrier unless one was chosen, and make the plan."""
        parcel = self._parcel()
        try:
            number = tracking_number(text)
        except ValueError as error:
            message = str(error)
            raise UsageError(f"{message[:1].upper()}{message[1:]}.", field="tracking") from None
        if any(_key(number) == _key(each.imei or each.serial_number or "") for each in parcel.given()):
            raise Guarded("That is the device again, not the tracking number.", hint="Scan the label of the parcel.")
        parcel.tracking = number
        if parcel.guessed:
            parcel.carrier = guess_shipper(number, parcel.order.country_code)
        await self._planned()
        self.step = Step.CONFIRM

    async def choose_carrier(self, name: str) -> None:
        """Take another carrier; an empty name guesses again."""
        parcel = self._parcel()
        if name:
            try:
                parcel.carrier, parcel.guessed = shipper_named(name), False
            except ValueError as error:
                raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.", field="shipper") from None
        else:
            parcel.guessed = True
            parcel.carrier = guess_shipper(parcel.tracking, parcel.order.country_code) if parcel.tracking else None
        if self.step is Step.CONFIRM:
            await self._planned()

    async def _planned(self) -> None:
        parcel = self._parcel()
        self.plan = await self._workspace.plan_ship(
            parcel.order.order_id,
            parcel.tracking,
            shipper=None if parcel.guessed else parcel.carrier,
            devices=parcel.given(),
        )
        self.warnings = [clean(note) for note in self.plan.notes]
        missing = len(parcel.lines) - len(parcel.given())
        if missing:
            self.warnings.append(
                "No IMEI or serial number goes along."
                if missing == len(parcel.lines)
                else f"{missing} of {len(parcel.lines)} lines go without an IMEI or serial number."
            )
        other = self._numbers.get(parcel.tracking)
        if other is None:
            same = await self._workspace.orders_page(Query(where=f'tracking:"{parcel.tracking}"', limit=2))
            other = next((row.order_id for row in same if row.order_id != parcel.order.order_id), None)
        if other is not None:
            self.warnings.append(f"Order {other} has the same tracking number.")

    def confirmed(self, text: str) -> bool:
        """Return whether what was typed confirms; a scan never does.

        Raises:
            UsageError: Something else was typed.
        """
        plan = self.plan
        if plan is None:
            return False
        wanted = str(plan.confirm) if plan.confirm else ""
        if text == wanted:
            return True
        how = f"Type {wanted} and Enter" if wanted else "Enter alone"
        raise UsageError(f"Not shipped yet. {how} ships it.", field="confirm")

    def sent(self) -> tuple[Parcel, WritePlan]:
        """Hand the parcel out to be written, and remember its numbers; `propose` goes on."""
        parcel, plan = self._parcel(), self.plan
        if plan is None:
            raise RuntimeError("a parcel is handed out once it is planned")
        number = parcel.order.order_id
        self._passed.add(number)
        self._numbers[parcel.tracking] = number
        for device in parcel.given():
            self._used[_key(device.imei or device.serial_number or "")] = number
        return parcel, plan

    def failed(self, parcel: Parcel) -> None:
        """Let the order be scanned again: it was not shipped."""
        number = parcel.order.order_id
        self._passed.discard(number)
        self._numbers = {key: each for key, each in self._numbers.items() if each != number}
        self._used = {key: each for key, each in self._used.items() if each != number}

    async def skip(self) -> None:
        """Leave the order out and go on."""
        number = self.parcel.order.order_id if self.parcel else self.proposed
        if number is not None:
            self._passed.add(number)
        await self.propose()

    async def back(self) -> None:
        """Take the last step back."""
        parcel = self.parcel
        if self.step is Step.CONFIRM:
            self.step, self.plan, self.warnings = Step.TRACKING, None, []
        elif parcel is not None and parcel.devices:
            parcel.devices.pop()
            self.step = Step.DEVICE
        elif parcel is not None:
            await self.propose()

    def _parcel(self) -> Parcel:
        if self.parcel is None:
            raise UsageError("Which order?", field="order_id")
        return self.parcel


def _key(number: str) -> str:
    return "".join(letter for letter in number if letter not in " -/\t").upper()
