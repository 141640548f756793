"""Where an action works now: the scopes around the focus, the widget that answers for one, and the hints they give."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from textual.dom import DOMNode
from textual.widget import Widget
from textual.widgets import Input

from bmconsole.console.actions import actions_of, key_names
from bmconsole.console.widgets.bars import Hint

_TYPED = ("slash", "question_mark", "space")


def scopes_of(node: DOMNode) -> tuple[str, ...]:
    """Return the scopes that a widget itself answers for."""
    scopes: tuple[str, ...] = getattr(node, "SCOPES", ())
    return scopes


def around(node: DOMNode | None) -> list[str]:
    """Return the scopes in force where `node` has the focus, the nearest first."""
    return [scope for _, scope in _places(node)]


def _places(node: DOMNode | None) -> Iterator[tuple[DOMNode, str]]:
    while node is not None:
        for scope in scopes_of(node):
            yield node, scope
        node = node.parent


def _everything(action: str) -> bool:
    return True


def answering(scope: str, focus: DOMNode | None, elsewhere: Iterable[Widget]) -> DOMNode | None:
    """Return the widget that answers for a scope: around the focus, else the first of `elsewhere` or within it."""
    node = focus
    while node is not None:
        if scope in scopes_of(node):
            return node
        node = node.parent
    candidates = (widget for root in elsewhere for widget in (root, *root.query(Widget)))
    return next((widget for widget in candidates if scope in scopes_of(widget)), None)


def hints(focus: DOMNode | None, keymap: Mapping[str, str]) -> tuple[Hint, ...]:
    """Return the hints for the place that has the focus; a key means what it means nearest to the focus.

    While text is typed, keys that would be typed are left out; so is what a widget's `offers(action)` says cannot be
    done now.
    """
    typing = isinstance(focus, Input)
    found: dict[str, Hint] = {}
    for node, scope in _places(focus):
        offers: Callable[[str], bool] = getattr(node, "offers", _everything)
        for action in actions_of(scope):
            key = keymap.get(action.name, action.keys[0]).split(",")[0]
            if action.hint and offers(action.name) and not (typing and (len(key) == 1 or key in _TYPED)):
                found.setdefault(key, Hint(key_names([key])[0], action.hint, f"app.perform({action.name!r})"))
    return tuple(found.values())
