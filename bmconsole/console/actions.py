"""The one registry of actions: name, key, help, footer hint. Bindings, footer, help and palette are all read from it.

An action `orders.open` is the method `action_open` of the widget with `orders` among its `SCOPES`; its name is also the
id under which a key may be changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Action:
    """Something that the operator can do.

    `keys` are Textual's key names, the first one is shown; `title` names it in help and palette, `hint` in the
    footer (empty: not there). `priority` keys work even while text is typed.
    """

    name: str
    title: str
    keys: tuple[str, ...]
    hint: str = ""
    palette: bool = True
    priority: bool = False

    @property
    def scope(self) -> str:
        return self.name.partition(".")[0]

    @property
    def method(self) -> str:
        """The action's name within its widget."""
        return self.name.partition(".")[2]


SCOPES = {
    "app": "Everywhere",
    "orders": "Orders",
    "listings": "Listings",
    "rows": "Filter and sort",
    "pricing": "Pricing",
    "order": "Orders: what is done to them",
    "inspect": "Inspect",
    "edit": "Edit",
    "form": "Edit: the form",
    "log": "Log",
    "overview": "Overview",
    "figures": "Overview: its numbers",
    "writes": "Writes",
    "table": "Tables",
    "reading": "Long pages",
    "filter": "While a filter is typed",
    "command": "While a command is typed",
    "typing": "While either is typed",
    "picker": "Lists to choose from",
    "columns": "The list of columns",
    "dialog": "Dialogs",
    "approve": "Approval of prices",
    "decision": "A decision about a price",
    "history": "A price over time",
    "review": "The review of a write",
    "faults": "Lists of what is wrong",
    "ask": "Questions",
    "bulk": "The change of many listings",
    "scan": "Scan to ship",
    "conflict": "A conflict",
    "beginning": "The first run",
    "jump": "Jump mode",
}
"""The places where actions work, in the order of the help."""

