"""Power cuts: a process writes on a disk that is a file, and that file is copied while the process is frozen.

What it has not sent to the disk by then is not in the copy, as after a power cut. What it has acknowledged has to be.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bmconsole.cache import Files
from bmconsole.domain.intents import LISTING, Intent, IntentQuery, IntentState
from bmconsole.domain.orders import Order
from bmconsole.errors import BmError
from bmconsole.paths import Paths, write_private
from bmconsole.profile import Profile
from bmconsole.store import backup, events, health, leases, orders
from bmconsole.store import intents as intent_rows
from bmconsole.store.leases import Held
from bmconsole.store.orders import OrderRecord
from bmconsole.store.schema import JOURNAL
from bmconsole.store.sqlite import Connection, connect, whole
from tests.fire.disks import apart, blank_image, mounted, no_loop
from tests.fire.rows import Outcome, Row, Task

PROFILE = Profile.model_validate({"name": "default", "base_url": "http://127.0.0.1:9", "markets": ("fr-fr",)})
_BATCH = 50
_BATCHES = 8
_CUTS_OF_A_WRITER = 10
_COPIES = 50
_PATIENCE = 60.0
_WAY = ("pending", "sent", "confirmed")


# The writer


class Writer:
    """Writes to the three files of a home at once, and says on stdout what is acknowledged."""

    def __init__(self, home: Path, seed: int) -> None:
        self.paths = Paths.under(home)
        self.files = Files(PROFILE.name, self.paths)
        self.dice = random.Random(seed)
        self.number = 0

    async def write(self) -> None:
        """Write until it is killed."""
        await asyncio.gather(self.intents(), self.mirror(), self.history(), self.texts(), self.upkeep())

    async def intents(self) -> None:
        """Save intents and move some of them on, each step acknowledged when it has been committed."""
        while True:
            now = datetime.now(UTC)
            planned = tuple(self._intent(now) for _ in range(self.dice.randint(1, 4)))
            work = partial(leases.save, intents=planned, owner="writer", now=now)
            for held in await self.files.journal.write(work):
                say("intent", held.intent.id, held.intent.target, "pending")
                for state in _WAY[1 : self.dice.randint(1, 3)]:
                    held = await self._move(held, IntentState(state))
                    say("intent", held.intent.id, held.intent.target, state)

    def _intent(self, now: datetime) -> Intent:
        self.number += 1
        target = f"{self.number:08d}-{self.dice.getrandbits(32):08x}"
        base, want = {"price": "10.00"}, {"price": "11.00"}
        return Intent(0, LISTING, target, "fr-fr", base, want, IntentState.PENDING, "operator", now, now)

    async def _move(self, held: Held, state: IntentState) -> Held:
        now = datetime.now(UTC)
        return await self.files.journal.write(lambda connection: leases.move(connection, held, state, now=now))

    async def mirror(self) -> None:
        """Write the same orders again and again, each batch with its number, a transaction each."""
        number = 0
        while True:
            number += 1
            say("batch", number)
            at = datetime.now(UTC)
            first = number % _BATCHES * _BATCH
            raw = json.dumps({"batch": number, "filling": "y" * self.dice.randint(100, 900)})
            records = [OrderRecord(Order(order, 1), raw) for order in range(first, first + _BATCH)]
            await self.files.mirror.write(partial(orders.store, records=records, fetched_at=at))

    async def history(self) -> None:
        """Write the log."""
        while True:
            work = partial(events.add, at=datetime.now(UTC), level="info", source="fire", message="x" * 80, ref=None)
            await self.files.history.write(work)
            await asyncio.sleep(0.001)

    async def texts(self) -> None:
        """Replace a settings file, acknowledged when it has been replaced."""
        number = 0
        while True:
            number += 1
            text = f"# {number}\n" + "x" * self.dice.randint(10, 9_000) + "\n# end\n"
            await asyncio.to_thread(write_private, self.paths.config / "views.toml", text)
            say("text", number)
            await asyncio.sleep(0.02)

    async def upkeep(self) -> None:
        """Copy the journal and cut the logs, as the engine does once a day."""
        folder = self.files.backups
        for number in range(1_000_000):
            target = folder / f"journal-2026-{number // 28 % 12 + 1:02d}-{number % 28 + 1:02d}.db"
            with suppress(FileNotFoundError):
                target.unlink()
            await self.files.journal.read(partial(_copy, journal=self.files.journal.path, target=target))
            say("copy", target.name)
            for file in self.files.all():
                await file.checkpoint(wait=False)
            await asyncio.sleep(self.dice.random() * 0.3)


def _copy(_: Connection, journal: Path, target: Path) -> Path:
    return backup.copy(journal, target)


def say(*words: object) -> None:
    """Acknowledge in one write, so that a line is there or is not."""
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def main(home: str, seed: str) -> None:
    say("ready")
    asyncio.run(Writer(Path(home), int(seed)).write())


# The cuts


@dataclass
class Acknowledged:
    """What a writer said before the power went."""

    intents: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Target and state by id."""
    batch: int = 0
    text: int = 0
    copies: set[str] = field(default_factory=set)

    def hear(self, line: str) -> None:
        match line.split():
            case ["intent", number, target, state]:
                self.intents[int(number)] = (target, state)
            case ["batch", number]:
                self.batch = int(number)
            case ["text", number]:
                self.text = int(number)
            case ["copy", name]:
                self.copies.add(name)


