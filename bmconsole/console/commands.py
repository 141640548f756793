"""The commands of the `:` line: words with arguments, and every action of the registry by its name."""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmconsole.console.actions import ACTIONS
from bmconsole.console.completion import Suggestion, complete_filter, matching
from bmconsole.console.hiding import masked, spans
from bmconsole.console.pricing_filter import complete as complete_pricing
from bmconsole.domain.filters import nearest
from bmconsole.domain.text import clean
from bmconsole.errors import NotFound, UsageError

if TYPE_CHECKING:
    from bmconsole.console.frame import Frame
    from bmconsole.console.seam import WorkspaceLike
    from bmconsole.console.tabs.rows import RowsTab
    from bmconsole.domain.listings import Listing

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Run = Callable[["Frame", str], Awaitable[None]]
Complete = Callable[["Frame", str], Sequence[Suggestion]]


@dataclass(frozen=True, slots=True)
class Command:
    """A word with an argument; `complete` gets what is typed of that."""

    word: str
    argument: str
    help: str
    run: Run
    complete: Complete


async def run(frame: "Frame", line: str) -> None:
    """Do what a command line says.

    Raises:
        UsageError: There is no such command, or its argument is none.
        BmError: It could not be done.
    """
    word, _, rest = line.strip().partition(" ")
    command = next((command for command in COMMANDS if command.word == word), None)
    if command is not None:
        await command.run(frame, rest.strip())
    elif any(action.name == word for action in ACTIONS):
        await frame.action_perform(word)
    else:
        near = nearest(word, [*(command.word for command in COMMANDS), *(action.name for action in ACTIONS)])
        raise UsageError(
            f"There is no command {clean(word, limit=40)}.",
            field="command",
            value=clean(word, limit=40),
            hint=f"Did you mean {near}?" if near else "Tab shows what there is.",
        )


def complete(frame: "Frame", typed: str) -> list[Suggestion]:
    """Return what a command line may go on with."""
    word, space, rest = typed.partition(" ")
    if not space:
        words = [(f"{each.word} " if each.argument else each.word, each.help) for each in COMMANDS]
        return matching(word, 0, [*words, *((action.name, action.title) for action in ACTIONS)])
    command = next((command for command in COMMANDS if command.word == word), None)
    if command is None:
        return []
    shift = len(word) + 1
    return [Suggestion(shift + each.start, each.text, each.help) for each in command.complete(frame, rest)]


def _one_of(what: str, value: str, names: Sequence[str]) -> str:
    if value not in names:
        near = nearest(value, names)
        raise UsageError(
            f"There is no {what} {clean(value, limit=40) or 'without a name'}.",
            field=what,
            value=clean(value, limit=40),
            hint=f"Did you mean {near}?" if near else f"One of: {', '.join(names)}.",
        )
    return value


def _rows(frame: "Frame", name: str) -> "RowsTab[object]":
    tabs: dict[str, RowsTab[object]] = {"orders": frame.orders, "listings": frame.listings, "pricing": frame.pricing}  # type: ignore[dict-item]  # rows are only passed on
    return tabs[name]


def _table(name: str) -> Run:
    async def show(frame: "Frame", argument: str) -> None:
        tab = _rows(frame, name)
        view = next((view for view in tab.views() if view.name == argument), None)
        where = view.where if view else argument
        if where:
            await tab.read_count(where)
        # A filter that is put in force is a place of its own: without it there would be two steps back.
        frame.show(tab, visiting=view is None and where == tab.where)
        if view is not None:
            tab.take_view(view)
        elif where != tab.where:
            await tab.apply_filter(where)

    return show


def _complete_table(name: str) -> Complete:
    def suggest(frame: "Frame", typed: str) -> list[Suggestion]:
        hide = bool(getattr(frame, "private", False))
        shown = [
            (view.name, masked(view.where, spans(view.where, view.table)) if hide else view.where)
            for view in _rows(frame, name).views()
        ]
        views = matching(typed, 0, shown)
        return [*complete_filter(typed, name), *views] if typed else [*views, *complete_filter(typed, name)]

    return suggest


async def _order(frame: "Frame", argument: str) -> None:
    if not (argument.isascii() and argument.isdecimal() and len(argument) < 19):
        raise UsageError("An order is named by its number.", field="order", value=clean(argument, limit=40))
    frame.open_order(int(argument))


async def _listing(frame: "Frame", argument: str) -> None:
    if not argument:
        raise UsageError("A listing is named by SKU, UUID or number.", field="listing", value="")
    workspace = frame.listings.workspace
    if _UUID.fullmatch(argument.lower()):
        found = (await workspace.listing_view(argument)).listing
    else:
        sku = argument.removeprefix("sku:")
        found, also = await _named(workspace, argument, sku)
        if also:
            shown = clean(sku, limit=40)
            words = f"{shown} is the SKU of {also}, too: “listings sku:{shown}” shows what has it."
            frame.notify(words, severity="warning", markup=False)
    frame.open_listing(found.id)


async def _named(workspace: "WorkspaceLike", name: str, sku: str) -> "tuple[Listing, str]":
    """Return the listing of a number, else of a SKU, and in words what else the name may have meant."""
    quoted = sku.replace("\\", "\\\\").replace('"', '\\"')
    with_sku = await workspace.listings_count(f'sku:"{quoted}"')
    if name.isascii() and name.isdecimal():
        # A SKU may be all digits; the number of a listing goes before it.
        with suppress(NotFound):
            found = (await workspace.listing_view(name)).listing
            others = with_sku - (found.sku == sku)
            return found, _others(others)
    found = (await workspace.listing_view(f"sku:{sku}")).listing
    return found, _others(with_sku - 1)


