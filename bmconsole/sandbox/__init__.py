"""A preprod in a box: an invented shop behind the seller API on loopback, with its limits, quirks and faults.

It stands apart from the rest of the package and shares nothing with the client but HTTP, so that a misreading of the
API is not made twice in the same way. `python -m bmconsole.sandbox` runs it; tests use `running` (in their event loop)
or `running_in_thread`. `control` lists the endpoints that steer it from outside.

Importing this package imports neither starlette nor uvicorn; its names do when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clock import ManualClock, SystemClock
    from .options import Options
    from .process import Announcement, PortInUse, serve
    from .server import RunningSandbox, running, running_in_thread

__all__ = [
    "Announcement",
    "ManualClock",
    "Options",
    "PortInUse",
    "RunningSandbox",
    "SystemClock",
    "running",
    "running_in_thread",
    "serve",
]
_HOME = {"ManualClock": "clock", "SystemClock": "clock", "Options": "options"} | dict.fromkeys(
    ("Announcement", "PortInUse", "serve"), "process"
)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_HOME.get(name, 'server')}", __name__), name)
    return value