ACTIONS: tuple[Action, ...] = (
    Action("app.show_orders", "Go to Orders", ("1",)),
    Action("app.show_listings", "Go to Listings", ("2",)),
    Action("app.show_inspect", "Go to Inspect", ("3",)),
    Action("app.show_edit", "Go to Edit", ("4",)),
    Action("app.show_log", "Go to Log", ("5",)),
    Action("app.show_writes", "Go to Writes", ("6",)),
    Action("app.show_pricing", "Go to Pricing", ("7",)),
    Action("app.show_overview", "Go to Overview", ("8",)),
    Action("app.next_market", "Switch to the next market", ("m",), "market"),
    Action("app.command", "Type a command", ("colon",), "command"),
    Action("app.go_back", "Back to where you were", ("left_square_bracket",)),
    Action("app.go_forward", "Forward again", ("right_square_bracket",)),
    Action("app.limits", "Show every limit and the queue", ("L",)),
    Action("app.sync", "Sync what this tab shows, now", ("u",), "sync"),
    Action("app.sync_all", "Sync orders and listings now", ("U",)),
    Action("app.command_palette", "Find an action by name", ("ctrl+p",), palette=False, priority=True),
    Action("app.pause_repricing", "Pause all repricing at once, or let it go on", ("exclamation_mark",)),
    Action("app.theme", "Switch between dark and light", ("T",)),
    Action("app.privacy", "Hide buyers while others look on, or show them again", ("V",)),
    Action("app.jump", "Jump: a letter on everything that takes the focus", ("apostrophe",)),
    Action("app.profile", "Switch to another profile", ("ctrl+o",)),
    Action("app.tour", "Take the tour, or leave it", ("f9",)),
    Action("app.tour_next", "The tour's next step", ("f8",)),
    Action("app.tour_back", "The tour's step before", ("f7",)),
    Action("app.help", "Help", ("question_mark", "f1"), "help"),
    Action("app.quit", "Quit", ("q",), "quit"),
    Action("orders.open", "Inspect the order under the cursor", ("i",), "inspect"),
    Action("order.accept", "Accept the order, or the marked ones", ("a",), "accept"),
    Action("order.scan", "Scan to ship: device, tracking, done, the next one", ("p",), "ship"),
    Action("order.ship_file", "Ship the parcels of a file", ("P",)),
    Action("order.cancel", "Cancel the order, or the marked ones", ("X",)),
    Action("order.refund", "Refund the order", ("R",), "refund"),
    Action("order.invoice", "Hand in the order's invoice, a PDF", ("I",)),
    Action("order.note", "Note something on the order, for yourself", ("n",)),
    Action("order.delivery_note", "Open the order's delivery note", ("d",)),
    Action("order.export", "Export the rows as a pick list (CSV)", ("E",)),
    Action("order.acts", "What can be done with the order, and why not the rest", ("x",), "do…"),
    Action("listings.open", "Edit the listing under the cursor", ("e",), "edit"),
    Action("listings.bulk", "Change price or stock of the marked rows, or of this one", ("b",), "change"),
    Action("listings.offline", "Take the marked rows offline: stock 0", ("0",)),
    Action("listings.online", "Online again with the former stock", ("O",)),
    Action("listings.import", "Import changes from a file", ("I",), "import"),
    Action("listings.export", "Export the rows as a file that imports again (CSV)", ("E",)),
    Action("pricing.approve", "Approve the marked decisions, or this one", ("a",), "approve"),
    Action("pricing.approve_all", "Approve all that are shown and wait", ("A",), "all shown"),
    Action("pricing.open", "Show the decision in full", ("i",), "why"),
    Action("pricing.history", "Draw the price over time", ("h",), "history"),
    Action("pricing.next_standing", "Show the next standing only", ("f",), "standing"),
    Action("pricing.previous_standing", "Show the standing before only", ("F",)),
    Action("pricing.waiting", "Show only what waits for approval, or all again", ("t",), "waiting"),
    Action("pricing.one_market", "Show only the chosen market, or all again", ("b",)),
    Action("pricing.decide", "Decide about every price anew, now", ("r",), "decide"),
    Action("pricing.hold", "Pause the listing's repricing, or let it go on", ("P",)),
    Action("pricing.edit", "Edit the listing under the cursor", ("e",)),
    Action("rows.filter", "Filter the rows", ("slash",), "filter"),
    Action("rows.clear", "Show all rows again", ("escape",)),
    Action("rows.view", "Pick a saved view", ("w",), "view"),
    Action("rows.copy", "Copy the id or SKU of the marked rows, or of this one", ("y",)),
    Action("rows.sort", "Sort by the next column", ("s",), "sort"),
    Action("rows.reverse", "Turn the order of rows round", ("S",)),
    Action("rows.sort_by", "Pick what rows are sorted by", ("o",)),
    Action("rows.columns", "Choose and order the columns", ("c",)),
    Action("inspect.refresh", "Ask Back Market for the order again", ("r",), "refresh"),
    Action("inspect.raw", "Show the answer as it came (JSON), or the fields again", ("J",), "raw"),
    Action("inspect.follow", "Refresh by itself, or not any more", ("f",), "follow"),
    Action("inspect.curl", "Copy the request as curl, without the token", ("c",), "curl"),
    Action("inspect.site", "Open the back office of Back Market", ("o",)),
    Action("inspect.back", "Back to the orders", ("escape",), "back"),
    Action("edit.edit", "Type into the form", ("e",), "edit"),
    Action("edit.refresh", "Ask Back Market for the listing again", ("r",), "refresh"),
    Action("edit.around", "Read stock, rules, grades and history of the listing, or the form", ("a",), "around"),
    Action("edit.back", "Back to the listings", ("escape",), "back"),
    Action("form.review", "Review the changes before they are sent", ("enter",), "review"),
    Action("form.next", "Next field", ("down",), "field"),
    Action("form.previous", "Previous field", ("up",)),
    Action("form.next_market", "Next market", ("pagedown",), "market"),
    Action("form.previous_market", "Previous market", ("pageup",)),
    Action("form.leave", "Leave the form", ("escape",), "leave"),
    Action("overview.refresh", "Count again", ("r",), "count again"),
    Action("figures.choose", "Show the rows behind the number", ("enter",), "its rows"),
    Action("figures.down", "Next number", ("down", "j"), palette=False),
    Action("figures.up", "Number before", ("up", "k"), palette=False),
    Action("figures.right", "The column on the right", ("right", "l"), palette=False),
    Action("figures.left", "The column on the left", ("left", "h"), palette=False),
    Action("log.follow", "Follow new lines, or stop", ("f",), "follow"),
    Action("log.filter", "Filter the lines: words, source:sync", ("slash",), "filter"),
    Action("log.source", "Show the next source only", ("s",), "source"),
    Action("log.clear", "Show the lines of every source again", ("escape",)),
    Action("log.level", "Show the next level and above only", ("l",), "level"),
    Action("log.open", "Go to the order or listing of the line", ("o",), "open"),
    Action("writes.decide", "Decide about a conflict, or what ended unknown", ("d",), "decide"),
    Action("writes.undo", "Take the write back", ("z",), "take back"),
    Action("writes.undo_run", "Take the whole run back, newest first", ("Z",), "the run"),
    Action("writes.next_state", "Show the next state only", ("f",), "state"),
    Action("writes.previous_state", "Show the state before only", ("F",)),
    Action("writes.run", "Show only the run of this write", ("r",), "only its run"),
    Action("writes.open", "Go to the order or listing of the write", ("o",), "open"),
    Action("writes.clear", "Show all writes again", ("escape",)),
    Action("table.mark", "Mark the row, or take its mark off", ("space",)),
    Action("table.mark_range", "Mark a range: begin, then end it", ("v",)),
    Action("table.mark_down", "Mark the row and go down", ("shift+down", "J")),
    Action("table.mark_up", "Mark the row and go up", ("shift+up", "K")),
    Action("table.clear_marks", "Take all marks off", ("M",)),
    Action("table.choose", "Open the row", ("enter",), palette=False),
    Action("table.down", "Next row", ("down", "j"), palette=False),
    Action("table.up", "Previous row", ("up", "k"), palette=False),
    Action("table.page_down", "A screenful down", ("pagedown", "ctrl+f"), palette=False),
    Action("table.page_up", "A screenful up", ("pageup", "ctrl+b"), palette=False),
    Action("table.top", "First row", ("g", "home"), palette=False),
    Action("table.end", "Last row", ("G", "end"), palette=False),
    Action("reading.down", "A line down", ("down", "j"), palette=False),
    Action("reading.up", "A line up", ("up", "k"), palette=False),
    Action("reading.next_page", "A screenful down", ("pagedown", "ctrl+f"), palette=False),
    Action("reading.previous_page", "A screenful up", ("pageup", "ctrl+b"), palette=False),
    Action("reading.top", "To the beginning", ("g", "home"), palette=False),
    Action("reading.end", "To the end", ("G", "end"), palette=False),
    Action("filter.apply", "Apply the filter", ("enter",), "apply", palette=False),
    Action("filter.leave", "Leave it as it was", ("escape",), "cancel", palette=False),
    Action("command.apply", "Do it", ("enter",), "do it", palette=False),
    Action("command.leave", "Leave the command line", ("escape",), "cancel", palette=False),
    Action("typing.complete", "Take the next suggestion", ("tab",), "complete", palette=False),
    Action("typing.older", "What was typed before", ("up",), "before", palette=False),
    Action("typing.newer", "What was typed after it", ("down",), palette=False),
    Action("picker.leave", "Choose nothing", ("escape", "q"), "cancel", palette=False),
    Action("columns.show_or_hide", "Show the column, or hide it", ("space",), "show or hide", palette=False),
    Action("columns.earlier", "Move the column to the front", ("K", "shift+up"), "move", palette=False),
    Action("columns.later", "Move the column to the back", ("J", "shift+down"), palette=False),
    Action("dialog.confirm", "Confirm", ("y", "enter"), "confirm", palette=False),
    Action("dialog.cancel", "Cancel", ("escape", "n"), "cancel", palette=False),
    Action("approve.confirm", "Write what still holds; once it has ended, close", ("y", "enter"), palette=False),
    Action("approve.cancel", "Write nothing; while it runs, leave it running", ("escape", "n"), palette=False),
    Action("approve.pause", "Pause all repricing: the rest is not written", ("exclamation_mark",), palette=False),
    Action("approve.down", "Next line", ("down", "j"), palette=False),
    Action("approve.up", "Previous line", ("up", "k"), palette=False),
    Action("approve.page_down", "A screenful down", ("pagedown",), palette=False),
    Action("approve.page_up", "A screenful up", ("pageup",), palette=False),
    Action("decision.history", "Draw the price over time", ("h",), palette=False),
    Action("decision.leave", "Close it", ("escape", "q", "enter"), palette=False),
    Action("history.shorter", "A shorter time", ("left", "minus"), palette=False),
    Action("history.longer", "A longer time", ("right", "plus"), palette=False),
    Action("history.leave", "Close it", ("escape", "q", "h"), palette=False),
    Action("review.confirm", "Write it; once it has ended, close", ("y", "enter"), palette=False),
    Action("review.cancel", "Write nothing; while it runs, leave it in the background", ("escape", "n"), palette=False),
    Action("review.stop", "Stop what was not begun yet", ("s",), palette=False),
    Action("review.take_back", "Take back what was just written", ("z",), palette=False),
    Action("review.down", "Next line", ("down", "j"), palette=False),
    Action("review.up", "Previous line", ("up", "k"), palette=False),
    Action("review.page_down", "A screenful down", ("pagedown",), palette=False),
    Action("review.page_up", "A screenful up", ("pageup",), palette=False),
    Action("faults.go_on", "Go on without these lines", ("s",), palette=False),
    Action("faults.leave", "Leave it", ("escape", "q"), palette=False),
    Action("ask.submit", "Take the answer", ("enter",), palette=False),
    Action("ask.leave", "Leave it", ("escape",), palette=False),
    Action("bulk.review", "Review the changes before they are sent", ("enter",), palette=False),
    Action("bulk.next", "Next field", ("down", "tab"), palette=False),
    Action("bulk.previous", "Previous field", ("up", "shift+tab"), palette=False),
    Action("bulk.leave", "Leave it", ("escape",), palette=False),
    Action("scan.submit", "Take what was scanned", ("enter",), palette=False),
    Action("scan.kind", "Scan a serial number instead of an IMEI, or back", ("f2",), palette=False),
    Action("scan.carrier", "Choose another carrier", ("f3",), palette=False),
    Action("scan.skip", "Leave this order out, go on with the next", ("f4",), palette=False),
    Action("scan.back", "One step back", ("up", "shift+tab"), palette=False),
    Action("scan.leave", "End scanning", ("escape",), palette=False),
    Action("jump.leave", "Stay here", ("escape",), palette=False),
    Action("beginning.enter", "Check the answer; open the console", ("enter",), palette=False),
    Action("beginning.forward", "Check the answer, and go on", ("down", "tab"), palette=False),
    Action("beginning.before", "The question before", ("up", "shift+tab"), palette=False),
    Action("beginning.leave", "Leave", ("escape",), palette=False),
    Action("conflict.keep", "Keep theirs: leave what is there", ("k",), palette=False),
    Action("conflict.ours", "Write ours over it, or send it again", ("o",), palette=False),
    Action("conflict.edit", "Write another value", ("e",), palette=False),
    Action("conflict.inspect", "Look at the order or listing", ("i",), palette=False),
    Action("conflict.leave", "Decide later", ("escape", "q"), palette=False),
)

_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "apostrophe": "'",
    "colon": ":",
    "exclamation_mark": "!",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "down": "↓",
    "left": "←",
    "right": "→",
    "plus": "+",
    "minus": "-",
    "up": "↑",
    "ctrl+p": "^p",
    "ctrl+f": "^f",
    "ctrl+b": "^b",
    "shift+down": "⇧↓",
    "shift+up": "⇧↑",
}


def actions_of(scope: str) -> list[Action]:
    """Return the actions of one scope, in the registry's order."""
    return [action for action in ACTIONS if action.scope == scope]


def bindings(*scopes: str) -> list[BindingType]:
    """Return the default bindings of some scopes, as a widget class takes them."""
    return [
        Binding(
            ",".join(action.keys), action.method, action.title, show=False, priority=action.priority, id=action.name
        )
        for scope in scopes
        for action in actions_of(scope)
    ]


def key_names(keys: Iterable[str]) -> list[str]:
    """Return keys as people call them: `?`, `esc`, `pgdn`."""
    return [_NAMES.get(key, key) for key in keys]