def _others(count: int) -> str:
    return "" if count < 1 else "another listing" if count == 1 else f"{count} other listings"


async def _sync(frame: "Frame", argument: str) -> None:
    streams = ("orders", "listings", "backbox")
    if argument in ("", "all"):
        frame.sync_streams(("orders", "listings"))
    else:
        frame.sync_streams((_one_of("stream", argument, streams),))


async def _market(frame: "Frame", argument: str) -> None:
    frame.market = _one_of("market", argument, frame.status.markets if frame.status else ())


async def _theme(frame: "Frame", argument: str) -> None:
    frame.theme = _one_of("theme", argument, sorted(frame.available_themes))


async def _sort(frame: "Frame", argument: str) -> None:
    tab = frame.rows_tab()
    tab.sort_by(("-" if argument.startswith("-") else "") + _one_of("sort", argument.lstrip("-"), tab.sorts()))


async def _view(frame: "Frame", argument: str) -> None:
    tab = frame.rows_tab()
    name = _one_of("view", argument, [view.name for view in tab.views()])
    tab.take_view(next(view for view in tab.views() if view.name == name))


async def _log(frame: "Frame", argument: str) -> None:
    frame.show(frame.log_tab)
    frame.log_tab.filter(argument)


async def _writes(frame: "Frame", argument: str) -> None:
    from bmconsole.console.tabs.writes import VIEWS

    view = _one_of("view", argument, list(VIEWS)) if argument else "all"
    frame.show(frame.writes)
    frame.writes.show_writes(view)


async def _import(frame: "Frame", argument: str) -> None:
    frame.show(frame.listings)
    frame.listings.begin_import(argument or None)


async def _ship_file(frame: "Frame", argument: str) -> None:
    frame.show(frame.orders)
    frame.orders.begin_ship_file(argument or None)


async def _export(frame: "Frame", argument: str) -> None:
    tab = frame.listings if frame.current is frame.listings else frame.orders
    frame.show(tab)
    tab.begin_export(argument or None)


async def _undo(frame: "Frame", argument: str) -> None:
    if not argument:
        raise UsageError("Take back what?", field="write", hint="Give the number of a write, or the name of a run.")
    frame.show(frame.writes)
    frame.writes.begin_undo(argument)


async def _privacy(frame: "Frame", argument: str) -> None:
    frame.action_privacy()


async def _profile(frame: "Frame", argument: str) -> None:
    if argument:
        await frame.switch_profile(argument)
    else:
        await frame.run_action("profile")


async def _tour(frame: "Frame", argument: str) -> None:
    frame.action_tour()


async def _quit(frame: "Frame", argument: str) -> None:
    await frame.action_quit()


def _nothing(frame: "Frame", typed: str) -> list[Suggestion]:
    return []


def _paths(frame: "Frame", typed: str) -> list[Suggestion]:
    from bmconsole.console.screens.files import complete_path

    return complete_path(typed)


def _views(frame: "Frame", typed: str) -> list[Suggestion]:
    from bmconsole.console.tabs.writes import VIEWS

    return matching(typed, 0, [(name, "") for name in VIEWS])


def _among(names: Callable[["Frame"], Sequence[str]]) -> Complete:
    return lambda frame, typed: matching(typed, 0, [(name, "") for name in names(frame)])


COMMANDS = (
    Command("orders", "[FILTER or VIEW]", "go to Orders, filtered", _table("orders"), _complete_table("orders")),
    Command(
        "listings", "[FILTER or VIEW]", "go to Listings, filtered", _table("listings"), _complete_table("listings")
    ),
    Command(
        "pricing",
        "[FILTER or VIEW]",
        "go to Pricing, filtered",
        _table("pricing"),
        lambda frame, typed: complete_pricing(typed, frame.pricing.markets),
    ),
    Command("order", "ID", "inspect an order", _order, _nothing),
    Command("listing", "SKU", "edit a listing: SKU, UUID or number", _listing, _nothing),
    Command("log", "[WORDS]", "go to the log", _log, _among(lambda frame: frame.log_tab.source_terms())),
    Command("sync", "[STREAM]", "sync now", _sync, _among(lambda frame: ("orders", "listings", "backbox", "all"))),
    Command(
        "market",
        "MARKET",
        "another market",
        _market,
        _among(lambda frame: frame.status.markets if frame.status else ()),
    ),
    Command(
        "view", "NAME", "a saved view", _view, _among(lambda frame: [view.name for view in frame.rows_tab().views()])
    ),
    Command("sort", "[-]FIELD", "another order of rows", _sort, _among(lambda frame: frame.rows_tab().sorts())),
    Command("theme", "NAME", "other colours", _theme, _among(lambda frame: sorted(frame.available_themes))),
    Command("writes", "[STATE]", "go to Writes", _writes, _views),
    Command("import", "FILE", "change listings as a file says", _import, _paths),
    Command("ship-file", "FILE", "ship what a file of parcels says", _ship_file, _paths),
    Command("export", "FILE", "write the rows to a file", _export, _paths),
    Command("undo", "WRITE or RUN", "take back a write or a run", _undo, _nothing),
    Command("privacy", "", "hide buyers, or show them again", _privacy, _nothing),
    Command("profile", "NAME", "go on with another profile", _profile, _nothing),
    Command("tour", "", "take the tour, or leave it", _tour, _nothing),
    Command("q", "", "quit", _quit, _nothing),
    Command("quit", "", "quit", _quit, _nothing),
)
