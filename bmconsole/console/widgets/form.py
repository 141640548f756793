"""The form of a listing's offer: what is there, what is typed, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantBlur, DescendantFocus
from textual.message import Message
from textual.widgets import Input, Static

from bmconsole.console.actions import bindings
from bmconsole.console.look import Cell, Tone
from bmconsole.console.widgets.sheet import Sheet


class FormField(Horizontal):
    """A label, a field to type in, and a remark. `base` is what was there when typing began."""

    def __init__(self, name: str, label: str, hint: str) -> None:
        super().__init__(id=f"field-{name}")
        self.field = name
        self.base = ""
        self._label, self._hint = label, hint

    def compose(self) -> ComposeResult:
        yield Static(self._label, markup=False, classes="label")
        yield Input(compact=True, id=f"input-{self.field}")
        yield Sheet()

    @on(DescendantFocus)
    @on(DescendantBlur)
    def _mark(self) -> None:
        self.set_class(self.input.has_focus, "-focused")

    @property
    def input(self) -> Input:
        return self.query_one(Input)

    @property
    def changed(self) -> bool:
        return self.input.value.strip() != self.base

    def fill(self, value: str) -> None:
        """Take what the listing has now; what was typed stays."""
        untouched = not self.changed
        self.base = value
        if untouched and self.input.value != value:
            self.input.value = value
            if self.input.has_focus:
                # It may have had the focus before it had a value; typing still replaces all of it.
                self.input.action_select_all()

    def discard(self) -> None:
        """Forget what was typed."""
        self.input.value = self.base

    def remark(self, cell: Cell | None, *, bad: bool = False) -> None:
        """Say something about the field; None says what may be typed."""
        self.query_one(Sheet).show(cell if cell is not None else ((self._hint, Tone.DIM),))
        self.set_class(bad, "-bad")
        self.set_class(self.changed, "-changed")


class ListingForm(Vertical):
    """Price, least price, stock, comment and warranty of one offer; the owner validates and writes."""

    SCOPES: ClassVar[tuple[str, ...]] = ("form",)
    BINDINGS = bindings("form")
    FIELDS = (
        ("price", "Price", "in the market's currency"),
        ("min_price", "Min price", "no lower price is taken"),
        ("quantity", "Stock", "all markets share it: 5, +2 or -1"),
        ("warranty_delay", "Warranty", "months"),
        ("comment", "Comment", "what buyers read in this market"),
    )

    @dataclass
    class Edited(Message):
        """What is typed differs now; `fields` are the changed ones as typed."""

        fields: Mapping[str, str]

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, ListingForm.Edited)

    @dataclass
    class Submitted(Message):
        """The changes are to be reviewed."""

        fields: Mapping[str, str]

    @dataclass
    class MarketAsked(Message):
        """Another market's offer is to be edited: one further (1) or back (-1)."""

        step: int

    @dataclass
    class Left(Message):
        """Typing ended."""

    def compose(self) -> ComposeResult:
        for name, label, hint in self.FIELDS:
            yield FormField(name, label, hint)

    def field(self, name: str) -> FormField:
        """Return the field called `name`.

        Raises:
            KeyError: No such field here.
        """
        for field in self.query(FormField):
            if field.field == name:
                return field
        raise KeyError(name)

    def fill(self, values: Mapping[str, str]) -> None:
        """Show what the offer has; fields that were typed into keep what was typed."""
        for field in self.query(FormField):
            field.fill(values.get(field.field, ""))
            field.remark(None)

    def discard(self) -> None:
        """Forget everything that was typed."""
        for field in self.query(FormField):
            field.discard()

    def changed(self) -> dict[str, str]:
        """Return the fields whose text differs from what was there, as typed."""
        return {field.field: field.input.value.strip() for field in self.query(FormField) if field.changed}

    def begin(self) -> None:
        """Put the cursor into the price."""
        self.screen.set_focus(self.field("price").input)

    def action_review(self) -> None:
        self.post_message(self.Submitted(self.changed()))

    def action_next(self) -> None:
        self._step(1)

    def action_previous(self) -> None:
        self._step(-1)

    def action_next_market(self) -> None:
        self.post_message(self.MarketAsked(1))

    def action_previous_market(self) -> None:
        self.post_message(self.MarketAsked(-1))

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def _step(self, by: int) -> None:
        inputs = list(self.query(Input))
        here = next((position for position, field in enumerate(inputs) if field is self.screen.focused), 0)
        self.screen.set_focus(inputs[(here + by) % len(inputs)])

    @on(Input.Submitted)
    def _review(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_review()

    @on(Input.Changed)
    def _announce(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self.changed()))
