"""The part of a workspace that prepares changes: nothing here is saved or sent before `apply`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bmconsole.domain.bulk import LeftOut, Prepared, Refusal
from bmconsole.domain.imei import Device
from bmconsole.domain.intents import IntentState
from bmconsole.domain.listings import Listing
from bmconsole.domain.text import clean
from bmconsole.domain.views import OrderNote, WritePlan
from bmconsole.errors import BmError, Guarded, UsageError
from bmconsole.store import bulk as bulk_rows
from bmconsole.store import devices as device_rows
from bmconsole.store import intents as intent_rows
from bmconsole.store import notes
from bmconsole.store import shippings as shipping_rows
from bmconsole.store.sqlite import Connection
from bmconsole.taking_back import TakingBack
from bmconsole.writes.bulk import also_confirm, in_run, jumps, together
from bmconsole.writes.csvfile import read_table
from bmconsole.writes.importing import LISTING_COLUMNS, PARCEL_COLUMNS, Shelf, keys_in, plan_import, plan_parcels
from bmconsole.writes.orders import check_device, plan_invoice, plan_move, plan_ship
from bmconsole.writes.plan import PRICES, Shipping, plan_listing, shippings_in
from bmconsole.writes.relative import stepped

__all__ = ["Device", "Planning", "Refusal"]

_LONGEST_NOTE = 2_000


class Planning(TakingBack):
    """Plans changes of listings and orders."""

    # Listings

    async def plan_listing(self, ref: str, market: str | None, fields: Mapping[str, str]) -> WritePlan:
        """Plan changes of a listing from what was typed; nothing is saved or sent yet.

        Raises:
            UsageError: A field or value that cannot be.
            NotFound: The listing is not known there.
        """
        chosen = self.check_market(market)
        plan = await self._planned(await self.listing(ref), chosen, fields)
        return _far(plan, 1)

    async def plan_listings(self, refs: Sequence[str], market: str | None, fields: Mapping[str, str]) -> WritePlan:
        """Plan the same changes of several listings as one run; raises as `plan_listing`."""
        chosen = self.check_market(market)
        plan, left_out = await self._plan_each(refs, chosen, dict.fromkeys(refs, fields))
        if left_out:
            raise left_out[0].error
        return plan

    async def plan_bulk(
        self, refs: Sequence[str], market: str | None, fields: Mapping[str, str]
    ) -> tuple[WritePlan, list[LeftOut]]:
        """Plan the same changes of several listings as one run; those that cannot be are left out, and told.

        A price may be a step from each listing's own: `+5%`, and unlike elsewhere also `-2.50`, because the operator
        sees what becomes of each.
        """
        chosen = self.check_market(market)
        return await self._plan_each(refs, chosen, dict.fromkeys(refs, fields), amounts=True)

    async def plan_online(self, refs: Sequence[str], market: str | None) -> tuple[WritePlan, list[LeftOut]]:
        """Plan to give listings without stock the one that they had before we set it to 0."""
        chosen = self.check_market(market)
        fields: dict[str, Mapping[str, str]] = {}
        left_out: list[LeftOut] = []
        for ref in refs:
            listing = await self.listing(ref)
            stock = await self.former_stock(ref)
            if listing.quantity is not None and listing.quantity > 0:
                why = f"It has a stock of {listing.quantity} already."
            elif stock is None:
                why = "Its former stock is not known: nobody took it offline from here."
            else:
                fields[ref] = {"quantity": str(stock)}
                continue
            left_out.append(LeftOut(clean(listing.sku), Guarded(why, field="quantity")))
        plan, refused = await self._plan_each(list(fields), chosen, fields)
        return plan, [*left_out, *refused]

    async def _plan_each(
        self, refs: Sequence[str], market: str, fields: Mapping[str, Mapping[str, str]], *, amounts: bool = False
    ) -> tuple[WritePlan, list[LeftOut]]:
        found = {listing.id: listing async for listing in self.listings(refs)}
        plans: list[WritePlan] = []
        left_out: list[LeftOut] = []
        for ref in refs:
            label = ref
            try:
                listing = found.get(ref) or await self.listing(ref)
                label = listing.sku
                plans.append(await self._planned(listing, market, fields[ref], amounts=amounts))
            except BmError as error:
                left_out.append(LeftOut(clean(label, limit=60), error))
        plan = in_run(together(plans), self._new_run("bulk"))
        offline = sum(intent.want.get("quantity") == 0 for intent in plan.intents)
        if offline > 1:
            plan = also_confirm(plan, len(plan.intents), f"{offline} listings go offline")
        if len(refs) == 1:
            return _far(plan, 1), left_out
        return self._sized(_far(plan, len(plan.intents))), left_out

    async def _planned(
        self, listing: Listing, market: str, fields: Mapping[str, str], *, amounts: bool = False
    ) -> WritePlan:
        offer = listing.offers.get(market)
        typed = dict(fields)
        for name in PRICES:
            if name in typed and offer is not None and (amounts or "%" in typed[name]):
                typed[name] = stepped(name, typed[name], offer.price if name == "price" else offer.min_price)
        raw: Mapping[str, object] = {}
        if any(name.startswith("ship") for name in typed):
            raw = await self._mirror.read(lambda connection: shipping_rows.record(connection, listing.id, market))
        return plan_listing(listing, market, typed, origin="operator", now=self.now(), shippings=shippings_in(raw))

    async def plan_import(self, content: bytes) -> Prepared:
        """Plan what a file of listings asks for: CSV or JSON lines, a line for each listing and market.

        Raises:
            UsageError: It is no such file; faults of single lines are in what is returned.
        """
        table = await asyncio.to_thread(read_table, content, LISTING_COLUMNS)
        keys = keys_in(table)

        def look(connection: Connection) -> Shelf:
            named = bulk_rows.named(connection, keys)
            found = bulk_rows.listings(connection, (number for numbers in named.values() for number in numbers))
            shippings: dict[tuple[str, str], tuple[Shipping, ...]] = {}
            if any(name.startswith("ship") for name in table.columns):
                pairs = [(number, market) for number in found for market in self.profile.markets]
                shippings = {key: shippings_in(raw) for key, raw in bulk_rows.records(connection, pairs).items()}
            return Shelf(named, found, shippings, self.profile.markets)

        shelf = await self._mirror.read(look)
        prepared = plan_import(table, shelf, now=self.now(), run=self._new_run("import"))
        return replace(prepared, plan=self._timed(prepared.plan))

    async def plan_ship_file(self, content: bytes) -> Prepared:
        """Plan to ship what a file of parcels names; raises as `plan_import`."""
        table = await asyncio.to_thread(read_table, content, PARCEL_COLUMNS)
        ids = [int(text) for line in table.lines if (text := line.cells.get("order_id", "")).isdecimal()]
        known = [number for number in dict.fromkeys(ids) if number < 1 << 63]
        orders = {order.order_id: order async for order in self.orders(known)}
        typed = {line.cells[name] for line in table.lines for name in ("imei", "serial") if name in line.cells}
        registered = await self._registered(typed)
        prepared = plan_parcels(table, orders, registered, now=self.now(), run=self._new_run("ship"))
        return replace(prepared, plan=self._timed(prepared.plan))

    async def former_stock(self, ref: str) -> int | None:
        """Return the stock that a listing had before we last set it to 0, None where we never did."""
        listing = await self.listing(ref)
        for intent in await self._journal.read(lambda connection: intent_rows.of_target(connection, listing.id)):
            before = (intent.before or {}).get("quantity")
            zeroed = intent.want.get("quantity") == 0 and intent.state is IntentState.CONFIRMED
            if zeroed and isinstance(before, int) and before > 0:
                return before
        return None

    # Orders

    async def plan_orders(
        self,
        order_ids: Sequence[int],
        act: str,
        *,
        skus: Sequence[str] = (),
        reason: int | None = None,
        message: str | None = None,
    ) -> WritePlan:
        """Plan to `accept`, `cancel` or `refund` orders: all lines that can be, or those of the named SKUs.

        Raises:
            Guarded: The act is not legal for an order as the cache has it.
            UsageError: A reason or message that cannot be.
            NotFound: An order is not in the cache.
        """
        plan, left_out = await self.plan_orders_bulk(order_ids, act, skus=skus, reason=reason, message=message)
        if left_out:
            raise left_out[0].error
        return plan

    async def plan_orders_bulk(
        self,
        order_ids: Sequence[int],
        act: str,
        *,
        skus: Sequence[str] = (),
        reason: int | None = None,
        message: str | None = None,
    ) -> tuple[WritePlan, list[LeftOut]]:
        """Plan as `plan_orders`; orders for which it cannot be done are left out, and told."""
        numbers = list(dict.fromkeys(order_ids))
        run = self._new_run(act) if len(numbers) > 1 else None
        found = {order.order_id: order async for order in self.orders(numbers)}
        plans: list[WritePlan] = []
        left_out: list[LeftOut] = []
        for number in numbers:
            try:
                order = found.get(number) or await self.order(number)
                plans.append(plan_move(order, act, now=self.now(), skus=skus, reason=reason, message=message, run=run))
            except BmError as error:
                left_out.append(LeftOut(f"order {number}", error))
        plan = replace(together(plans), run=run)
        return (self._timed(plan) if run else plan), left_out

    async def check_device(self, order_id: int, device: Device) -> None:
        """Make sure that an order may be shipped with a device; raises as `plan_ship`."""
        typed = {text for text in (device.imei, device.serial_number) if text}
        check_device(await self.order(order_id), device, await self._registered(typed))

    async def plan_ship(
        self,
        order_id: int,
        tracking: str,
        *,
        shipper: str | None = None,
        url: str | None = None,
        devices: Sequence[Device] = (),
    ) -> WritePlan:
        """Plan to ship an order; raises as `plan_orders`, and Guarded for a device of another order."""
        order = await self.order(order_id)
        typed = {text for device in devices for text in (device.imei, device.serial_number) if text}
        registered = await self._registered(typed)
        return together(
            [
                plan_ship(
                    order, tracking, now=self.now(), shipper=shipper, url=url, devices=devices, registered=registered
                )
            ]
        )

    async def plan_invoice(self, order_id: int, content: bytes) -> WritePlan:
        """Plan to hand in the invoice of an order, a PDF; raises UsageError and NotFound."""
        return plan_invoice(await self.order(order_id), content, now=self.now())

    async def add_note(self, order_id: int, text: str) -> OrderNote:
        """Keep a note on an order; it stays on this machine.

        Raises:
            NotAllowed: The access does not allow it.
            UsageError: It is empty or too long.
            NotFound: The order is not in the cache.
        """
        self._need("operator", "keep notes")
        said = clean(text, limit=_LONGEST_NOTE + 1)
        if not said or len(said) > _LONGEST_NOTE:
            raise UsageError(
                "The note is empty." if not said else f"The note has more than {_LONGEST_NOTE} characters.",
                field="note",
            )
        await self.order(order_id)
        note = OrderNote(order_id, self.now(), said)
        await self._journal.write(lambda connection: notes.add(connection, order_id, said, now=note.at))
        return note

    async def order_notes(self, order_id: int) -> list[OrderNote]:
        """Return the notes on an order, oldest first."""
        return await self._journal.read(lambda connection: notes.of_order(connection, order_id))

    async def _registered(self, typed: Sequence[str] | set[str]) -> dict[str, tuple[int, ...]]:
        numbers = {"".join(ch for ch in text if ch not in " -/\t") for text in typed} | {text.strip() for text in typed}

        def look(connection: Connection) -> dict[str, tuple[int, ...]]:
            return device_rows.orders_with(connection, sorted(numbers))

        return await self._mirror.read(look)


def _far(plan: WritePlan, rows: int) -> WritePlan:
    """Return a plan that has to be confirmed besides where a price moves far."""
    far = jumps(plan.changes)
    if not far:
        return plan
    why = "the price moves by more than 20 %"
    if len(plan.changes) > 1:
        why = f"{len(far)} prices move by more than 20 %, such as {far[0].label} {far[0].old} → {far[0].new}"
    return also_confirm(plan, rows, why)
