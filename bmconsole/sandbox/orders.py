"""The shop's orders: invented on demand from their number, kept in memory only once something changed them."""

from array import array
from bisect import bisect_left, insort
from dataclasses import dataclass, field

from .draw import Draw
from .history import (
    HALF_ACCEPTED,
    HOUR,
    ONE_LINE_CANCELLED,
    QUANTITY_TWO_TO_SHIP,
    SHARED_SKU_TO_ACCEPT,
    TWO_LINES_TO_ACCEPT,
    Head,
    History,
)
from .listings import JsonObject, Listings

FIRST_ORDER_ID, _ORDER_STEP = 40_000_000, 3
# Far from the orders' ids: where the two can be equal, a mix-up passes every test.
FIRST_LINE_ID, _LINES_PER_ORDER = 900_000_000, 10
HIDDEN_STATES = frozenset({0, 8})

# Each digit doubled, and the digits of that added up.
_LUHN_DOUBLED = str.maketrans("0123456789", "0246813579")
_PAYMENTS = ("CARD",) * 9 + ("PAYPAL",) * 4 + ("APPLE_PAY",) * 4 + ("GOOGLE_PAY", "KLARNA_PAY_LATER", "ONEY_3X")
_CARRIERS = ("Colissimo", "Chronopost", "DPD FR", "UPS Express", "DHL Express", "GLS", "La Poste – Lettre suivie")


@dataclass(slots=True)
class Line:
    """An orderline. `price` and `fee` are minor units, the price that of the whole line, not of one piece."""

    id: int
    listing: int
    quantity: int
    price: int
    fee: int
    state: int
    shipping_delay: int
    backcare: bool
    created: int
    imei: str | None = None
    serial_number: str | None = None
    return_reason: int = 0
    return_message: str | None = None
    extra: JsonObject = field(default_factory=dict)


@dataclass(slots=True)
class Order:
    """An order as it stands. Times are microseconds since 1970; `style` says how its dates are written."""

    index: int
    id: int
    market: str
    state: int
    created: int
    modified: int
    paid: int | None
    shipped: int | None
    due: int | None
    style: int
    lines: list[Line]
    payment_method: str
    installments: bool
    is_backship: bool
    shipping_price: int = 0
    tracking_number: str | None = None
    tracking_url: str | None = None
    shipper: str | None = None
    invoices: int = 0
    extra: JsonObject = field(default_factory=dict)


