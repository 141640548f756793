"""The shop's listings: invented on demand from their number, kept in memory only once something changed them."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from .catalogue import GRADES_BY_SHARE, VARIANTS, Grade, Variant
from .draw import Draw
from .ids import index_of, integer_of, product_uuid, uuid_of
from .markets import MARKETS, decimal_number, decimal_text

JsonObject = dict[str, object]

DRAFT, PENDING, ONLINE, OFFLINE, DEACTIVATED = range(5)
_FIRST_LISTING_ID = 1_400_000
_STEP = 7

_COMMENTS = {
    "fr": "Testé et contrôlé dans notre atelier, batterie à plus de 85 %. Expédié le jour même.",
    "de": "In unserer Werkstatt geprüft und gereinigt, Akku über 85 %. Versand am selben Tag.",
    "es": "Revisado y probado en nuestro taller, batería superior al 85 %. Envío el mismo día.",
    "it": "Testato e igienizzato nel nostro laboratorio, batteria oltre l'85 %. Spedizione in giornata.",
    "el": "Ελεγμένο στο εργαστήριό μας, μπαταρία άνω του 85 %. Αποστολή την ίδια ημέρα.",
    "ja": "自社工場で検査・クリーニング済み。バッテリー容量85％以上。即日発送。",
    "sv": "Testad och rengjord i vår verkstad, batteri över 85 %. Skickas samma dag.",
}
_COMMENT = "Tested and cleaned in our own workshop, battery above 85%. Shipped the same day."


@dataclass(slots=True)
class Offer:
    """What a listing says in one market. Amounts are minor units.

    `hold` is PENDING or DEACTIVATED where Back Market keeps the offer from going online, else None.
    """

    price: int
    min_price: int | None
    max_price: int | None
    comment: str | None
    warranty_delay: int
    hold: int | None = None
    shippings: list[JsonObject] = field(default_factory=list)


@dataclass(slots=True)
class Listing:
    """A listing: what its markets share, and its offers in those that were looked at."""

    index: int
    seed: int
    listing_id: int
    sku: str
    variant: Variant
    grade: Grade
    quantity: int
    new_battery: bool
    snowden: bool
    offers: dict[str, Offer] = field(default_factory=dict)
    extra: JsonObject = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The listing's UUID."""
        return uuid_of(self.seed, self.index)

    @property
    def product_id(self) -> str:
        """The UUID of its product."""
        return product_uuid(self.seed, self.variant.number)


