"""How the console starts: what it paints first is read while the rest is still being imported."""

import asyncio
import gc
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from bmconsole.errors import BmError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from bmconsole.cache import Cache, Files
    from bmconsole.paths import Paths
    from bmconsole.profile import Profile
    from bmconsole.workspace import Workspace

SWITCH_SECONDS = 0.001
"""How long a thread may keep the interpreter while the screen waits for it."""


def prepare() -> None:
    """Import what the first paint needs, for callers that wait for something else meanwhile."""
    _look_for_no_garbage()
    import bmconsole.console.app
    import bmconsole.profile  # noqa: F401


def _look_for_no_garbage() -> None:
    """Until the workspace is there: nothing of what is imported becomes garbage, and looking takes a tenth of it."""
    gc.disable()


def run_console(
    profile: "Profile",
    paths: "Paths",
    *,
    flags: "Mapping[str, str] | None" = None,
    story: "Callable[[Workspace], Coroutine[object, object, None]] | None" = None,
) -> int:
    """Run the console over a profile, and over those that the operator switches to; return the exit code.

    A fault of the console's own is told on the terminal that it gave back, and reported without values.

    Args:
        profile: The profile to begin with.
        paths: Where files live.
        flags: What the command line said; it holds for every profile.
        story: What happens in the workspace beside the console: a demo's events. The console then offers its tour.

    Raises:
        BmError: The workspace could not be opened.
    """
    from bmconsole.console.hangup import ending_with_the_terminal

    with ending_with_the_terminal():
        while True:
            code, other = _run_one(profile, paths, flags or {}, story)
            if other is None:
                return code
            profile = other


def _run_one(
    profile: "Profile",
    paths: "Paths",
    flags: "Mapping[str, str]",
    story: "Callable[[Workspace], Coroutine[object, object, None]] | None",
) -> "tuple[int, Profile | None]":
    sys.setswitchinterval(SWITCH_SECONDS)
    _look_for_no_garbage()
    pool = ThreadPoolExecutor(1, "open")
    files = pool.submit(_open, profile, paths)
    pool.shutdown(wait=False)
    try:
        return _run(profile, paths, files, flags, story)
    finally:
        if files.exception() is None:
            files.result().close()


def _open(profile: "Profile", paths: "Paths") -> "Files":
    from bmconsole.cache import Files

    return Files(profile.name, paths)


def _run(
    profile: "Profile",
    paths: "Paths",
    files: "Future[Files]",
    flags: "Mapping[str, str]",
    story: "Callable[[Workspace], Coroutine[object, object, None]] | None",
) -> "tuple[int, Profile | None]":
    from bmconsole.console.app import FAULTY, ConsoleApp
    from bmconsole.console.keyboard import tell_escape_apart
    from bmconsole.console.personal import Personal
    from bmconsole.faults import Background

    async def open_cache() -> "Cache":
        from bmconsole.cache import Cache

        return Cache(profile, paths, await asyncio.wrap_future(files))

    async def open_workspace() -> "Workspace":
        # The workspace brings HTTP and its models: imported behind the first paint.
        await asyncio.to_thread(__import__, "bmconsole.workspace")
        from bmconsole.workspace import Workspace

        gc.freeze()
        gc.enable()
        workspace = Workspace(profile, paths, await asyncio.wrap_future(files), console=True)
        workspace.begin()
        if story is not None:
            app.tell(story(workspace))
        return workspace

    personal = Personal.read(paths, profile.name)
    app = ConsoleApp(open_workspace, open_cache=open_cache, personal=personal, paths=paths, flags=flags)
    tell_escape_apart()
    with Background(app.tell_fault, paths):
        app.run()
    if app.afterword is not None:
        sys.stderr.write(f"bmconsole: {app.afterword.line()} The next start shows the tabs as they came.\n")
    if isinstance(app.fault, BmError):
        raise app.fault
    if app.fault is not None:
        from bmconsole.console.ending import tell

        tell(app.fault, paths)
        return FAULTY, None
    return app.return_code or 0, app.switch_to
