"""The scenes of the overview, of privacy and of jump mode."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from bmconsole.console.app import ConsoleApp
from tests.console.waiting import until

if TYPE_CHECKING:
    from tests.screenshots import Scene


async def overview(scene: "Scene") -> None:
    """The numbers of the morning."""
    app = cast(ConsoleApp, scene.pilot.app)
    await scene.pilot.press("8")
    await until(lambda: app.overview.figures is not None and bool(app.overview.figures.groups))
    await scene.pilot.press("j", "j", "j")


async def private(scene: "Scene") -> None:
    """The orders while others look on."""
    await scene.pilot.press("V", "j", "j")
    scene.pilot.app.clear_notifications()


async def jump(scene: "Scene") -> None:
    """A letter on everything that takes the focus."""
    await overview(scene)
    await scene.pilot.press("1", "apostrophe")


LOOKS: dict[str, Callable[["Scene"], Awaitable[None]]] = {
    "overview": overview,
    "private": private,
    "jump": jump,
}
