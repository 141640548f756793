"""Opens a document in the operator's own program, never in the terminal, and never with anything of ours in hand."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping

from textual.app import App

from bmconsole.console.clipboard import copy


def opener(environ: Mapping[str, str], platform: str) -> list[str]:
    """Return the command that opens an address where the operator sits, empty where none does.

    Over ssh the machine's screen is not the operator's; without a graphical one a browser would take the terminal.
    """
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return []
    if platform == "darwin":
        return ["open"]
    if platform == "win32":
        return ["rundll32", "url.dll,FileProtocolHandler"]
    return ["xdg-open"] if environ.get("WAYLAND_DISPLAY") or environ.get("DISPLAY") else []


async def open_address(app: App[None], address: str, environ: Mapping[str, str] | None = None) -> str:
    """Open `address`, or copy it where nothing can; return in words what became of it."""
    environ = os.environ if environ is None else environ
    command = opener(environ, sys.platform)
    if command and shutil.which(command[0]):
        # The program gets no setting of ours: the token may be among them.
        kept = {name: value for name, value in environ.items() if not name.startswith("BMCONSOLE_")}
        await asyncio.create_subprocess_exec(*command, address, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, env=kept)
        return f"Opened with {command[0]}."
    return f"Nothing here can open it; its address was {await copy(app, address, environ)}."
