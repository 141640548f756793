"""The clipboard: the system's own where it can be reached, else the terminal's, and the truth about which it was."""

import asyncio
import base64
import os
import shutil
import sys
from collections.abc import Mapping

from textual.app import App

LIMIT = 74_994
"""Bytes of text that terminals take in one go."""
_PATIENCE = 2.0
"""Seconds that a program may take."""


def native(environ: Mapping[str, str], platform: str) -> list[str]:
    """Return the command that fills the clipboard of the machine that the operator sits at, empty where none does.

    Over ssh the machine's clipboard is not the operator's.
    """
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return []
    if platform == "darwin":
        return ["pbcopy"]
    if platform == "win32":
        return ["clip.exe"]
    if environ.get("WAYLAND_DISPLAY"):
        return ["wl-copy"]
    if environ.get("DISPLAY"):
        return ["xclip", "-selection", "clipboard"]
    return []


def sequence(text: str, *, tmux: bool) -> str:
    """Return the OSC 52 sequence that asks a terminal to take `text`, wrapped so that tmux hands it on."""
    plain = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"
    return f"\x1bPtmux;{plain.replace(chr(27), chr(27) * 2)}\x1b\\" if tmux else plain


async def copy(app: App[None], text: str, environ: Mapping[str, str] | None = None) -> str:
    """Copy `text` and return in words what became of it: `copied with pbcopy`, `handed to the terminal (OSC 52)`."""
    environ = os.environ if environ is None else environ
    if len(text.encode()) > LIMIT:
        return f"not copied: more than {LIMIT:,} bytes"
    command = native(environ, sys.platform)
    if command and shutil.which(command[0]) and await _fed(command, text):
        return f"copied with {command[0]}"
    driver = app._driver  # Textual's own copy cannot pass through tmux
    if driver is None or driver.is_headless:
        return "not copied: there is no terminal"
    tmux = bool(environ.get("TMUX"))
    driver.write(sequence(text, tmux=tmux))
    driver.flush()
    if tmux:
        return "handed through tmux to the terminal (OSC 52; needs allow-passthrough)"
    return "handed to the terminal (OSC 52; not every terminal takes it)"


async def _fed(command: list[str], text: str) -> bool:
    """Return whether `command` took `text` and ended well in time."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(_PATIENCE):
            await process.communicate(text.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
    return process.returncode == 0
