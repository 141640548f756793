"""Nothing is reachable by one way only: every action has its key, and all but bare movements the palette and `:`."""

import importlib
import pkgutil

from textual.dom import DOMNode

import bmconsole.console
from bmconsole.console import commands
from bmconsole.console.actions import ACTIONS
from bmconsole.console.palette import ActionCommands
from bmconsole.console.scopes import scopes_of
from bmconsole.workspace import Workspace
from tests.console.conftest import Desk, Sit
from tests.console.waiting import until


def answerers(desk: Desk) -> dict[str, DOMNode]:
    """Return for each scope a widget of the running console that answers for it."""
    nodes = [desk.app, *desk.app.screen.walk_children(with_self=True)]
    return {scope: node for node in reversed(nodes) for scope in scopes_of(node)}


async def test_every_action_that_is_not_a_movement_runs_from_the_palette_and_from_the_command_line(
    filled: Workspace, sit: Sit
) -> None:
    async with sit() as desk:
        await until(lambda: desk.app.orders.table.cursor_key is not None)
        there = answerers(desk)
        ran: list[str] = []

        async def note(action: object, default_namespace: DOMNode | None = None, *_: object) -> bool:
            assert default_namespace is not None
            assert callable(getattr(default_namespace, f"action_{action}", None)), action
            ran.append(str(action))
            return True

        offered = {action.name for action in ActionCommands._shown()}
        desk.app.run_action = note  # type: ignore[method-assign, assignment]  # what would run is told instead
        try:
            for action in ACTIONS:
                if action.scope not in there or action.name not in offered:
                    continue
                before = len(ran)
                await desk.app.action_perform(action.name)
                await commands.run(desk.app, action.name)
                assert ran[before:] == [action.method] * 2, action.name
        finally:
            del desk.app.run_action
        suggested = {each.text.strip() for each in commands.complete(desk.app, "")}
        assert {action.name for action in ACTIONS} <= suggested


async def test_every_action_of_a_place_answers_to_its_key_there(filled: Workspace, sit: Sit) -> None:
    async with sit() as desk:
        there = answerers(desk)
        for scope, node in there.items():
            bound = {binding.id: key for key, binding in node._bindings}
            for action in ACTIONS:
                if action.scope == scope:
                    assert action.name in bound, action.name
        assert {action.scope for action in ACTIONS} - set(there) <= {
            action.scope for action in ACTIONS if not action.palette
        }


def test_what_is_only_in_a_box_is_bound_there() -> None:
    for module in pkgutil.walk_packages(bmconsole.console.__path__, "bmconsole.console."):
        importlib.import_module(module.name)

    def below(kind: type[DOMNode]) -> set[type[DOMNode]]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    kinds = [kind for kind in below(DOMNode) if kind.__module__.startswith("bmconsole.")]
    for kind in kinds:
        bound = {binding.id for _, binding in kind._merge_bindings()}
        for scope in kind.__dict__.get("SCOPES", ()):
            assert {action.name for action in ACTIONS if action.scope == scope} <= bound, (kind, scope)
    placed = {scope for kind in kinds for scope in kind.__dict__.get("SCOPES", ())} | {"app", "beginning"}
    assert {action.scope for action in ACTIONS} <= placed
