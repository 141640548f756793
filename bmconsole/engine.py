"""The engine: timers for the background work of a profile, in the one process that holds its lock.

The console is an engine with a face, `bmconsole run` one without. A process that finds the lock taken stands by and
takes over when the holder ends or dies, which the operating system tells by giving the lock.
"""

import asyncio
import json
import os
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from bmconsole.domain.text import clean
from bmconsole.domain.views import JobState
from bmconsole.errors import BmError
from bmconsole.paths import write_private
from bmconsole.store import passes
from bmconsole.store.database import Database

_STANDBY_SECONDS = 2.0
_BEAT_SECONDS = 5.0
_BEAT_OLD = 20.0
_AFTER_ERROR = 60.0
_CANCEL_SECONDS = 0.5


class Say(Protocol):
    """Writes one line of the log."""

    def __call__(self, level: str, source: str, message: str, ref: str | None = None) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of background work.

    `interval` is in seconds, None when its timer is off; `run` returns a line to log, or nothing; `after` names the job
    whose first run it waits for, since it works on what that one brings.
    """

    name: str
    interval: float | None
    run: Callable[[], Awaitable[str]]
    after: str | None = None


class _Timer:
    """A job with its clock hand."""

    __slots__ = ("due", "has_run", "job", "known", "running", "wanted")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.due: float | None = None
        self.running = False
        self.wanted = asyncio.Event()
        self.has_run = asyncio.Event()
        self.known = passes.Stream(job.name)


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
        monotonic: The timer in seconds.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        lock: Path,
        heartbeat: Path,
        mirror: Database,
        say: Say,
        now: Callable[[], datetime],
        program: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timers = {job.name: _Timer(job) for job in jobs}
        self._lock = FileLock(str(lock), mode=0o600, thread_local=False)
        self._heartbeat = heartbeat
        self._mirror = mirror
        self._say = say
        self._now = now
        self._program = program
        self._monotonic = monotonic
        self._life: asyncio.Task[None] | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self.role = "stopped"

    async def start(self) -> None:
        """Take the lock and run, or stand by; returns at once."""
        if self._life is None:
            self._try_lock()
            self._life = asyncio.create_task(self._live(), name="engine")

    async def stop(self) -> None:
        """End the timers, interrupt what runs (a pass goes on where it stopped) and give up the lock."""
        tasks = [*self._beside, *([self._life] if self._life else [])]
        self._life = None
        # Asked again until they end: a cancellation that meets a timeout in the same turn of the loop can get lost.
        pending = set(tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_SECONDS)
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._lock.is_locked:
            self._heartbeat.unlink(missing_ok=True)
            self._lock.release()
        self.role = "stopped"

    async def run_until(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()

    def trigger(self, name: str) -> None:
        """Run a job now: in the engine when it is here, else beside it in this process.

        Raises:
            KeyError: There is no such job.
        """
        timer = self._timers[name]
        if self.role == "here":
            timer.wanted.set()
        elif not timer.running:
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
        except (OSError, ValueError, KeyError, TypeError):
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
                await self._say(
                    "info", "engine", f"standing by: the engine runs in {self.holder() or 'another process'}"
                )
                told = True
            await asyncio.sleep(_STANDBY_SECONDS)
        await self.refresh()
        await self._say("info", "engine", f"runs here ({self._program}, pid {os.getpid()})")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            for timer in self._timers.values():
                group.create_task(self._tend(timer))

    async def _tend(self, timer: _Timer) -> None:
        timer.due = self._first_due(timer)
        await self._wait_for_what_it_needs(timer)
        while True:
            wait = None if timer.due is None else max(0.0, timer.due - self._monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await timer.wanted.wait()
            timer.wanted.clear()
            started = self._monotonic()
            await self._run(timer)
            if timer.job.interval is not None:
                pause = min(timer.job.interval, _AFTER_ERROR) if timer.known.last_error else timer.job.interval
                # A run longer than its interval starts again at once, but never twice for the time it missed.
                timer.due = max(started + pause, self._monotonic())

    async def _wait_for_what_it_needs(self, timer: _Timer) -> None:
        before = self._timers.get(timer.job.after or "")
        if before is None or before.job.interval is None or before.known.last_run is not None:
            return
        # Asked for by hand it runs with what there is.
        waits = [asyncio.ensure_future(event.wait()) for event in (before.has_run, timer.wanted)]
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
        return self._monotonic() + min(timer.job.interval, max(0.0, timer.job.interval - age))

    async def _run(self, timer: _Timer) -> None:
        timer.running = True
        result: str | None = None
        fault: str | None = None
        name = timer.job.name
        began = self._now()
        try:
            result = await timer.job.run()
            if result:
                await self._say("info", name, result)
        except BmError as error:
            fault = error.line()
            await self._say("error", name, fault)
        except Exception as error:
            # One broken job must not end the others; what it held may be a buyer's, so only the place is told.
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"unexpected {type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
            await self._say("error", name, fault)
        finally:
            timer.running = False
        await self._mirror.write(
            lambda connection: passes.set_run(connection, name, at=began, result=result, error=fault)
        )
        timer.known = await self._mirror.read(lambda connection: passes.stream(connection, name))
        timer.has_run.set()

    async def _beat(self) -> None:
        while True:
            text = json.dumps({"program": self._program, "pid": os.getpid(), "beat": time.time()})
            await asyncio.to_thread(write_private, self._heartbeat, text)
            await asyncio.sleep(_BEAT_SECONDS)
