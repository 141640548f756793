"""The bars around the tabs: their names above, the state of the machine and the keys below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.reactive import reactive

from bmconsole.console.look import ENVIRONMENT_BADGE, Tone
from bmconsole.console.widgets.toned import LineBar
from bmconsole.domain.text import clean

if TYPE_CHECKING:
    from bmconsole.domain.views import WorkspaceStatus

Piece = tuple[str, Tone, str]


@dataclass(frozen=True, slots=True)
class TabTitle:
    """A tab as the bar shows it."""

    key: str
    title: str
    action: str
    badge: str = ""
    short: str = ""


def spread(left: Sequence[Piece], right: Sequence[Piece], width: int) -> list[Piece]:
    """Return `left`, then `right` moved to the edge of a line of `width` cells; `left` gives way."""
    room = width - sum(cell_len(piece[0]) for piece in right)
    kept: list[Piece] = []
    for piece in left:
        if cell_len(piece[0]) > room:
            break
        kept.append(piece)
        room -= cell_len(piece[0])
    return [*kept, (" " * max(0, room), Tone.PLAIN, ""), *right]


class TopBar(LineBar):
    """The tabs with what waits in them; on the right whose shop this is."""

    tabs: reactive[tuple[TabTitle, ...]] = reactive(())
    current = reactive("")
    status: "reactive[WorkspaceStatus | None]" = reactive(None, repaint=False)
    market = reactive("")
    private = reactive(False)

    def watch_status(self) -> None:
        self.renew()

    def line(self, width: int) -> list[Piece]:
        """Return the pieces of the bar; a narrow one leaves out the name and the badges first."""
        roomy = width >= 110
        left: list[Piece] = [(" bmconsole ", Tone.STRONG, ""), ("  ", Tone.DIM, "")] if roomy else [(" ", Tone.DIM, "")]
        whose = self._whose(roomy)
        full = sum(cell_len(f"{tab.key} {tab.title}  ") for tab in self.tabs) + sum(cell_len(each[0]) for each in whose)
        # All of them by their short names rather than some of them not at all.
        tight = full + 1 > width
        for tab in self.tabs:
            here = tab.title == self.current
            title = tab.short if tight and not here else tab.title
            left += [
                (f"{tab.key} ", Tone.KEY if here else Tone.DIM, tab.action),
                (title, Tone.STRONG if here else Tone.DIM, tab.action),
            ]
            if tab.badge and roomy:
                left.append((f" {tab.badge}", Tone.DIM, tab.action))
            left.append(("   " if roomy else " " if tight else "  ", Tone.DIM, ""))
        return spread(left, whose, width)

    def _whose(self, roomy: bool) -> list[Piece]:
        status = self.status
        if status is None:
            return [("opening… ", Tone.DIM, "")]
        badge = ENVIRONMENT_BADGE.get(status.environment, Tone.BADGE_WARN)
        pieces: list[Piece] = [(f" {clean(status.environment).upper()} ", badge, "")]
        if self.private:
            pieces.insert(0, (" PRIVATE " if roomy else " PRIV ", Tone.BADGE_WARN, "app.perform('app.privacy')"))
        if status.colour is not None:
            pieces.append((f" {clean(status.profile, limit=20)} ", Tone(f"mark-{status.colour}"), ""))
        elif roomy:
            pieces.append((f" {clean(status.profile, limit=20)}", Tone.PLAIN, ""))
        pieces.append((f" {self.market}", Tone.STRONG, "app.perform('app.next_market')"))
        if roomy or status.access == "viewer":
            word = "read-only" if status.access == "viewer" else status.access
            pieces.append((f" {word}", Tone.WARN if status.access == "viewer" else Tone.DIM, ""))
        return [*pieces, (" ", Tone.DIM, "")]


@dataclass(frozen=True, slots=True)
class Hint:
    """A key in the footer."""

    key: str
    text: str
    action: str


class KeyHints(LineBar):
    """What the keys do here; each hint can be clicked."""

    hints: reactive[tuple[Hint, ...]] = reactive(())

    def line(self, width: int) -> list[Piece]:
        """Return the hints that fit, the first ones first; the one of the help always, since it tells the rest."""
        pieces: list[Piece] = []
        used = 1
        hints = list(self.hints)
        help_ = next((hint for hint in hints if hint.text == "help"), None)
        if help_ is not None and sum(_length(hint) + 3 for hint in hints) - 2 > width:
            hints.remove(help_)
            width -= _length(help_) + 3
        else:
            help_ = None
        fitting: list[Hint] = []
        for hint in hints:
            if used + _length(hint) > width:
                break
            fitting.append(hint)
            used += _length(hint) + 3
        for hint in [*fitting, *([help_] if help_ else [])]:
            pieces += [(" " if not pieces else "   ", Tone.DIM, ""), (hint.key, Tone.KEY, hint.action)]
            pieces.append((f" {hint.text}", Tone.DIM, hint.action))
        return pieces


def _length(hint: Hint) -> int:
    return cell_len(hint.key) + cell_len(hint.text) + 1
