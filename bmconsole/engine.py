"""The engine: timers for the background work of a profile, in the one process that holds its lock.

The console is an engine with a face, `bmconsole run` one without. A process that finds the lock taken stands by and
takes over when the holder ends or dies, which the operating system tells by giving the lock.

Timers run on a clock that counts the machine's sleep and that nobody sets. What fell due while it slept runs once.
"""

import asyncio
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from filelock import FileLock, Timeout

from bmconsole.domain.text import clean
from bmconsole.domain.views import JobState
from bmconsole.errors import BmError
from bmconsole.paths import write_private
from bmconsole.store import passes
from bmconsole.store.sqlite import Connection

T = TypeVar("T")

BACKGROUND: ContextVar[bool] = ContextVar("BACKGROUND", default=False)
"""Whether what runs was begun by a timer: the process may leave it to the next one."""

_STANDBY_SECONDS = 2.0
_BEAT_SECONDS = 5.0
_BEAT_OLD = 20.0
_AFTER_ERROR = 60.0
_CANCEL_SECONDS = 0.5
_STORE_SECONDS = 0.5
_SLEPT_SECONDS = 2.0
"""How far the clocks with and without the machine's sleep part before it counts as having slept."""
_JITTER_SHARE = 0.05
_JITTER_SECONDS = 60.0


def seconds() -> float:
    """Return the seconds of a clock that never jumps and that goes on while the machine sleeps, where it has one."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    elif sys.platform == "darwin":
        # Here this one counts sleep, and the one behind `time.monotonic` does not
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    else:
        return time.monotonic()


class Mirror(Protocol):
    """Where the outcome of every run is kept: a `Database` on `mirror.db`."""

    async def read(self, work: Callable[[Connection], T]) -> T: ...
    async def write(self, work: Callable[[Connection], T]) -> T: ...


class Say(Protocol):
    """Writes one line of the log."""

    def __call__(self, level: str, source: str, message: str, ref: str | None = None) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of background work.

    `interval` is in seconds, None when its timer is off; `run` returns a line to log, or nothing; `after` names the job
    whose first run it waits for, since it works on what that one brings; `later` is for how many seconds after the
    start its timer leaves the machine to who is waiting.
    """

    name: str
    interval: float | None
    run: Callable[[], Awaitable[str]]
    after: str | None = None
    later: float = 0.0


class _Timer:
    """A job with its clock hand."""

    __slots__ = ("asked", "due", "has_run", "job", "known", "one", "running", "stirred")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.due: float | None = None
        self.running = False
        self.asked = False
        self.stirred = asyncio.Event()
        self.one = asyncio.Lock()
        self.has_run = asyncio.Event()
        self.known = passes.Stream(job.name)

    def ask(self) -> None:
        """Have it run now."""
        self.asked = True
        self.stirred.set()


