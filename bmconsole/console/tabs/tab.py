"""What every tab has: a name, the actions that work in it, a workspace, and a way to look again."""

from typing import ClassVar

from textual.containers import Vertical
from textual.message import Message
from textual.reactive import var
from textual.widget import Widget

from bmconsole.console.seam import WorkspaceLike
from bmconsole.errors import BmError


class Tab(Vertical):
    """One screenful. The app gives it the workspace once that is open, and says when data has changed."""

    SCOPES: ClassVar[tuple[str, ...]] = ()
    TITLE: ClassVar[str] = ""
    STREAM: ClassVar[str] = "orders"
    """What "sync now" means here."""

    class Offers(Message):
        """What can be done here is something else now: the footer tells it."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Tab.Offers)

    market = var("", init=False)
    """The chosen market."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._workspace: WorkspaceLike | None = None

    @property
    def workspace(self) -> WorkspaceLike:
        """The workspace; no action runs before it is there."""
        if self._workspace is None:
            raise RuntimeError("the workspace is not open yet")
        return self._workspace

    @property
    def ready(self) -> bool:
        return self._workspace is not None

    @property
    def place(self) -> str:
        """What it shows, for going back to it."""
        return ""

    def go(self, place: str) -> None:
        """Show what `place` says, as `place` once said it."""

    def attach(self, workspace: WorkspaceLike) -> None:
        """Take the workspace and show what it has."""
        self._workspace = workspace

    def renew(self) -> None:
        """Read again what is on screen: something changed."""

    def repaint(self) -> None:
        """Paint again what depends on the time."""

    def enter(self) -> None:
        """Take the focus: the tab was switched to."""

    def take(self, widget: Widget) -> None:
        """Give `widget` the focus at once: what is typed next belongs to it."""
        self.screen.set_focus(widget, scroll_visible=False)

    def offers(self, action: str) -> bool:
        """Whether the footer shows an action of this tab now; a key that it leaves out says why it does nothing."""
        return True

    def complain(self, error: BmError, *, title: str = "") -> None:
        """Show an error that belongs to no particular place."""
        self.notify(error.line(), title=title, severity="error", timeout=8, markup=False)
