"""The first run: four answers, each checked, what will happen to the data, and the first sync with its progress."""

from pathlib import PurePath
from typing import ClassVar

from textual import on, work
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input, Static

from bmconsole import beginning
from bmconsole.beginning import REGIONS, Answers
from bmconsole.console.actions import bindings
from bmconsole.console.look import Cell, Tone, count, gauge
from bmconsole.console.theme import DARK, DEFAULTS, LIGHT
from bmconsole.console.widgets.bars import Hint, KeyHints
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.views import PassResult, Progress
from bmconsole.errors import BmError, NotAllowed, Unreachable
from bmconsole.hosts import host_of
from bmconsole.paths import Paths
from bmconsole.profile import Profile

STREAMS = ("orders", "listings")


class Question(Vertical):
    """A label with a field, and what is to be said about it below."""

    def __init__(self, name: str, label: str, example: str, *, secret: bool = False) -> None:
        super().__init__(id=f"ask-{name}")
        self.asked = name
        self._label = label
        self.input = Input(placeholder=example, password=secret, compact=True)
        self.said = Sheet()

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static(self._label, markup=False, classes="label")
            yield self.input
        yield self.said

    def say(self, *cell: tuple[str, Tone]) -> None:
        """Say something about the answer; nothing takes it back."""
        self.said.show(cell)
        self.said.display = bool(cell)