class Engine:
    """Runs jobs on their timers while it holds the profile's lock; otherwise stands by.

    Args:
        jobs: What to run; each at most once at a time.
        lock: The profile's lock file.
        heartbeat: Where the holder says who it is and what comes next, for other processes.
        mirror: Where the outcome of every run is kept.
        say: The log.
        now: The server's clock in UTC.
        program: What people call this process: `console`, `run`.
        finish: Lets the requests that are in flight end and begins no others; awaited before the engine stops.
        monotonic: The clock of the timers, in seconds.
        chance: Numbers from 0 to 1, by which timers that began together part.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        lock: Path,
        heartbeat: Path,
        mirror: Mirror,
        say: Say,
        now: Callable[[], datetime],
        program: str,
        finish: Callable[[], Awaitable[None]] | None = None,
        monotonic: Callable[[], float] = seconds,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._timers = {job.name: _Timer(job) for job in jobs}
        self._lock = FileLock(str(lock), mode=0o600, thread_local=False)
        self._heartbeat = heartbeat
        self._mirror = mirror
        self._say = say
        self._now = now
        self._program = program
        self._finish = finish
        self._monotonic = monotonic
        self._chance = chance
        self._life: asyncio.Task[None] | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self.role = "stopped"
        self.trouble: str | None = None
        """Why the last run, or what this process does, could not be written down; None when all is well."""

    async def start(self) -> None:
        """Take the lock and run, or stand by; returns at once."""
        if self._life is None:
            self._try_lock()
            self._life = asyncio.create_task(self._live(), name="engine")

    async def stop(self) -> None:
        """Let the request in flight end, interrupt what runs (a pass goes on where it stopped), give up the lock."""
        tasks = [*self._beside, *([self._life] if self._life else [])]
        self._life = None
        if tasks and self._finish is not None:
            await self._finish()
            # What was answered last is being stored
            await asyncio.wait(tasks, timeout=_STORE_SECONDS)
        # Asked again until they end: a cancellation that meets a timeout in the same turn of the loop can get lost.
        pending = set(tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_SECONDS)
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._lock.is_locked:
            with suppress(OSError):  # it is believed for 20 s only, and the lock is what counts
                self._heartbeat.unlink(missing_ok=True)
            self._lock.release()
        self.role = "stopped"

    async def run_until(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; raises what ended the engine before."""
        await self.start()
        told = asyncio.create_task(stop.wait())
        try:
            if self._life is not None:
                await asyncio.wait([told, self._life], return_when=asyncio.FIRST_COMPLETED)
                if self._life.done():
                    self._life.result()
        finally:
            told.cancel()
            await self.stop()

    def trigger(self, name: str) -> None:
        """Run a job now: in the engine when it is here, else beside it in this process.

        Raises:
            KeyError: There is no such job.
        """
        timer = self._timers[name]
        if self.role == "here":
            timer.ask()
        elif not timer.one.locked():
            task = asyncio.create_task(self._run(timer), name=f"job-{name}")
            self._beside.add(task)
            task.add_done_callback(self._beside.discard)

    def jobs(self) -> tuple[JobState, ...]:
        """Return the state of every timer; `next_run` only while this process runs them."""
        now, here = self._monotonic(), self.role == "here"
        return tuple(
            JobState(
                timer.job.name,
                timer.job.interval,
                timer.running,
                timer.known.last_run,
                timer.known.last_result,
                timer.known.last_error,
                self._now() + timedelta(seconds=max(0.0, timer.due - now)) if here and timer.due is not None else None,
            )
            for timer in self._timers.values()
        )

    async def refresh(self) -> None:
        """Read how the runs of other processes ended."""
        names = list(self._timers)
        known = await self._mirror.read(lambda connection: [passes.stream(connection, name) for name in names])
        for stream in known:
            self._timers[stream.name].known = stream

    def holder(self) -> str | None:
        """Return who runs the engine, as `run (pid 4711)`, None where nobody said so lately."""
        try:
            told = json.loads(self._heartbeat.read_text(encoding="utf-8"))
            if abs(time.time() - float(told["beat"])) > _BEAT_OLD:
                return None
            return f"{clean(told['program'], limit=20)} (pid {int(told['pid'])})"
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None

    def _try_lock(self) -> bool:
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            self.role = "elsewhere"
            return False
        self.role = "here"
        return True

    async def _live(self) -> None:
        told = False
        while self.role != "here" and not self._try_lock():
            if not told:
                await self._tell("info", "engine", f"standing by: it runs in {self.holder() or 'another process'}")
                told = True
            await asyncio.sleep(_STANDBY_SECONDS)
        await self.refresh()
        await self._tell("info", "engine", f"runs here ({self._program}, pid {os.getpid()})")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            for timer in self._timers.values():
                group.create_task(self._tend(timer))

    async def _tend(self, timer: _Timer) -> None:
        timer.due = self._first_due(timer)
        await self._wait_for_what_it_needs(timer)
        while True:
            await self._wait_until_due(timer)
            timer.asked = False
            started = self._monotonic()
            await self._run(timer)
            if timer.job.interval is not None:
                pause = min(timer.job.interval, _AFTER_ERROR) if timer.known.last_error else timer.job.interval
                # A run longer than its interval starts again at once, but never twice for the time it missed.
                timer.due = max(started + pause - self._jitter(pause), self._monotonic())

    async def _wait_until_due(self, timer: _Timer) -> None:
        while not timer.asked:
            wait = None if timer.due is None else timer.due - self._monotonic()
            if wait is not None and wait <= 0:
                return
            timer.stirred.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await timer.stirred.wait()

    def _jitter(self, pause: float) -> float:
        return min(pause * _JITTER_SHARE, _JITTER_SECONDS) * self._chance()

    async def _wait_for_what_it_needs(self, timer: _Timer) -> None:
        before = self._timers.get(timer.job.after or "")
        if before is None or before.job.interval is None or before.known.last_run is not None:
            return
        # Asked for by hand it runs with what there is.
        while not (timer.asked or before.has_run.is_set()):
            timer.stirred.clear()
            waits = [asyncio.ensure_future(event.wait()) for event in (before.has_run, timer.stirred)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    def _first_due(self, timer: _Timer) -> float | None:
        if timer.job.interval is None:
            return None
        last = timer.known.last_run
        age = timer.job.interval if last is None or timer.known.last_error else (self._now() - last).total_seconds()
        return self._monotonic() + max(timer.job.later, min(timer.job.interval, max(0.0, timer.job.interval - age)))

    async def _run(self, timer: _Timer) -> None:
        async with timer.one:
            timer.running = True
            BACKGROUND.set(True)
            try:
                began = self._now()
                result, fault = await self._outcome(timer.job)
            finally:
                timer.running = False
            await self._keep(timer, began, result, fault)
        timer.has_run.set()

    async def _outcome(self, job: Job) -> tuple[str | None, str | None]:
        """Run a job; return its line, or what was wrong."""
        result: str | None = None
        fault: str | None = None
        try:
            result = await job.run()
        except BmError as error:
            fault = error.line()
        except Exception as error:
            # One broken job must not end the others; what it held may be a buyer's, so only the place is told.
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"unexpected {type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
        if said := fault or result:
            await self._tell("error" if fault else "info", job.name, said)
        return result, fault

    async def _keep(self, timer: _Timer, began: datetime, result: str | None, fault: str | None) -> None:
        name = timer.job.name
        try:
            await self._mirror.write(
                lambda connection: passes.set_run(connection, name, at=began, result=result, error=fault)
            )
            timer.known = await self._mirror.read(lambda connection: passes.stream(connection, name))
            self.trouble = None
        except BmError as error:
            # A full disk must not end the timers: they go on, and the next run may be kept
            self.trouble = error.line()
            timer.known = replace(
                timer.known, last_run=began, last_result=result or timer.known.last_result, last_error=fault
            )

    async def _tell(self, level: str, source: str, message: str) -> None:
        try:
            await self._say(level, source, message)
        except BmError as error:
            self.trouble = error.line()

    async def _beat(self) -> None:
        """Tell who runs the engine, and have the timers look at the clock again when the machine has slept."""
        loop = asyncio.get_running_loop()
        apart = self._monotonic() - loop.time()
        while True:
            text = json.dumps({"program": self._program, "pid": os.getpid(), "beat": time.time()})
            try:
                await asyncio.to_thread(write_private, self._heartbeat, text, durable=False)
            except BmError as error:
                self.trouble = error.line()
            await asyncio.sleep(_BEAT_SECONDS)
            now_apart = self._monotonic() - loop.time()
            if now_apart - apart > _SLEPT_SECONDS:
                for timer in self._timers.values():
                    timer.stirred.set()
                apart = now_apart