class Frozen:
    """A writer that can be frozen, and what it has acknowledged."""

    def __init__(self, home: Path, seed: int, errors: Path) -> None:
        with errors.open("wb") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(home), str(seed)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=told,
            )
        assert self.process.stdout is not None
        self._pipe = self.process.stdout.fileno()
        assert os.read(self._pipe, 6) == b"ready\n", errors.read_text()
        os.set_blocking(self._pipe, False)
        self._rest = b""
        self._errors = errors
        self.said = Acknowledged()

    def listen(self) -> None:
        """Take in what was acknowledged so far."""
        with suppress(BlockingIOError):
            while part := os.read(self._pipe, 65_536):
                self._rest += part
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            self.said.hear(line.decode())

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"the writer ended: {self._errors.read_text()[-2_000:]}"
        self.listen()

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def run_for(self, seconds: float) -> None:
        """Let it write, and read along, so that it never waits for us."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.02))
            self.listen()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def inside(task: Task) -> Outcome:
    """Make the cuts, where mounts are this process's own."""
    dice = random.Random(task.seed)
    outcome = Outcome()
    image = blank_image(task.folder / "image")
    copy = task.folder / "copy"
    most, newest_lost = 0, 0
    with mounted(["-o", "loop", str(image)], task.folder / "disk") as disk:
        while outcome.done < task.count and not outcome.wrong:
            # Each writer has a name of its own: that the one before it was deleted need not be on the disk yet
            home = disk / f"home-{outcome.done}"
            for former in disk.glob("home-*"):
                shutil.rmtree(former)
            writer = Frozen(home, dice.getrandbits(30), task.folder / "errors")
            try:
                for cut in range(min(_CUTS_OF_A_WRITER, task.count - outcome.done)):
                    # The first one falls into the making of the files or soon behind it
                    writer.run_for(dice.random() * (0.3 if cut == 0 else 0.15))
                    writer.freeze()
                    _copy_image(image, copy)
                    writer.thaw()
                    with mounted(["-o", "loop", str(copy)], task.folder / "after") as after:
                        lost, wrong = look(after / home.name, writer.said)
                    outcome.wrong += [f"cut {outcome.done + 1}: {what}" for what in wrong]
                    outcome.done += 1
                    most = max(most, len(writer.said.intents))
                    newest_lost = max(newest_lost, lost)
                    task.tell(f"{outcome.done} cuts, {most} intents at most")
            finally:
                writer.end()
    outcome.figures = {"most intents in a journal": most, "newest batches of the mirror lost at most": newest_lost}
    return outcome


