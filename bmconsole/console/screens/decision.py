"""One decision in full: what, why, each guard's word, what came of it, and everything that it was made from."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from bmconsole.console import look, pricing
from bmconsole.console.actions import bindings
from bmconsole.console.intents import ending
from bmconsole.console.look import NOTHING, Cell, Span, Tone, text
from bmconsole.console.seam import WorkspaceLike
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.reading import Reading
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.pricing_views import DecisionView, OutcomeRow
from bmconsole.domain.text import clean

_LABEL = 16
_DEEPEST = 6


class DecisionScreen(ModalScreen[None]):
    """Shows a decision."""

    SCOPES: ClassVar[tuple[str, ...]] = ("decision",)
    BINDINGS = bindings("decision")

    def __init__(self, workspace: WorkspaceLike, view: DecisionView) -> None:
        super().__init__()
        self._workspace, self._view = workspace, view
        self.sheet = Sheet(*decision_lines(view, workspace.now(), workspace.zone))

    def compose(self) -> ComposeResult:
        decision = self._view.row.decision
        with Vertical(classes="box whole") as box:
            box.border_title = f"{clean(decision.sku)}  {decision.market}"
            with Reading(classes="lines"):
                yield self.sheet
            hints = KeyHints()
            hints.set_reactive(
                KeyHints.hints,
                (
                    Hint("h", "price over time", "screen.history"),
                    Hint("↓↑", "scroll", "screen.nothing"),
                    Hint("esc", "close", "screen.leave"),
                ),
            )
            yield hints

    def on_mount(self) -> None:
        self.query_one(Reading).focus()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_history(self) -> None:
        """Draw the price over time, over this."""
        from bmconsole.console.screens.history import HistoryScreen

        decision = self._view.row.decision
        self.app.push_screen(HistoryScreen(self._workspace, decision.listing, decision.market))


def decision_lines(view: DecisionView, now: datetime, zone: tzinfo) -> list[Cell]:
    """Return everything there is to say about a decision, a line each."""
    row, decision = view.row, view.row.decision
    lines: list[Cell] = [
        (
            *pricing.standing(decision.standing),
            ("    ", Tone.PLAIN),
            *pricing.state(row),
            ("    ", Tone.PLAIN),
            *text(row.title, Tone.DIM),
        ),
        (("", Tone.PLAIN),),
    ]
    first, *others = pricing.reason_lines(decision)
    lines += [(("  ", Tone.PLAIN), *first), *((("   ▪ ", Tone.KEY), *line) for line in others)]
    lines += _section("Prices", _prices(view, now))
    lines += _section("Decided", _decided(view, now, zone))
    lines += [*_title("Guards"), *((("  ", Tone.PLAIN), *line) for line in pricing.hit_guards(decision))]
    passed: list[Span] = []
    for check in decision.guards:
        if not check.hit:
            passed += [("  ", Tone.PLAIN), *pricing.guard(check)]
    lines.append(tuple(passed))
    if came := _came(view, zone):
        lines += [*_title("What came of it"), *came]
    lines += [*_title("Made from"), *_made(decision.made_from)]
    return lines


def _title(words: str) -> list[Cell]:
    return [(("", Tone.PLAIN),), ((words.upper(), Tone.KEY),)]


def _section(title: str, facts: Sequence[tuple[str, Cell]]) -> list[Cell]:
    shown = [(label, cell) for label, cell in facts if cell != NOTHING]
    return [*_title(title), *(((f"  {label:<{_LABEL}}", Tone.DIM), *cell) for label, cell in shown)]


def _prices(view: DecisionView, now: datetime) -> list[tuple[str, Cell]]:
    row, decision = view.row, view.row.decision
    target: Cell = NOTHING
    if decision.target is not None:
        change = pricing.change(decision)
        target = (
            *look.money(decision.target, Tone.STRONG),
            ("   ", Tone.PLAIN),
            *(change if change != NOTHING else ()),
        )
    facts = [
        ("price", look.money(decision.old)),
        ("target", target),
        ("wanted", look.money(decision.wanted)),
        ("floor", look.money(decision.floor)),
        ("ceiling", look.money(decision.ceiling)),
        ("min price", look.money(decision.min_price)),
        ("margin", pricing.share(decision.margin)),
        ("at stake", look.money(decision.worth)),
    ]
    if box := row.box:
        won = {True: "won", False: "lost", None: "not known"}[box.winning]
        facts += [
            ("backbox", ((won, Tone.PLAIN), (f"   seen {look.span(now - box.last_seen)} ago", Tone.DIM))),
            ("price to win", look.money(box.price_to_win)),
            ("winner", look.money(box.winner_price)),
        ]
    return [*facts, ("stock", text(row.quantity))]


def _decided(view: DecisionView, now: datetime, zone: tzinfo) -> list[tuple[str, Cell]]:
    row, decision = view.row, view.row.decision
    ago = look.span(now - decision.at)
    return [
        ("decision", ((str(decision.decision), Tone.STRONG),)),
        ("strategy", text(decision.strategy)),
        ("rule", text(decision.rule or "none: no rule is for it", Tone.PLAIN if decision.rule else Tone.DIM)),
        ("mode", text(str(decision.mode))),
        ("at", ((look.full_moment(decision.at, zone), Tone.PLAIN), (f"   {ago} ago", Tone.DIM))),
        ("run", text(row.run)),
        ("result", text(row.result)),
    ]


def _came(view: DecisionView, zone: tzinfo) -> list[Cell]:
    lines: list[Cell] = []
    for row in view.again:
        when = look.moment(row.decision.at, zone, seconds=True)
        lines.append(
            ((f"  {when}  decided again: ", Tone.DIM), *pricing.state(row), ("  ", Tone.PLAIN), *text(row.result))
        )
    if view.intent is not None:
        when = look.moment(view.intent.updated, zone, seconds=True)
        lines.append(((f"  {when}  write {view.intent.id}: ", Tone.DIM), *ending(view.intent)))
    return [*lines, *(_outcome(each, zone) for each in view.outcomes)]


def _outcome(outcome: OutcomeRow, zone: tzinfo) -> Cell:
    after = look.span(timedelta(seconds=outcome.step))
    if outcome.seen is None:
        word = "a later change came first" if outcome.cut_short else f"looked at {look.moment(outcome.due, zone)}"
        return ((f"  after {after}: ", Tone.DIM), (word, Tone.DIM))
    won: Cell = (("✓ won", Tone.GOOD),) if outcome.winning else (("○ not won", Tone.WARN),)
    sold = f"   {outcome.sold} sold" if outcome.sold else ""
    left: Cell = (("   left ", Tone.DIM), *look.money(outcome.margin)) if outcome.margin else ()
    early = "   until a later change" if outcome.cut_short else ""
    return ((f"  after {after}: ", Tone.DIM), *won, (sold, Tone.PLAIN), *left, (early, Tone.DIM))


def _made(values: Mapping[str, object]) -> list[Cell]:
    lines: list[Cell] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines.append(((f"  {clean(name, limit=60)}", Tone.PLAIN),))
            lines += [_fact(path, each) for path, each in _leaves(value)]
        elif value is not None:
            lines.append(_fact(name, value, indent=2))
    return lines


def _fact(path: str, value: object, *, indent: int = 4) -> Cell:
    label = f"{' ' * indent}{clean(path, limit=60):<{_LABEL + 8 - indent}} "
    return ((label, Tone.DIM), *text(value))


def _leaves(values: Mapping[str, object], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """Yield what is inside by its path; empty values are left out."""
    for name, value in values.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and depth < _DEEPEST:
            yield from _leaves(value, f"{path}.", depth + 1)
        elif isinstance(value, list) and any(isinstance(each, Mapping | list) for each in value):
            for place, each in enumerate(value, 1):
                inner = each if isinstance(each, Mapping) else {"": each}
                yield from _leaves(inner, f"{path}.{place}.", depth + 1)
        elif value not in (None, [], {}):
            yield path, ", ".join(map(str, value)) if isinstance(value, list) else value
