"""One listing: its offers in all markets side by side, a form for one of them, and what became of each write."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Resize
from textual.widgets import Static

from bmconsole.console import look
from bmconsole.console.actions import bindings
from bmconsole.console.look import INTENT_LOOK, NOTHING, Cell, Tone
from bmconsole.console.tabs.listing_page import ListingPageTab
from bmconsole.console.widgets.columns import Column
from bmconsole.console.widgets.dialogs import DiffDialog
from bmconsole.console.widgets.form import ListingForm
from bmconsole.console.widgets.reading import Reading
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.source import ListSource
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.intents import Change, Intent, IntentState
from bmconsole.domain.listings import Listing, Offer
from bmconsole.domain.money import Money
from bmconsole.domain.text import clean
from bmconsole.domain.views import ListingView
from bmconsole.errors import BmError, UsageError

SHOWN_INTENTS = 6


class EditTab(ListingPageTab):
    """Typing is checked at once, shown as a diff, written on confirmation, and told as it was read back."""

    SCOPES: ClassVar[tuple[str, ...]] = ("edit",)
    BINDINGS = bindings("edit")
    TITLE = "Edit"
    STREAM = "listings"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.listing_id: str | None = None
        self.view: ListingView | None = None
        self.chosen = ""
        """The market whose offer the form shows."""
        self.writing = False
        self.read_only = False
        self._message: Cell = ()
        self._ranks: dict[str, int] = {}
        self._source: ListSource[Offer] = ListSource(key="market")

        self._head, self._form_title = Sheet(id="edit-head"), Sheet(id="form-title")
        self._said, self._writes = Sheet(id="edit-message"), Sheet(id="writes")
        self._offers = VirtualTable(self._source, self._columns(), id="offers")
        self.form = ListingForm()

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._offers
        with Horizontal(id="edit-halves"):
            with Reading(id="edit-lower", can_focus=False):
                yield self._form_title
                yield self.form
                yield self._said
                yield Static("Writes", id="writes-title", markup=False)
                yield self._writes
                yield self.below
            with Reading(id="edit-page", can_focus=False):
                yield self.beside

    def on_mount(self) -> None:
        self._show()

    def enter(self) -> None:
        if self.listing_id is not None:
            self.enter_form()
        self.renew()

    def open(self, listing: str) -> None:
        """Edit another listing, in the market that the listings show."""
        if listing != self.listing_id:
            self.form.discard()
            self.listing_id, self.view, self.page, self._message = listing, None, None, ()
        self.chosen = self.market
        self.enter_form()
        self._load()

    @property
    def place(self) -> str:
        return self.listing_id or ""

    def go(self, place: str) -> None:
        if place and place != self.place:
            self.open(place)

    def renew(self) -> None:
        if self.listing_id is not None and not self.writing:
            self._load()

    def watch_market(self) -> None:
        if self.view is not None:
            self.choose(self.market)

    def choose(self, market: str) -> None:
        """Show another market's offer in the form; what was typed for the former one is forgotten."""
        if self.view is None or market not in self.view.listing.offers or market == self.chosen:
            return
        self.chosen = market
        self.form.discard()
        self._message = ()
        self._offers.move_to(self._position())
        self._show()
        if self.listing_id is not None:
            self.load_page(self.listing_id, market)

    @on(Resize)
    def _fit(self) -> None:
        self.paint_page()

    def page_came(self) -> None:
        self._offers.refresh()

    # Keys.

    def action_edit(self) -> None:
        if self.view is not None and not self.read_only:
            self.form.begin()

    async def action_back(self) -> None:
        await self.app.run_action("show_listings")

    @work(exclusive=True, group="edit-load")
    async def action_refresh(self) -> None:
        """Read the listing live in every market."""
        if self.listing_id is None:
            return
        self._say((("asking Back Market…", Tone.DIM),))
        try:
            await self.workspace.refresh_listing(self.listing_id)
            self.view = await self.workspace.listing_view(self.listing_id)
        except BmError as error:
            self._say(((f"× {error.line()}", Tone.BAD),))
            return
        self._say((("✓ ", Tone.GOOD), ("read live in every market", Tone.DIM)))
        self._show()

    @work(exclusive=True, group="edit-load")
    async def _load(self) -> None:
        if self.listing_id is None:
            return
        try:
            self.view = await self.workspace.listing_view(self.listing_id)
            status = await self.workspace.status()
        except BmError as error:
            self._say(((f"× {error.line()}", Tone.BAD),))
            return
        if (status.access == "viewer") is not self.read_only:
            self.read_only = not self.read_only
            self.enter_form()
        self._ranks = {name: rank for rank, name in enumerate(status.markets)}
        if self.chosen not in self.view.listing.offers:
            self.chosen = next(iter(self._markets()), self.chosen)
        self._show()
        self.load_page(self.listing_id, self.chosen)

    def enter_form(self) -> None:
        """Put the cursor where work goes on."""
        if self.read_only:
            self.take(self._offers)
        else:
            self.form.begin()

    # The form.

    @on(ListingForm.Edited)
    def _validate(self, event: ListingForm.Edited) -> None:
        event.stop()
        self._check(dict(event.fields))

    @work(exclusive=True, group="edit-check")
    async def _check(self, typed: dict[str, str]) -> None:
        """Say at each field what its change means, or what is wrong with it."""
        if self.listing_id is None:
            return
        for name, _, _ in ListingForm.FIELDS:
            field = self.form.field(name)
            if name not in typed:
                field.remark(None)
                continue
            try:
                plan = await self.workspace.plan_listing(self.listing_id, self.chosen, {name: typed[name]})
            except BmError as error:
                field.remark(((f"× {error.line()}", Tone.BAD),), bad=True)
                continue
            field.remark(_preview(plan.changes[0]) if plan.changes else (("as it is", Tone.DIM),))

    @on(ListingForm.Submitted)
    def _review(self, event: ListingForm.Submitted) -> None:
        event.stop()
        if self.writing:
            self._say(((f"{look.PENDING_GLYPH} wait until the write has ended", Tone.WARN),))
        elif self.read_only:
            self._say((("read-only: the access is viewer", Tone.WARN),))
        elif event.fields:
            self._write(dict(event.fields))
        else:
            self._say((("nothing is changed", Tone.DIM),))

    @work(exclusive=True, group="edit-write")
    async def _write(self, typed: dict[str, str]) -> None:
        """Plan, show the diff, and write what was confirmed."""
        if self.listing_id is None or self.view is None:
            return
        listing = self.view.listing
        try:
            plan = await self.workspace.plan_listing(self.listing_id, self.chosen, typed)
        except UsageError as error:
            self._blame(error)
            return
        except BmError as error:
            self._say(((f"× {error.line()}", Tone.BAD),))
            return
        if not plan.changes:
            self._say((("everything is already as wanted", Tone.DIM),))
            return
        subject = f"{clean(listing.sku)}   {clean(listing.title, limit=60)}"
        if not await self.app.push_screen_wait(DiffDialog("Write to Back Market", subject, plan)):
            self._say((("nothing was written", Tone.DIM),))
            return
        self.writing = True
        self._say(((f"{look.PENDING_GLYPH} writing, then reading back…", Tone.WARN),))
        try:
            intents = await self.workspace.apply(plan)
        except BmError as error:
            self._say(((f"× {error.line()}", Tone.BAD),))
            self.notify(error.line(), title="Not done", severity="error", timeout=10, markup=False)
        else:
            self._tell(intents)
        finally:
            self.writing = False
        self._load()

    def _blame(self, error: UsageError) -> None:
        names = [name for name, _, _ in ListingForm.FIELDS]
        if error.field in names:
            field = self.form.field(error.field)
            field.remark(((f"× {error.line()}", Tone.BAD),), bad=True)
            field.input.focus()
        self._say(((f"× {error.line()}", Tone.BAD),))

    def _tell(self, intents: Sequence[Intent]) -> None:
        if all(intent.state is IntentState.CONFIRMED for intent in intents):
            self.form.discard()
        for intent in intents:
            self._say(outcome(intent))
            severity = "information" if intent.state is IntentState.CONFIRMED else "error"
            words = look.plain(outcome(intent))
            if severity == "information":
                self.notify(words, timeout=5, markup=False)
            else:
                self.notify(words, severity="error", timeout=10, markup=False)

    @on(ListingForm.MarketAsked)
    def _next_market(self, event: ListingForm.MarketAsked) -> None:
        event.stop()
        if self.view is not None and self.view.listing.offers:
            markets = self._markets()
            self.choose(markets[(self._position() + event.step) % len(markets)])

    @on(ListingForm.Left)
    def _leave(self, event: ListingForm.Left) -> None:
        event.stop()
        self.take(self._offers)

    @on(VirtualTable.Moved)
    def _point(self, event: VirtualTable.Moved) -> None:
        event.stop()
        if event.key is not None and event.by_hand:
            self.choose(event.key)

    @on(VirtualTable.Chosen)
    def _enter(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.choose(event.key)
        self.enter_form()

    @on(VirtualTable.Counted)
    def _place(self, event: VirtualTable.Counted) -> None:
        event.stop()
        if self._offers.cursor_key != self.chosen:
            self._offers.move_to(self._position())

    # What is shown.

    def _markets(self) -> list[str]:
        """The markets that have an offer, in the order of the settings."""
        offers = self.view.listing.offers if self.view else {}
        return sorted(offers, key=lambda name: self._ranks.get(name, len(self._ranks)))

    def _position(self) -> int:
        markets = self._markets()
        return markets.index(self.chosen) if self.chosen in markets else 0

    def _say(self, cell: Cell) -> None:
        self._message = cell
        self._said.show(cell)

    def _show(self) -> None:
        self.set_class(self.view is None, "-empty")
        if self.view is None:
            self._head.show(
                (("No listing chosen", Tone.STRONG),),
                (("Enter on a listing in Listings brings its offers here.", Tone.DIM),),
            )
            return
        listing = self.view.listing
        self._head.show(self._title(listing), self._about(listing))
        self._source.rows = [listing.offers[market] for market in self._markets()]
        self._offers.renew()
        self._fill(listing)
        lines = [self._write_line(intent) for intent in self.view.intents[:SHOWN_INTENTS]]
        self._writes.show(*lines or [(("none yet", Tone.DIM),)])
        self._say(self._message)

    def _title(self, listing: Listing) -> Cell:
        return (*look.text(listing.sku, Tone.STRONG), ("   ", Tone.DIM), *look.text(clean(listing.title, limit=90)))

    def _about(self, listing: Listing) -> Cell:
        stock = listing.quantity
        tone = Tone.WARN if stock is not None and stock <= 0 else Tone.STRONG
        about: Cell = (
            *look.text((listing.grade or "").replace("_", " ").lower()),
            ("   stock ", Tone.DIM),
            ("–" if stock is None else str(stock), tone),
        )
        if listing.listing_id is not None:
            about += ((f"   id {listing.listing_id}", Tone.DIM),)
        about += ((f"   read {look.moment(listing.fetched_at, self.workspace.zone) or 'never'}", Tone.DIM),)
        return (*about, ("   read-only: the access is viewer", Tone.WARN)) if self.read_only else about

    def _fill(self, listing: Listing) -> None:
        offer = listing.offers.get(self.chosen)
        self.form.disabled = self.read_only or offer is None
        if offer is None:
            self._form_title.show(((f"no offer in {self.chosen or 'any market'}", Tone.DIM),))
            return
        self._form_title.show((("Offer in ", Tone.DIM), (offer.market, Tone.STRONG), (f"  {offer.currency}", Tone.DIM)))
        values = {
            "price": offer.price.text() if offer.price else "",
            "min_price": offer.min_price.text() if offer.min_price else "",
            "quantity": "" if listing.quantity is None else str(listing.quantity),
            "warranty_delay": "" if offer.warranty_delay is None else str(offer.warranty_delay),
            "comment": clean(offer.comment or ""),
        }
        self.form.fill(values)
        if typed := self.form.changed():
            self._check(typed)

    def _write_line(self, intent: Intent) -> Cell:
        glyph, tone = INTENT_LOOK[intent.state]
        fields = "  ".join(
            f"{name.replace('_', ' ')} {clean('–' if intent.base.get(name) is None else intent.base[name], limit=40)}"
            f" → {clean(value, limit=40)}"
            for name, value in intent.want.items()
        )
        return (
            (f"{glyph} ", tone),
            (f"{intent.state.value:<10}", Tone.PLAIN if tone is Tone.GOOD else tone),
            (f"{look.moment(intent.updated, self.workspace.zone):<14}", Tone.DIM),
            (f"{intent.market or 'all':<7}", Tone.PLAIN),
            (fields, Tone.PLAIN),
            (f"   {intent.origin}", Tone.DIM),
            (f"   {clean(intent.error)}" if intent.error else "", Tone.BAD),
        )

    def _columns(self) -> Sequence[Column[Offer]]:
        return (
            Column("market", "Market", 8, lambda offer: look.text(offer.market, Tone.STRONG)),
            Column("state", "State", 9, lambda offer: look.publication(offer.publication_state), rank=3),
            Column("price", "Price", 14, lambda offer: look.money(offer.price), right=True),
            Column("min", "Min", 10, lambda offer: look.money(offer.min_price, currency=False), right=True),
            Column("max", "Max", 10, self._max, right=True, rank=2),
            Column("ptw", "To win", 10, self._to_win, right=True),
            Column("winner", "Winner", 9, self._winner, right=True, rank=6),
            Column("floor", "Floor", 9, self._floor, right=True, rank=4),
            Column("gap", "Gap", 9, self._gap, right=True, rank=4),
            Column("box", "Backbox", 9, self._box, rank=1),
            Column("seen", "Observed", 12, self._seen, rank=5),
            Column("warranty", "Warranty", 8, self._warranty, right=True, rank=7),
            Column("comment", "Comment", 10, lambda offer: look.text(offer.comment, Tone.DIM), grow=1, most=60, rank=8),
        )

    def _max(self, offer: Offer) -> Cell:
        tone = Tone.WARN if offer.above_max else Tone.DIM
        return look.money(offer.max_price, tone, currency=False)

    def _to_win(self, offer: Offer) -> Cell:
        return look.money(offer.backbox.price_to_win, currency=False) if offer.backbox else NOTHING

    def _winner(self, offer: Offer) -> Cell:
        return look.money(offer.backbox.winner_price, Tone.DIM, currency=False) if offer.backbox else NOTHING

    def _floor(self, offer: Offer) -> Cell:
        floor = self.page.floors.get(offer.market) if self.page else None
        under = floor is not None and offer.price is not None and offer.price.minor < floor.minor
        return look.money(floor, Tone.BAD if under else Tone.DIM, currency=False)

    def _gap(self, offer: Offer) -> Cell:
        needed = offer.backbox.price_to_win if offer.backbox else None
        if offer.price is None or needed is None or needed.currency != offer.price.currency:
            return NOTHING
        gap = Money(offer.price.minor - needed.minor, needed.currency)
        shown = f"{'+' if gap.minor > 0 else ''}{gap.text()}".replace("-", "−")
        return ((shown, Tone.WARN if gap.minor > 0 else Tone.DIM),)

    def _box(self, offer: Offer) -> Cell:
        if offer.backbox is None or offer.backbox.winning is None:
            return NOTHING
        return (
            (("✓ ", Tone.GOOD), ("won", Tone.PLAIN))
            if offer.backbox.winning
            else (("○ ", Tone.WARN), ("lost", Tone.PLAIN))
        )

    def _seen(self, offer: Offer) -> Cell:
        return (
            look.text(look.moment(offer.backbox.last_seen, self.workspace.zone), Tone.DIM) if offer.backbox else NOTHING
        )

    def _warranty(self, offer: Offer) -> Cell:
        return NOTHING if offer.warranty_delay is None else look.text(f"{offer.warranty_delay} mo", Tone.DIM)


def _preview(change: Change) -> Cell:
    old = "–" if change.old is None else clean(change.old, limit=30)
    shown: Cell = ((old, Tone.DIM), (" → ", Tone.DIM), (clean(change.new, limit=30), Tone.STRONG))
    return (*shown, (f"  {clean(change.note)}" if change.note else "", Tone.WARN))


def outcome(intent: Intent) -> Cell:
    """Return what became of a write, in words: done only where it was read back."""
    glyph, tone = INTENT_LOOK[intent.state]
    error = clean(intent.error) if intent.error else ""
    words = {
        IntentState.CONFIRMED: f"confirmed, read back: {_values(intent)}",
        IntentState.REJECTED: f"rejected by Back Market: {error or 'no reason given'}",
        IntentState.CONFLICT: f"conflict, not written: {error or 'the value there is another one'}",
        IntentState.UNKNOWN: f"unknown whether it arrived; it is read again before anything is sent. {error}",
        IntentState.PENDING: "written down, not sent yet",
        IntentState.SENT: "sent, not read back yet",
        IntentState.DROPPED: f"dropped before it was sent. {error}",
    }
    return ((f"{glyph} ", tone), (words[intent.state].strip(), Tone.PLAIN if tone is Tone.GOOD else tone))


def _values(intent: Intent) -> str:
    found = intent.readback if intent.readback is not None else intent.want
    return ", ".join(f"{name.replace('_', ' ')} {clean(found.get(name), limit=40)}" for name in intent.want)
