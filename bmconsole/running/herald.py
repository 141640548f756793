"""Follows what happens, in the process that holds the engine: into the log file, and to the operator.

How far it came is kept beside the ledger, so that whoever holds the engine next goes on there: nothing is told twice
and nothing is left out that happened while nobody was there.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bmconsole.errors import BmError
from bmconsole.paths import write_private
from bmconsole.running.logfile import LogFile
from bmconsole.running.notices import Notifier
from bmconsole.store import events as event_rows
from bmconsole.store import happenings
from bmconsole.store.database import Database

LOOK_SECONDS = 2.0
STUCK = timedelta(minutes=10)
"""How long an unfinished write may stand still."""

_STREAMS = ("orders", "listings", "backbox", "watch")
_AT_ONCE = 1_000
_NO_ROW = 1 << 62


@dataclass
class _Marks:
    """How far everything was told; None where nobody looked yet."""

    event: int = 0
    order: int | None = None
    observation: int | None = None
    run: int | None = None
    late: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    stuck: list[int] = field(default_factory=list)


class Herald:
    """Looks every 2 s at what is new, while this process holds the engine.

    Args:
        mirror: Of the profile, as the other two.
        journal: Likewise.
        history: Likewise.
        file: Where it keeps how far it came.
        log: The log file.
        notifier: Who tells the operator.
        now: The server's clock.
        holds_engine: Whether this process is the one to do it.
    """

    def __init__(
        self,
        *,
        mirror: Database,
        journal: Database,
        history: Database,
        file: Path,
        log: LogFile,
        notifier: Notifier,
        now: Callable[[], datetime],
        holds_engine: Callable[[], bool],
    ) -> None:
        self._mirror = mirror
        self._journal = journal
        self._history = history
        self._file = file
        self._log = log
        self._notifier = notifier
        self._now = now
        self._holds_engine = holds_engine
        self._marks: _Marks | None = None
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why it cannot go on, None when it can."""

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._keep_looking(), name="herald")

    async def stop(self) -> None:
        """Look a last time, so that what the end of this process said is in the log file, and end."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        if self._marks is not None:
            await self._try()

    async def look(self) -> None:
        """Write what is new into the log file, and tell the operator of what happened.

        Raises:
            DiskTrouble: A file cannot be read or written.
        """
        if self._marks is None:
            self._marks = await asyncio.to_thread(self._read)
        before = json.dumps(asdict(self._marks))
        await self._follow_log(self._marks)
        if self._notifier.is_on:
            await self._gather(self._marks)
            await self._notifier.tell(self._now())
        if (after := json.dumps(asdict(self._marks))) != before:
            await asyncio.to_thread(write_private, self._file, after, durable=False)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._holds_engine():
                await self._try()
            else:
                self._marks = None  # another process moves them on

    async def _try(self) -> None:
        try:
            await self.look()
            self.trouble = None
        except BmError as error:
            self.trouble = error.line()

    async def _follow_log(self, marks: _Marks) -> None:
        newest = await self._history.read(event_rows.newest)
        if newest < marks.event:
            marks.event = 0  # another history, whose numbers begin anew
        while marks.event < newest:
            events = await self._history.read(partial(event_rows.behind, after=marks.event, limit=_AT_ONCE))
            if not events:
                return
            await asyncio.to_thread(self._log.add, events)
            marks.event = events[-1].id

    async def _gather(self, marks: _Marks) -> None:
        await self._gather_orders(marks)
        await self._gather_prices(marks)
        tell = self._notifier.gather
        broken = await self._mirror.read(lambda connection: happenings.broken_streams(connection, _STREAMS))
        tell("sync-broken", [each for each in broken if each.ref not in marks.broken])
        marks.broken = sorted(each.ref for each in broken)
        limit = self._now() - STUCK
        stuck = await self._journal.read(lambda connection: happenings.stuck_writes(connection, limit))
        tell("write-unfinished", [each for each in stuck if each.key not in marks.stuck])
        marks.stuck = [each.key for each in stuck]

    async def _gather_orders(self, marks: _Marks) -> None:
        newest = await self._mirror.read(happenings.newest_order)
        now = self._now()
        late = await self._mirror.read(lambda connection: happenings.late(connection, now))
        if marks.order is None:
            # What was there before anybody looked is no news
            marks.order = newest or None
            marks.late = [each.key for each in late]
            return
        after = marks.order
        new = await self._mirror.read(lambda connection: happenings.new_orders(connection, after))
        self._notifier.gather("new-order", new)
        marks.order = max(newest, after)
        self._notifier.gather("late", [each for each in late if each.key not in set(marks.late)])
        marks.late = [each.key for each in late]

    async def _gather_prices(self, marks: _Marks) -> None:
        seen = await self._history.read(happenings.newest_observation)
        run = await self._history.read(happenings.newest_run)
        if marks.observation is not None and seen > marks.observation:
            lost = marks.observation
            self._notifier.gather(
                "box-lost", await self._history.read(lambda connection: happenings.boxes_lost(connection, lost, seen))
            )
        if marks.run is not None and run > marks.run:
            last = marks.run
            self._notifier.gather(
                "guard", await self._history.read(lambda connection: happenings.guarded_runs(connection, last, run))
            )
        marks.observation, marks.run = seen, run

    def _read(self) -> _Marks:
        try:
            return _marks(json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            # There is none yet, it is another version's, or damaged: what is there now counts as told
            return _Marks()


def _marks(told: Mapping[str, Any]) -> _Marks:
    """Return what was kept; raises TypeError or ValueError where it is of another kind, or no number of a row."""
    marks = _Marks(**told)
    single = [number for number in (marks.order, marks.observation, marks.run) if number is not None]
    for number in (marks.event, *single, *marks.late, *marks.stuck):
        if type(number) is not int or not 0 <= number < _NO_ROW:
            raise ValueError("no number of a row")
    if not isinstance(marks.broken, list) or not all(isinstance(name, str) for name in marks.broken):
        raise TypeError("no names of streams")
    return marks
