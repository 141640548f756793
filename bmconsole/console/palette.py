"""The command palette, fed from the registry of actions."""

from collections.abc import AsyncIterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Provider
from textual.types import IgnoreReturnCallbackType

from bmconsole.console.actions import ACTIONS, SCOPES, Action, key_names


class ActionCommands(Provider):
    """Finds actions by their title."""

    @staticmethod
    def _shown() -> list[Action]:
        return [action for action in ACTIONS if action.palette]

    async def discover(self) -> AsyncIterator[DiscoveryHit]:
        """Offer every action before anything is typed."""
        for action in self._shown():
            yield DiscoveryHit(action.title, self._run(action), help=_about(action))

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """Offer the actions whose title matches."""
        matcher = self.matcher(query)
        for action in self._shown():
            score = matcher.match(action.title)
            if score > 0:
                yield Hit(score, matcher.highlight(action.title), self._run(action), help=_about(action))

    def _run(self, action: Action) -> IgnoreReturnCallbackType:
        return partial(self.app.run_action, f"perform({action.name!r})")


def _about(action: Action) -> str:
    return f"{SCOPES[action.scope]} · {'  '.join(key_names(action.keys))}"