class Listings:
    """All listings of the shop, by number, id, integer or SKU.

    Args:
        seed: The world.
        count: How many there are.
        markets: Their markets, the main one first.
    """

    def __init__(self, seed: int, count: int, markets: tuple[str, ...]) -> None:
        self.seed = seed
        self.count = count
        self.markets = markets
        self._changed: dict[int, Listing] = {}
        self._removed: set[int] = set()
        self._present: list[int] | None = None
        self._quantities: array[int] | None = None
        self._states: dict[str, bytearray] = {}

    def __len__(self) -> int:
        return self.count - len(self._removed)

    # -- one listing -------------------------------------------------------------------------------------------

    def get(self, index: int) -> Listing:
        """Return the listing of this number as it stands. Change it only through `change`."""
        return self._changed.get(index) or self._invent(index)

    def change(self, index: int) -> Listing:
        """Return the listing to be changed in place; call `changed` when done."""
        return self._changed.setdefault(index, self.get(index))

    def changed(self, listing: Listing) -> None:
        """Take note that a listing is no longer as invented."""
        self._changed[listing.index] = listing
        if self._quantities is not None:
            self._quantities[listing.index] = listing.quantity
        for market, states in self._states.items():
            states[listing.index] = self.publication_state(listing, market)

    def remove(self, index: int) -> None:
        """Take a listing out of the shop, as a deletion in the back office does."""
        self._removed.add(index)
        self._present = None

    def restore(self, index: int) -> None:
        """Bring a removed listing back."""
        self._removed.discard(index)
        self._present = None

    def find(self, text: str) -> int | None:
        """Return the number of the listing with this UUID or integer, None where there is none."""
        index = self.find_anywhere(text)
        return index if index is not None and self._is_present(index) else None

    def find_anywhere(self, text: str) -> int | None:
        """Return the number as `find` does, also of a removed listing."""
        number = integer_of(text)
        index = index_of(self.seed, text) if number is None else self._index_of_integer(number)
        return index if index is not None and 0 <= index < self.count else None

    def find_sku(self, sku: str) -> int | None:
        """Return the number of the listing with this SKU, whatever its case."""
        tail = sku[-7:]
        if not (len(tail) == 7 and tail.isascii() and tail.isdigit()):
            return None
        index = int(tail)
        if self._is_present(index) and self.get(index).sku.lower() == sku.lower():
            return index
        return None

    def offer(self, listing: Listing, market: str) -> Offer:
        """Return what the listing says in a market."""
        offer = listing.offers.get(market)
        if offer is None:
            offer = listing.offers[market] = self._invent_offer(listing, market)
        return offer

    def first_price(self, index: int, market: str) -> int:
        """Return the price (minor units) that the listing was invented with, whatever it costs now."""
        draw = Draw(self.seed, "listing", index)
        variant = draw.pick(VARIANTS)
        grade = draw.pick(GRADES_BY_SHARE)
        return self._price(Draw(self.seed, "offer", index, market), variant, grade, market)

    def publication_state(self, listing: Listing, market: str) -> int:
        """Return 0 comment missing, 1 pending, 2 online, 3 offline (no stock, or too dear), 4 deactivated."""
        offer = self.offer(listing, market)
        if offer.hold is not None:
            return offer.hold
        if not offer.comment or offer.price <= 0:
            return DRAFT
        too_dear = offer.max_price is not None and offer.price > offer.max_price
        return OFFLINE if listing.quantity <= 0 or too_dear else ONLINE

    def as_json(self, listing: Listing, market: str) -> JsonObject:
        """Return a listing as the API shows it in a market, with the field's oddities (see `deviations`)."""
        offer = self.offer(listing, market)
        exponent = MARKETS[market].exponent
        return {
            "id": listing.id,
            "listing_id": listing.listing_id,
            "product_id": listing.product_id,
            "backmarket_id": 3_000 + listing.variant.number,
            "sku": listing.sku,
            "title": listing.variant.title,
            "grade": listing.grade.name,
            "state": listing.grade.state,
            "publication_state": self.publication_state(listing, market),
            "quantity": listing.quantity,
            "price": decimal_text(offer.price, exponent),
            "min_price": None if offer.min_price is None else decimal_text(offer.min_price, exponent),
            "max_price": None if offer.max_price is None else decimal_number(offer.max_price, exponent),
            "currency": MARKETS[market].currency,
            "comment": offer.comment,
            "warranty_delay": offer.warranty_delay,
            "shippings": offer.shippings,
            "new_battery": listing.new_battery,
            "snowden": listing.snowden,
            **listing.extra,
        }

    # -- many listings -----------------------------------------------------------------------------------------

    def select(
        self, market: str, publication_state: int | None, min_quantity: int | None, max_quantity: int | None
    ) -> "range | list[int]":
        """Return the numbers of the listings that a market's filters leave, in the order of their integers."""
        if publication_state is None and min_quantity is None and max_quantity is None:
            if not self._removed:
                return range(self.count)
            if self._present is None:
                self._present = [i for i in range(self.count) if i not in self._removed]
            return self._present
        quantities = self._all_quantities()
        states = self._all_states(market) if publication_state is not None else None
        low = -(2**31) if min_quantity is None else min_quantity
        high = 2**31 if max_quantity is None else max_quantity
        return [
            i
            for i in range(self.count)
            if low <= quantities[i] <= high
            and (states is None or states[i] == publication_state)
            and i not in self._removed
        ]

    def _all_quantities(self) -> "array[int]":
        if self._quantities is None:
            self._quantities = array("i", map(self._stock, range(self.count)))
            for index, listing in self._changed.items():
                self._quantities[index] = listing.quantity
        return self._quantities

    def _all_states(self, market: str) -> bytearray:
        if market not in self._states:
            states = bytearray(self._first_state(i, market) for i in range(self.count))
            for index, listing in self._changed.items():
                states[index] = self.publication_state(listing, market)
            self._states[market] = states
        return self._states[market]

    def online(self, market: str) -> Iterator[int]:
        """Yield the numbers of the listings that can be bought in a market now."""
        states = self._all_states(market)
        return (i for i in range(self.count) if states[i] == ONLINE and i not in self._removed)

    # -- invention ---------------------------------------------------------------------------------------------

    def _is_present(self, index: int) -> bool:
        return 0 <= index < self.count and index not in self._removed

    def _invent(self, index: int) -> Listing:
        draw = Draw(self.seed, "listing", index)
        variant = draw.pick(VARIANTS)
        grade = draw.pick(GRADES_BY_SHARE)
        return Listing(
            index=index,
            seed=self.seed,
            listing_id=_FIRST_LISTING_ID + index * _STEP + draw.below(_STEP),
            sku=self._sku(draw, index, variant, grade),
            variant=variant,
            grade=grade,
            quantity=self._stock(index),
            new_battery=draw.happens(0.04),
            snowden=draw.happens(0.3),
        )

    # Stock and fate are drawn apart from the rest, so that filters over all listings need not invent them whole.

    def _stock(self, index: int) -> int:
        draw = Draw(self.seed, "stock", index)
        chance = draw.below(1000)
        if chance < 242:
            return 0 if chance < 240 else -1  # two checkouts at once
        return draw.between(1, 12) if chance < 900 else draw.between(13, 300)

    def _fate(self, index: int, market: str) -> int:
        """Return the publication state that an offer is invented for, stock aside; OFFLINE stands for too dear."""
        chance = Draw(self.seed, "fate", index, market).below(1000)
        if chance < 60:
            return OFFLINE
        return PENDING if chance < 70 else DEACTIVATED if chance < 90 else DRAFT if chance < 120 else ONLINE

    def _first_state(self, index: int, market: str) -> int:
        fate = self._fate(index, market)
        return OFFLINE if fate == ONLINE and self._stock(index) <= 0 else fate

    def _invent_offer(self, listing: Listing, market: str) -> Offer:
        draw = Draw(self.seed, "offer", listing.index, market)
        place = MARKETS[market]
        price = self._price(draw, listing.variant, listing.grade, market)
        fate = self._fate(listing.index, market)
        ceiling = price * (draw.between(80, 98) if fate == OFFLINE else draw.between(108, 145)) // 100
        shippings: list[JsonObject] = []
        if draw.happens(0.12):
            delay = draw.pick((24, 36, 48, 72))
            shippings.append(
                {
                    "country_code": market,
                    "shipper": "DHL Express",
                    "shipper_display": "DHL Express",
                    "shipping_delay": delay,
                    "shipping_price": decimal_text(0 if delay > 24 else 590, place.exponent),
                }
            )
        return Offer(
            price=price,
            min_price=None if draw.happens(0.7) else price * draw.between(935, 995) // 1000,
            max_price=ceiling,
            comment=None if fate == DRAFT else _COMMENTS.get(market[:2], _COMMENT),
            warranty_delay=draw.pick((12, 12, 12, 12, 12, 12, 24, 24, 36)),
            hold=fate if fate in {PENDING, DEACTIVATED} else None,
            shippings=shippings,
        )

    @staticmethod
    def _price(draw: Draw, variant: Variant, grade: Grade, market: str) -> int:
        """Return a price as sellers set them: on a ten of yen, or ending in .00, .99 or .49."""
        place = MARKETS[market]
        amount = variant.euros * grade.price * (0.94 + draw.below(1200) / 10_000) * place.rate
        if place.exponent == 0:
            return round(amount / 10) * 10
        return round(amount) * 100 - draw.pick((0, 1, 51))

    def _sku(self, draw: Draw, index: int, variant: Variant, grade: Grade) -> str:
        # Every SKU ends in seven digits of the number, so that a SKU finds its listing without an index.
        style = draw.below(100)
        if style < 88:
            return f"{variant.code}-{grade.short}-{index:07d}"
        if style < 94:
            words = variant.title.split(" - ")[0].upper().replace(" ", "_")
            return f"{words[:30]}_{grade.name}_{index:07d}"[-50:]
        if style < 97:
            return f"{variant.code}/{grade.short} + n°{index:07d}"  # must be quoted in a URL
        return f"0{index:012d}"  # spreadsheets eat the leading zero

    def _index_of_integer(self, value: int) -> int | None:
        index = (value - _FIRST_LISTING_ID) // _STEP
        return index if 0 <= index < self.count and self.get(index).listing_id == value else None
