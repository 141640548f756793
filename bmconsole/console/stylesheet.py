"""The console's stylesheet: what was parsed once is not parsed again as long as the colours stay."""

from textual.cache import LRUCache
from textual.css.stylesheet import Stylesheet

SOURCES = 400
"""How many sources are kept parsed: every class of widgets may bring one, and Textual keeps 64."""


class SteadyStylesheet(Stylesheet):
    """Parses a source again only after the variables have changed.

    Textual's own parses all of them anew whenever a theme is set, the first one included, and once more with every new
    kind of widget as soon as there are more than it keeps.
    """

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(SOURCES)

    def set_variables(self, variables: dict[str, str]) -> None:
        """Set the variables; where they are as they were, nothing needs to be parsed again."""
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse what is not parsed yet with the variables as they are."""
        self.parse()
