"""What is wrong with a profile, from its status: what `bmconsole status` tells with its exit code."""

from bmconsole.domain.times import ago
from bmconsole.domain.views import WorkspaceStatus

SILENT_SECONDS = 30.0
"""After so long without a sign a process counts as stopped."""

_STALE = 3
_GRACE_SECONDS = 600.0
_STUCK_SECONDS = 600.0
_PAUSED_SECONDS = 30.0
_FEW_BYTES = 100 * 1024 * 1024


def faults(state: WorkspaceStatus) -> list[str]:
    """Return what is wrong, one sentence each; nothing where all is well."""
    wrong = [f"The last run of {job.name} failed: {job.last_error}" for job in state.jobs if job.last_error]
    wrong += _stale(state)
    for process in state.processes:
        if process.silent > SILENT_SECONDS:
            wrong.append(f"{process.name} has said nothing for {process.silent:.0f} s: it is stopped, or hangs.")
        elif process.trouble:
            wrong.append(f"{process.name}: {process.trouble}")
    if state.quarantined:
        wrong.append(f"{state.quarantined} records could not be understood; “bmconsole doctor” tells why.")
    if state.oldest_unfinished is not None:
        age = (state.server_now - state.oldest_unfinished).total_seconds()
        if age > _STUCK_SECONDS:
            told = ago(state.oldest_unfinished, state.server_now)
            wrong.append(f"{state.unfinished_writes} writes are unfinished, the oldest for {told}.")
    wrong += [
        f"Limit {rule.name} is paused for {rule.paused_for:.0f} s, after a 429."
        for rule in state.traffic.rules
        if rule.paused_for > _PAUSED_SECONDS
    ]
    if state.free_bytes is not None and state.free_bytes < _FEW_BYTES:
        wrong.append(f"Only {state.free_bytes // 1_048_576} MB are free on the disk.")
    return wrong


def _stale(state: WorkspaceStatus) -> list[str]:
    somebody = state.engine != "stopped"
    why = "" if somebody else " Nobody runs the engine: open the console, or start “bmconsole run”."
    wrong = []
    for job in state.jobs:
        last = state.feeds.get(job.name)
        if last is None or job.interval is None:
            continue
        if (state.server_now - last).total_seconds() > _STALE * job.interval + _GRACE_SECONDS:
            told = ago(last, state.server_now)
            wrong.append(f"{job.name} was last pulled cleanly {told} ago, every {job.interval:g} s is set.{why}")
    return wrong