class FirstRun(App[Profile]):
    """Asks for a profile and ends with it, or with None where the operator left."""

    TITLE = "bmconsole"
    CSS_PATH: ClassVar[list[str | PurePath]] = [PurePath("styles", f"{name}.tcss") for name in ("base", "beginning")]
    SCOPES: ClassVar[tuple[str, ...]] = ("beginning",)
    BINDINGS = bindings("beginning")
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, paths: Paths, name: str = "default") -> None:
        super().__init__()
        self.animation_level = "none"
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name
        self.fault: Exception | None = None
        self.answers = Answers(name)
        self._paths = paths
        self._profile: Profile | None = None
        self._asking = False
        self._waiting: Question | None = None
        """Answered while the one before is still being checked."""
        self.questions = (
            Question("host", "Back Market", "www.backmarket.fr   .com   .co.jp   or preprod.backmarket.fr"),
            Question("agent", "Who asks", "BM-Company-Integration;mail"),
            Question("token", "Token", "from the back office; it is not shown", secret=True),
            Question("markets", "Markets", "fr-fr,de-de   the first is the main one"),
        )
        self._intro, self._data, self._sync = Sheet(id="intro"), Sheet(id="data"), Sheet(id="sync")
        self._progress: dict[str, Progress | PassResult] = {}

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give the variables that only our themes define."""
        colours = self.current_theme.to_color_system().generate()
        return {name: colours.get(value.removeprefix("$"), value) for name, value in DEFAULTS.items()}

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="page", can_focus=False):
            yield self._intro
            yield from self.questions
            yield self._sync
            yield self._data
        hints = KeyHints()
        hints.set_reactive(
            KeyHints.hints, (Hint("enter", "check, next", ""), Hint("↑", "back", ""), Hint("esc", "leave", "app.leave"))
        )
        yield hints

    def on_mount(self) -> None:
        self._intro.show(
            (("bmconsole", Tone.STRONG), ("   first run", Tone.DIM)),
            (),
            (("Four answers, and the first sync. Nothing is written before all are right.", Tone.PLAIN),),
        )
        self._data.show(*self._what_happens())
        for question in self.questions:
            question.say()
        self.questions[0].input.focus()

    def _what_happens(self) -> list[Cell]:
        days = 90
        return [
            (("What will happen to the data", Tone.STRONG),),
            (("  read    ", Tone.DIM), ("orders and listings are copied to this machine, and only there:", Tone.PLAIN)),
            (("          ", Tone.DIM), (str(self._paths.data), Tone.DIM)),
            (("  buyers  ", Tone.DIM), (f"names and addresses go {days} days after an order is final", Tone.PLAIN)),
            (("  token   ", Tone.DIM), ("kept in a file that only you can read; in no log, no report", Tone.PLAIN)),
            (("  write   ", Tone.DIM), ("nothing, until you confirm a change; each one is in a journal", Tone.PLAIN)),
            (("  prices  ", Tone.DIM), ("repricing suggests, and writes nothing by itself", Tone.PLAIN)),
        ]

    # Questions.

    @on(Input.Submitted)
    def _answered(self, event: Input.Submitted) -> None:
        event.stop()
        if self._profile is None:
            self._take(next(question for question in self.questions if question.input is event.input))

    def action_before(self) -> None:
        """Go to the question before."""
        place = next((at for at, question in enumerate(self.questions) if question.input.has_focus), 0)
        self.questions[max(0, place - 1)].input.focus()

    def action_forward(self) -> None:
        """Check the answer, and go on."""
        question = next((question for question in self.questions if question.input.has_focus), None)
        if question is not None:
            self._take(question)

    def action_leave(self) -> None:
        self.exit(self._profile)

    def _take(self, question: Question) -> None:
        if self._asking:
            self._waiting = question
        else:
            self._check(question)

    @work(exclusive=True, group="check")
    async def _check(self, question: Question | None) -> None:
        self._asking = True
        try:
            while question is not None:
                self._waiting = None
                try:
                    await getattr(self, f"_take_{question.asked}")(question, question.input.value)
                except BmError as error:
                    question.say()
                    self._refuse(self._blamed(question, error), error)
                    break
                question = self._waiting
        finally:
            self._asking = False

    def _blamed(self, question: Question, error: BmError) -> Question:
        """Return the question whose answer is wrong: what does not answer is no fault of the token."""
        host, _, token, _ = self.questions
        if isinstance(error, NotAllowed) and question.asked == "markets":
            return token
        return host if isinstance(error, Unreachable) and question.asked in ("token", "markets") else question

    def _refuse(self, question: Question, error: BmError) -> None:
        if isinstance(error, NotAllowed):
            # Its own names a command, and here is a field.
            error.hint = "Copy it again from the back office; preprod and production have their own."
        question.say((f"× {error.line()}", Tone.BAD))
        question.input.focus()

    def _go_on(self, question: Question, *said: tuple[str, Tone]) -> None:
        question.say(("✓ ", Tone.GOOD), *said)
        place = self.questions.index(question) + 1
        # Who is elsewhere by now has begun the next answer
        if place < len(self.questions) and question.input.has_focus:
            self.questions[place].input.focus()

    async def _take_host(self, question: Question, text: str) -> None:
        self.answers = beginning.with_host(self.answers, text or "www.backmarket.fr")
        question.input.value = self.answers.base_url
        region = self.answers.region
        where = "a sandbox on this machine" if self.answers.local else REGIONS[region] if region else "another host"
        if self.answers.local and not self.questions[1].input.value:
            self.questions[1].say(("leave it empty for a sandbox", Tone.DIM))
        if not self.questions[3].input.value and region is not None:
            first = next(code for code, place in MARKETS.items() if place.region == region)
            self.questions[3].input.placeholder = f"{first}   the first is the main one"
        self._go_on(question, (where, Tone.DIM))

    async def _take_agent(self, question: Question, text: str) -> None:
        self.answers = beginning.with_user_agent(self.answers, text)
        question.input.value = self.answers.user_agent
        self._go_on(question, ("this is what Back Market sees", Tone.DIM))

    async def _take_token(self, question: Question, text: str) -> None:
        self.answers = beginning.with_token(self.answers, text)
        if not self.answers.base_url or not self.answers.user_agent:
            missing = self.questions[1] if self.answers.base_url else self.questions[0]
            missing.say(("× First this one.", Tone.BAD))
            missing.input.focus()
            return
        question.say(("asking Back Market…", Tone.DIM))
        self.questions[3].input.focus()
        await beginning.try_token(self.answers, self._paths)
        self.questions[0].say(("✓ ", Tone.GOOD), (f"{host_of(self.answers.base_url)} answers", Tone.DIM))
        self._go_on(question, ("it works", Tone.DIM))

    async def _take_markets(self, question: Question, text: str) -> None:
        self.answers = beginning.with_markets(self.answers, text)
        if not self.answers.token:
            self.questions[2].say(("× First this one.", Tone.BAD))
            self.questions[2].input.focus()
            return
        question.say(("asking Back Market…", Tone.DIM))
        await beginning.try_markets(self.answers, self._paths)
        self._profile = beginning.keep(self.answers, self._paths)
        self._go_on(question, (", ".join(self.answers.markets), Tone.DIM))
        self._first_sync(self._profile)

    # The first sync.

    @work(exclusive=True, group="sync")
    async def _first_sync(self, profile: Profile) -> None:
        from bmconsole.workspace import Workspace

        for question in self.questions:
            question.input.disabled = True
        self.set_focus(None)
        self._intro.show(
            (("bmconsole", Tone.STRONG), ("   first sync", Tone.DIM)),
            (),
            ((f"Kept in {self._paths.config_file}.", Tone.PLAIN), ("  Enter opens the console at any time.", Tone.KEY)),
        )
        self.query_one(KeyHints).hints = (
            Hint("enter", "open the console", "app.enter"),
            Hint("esc", "leave", "app.leave"),
        )
        self._tell()
        try:
            async with await Workspace.open(profile, self._paths) as workspace:
                for stream in STREAMS:
                    self._progress |= await workspace.sync([stream], progress=self._show)
                    self._tell()
        except BmError as error:
            self._sync.show((("First sync", Tone.STRONG),), ((f"× {error.line()}", Tone.BAD),), self._what_next())
        else:
            self._tell(done=True)

    def action_enter(self) -> None:
        """Open the console, once there is a profile for it; else check the answer."""
        if self._profile is not None:
            self.exit(self._profile)
        else:
            self.action_forward()

    def _show(self, progress: Progress) -> None:
        self._progress[progress.stream] = progress
        self._tell()

    def _what_next(self) -> Cell:
        return (("  The console tries again by itself; enter opens it.", Tone.DIM),)

    def _tell(self, *, done: bool = False) -> None:
        lines: list[Cell] = [(("First sync", Tone.STRONG),)]
        for stream in STREAMS:
            lines.append((("  ", Tone.DIM), (f"{stream:<10}", Tone.PLAIN), *_how_far(self._progress.get(stream))))
        if done:
            lines.append((("  ✓ ", Tone.GOOD), ("done; enter opens the console", Tone.KEY)))
        self._sync.show(*lines)
        self._sync.display = True
        self._sync.scroll_visible(animate=False)

    def _handle_exception(self, error: Exception) -> None:
        """End after a fault without what Textual would print: local values, and the token is one of them."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self.fault = self.fault or error
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        self._exit_renderables.clear()


def _how_far(progress: Progress | PassResult | None) -> Cell:
    if progress is None:
        return (("waits", Tone.DIM),)
    if isinstance(progress, PassResult):
        return (("✓ ", Tone.GOOD), (f"{count(progress.seen)} read", Tone.PLAIN))
    if not progress.total:
        return ((f"{count(progress.done)} so far", Tone.DIM),)
    full, empty = gauge(progress.done, progress.total, 24)
    return ((full, Tone.KEY), (empty, Tone.DIM), (f"  {count(progress.done)} of {count(progress.total)}", Tone.PLAIN))


def first_run(paths: Paths, name: str = "default") -> Profile | None:
    """Ask for a profile on the terminal; None where the operator left before there was one."""
    app = FirstRun(paths, name)
    profile = app.run()
    if app.fault is not None:
        raise app.fault
    return profile