class Orders:
    """All orders of the shop, by number and id, and in the order that a list shows them.

    Args:
        seed: The world.
        listed: How many orders a list shows in all.
        now: Microseconds since 1970 that the history ends at.
        listings: What can be ordered.
        several_lines: The share of orders of two lines, beside the few of fixed role.
        ordering: `-date_modification` (newest change first), `date_modification`, `-date_creation` or `date_creation`.
    """

    def __init__(
        self, seed: int, listed: int, now: int, listings: Listings, *, several_lines: float, ordering: str
    ) -> None:
        self.seed = seed
        self.listings = listings
        self.history = History(seed, listed, now)
        self._several_lines = several_lines
        self._changed: dict[int, Order] = {}
        self._by_modified = "modification" in ordering
        self._newest_first = ordering.startswith("-")
        self.created = array("q")
        self.modified = array("q")
        self.states = bytearray()
        self.markets = bytearray()
        # What else an invented order needs of its history, kept because working it out again costs more than 17 bytes.
        self._line_states = bytearray()
        self._paid = array("q")
        self._shipped = array("q")
        for index in range(self.history.total):
            head = self.history.head(index)
            self._append(head.created, head.modified, head.state, self._market_number(index))
            self._line_states.append(head.line_state)
            self._paid.append(head.paid or 0)
            self._shipped.append(head.shipped or 0)
        self._rows = self._sorted_rows()
        self.version = 0

    def __len__(self) -> int:
        return len(self.created)

    # -- one order ---------------------------------------------------------------------------------------------

    def find(self, order_id: int) -> int | None:
        """Return the number of the order with this id, None where there is none."""
        index = (order_id - FIRST_ORDER_ID) // _ORDER_STEP
        return index if 0 <= index < len(self) and self.get(index).id == order_id else None

    def find_line(self, line_id: int) -> tuple[int, int] | None:
        """Return the number of the order and the place in it of the orderline with this id."""
        index, place = divmod(line_id - FIRST_LINE_ID, _LINES_PER_ORDER)
        if 0 <= index < len(self) and place < len(self.get(index).lines):
            return index, place
        return None

    def get(self, index: int) -> Order:
        """Return the order of this number as it stands. Change it only through `change`."""
        return self._changed.get(index) or self._invent(index)

    def change(self, index: int) -> Order:
        """Return the order to be changed in place; call `changed` when done."""
        return self._changed.setdefault(index, self.get(index))

    def changed(self, order: Order) -> None:
        """Take note that an order is no longer as it was listed: filters and sequence follow."""
        self._changed[order.index] = order
        self.states[order.index] = order.state
        before = self._row(order.index)
        self.modified[order.index] = order.modified
        self.created[order.index] = order.created
        after = self._row(order.index)
        if before != after:
            del self._rows[bisect_left(self._rows, before)]
            insort(self._rows, after)
        self.version += 1

    def add(self, market: str, listing: int, quantity: int, price: int, at: int) -> Order:
        """Return a new paid order of one line, placed at a time (microseconds) for a price (minor units)."""
        index = len(self)
        market_number = self.listings.markets.index(market)
        self._append(at, at, 1, market_number)
        insort(self._rows, self._row(index))
        order = self._furnish(index, Head(1, 1, at, at, at, None), role=-1)
        line = order.lines[0]
        line.listing, line.quantity, line.price, line.fee = listing, quantity, price, price // 10
        self._changed[index] = order
        self.version += 1
        return order

    # -- many orders -------------------------------------------------------------------------------------------

    def select(
        self,
        *,
        created_from: int | None = None,
        modified_from: int | None = None,
        state: int | None = None,
        market: str | None = None,
    ) -> list[int]:
        """Return the numbers of the orders that the filters leave, in listing order. The dates are lower bounds."""
        rows: list[tuple[int, int]] = self._rows
        bound = modified_from if self._by_modified else created_from
        if bound is not None:
            rows = rows[bisect_left(rows, (bound, -1)) :]
        other = created_from if self._by_modified else modified_from
        others = self.created if self._by_modified else self.modified
        market_number = None
        if market is not None:
            known = self.listings.markets
            market_number = known.index(market) if market in known else -1
        states, markets = self.states, self.markets
        found = [
            index
            for _, index in rows
            if states[index] not in HIDDEN_STATES
            and (state is None or states[index] == state)
            and (market_number is None or markets[index] == market_number)
            and (other is None or others[index] >= other)
        ]
        if self._newest_first:
            found.reverse()
        return found

    def _row(self, index: int) -> tuple[int, int]:
        return ((self.modified if self._by_modified else self.created)[index], index)

    def _sorted_rows(self) -> list[tuple[int, int]]:
        return sorted(map(self._row, range(len(self))))

    def _append(self, created: int, modified: int, state: int, market: int) -> None:
        self.created.append(created)
        self.modified.append(modified)
        self.states.append(state)
        self.markets.append(market)

    # -- invention ---------------------------------------------------------------------------------------------

    def _market_number(self, index: int) -> int:
        count = len(self.listings.markets)
        if count == 1:
            return 0
        chance = Draw(self.seed, "market", index).below(10_000)
        return 0 if chance < 9_200 else 1 + chance % (count - 1)

    def _invent(self, index: int) -> Order:
        head = Head(
            self.states[index],
            self._line_states[index],
            self.created[index],
            self.modified[index],
            self._paid[index] or None,
            self._shipped[index] or None,
        )
        return self._furnish(index, head, role=self.history.rank(index))

    def _furnish(self, index: int, head: Head, *, role: int) -> Order:
        draw = Draw(self.seed, "order", index, "body")
        market = self.listings.markets[self.markets[index]]
        lines = [self._line(draw, index, place, market, head) for place in range(self._line_count(draw, role))]
        self._play_role(role, lines)
        delay = max(line.shipping_delay for line in lines)
        is_open = head.line_state in {1, 2, 8, 9}
        paid_or_created = head.paid or head.created
        order = Order(
            index=index,
            id=FIRST_ORDER_ID + index * _ORDER_STEP + draw.below(_ORDER_STEP),
            market=market,
            state=head.state,
            created=head.created,
            modified=head.modified,
            paid=head.paid,
            shipped=head.shipped,
            due=paid_or_created + delay * HOUR if is_open else None,
            style=draw.below(1000),
            lines=lines,
            payment_method=draw.pick(_PAYMENTS),
            installments=draw.happens(0.1),
            is_backship=draw.happens(0.1),
        )
        if head.shipped is not None:
            order.shipper = draw.pick(_CARRIERS)
            order.tracking_number = f"{draw.pick(('8R', '6A', 'CB', '1Z9'))}{draw.below(10**11):011d}"
            order.tracking_url = f"https://tracking.example/{order.tracking_number}"
        return order

    def _line_count(self, draw: Draw, role: int) -> int:
        chance = draw.happens(self._several_lines)
        if role in {TWO_LINES_TO_ACCEPT, HALF_ACCEPTED, ONE_LINE_CANCELLED}:
            return 2
        return 3 if role == SHARED_SKU_TO_ACCEPT else 2 if chance else 1

    def _line(self, draw: Draw, index: int, place: int, market: str, head: Head) -> Line:
        listings = self.listings
        number = (
            draw.below(listings.count) if place == 0 else Draw(self.seed, "more", index, place).below(listings.count)
        )
        price = listings.first_price(number, market)
        commission = draw.below(1000)
        rate = 1000 if commission < 979 else 1100 if commission < 993 else (500, 850, 1040)[commission % 3]
        waiting = draw.below(100)
        state = head.line_state
        line = Line(
            id=FIRST_LINE_ID + index * _LINES_PER_ORDER + place,
            listing=number,
            quantity=1,
            price=price,
            fee=price * rate // 10_000,
            state=state,
            shipping_delay=24 if waiting < 76 else 48 if waiting < 89 else 36 if waiting < 98 else 72,
            backcare=draw.happens(0.08),
            created=head.created,
        )
        if state in {3, 6}:
            identity = draw.below(100)
            if identity < 70:
                line.imei = imei(35_000_000_000_000 + draw.below(10**12))
            elif identity < 85:
                line.serial_number = f"SN{draw.below(10**10):010d}"
        if state == 6:
            line.return_reason = draw.pick((1, 1, 1, 11, 12, 13, 21, 22, 22, 23, 24, 25))
            line.return_message = draw.pick(("", "Remboursé après retour.", "Ersatz nicht verfügbar — erstattet."))
        return line

    def _play_role(self, role: int, lines: list[Line]) -> None:
        if self.history.open_zone <= max(ONE_LINE_CANCELLED, HALF_ACCEPTED):
            return
        if role == QUANTITY_TWO_TO_SHIP:
            line = lines[0]
            line.quantity, line.price, line.fee = 2, line.price * 2, line.fee * 2
        elif role == SHARED_SKU_TO_ACCEPT:
            lines[2].listing = lines[0].listing
        elif role == HALF_ACCEPTED:
            lines[0].state = 2
        elif role == ONE_LINE_CANCELLED:
            lines[1].state = 4


def imei(first_fourteen: int) -> str:
    """Return an IMEI: fourteen digits and their Luhn check digit."""
    digits = f"{first_fourteen:014d}"
    total = sum(map(int, digits[0::2])) + sum(map(int, digits[1::2].translate(_LUHN_DOUBLED)))
    return digits + str(-total % 10)
