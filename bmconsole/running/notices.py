"""Telling the operator: the bell, the desktop, or a command that gets JSON; never more often than was asked for."""

import asyncio
import json
import os
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from aiolimiter import AsyncLimiter

from bmconsole.domain.times import stamp
from bmconsole.profile import Notify
from bmconsole.store.happenings import Happening

COMMAND_SECONDS = 30.0
_NAMED = 20
_MINUTE = 60.0
_WORDS = {
    "new-order": ("new order", "new orders"),
    "late": ("order is late", "orders are late"),
    "box-lost": ("backbox was lost", "backboxes were lost"),
    "guard": ("run of repricing was stopped by a guard", "runs of repricing were stopped by a guard"),
    "sync-broken": ("stream cannot be synchronised", "streams cannot be synchronised"),
    "write-unfinished": ("write needs a look", "writes need a look"),
}
_OSASCRIPT = (
    *("-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)"),
    *("-e", "end run"),
)

Say = Callable[[str, str, str], Awaitable[None]]


@dataclass
class _Gathered:
    """What waits to be told of one kind."""

    count: int = 0
    found: list[Happening] = field(default_factory=list)

    def add(self, happenings: Sequence[Happening]) -> None:
        self.count += len(happenings)
        self.found += happenings[: max(0, _NAMED - len(self.found))]


class Notifier:
    """Tells what happened by the chosen ways, at most so often a minute; what is more is gathered into the next one.

    Args:
        wanted: What the settings say.
        profile: The profile's name, which stands in each notice.
        say: Writes a line of the log where a way does not work.
        limiter: In place of the one that the settings ask for.
    """

    def __init__(self, wanted: Notify, profile: str, say: Say, *, limiter: AsyncLimiter | None = None) -> None:
        self._wanted = wanted
        self._profile = profile
        self._say = say
        self._limiter = limiter or AsyncLimiter(wanted.per_minute, _MINUTE)
        self._gathered: dict[str, _Gathered] = {}
        self._failed: set[str] = set()

    @property
    def is_on(self) -> bool:
        """Whether any way is chosen."""
        return self._wanted.bell or self._wanted.desktop or self._wanted.command is not None

    def gather(self, kind: str, happenings: Sequence[Happening]) -> None:
        """Take up what happened, if it is wanted."""
        if happenings and kind in self._wanted.events:
            self._gathered.setdefault(kind, _Gathered()).add(happenings)

    async def tell(self, now: datetime) -> int:
        """Tell what was gathered, as far as the limit allows; return how many notices went out."""
        told = 0
        for kind in list(self._gathered):
            if not self._limiter.has_capacity():
                break
            await self._limiter.acquire()
            await self._send(self._notice(kind, self._gathered.pop(kind), now))
            told += 1
        return told

    def _notice(self, kind: str, gathered: _Gathered, now: datetime) -> dict[str, object]:
        one, many = _WORDS[kind]
        first = gathered.found[0]
        what = f"1 {one}: {first.ref}" if gathered.count == 1 else f"{gathered.count} {many}"
        things: list[dict[str, str | None]] = [
            {"ref": each.ref, "detail": each.detail, **({"buyer": each.buyer} if self._wanted.buyer else {})}
            for each in gathered.found
        ]
        return {
            "event": kind,
            "profile": self._profile,
            "at": stamp(now),
            "count": gathered.count,
            "message": what,
            "things": things,
        }

    async def _send(self, notice: Mapping[str, object]) -> None:
        if self._wanted.bell and not await asyncio.to_thread(_ring):
            await self._failing("bell", "there is no terminal to ring at")
        if self._wanted.desktop:
            await self._desktop(f"bmconsole {self._profile}", str(notice["message"]))
        if self._wanted.command is not None:
            await self._command(self._wanted.command, json.dumps(notice))

    async def _desktop(self, title: str, body: str) -> None:
        program = _desktop_program()
        found = shutil.which(program)
        if found is None:
            await self._failing("desktop", f"there is no program {program}")
            return
        words = [found, *_OSASCRIPT] if program == "osascript" else [found, "--app-name=bmconsole", "--"]
        await self._call("desktop", [*words, title, body], "")

    async def _command(self, command: str, text: str) -> None:
        try:
            words = shlex.split(command, posix=os.name == "posix")
        except ValueError as error:
            await self._failing("command", f"it cannot be split into words: {error}")
            return
        if words:
            await self._call("command", words, text + "\n")

    async def _call(self, way: str, words: Sequence[str], text: str) -> None:
        # The token stays here, whoever the command belongs to
        environment = {name: value for name, value in os.environ.items() if name != "BMCONSOLE_TOKEN"}
        try:
            child = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            await self._failing(way, f"{words[0]} cannot be run: {error.strerror or error}")
            return
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                await child.communicate(text.encode())
        except TimeoutError:
            await self._failing(way, f"{words[0]} did not end within {COMMAND_SECONDS:.0f} s")
            return
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):  # it ended just now
                    child.kill()
                await child.wait()
        if child.returncode:
            await self._failing(way, f"{words[0]} ended with status {child.returncode}")
        else:
            self._failed.discard(way)

    async def _failing(self, way: str, why: str) -> None:
        """Tell once that a way does not work, until it does again."""
        if way not in self._failed:
            self._failed.add(way)
            await self._say("warning", "notify", f"{way}: {why}")


def lacking(wanted: Notify) -> list[tuple[str, str]]:
    """Return the ways that were chosen and cannot work on this machine, each with the program that is not there."""
    programs = [("desktop", _desktop_program())] if wanted.desktop else []
    if wanted.command is not None:
        with suppress(ValueError):  # what cannot be split is told when it is to be run
            programs += [
                ("command", words[0]) for words in [shlex.split(wanted.command, posix=os.name == "posix")] if words
            ]
    return [(way, program) for way, program in programs if shutil.which(program) is None]


def _desktop_program() -> str:
    return "osascript" if sys.platform == "darwin" else "notify-send"


def _ring() -> bool:
    """Ring the bell of the terminal that this process belongs to, and return whether it has one."""
    try:
        # Not stderr: in the console that is the screen, and in a service a log
        descriptor = os.open("/dev/tty" if os.name == "posix" else "CON", os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
        try:
            os.write(descriptor, b"\a")
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True