def _copy_image(image: Path, copy: Path) -> None:
    """Copy the disk as it is at one moment: what the system writes back meanwhile makes it begin again."""
    for _ in range(_COPIES):
        before = image.stat()
        shutil.copyfile(image, copy)
        after = image.stat()
        if (before.st_mtime_ns, before.st_blocks) == (after.st_mtime_ns, after.st_blocks):
            return
    raise AssertionError("the disk never came to rest")


def look(home: Path, said: Acknowledged) -> tuple[int, list[str]]:
    """Open a home after the cut; return how many of the newest batches the mirror lost, and what is wrong."""
    wrong: list[str] = []
    paths = Paths.under(home)
    views = paths.config / "views.toml"
    text = views.read_text() if views.exists() else ""
    if (text and not text.endswith("\n# end\n")) or (int(text[2:].split("\n")[0]) if text else 0) < said.text:
        wrong.append(f"the settings file {said.text} was acknowledged, there is {text[:20]!r} … {text[-20:]!r}")
    try:
        files = Files(PROFILE.name, paths)
    except BmError as error:
        return 0, [*wrong, error.line()]
    try:
        there = files.journal.write_now(lambda c: {each.id: each for each in intent_rows.page(c, limit=0)})
        wrong += _lost(there, said)
        if broken := files.journal.write_now(intent_rows.audit_broken_at):
            wrong.append(f"the audit is broken at {broken}")
        batches = files.mirror.write_now(_batches)
        wrong += [f"orders of one batch are of {sorted(torn)}" for torn in batches.values() if len(torn) > 1]
        newest = max((number for torn in batches.values() for number in torn), default=0)
        if newest > said.batch:
            wrong.append(f"the mirror has batch {newest} of {said.batch}")
        wrong += [f"{path.name} is not whole" for path in _paths(files) if not whole(path, thorough=True)]
        if aside := health.moved_aside(files.mirror.path):
            wrong.append(f"{aside[0].name} was moved aside")
        for name in sorted(said.copies):
            path = files.backups / name
            if path.exists():
                backup.check(path, JOURNAL)
        _write_on(files)
    except BmError as error:
        wrong.append(error.line())
    finally:
        files.close()
    return max(0, said.batch - 1 - newest), wrong


def _lost(there: dict[int, Intent], said: Acknowledged) -> list[str]:
    wrong = []
    for number, (target, state) in said.intents.items():
        found = there.get(number)
        if found is None or found.target != target or _WAY.index(found.state.value) < _WAY.index(state):
            wrong.append(f"intent {number} was acknowledged as {state}, there is {found}")
    return wrong[:3]


def _batches(connection: Connection) -> dict[int, set[int]]:
    """Return the numbers of the batches that each group of orders is of: one, if transactions are whole."""
    found: dict[int, set[int]] = {}
    for row in connection.execute("SELECT order_id, raw FROM orders"):
        found.setdefault(row["order_id"] // _BATCH, set()).add(json.loads(row["raw"])["batch"])
    return found


def _paths(files: Files) -> list[Path]:
    return [file.path for file in files.all()]


def _write_on(files: Files) -> None:
    """Write to each file, as whoever comes back to it does."""
    now = datetime.now(UTC)
    works: list[Callable[[Connection], object]] = [
        partial(orders.store, records=[OrderRecord(Order(1, 1), "{}")], fetched_at=now),
        lambda connection: intent_rows.audit(connection, now, "fire", {"event": "after"}),
        lambda connection: events.add(connection, now, "info", "fire", "after", None),
    ]
    for file, work in zip(files.all(), works, strict=True):
        file.write_now(work)
    with closing(connect(files.journal.path, readonly=True)) as connection:
        assert intent_rows.count(connection, IntentQuery()) >= 0


ROW = Row(
    "K3",
    "power cuts under a writer, on the image of a disk",
    "cuts",
    long=100,
    short=3,
    passes="no acknowledged intent is lost, no file is corrupt",
    run=lambda task: apart(__name__, task),
    unable=no_loop,
)

if __name__ == "__main__":
    main(*sys.argv[1:])
