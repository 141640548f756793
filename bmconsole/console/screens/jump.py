"""Jump mode: a letter on everything that can take the focus; the letter goes there."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.events import Click, Key
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from bmconsole.console.actions import bindings

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


def labelled(targets: Sequence[Widget]) -> dict[str, Widget]:
    """Return a letter for each target, in reading order; those that are too many have none."""
    placed = sorted(targets, key=lambda target: (target.region.y, target.region.x))
    return dict(zip(LETTERS, placed, strict=False))


class JumpScreen(ModalScreen[Widget | None]):
    """Ends with the widget to go to, or None."""

    SCOPES: ClassVar[tuple[str, ...]] = ("jump",)
    BINDINGS = bindings("jump")

    def __init__(self, targets: Sequence[Widget]) -> None:
        super().__init__()
        self.labels = labelled([target for target in targets if target.region.area])

    def compose(self) -> ComposeResult:
        for letter, target in self.labels.items():
            label = Static(f" {letter} ", markup=False, classes="jump")
            label.styles.position = "absolute"
            label.styles.offset = (target.region.x, target.region.y)
            yield label

    def on_key(self, event: Key) -> None:
        """Go where the letter stands."""
        if event.character in self.labels:
            event.stop()
            event.prevent_default()
            self.dismiss(self.labels[event.character])

    def on_click(self, event: Click) -> None:
        """Leave: a click is no letter."""
        event.stop()
        self.dismiss(None)

    def action_leave(self) -> None:
        self.dismiss(None)
