"""Who is there and what they do: each process keeps a small file beside the ledger, and reads those of the others."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bmconsole.domain.text import clean
from bmconsole.domain.views import ProcessState
from bmconsole.errors import DiskTrouble
from bmconsole.paths import write_private
from bmconsole.store.alive import Life

_LOOK_SECONDS = 1.0
_BEAT_SECONDS = 5.0
_SHORT_SECONDS = 0.3
"""What ends before is not worth a file."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What a process says about itself."""

    program: str
    profile: str
    engine: str
    doing: tuple[str, ...]
    waiting: Mapping[str, int]
    trouble: str | None


class Presence:
    """This process's file, renewed when what it does changes, and every 5 s; the file goes with the process.

    Args:
        folder: Where the ledger is.
        life: Tells who is alive.
        say: What this process does now.
    """

    def __init__(self, folder: Path, life: Life, say: Callable[[], Doing]) -> None:
        self._folder = folder / "processes"
        self._life = life
        self._say = say
        self._started = time.time()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why the file cannot be written, None when it can."""

    def start(self) -> None:
        """Begin to be seen."""
        self._task = asyncio.create_task(self._keep(), name="presence")

    async def stop(self) -> None:
        """Take the file away."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        with suppress(OSError):  # Windows keeps it while another process reads it; that one clears it away
            self._file(self._life.name).unlink(missing_ok=True)

    def everyone(self) -> list[ProcessState]:
        """Return every process but a command that asks, of all profiles, oldest first; what the dead left goes."""
        found = _everyone(self._folder, self._life)
        # A command that looks is no news to who looks
        return [each for each in found if each.pid != os.getpid() or each.program != "command"]

    async def _keep(self) -> None:
        await asyncio.sleep(_SHORT_SECONDS)
        said: Doing | None = None
        at = 0.0
        while True:
            now = self._say()
            if now != said or time.monotonic() - at >= _BEAT_SECONDS:
                said, at = now, time.monotonic()
                try:
                    await asyncio.to_thread(self._write, now)
                    self.trouble = None
                except DiskTrouble as error:
                    self.trouble = error.line()
            await asyncio.sleep(_LOOK_SECONDS)

    def _write(self, doing: Doing) -> None:
        told = {
            "pid": os.getpid(),
            "program": doing.program,
            "profile": doing.profile,
            "engine": doing.engine,
            "doing": doing.doing,
            "waiting": {name: count for name, count in doing.waiting.items() if count},
            "trouble": doing.trouble or self.trouble,
            "started": self._started,
            "beat": time.time(),
        }
        write_private(self._file(self._life.name), json.dumps(told), durable=False)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def everyone(ledger: Path) -> list[ProcessState]:
    """Return what `Presence.everyone` does, for who is no such process."""
    life = Life(ledger / "lives")
    try:
        return _everyone(ledger / "processes", life)
    finally:
        life.end()


def _everyone(folder: Path, life: Life) -> list[ProcessState]:
    found = []
    for path in folder.glob("*.json"):
        if life.is_dead(path.stem):
            with suppress(OSError):  # looked at again by whoever comes next
                path.unlink(missing_ok=True)
        elif (state := _read(path)) is not None:
            found.append(state)
    return sorted(found, key=lambda state: (state.started, state.pid))


def _read(path: Path) -> ProcessState | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return ProcessState(
            pid=int(told["pid"]),
            program=clean(told["program"], limit=20),
            profile=clean(told["profile"], limit=64),
            engine=clean(told["engine"], limit=20),
            doing=tuple(clean(name, limit=60) for name in told["doing"]),
            waiting={clean(name, limit=20): int(count) for name, count in told["waiting"].items()},
            trouble=clean(told["trouble"], limit=300) if told["trouble"] else None,
            started=datetime.fromtimestamp(float(told["started"]), UTC),
            silent=max(0.0, time.time() - float(told["beat"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        # Gone meanwhile, or of another version: it is seen again after its next beat
        return None
