"""Text of any length in tones."""

from collections.abc import Callable

from rich.console import RenderableType
from rich.text import Text

from bmconsole.console.look import Cell
from bmconsole.console.widgets.toned import Toned


class Sheet(Toned):
    """Lines of cells, or whatever its owner draws; painted when needed, so that a new theme reaches it."""

    def __init__(self, *lines: Cell, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines = lines
        self._drawing: Callable[[], RenderableType] | None = None

    @property
    def text(self) -> str:
        """The lines that it shows, without tones."""
        return "\n".join("".join(part for part, _ in line) for line in self._lines)

    def show(self, *lines: Cell) -> None:
        """Show these lines."""
        if self._drawing is not None or lines != self._lines:
            self._lines, self._drawing = lines, None
            self.refresh(layout=True)

    def draw(self, drawing: Callable[[], RenderableType]) -> None:
        """Show what `drawing` returns, called whenever the sheet is painted."""
        self._lines, self._drawing = (), drawing
        self.refresh(layout=True)

    def render(self) -> RenderableType:
        """Return what is shown."""
        return self._drawing() if self._drawing else Text("\n").join(self.styled(line) for line in self._lines)
